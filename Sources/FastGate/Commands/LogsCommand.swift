import Glibc
import JSON

/// `fastgate logs …`
struct LogsCommand {
    let access: any AdminAccess
    let console: any Console
    let asJSON: Bool
    /// Between two looks of `tail --follow`; returns false to stop. Tests have their own.
    var pause: () -> Bool = {
        usleep(1_000_000)
        return true
    }

    func export(_ options: LogExportOptions) throws(CommandFailure) {
        var query = options.filter.parameters + [QueryParameter("format", options.format)]
        if let fields = options.fields { query.append(QueryParameter("fields", fields)) }
        let output = try Output(options.outputPath, console)
        var isWritten = true
        let response = try access.send(APIRequest("GET", "/admin/logs/export", query: query)) { piece in
            isWritten = output.write(piece)
            return isWritten
        }
        guard response.status == 200 else { throw response.refusal }
        guard isWritten else { throw output.failure }
        try output.finish()
    }

    func tail(_ options: LogTailOptions) throws(CommandFailure) {
        var tail = LogTail()
        if options.count > 0 || options.follows {
            let query = options.filter.parameters + [QueryParameter("limit", "\(max(1, options.count))")]
            let rows = try list(query).items
            let shown = tail.begin(rows.reversed(), follows: options.follows)
            if options.count > 0, !show(shown) { return }
        }
        while options.follows, pause() {
            if !show(try next(&tail, options.filter)) { return }
        }
    }

    /// The exchanges that have ended since.
    private func next(_ tail: inout LogTail, _ filter: LogFilter) throws(CommandFailure) -> [JSONValue] {
        var ended: [JSONValue] = []
        for id in tail.waiting {
            guard let row = try access.jsonIfThere(APIRequest("GET", "/admin/logs/\(APIRequest.encoded(id))")) else {
                tail.forget(id)
                continue
            }
            if tail.hasEnded(row), try matches(row, filter) { ended.append(row) }
        }
        if filter.concernsTheEnd {
            let inFlight = filter.beforeTheEnd + [QueryParameter("status_code", "none")]
            tail.wait(for: try rows(inFlight, since: tail.overlapStart))
        }
        return ended + tail.take(try rows(filter.parameters, since: tail.overlapStart))
    }

    /// All rows of a query, oldest first.
    private func rows(_ filter: [QueryParameter], since start: String?) throws(CommandFailure) -> [JSONValue] {
        var parameters = filter.filter { $0.name != "start_time" || start == nil }
        if let start { parameters.append(QueryParameter("start_time", start)) }
        parameters += [QueryParameter("order", "asc"), QueryParameter("limit", "1000")]
        var rows: [JSONValue] = []
        var cursor: String?
        repeat {
            let page = try list(parameters + (cursor.map { [QueryParameter("cursor", $0)] } ?? []))
            rows += page.items
            cursor = page.nextCursor
        } while cursor != nil
        return rows
    }

    /// Whether a row that was waited for is one that the filter lets through, now that it is complete.
    private func matches(_ row: JSONValue, _ filter: LogFilter) throws(CommandFailure) -> Bool {
        guard filter.concernsTheEnd, let time = row["request_time"]?.stringValue else { return true }
        let moment = [QueryParameter("start_time", time), QueryParameter("end_time", time)]
        let others = filter.parameters.filter { $0.name != "start_time" && $0.name != "end_time" }
        return try list(others + moment + [QueryParameter("limit", "1000")]).items.contains { $0["id"] == row["id"] }
    }

    private func list(_ query: [QueryParameter]) throws(CommandFailure) -> (items: [JSONValue], nextCursor: String?) {
        let answer = try access.json(APIRequest("GET", "/admin/logs", query: query))
        guard let items = answer["items"]?.arrayValue else {
            throw CommandFailure(message: "the admin API's answer is not a list")
        }
        return (items, answer["next_cursor"]?.stringValue)
    }

    /// False when nobody reads any more.
    private func show(_ rows: [JSONValue]) -> Bool {
        for row in rows {
            let line = asJSON ? row.serialized() : Self.line(row)
            if !console.write(Array((line + "\n").utf8)) { return false }
        }
        return true
    }

    /// `2026-06-06 11:26:55.123  200  POST /v1/chat/completions  1234.5 ms  5678 B  team-a  stream`.
    static func line(_ row: JSONValue) -> String {
        let time = (row["request_time"]?.stringValue ?? "-").prefix(23).split(separator: "T").joined(separator: " ")
        let duration = row["response_time_ms"]?.doubleValue.map { "\(($0 * 10).rounded() / 10) ms" } ?? "-"
        var parts = [
            printable(time), row["status_code"]?.intValue.map { "\($0)" } ?? "---",
            "\(row.cell("method")) \(row.cell("path"))", duration, "\(row["response_size"]?.intValue ?? 0) B",
            row.cell("source_path"),
        ]
        if row["is_stream"]?.boolValue == true { parts.append("stream") }
        if let error = row["error_message"]?.stringValue { parts.append("! " + printable(error)) }
        return parts.joined(separator: "  ")
    }
}
