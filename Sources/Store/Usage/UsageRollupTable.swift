/// Sums over usage records on their way into `usage_hours` and `usage_days`.
struct UsageRollupTable {
    /// How long a bucket is. Its name is the number of the quarter of an hour since 1970 in which it starts.
    enum Span: Int64 {
        case hour = 3_600_000
        case day = 86_400_000

        var milliseconds: Int64 { rawValue }
        var quarters: Int64 { rawValue / quarterMilliseconds }
        var table: String { self == .hour ? "usage_hours" : "usage_days" }

        /// The bucket that an instant lies in: local hours and days start where the zone's clock has them.
        func bucket(_ milliseconds: Int64, offsetMinutes: Int) -> Int64 {
            let offset = Int64(offsetMinutes) * 60_000
            let start = Timestamp.floorDivide(milliseconds + offset, rawValue) * rawValue - offset
            return Timestamp.floorDivide(start, quarterMilliseconds)
        }
    }

    static let quarterMilliseconds: Int64 = 900_000

    struct Key: Hashable {
        var bucket: Int64
        var keyID: String
        var sourcePath: String
        var provider: String
        var model: String
        var currency: String
    }

    private var sums: [Key: UsageSums] = [:]

    mutating func add(_ key: Key, _ row: UsageSums) { sums[key, default: UsageSums()].add(row) }

    mutating func removeAll() { sums.removeAll(keepingCapacity: true) }

    /// Adds everything to the database's sums.
    func write(to connection: Connection, offsetMinutes: Int) throws(StoreError) {
        guard !sums.isEmpty else { return }
        try write(sums, .hour, connection)
        var days: [Key: UsageSums] = [:]
        for (key, sum) in sums {
            var key = key
            key.bucket = Span.day.bucket(key.bucket * Self.quarterMilliseconds, offsetMinutes: offsetMinutes)
            days[key, default: UsageSums()].add(sum)
        }
        try write(days, .day, connection)
    }

    private func write(_ sums: [Key: UsageSums], _ span: Span, _ connection: Connection) throws(StoreError) {
        let upsert = try connection.statement(
            """
            INSERT INTO \(span.table) (bucket, key_id, source_path, provider, model, currency, \(UsageSums.columns))
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)
            ON CONFLICT (bucket, key_id, source_path, provider, model, currency) DO UPDATE SET
                requests = requests + excluded.requests, failures = failures + excluded.failures,
                estimated = estimated + excluded.estimated, prompt_tokens = prompt_tokens + excluded.prompt_tokens,
                completion_tokens = completion_tokens + excluded.completion_tokens,
                cached_tokens = cached_tokens + excluded.cached_tokens,
                cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens,
                reasoning_tokens = reasoning_tokens + excluded.reasoning_tokens,
                total_tokens = total_tokens + excluded.total_tokens, cost_micros = cost_micros + excluded.cost_micros
            """)
        for (key, sum) in sums {
            upsert.bind(1, key.bucket).bind(2, key.keyID).bind(3, key.sourcePath).bind(4, key.provider)
            upsert.bind(5, key.model).bind(6, key.currency)
            upsert.bind(7, sum.requests).bind(8, sum.failures).bind(9, sum.estimated).bind(10, sum.promptTokens)
            upsert.bind(11, sum.completionTokens).bind(12, sum.cachedTokens).bind(13, sum.cacheWriteTokens)
            upsert.bind(14, sum.reasoningTokens).bind(15, sum.totalTokens).bind(16, sum.costMicros)
            try upsert.run()
        }
    }
}

/// Counts and sums over usage records of one currency.
struct UsageSums: Equatable {
    var requests: Int64 = 0
    var failures: Int64 = 0
    var estimated: Int64 = 0
    var promptTokens: Int64 = 0
    var completionTokens: Int64 = 0
    var cachedTokens: Int64 = 0
    var cacheWriteTokens: Int64 = 0
    var reasoningTokens: Int64 = 0
    var totalTokens: Int64 = 0
    var costMicros: Int64 = 0

    static let columns = """
        requests, failures, estimated, prompt_tokens, completion_tokens, cached_tokens, cache_write_tokens,
        reasoning_tokens, total_tokens, cost_micros
        """
    /// The same, summed in SQL.
    static let sums = """
        sum(requests), sum(failures), sum(estimated), sum(prompt_tokens), sum(completion_tokens), sum(cached_tokens),
        sum(cache_write_tokens), sum(reasoning_tokens), sum(total_tokens), sum(cost_micros)
        """
    /// The same, of one row of `usage_records`.
    static let recordColumns = """
        1 AS requests, outcome = 'failed' AS failures, estimated, prompt_tokens, completion_tokens, cached_tokens,
        cache_write_tokens, reasoning_tokens, total_tokens, ifnull(cost_micros, 0) AS cost_micros
        """

    /// Reads `sums` from column `first` on.
    init(_ row: Statement, from first: Int32) {
        requests = Int64(row.int(first))
        failures = Int64(row.int(first + 1))
        estimated = Int64(row.int(first + 2))
        promptTokens = Int64(row.int(first + 3))
        completionTokens = Int64(row.int(first + 4))
        cachedTokens = Int64(row.int(first + 5))
        cacheWriteTokens = Int64(row.int(first + 6))
        reasoningTokens = Int64(row.int(first + 7))
        totalTokens = Int64(row.int(first + 8))
        costMicros = Int64(row.int(first + 9))
    }

    init() {}

    mutating func add(_ other: UsageSums) {
        requests &+= other.requests
        failures &+= other.failures
        estimated &+= other.estimated
        promptTokens &+= other.promptTokens
        completionTokens &+= other.completionTokens
        cachedTokens &+= other.cachedTokens
        cacheWriteTokens &+= other.cacheWriteTokens
        reasoningTokens &+= other.reasoningTokens
        totalTokens &+= other.totalTokens
        costMicros &+= other.costMicros
    }
}
