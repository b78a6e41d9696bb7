import CSQLite
import Glibc
import Reactor

/// The copy of a database that is made before a migration. It has its name only once it is whole and on the disk: what a
/// killed process, or a power failure, leaves behind is a `.backup.part`, which the next attempt begins anew.
enum Backup {
    /// Copies the database beside itself, readable by its owner only. Returns the copy's path.
    static func make(of connection: Connection, path: String, version: Int) throws(StoreError) -> String {
        let partial = "\(path).backup.part"
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
            let target = try freeName(path, version: version)
            try check(rename(partial, target), "rename \(partial)")
            try synchronizeFolder(of: path)
            return target
        } catch {
            unlink(partial)
            throw error
        }
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
