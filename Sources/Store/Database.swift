import CSQLite
import Glibc
import Reactor

/// A database that this version may use: opening makes a missing one, migrates an older one after a backup copy and
/// refuses a newer or foreign one.
public final class Database: Sendable {
    public let path: String
    /// Of written times.
    public let timeZoneOffsetMinutes: Int
    /// Opening made it.
    public let wasCreated: Bool
    /// The schema version that opening found and migrated from; 0 is a database from before there was a count.
    public let migratedFromVersion: Int?
    /// The copy that was made before a migration. A copy of a version 0 database holds keys in plain text.
    public let backupPath: String?

    /// Opens the database at `path`.
    ///
    /// - Parameters:
    ///   - timeZoneOffsetMinutes: the offset that times are written in, and that times without an offset in an old
    ///     database are read in.
    ///   - isShared: another process writes it now, so that one of another version is refused.
    ///   - filling: stores what a database that this call makes begins with, in the same transaction.
    ///   - onBusy: called once if another process holds a lock for more than a second; opening gives up after ten.
    public static func open(
        path: String, timeZoneOffsetMinutes: Int = 0, isShared: Bool = false,
        filling: (borrowing WriteConnection) throws(StoreError) -> Void = { (_) throws(StoreError) in },
        onBusy: (() -> Void)? = nil
    ) throws(StoreError) -> Database {
        if isShared { try checkVersion(path) }
        try createFolder(of: path)
        let isNew = try createFile(path)
        do throws(StoreError) {
            return try prepare(path, timeZoneOffsetMinutes, onBusy, filling)
        } catch {
            // An empty file that this call made is nobody's data.
            if isNew && size(of: path) == 0 { unlink(path) }
            throw error
        }
    }

    /// A read handle for one thread.
    ///
    /// - Parameter queryTimeoutMilliseconds: queries that take longer throw `StoreError.timedOut`.
    public func reader(queryTimeoutMilliseconds: UInt64 = 10_000) throws(StoreError) -> ReadConnection {
        try ReadConnection(
            path: path, timeZoneOffsetMinutes: timeZoneOffsetMinutes,
            queryTimeoutMilliseconds: queryTimeoutMilliseconds)
    }

    /// One transaction on a handle of its own, for tools that run beside (or without) a writer.
    public func write<T>(
        _ body: (borrowing WriteConnection) throws(StoreError) -> T
    ) throws(StoreError) -> T {
        let connection = try Connection(path: path, mode: .readWrite, busyTimeoutMilliseconds: 10_000)
        try connection.applySettings()
        try connection.setDurability(.everyCommit)
        let writable = WriteConnection(connection: connection, timeZoneOffsetMinutes: timeZoneOffsetMinutes)
        return try connection.transaction { () throws(StoreError) -> T in try body(writable) }
    }

    private init(
        path: String, timeZoneOffsetMinutes: Int, wasCreated: Bool = false, migratedFromVersion: Int? = nil,
        backupPath: String? = nil
    ) {
        self.path = path
        self.timeZoneOffsetMinutes = timeZoneOffsetMinutes
        self.wasCreated = wasCreated
        self.migratedFromVersion = migratedFromVersion
        self.backupPath = backupPath
    }

    // MARK: Opening

    private static func prepare(
        _ path: String, _ offset: Int, _ onBusy: (() -> Void)?,
        _ filling: (borrowing WriteConnection) throws(StoreError) -> Void
    ) throws(StoreError) -> Database {
        let connection = try Connection(
            path: path, mode: .readWrite, busyTimeoutMilliseconds: 10_000, onBusy: onBusy)
        let expected = try expectedColumns()
        let verdict = try check(connection, path).verdict(expected: expected)
        var database = Database(path: path, timeZoneOffsetMinutes: offset)
        switch verdict {
        case .refused(let difference):
            throw .refused("\(path) cannot be used: \(difference)")
        case .current:
            break
        case .empty:
            // Rows with headers take a kilobyte or two: small pages would put their ends on pages of their own.
            try connection.execute("PRAGMA page_size = 32768")
            try useWAL(connection, path)
            let created = try connection.transaction { () throws(StoreError) -> Bool in
                // Another process may have been faster.
                guard try SchemaCheck(connection).verdict(expected: expected) == .empty else { return false }
                try Schema.createAll(in: connection)
                try Schema.stamp(connection)
                try filling(WriteConnection(connection: connection, timeZoneOffsetMinutes: offset))
                return true
            }
            database = Database(path: path, timeZoneOffsetMinutes: offset, wasCreated: created)
        case .older(let version):
            let backup = try Backup.make(of: connection, path: path, version: version)
            try connection.transaction { () throws(StoreError) in
                guard try SchemaCheck(connection).verdict(expected: expected) == verdict else {
                    throw .refused("\(path) cannot be used: another program changed it while it was being migrated")
                }
                try Migration.run(from: version, in: connection)
                try Schema.stamp(connection)
                if case .refused(let difference) = try SchemaCheck(connection).verdict(expected: expected) {
                    throw .refused("\(path) cannot be used: \(difference)")
                }
                try RollupTable.addUp(in: connection)
            }
            database = Database(
                path: path, timeZoneOffsetMinutes: offset, migratedFromVersion: version, backupPath: backup)
        case .legacy(let tables):
            let backup = try Backup.make(of: connection, path: path, version: 0)
            try connection.execute("PRAGMA foreign_keys = OFF")
            try connection.transaction { () throws(StoreError) in
                guard try SchemaCheck(connection).verdict(expected: expected) == verdict else {
                    throw .refused("\(path) cannot be used: another program changed it while it was being migrated")
                }
                var migration = LegacyMigration(
                    connection: connection, tables: tables, timeZoneOffsetMinutes: offset)
                try migration.run()
                try Schema.stamp(connection)
            }
            database = Database(
                path: path, timeZoneOffsetMinutes: offset, migratedFromVersion: 0, backupPath: backup)
        }
        try connection.transaction { () throws(StoreError) in try RollupTable.addUp(in: connection) }
        try useWAL(connection, path)
        return database
    }

    /// Refuses a database that would have to be migrated: not under the hands of the process that uses it.
    private static func checkVersion(_ path: String) throws(StoreError) {
        let connection = try Connection(path: path, mode: .readOnly, busyTimeoutMilliseconds: 10_000)
        guard try check(connection, path).verdict(expected: try expectedColumns()) == .current else {
            throw .refused("\(path) has another version, and a gateway runs on it: stop that first")
        }
    }

    static func check(_ connection: Connection, _ path: String) throws(StoreError) -> SchemaCheck {
        do throws(StoreError) {
            return try SchemaCheck(connection)
        } catch .sqlite(let code, _) where code & 0xFF == SQLITE_NOTADB {
            throw .refused("\(path) cannot be used: the file is not a SQLite database")
        }
    }

    private static func useWAL(_ connection: Connection, _ path: String) throws(StoreError) {
        guard try connection.scalar("PRAGMA journal_mode = WAL") == .text("wal") else {
            throw .refused("\(path) cannot be used: its file system does not support SQLite's write-ahead log")
        }
    }

    /// What the current version's tables look like, asked of SQLite itself.
    static func expectedColumns() throws(StoreError) -> [String: [SchemaCheck.Column]] {
        let memory = try Connection(path: ":memory:", mode: .create, busyTimeoutMilliseconds: 0)
        try Schema.createAll(in: memory)
        return try SchemaCheck(memory).tables
    }

    // MARK: Files

    /// Makes the folders above `path` that are missing, for their owner only.
    static func createFolder(of path: String) throws(StoreError) {
        guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return }
        let folder = String(path[..<slash])
        if mkdir(folder, 0o700) == 0 || errno == EEXIST { return }
        guard errno == ENOENT else { throw .system(errno: errno, operation: "mkdir \(folder)") }
        try createFolder(of: folder)
        guard mkdir(folder, 0o700) == 0 || errno == EEXIST else {
            throw .system(errno: errno, operation: "mkdir \(folder)")
        }
    }

    /// Makes an empty file for its owner only; false if there is one already.
    private static func createFile(_ path: String) throws(StoreError) -> Bool {
        let fd = Glibc.open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o600)
        if fd < 0 {
            guard errno == EEXIST else { throw .system(errno: errno, operation: "create \(path)") }
            return false
        }
        close(fd)
        return true
    }

    private static func size(of path: String) -> Int {
        var status = stat()
        return stat(path, &status) == 0 ? Int(status.st_size) : -1
    }
}
