import Reactor
import Testing

@testable import Store

/// Searches over more rows than one page looks at.
struct LogSearchTests {
    private let folder = TestFolder()
    private let connection: Connection
    private let reader: ReadConnection
    private static let rows = 45_000

    /// A row a second, one in 10,000 with status 500. As the writer has them, or as some other program would.
    init() throws {
        connection = try folder.open()
        try connection.execute(
            """
            WITH RECURSIVE n(x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM n WHERE x < \(Self.rows - 1))
            INSERT INTO audit_logs (id, request_id, method, path, status_code, response_time_ms, request_time,
                response_time, created_at)
            SELECT printf('%012x%020x', \(sampleMilliseconds) + x * 1000, x), 'r' || x, 'GET', '/' || (x % 10),
                iif(x % 10000 = 5, 500, 200), 10, '', '', '' FROM n;
            UPDATE store_counters SET value = \(Self.rows);
            """)
        reader = try folder.reader()
    }

    /// What the writer would have kept beside the rows.
    private func addRollups() throws {
        var rollups = RollupTable()
        for n in 0..<Self.rows {
            let isError = n % 10_000 == 5
            rollups.add(
                requestTimeMilliseconds: Int64(sampleMilliseconds) + Int64(n) * 1000, status: isError ? 500 : 200,
                durationMilliseconds: 10, firstByteMilliseconds: nil, isError: isError, isStream: false,
                requestBytes: 0, responseBytes: 0)
        }
        try rollups.write(to: connection)
    }

    /// All that a query finds, following cursors, and how many pages that took.
    private func all(_ change: (inout LogQuery) -> Void) throws -> (ids: [String], pages: Int) {
        var query = LogQuery()
        change(&query)
        var found: [String] = []
        var pages = 0
        while true {
            let page = try reader.logs(query)
            pages += 1
            found += page.items.map(\.requestID)
            #expect(page.searchedUpToMilliseconds == nil || page.nextCursor != nil)
            guard let next = page.nextCursor, pages < 1000 else { return (found, pages) }
            query.cursor = next
        }
    }

    @Test func aSearchStopsAndGoesOnFromThere() throws {
        let pages = (Self.rows + LogQuery.searchedRows - 1) / LogQuery.searchedRows
        var query = LogQuery()
        query.path = "/none"
        let page = try reader.logs(query)
        #expect(page.items.isEmpty && page.total == 0 && !page.totalIsExact)
        let reached = Int64(sampleMilliseconds) + Int64(Self.rows - LogQuery.searchedRows) * 1000
        #expect(page.searchedUpToMilliseconds == reached)
        #expect(try all { $0.path = "/none" } == ([], pages))
        #expect(
            try all {
                $0.path = "/none"
                $0.order = .ascending
            } == ([], pages))
        // Rows that the writer did not write are in no rollup: they are found all the same.
        let errors = try all { $0.status = StatusFilter(parsing: "5xx") }
        #expect(errors.ids == ["r40005", "r30005", "r20005", "r10005", "r5"] && errors.pages == pages)
    }

    @Test(arguments: [LogQuery.Order.ascending, .descending])
    func rollupsTellWhereToLook(_ order: LogQuery.Order) throws {
        try addRollups()
        let expected = ["r5", "r10005", "r20005", "r30005", "r40005"]
        let filters: [(inout LogQuery) -> Void] = [
            { $0.status = StatusFilter(parsing: "500") }, { $0.error = .any },
            { query in
                query.error = .any
                query.minMilliseconds = 9
            },
        ]
        for filter in filters {
            let found = try all { query in
                filter(&query)
                query.order = order
            }
            #expect(found.ids == (order == .ascending ? expected : expected.reversed()) && found.pages <= 2)
        }
        let slow = try all { query in
            query.minMilliseconds = 1000
            query.order = order
        }
        #expect(slow == ([], 1))
        // In flight: in no rollup, and one of no status.
        try connection.execute(
            """
            INSERT INTO audit_logs (id, request_id, method, path, request_time, created_at, error_message)
            VALUES (printf('%012x%020x', \(sampleMilliseconds) + 7000, 99), 'open', 'GET', '/', '', '', 'stopped')
            """)
        let withOpen = try all { query in
            query.error = .any
            query.order = order
        }
        let both = ["r5", "open", "r10005", "r20005", "r30005", "r40005"]
        #expect(withOpen.ids == (order == .ascending ? both : both.reversed()))
        #expect(try all { $0.status = StatusFilter(parsing: "none") }.ids == ["open"])
    }

    @Test func totalsAreExactAsFarAsTheyWereCounted() throws {
        var query = LogQuery()
        query.limit = 1
        #expect(try reader.logs(query).total == Self.rows)
        query.path = "/3"
        var page = try reader.logs(query)
        #expect(page.total == LogQuery.searchedRows / 10 && !page.totalIsExact && page.nextCursor != nil)
        #expect(page.searchedUpToMilliseconds == nil)
        query.startTimeMilliseconds = Int64(sampleMilliseconds) + Int64(Self.rows - 1000) * 1000
        page = try reader.logs(query)
        #expect(page.total == 100 && page.totalIsExact)
        query.path = nil
        page = try reader.logs(query)
        #expect(page.total == 1000 && page.totalIsExact)
    }

    @Test func exportsGoThroughWhatASearchStopsAt() throws {
        var query = LogQuery()
        query.status = StatusFilter(parsing: "500")
        for withRollups in [false, true] {
            if withRollups { try addRollups() }
            for order in [LogQuery.Order.ascending, .descending] {
                query.order = order
                var seen: [String] = []
                try reader.exportLogs(query) { row throws(StoreError) in
                    seen.append(row.requestID)
                    return true
                }
                #expect(seen.count == 5 && seen.first == (order == .ascending ? "r5" : "r40005"))
            }
        }
        var count = 0
        try reader.exportLogs(LogQuery(), includesBodies: false) { _ throws(StoreError) in
            count += 1
            return true
        }
        #expect(count == Self.rows)
    }

    @Test func rowsAreFoundByRequestID() throws {
        #expect(try reader.log(requestID: "r17")?.requestID == "r17")
        #expect(try reader.log(requestID: "nobody's") == nil)
        // One of ours tells its second.
        let milliseconds = UInt64(Clock.realtimeNanoseconds() / 1_000_000) - 40 * 86_400_000
        let number = RequestNumber.make(unixSeconds: milliseconds / 1000, worker: 3, sequence: 77)
        var text = RequestNumber.prefix
        for digit in 0..<RequestNumber.digits { text += String(number >> UInt64(digit * 4) & 15, radix: 16) }
        let id = AuditID(unixMilliseconds: milliseconds, worker: 3, bootNonce: 1, sequence: 77).text
        try connection.execute(
            """
            INSERT INTO audit_logs (id, request_id, method, path, request_time, created_at)
            VALUES ('\(id)', '\(text)', 'GET', '/', '', '')
            """)
        #expect(try reader.log(requestID: text)?.id == id)
        #expect(RequestNumber.parse(text) == number && RequestNumber.parse("req_00000000000g") == nil)
        #expect(
            RequestNumber.seconds(text, nowSeconds: Int64(milliseconds / 1000) + 5).first == Int64(milliseconds / 1000))
        #expect(RequestNumber.seconds("mine", nowSeconds: 0).isEmpty)
    }

    @Test func sumsOfAllTimeAreMadeWhereTheyAreMissing() throws {
        try addRollups()
        try connection.execute("DELETE FROM audit_rollups WHERE bucket = -1")
        _ = try Database.open(path: folder.database)
        #expect(try connection.int("SELECT sum(requests) FROM audit_rollups WHERE bucket = -1") == Self.rows)
        _ = try Database.open(path: folder.database)
        #expect(try connection.int("SELECT sum(requests) FROM audit_rollups WHERE bucket = -1") == Self.rows)
        #expect(try reader.metrics().totalRequests == Self.rows)
    }
}
