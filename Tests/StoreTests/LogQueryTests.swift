import Testing

@testable import Store

struct StatusFilterTests {
    @Test func forms() {
        #expect(StatusFilter(parsing: "200") == StatusFilter(ranges: [200...200]))
        #expect(StatusFilter(parsing: "4xx, 5XX") == StatusFilter(ranges: [400...499, 500...599]))
        #expect(StatusFilter(parsing: "400-499,none") == StatusFilter(ranges: [400...499], includesNone: true))
        #expect(StatusFilter(parsing: "499-400") == StatusFilter(ranges: [400...499]))
        #expect(StatusFilter(parsing: "100,599,1xx") == StatusFilter(ranges: [100...100, 599...599, 100...199]))
        for bad in [
            "", "x", "0xx", "40x", "1-", "-1", "200,", "12345", "4xxx", "٤xx", "0", "99", "099", "600", "999", "6xx",
            "9xx",
            "0-599", "400-600", "200,600",
        ] {
            #expect(StatusFilter(parsing: bad) == nil, "\(bad)")
        }
    }
}

struct LogQueryTests {
    private let folder = TestFolder()
    private let reader: ReadConnection

    /// Rows 0 to 9, a second apart from 2026-06-06T03:26:55.123Z on.
    init() throws {
        let connection = try folder.open()
        for n in 0..<10 {
            let milliseconds = Int64(sampleMilliseconds) + Int64(n) * 1000
            let time = Timestamp.text(milliseconds: milliseconds, offsetMinutes: 480)
            let id = AuditID(unixMilliseconds: UInt64(milliseconds), worker: 0, bootNonce: 0, sequence: 0).text
            let status = ["200", "200", "404", "500", "NULL", "200", "429", "200", "301", "200"][n]
            let path = ["/v1/chat", "/v1/chat?x=1", "/v1/models", "/v2/[x]", "/v1/chat/a?b", "/", "/V1/x"][n % 7]
            try connection.execute(
                """
                INSERT INTO audit_logs (id, request_id, api_key, source_path, method, path, status_code, request_time,
                    response_time_ms, is_stream, error_message, request_body, created_at)
                VALUES ('\(id)', 'r\(n)', 'k\(n % 2)', '/s\(n % 3)', '\(n % 2 == 0 ? "GET" : "POST")', '\(path)',
                    \(status), '\(time)', \(n * 10), \(n % 4 == 0 ? 1 : 0),
                    \(n == 7 ? "'Connection RESET by peer'" : "NULL"), 'secret body', '\(time)');
                UPDATE store_counters SET value = value + 1;
                """)
        }
        reader = try folder.reader()
    }

    private func ids(_ change: (inout LogQuery) -> Void) throws -> [Int] {
        var query = LogQuery()
        query.order = .ascending
        change(&query)
        let page = try reader.logs(query)
        #expect(page.total == page.items.count || query.limit < 100 || query.offset > 0 || query.cursor != nil)
        #expect(page.items.allSatisfy { $0.requestBody == nil && $0.responseBody == nil })
        return page.items.map { Int($0.requestID.dropFirst())! }
    }

    @Test func eachFilter() throws {
        #expect(try ids { _ in } == Array(0...9))
        #expect(try ids { $0.order = .descending } == Array((0...9).reversed()))
        #expect(try ids { $0.status = StatusFilter(parsing: "200") } == [0, 1, 5, 7, 9])
        #expect(try ids { $0.status = StatusFilter(parsing: "4xx") } == [2, 6])
        #expect(try ids { $0.status = StatusFilter(parsing: "300-404,none") } == [2, 4, 8])
        #expect(try ids { $0.status = StatusFilter(ranges: []) } == [])
        #expect(try ids { $0.isStream = true } == [0, 4, 8])
        #expect(try ids { $0.isStream = false } == [1, 2, 3, 5, 6, 7, 9])
        #expect(try ids { $0.apiKey = "k1" } == [1, 3, 5, 7, 9])
        #expect(try ids { $0.sourcePath = "/s2" } == [2, 5, 8])
        #expect(try ids { $0.method = "get" } == [0, 2, 4, 6, 8])
        #expect(try ids { $0.minMilliseconds = 75.5 } == [8, 9])
        #expect(try ids { $0.error = .any } == [2, 3, 6, 7])
        #expect(try ids { $0.error = ErrorFilter.none } == [0, 1, 4, 5, 8, 9])
        #expect(try ids { $0.error = ErrorFilter(parsing: "connection reset") } == [7])
        #expect(ErrorFilter(parsing: "YES") == .any && ErrorFilter(parsing: "0") == ErrorFilter.none)
    }

    private typealias ErrorFilter = LogQuery.ErrorFilter

    @Test func pathsAreStartsOrPatterns() throws {
        #expect(try ids { $0.path = "/v1/chat" } == [0, 1, 4, 7, 8])
        #expect(try ids { $0.path = "/v1/*?*" } == [1, 4, 8])
        #expect(try ids { $0.path = "/v1/m*s" } == [2, 9])
        // Of which SQLite would not see the end.
        #expect(throws: StoreError.self) { try ids { $0.path = "/v1/*\0s" } }
        #expect(try ids { $0.path = "*/x" } == [6])
        #expect(try ids { $0.path = "/v2/[x" } == [3])
        #expect(try ids { $0.path = "/v1/chat?" } == [1, 8])
        #expect(try ids { $0.path = "'; DROP TABLE audit_logs; --" } == [])
    }

    @Test func timeRangesAreInclusive() throws {
        let start = Int64(sampleMilliseconds)
        #expect(try ids { $0.startTimeMilliseconds = start + 3000 } == Array(3...9))
        #expect(try ids { $0.endTimeMilliseconds = start + 3000 } == Array(0...3))
        #expect(
            try ids {
                $0.startTimeMilliseconds = start + 2001
                $0.endTimeMilliseconds = start + 5999
            } == [3, 4, 5])
        #expect(try ids { $0.endTimeMilliseconds = Timestamp.parseUpperBound("2026-06-06") } == Array(0...9))
        #expect(try ids { $0.startTimeMilliseconds = .max } == [])
        #expect(try ids { $0.endTimeMilliseconds = .min } == [])
    }

    @Test(arguments: [LogQuery.Order.ascending, .descending])
    func cursorsGoThroughEverythingOnce(_ order: LogQuery.Order) throws {
        var query = LogQuery()
        query.order = order
        query.limit = 3
        query.apiKey = "k0"
        var seen: [String] = []
        var pages = 0
        while true {
            let page = try reader.logs(query)
            #expect(page.total == 5)
            seen += page.items.map(\.requestID)
            pages += 1
            guard let next = page.nextCursor else { break }
            query.cursor = next
        }
        let expected = ["r0", "r2", "r4", "r6", "r8"]
        #expect(seen == (order == .ascending ? expected : expected.reversed()) && pages == 2)
    }

    @Test func offsetsAndLimits() throws {
        #expect(
            try ids {
                $0.offset = 8
                $0.limit = 5
            } == [8, 9])
        func refused(_ change: (inout LogQuery) -> Void) -> String? {
            var query = LogQuery()
            change(&query)
            guard case .invalid(let field, _)? = storeError({ _ = try reader.logs(query) }) else { return nil }
            return field
        }
        #expect(refused { $0.limit = 0 } == "limit")
        #expect(refused { $0.limit = 1001 } == "limit")
        #expect(refused { $0.offset = -1 } == "offset")
        #expect(refused { $0.offset = 10_001 } == "offset")
        #expect(refused { $0.cursor = "x" } == "cursor")
        #expect(refused { $0.path = String(repeating: "a", count: 3000) } == "path")
    }

    @Test func exportsGoThroughAllPagesAndMayStop() throws {
        let connection = try folder.raw()
        try connection.execute(
            """
            WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 2500)
            INSERT INTO audit_logs (id, request_id, method, path, request_time, created_at, response_body)
            SELECT printf('%032x', x), 'e' || x, 'GET', '/', '', '', 'b' FROM n
            """)
        var query = LogQuery()
        query.order = .ascending
        var seen = 0
        var bodies = 0
        try reader.exportLogs(query) { row throws(StoreError) in
            seen += 1
            if row.responseBody != nil || row.requestBody != nil { bodies += 1 }
            return true
        }
        #expect(seen == 2510 && bodies == 2510)
        seen = 0
        try reader.exportLogs(query, includesBodies: false) { row throws(StoreError) in
            seen += 1
            #expect(row.responseBody == nil)
            return seen < 1234
        }
        #expect(seen == 1234)
    }

    @Test func oneRowWhole() throws {
        let first = try #require(try reader.logs(LogQuery()).items.last)
        #expect(try reader.log(first.id)?.requestBody == "secret body")
        #expect(try reader.log("nonsense") == nil)
        #expect(try reader.log(String(repeating: "0", count: 32)) == nil)
    }
}
