import Glibc

/// Why the log file cannot be used.
public struct LogFileError: Error, Equatable, Sendable, CustomStringConvertible {
    public let path: String
    public let errno: Int32

    /// `/var/log/fastgate.log: Permission denied`.
    public var description: String { "\(path): \(String(cString: strerror(errno)))" }
}

/// Where lines go: standard error, or a file that is rotated by size. Owns the file's descriptor.
struct LogSink: ~Copyable {
    private let path: String
    private let maxSizeBytes: Int
    private let backupCount: Int
    private var fd: Int32
    private var sizeBytes = 0
    /// Lines that could not be written since the last that could.
    private(set) var lostLines = 0

    /// Standard error.
    init() {
        path = ""
        maxSizeBytes = 0
        backupCount = 0
        fd = STDERR_FILENO
    }

    /// The file at `path`, which is made (mode 0640) or appended to.
    init(path: String, maxSizeBytes: Int, backupCount: Int) throws(LogFileError) {
        self.path = path
        self.maxSizeBytes = maxSizeBytes
        self.backupCount = backupCount
        (fd, sizeBytes) = try Self.open(path)
    }

    deinit {
        if fd != STDERR_FILENO { close(fd) }
    }

    /// Opens the file anew, after somebody else has moved it away. Standard error stays as it is.
    mutating func reopen() throws(LogFileError) {
        guard !path.isEmpty else { return }
        let opened = try Self.open(path)
        close(fd)
        (fd, sizeBytes) = opened
    }

    /// Writes a whole line with one write(2), so that lines of several processes do not mix.
    mutating func write(_ line: [UInt8]) {
        if maxSizeBytes > 0, sizeBytes > 0, sizeBytes + line.count > maxSizeBytes { rotate() }
        var written = 0
        while written < line.count {
            let count = line.withUnsafeBytes { Glibc.write(fd, $0.baseAddress! + written, $0.count - written) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                lostLines += 1
                return
            }
            written += count
            sizeBytes += count
        }
    }

    /// The number of lost lines, which begins anew.
    mutating func takeLostLines() -> Int {
        defer { lostLines = 0 }
        return lostLines
    }

    /// Puts a number back that was taken but not told.
    mutating func restoreLostLines(_ count: Int) { lostLines = count }

    /// `file` becomes `file.1`, that `file.2`, and so on; what is beyond the count goes. A rotation that fails leaves
    /// the old file in use: a log that is too long is better than none.
    private mutating func rotate() {
        if backupCount == 0 {
            // The descriptor appends, so the next line begins the file.
            if ftruncate(fd, 0) == 0 { sizeBytes = 0 }
            return
        }
        for index in stride(from: backupCount - 1, to: 0, by: -1) { rename("\(path).\(index)", "\(path).\(index + 1)") }
        guard rename(path, "\(path).1") == 0 else {
            sizeBytes = 0  // Try again when as much again was written, not at every line.
            return
        }
        do {
            try reopen()
        } catch {
            sizeBytes = 0
        }
    }

    private static func open(_ path: String) throws(LogFileError) -> (fd: Int32, sizeBytes: Int) {
        let fd = Glibc.open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0o640)
        guard fd >= 0 else { throw LogFileError(path: path, errno: errno) }
        var status = stat()
        return (fd, fstat(fd, &status) == 0 ? Int(status.st_size) : 0)
    }
}
