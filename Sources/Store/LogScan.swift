/// Ids from `lower` up to, but not including, `upper`, as texts: ids are 32 hex digits.
struct IDRange: Equatable {
    var lower = ""
    /// Above every id.
    var upper = "g"

    /// - Parameter cursor: the id at which the page before ended.
    init(_ query: LogQuery, cursor: String?) throws(StoreError) {
        if let start = query.startTimeMilliseconds { lower = Self.first(milliseconds: start) }
        if let end = query.endTimeMilliseconds { upper = Self.first(milliseconds: end.addingReportingOverflow(1).0) }
        if let end = query.endTimeMilliseconds, end == .max { upper = "g" }
        guard let cursor else { return }
        guard let id = AuditID(cursor) else {
            throw .invalid(field: "cursor", message: "must be the next_cursor of a page before")
        }
        leaveBehind(id.text, query.order)
    }

    /// Goes on behind this id.
    mutating func leaveBehind(_ id: String, _ order: LogQuery.Order) {
        switch order {
        // Longer than the id, so greater than it, but not greater than the next one.
        case .ascending: lower = max(lower, id + "0")
        case .descending: upper = min(upper, id)
        }
    }

    /// The first id of a millisecond, as far as ids go.
    static func first(milliseconds: Int64) -> String {
        AuditID(high: UInt64(min(max(milliseconds, 0), (1 << 47) + 1)) << 16, low: 0).text
    }
}

/// Goes through the rows of a query in its order, a window of some rows at a time: what a page or an export costs
/// depends on the rows it looks at and not on those that the audit holds.
///
/// Where the rollups can tell that none of the rows of a time matches, that time is passed over: a rare status is
/// found in any number of rows.
struct LogScan {
    static let windowRows = 2000

    struct Window {
        var range: IDRange
        var rows: Int
        /// The id where the next window begins.
        var edge: String
    }

    let order: LogQuery.Order
    let conditions: LogConditions
    private(set) var range: IDRange
    private let connection: Connection
    private let rollups: RollupConditions?
    /// Nothing is left of the range.
    private(set) var isAtEnd = false

    /// - Parameter cursor: left behind at once.
    init(_ query: LogQuery, cursor: String?, _ connection: Connection) throws(StoreError) {
        order = query.order
        conditions = try LogConditions(query)
        range = try IDRange(query, cursor: cursor)
        self.connection = connection
        rollups = try RollupConditions(query, connection)
    }

    /// The next rows to look at; nil if there are none.
    mutating func next(rows most: Int) throws(StoreError) -> Window? {
        guard !isAtEnd, most > 0 else { return nil }
        if let rollups {
            guard let narrowed = try rollups.skip(range, order, connection) else {
                isAtEnd = true
                return nil
            }
            range = narrowed
        }
        let count = min(most, Self.windowRows)
        let edge = order == .ascending ? "max" : "min"
        let measure = try connection.statement(
            """
            SELECT count(*), \(edge)(id) FROM (SELECT id FROM audit_logs WHERE id >= ?1 AND id < ?2
                ORDER BY id \(order.rawValue) LIMIT ?3)
            """)
        defer { measure.reset() }
        measure.bind(1, range.lower).bind(2, range.upper).bind(3, count)
        guard try measure.step(), measure.int(0) > 0 else {
            isAtEnd = true
            return nil
        }
        var window = Window(range: range, rows: measure.int(0), edge: measure.text(1))
        if window.rows < count { isAtEnd = true }
        switch order {
        case .ascending: window.range.upper = window.edge + "0"
        case .descending: window.range.lower = window.edge
        }
        range.leaveBehind(window.edge, order)
        return window
    }

    /// Matching rows of a range, in order; bodies only if asked for.
    func select(_ range: IDRange, limit: Int, withBodies: Bool) throws(StoreError) -> Statement {
        let select = try connection.prepare(
            """
            SELECT \(withBodies ? LogColumns.all : LogColumns.brief) FROM audit_logs
            WHERE id >= ?1 AND id < ?2\(conditions.sql) ORDER BY id \(order.rawValue) LIMIT \(limit)
            """)
        select.bind(1, range.lower).bind(2, range.upper)
        conditions.bind(to: select)
        return select
    }

    /// How many rows of a range match, counted up to `limit`.
    func count(_ range: IDRange, limit: Int) throws(StoreError) -> Int {
        let count = try connection.prepare(
            """
            SELECT count(*) FROM (SELECT 1 FROM audit_logs WHERE id >= ?1 AND id < ?2\(conditions.sql)
                ORDER BY id \(order.rawValue) LIMIT \(limit))
            """)
        count.bind(1, range.lower).bind(2, range.upper)
        conditions.bind(to: count)
        return try count.step() ? count.int(0) : 0
    }
}

/// What the rollups know of a query: which quarters of an hour may hold rows that match.
struct RollupConditions {
    private let sql: String
    /// Rows without a status are in no rollup until they have ended.
    private let includesOpen: Bool

    /// Nil if the rollups cannot tell anything: the query asks for what they do not hold, or there are rows that the
    /// writer did not write.
    init?(_ query: LogQuery, _ connection: Connection) throws(StoreError) {
        var conditions: [String] = []
        var includesOpen = true
        if let status = query.status, !status.includesNone, !status.ranges.isEmpty {
            let ranges = status.ranges.map { "status_code BETWEEN \($0.lowerBound) AND \($0.upperBound)" }
            conditions.append("(\(ranges.joined(separator: " OR ")))")
            includesOpen = false
        }
        switch query.error {
        case .any, .contains: conditions.append("is_error = 1")
        case .some(.none), nil: break
        }
        if let minimum = query.minMilliseconds {
            conditions.append("latency_class >= \(LatencyClass.index(milliseconds: minimum))")
        }
        guard !conditions.isEmpty, try Self.areComplete(connection) else { return nil }
        sql = conditions.joined(separator: " AND ")
        self.includesOpen = includesOpen
    }

    /// Every row that ended is in the rollups, every other has no status; rows beyond these came from elsewhere.
    private static func areComplete(_ connection: Connection) throws(StoreError) -> Bool {
        // Tables of the first days had no rowid: nothing but the writer writes those.
        guard let newest = try? connection.scalarInt("SELECT ifnull(max(rowid), 0) FROM audit_logs") else {
            return true
        }
        let known = try connection.scalarInt(
            """
            SELECT (SELECT ifnull(sum(requests), 0) FROM audit_rollups WHERE bucket = \(RollupTable.allTime))
                + (SELECT count(*) FROM audit_logs WHERE status_code IS NULL)
            """)
        return newest <= known
    }

    /// The range less what need not be looked at in front of it; nil if nothing is left.
    func skip(_ range: IDRange, _ order: LogQuery.Order, _ connection: Connection) throws(StoreError) -> IDRange? {
        var range = range
        let isAscending = order == .ascending
        let seek = try connection.statement(
            """
            SELECT bucket FROM audit_rollups WHERE bucket >= ?1 AND bucket <= ?2 AND \(sql)
            ORDER BY bucket \(order.rawValue) LIMIT 1
            """)
        defer { seek.reset() }
        seek.bind(1, Self.bucket(range.lower) ?? 0).bind(2, Self.bucket(range.upper) ?? .max)
        var edge: String?
        if try seek.step() {
            let bucket = Int64(seek.int(0))
            edge = IDRange.first(milliseconds: (isAscending ? bucket : bucket + 1) * RollupTable.bucketMilliseconds)
        }
        if includesOpen, let open = try nearestOpen(range, isAscending, connection) {
            edge = isAscending ? min(edge ?? open, open) : max(edge ?? "", open + "0")
        }
        guard let edge else { return nil }
        if isAscending { range.lower = max(range.lower, edge) } else { range.upper = min(range.upper, edge) }
        return range
    }

    private func nearestOpen(_ range: IDRange, _ isAscending: Bool, _ connection: Connection) throws(StoreError)
        -> String?
    {
        let open = try connection.statement(
            """
            SELECT id FROM audit_logs WHERE status_code IS NULL AND id >= ?1 AND id < ?2
            ORDER BY id \(isAscending ? "ASC" : "DESC") LIMIT 1
            """)
        defer { open.reset() }
        open.bind(1, range.lower).bind(2, range.upper)
        return try open.step() ? open.text(0) : nil
    }

    /// The bucket of a bound; nil if it is above or below all ids.
    private static func bucket(_ bound: String) -> Int64? {
        AuditID(bound.prefix(32)).map {
            Timestamp.floorDivide(Int64($0.unixMilliseconds), RollupTable.bucketMilliseconds)
        }
    }
}
