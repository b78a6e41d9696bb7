/// Where the sums of a range of time come from, as SQL: sums of its whole days and hours, records of the hours that it
/// cuts.
struct UsageSource {
    let sql: String
    private let filter: UsageFilter

    /// - Parameter byHour: whether hours must be told apart, so that no sums of days will do.
    init(_ filter: UsageFilter, offsetMinutes: Int, byHour: Bool = false) {
        self.filter = filter
        var parts: [String] = []
        // What of the range no whole hour covers, and the whole hours in quarters of an hour.
        let quarter = UsageRollupTable.quarterMilliseconds
        let start = filter.startMilliseconds.map(Self.clamped)
        let end = filter.endMilliseconds.map { Self.clamped($0) + 1 }
        let first = start.map { Self.align($0, .hour, offsetMinutes) }
        let last = end.map { UsageRollupTable.Span.hour.bucket($0, offsetMinutes: offsetMinutes) }
        if let start, let first, first * quarter != start {
            let before = min(first * quarter, end ?? .max)
            if start < before {
                parts.append(Self.records(start, before, first - UsageRollupTable.Span.hour.quarters, filter))
            }
        }
        if let end, let last, last >= first ?? .min, last * quarter < end {
            parts.append(Self.records(last * quarter, end, last, filter))
        }
        // Whole hours, or the whole days among them and what is left of them.
        let firstDay = first.map { Self.align($0 * quarter, .day, offsetMinutes) }
        let lastDay = last.map { UsageRollupTable.Span.day.bucket($0 * quarter, offsetMinutes: offsetMinutes) }
        if byHour || firstDay ?? .min >= lastDay ?? .max {
            parts.append(Self.sums(.hour, first, last, filter))
        } else {
            if let first, let firstDay, first < firstDay { parts.append(Self.sums(.hour, first, firstDay, filter)) }
            parts.append(Self.sums(.day, firstDay, lastDay, filter))
            if let last, let lastDay, lastDay < last { parts.append(Self.sums(.hour, lastDay, last, filter)) }
        }
        sql = parts.joined(separator: " UNION ALL ")
    }

    func bind(_ statement: Statement) { Self.bind(filter, statement) }

    // MARK: Parts

    private static let dimensions = "bucket, key_id, source_path, provider, model, currency"

    /// The first bucket that starts at or after an instant.
    private static func align(_ milliseconds: Int64, _ span: UsageRollupTable.Span, _ offsetMinutes: Int) -> Int64 {
        let bucket = span.bucket(milliseconds, offsetMinutes: offsetMinutes)
        return bucket * UsageRollupTable.quarterMilliseconds == milliseconds ? bucket : bucket + span.quarters
    }

    /// Buckets from one, before the other.
    private static func sums(
        _ span: UsageRollupTable.Span, _ first: Int64?, _ last: Int64?, _ filter: UsageFilter
    ) -> String {
        var conditions = ["bucket >= \(first ?? .min)", "bucket < \(last ?? .max)"]
        conditions += Self.conditions(filter, model: "model")
        return """
            SELECT \(dimensions), \(UsageSums.columns) FROM \(span.table)
            WHERE \(conditions.joined(separator: " AND "))
            """
    }

    /// Records from one instant, before the other, which lie in one bucket.
    private static func records(_ from: Int64, _ before: Int64, _ bucket: Int64, _ filter: UsageFilter) -> String {
        var conditions = ["id >= '\(id(from))'", "id < '\(id(before))'"]
        conditions += Self.conditions(filter, model: "ifnull(model_served, model_requested)")
        return """
            SELECT \(bucket) AS bucket, ifnull(key_id, '') AS key_id, ifnull(source_path, '') AS source_path, provider,
                ifnull(model_served, model_requested) AS model, ifnull(currency, '') AS currency,
                \(UsageSums.recordColumns)
            FROM usage_records WHERE \(conditions.joined(separator: " AND "))
            """
    }

    // MARK: Filters

    /// All of the filter but its range of time.
    static func conditions(_ filter: UsageFilter, model: String) -> [String] {
        var conditions: [String] = []
        if filter.keyID != nil { conditions.append("key_id = :key") }
        if filter.sourcePath != nil { conditions.append("source_path = :source") }
        if filter.provider != nil { conditions.append("provider = :provider") }
        if filter.model != nil { conditions.append("\(model) = :model") }
        return conditions
    }

    static func bind(_ filter: UsageFilter, _ statement: Statement) {
        statement.bind(":key", filter.keyID)
        statement.bind(":source", filter.sourcePath)
        statement.bind(":provider", filter.provider)
        statement.bind(":model", filter.model)
    }

    /// The first id of an instant.
    static func id(_ milliseconds: Int64) -> String {
        AuditID(high: UInt64(max(0, clamped(milliseconds))) << 16, low: 0).text
    }

    /// Within the years that times are written for: nothing was accepted outside them.
    private static func clamped(_ milliseconds: Int64) -> Int64 {
        min(max(milliseconds, Timestamp.earliest), Timestamp.latest)
    }
}

extension Statement {
    /// Binds a named parameter; does nothing if the statement has none of that name.
    func bind(_ name: String, _ value: Int64) { index(of: name).map { _ = bind($0, value) } }

    func bind(_ name: String, _ value: String?) {
        guard let value else { return }
        index(of: name).map { _ = bind($0, value) }
    }
}
