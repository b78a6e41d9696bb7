import CSQLite
import Reactor

/// One SQLite handle with its prepared statements. Belongs to one thread at a time (opened NOMUTEX).
final class Connection {
    enum Mode { case readOnly, readWrite, create }

    let handle: OpaquePointer
    let path: String
    private var statements: [String: Statement] = [:]
    /// Read by the progress handler; monotonic milliseconds, 0 = no deadline.
    private let deadline: UnsafeMutablePointer<UInt64>
    private let busyWait: BusyWait?

    /// Process-wide settings must be made before SQLite is first used; once is enough.
    private static let configured: Bool = fg_sqlite_configure() == SQLITE_OK && sqlite3_threadsafe() != 0

    /// - Parameters:
    ///   - isPaced: pauses for breath while pages are moved, see `PacedFiles`.
    ///   - onBusy: called once if another connection's lock keeps this one waiting for a second.
    init(
        path: String, mode: Mode, busyTimeoutMilliseconds: Int32, isPaced: Bool = false, onBusy: (() -> Void)? = nil
    ) throws(StoreError) {
        _ = Self.configured
        let access =
            switch mode {
            case .readOnly: SQLITE_OPEN_READONLY
            case .readWrite: SQLITE_OPEN_READWRITE
            case .create: SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE
            }
        var opened: OpaquePointer?
        let flags = access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        let code = sqlite3_open_v2(path, &opened, flags, isPaced ? PacedFiles.name : nil)
        guard code == SQLITE_OK, let opened else {
            let message = opened.map { String(cString: sqlite3_errmsg($0)) } ?? "out of memory"
            sqlite3_close_v2(opened)
            throw Self.error(code: code, message: "\(path): \(message)")
        }
        handle = opened
        self.path = path
        deadline = .allocate(capacity: 1)
        deadline.initialize(to: 0)
        busyWait = onBusy.map { BusyWait(timeoutMilliseconds: busyTimeoutMilliseconds, notice: $0) }
        if let busyWait { busyWait.install(on: handle) } else { sqlite3_busy_timeout(handle, busyTimeoutMilliseconds) }
        fg_sqlite_harden(handle)
    }

    deinit {
        statements.removeAll()
        sqlite3_close_v2(handle)
        deadline.deallocate()
    }

    /// What every connection of the gateway has; called once the database is known to be ours.
    func applySettings() throws(StoreError) {
        try setDurability(.checkpoints)
        try execute("PRAGMA foreign_keys = ON")
        try execute("PRAGMA temp_store = MEMORY")
        try execute("PRAGMA cache_size = -4096")
        try execute("PRAGMA journal_size_limit = 67108864")
    }

    /// When what was committed outlasts a power failure. The death of the process harms it in no case.
    enum Durability: String {
        /// After a while: what the audit writes many times a second.
        case checkpoints = "NORMAL"
        /// At once: what somebody is told is done, such as that a key is revoked.
        case everyCommit = "FULL"
    }

    /// Not within a transaction.
    func setDurability(_ durability: Durability) throws(StoreError) {
        try execute("PRAGMA synchronous = \(durability.rawValue)")
    }

    // MARK: Statements

    /// A prepared statement, kept for the next time.
    func statement(_ sql: String) throws(StoreError) -> Statement {
        if let known = statements[sql] { return known }
        let made = try prepare(sql, persistent: true)
        if statements.count >= 256 { statements.removeAll() }
        statements[sql] = made
        return made
    }

    /// A prepared statement for one use, or for a caller that keeps it.
    func prepare(_ sql: String, persistent: Bool = false) throws(StoreError) -> Statement {
        var prepared: OpaquePointer?
        let flags: Int32 = persistent ? SQLITE_PREPARE_PERSISTENT : 0
        let code = sqlite3_prepare_v3(handle, sql, -1, UInt32(flags), &prepared, nil)
        guard code == SQLITE_OK, let prepared else { throw Self.error(handle) }
        return Statement(handle: prepared, database: handle)
    }

    /// Runs statements that give no rows back.
    func execute(_ sql: String) throws(StoreError) {
        guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else { throw Self.error(handle) }
    }

    /// The first column of the first row.
    func scalar(_ sql: String) throws(StoreError) -> SQLValue {
        let statement = try prepare(sql)
        return try statement.step() ? statement.value(0) : .null
    }

    func scalarInt(_ sql: String) throws(StoreError) -> Int {
        if case .integer(let value) = try scalar(sql) { Int(value) } else { 0 }
    }

    /// Rows that the last INSERT, UPDATE or DELETE changed.
    var changes: Int { Int(sqlite3_changes64(handle)) }

    /// Gives up cached pages, as far as no statement uses them.
    func giveBackMemory() { sqlite3_db_release_memory(handle) }

    // MARK: Transactions

    /// Runs `body` in a transaction that takes the write lock at once; an error rolls it back.
    func transaction<T>(_ body: () throws(StoreError) -> T) throws(StoreError) -> T {
        try execute("BEGIN IMMEDIATE")
        do throws(StoreError) {
            let result = try body()
            try execute("COMMIT")
            return result
        } catch {
            rollback()
            throw error
        }
    }

    /// Does nothing outside a transaction: some errors have rolled back by themselves.
    func rollback() {
        if sqlite3_get_autocommit(handle) == 0 { sqlite3_exec(handle, "ROLLBACK", nil, nil, nil) }
    }

    // MARK: Deadlines

    /// Cuts off statements that run past a deadline, see `limitTime`.
    func installDeadlines() {
        sqlite3_progress_handler(
            handle, 10_000,
            { context in
                let deadline = context!.assumingMemoryBound(to: UInt64.self).pointee
                return deadline != 0 && Clock.monotonicMilliseconds() > deadline ? 1 : 0
            }, deadline)
    }

    /// Gives what follows so long; nil lifts the limit.
    func limitTime(milliseconds: UInt64?) {
        deadline.pointee = milliseconds.map { Clock.monotonicMilliseconds() + $0 } ?? 0
    }

    // MARK: Errors

    static func error(_ handle: OpaquePointer) -> StoreError {
        error(code: sqlite3_extended_errcode(handle), message: String(cString: sqlite3_errmsg(handle)))
    }

    static func error(code: Int32, message: String) -> StoreError {
        switch code & 0xFF {
        case SQLITE_BUSY, SQLITE_LOCKED: .busy(message: message)
        case SQLITE_FULL: .full(message: message)
        case SQLITE_INTERRUPT: .timedOut
        default: .sqlite(code: code, message: message)
        }
    }
}
