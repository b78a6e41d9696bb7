extension ReadConnection {
    /// Rows that the top lists look at, at most.
    private static let topListRows = 2000
    /// Rows of a quarter of an hour that are counted one by one, at most.
    private static let countedRows = 10_000

    /// Totals. Costs the same however many rows the audit holds, and however old it is.
    ///
    /// - Parameter nowMilliseconds: nil: the clock's.
    public func metrics(nowMilliseconds: Int64? = nil, topCount: Int = 10) throws(StoreError) -> MetricsSummary {
        let now = nowMilliseconds ?? self.now()
        return try read { connection throws(StoreError) in
            var summary = MetricsSummary()
            var sum = RollupSum()
            let rollups = try connection.statement(
                "SELECT \(RollupSum.columns) FROM audit_rollups WHERE bucket = \(RollupTable.allTime)")
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
            (summary.topPaths, summary.topSources) = try tops(now, topCount, connection)
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

    /// Requests accepted since then: whole buckets from the rollups, the first and unended ones from the audit. Of a
    /// first bucket with very many rows the share is reckoned.
    private func countSince(_ start: Int64, _ connection: Connection) throws(StoreError) -> Int {
        let bucket = RollupTable.bucketMilliseconds
        let firstWhole = Timestamp.floorDivide(start + bucket - 1, bucket)
        let edge = IDRange.first(milliseconds: firstWhole * bucket)
        let count = try connection.statement(
            """
            SELECT (SELECT count(*) FROM (SELECT 1 FROM audit_logs WHERE id >= ?1 AND id < ?2 LIMIT ?4)),
                (SELECT count(*) FROM audit_logs WHERE status_code IS NULL AND response_time IS NULL AND id >= ?2)
                + (SELECT ifnull(sum(requests), 0) FROM audit_rollups WHERE bucket >= ?3),
                (SELECT ifnull(sum(requests), 0) FROM audit_rollups WHERE bucket = ?3 - 1)
            """)
        defer { count.reset() }
        count.bind(1, IDRange.first(milliseconds: start)).bind(2, edge).bind(3, firstWhole)
        count.bind(4, Self.countedRows)
        guard try count.step() else { return 0 }
        var atEdge = count.int(0)
        if atEdge == Self.countedRows {
            let share = Double(firstWhole * bucket - start) / Double(bucket)
            atEdge = max(atEdge, Int(Double(count.int(2)) * share))
        }
        return atEdge + count.int(1)
    }

    private func statusCodes(_ connection: Connection) throws(StoreError) -> [(code: Int, count: Int)] {
        let select = try connection.statement(
            """
            SELECT status_code, sum(requests) FROM audit_rollups WHERE bucket = \(RollupTable.allTime)
            GROUP BY status_code ORDER BY status_code
            """)
        defer { select.reset() }
        var codes: [(code: Int, count: Int)] = []
        while try select.step() { codes.append((code: select.int(0), count: select.int(1))) }
        return codes
    }

    /// What the newest rows of the last day ask for, and who asks.
    private func tops(_ now: Int64, _ most: Int, _ connection: Connection) throws(StoreError) -> (
        paths: [(path: String, count: Int)], sources: [(sourcePath: String, count: Int)]
    ) {
        let select = try connection.statement(
            "SELECT path, source_path FROM audit_logs WHERE id >= ?1 ORDER BY id DESC LIMIT \(Self.topListRows)")
        defer { select.reset() }
        select.bind(1, IDRange.first(milliseconds: now - 86_400_000))
        var paths: [String: Int] = [:]
        var sources: [String: Int] = [:]
        while try select.step() {
            let path = select.text(0)
            let plain = path.utf8.firstIndex(of: UInt8(ascii: "?")).map { String(path[..<$0]) } ?? path
            if !plain.isEmpty { paths[plain, default: 0] += 1 }
            if let source = select.optionalText(1), !source.isEmpty { sources[source, default: 0] += 1 }
        }
        func top(_ counts: [String: Int]) -> [(String, Int)] {
            counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(most).map { ($0.key, $0.value) }
        }
        return (top(paths).map { (path: $0.0, count: $0.1) }, top(sources).map { (sourcePath: $0.0, count: $0.1) })
    }
}
