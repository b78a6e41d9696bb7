import JSON
import Testing

@testable import FastGate

/// Answers from a list of rows as the audit would.
private final class FakeAudit: AdminAccess {
    var rows: [JSONValue] = []
    private(set) var requests: [APIRequest] = []

    func send(_ request: APIRequest, sink: ([UInt8]) -> Bool) throws(CommandFailure) -> APIResponse {
        requests.append(request)
        func value(_ name: String) -> String? { request.query.last { $0.name == name }?.value }
        if request.path != "/admin/logs" {
            guard let row = rows.first(where: { request.path == "/admin/logs/\($0["id"]?.stringValue ?? "")" }) else {
                return APIResponse(status: 404, body: [])
            }
            _ = sink(row.serializedBytes())
            return APIResponse(status: 200, body: [])
        }
        var found = rows.filter { row in
            let time = row["request_time"]?.stringValue ?? ""
            let status = row["status_code"]?.intValue
            if let start = value("start_time"), time < start { return false }
            if let end = value("end_time"), time > end { return false }
            if value("status_code") == "none", status != nil { return false }
            if value("error") == "true", (status ?? 0) < 400 { return false }
            return true
        }
        if value("order") != "asc" { found.reverse() }
        found = Array(found.prefix(Int(value("limit") ?? "") ?? 100))
        _ = sink(JSONValue.object(JSONObject([("items", .array(found)), ("next_cursor", .null)])).serializedBytes())
        return APIResponse(status: 200, body: [])
    }

    func add(_ id: String, second: Int, status: Int?) {
        let time = "2026-06-06T11:\(10 + second / 60):\(10 + second % 60).000+00:00"
        rows.append([
            "id": .string(id), "request_time": .string(time), "method": "GET", "path": .string("/\(id)"),
            "status_code": status.map { .integer($0) } ?? .null,
        ])
        rows.sort { ($0["id"]?.stringValue ?? "") < ($1["id"]?.stringValue ?? "") }
    }

    func finish(_ id: String, status: Int) {
        rows = rows.map { row in
            guard row["id"]?.stringValue == id, var object = row.objectValue else { return row }
            object["status_code"] = .integer(status)
            return .object(object)
        }
    }
}

@Suite struct LogTailTests {
    private let audit = FakeAudit()
    private let console = CatchingConsole()

    /// Follows through the steps; what was shown before each and at the end.
    private func follow(
        filter: [QueryParameter] = [], count: Int = 20, _ steps: [(FakeAudit) -> Void]
    ) throws -> [[String]] {
        var shown: [[String]] = []
        var remaining = steps[...]
        var length = 0
        func note() {
            let lines = console.lines
            shown.append(
                lines[length...].map { line in
                    String(line.split(separator: " ").first { $0.hasPrefix("/") }?.dropFirst() ?? "?")
                })
            length = lines.count
        }
        var command = LogTailer(access: audit, console: console, asJSON: false)
        command.pause = {
            note()
            guard let step = remaining.popFirst() else { return false }
            step(audit)
            return true
        }
        try command.tail(LogFilter(parameters: filter), count: count, follows: true)
        return shown
    }

    @Test func rowsAreShownOnceAndWhenTheyEnd() throws {
        audit.add("a", second: 0, status: 200)
        audit.add("b", second: 1, status: nil)
        let shown = try follow([
            { $0.add("d", second: 3, status: 200) },
            // Written late, of another worker; and the one that was waited for.
            {
                $0.add("c", second: 2, status: 200)
                $0.finish("b", status: 200)
            },
            { $0.add("e", second: 100, status: nil) },
            { $0.finish("e", status: 499) },
            { _ in },
        ])
        #expect(shown == [["a"], ["d"], ["b", "c"], [], ["e"], []])
    }

    @Test func aLongExchangeIsJudgedAtItsEnd() throws {
        audit.add("a", second: 0, status: 500)
        audit.add("b", second: 1, status: nil)
        audit.add("c", second: 2, status: nil)
        let shown = try follow(
            filter: [QueryParameter("error", "true")],
            [
                { $0.add("d", second: 100, status: 500) },
                { $0.finish("b", status: 504) },
                { $0.finish("c", status: 200) },
                { $0.add("e", second: 101, status: 404) },
            ])
        #expect(shown == [["a"], ["d"], ["b"], [], ["e"]])
    }

    @Test func whatLiesBeforeTheFirstRowIsNoNews() throws {
        for (index, id) in ["a", "b", "c"].enumerated() { audit.add(id, second: index, status: 200) }
        #expect(try follow(count: 1, [{ _ in }, { $0.add("d", second: 3, status: 200) }]) == [["c"], [], ["d"]])
    }

    @Test func nothingIsShownOfWhatWasWhenNothingIsAskedFor() throws {
        audit.add("a", second: 0, status: 200)
        #expect(try follow(count: 0, [{ $0.add("b", second: 1, status: 200) }]) == [[], ["b"]])
    }

    @Test func anEmptyAuditIsFollowed() throws {
        #expect(try follow([{ _ in }, { $0.add("a", second: 0, status: 200) }]) == [[], [], ["a"]])
    }

    @Test func itEndsWhenNobodyReads() throws {
        for index in 0..<5 { audit.add("\(index)", second: index, status: 200) }
        console.maxWrites = 2
        #expect(try follow([{ _ in }]) == [])
        #expect(console.lines.count == 2)
    }

    @Test func aLineTellsTheExchange() {
        let row: JSONValue = [
            "request_time": "2026-06-06T11:26:55.123+08:00", "status_code": 502, "method": "POST",
            "path": "/v1/chat\u{1B}[2J", "response_time_ms": 1234.56, "response_size": 17, "source_path": "team-a",
            "is_stream": true, "error_message": "connection\nrefused",
        ]
        #expect(
            LogTailer.line(row)
                == "2026-06-06 11:26:55.123  502  POST /v1/chat\\u{1b}[2J  1234.6 ms  17 B  team-a  stream"
                + "  ! connection\\u{a}refused")
        #expect(LogTailer.line(["id": "x"]) == "-  ---  - -  -  0 B  -")
    }

    @Test func jsonLinesAreWhole() throws {
        audit.add("a", second: 0, status: 200)
        try LogTailer(access: audit, console: console, asJSON: true).tail(LogFilter(), count: 20, follows: false)
        #expect(try JSONValue(parsing: console.output) == audit.rows[0])
        #expect(audit.requests.map(\.target) == ["/admin/logs?limit=20"])
    }
}
