import Glibc

/// A system call on a file failed.
struct FileError: Error, Equatable, CustomStringConvertible {
    let path: String
    let errno: Int32

    /// `data/admin_token: Permission denied`.
    var description: String { "\(path): \(String(cString: strerror(errno)))" }
}

/// Has closed standard files stand for something that can neither be read nor written: else the next file that is opened, a
/// database say, would be taken for them.
func occupyStandardFiles() {
    for (fd, mode) in [(STDIN_FILENO, O_WRONLY), (STDOUT_FILENO, O_RDONLY), (STDERR_FILENO, O_RDONLY)]
    where fcntl(fd, F_GETFD) < 0 {
        // The lowest number that is free: those below are taken by now.
        _ = open("/dev/null", mode)
    }
}

/// Writes everything; 0 or the error number.
func writeAll(_ fd: Int32, _ bytes: [UInt8]) -> Int32 {
    var written = 0
    while written < bytes.count {
        let count = bytes.withUnsafeBytes { Glibc.write(fd, $0.baseAddress! + written, $0.count - written) }
        if count < 0, errno == EINTR { continue }
        if count < 0 { return errno }
        written += count
    }
    return 0
}

/// Reads a file; more than `limit` bytes are an error.
func readFile(_ path: String, limit: Int) throws(FileError) -> [UInt8] {
    let fd = path == "-" ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC)
    guard fd >= 0 else { throw FileError(path: path, errno: errno) }
    defer { close(fd) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 64 << 10)
    while true {
        let count = chunk.withUnsafeMutableBytes { read(fd, $0.baseAddress, $0.count) }
        if count < 0, errno == EINTR { continue }
        guard count >= 0 else { throw FileError(path: path, errno: errno) }
        if count == 0 { return bytes }
        bytes += chunk[..<count]
        if bytes.count > limit { throw FileError(path: path, errno: EFBIG) }
    }
}

/// Makes a folder and those above it, for their owner only. One that is there stays as it is.
func createFolder(_ path: String) throws(FileError) {
    if path.isEmpty || mkdir(path, 0o700) == 0 || errno == EEXIST { return }
    let slash = path.lastIndex(of: "/")
    guard errno == ENOENT, let slash, slash != path.startIndex else { throw FileError(path: path, errno: errno) }
    try createFolder(String(path[..<slash]))
    guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw FileError(path: path, errno: errno) }
}

/// The variables of the process.
func processEnvironment() -> [String: String] {
    var variables: [String: String] = [:]
    // The kernel's copy of what the process was started with; Glibc's `environ` is a mutable global.
    guard let bytes = try? readFile("/proc/self/environ", limit: 16 << 20) else { return variables }
    for entry in bytes.split(separator: 0) {
        guard let equals = entry.firstIndex(of: UInt8(ascii: "=")) else { continue }
        let name = String(decoding: entry[..<equals], as: UTF8.self)
        variables[name] = String(decoding: entry[(equals + 1)...], as: UTF8.self)
    }
    return variables
}
