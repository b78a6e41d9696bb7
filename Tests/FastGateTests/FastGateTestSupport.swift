import Config
import Glibc
import JSON
import Testing

@testable import FastGate

/// Catches what a command writes.
final class CatchingConsole: Console {
    private(set) var output = ""
    private(set) var complaints: [String] = []
    /// Lines of output after which nobody reads any more.
    var maxWrites = Int.max
    private var writes = 0

    func write(_ bytes: [UInt8]) -> Bool {
        writes += 1
        guard writes <= maxWrites else { return false }
        output += String(decoding: bytes, as: UTF8.self)
        return true
    }

    func complain(_ line: String) { complaints.append(line) }

    var columns: Int?
    var seesProgress = false
    private(set) var progress = ""
    func showProgress(_ text: String) { progress += text }

    var lines: [String] { output.split(separator: "\n").map(String.init) }
}

/// A folder of its own, which is removed at the end.
final class TemporaryFolder {
    let path: String

    init() {
        var template = Array("/tmp/fastgate-test-XXXXXX".utf8CString)
        path = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
    }

    deinit { Self.remove(path) }

    private static func remove(_ path: String) {
        if let folder = opendir(path) {
            while let entry = readdir(folder) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if name != "." && name != ".." { remove("\(path)/\(name)") }
            }
            closedir(folder)
            rmdir(path)
        } else {
            unlink(path)
        }
    }

    func write(_ name: String, _ text: String, mode: UInt32 = 0o600) throws {
        let fd = open("\(path)/\(name)", O_WRONLY | O_CREAT | O_TRUNC, mode)
        try #require(fd >= 0)
        defer { close(fd) }
        try #require(writeAll(fd, Array(text.utf8)) == 0)
    }

    func text(_ name: String) throws -> String {
        String(decoding: try readFile("\(path)/\(name)", limit: 1 << 20), as: UTF8.self)
    }

    func mode(_ name: String) -> UInt32 {
        var status = stat()
        return stat("\(path)/\(name)", &status) == 0 ? status.st_mode & 0o777 : 0
    }
}

/// Runs the program with a database of its own and an admin port where nothing listens.
struct Program {
    let folder = TemporaryFolder()
    var environment: [String: String] = [:]

    init(_ environment: [String: String] = [:]) {
        self.environment = [
            "DATABASE_URL": "sqlite:///\(folder.path)/state/fastgate.db", "ADMIN_PORT": "0",
        ].merging(environment) { $1 }
    }

    func run(_ arguments: String...) -> (code: Int32, console: CatchingConsole) {
        let console = CatchingConsole()
        let code = FastGateCommand(console: console, environment: environment).run(arguments)
        return (code, console)
    }

    func json(_ arguments: String...) throws -> JSONValue {
        let console = CatchingConsole()
        let code = FastGateCommand(console: console, environment: environment).run(arguments)
        try #require(code == 0, "\(console.complaints)")
        return try JSONValue(parsing: console.output)
    }
}

func settings(database folder: String, token: String = "") -> Settings {
    var settings = Settings()
    settings.database.url = "sqlite:///\(folder)/fastgate.db"
    settings.security.adminToken = token
    settings.admin.port = 0
    return settings
}
