import Config
import Log

extension Logger {
    /// Puts the configuration's `logging` section into effect.
    func configure(_ settings: Settings) throws(LogFileError) {
        let level: LogLevel =
            switch settings.logging.level {
            case .debug: .debug
            case .info: .info
            case .warning: .warning
            case .error: .error
            }
        try configure(
            level: level, format: settings.logging.format == .json ? .json : .text, file: settings.logging.file,
            maxSizeBytes: settings.logging.maxSizeBytes, backupCount: settings.logging.backupCount,
            timeZoneOffsetMinutes: settings.app.timezone.minutes)
    }
}
