/// The SQL of usage records, prepared when first needed.
struct UsageStatements {
    static let columns =
        [
            "id", "request_id", "key_id", "source_path", "provider", "provider_key_id", "model_requested",
            "model_served",
            "prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens",
            "total_tokens", "cost_micros", "currency", "estimated", "outcome", "created_at", "service_tier",
        ] + UsageParts.columns.map(\.name)
    static let columnCount = Int32(columns.count)
    /// Rows of one INSERT at most, a power of two.
    static let rowsPerInsert = 16

    /// By the logarithm of the number of rows.
    private var inserts = [Statement?](repeating: nil, count: 5)
    private var careful: Statement?

    /// Row `n` starts at parameter `1 + n * columnCount`. A row that is there already undoes the whole transaction, as in
    /// `AuditStatements`; where it is careful nothing happens instead.
    ///
    /// - Parameter rows: a power of two up to `rowsPerInsert`; one where it is careful.
    mutating func insert(rows: Int, isCareful: Bool, _ connection: Connection) throws(StoreError) -> Statement {
        if isCareful {
            if let careful { return careful }
            let made = try connection.prepare(
                Self.text(rows: 1, "INSERT") + " ON CONFLICT (id) DO NOTHING", persistent: true)
            careful = made
            return made
        }
        let slot = rows.trailingZeroBitCount
        if let known = inserts[slot] { return known }
        let made = try connection.prepare(Self.text(rows: rows, "INSERT OR ROLLBACK"), persistent: true)
        inserts[slot] = made
        return made
    }

    private static func text(rows: Int, _ verb: String) -> String {
        let values = (0..<rows).map { row in
            "(\(columns.indices.map { "?\(row * columns.count + $0 + 1)" }.joined(separator: ", ")))"
        }
        return "\(verb) INTO usage_records (\(columns.joined(separator: ", "))) VALUES "
            + values.joined(separator: ", ")
    }
}
