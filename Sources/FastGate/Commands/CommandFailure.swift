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
    let message: String
    var exitCode = ExitCode.failed
}
