import CSQLite

/// One prepared statement. Belongs to the thread of its connection; reset after every use by whoever used it.
final class Statement {
    let handle: OpaquePointer
    private let database: OpaquePointer
    private var bound: UnsafeMutablePointer<UInt64>?

    init(handle: OpaquePointer, database: OpaquePointer) {
        self.handle = handle
        self.database = database
    }

    deinit {
        sqlite3_finalize(handle)
        bound?.deallocate()
    }

    /// For `RepeatedValues`; who asks for them binds the same parameters in the same way each time.
    var parameters: Parameters {
        if let bound { return Parameters(statement: handle, bound: bound) }
        let count = Int(sqlite3_bind_parameter_count(handle)) + 1
        let bound = UnsafeMutablePointer<UInt64>.allocate(capacity: count)
        bound.initialize(repeating: 0, count: count)
        self.bound = bound
        return Parameters(statement: handle, bound: bound)
    }

    // MARK: Binding (parameters count from 1)

    @discardableResult
    func bind(_ index: Int32, _ value: String) -> Statement {
        var value = value
        value.withUTF8 { bytes in
            _ = sqlite3_bind_text64(
                handle, index, bytes.baseAddress.map { UnsafeRawPointer($0).assumingMemoryBound(to: CChar.self) },
                UInt64(bytes.count), Self.transient, UInt8(SQLITE_UTF8))
            // An empty buffer may have no address, and a null pointer would bind NULL.
            if bytes.baseAddress == nil { sqlite3_bind_text(handle, index, "", 0, nil) }
        }
        return self
    }

    @discardableResult
    func bind(_ index: Int32, _ value: String?) -> Statement {
        if let value { bind(index, value) } else { bindNull(index) }
        return self
    }

    @discardableResult
    func bind(_ index: Int32, _ value: Int64) -> Statement {
        sqlite3_bind_int64(handle, index, value)
        return self
    }

    @discardableResult
    func bind(_ index: Int32, _ value: Int) -> Statement { bind(index, Int64(value)) }

    @discardableResult
    func bind(_ index: Int32, _ value: Int?) -> Statement {
        if let value { bind(index, Int64(value)) } else { bindNull(index) }
        return self
    }

    @discardableResult
    func bind(_ index: Int32, _ value: Bool) -> Statement { bind(index, value ? 1 : 0 as Int64) }

    @discardableResult
    func bind(_ index: Int32, _ value: Double) -> Statement {
        sqlite3_bind_double(handle, index, value)
        return self
    }

    @discardableResult
    func bindNull(_ index: Int32) -> Statement {
        sqlite3_bind_null(handle, index)
        return self
    }

    @discardableResult
    func bind(_ index: Int32, _ value: SQLValue) -> Statement {
        switch value {
        case .null: bindNull(index)
        case .integer(let value): bind(index, value)
        case .real(let value): bind(index, value)
        case .text(let value): bind(index, value)
        case .blob(let bytes):
            _ = bytes.withUnsafeBytes {
                $0.isEmpty
                    ? sqlite3_bind_zeroblob(handle, index, 0)
                    : sqlite3_bind_blob64(handle, index, $0.baseAddress, UInt64($0.count), Self.transient)
            }
        }
        return self
    }

    /// The number of a named parameter (`:name`); nil if there is none.
    func index(of name: String) -> Int32? {
        let index = sqlite3_bind_parameter_index(handle, name)
        return index == 0 ? nil : index
    }

    /// Binds text without copying: the bytes must stay until the statement has run and been reset.
    @inline(__always)
    func bindStatic(_ index: Int32, _ pointer: UnsafePointer<UInt8>, _ count: Int) {
        _ = sqlite3_bind_text64(
            handle, index, UnsafeRawPointer(pointer).assumingMemoryBound(to: CChar.self), UInt64(count), nil,
            UInt8(SQLITE_UTF8))
    }

    /// Binds a blob without copying, like `bindStatic`.
    func bindStaticBlob(_ index: Int32, _ pointer: UnsafePointer<UInt8>, _ count: Int) {
        sqlite3_bind_blob64(handle, index, pointer, UInt64(count), nil)
    }

    /// SQLITE_TRANSIENT: SQLite takes its own copy.
    private static let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

    // MARK: Running

    /// True: a row is there. False: done.
    func step() throws(StoreError) -> Bool {
        switch sqlite3_step(handle) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        default:
            let error = Connection.error(database)
            sqlite3_reset(handle)
            throw error
        }
    }

    /// Runs to the end and resets; bindings stay.
    func run() throws(StoreError) {
        while try step() {}
        sqlite3_reset(handle)
    }

    func reset() {
        sqlite3_reset(handle)
        sqlite3_clear_bindings(handle)
        bound?.update(repeating: 0, count: Int(sqlite3_bind_parameter_count(handle)) + 1)
    }

    // MARK: Columns (count from 0)

    func isNull(_ column: Int32) -> Bool { sqlite3_column_type(handle, column) == SQLITE_NULL }
    func int(_ column: Int32) -> Int { Int(sqlite3_column_int64(handle, column)) }
    func optionalInt(_ column: Int32) -> Int? { isNull(column) ? nil : int(column) }
    func bool(_ column: Int32) -> Bool { sqlite3_column_int64(handle, column) != 0 }
    func double(_ column: Int32) -> Double { sqlite3_column_double(handle, column) }
    func optionalDouble(_ column: Int32) -> Double? { isNull(column) ? nil : double(column) }

    /// Text, or a blob shown as text; bytes that are not UTF-8 become U+FFFD.
    func optionalText(_ column: Int32) -> String? {
        switch sqlite3_column_type(handle, column) {
        case SQLITE_NULL: return nil
        case SQLITE_BLOB:
            guard let bytes = sqlite3_column_blob(handle, column) else { return "" }
            let count = Int(sqlite3_column_bytes(handle, column))
            return String(decoding: UnsafeRawBufferPointer(start: bytes, count: count), as: UTF8.self)
        default:
            guard let bytes = sqlite3_column_text(handle, column) else { return nil }
            let count = Int(sqlite3_column_bytes(handle, column))
            return String(decoding: UnsafeBufferPointer(start: bytes, count: count), as: UTF8.self)
        }
    }

    func text(_ column: Int32) -> String { optionalText(column) ?? "" }

    func value(_ column: Int32) -> SQLValue {
        switch sqlite3_column_type(handle, column) {
        case SQLITE_INTEGER: return .integer(sqlite3_column_int64(handle, column))
        case SQLITE_FLOAT: return .real(sqlite3_column_double(handle, column))
        case SQLITE_TEXT: return .text(text(column))
        case SQLITE_BLOB:
            let count = Int(sqlite3_column_bytes(handle, column))
            guard let bytes = sqlite3_column_blob(handle, column) else { return .blob([]) }
            return .blob([UInt8](UnsafeRawBufferPointer(start: bytes, count: count)))
        default: return .null
        }
    }
}

/// One value of SQLite's.
enum SQLValue: Equatable, Sendable {
    case null
    case integer(Int64)
    case real(Double)
    case text(String)
    case blob([UInt8])
}
