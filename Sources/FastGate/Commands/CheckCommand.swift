import Admin
import Config
import Glibc
import Proxy
import Reactor

/// `fastgate check`: everything about a configuration that can be said without starting or changing anything.
struct CheckCommand {
    let console: any Console

    func run(_ loaded: LoadedConfig, _ options: CheckOptions) throws(CommandFailure) {
        for warning in loaded.warnings { console.complain("warning: \(printable(warning))") }
        let problems = Self.problems(loaded.settings)
        for (key, message) in problems { console.complain("fastgate: \(key): \(printable(message))") }
        if !problems.isEmpty {
            throw CommandFailure(
                message: "\(name(loaded)) is not good: \(problems.count) of the files it names cannot be used",
                exitCode: ExitCode.configuration)
        }
        if options.shows {
            console.print(Self.yaml(loaded.settings.maskedEntries()))
        } else {
            console.print("\(printable(name(loaded))): ok")
        }
    }

    private func name(_ loaded: LoadedConfig) -> String { loaded.sourcePath ?? "no config.yaml, the defaults" }

    /// Files that are named and cannot be used, by the key that names them.
    static func problems(_ settings: Settings) -> [(key: String, message: String)] {
        var problems: [(key: String, message: String)] = []
        for (key, path) in settings.tlsFiles where !path.isEmpty {
            if let reason = unreadable(path) { problems.append((key, "\(path): \(reason)")) }
        }
        if problems.isEmpty { problems += tlsProblems(settings) }
        let logFile = settings.logging.file
        if !logFile.isEmpty, let reason = unwritable(logFile) {
            problems.append(("logging.file", "\(logFile): \(reason)"))
        }
        if let reason = unusable(database: settings.database.path) {
            problems.append(("database.url", "\(settings.database.path): \(reason)"))
        }
        return problems
    }

    /// Certificates and keys that can be read, but not be used.
    private static func tlsProblems(_ settings: Settings) -> [(key: String, message: String)] {
        var problems: [(key: String, message: String)] = []
        do throws(GatewayError) {
            _ = try GatewayTLS(settings, tickets: TLSTickets())
        } catch {
            problems.append((error.field ?? "tls", error.message))
        }
        do throws(TLSError) {
            _ = try AdminServer.tls(settings, tickets: TLSTickets())
        } catch {
            problems.append(("admin.tls", error.message))
        }
        return problems
    }

    private static func unreadable(_ path: String) -> String? {
        let fd = open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { return reason() }
        defer { close(fd) }
        return isFolder(path) ? String(cString: strerror(EISDIR)) : nil
    }

    /// A file that is there must be writable; one that is not, its folder.
    private static func unwritable(_ path: String) -> String? {
        if access(path, F_OK) == 0 {
            if isFolder(path) { return String(cString: strerror(EISDIR)) }
            return access(path, W_OK) == 0 ? nil : reason()
        }
        return access(folder(of: path), W_OK | X_OK) == 0 ? nil : "its folder: " + reason()
    }

    /// Like a file that is written, but missing folders are made at the start: the nearest that is there counts.
    private static func unusable(database path: String) -> String? {
        if access(path, F_OK) == 0 { return unwritable(path) }
        var above = folder(of: path)
        while access(above, F_OK) != 0, errno == ENOENT, above != ".", above != "/" { above = folder(of: above) }
        guard isFolder(above) else { return "\(above): \(String(cString: strerror(ENOTDIR)))" }
        return access(above, W_OK | X_OK) == 0 ? nil : "\(above): \(reason())"
    }

    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func isFolder(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    private static func reason() -> String { String(cString: strerror(errno)) }

    /// Settings in the notation of config.yaml.
    static func yaml(_ entries: [SettingsEntry]) -> String {
        var lines: [String] = []
        for entry in entries {
            guard case .section(let members) = entry.value else { continue }
            if !lines.isEmpty { lines.append("") }
            lines.append("\(entry.name):")
            for member in members { lines.append("  \(member.name): \(scalar(member.value))") }
        }
        return lines.joined(separator: "\n")
    }

    private static func flow(_ entries: [SettingsEntry]) -> String {
        "{ " + entries.map { "\($0.name): \(scalar($0.value))" }.joined(separator: ", ") + " }"
    }

    private static func scalar(_ value: SettingsValue) -> String {
        switch value {
        case .bool(let flag): "\(flag)"
        case .integer(let number): "\(number)"
        case .number(let number): number == number.rounded() ? "\(Int(number))" : "\(number)"
        case .text(let text): quoted(text)
        case .list(let list): "[" + list.map(quoted).joined(separator: ", ") + "]"
        case .section(let entries): flow(entries)
        case .entries(let list): "[" + list.map(flow).joined(separator: ", ") + "]"
        }
    }

    /// YAML's double quotes, so that nothing needs to be known of what a plain text may hold. A literal `${` is
    /// written so that reading it again leaves it alone.
    private static func quoted(_ text: String) -> String {
        var shown = "\""
        var rest = Substring(text)
        while let character = rest.first {
            if rest.hasPrefix("${") { shown += "$" }
            if character == "\"" || character == "\\" { shown += "\\" }
            shown.append(character)
            rest.removeFirst()
        }
        return shown + "\""
    }
}
