/// What a process ends with.
enum ExitCode {
    static let ok: Int32 = 0
    static let failed: Int32 = 1
    static let usage: Int32 = 2
    /// EX_CONFIG of sysexits.h.
    static let configuration: Int32 = 78
}

/// A command could not do what it was asked to.
struct CommandFailure: Error, Equatable {
    /// What is wrong; empty if that was said already.
    let message: String
    var exitCode = ExitCode.failed
    /// What to do about it: a sentence for a line of its own.
    var hint: String?
    /// What else is wrong.
    var others: [String] = []

    init(message: String, exitCode: Int32 = ExitCode.failed, hint: String? = nil) {
        self.message = message
        self.exitCode = exitCode
        self.hint = hint
    }

    /// The command line cannot be understood; `command` is whose help says how it is meant.
    static func usage(_ message: String, _ command: String) -> CommandFailure {
        let words = command.isEmpty ? "fastgate" : "fastgate \(command)"
        return CommandFailure(message: message, exitCode: ExitCode.usage, hint: "Try \"\(words) --help\".")
    }
}
