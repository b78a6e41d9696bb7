import Config
import JSON

/// What a command is given: its options, where to write, and the means to find a gateway.
struct Call {
    let options: ParsedOptions
    let console: any Console
    let environment: [String: String]

    var asJSON: Bool { options.has("json") }

    /// Colours as `--color`, the environment and the terminal have it.
    var style: Style {
        Style(choice: options.value("color"), environment: environment, isTerminal: console.columns != nil)
    }

    /// The configuration that the command line or the environment names.
    func load() throws(CommandFailure) -> LoadedConfig {
        do throws(ConfigError) {
            return try Settings.load(path: configPath, environment: environment)
        } catch {
            var failure = CommandFailure(message: error.description, exitCode: ExitCode.configuration)
            failure.others = error.others.map(\.description)
            throw failure
        }
    }

    private var configPath: String? { options.value("config") ?? variable("FASTGATE_CONFIG") }

    /// Whoever answers requests of the admin API.
    ///
    /// - Parameter createsDatabase: whether a database that is missing is made, if no gateway runs.
    func access(createsDatabase: Bool = false) throws(CommandFailure) -> any AdminAccess {
        try choice().access(createsDatabase: createsDatabase)
    }

    func choice() throws(CommandFailure) -> AccessChoice {
        AccessChoice(
            settings: try load().settings, url: options.value("url") ?? variable("FASTGATE_URL"),
            tokenFile: options.value("token-file") ?? variable("FASTGATE_TOKEN_FILE"),
            caFile: options.value("ca-file") ?? variable("FASTGATE_CA_FILE"), environment: environment)
    }

    /// Of a variable that is set and not empty.
    private func variable(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }

    // MARK: - Printing

    func print(_ value: JSONValue) { console.print(value.serialized(pretty: true)) }

    /// A table, as wide as the terminal lets it be.
    func print(_ table: Table) {
        for line in table.lines(width: console.columns, style: style) { console.print(line) }
    }
}
