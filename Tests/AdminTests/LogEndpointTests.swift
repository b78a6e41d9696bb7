import Glibc
import JSON
import Reactor
import Testing

@testable import Admin
@testable import Store

@Suite struct LogEndpointTests {
    private let bed: TestBed
    private let context: HandlerContext

    init() throws {
        bed = try TestBed()
        context = try bed.context()
    }

    private func fill() {
        bed.store(6) { index in
            var exchange = TestExchange()
            exchange.path = index == 5 ? "/v1/models?x=1" : "/v1/chat/completions"
            exchange.method = index == 5 ? "GET" : "POST"
            exchange.status = [200, 200, 404, 503, 200, 200][index]
            exchange.error = index == 3 ? "connect: refused" : ""
            exchange.isStream = index == 4
            exchange.sourcePath = index < 2 ? "team-a" : "team-b"
            exchange.keyID = index < 2 ? "key_1" : "key_2"
            exchange.responseBody = "body \(index)"
            return exchange
        }
    }

    private func paths(_ query: String) throws -> [Int] {
        let answer = try context.send("GET", "/admin/logs?" + query)
        #expect(answer.status == 200, "\(query)")
        let items = answer.body["items"]?.arrayValue ?? []
        #expect(answer.body["total"]?.intValue == items.count, "\(query)")
        // The exchanges are a millisecond apart.
        return items.compactMap { $0["request_time"]?.stringValue.flatMap { Int(String($0.dropFirst(20).prefix(3))) } }
            .map { $0 - 123 }
    }

    @Test func filters() throws {
        fill()
        #expect(try paths("") == [5, 4, 3, 2, 1, 0])
        #expect(try paths("order=asc") == [0, 1, 2, 3, 4, 5])
        #expect(try paths("status_code=404") == [2])
        #expect(try paths("status_code=4xx,503") == [3, 2])
        #expect(try paths("status_code=400-599") == [3, 2])
        #expect(try paths("status_code=none") == [])
        #expect(try paths("is_stream=true") == [4])
        #expect(try paths("api_key=key_1") == [1, 0])
        #expect(try paths("source_path=team-b&method=get") == [5])
        #expect(try paths("path=/v1/mod") == [5])
        #expect(try paths("path=*completions&is_stream=false&status_code=2xx") == [1, 0])
        #expect(try paths("error=true") == [3, 2])
        #expect(try paths("error=REFUSED") == [3])
        #expect(try paths("min_ms=12.5").count == 6)
        #expect(try paths("min_ms=12.6") == [])
        #expect(try paths("start_time=2026-06-06T11:26:55.126%2B08:00") == [5, 4, 3])
        #expect(try paths("end_time=2026-06-06T03:26:55.124Z") == [1, 0])
        #expect(try paths("start_time=2026-06-06&end_time=2026-06-06").count == 6)
        #expect(try paths("start_time=2026-06-07") == [])
    }

    @Test(arguments: [
        ("start_time=x", "start_time"), ("end_time=2026-02-30", "end_time"), ("status_code=ok", "status_code"),
        ("start_time=2026-06-07&end_time=2026-06-06", "end_time"), ("is_stream=2", "is_stream"),
        ("status_code=600", "status_code"), ("status_code=4xx,6xx", "status_code"),
        ("min_ms=-1", "min_ms"), ("min_ms=0x10", "min_ms"), ("min_ms=nan", "min_ms"), ("order=up", "order"),
        ("limit=1001", "limit"), ("cursor=x", "cursor"),
        ("statuscode=200", "statuscode"),
    ])
    func badFiltersAreNamed(_ query: String, _ param: String) throws {
        let answer = try context.send("GET", "/admin/logs?" + query)
        #expect(answer.status == 400)
        #expect(answer.body["error"]?["param"]?.stringValue == param)
    }

    @Test func cursorsWalkOverAllRowsOnce() throws {
        fill()
        for order in ["asc", "desc"] {
            var seen: [String] = []
            var cursor = ""
            repeat {
                let page = try context.send("GET", "/admin/logs?order=\(order)&limit=4&cursor=\(cursor)")
                let names = ["items", "total", "total_is_exact", "limit", "offset", "next_cursor", "searched_up_to"]
                #expect(page.body.objectValue?.names == names)
                #expect(page.body["total"] == 6)
                #expect(page.body["total_is_exact"] == true)
                seen += page.body["items"]?.arrayValue?.compactMap { $0["id"]?.stringValue } ?? []
                cursor = page.body["next_cursor"]?.stringValue ?? ""
            } while !cursor.isEmpty && seen.count < 20
            #expect(seen.count == 6)
            #expect(seen == (order == "asc" ? seen.sorted() : seen.sorted().reversed()))
        }
    }

    @Test func listsLeaveBodiesOutAndOneRowIsWhole() throws {
        fill()
        let item = try #require(try context.send("GET", "/admin/logs?limit=1").body["items"]?.arrayValue?.first)
        #expect(item.objectValue?.names == LogField.withoutBodies.map(\.rawValue))
        let id = try #require(item["id"]?.stringValue)
        let row = try context.send("GET", "/admin/logs/\(id)").body
        #expect(row.objectValue?.names == LogField.allCases.map(\.rawValue) + ["usage_url"])
        #expect(row["response_body"] == "body 5")
        #expect(row["request_headers"] == ["accept": "*/*"])
        #expect(row["response_time_ms"]?.doubleValue == 12.5)
        let missing = try context.send("GET", "/admin/logs/nothing")
        #expect(missing.status == 404)
        #expect(missing.body["error"]?["code"] == "not_found")
    }

    @Test func exportsHaveTheFieldsAskedFor() throws {
        fill()
        func export(_ query: String) throws -> String {
            let answer = try context.send("GET", "/admin/logs/export?" + query)
            #expect(answer.status == 200)
            guard case .stream(let produce) = answer.response.body else { return "no stream" }
            let sink = CollectingSink()
            try produce(context, sink)
            return String(decoding: sink.bytes, as: UTF8.self)
        }
        #expect(
            try export("fields=status_code,path&order=asc&source_path=team-b")
                == "status_code,path\r\n404,/v1/chat/completions\r\n503,/v1/chat/completions\r\n"
                + "200,/v1/chat/completions\r\n200,/v1/models?x=1\r\n")
        #expect(
            try export("format=json&fields=status_code&status_code=404,503")
                == "[{\"status_code\":503},\n{\"status_code\":404}]\n")
        #expect(try export("format=json&status_code=599") == "[]\n")
        #expect(try export("format=ndjson&fields=method&api_key=&method=GET") == "{\"method\":\"GET\"}\n")
        for (query, param) in [("format=xml", "format"), ("fields=id,nope", "fields"), ("fields=id,id", "fields")] {
            let answer = try context.send("GET", "/admin/logs/export?" + query)
            #expect(answer.status == 400)
            #expect(answer.body["error"]?["param"]?.stringValue == param)
        }
    }

    @Test func aHundredThousandRowsAreExportedInConstantMemory() throws {
        let headers = String(repeating: "h", count: 100)
        try bed.writer.perform { writer throws(StoreError) in
            try writer.connection.execute(
                """
                INSERT INTO audit_logs (id, request_id, method, path, status_code, request_time, request_headers,
                    response_headers, created_at)
                WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
                SELECT printf('019e9b00%024x', i), 'req_' || i, 'POST', '/v1/chat/completions', 200,
                    '2026-06-06T11:26:55.123+08:00', '\(headers)', '\(headers)', '2026-06-06T11:26:55.123+08:00'
                FROM n
                """)
        }
        // What waits between the reader of the database and a client is all that an export holds: the store reads by
        // pages, and its producer sleeps while the stream is full.
        let answer = try context.send("GET", "/admin/logs/export?format=ndjson")
        guard case .stream(let produce) = answer.response.body else {
            Issue.record("no stream")
            return
        }
        let stream = BodyStream {}
        let (path, shared) = (bed.databasePath, context.shared)
        let producer = try WorkerThread.start(name: "producer", cpu: nil) {
            do {
                let reader = try ReadConnection(path: path, timeZoneOffsetMinutes: 480)
                try produce(HandlerContext(shared: shared, reader: reader), stream)
                stream.finish(failed: false)
            } catch {
                stream.finish(failed: true)
            }
        }
        var rows = 0
        var bytes = 0
        var largest = 0
        loop: while true {
            switch stream.take() {
            case .piece(let piece):
                bytes += piece.count
                rows += lines(piece)
                largest = max(largest, piece.count)
            case .nothing: sched_yield()
            case .finished: break loop
            case .failed:
                Issue.record("failed")
                break loop
            }
        }
        producer.join()
        #expect(rows == 100_000)
        #expect(bytes > 60_000_000)
        #expect(largest < 2 * LogExport.pieceBytes)
        #expect(stream.highWaterBytes <= BodyStream.capacityBytes + largest)
        try expectWholeExportOverASocket()
    }

    private func expectWholeExportOverASocket() throws {
        let server = try bed.startServer()
        defer { server.stop() }
        let client = try TestClient(port: server.boundPort)
        client.write(
            "GET /admin/logs/export?format=csv&fields=id HTTP/1.1\r\nhost: a\r\n"
                + "authorization: Bearer \(TestBed.token)\r\n\r\n")
        var rows = 0
        let head = try client.eachPiece { rows += lines($0) }
        #expect(head.status == 200)
        #expect(head["content-type"] == "text/csv; charset=utf-8")
        #expect(rows == 100_001)
    }

    private func lines(_ piece: [UInt8]) -> Int {
        piece.withUnsafeBytes { buffer in
            guard var position = buffer.baseAddress else { return 0 }
            let end = position + buffer.count
            var count = 0
            while let found = memchr(position, 10, end - position) {
                count += 1
                position = UnsafeRawPointer(found) + 1
            }
            return count
        }
    }
}

private final class CollectingSink: ByteSink, @unchecked Sendable {
    var bytes: [UInt8] = []

    func write(_ piece: [UInt8]) -> Bool {
        bytes += piece
        return true
    }
}
