import Config

/// All commands, and how the words of a command line find theirs.
enum CommandTree {
    /// In the order of the help text.
    static let commands: [Command] = [
        ServeCommand.command, CheckCommand.command, KeysCommands.group, RoutesCommands.group, LogsCommands.group,
        ProvidersCommands.group, AliasesCommands.group, PricesCommands.group,
        UsageCommand.command, MasterKeyCommands.group, BackupCommand.command,
        StatusCommand.command, MetricsCommand.command, TopCommand.command, VersionCommand.command,
        CompletionsCommand.command, ManCommand.command,
    ]

    /// The whole program as a group, whose path is empty.
    static let program = Command(
        group: "fastgate", "a gateway in front of LLM and other HTTP services",
        examples: [
            "fastgate serve &", "fastgate routes import routes.json", "fastgate keys create team-a",
            "curl -H \"Authorization: Bearer fg_...\" http://127.0.0.1:8514/v1/models",
        ],
        sections: [
            HelpSection(
                title: "FILES", paragraphs: [],
                terms: [
                    ("./config.yaml", "read unless --config names another; may be missing"),
                    (
                        "./data/fastgate.db",
                        "keys, routes and audit (database.url); its folder also holds the audit rings and, if one was "
                            + "made, the admin token"
                    ),
                ]),
            HelpSection(
                title: "ENVIRONMENT", paragraphs: [],
                terms: [
                    ("FASTGATE_CONFIG", "the configuration, where --config names none"),
                    ("FASTGATE_URL, FASTGATE_TOKEN_FILE", "as --url and --token-file"),
                    ("FASTGATE_ADMIN_TOKEN, ADMIN_TOKEN", "the admin token (security.admin_token)"),
                    (
                        "FASTGATE_MASTER_KEY",
                        "the master key that providers' keys are sealed under; else the file master_key beside the "
                            + "database"
                    ),
                    (
                        "DATABASE_URL, APP_HOST, APP_PORT, ADMIN_HOST, ADMIN_PORT, LOG_LEVEL",
                        "override their keys of the configuration"
                    ),
                    ("NO_COLOR", "if set and not empty, no colours"),
                ]),
            exitCodes,
        ], commands)

    static let exitCodes = HelpSection(
        title: "EXIT CODES", paragraphs: [],
        terms: [("0", "done"), ("1", "failed"), ("2", "wrong usage"), ("78", "bad configuration")])

    /// A command line that was understood.
    enum Request {
        /// Show the help of a command; the path is empty for the program's.
        case help(Command, path: String)
        case run(Command, ParsedOptions)
    }

    /// Understands the arguments after the program's name.
    static func parse(_ arguments: [String]) throws(CommandFailure) -> Request {
        var rest = arguments[...]
        // `--config x keys list` is the same as `keys list --config x`.
        var leading: [String] = []
        var command = program
        var words: [String] = []
        while command.isGroup {
            let path = words.joined(separator: " ")
            guard let word = rest.popFirst() else { throw missing(command, path) }
            switch word {
            case "--help", "-h":
                return .help(try find(rest.filter { !$0.hasPrefix("-") }, in: command, path), path: path)
            case "help" where path.isEmpty:
                let wanted = rest.filter { !$0.hasPrefix("-") }
                return .help(try find(wanted, in: command, ""), path: wanted.joined(separator: " "))
            case "--version" where path.isEmpty, "-V" where path.isEmpty: rest.insert("version", at: rest.startIndex)
            case _ where word.hasPrefix("-"): try takeLeading(word, &rest, &leading, path)
            default:
                command = try child(word, of: command, path)
                words.append(word)
            }
        }
        let path = words.joined(separator: " ")
        let options = try ParsedOptions(leading + rest, command, path: path)
        return options.asksForHelp ? .help(command, path: path) : .run(command, options)
    }

    /// The command that words name, below another.
    static func find(_ words: [String], in top: Command, _ path: String) throws(CommandFailure) -> Command {
        var command = top
        for word in words {
            guard let next = command.commands.first(where: { $0.name == word }) else {
                let near = Suggestion.nearest(to: word, among: command.commands.map(\.name))
                throw .usage(
                    "there is no help for \"\(words.joined(separator: " "))\""
                        + (near.map { "; did you mean \($0)?" } ?? ""), path)
            }
            command = next
        }
        return command
    }

    private static func child(_ word: String, of group: Command, _ path: String) throws(CommandFailure) -> Command {
        if let command = group.commands.first(where: { $0.name == word }) { return command }
        let prefix = path.isEmpty ? "" : path + " "
        let near = Suggestion.nearest(to: word, among: group.commands.map(\.name) + (path.isEmpty ? ["help"] : []))
        throw .usage(
            "there is no command \"\(prefix)\(word)\"" + (near.map { "; did you mean \(prefix)\($0)?" } ?? ""), path)
    }

    private static func missing(_ group: Command, _ path: String) -> CommandFailure {
        path.isEmpty
            ? .usage("a command is missing", path)
            : .usage("\(path) needs one of \(group.commands.map(\.name).joined(separator: ", "))", path)
    }

    /// A common option that stands before the command.
    private static func takeLeading(
        _ word: String, _ rest: inout ArraySlice<String>, _ leading: inout [String], _ path: String
    ) throws(CommandFailure) {
        let name = word.split(separator: "=", maxSplits: 1)[0]
        let spec = CommonOptions.all.first {
            name == "--\($0.name)" || ($0.letter.map { word.hasPrefix("-\($0)") } ?? false)
        }
        guard let spec else {
            let near = Suggestion.nearest(to: String(name.drop { $0 == "-" }), among: CommonOptions.all.map(\.name))
            throw .usage(
                "there is no option \"\(word)\" before the command" + (near.map { "; did you mean --\($0)?" } ?? ""),
                path)
        }
        leading.append(word)
        let isWhole = word.hasPrefix("--") ? word.contains("=") : word.count > 2
        guard spec.takesValue, !isWhole else { return }
        guard let value = rest.popFirst() else { throw .usage("\(word) needs a value", path) }
        leading.append(value)
    }

    /// Every command and group with the words that name it, the program first.
    static var all: [(path: String, command: Command)] {
        func below(_ command: Command, _ path: String) -> [(path: String, command: Command)] {
            [(path, command)]
                + command.commands.flatMap { below($0, path.isEmpty ? $0.name : "\(path) \($0.name)") }
        }
        return below(program, "")
    }
}
