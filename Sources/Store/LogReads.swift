/// Reading `audit_logs`.
enum LogColumns {
    /// Everything but bodies.
    static let brief = """
        id, request_id, api_key, source_path, method, path, target_url, status_code, request_time,
        first_response_time, response_time, response_time_ms, request_size, response_size, user_agent, ip_address,
        is_stream, stream_chunks, error_message, request_headers, response_headers, created_at
        """
    static let all = brief + ", request_body, response_body"

    static func row(_ row: Statement, withBodies: Bool) -> AuditRow {
        AuditRow(
            id: row.text(0), requestID: row.text(1), keyID: row.optionalText(2), sourcePath: row.optionalText(3),
            method: row.text(4), path: row.text(5), targetURL: row.optionalText(6), statusCode: row.optionalInt(7),
            requestTimeMilliseconds: Timestamp.parse(row.text(8)) ?? 0,
            firstResponseTimeMilliseconds: row.optionalText(9).flatMap { Timestamp.parse($0) },
            responseTimeMilliseconds: row.optionalText(10).flatMap { Timestamp.parse($0) },
            durationMilliseconds: row.optionalDouble(11), requestSize: row.int(12), responseSize: row.int(13),
            userAgent: row.optionalText(14), ipAddress: row.optionalText(15), isStream: row.bool(16),
            streamChunks: row.optionalInt(17), errorMessage: row.optionalText(18), requestHeaders: row.optionalText(19),
            requestBody: withBodies ? row.optionalText(22) : nil, responseHeaders: row.optionalText(20),
            responseBody: withBodies ? row.optionalText(23) : nil,
            createdAtMilliseconds: Timestamp.parse(row.text(21)) ?? 0)
    }
}

extension ReadConnection {
    /// Rows that match, a page at a time, without bodies.
    public func logs(_ query: LogQuery) throws(StoreError) -> LogPage {
        guard (1...LogQuery.maximumLimit).contains(query.limit) else {
            throw .invalid(field: "limit", message: "must be from 1 to \(LogQuery.maximumLimit)")
        }
        guard (0...LogQuery.maximumOffset).contains(query.offset) else {
            throw .invalid(
                field: "offset", message: "must be from 0 to \(LogQuery.maximumOffset); a cursor goes further")
        }
        return try read { connection throws(StoreError) in
            var search = PageSearch(query)
            var scan = try LogScan(query, cursor: query.cursor, connection)
            if scan.conditions.isEmpty {
                try search.take(scan.select(scan.range, limit: search.wanted, withBodies: false))
            } else {
                while !search.isFull, let window = try scan.next(rows: search.rowsLeft) {
                    try search.take(scan.select(window.range, limit: search.wanted, withBodies: false))
                    search.passed(window)
                }
            }
            let stop = search.stop(isAtEnd: scan.isAtEnd)
            let total = try total(query, search, scan, connection)
            return LogPage(
                items: search.items, total: total.count, totalIsExact: total.isExact,
                nextCursor: search.hasMore ? search.items.last?.id : stop,
                searchedUpToMilliseconds: stop.flatMap { AuditID($0) }.map { Int64($0.unixMilliseconds) })
        }
    }

    /// Rows of a range of time that are counted one by one.
    private static let countedRows = 50_000

    /// All rows that match, from the first page on; inexact where that would be too many to look at.
    ///
    /// - Parameter scan: where the page's search stands.
    private func total(
        _ query: LogQuery, _ search: PageSearch, _ scan: LogScan, _ connection: Connection
    ) throws(StoreError) -> (count: Int, isExact: Bool) {
        var scan = scan
        if scan.conditions.isEmpty {
            if query.startTimeMilliseconds == nil, query.endTimeMilliseconds == nil {
                let rows = try connection.scalarInt("SELECT value FROM store_counters WHERE name = 'audit_rows'")
                return (max(search.matches, rows), true)
            }
            let count = try scan.count(IDRange(query, cursor: nil), limit: Self.countedRows + 1)
            return (max(search.matches, min(count, Self.countedRows)), count <= Self.countedRows)
        }
        var total = search.matchesBefore
        var rowsLeft = search.rowsLeft
        if query.cursor != nil {
            scan = try LogScan(query, cursor: nil, connection)
            total = 0
            rowsLeft = LogQuery.searchedRows
        } else if let window = search.window {
            // The page may have been full before its last window was at its end.
            total += search.isFull ? try scan.count(window.range, limit: window.rows) : search.matchesInWindow
        }
        while let window = try scan.next(rows: rowsLeft) {
            total += try scan.count(window.range, limit: window.rows)
            rowsLeft -= window.rows
        }
        return (max(total, search.matches), scan.isAtEnd)
    }

    /// One row whole.
    public func log(_ id: String) throws(StoreError) -> AuditRow? {
        guard let id = AuditID(id) else { return nil }
        return try read { connection throws(StoreError) in try Self.row(id.text, connection) }
    }

    /// The newest row of a request, whole. An id that the gateway made tells where to look; one that a client sent is
    /// looked for from the newest row backwards.
    ///
    /// - Parameter limitMilliseconds: of the search backwards, then `StoreError.timedOut`.
    public func log(requestID: String, limitMilliseconds: UInt64 = 2000) throws(StoreError) -> AuditRow? {
        let limit = queryTimeoutMilliseconds
        defer { queryTimeoutMilliseconds = limit }
        queryTimeoutMilliseconds = min(limit, limitMilliseconds)
        return try read { connection throws(StoreError) in
            for second in RequestNumber.seconds(requestID, nowSeconds: now() / 1000) {
                let from = IDRange.first(milliseconds: second * 1000)
                let to = IDRange.first(milliseconds: (second + 1) * 1000)
                if let id = try Self.newest(requestID, from, to, connection) { return try Self.row(id, connection) }
            }
            // An exchange of another gateway may have had an id that looks like ours.
            guard let id = try Self.newest(requestID, "", "g", connection) else { return nil }
            return try Self.row(id, connection)
        }
    }

    private static func newest(
        _ requestID: String, _ from: String, _ to: String, _ connection: Connection
    ) throws(StoreError) -> String? {
        let select = try connection.statement(
            "SELECT id FROM audit_logs WHERE id >= ?1 AND id < ?2 AND request_id = ?3 ORDER BY id DESC LIMIT 1")
        defer { select.reset() }
        select.bind(1, from).bind(2, to).bind(3, requestID)
        return try select.step() ? select.text(0) : nil
    }

    private static func row(_ id: String, _ connection: Connection) throws(StoreError) -> AuditRow? {
        let select = try connection.statement("SELECT \(LogColumns.all) FROM audit_logs WHERE id = ?1")
        defer { select.reset() }
        select.bind(1, id)
        return try select.step() ? LogColumns.row(select, withBodies: true) : nil
    }

    /// Hands every matching row to `body`, as many as there are (`limit` and `offset` do not count), until it
    /// returns false. Looks at some rows at a time, so that an export of any size takes constant memory, none of its
    /// reads takes long, and it never keeps the database from tidying its log.
    ///
    /// - Parameter includesBodies: whether rows carry recorded bodies.
    public func exportLogs(
        _ query: LogQuery, includesBodies: Bool = true, body: (AuditRow) throws(StoreError) -> Bool
    ) throws(StoreError) {
        // Bodies may be large.
        let pageSize = includesBodies ? 100 : 1000
        var cursor = query.cursor
        while true {
            let piece = try read { connection throws(StoreError) -> (rows: [AuditRow], next: String?) in
                var rows: [AuditRow] = []
                var scan = try LogScan(query, cursor: cursor, connection)
                guard let window = try scan.next(rows: LogScan.windowRows) else { return ([], nil) }
                let select = try scan.select(window.range, limit: pageSize, withBodies: includesBodies)
                while try select.step() { rows.append(LogColumns.row(select, withBodies: includesBodies)) }
                return (rows, rows.count == pageSize ? rows.last?.id : window.edge)
            }
            for row in piece.rows where try !body(row) { return }
            guard let next = piece.next else { return }
            cursor = next
        }
    }
}

/// What one page's search has found so far.
private struct PageSearch {
    private let query: LogQuery
    private(set) var items: [AuditRow] = []
    /// Those before the page too.
    private(set) var matches = 0
    /// Of the windows before the last one.
    private(set) var matchesBefore = 0
    private(set) var rowsLeft = LogQuery.searchedRows
    /// The last one that was looked at.
    private(set) var window: LogScan.Window?

    init(_ query: LogQuery) { self.query = query }

    /// One more than the page holds tells whether there is another.
    private var needed: Int { query.offset + query.limit + 1 }
    var wanted: Int { needed - matches }
    var isFull: Bool { matches >= needed }
    var hasMore: Bool { matches > query.offset + query.limit }
    var matchesInWindow: Int { matches - matchesBefore }

    mutating func take(_ rows: Statement) throws(StoreError) {
        matchesBefore = matches
        while try rows.step() {
            if matches >= query.offset, items.count < query.limit {
                items.append(LogColumns.row(rows, withBodies: false))
            }
            matches += 1
        }
    }

    mutating func passed(_ window: LogScan.Window) {
        rowsLeft -= window.rows
        self.window = window
    }

    /// The id up to which was searched, if the search stopped before the page was full and before the range's end.
    func stop(isAtEnd: Bool) -> String? { hasMore || isAtEnd ? nil : window?.edge }
}
