import Glibc

/// The file that holds the master key where the environment does not.
struct MasterKeyFile {
    let path: String
    /// What a rotation has written and not yet put in the other's place.
    var nextPath: String { path + ".new" }

    /// `master_key` in the database's folder.
    init(besideDatabase database: String) {
        let folder = database.lastIndex(of: "/").map { String(database[...$0]) } ?? ""
        path = folder + "master_key"
    }

    enum Content {
        case missing
        case key(MasterKey)
        /// There is a file, but no key in it.
        case unreadable(String)
    }

    func read() -> Content { Self.read(path) }
    func readNext() -> Content { Self.read(nextPath) }

    /// Whether others than its owner may read it.
    var isExposed: Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & 0o077 != 0
    }

    private static func read(_ path: String) -> Content {
        let fd = open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { return errno == ENOENT ? .missing : unreadable(path, errno) }
        defer { close(fd) }
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = Glibc.read(fd, &buffer, buffer.count)
        guard count >= 0 else { return unreadable(path, errno) }
        guard let key = MasterKey(String(decoding: buffer[..<count], as: UTF8.self)) else {
            return .unreadable("\(path) does not hold a master key: 32 bytes in hex or base64")
        }
        return .key(key)
    }

    private static func unreadable(_ path: String, _ errno: Int32) -> Content {
        .unreadable("\(path) cannot be read: \(String(cString: strerror(errno)))")
    }

    /// Makes the file; there must be none. It lasts when this returns.
    func create(_ key: MasterKey) throws(StoreError) { try Self.create(path, key) }

    /// Writes the next key beside the present one.
    func createNext(_ key: MasterKey) throws(StoreError) {
        unlink(nextPath)
        try Self.create(nextPath, key)
    }

    /// Puts the next key in the present one's place.
    func adoptNext() throws(StoreError) {
        guard rename(nextPath, path) == 0 else {
            throw .system(errno: errno, operation: "rename \(nextPath)")
        }
        syncFolder()
    }

    func removeNext() { unlink(nextPath) }

    private static func create(_ path: String, _ key: MasterKey) throws(StoreError) {
        let fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0o600)
        guard fd >= 0 else { throw .system(errno: errno, operation: "create \(path)") }
        defer { close(fd) }
        let line = Array((key.text + "\n").utf8)
        guard write(fd, line, line.count) == line.count, fsync(fd) == 0 else {
            let code = errno
            unlink(path)
            throw .system(errno: code, operation: "write \(path)")
        }
        MasterKeyFile(path: path).syncFolder()
    }

    private init(path: String) { self.path = path }

    private func syncFolder() {
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        let fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard fd >= 0 else { return }
        fsync(fd)
        close(fd)
    }
}
