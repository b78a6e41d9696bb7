import Admin
import Config
import Glibc
import JSON
import Proxy
import Reactor
import Store

/// `fastgate check`: everything about a configuration that can be said without starting or changing anything.
struct CheckCommand {
    static let command = Command(
        "check", "say whether a configuration is good",
        details: [
            """
            Reads the configuration as serve would, with the environment, and the files that it names (certificates, \
            keys). Starts and changes nothing. Everything that is wrong is named with its file, line and key, and what \
            is allowed there; warnings go to standard error as well.
            """
        ],
        options: [OptionSpec(flag: "show", help: "print the effective settings, secrets masked")]
            + [CommonOptions.json, CommonOptions.config],
        sections: [
            HelpSection(
                title: "EXIT CODES", paragraphs: [], terms: [("0", "good"), ("2", "wrong usage"), ("78", "bad")])
        ],
        action: { (call) throws(CommandFailure) in try CheckCommand(console: call.console).run(call) })

    let console: any Console

    func run(_ call: Call) throws(CommandFailure) {
        var report = Report()
        do throws(CommandFailure) {
            let loaded = try call.load()
            report.name = loaded.sourcePath ?? "no config.yaml, the defaults"
            report.warnings = loaded.warnings + Self.exposures(loaded, environment: call.environment)
            report.settings = loaded.settings
            report.errors = Self.problems(loaded.settings).map { "\(loaded.place(of: $0.key))\($0.key): \($0.message)" }
            if let problem = Self.masterKeyProblem(call.environment) { report.errors.append(problem) }
        } catch {
            // The first of them is the message.
            report.errors = [error.message] + error.others
        }
        if call.asJSON {
            call.print(report.json(shows: call.options.has("show")))
        } else {
            for warning in report.warnings { console.complain("warning: \(printable(warning))") }
            for error in report.errors { console.complain("fastgate: \(printable(error))") }
        }
        guard report.errors.isEmpty, let settings = report.settings else {
            let isAboutFiles = report.settings != nil
            let summary =
                isAboutFiles
                ? "\(report.name) is not good: \(report.errors.count) of what goes with it cannot be used"
                : report.errors.count > 1 ? "\(report.errors.count) errors" : ""
            throw CommandFailure(message: call.asJSON ? "" : summary, exitCode: ExitCode.configuration)
        }
        if call.asJSON { return }
        console.print(
            call.options.has("show") ? Self.yaml(settings.maskedEntries()) : "\(printable(report.name)): ok")
    }

    /// What there is to say of a configuration.
    private struct Report {
        var name = ""
        var warnings: [String] = []
        var errors: [String] = []
        /// Nil if it cannot be read.
        var settings: Settings?

        func json(shows: Bool) -> JSONValue {
            var members: [(String, JSONValue)] = [
                ("ok", .bool(errors.isEmpty)), ("errors", .array(errors.map { .string($0) })),
                ("warnings", .array(warnings.map { .string($0) })),
            ]
            if shows, let settings { members.append(("settings", settings.maskedJSON)) }
            return .object(JSONObject(members))
        }
    }

    /// Files with secrets that more people may read than need to.
    static func exposures(_ loaded: LoadedConfig, environment: [String: String]) -> [String] {
        var warnings: [String] = []
        let settings = loaded.settings
        for (key, path) in settings.privateKeyFiles where !path.isEmpty {
            guard let mode = othersMay(read: path) else { continue }
            warnings.append("\(key): \(path): others may read it (mode 0\(mode)); make it 0600")
        }
        // A token that a variable holds is not written into the file.
        let token = settings.security.adminToken
        if let path = loaded.sourcePath, !token.isEmpty, !environment.values.contains(token),
            let mode = othersMay(read: path)
        {
            warnings.append(
                "\(path): security.admin_token: others may read it (mode 0\(mode)); make the file 0600, or name a"
                    + " variable instead")
        }
        return warnings
    }

    /// The mode of a file that everybody on the machine may read, in octal; nil if they may not.
    private static func othersMay(read path: String) -> String? {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_mode & 0o004 != 0 else {
            return nil
        }
        return String(status.st_mode & 0o777, radix: 8)
    }

    /// A master key that the environment has and that is none; the value is not shown.
    private static func masterKeyProblem(_ environment: [String: String]) -> String? {
        let text = environment[MasterKey.environmentName] ?? ""
        if text.isEmpty || MasterKey(text) != nil { return nil }
        return "\(MasterKey.environmentName): \(MasterKey.rule)"
    }

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

extension Settings {
    /// All settings as JSON, secrets masked.
    var maskedJSON: JSONValue { Self.json(maskedEntries()) }

    private static func json(_ entries: [SettingsEntry]) -> JSONValue {
        .object(
            JSONObject(
                entries.map { entry in
                    let value: JSONValue =
                        switch entry.value {
                        case .bool(let flag): .bool(flag)
                        case .integer(let number): .integer(number)
                        case .number(let number): JSONNumber(number).map { .number($0) } ?? .null
                        case .text(let text): .string(text)
                        case .list(let texts): .array(texts.map { .string($0) })
                        case .section(let members): json(members)
                        case .entries(let list): .array(list.map { json($0) })
                        }
                    return (entry.name, value)
                }))
    }
}
