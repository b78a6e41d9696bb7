/// Why a configuration is refused: where, which key, and what is allowed there.
public struct ConfigError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The configuration file; empty when an environment variable is at fault.
    public let file: String
    /// Counted from 1; 0 when no line can be named.
    public let line: Int
    /// Dotted (`proxy.max_retries`), or the environment variable's name; empty when the file as a whole is at fault.
    public let key: String
    public let message: String
    /// Further errors of the same configuration, in the order of the file.
    public var others: [ConfigError] = []

    public init(file: String, line: Int, key: String, message: String) {
        self.file = file
        self.line = line
        self.key = key
        self.message = message
    }

    /// `config.yaml:12: proxy.max_retries: must be an integer from 0 to 100, not "x"`.
    public var description: String {
        var text = file.isEmpty ? "environment" : file
        if line > 0 { text += ":\(line)" }
        if !key.isEmpty { text += ": \(key)" }
        return "\(text): \(message)"
    }
}

/// Settings as they were loaded, with what an operator should be told about them.
public struct LoadedConfig: Sendable {
    public let settings: Settings
    /// One sentence each: keys without meaning, weak or contradictory values.
    public let warnings: [String]
    /// The file that was read; nil when there was none and the defaults serve.
    public let sourcePath: String?
    private let lines: [String: Int]

    public init(settings: Settings, warnings: [String], sourcePath: String?, lines: [String: Int] = [:]) {
        self.settings = settings
        self.warnings = warnings
        self.sourcePath = sourcePath
        self.lines = lines
    }

    /// Where a key stands, in front of what there is to say of it: `config.yaml:12: `; empty if it is not in the file.
    public func place(of key: String) -> String {
        guard let sourcePath, let line = lines[key] else { return "" }
        return "\(sourcePath):\(line): "
    }
}
