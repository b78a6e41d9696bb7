import Glibc

/// Where an export goes: standard output, or a file that only its owner may read.
final class Output {
    private let console: any Console
    private let path: String?
    private let fd: Int32
    private var error: Int32 = 0

    init(_ path: String?, _ console: any Console) throws(CommandFailure) {
        self.console = console
        self.path = path == "-" ? nil : path
        guard let path = self.path else {
            fd = -1
            return
        }
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard fd >= 0 else { throw CommandFailure(message: "\(FileError(path: path, errno: errno))") }
    }

    /// Whether standard output is meant.
    var isConsole: Bool { fd < 0 }

    deinit {
        if fd >= 0 { close(fd) }
    }

    /// False when nothing more can be written.
    func write(_ bytes: [UInt8]) -> Bool {
        if fd < 0 {
            if !console.write(bytes) { error = console.outputError == 0 ? EPIPE : console.outputError }
        } else {
            error = writeAll(fd, bytes)
        }
        return error == 0
    }

    /// The data is on its way to the disk; says so if not.
    func finish() throws(CommandFailure) {
        // Some file systems report a full disk only now.
        if fd >= 0, fsync(fd) != 0, errno != EINVAL, errno != EROFS { error = errno }
        if error != 0 { throw failure }
    }

    var failure: CommandFailure {
        CommandFailure(message: "\(FileError(path: path ?? "standard output", errno: error))")
    }
}
