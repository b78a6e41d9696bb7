/// The SQL of usage records, prepared when first needed.
struct UsageStatements {
    static let columns =
        [
            "id", "request_id", "key_id", "source_path", "provider", "provider_key_id", "model_requested",
            "model_served",
            "prompt_tokens", "completion_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens",
            "total_tokens", "cost_micros", "currency", "estimated", "outcome", "created_at", "service_tier",
        ] + UsageParts.columns.map(\.name)

    /// Which columns an inserted row names. For what a statement leaves out SQLite makes the default once, not for each row.
    enum Shape: Int {
        /// Nothing that has a price of its own, at the standard tier: the others have their defaults.
        case brief
        case full

        var columnCount: Int32 { self == .brief ? Shape.briefCount : Shape.fullCount }
        static let briefCount = Int32(columns.firstIndex(of: "service_tier")!)
        static let fullCount = Int32(columns.count)
    }

    /// Rows of one INSERT at most, a power of two.
    static let rowsPerInsert = 16

    /// By shape and the logarithm of the number of rows.
    private var inserts = [Statement?](repeating: nil, count: 2 * 5)
    private var careful: Statement?

    /// Row `n` starts at parameter `1 + n * shape.columnCount`. A row that is there already undoes the whole transaction, as in
    /// `AuditStatements`; where it is careful nothing happens instead.
    ///
    /// - Parameter rows: a power of two up to `rowsPerInsert`; where it is careful one, of the full shape.
    mutating func insert(
        _ shape: Shape, rows: Int, isCareful: Bool, _ connection: Connection
    ) throws(StoreError) -> Statement {
        if isCareful {
            if let careful { return careful }
            let made = try connection.prepare(
                Self.text(.full, rows: 1, "INSERT") + " ON CONFLICT (id) DO NOTHING", persistent: true)
            careful = made
            return made
        }
        let slot = shape.rawValue * 5 + rows.trailingZeroBitCount
        if let known = inserts[slot] { return known }
        let made = try connection.prepare(Self.text(shape, rows: rows, "INSERT OR ROLLBACK"), persistent: true)
        inserts[slot] = made
        return made
    }

    private static func text(_ shape: Shape, rows: Int, _ verb: String) -> String {
        let columns = columns[..<Int(shape.columnCount)]
        let values = (0..<rows).map { row in
            "(\(columns.indices.map { "?\(row * columns.count + $0 + 1)" }.joined(separator: ", ")))"
        }
        return "\(verb) INTO usage_records (\(columns.joined(separator: ", "))) VALUES "
            + values.joined(separator: ", ")
    }
}
