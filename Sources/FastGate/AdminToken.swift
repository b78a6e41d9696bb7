import Config
import Glibc
import Reactor

/// The admin token: configured, or made by the first start and kept beside the database.
struct AdminToken: Equatable {
    enum Origin: Equatable {
        /// Configuration or environment.
        case configured
        /// The file, made by an earlier start.
        case file(path: String)
        /// The file, made just now.
        case created(path: String)
    }

    enum Failure: Error, Equatable, CustomStringConvertible {
        case file(FileError)
        /// The file holds no token.
        case malformed(path: String)
        /// A file that was named holds none.
        case noToken(path: String)
        case exposed(path: String, mode: UInt32)

        var description: String {
            switch self {
            case .file(let error): error.description
            case .malformed(let path):
                "\(path): does not hold an admin token; delete it to have a new one made"
            case .noToken(let path):
                "\(path): does not hold an admin token: up to 512 printable characters without blanks"
            case .exposed(let path, let mode):
                "\(path): others may read it (mode 0\(String(mode, radix: 8))); make it 0600, or delete it to have a new"
                    + " token made"
            }
        }
    }

    let value: String
    let origin: Origin

    static let fileName = "admin_token"

    /// The token to serve with. Makes one, and the folder, if none is configured and no file holds one.
    static func resolve(_ settings: Settings) throws(Failure) -> AdminToken {
        if let existing = try existing(settings) { return existing }
        let path = filePath(settings)
        do throws(FileError) {
            try createFolder(settings.database.folder)
            try create(path, "fgadm_" + SecureRandom.hex(24))
        } catch {
            throw .file(error)
        }
        // What the file has counts: another process may have been faster.
        guard let value = try read(path) else { throw .file(FileError(path: path, errno: ENOENT)) }
        return AdminToken(value: value, origin: .created(path: path))
    }

    /// The token if there is one; makes none.
    static func existing(_ settings: Settings) throws(Failure) -> AdminToken? {
        if !settings.security.adminToken.isEmpty {
            return AdminToken(value: settings.security.adminToken, origin: .configured)
        }
        let path = filePath(settings)
        return try read(path).map { AdminToken(value: $0, origin: .file(path: path)) }
    }

    /// The token of a file that the operator names, whoever may read it: secrets that are mounted have modes of their own.
    static func named(_ path: String) throws(Failure) -> String {
        guard let token = try read(path, isOurs: false) else { throw .file(FileError(path: path, errno: ENOENT)) }
        return token
    }

    private static func filePath(_ settings: Settings) -> String { "\(settings.database.folder)/\(fileName)" }

    private static func read(_ path: String, isOurs: Bool = true) throws(Failure) -> String? {
        var status = stat()
        guard stat(path, &status) == 0 else {
            guard errno == ENOENT else { throw .file(FileError(path: path, errno: errno)) }
            return nil
        }
        guard !isOurs || status.st_mode & 0o077 == 0 else { throw .exposed(path: path, mode: status.st_mode & 0o777) }
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try readFile(path, limit: 4096)
        } catch {
            throw .file(error)
        }
        // Editors put a line feed at the end.
        let text = bytes.reversed().drop { $0 == 10 || $0 == 13 }.reversed()
        // What the operator names may be as short as what the configuration takes.
        guard ((isOurs ? 16 : 1)...512).contains(text.count), text.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw isOurs ? .malformed(path: path) : .noToken(path: path)
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// Makes the file whole and at once: written under another name, then linked, which fails if it is there already.
    private static func create(_ path: String, _ token: String) throws(FileError) {
        let temporary = "\(path).\(getpid()).\(SecureRandom.hex(4))"
        let fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard fd >= 0 else { throw FileError(path: temporary, errno: errno) }
        defer { unlink(temporary) }
        var failure = writeAll(fd, Array((token + "\n").utf8))
        if failure == 0, fsync(fd) != 0 { failure = errno }
        close(fd)
        guard failure == 0 else { throw FileError(path: temporary, errno: failure) }
        guard link(temporary, path) == 0 || errno == EEXIST else { throw FileError(path: path, errno: errno) }
    }
}
