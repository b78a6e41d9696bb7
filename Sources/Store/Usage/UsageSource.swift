/// Where the sums of a range of time come from, as SQL: rollups for its whole hours, records for its ends.
struct UsageSource {
    let sql: String
    private let filter: UsageFilter
    private var buckets: (first: Int64, end: Int64) = (.min, .max)
    /// Of the records of each end, by id: from one, before the other.
    private var ranges: [(from: Int64, before: Int64)] = []

    init(_ filter: UsageFilter, offsetMinutes: Int) {
        self.filter = filter
        let quarter = UsageRollupTable.quarterMilliseconds
        let width = UsageRollupTable.quartersPerBucket
        // Of the records of each end: the bucket they belong to.
        var bucketOfRange: [Int64] = []
        let end = filter.endMilliseconds.map { Self.clamped($0) + 1 }
        if let start = filter.startMilliseconds.map(Self.clamped) {
            let bucket = UsageRollupTable.bucket(start, offsetMinutes: offsetMinutes)
            buckets.first = bucket
            if bucket * quarter != start {
                buckets.first = bucket + width
                ranges.append((start, min(buckets.first * quarter, end ?? .max)))
                bucketOfRange.append(bucket)
            }
        }
        if let end {
            let bucket = UsageRollupTable.bucket(end, offsetMinutes: offsetMinutes)
            buckets.end = bucket
            // An end within the first, cut hour is its range's end already.
            if bucket * quarter != end, bucket >= buckets.first {
                ranges.append((bucket * quarter, end))
                bucketOfRange.append(bucket)
            }
        }
        let dimensions = "bucket, key_id, source_path, provider, model, currency"
        var conditions = ["bucket >= :first", "bucket < :last"]
        conditions += Self.conditions(filter, model: "model")
        var parts = [
            """
            SELECT \(dimensions), \(UsageSums.columns) FROM usage_rollups
            WHERE \(conditions.joined(separator: " AND "))
            """
        ]
        for (position, bucket) in bucketOfRange.enumerated() {
            var conditions = ["id >= :from\(position)", "id < :before\(position)"]
            conditions += Self.conditions(filter, model: "ifnull(model_served, model_requested)")
            parts.append(
                """
                SELECT \(bucket) AS bucket, ifnull(key_id, '') AS key_id, ifnull(source_path, '') AS source_path,
                    provider, ifnull(model_served, model_requested) AS model, ifnull(currency, '') AS currency,
                    \(UsageSums.recordColumns)
                FROM usage_records WHERE \(conditions.joined(separator: " AND "))
                """)
        }
        sql = parts.joined(separator: " UNION ALL ")
    }

    func bind(_ statement: Statement) {
        statement.bind(":first", buckets.first)
        statement.bind(":last", buckets.end)
        for (position, range) in ranges.enumerated() {
            statement.bind(":from\(position)", Self.id(range.from))
            statement.bind(":before\(position)", Self.id(range.before))
        }
        Self.bind(filter, statement)
    }

    // MARK: Pieces

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
