extension ReadConnection {
    /// Rows that the top lists look at, at most.
    private static let topListRows = 50_000

    /// Totals. Costs the number of 15-minute buckets and the last hour's edges, not the size of the audit.
    ///
    /// - Parameter nowMilliseconds: nil: the clock's.
    public func metrics(nowMilliseconds: Int64? = nil, topCount: Int = 10) throws(StoreError) -> MetricsSummary {
        let now = nowMilliseconds ?? self.now()
        return try read { connection throws(StoreError) in
            var summary = MetricsSummary()
            var sum = RollupSum()
            let rollups = try connection.statement(
                "SELECT \(RollupSum.sums) FROM audit_rollups GROUP BY latency_class, is_error")
            defer { rollups.reset() }
            while try rollups.step() { sum.add(rollups) }
            summary.inFlightRequests = try connection.scalarInt(
                "SELECT count(*) FROM audit_logs WHERE status_code IS NULL AND response_time IS NULL")
            summary.totalRequests = sum.requests + summary.inFlightRequests
            summary.totalErrors = sum.errors
            summary.streamRequests = sum.streams
            if sum.requests > 0 { summary.successRate = Double(sum.requests - sum.errors) / Double(sum.requests) }
            summary.averageResponseMilliseconds = sum.averageResponseMilliseconds
            summary.averageFirstByteMilliseconds = sum.averageFirstByteMilliseconds
            summary.latency = sum.latency
            summary.requestBytes = sum.requestBytes
            summary.responseBytes = sum.responseBytes
            summary.activeRoutes = try connection.scalarInt("SELECT count(*) FROM proxy_routes WHERE is_active")
            summary.activeAPIKeys = try countActiveKeys(connection, now)
            summary.lastHourRequests = try countSince(now - 3_600_000, connection)
            summary.statusCodes = try statusCodes(connection)
            summary.topPaths = try top(
                "CASE instr(path, '?') WHEN 0 THEN path ELSE substr(path, 1, instr(path, '?') - 1) END",
                now, topCount, connection
            ).map { (path: $0.0, count: $0.1) }
            summary.topSources = try top("source_path", now, topCount, connection)
                .map { (sourcePath: $0.0, count: $0.1) }
            return summary
        }
    }

    /// One point an hour, oldest first, the last one being the current hour; hours start as the local clock has it.
    public func hourly(hours: Int = 24, nowMilliseconds: Int64? = nil) throws(StoreError) -> [MetricsPoint] {
        try series(count: min(max(hours, 1), 24 * 366), stepMilliseconds: 3_600_000, nowMilliseconds ?? now())
    }

    /// One point a day, oldest first, the last one being today; days start at local midnight.
    public func daily(days: Int = 7, nowMilliseconds: Int64? = nil) throws(StoreError) -> [MetricsPoint] {
        try series(count: min(max(days, 1), 3660), stepMilliseconds: 86_400_000, nowMilliseconds ?? now())
    }

    // MARK: Pieces

    private func series(count: Int, stepMilliseconds step: Int64, _ now: Int64) throws(StoreError) -> [MetricsPoint] {
        let offset = Int64(timeZoneOffsetMinutes) * 60_000
        let current = Timestamp.floorDivide(now + offset, step) * step - offset
        let first = current - Int64(count - 1) * step
        return try read { connection throws(StoreError) in
            let select = try connection.statement(
                """
                SELECT \(RollupSum.columns), bucket FROM audit_rollups WHERE bucket >= ?1 AND bucket < ?2
                ORDER BY bucket
                """)
            defer { select.reset() }
            let bucket = RollupTable.bucketMilliseconds
            select.bind(1, Timestamp.floorDivide(first, bucket))
            select.bind(2, Timestamp.floorDivide(current + step, bucket))
            var sums: [Int: RollupSum] = [:]
            while try select.step() {
                let position = Int(Timestamp.floorDivide(Int64(select.int(9)) * bucket - first, step))
                sums[min(max(position, 0), count - 1), default: RollupSum()].add(select)
            }
            return (0..<count).map { position in
                var point = MetricsPoint(startMilliseconds: first + Int64(position) * step)
                guard let sum = sums[position] else { return point }
                point.requests = sum.requests
                point.errors = sum.errors
                point.streams = sum.streams
                point.averageResponseMilliseconds = sum.averageResponseMilliseconds
                point.averageFirstByteMilliseconds = sum.averageFirstByteMilliseconds
                point.latency = sum.latency
                point.requestBytes = sum.requestBytes
                point.responseBytes = sum.responseBytes
                return point
            }
        }
    }

    /// Keys that would be let in. Times are texts with offsets, so they are compared here and not in SQL.
    private func countActiveKeys(_ connection: Connection, _ now: Int64) throws(StoreError) -> Int {
        let select = try connection.statement("SELECT expires_at FROM api_keys WHERE is_active")
        defer { select.reset() }
        var count = 0
        while try select.step() {
            let expiry = select.optionalText(0).map { Timestamp.parse($0) ?? 0 }
            if expiry.map({ $0 > now }) ?? true { count += 1 }
        }
        return count
    }

    /// Requests accepted since then: whole buckets from the rollups, the first and unended ones from the audit.
    private func countSince(_ start: Int64, _ connection: Connection) throws(StoreError) -> Int {
        let bucket = RollupTable.bucketMilliseconds
        let firstWhole = Timestamp.floorDivide(start + bucket - 1, bucket)
        let edge = AuditID(high: UInt64(max(0, firstWhole * bucket)) << 16, low: 0).text
        let count = try connection.statement(
            """
            SELECT (SELECT count(*) FROM audit_logs WHERE id >= ?1 AND id < ?2)
                + (SELECT count(*) FROM audit_logs WHERE status_code IS NULL AND response_time IS NULL AND id >= ?2)
                + (SELECT ifnull(sum(requests), 0) FROM audit_rollups WHERE bucket >= ?3)
            """)
        defer { count.reset() }
        count.bind(1, AuditID(high: UInt64(max(0, start)) << 16, low: 0).text).bind(2, edge).bind(3, firstWhole)
        return try count.step() ? count.int(0) : 0
    }

    private func statusCodes(_ connection: Connection) throws(StoreError) -> [(code: Int, count: Int)] {
        let select = try connection.statement(
            "SELECT status_code, sum(requests) FROM audit_rollups GROUP BY status_code ORDER BY status_code")
        defer { select.reset() }
        var codes: [(code: Int, count: Int)] = []
        while try select.step() { codes.append((code: select.int(0), count: select.int(1))) }
        return codes
    }

    private func top(
        _ expression: String, _ now: Int64, _ count: Int, _ connection: Connection
    ) throws(StoreError) -> [(String, Int)] {
        let select = try connection.statement(
            """
            SELECT name, count(*) FROM (
                SELECT \(expression) AS name FROM audit_logs WHERE id >= ?1 ORDER BY id DESC LIMIT \(Self.topListRows))
            WHERE name IS NOT NULL AND name <> '' GROUP BY name ORDER BY count(*) DESC, name LIMIT ?2
            """)
        defer { select.reset() }
        select.bind(1, AuditID(high: UInt64(max(0, now - 86_400_000)) << 16, low: 0).text).bind(2, count)
        var found: [(String, Int)] = []
        while try select.step() { found.append((select.text(0), select.int(1))) }
        return found
    }
}
