import Glibc

/// The mark of a running gateway: a lock on the file `fastgate.lock` in the database's folder, held as long as the
/// process lives, however it ends.
///
/// It keeps a second gateway off the audit rings, which have one consumer, and tells the command line whether to ask
/// the admin API (the file says where that listens) or to work on the database itself.
final class InstanceLock: Sendable {
    /// Who holds the lock.
    struct Holder: Equatable {
        var processID: Int32?
        /// `host:port` of its admin API, once it listens.
        var adminAddress: String?
    }

    enum Failure: Error, Equatable, CustomStringConvertible {
        case held(path: String, by: Holder)
        case file(FileError)

        var description: String {
            switch self {
            case .held(let path, let holder):
                "\(path) is held by " + (holder.processID.map { "process \($0)" } ?? "another process")
                    + ": a gateway runs on this database already"
            case .file(let error): error.description
            }
        }
    }

    private let fd: Int32
    let path: String

    /// Takes the lock. The folder is made if it is missing.
    ///
    /// - Parameter patienceMilliseconds: how long to wait for another to let go: commands hold it for moments.
    static func take(folder: String, patienceMilliseconds: Int = 2000) throws(Failure) -> InstanceLock {
        let path = "\(folder)/fastgate.lock"
        let fd: Int32
        do throws(FileError) {
            try createFolder(folder)
            fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            guard fd >= 0 else { throw FileError(path: path, errno: errno) }
        } catch {
            throw .file(error)
        }
        var waited = 0
        while flock(fd, LOCK_EX | LOCK_NB) != 0 {
            let failure = errno
            guard failure == EWOULDBLOCK || failure == EINTR, waited < patienceMilliseconds else {
                let holder = read(fd)
                close(fd)
                throw failure == EWOULDBLOCK
                    ? .held(path: path, by: holder) : .file(FileError(path: path, errno: failure))
            }
            usleep(20_000)
            waited += 20
        }
        let lock = InstanceLock(fd: fd, path: path)
        lock.publish(adminAddress: nil)
        return lock
    }

    /// The lock of the process that this one succeeds; both hold it until one of them closes it.
    static func inherited(_ fd: Int32, folder: String) -> InstanceLock {
        InstanceLock(fd: fd, path: "\(folder)/fastgate.lock")
    }

    /// To be given to a successor.
    var descriptor: Int32 { fd }

    /// Who holds the lock of a folder; nil if nobody does.
    static func holder(folder: String) -> Holder? {
        let fd = open("\(folder)/fastgate.lock", O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { return nil }
        defer { close(fd) }
        // Closing lets the shared lock go again.
        return flock(fd, LOCK_SH | LOCK_NB) == 0 ? nil : read(fd)
    }

    /// Tells others where the admin API listens.
    func publish(adminAddress: String?) {
        let text = "pid \(getpid())\n" + (adminAddress.map { "admin \($0)\n" } ?? "")
        let bytes = Array(text.utf8)
        // Informative only: a failure costs a command the address, which the configuration has too.
        _ = bytes.withUnsafeBytes { pwrite(fd, $0.baseAddress, $0.count, 0) }
        _ = ftruncate(fd, off_t(bytes.count))
    }

    private init(fd: Int32, path: String) {
        self.fd = fd
        self.path = path
    }

    deinit {
        // The file stays: removing it would let two processes lock two files of one name.
        close(fd)
    }

    private static func read(_ fd: Int32) -> Holder {
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = bytes.withUnsafeMutableBytes { pread(fd, $0.baseAddress, $0.count, 0) }
        var holder = Holder()
        for line in String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.count == 2 else { continue }
            if words[0] == "pid" { holder.processID = Int32(words[1]) }
            if words[0] == "admin" { holder.adminAddress = String(words[1]) }
        }
        return holder
    }
}
