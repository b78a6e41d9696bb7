import Glibc
import Reactor

/// The ring files in the folder of the database: `audit-0.ring` for the first worker and so on. Keep the value as
/// long as the rings are in use: it holds the folder's lock.
public struct AuditRings: Sendable {
    /// One for each worker.
    public let rings: [MappedRing]
    /// Of workers that the process before this one had more.
    public let stale: [MappedRing]
    /// What had to be set aside, for the log.
    public let warnings: [String]
    /// Two processes must not use the same rings.
    private let lock: FolderLock

    /// Workers whose rings are looked for.
    static let maximumWorkers = 1024

    /// Maps the rings of `workers` workers, making those that are missing, and finds what is left of more. A file
    /// that is no ring, or a damaged one, is renamed to `….damaged` and replaced.
    ///
    /// - Parameter capacity: bytes, rounded up to a power of two from 64 KiB to 1 GiB. A ring of another size is replaced
    ///   if it is empty, which it is after an orderly stop; else it serves once more.
    /// - Throws: `StoreError.refused` if another process uses the folder.
    public static func open(folder: String, workers: Int, capacity: Int) throws(StoreError) -> AuditRings {
        try Database.createFolder(of: folder + "/.")
        let lock = try FolderLock(path: folder + "/audit.lock")
        var size = 64 << 10
        while size < capacity && size < 1 << 30 { size *= 2 }
        var rings: [MappedRing] = []
        var stale: [MappedRing] = []
        var warnings: [String] = []
        for worker in 0..<maximumWorkers {
            let path = "\(folder)/audit-\(worker).ring"
            if worker >= workers && access(path, F_OK) != 0 { continue }
            do throws(RingError) {
                var ring = try MappedRing.open(path: path, capacity: size)
                if ring.capacity != size && ring.usedBytes == 0 && unlink(path) == 0 {
                    ring = try MappedRing.open(path: path, capacity: size)
                }
                if worker < workers { rings.append(ring) } else { stale.append(ring) }
            } catch .system(let code) {
                throw .system(errno: code, operation: "open \(path)")
            } catch {
                let aside = try setAside(path)
                warnings.append("\(path) is damaged or no audit ring (\(error)); it was renamed to \(aside)")
                guard worker < workers else { continue }
                do throws(RingError) {
                    rings.append(try MappedRing.open(path: path, capacity: size))
                } catch {
                    throw .system(errno: EIO, operation: "create \(path)")
                }
            }
        }
        return AuditRings(rings: rings, stale: stale, warnings: warnings, lock: lock)
    }

    private static func setAside(_ path: String) throws(StoreError) -> String {
        var target = path + ".damaged"
        var attempt = 1
        while access(target, F_OK) == 0 {
            attempt += 1
            target = "\(path).damaged-\(attempt)"
        }
        guard rename(path, target) == 0 else { throw .system(errno: errno, operation: "rename \(path)") }
        return target
    }
}

/// An advisory lock on a file; the kernel drops it when the process ends, however it ends.
private final class FolderLock: Sendable {
    private let fd: Int32

    init(path: String) throws(StoreError) {
        fd = Glibc.open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        guard fd >= 0 else { throw .system(errno: errno, operation: "open \(path)") }
        guard flock(fd, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(fd)
            guard code == EWOULDBLOCK else { throw .system(errno: code, operation: "lock \(path)") }
            throw .refused("\(path) is locked: another gateway process uses this folder")
        }
    }

    deinit { close(fd) }
}
