import Config

/// What help can be asked for: the program, each command and each group of commands.
enum HelpTopic: String, CaseIterable {
    case program = ""
    case serve, check, version
    case keys
    case keysCreate = "keys create"
    case keysList = "keys list"
    case keysRevoke = "keys revoke"
    case routes
    case routesList = "routes list"
    case routesImport = "routes import"
    case routesExport = "routes export"
    case logs
    case logsTail = "logs tail"
    case logsExport = "logs export"

    /// The words after `fastgate help`.
    init(words: some Sequence<String>) throws(UsageError) {
        let name = words.joined(separator: " ")
        guard let topic = HelpTopic(rawValue: name) else {
            let near = Suggestion.nearest(to: name, among: Self.allCases.map(\.rawValue))
            throw UsageError(
                message: "there is no help for \"\(name)\"" + (near.map { "; did you mean \($0)?" } ?? ""),
                topic: .program)
        }
        self = topic
    }

    /// First words of all commands.
    static let commands = allCases.map(\.rawValue).filter { !$0.isEmpty && !$0.contains(" ") } + ["help"]

    /// Second words of a group's commands.
    var subcommands: [String] {
        Self.allCases.map(\.rawValue).filter { $0.hasPrefix(rawValue + " ") }.map { String($0.dropFirst(rawValue.count + 1)) }
    }

    /// How to ask for this help.
    var command: String { self == .program ? "fastgate --help" : "fastgate \(rawValue) --help" }
}
