import Config
import Log

/// Runs the gateway until a signal ends it.
///
/// - Returns: the exit code.
func serve(_ loaded: LoadedConfig) -> Int32 {
    do throws(LogFileError) {
        try Logger.shared.configure(loaded.settings)
    } catch {
        Logger.shared.error("the log file cannot be opened", [("error", "\(error)")])
        return ExitCode.configuration
    }
    for warning in loaded.warnings { Logger.shared.warn(warning) }
    Logger.shared.error("this build has no gateway")
    return ExitCode.failed
}
