import Glibc
import Reactor

/// The ring files of one process: `audit-0.ring` for its first worker and so on, and beside each `audit-0.open`, where that
/// worker keeps the usage of exchanges under way. Keep the value as long as the files are in use: it holds their lock.
///
/// Processes that share a database, as one and its successor do for a while, have a set of rings each. The first set is
/// in the database's folder, further ones are in `audit.1`, `audit.2` … below it. A set's lock file `audit.lock` is held
/// by the process that uses it, and says which audit ids are that process's.
public struct AuditRings: Sendable {
    /// One for each worker.
    public let rings: [MappedRing]
    /// One for each worker, with what a process before this one has left: the usage of exchanges that it had under way. Nil
    /// where the disk has no room for it.
    public let openUsage: [MappedSlots?]
    /// What processes that have ended left: of workers that this one does not have, and other sets.
    public let stale: [MappedRing]
    public let staleOpenUsage: [MappedSlots]
    /// What had to be set aside, for the log.
    public let warnings: [String]
    /// The marks in the audit ids of other processes that run.
    public let others: [UInt32]
    private let lock: FolderLock
    private var staleLocks: [FolderLock]

    /// Workers whose rings are looked for, and processes at a time.
    static let maximumWorkers = 1024
    static let maximumSets = 64

    /// Maps the rings of `workers` workers, making those that are missing, and finds what ended processes have left. A
    /// file that is no ring, or a damaged one, is renamed to `….damaged` and replaced.
    ///
    /// - Parameters:
    ///   - capacity: bytes, rounded up to a power of two from 64 KiB to 1 GiB. A ring of another size is replaced if it
    ///     is empty, which it is after an orderly stop; else it serves once more.
    ///   - bootNonce: this process's mark in its audit ids.
    /// - Throws: `StoreError.refused` if too many processes use the folder.
    public static func open(
        folder: String, workers: Int, capacity: Int, bootNonce: UInt32 = 0
    ) throws(StoreError) -> AuditRings {
        try Database.createFolder(of: folder + "/.")
        var size = 64 << 10
        while size < capacity && size < 1 << 30 { size *= 2 }
        var files = RingFiles(capacity: size)
        var own: FolderLock?
        var staleLocks: [FolderLock] = []
        var mine = RingFiles.Mapped()
        var others: [UInt32] = []
        for number in 0..<maximumSets {
            let place = Self.place(folder, number)
            // Sets are taken from the first on: behind the first that was never used there is none.
            let isNew = access(place + "/audit.lock", F_OK) != 0
            if isNew && own != nil { break }
            try Database.createFolder(of: place + "/.")
            guard let lock = try FolderLock.take(place) else {
                if let owner = FolderLock.owner(place) { others.append(owner.bootNonce) }
                continue
            }
            if own == nil {
                own = lock
                lock.publish(bootNonce: bootNonce)
                mine = try files.open(place, workers: workers)
            } else {
                staleLocks.append(lock)
                _ = try files.open(place, workers: 0)
            }
        }
        guard let own else { throw .refused("\(folder) is used by \(maximumSets) processes already") }
        return AuditRings(
            rings: mine.rings, openUsage: mine.openUsage, stale: files.stale.rings,
            staleOpenUsage: files.stale.openUsage.compactMap { $0 }, warnings: files.warnings, others: others,
            lock: own,
            staleLocks: staleLocks)
    }

    /// The stale rings are empty and deleted: their places are free for others.
    public mutating func releaseStale() { staleLocks = [] }

    /// The sets of processes that have ended since, to be emptied by this one.
    public static func abandoned(folder: String) throws(StoreError) -> [AbandonedRings] {
        var found: [AbandonedRings] = []
        for number in 0..<maximumSets {
            let place = Self.place(folder, number)
            guard access(place + "/audit.lock", F_OK) == 0 else { break }
            guard let lock = try FolderLock.take(place) else { continue }
            let owner = FolderLock.owner(place)
            var files = RingFiles(capacity: 64 << 10)
            _ = try files.open(place, workers: 0)
            if files.stale.rings.isEmpty && files.stale.openUsage.isEmpty { continue }
            found.append(
                AbandonedRings(
                    rings: files.stale.rings, openUsage: files.stale.openUsage.compactMap { $0 }, owner: owner,
                    warnings: files.warnings, lock: lock))
        }
        return found
    }

    private static func place(_ folder: String, _ number: Int) -> String {
        number == 0 ? folder : "\(folder)/audit.\(number)"
    }
}

/// The rings of a process that has ended; nobody else takes them while the value is kept.
public struct AbandonedRings: Sendable {
    public let rings: [MappedRing]
    let openUsage: [MappedSlots]
    let owner: RingOwner?
    public let warnings: [String]
    private let lock: FolderLock

    fileprivate init(
        rings: [MappedRing], openUsage: [MappedSlots], owner: RingOwner?, warnings: [String], lock: FolderLock
    ) {
        self.rings = rings
        self.openUsage = openUsage
        self.owner = owner
        self.warnings = warnings
        self.lock = lock
    }
}

/// Whose a set of rings is.
struct RingOwner: Equatable {
    /// The mark in its audit ids.
    var bootNonce: UInt32
    /// Unix milliseconds; its ids are not older.
    var startedAt: UInt64
}

/// Maps ring files and those beside them, and sets aside what is damaged.
private struct RingFiles {
    struct Mapped {
        var rings: [MappedRing] = []
        var openUsage: [MappedSlots?] = []
    }

    let capacity: Int
    var stale = Mapped()
    var warnings: [String] = []

    init(capacity: Int) { self.capacity = capacity }

    /// The files of so many workers; what is there of more is stale.
    mutating func open(_ folder: String, workers: Int) throws(StoreError) -> Mapped {
        var mine = Mapped()
        for worker in 0..<AuditRings.maximumWorkers {
            let isMine = worker < workers
            let ring = try map("\(folder)/audit-\(worker).ring", isMine: isMine) {
                [capacity] path throws(RingError) in
                let ring = try MappedRing.open(path: path, capacity: capacity)
                guard isMine, ring.capacity != capacity, ring.usedBytes == 0, unlink(path) == 0 else { return ring }
                return try MappedRing.open(path: path, capacity: capacity)
            }
            if let ring { if isMine { mine.rings.append(ring) } else { stale.rings.append(ring) } }
            let slots = try openSlots("\(folder)/audit-\(worker).open", isMine: isMine)
            if isMine { mine.openUsage.append(slots) } else if let slots { stale.openUsage.append(slots) }
        }
        return mine
    }

    /// A full disk is no reason not to start.
    private mutating func openSlots(_ path: String, isMine: Bool) throws(StoreError) -> MappedSlots? {
        do throws(StoreError) {
            return try map(path, isMine: isMine) { path throws(RingError) in try MappedSlots.open(path: path) }
        } catch .system(errno: ENOSPC, _) {
            warnings.append(
                "the disk has no room for \(path): what is under way with providers leaves no usage record if this process is killed"
            )
            return nil
        }
    }

    /// One file; nil if it is nobody's, or was and is damaged.
    private mutating func map<File>(
        _ path: String, isMine: Bool, _ open: (String) throws(RingError) -> File
    ) throws(StoreError) -> File? {
        if !isMine && access(path, F_OK) != 0 { return nil }
        do throws(RingError) {
            return try open(path)
        } catch .system(let code) {
            throw .system(errno: code, operation: "open \(path)")
        } catch {
            let aside = try setAside(path)
            warnings.append("\(path) is damaged or no file of the audit's (\(error)); it was renamed to \(aside)")
            guard isMine else { return nil }
            do throws(RingError) {
                return try open(path)
            } catch {
                throw .system(errno: EIO, operation: "create \(path)")
            }
        }
    }

    private func setAside(_ path: String) throws(StoreError) -> String {
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

/// An advisory lock on a set's lock file; the kernel drops it when the process ends, however it ends.
private final class FolderLock: Sendable {
    private let fd: Int32

    /// nil if another process holds it.
    static func take(_ folder: String) throws(StoreError) -> FolderLock? {
        let path = folder + "/audit.lock"
        let fd = Glibc.open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
        guard fd >= 0 else { throw .system(errno: errno, operation: "open \(path)") }
        guard flock(fd, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(fd)
            guard code == EWOULDBLOCK else { throw .system(errno: code, operation: "lock \(path)") }
            return nil
        }
        return FolderLock(fd)
    }

    private init(_ fd: Int32) { self.fd = fd }

    deinit { close(fd) }

    /// Says whose the set is now.
    func publish(bootNonce: UInt32) {
        let text = "\(bootNonce) \(Clock.realtimeNanoseconds() / 1_000_000)\n"
        let bytes = Array(text.utf8)
        _ = bytes.withUnsafeBytes { pwrite(fd, $0.baseAddress, $0.count, 0) }
        _ = ftruncate(fd, off_t(bytes.count))
    }

    /// Who used the set last.
    static func owner(_ folder: String) -> RingOwner? {
        let fd = Glibc.open(folder + "/audit.lock", O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { return nil }
        defer { close(fd) }
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = bytes.withUnsafeMutableBytes { pread(fd, $0.baseAddress, $0.count, 0) }
        let words = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split { $0 == " " || $0 == "\n" }
        guard words.count == 2, let nonce = UInt32(words[0]), let start = UInt64(words[1]) else { return nil }
        return RingOwner(bootNonce: nonce, startedAt: start)
    }
}
