/// The SQL of audit rows.
enum AuditStatements {
    /// Which columns an inserted row has; the others are NULL or zero.
    enum Shape: Int {
        /// Accepted, still in flight.
        case open
        /// Ended, without headers and bodies.
        case brief
        /// Ended, with headers or bodies.
        case full

        var columns: [String] {
            switch self {
            case .open:
                [
                    "id", "request_id", "api_key", "source_path", "method", "path", "request_time",
                    "first_response_time", "user_agent", "ip_address", "request_headers", "target_url",
                    "response_headers", "is_stream",
                ]
            case .brief: Array(allColumns[..<19])
            case .full: Array(allColumns[..<23])
            }
        }

        var columnCount: Int32 {
            switch self {
            case .open: 14
            case .brief: 19
            case .full: 23
            }
        }
    }

    /// In the table's order: then SQLite takes the values where they are instead of moving them about first.
    static let allColumns = [
        "id", "request_id", "api_key", "source_path", "method", "path", "target_url", "status_code", "request_time",
        "first_response_time", "response_time", "response_time_ms", "request_size", "response_size", "user_agent",
        "ip_address", "is_stream", "stream_chunks", "error_message", "request_headers", "request_body",
        "response_headers", "response_body", "created_at",
    ]
    /// What the end of an exchange tells, in the order of binding.
    static let completionColumns = [
        "target_url", "status_code", "first_response_time", "response_time", "response_time_ms", "request_size",
        "response_size", "is_stream", "stream_chunks", "error_message",
    ]
    /// What the first byte tells, in the order of binding.
    static let firstByteColumns = ["first_response_time", "target_url", "response_headers"]
    static let recordedColumns = ["request_body", "response_headers", "response_body"]

    /// Rows of one INSERT: more gain nothing, the statement is parsed once.
    static let rowsPerInsert = 32

    /// `?1` is created_at for all rows; row `n` starts at parameter `2 + n * columnCount`. A row that is there already
    /// undoes the whole transaction: what would otherwise be undone is one statement, and SQLite would have to keep
    /// a copy of every page as it was before each.
    static func insert(_ shape: Shape, rows: Int) -> String {
        let values = (0..<rows).map { self.values(shape, first: 2 + $0 * Int(shape.columnCount)) }
        return "INSERT OR ROLLBACK INTO audit_logs (\(allColumns.joined(separator: ", "))) VALUES "
            + values.joined(separator: ", ")
    }

    /// One row, with the same parameters; nothing happens if it is there already.
    static func insertUnlessThere(_ shape: Shape) -> String {
        "INSERT INTO audit_logs (\(allColumns.joined(separator: ", "))) VALUES \(values(shape, first: 2))"
            + " ON CONFLICT (id) DO NOTHING"
    }

    private static func values(_ shape: Shape, first: Int) -> String {
        let zeros = ["request_size", "response_size", "is_stream", "stream_chunks"]
        let columns = shape.columns
        let values = allColumns.map { column in
            if column == "created_at" { return "?1" }
            if let position = columns.firstIndex(of: column) { return "?\(first + position)" }
            return zeros.contains(column) ? "0" : "NULL"
        }
        return "(\(values.joined(separator: ", ")))"
    }

    /// The end of an exchange whose row is there, unless its end is there too. `?1` is the id.
    static let complete: String = {
        let columns = completionColumns + recordedColumns
        let assignments = columns.enumerated().map { position, name in
            // What was reported with the first byte stays.
            firstByteColumns.contains(name)
                ? "\(name) = ifnull(?\(position + 2), \(name))" : "\(name) = ?\(position + 2)"
        }
        return "UPDATE audit_logs SET \(assignments.joined(separator: ", ")) WHERE id = ?1 AND response_time IS NULL"
    }()

    static let firstByte = """
        UPDATE audit_logs SET first_response_time = ?2, target_url = ?3, response_headers = ?4,
            is_stream = max(is_stream, ?5)
        WHERE id = ?1 AND first_response_time IS NULL AND response_time IS NULL
        """

    /// The end of an exchange whose beginning was lost.
    static let orphan = """
        INSERT INTO audit_logs (id, request_id, method, path, request_time, created_at)
        VALUES (?1, '', '', '', ?2, ?3) ON CONFLICT (id) DO NOTHING
        """
}

/// The prepared ones, found without building or hashing their text.
struct AuditStatementCache {
    private let connection: Connection
    /// By shape and the logarithm of the number of rows.
    private var inserts = [Statement?](repeating: nil, count: 3 * 6)
    private var careful = [Statement?](repeating: nil, count: 3)
    private var completeStatement: Statement?
    private var firstByteStatement: Statement?

    init(connection: Connection) { self.connection = connection }

    /// - Parameter rows: a power of two up to `AuditStatements.rowsPerInsert`.
    mutating func insert(_ shape: AuditStatements.Shape, rows: Int) throws(StoreError) -> Statement {
        let slot = shape.rawValue * 6 + rows.trailingZeroBitCount
        if let known = inserts[slot] { return known }
        let made = try connection.prepare(AuditStatements.insert(shape, rows: rows), persistent: true)
        inserts[slot] = made
        return made
    }

    /// Of one row; does nothing if there is one with its id.
    mutating func insertUnlessThere(_ shape: AuditStatements.Shape) throws(StoreError) -> Statement {
        if let known = careful[shape.rawValue] { return known }
        let made = try connection.prepare(AuditStatements.insertUnlessThere(shape), persistent: true)
        careful[shape.rawValue] = made
        return made
    }

    mutating func complete() throws(StoreError) -> Statement {
        if let known = completeStatement { return known }
        let made = try connection.prepare(AuditStatements.complete, persistent: true)
        completeStatement = made
        return made
    }

    mutating func firstByte() throws(StoreError) -> Statement {
        if let known = firstByteStatement { return known }
        let made = try connection.prepare(AuditStatements.firstByte, persistent: true)
        firstByteStatement = made
        return made
    }
}
