import CSQLite
import Glibc
import Reactor

/// Copies of a database. One has its name only once it is whole and on the disk: what a killed process, or a power failure,
/// leaves behind ends in `.part`, and the next attempt begins it anew.
public enum Backup {
    /// Copies a database as it stands in this moment, while others use it, readable by its owner only. Until it is done the
    /// database's log is not begun anew, and grows by what is written meanwhile.
    ///
    /// - Returns: the copy's size in bytes.
    /// - Throws: `StoreError.refused` if this version could not use the database; `.system` with `EEXIST` if there is a
    ///   file of the target's name, which stays as it is.
    public static func copy(_ path: String, to target: String) throws(StoreError) -> Int {
        // Missing, it must not be made.
        let connection = try Connection(path: path, mode: .readOnly, busyTimeoutMilliseconds: 10_000)
        switch try Database.check(connection, path).verdict(expected: Database.expectedColumns()) {
        case .current, .older, .legacy: break
        case .empty: throw .refused("\(path) cannot be used: it is empty")
        case .refused(let difference): throw .refused("\(path) cannot be used: \(difference)")
        }
        if access(target, F_OK) == 0 { throw .system(errno: EEXIST, operation: "create \(target)") }
        var size = 0
        try copy(connection, by: "\(target).part") { (partial, fd) throws(StoreError) in
            var status = stat()
            try check(fstat(fd, &status), "stat \(partial)")
            size = Int(status.st_size)
            try check(renameUnlessThere(partial, target), "create \(target)")
            return target
        }
        return size
    }

    /// Copies the database beside itself before a migration. Returns the copy's path.
    static func make(of connection: Connection, path: String, version: Int) throws(StoreError) -> String {
        try copy(connection, by: "\(path).backup.part") { (partial, _) throws(StoreError) in
            let target = try freeName(path, version: version)
            try check(rename(partial, target), "rename \(partial)")
            return target
        }
    }

    /// - Parameter name: gives the whole copy its name, and returns that.
    @discardableResult
    private static func copy(
        _ connection: Connection, by partial: String, name: (String, Int32) throws(StoreError) -> String
    ) throws(StoreError) -> String {
        let fd = try openLocked(partial)
        defer { close(fd) }
        do throws(StoreError) {
            // Of an attempt that was killed.
            unlink("\(partial)-journal")
            try check(ftruncate(fd, 0), "truncate \(partial)")
            let copy = try connection.prepare("VACUUM INTO ?1")
            copy.bind(1, partial)
            try copy.run()
            // SQLite does not do this for VACUUM INTO (lang_vacuum).
            try check(fsync(fd), "fsync \(partial)")
            let target = try name(partial, fd)
            try synchronizeFolder(of: target)
            return target
        } catch {
            unlink(partial)
            throw error
        }
    }

    /// `rename`, but `EEXIST` if there is such a file.
    private static func renameUnlessThere(_ old: String, _ new: String) -> Int32 {
        if link(old, new) == 0 { return unlink(old) }
        // File systems without links cannot: there somebody could have come between.
        return errno == EEXIST ? -1 : rename(old, new)
    }

    /// Opens the file that is copied into, for one process at a time.
    private static func openLocked(_ path: String) throws(StoreError) -> Int32 {
        while true {
            let fd = Glibc.open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
            guard fd >= 0 else { throw .system(errno: errno, operation: "create \(path)") }
            var mine = stat()
            var named = stat()
            guard flock(fd, LOCK_EX) == 0, fstat(fd, &mine) == 0 else {
                let code = errno
                close(fd)
                if code == EINTR { continue }
                throw .system(errno: code, operation: "lock \(path)")
            }
            if stat(path, &named) == 0, mine.st_ino == named.st_ino, mine.st_dev == named.st_dev { return fd }
            // Whoever held it has given it its name, or removed it.
            close(fd)
        }
    }

    private static func freeName(_ path: String, version: Int) throws(StoreError) -> String {
        let now = Int64(Clock.realtimeNanoseconds() / 1_000_000)
        let stamp = Timestamp.text(milliseconds: now).prefix(19).filter { $0 != ":" && $0 != "-" }
        var target = "\(path).v\(version)-\(stamp).backup"
        var attempt = 1
        while access(target, F_OK) == 0 {
            attempt += 1
            target = "\(path).v\(version)-\(stamp)-\(attempt).backup"
        }
        return target
    }

    /// Makes a new name in the file's folder last.
    private static func synchronizeFolder(of path: String) throws(StoreError) {
        let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        let fd = Glibc.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard fd >= 0 else { throw .system(errno: errno, operation: "open \(folder)") }
        defer { close(fd) }
        try check(fsync(fd), "fsync \(folder)")
    }

    private static func check(_ result: Int32, _ operation: @autoclosure () -> String) throws(StoreError) {
        if result != 0 { throw .system(errno: errno, operation: operation()) }
    }
}
