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
            streamChunks: row.int(17), errorMessage: row.optionalText(18), requestHeaders: row.optionalText(19),
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
        guard query.offset >= 0 else { throw .invalid(field: "offset", message: "must not be negative") }
        let page = try LogConditions(query, includesCursor: true)
        let whole = try LogConditions(query, includesCursor: false)
        return try read { connection throws(StoreError) in
            var items: [AuditRow] = []
            let select = try connection.prepare(
                """
                SELECT \(LogColumns.brief) FROM audit_logs \(page.sql)
                ORDER BY id \(query.order.rawValue) LIMIT \(query.limit + 1) OFFSET \(query.offset)
                """)
            page.bind(to: select)
            while try select.step() { items.append(LogColumns.row(select, withBodies: false)) }
            let hasMore = items.count > query.limit
            if hasMore { items.removeLast() }

            var total: Int
            if whole.isEmpty {
                total = try connection.scalarInt("SELECT value FROM store_counters WHERE name = 'audit_rows'")
            } else {
                let count = try connection.prepare("SELECT count(*) FROM audit_logs \(whole.sql)")
                whole.bind(to: count)
                total = try count.step() ? count.int(0) : 0
            }
            total = max(total, items.count)
            return LogPage(items: items, total: total, nextCursor: hasMore ? items.last?.id : nil)
        }
    }

    /// One row whole.
    public func log(_ id: String) throws(StoreError) -> AuditRow? {
        guard let id = AuditID(id) else { return nil }
        return try read { connection throws(StoreError) in
            let select = try connection.statement("SELECT \(LogColumns.all) FROM audit_logs WHERE id = ?1")
            defer { select.reset() }
            select.bind(1, id.text)
            return try select.step() ? LogColumns.row(select, withBodies: true) : nil
        }
    }

    /// Hands every matching row to `body`, as many as there are (`limit` and `offset` do not count), until it
    /// returns false. Reads a thousand rows at a time, so that an export of any size takes constant memory and never
    /// keeps the database from tidying its log.
    ///
    /// - Parameter includesBodies: whether rows carry recorded bodies.
    public func exportLogs(
        _ query: LogQuery, includesBodies: Bool = true, body: (AuditRow) throws(StoreError) -> Bool
    ) throws(StoreError) {
        var query = query
        // Bodies may be large.
        let pageSize = includesBodies ? 100 : 1000
        while true {
            let conditions = try LogConditions(query, includesCursor: true)
            let rows = try read { connection throws(StoreError) -> [AuditRow] in
                let select = try connection.prepare(
                    """
                    SELECT \(includesBodies ? LogColumns.all : LogColumns.brief) FROM audit_logs \(conditions.sql)
                    ORDER BY id \(query.order.rawValue) LIMIT \(pageSize)
                    """)
                conditions.bind(to: select)
                var rows: [AuditRow] = []
                while try select.step() { rows.append(LogColumns.row(select, withBodies: includesBodies)) }
                return rows
            }
            for row in rows where try !body(row) { return }
            guard rows.count == pageSize, let last = rows.last else { return }
            query.cursor = last.id
        }
    }
}
