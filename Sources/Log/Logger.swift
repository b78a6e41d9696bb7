import Glibc
import Synchronization

/// The gateway's own log. Any thread may use it; it takes a lock and writes to a file, so nothing that runs once per
/// request does.
///
/// Until it is configured it writes text at level info to standard error.
public final class Logger: Sendable {
    /// The one that all modules write to.
    public static let shared = Logger()

    private struct State: ~Copyable {
        var sink = LogSink()
        var format = LogFormat.text
        var offsetMinutes = 0
    }

    private let threshold = Atomic<UInt8>(LogLevel.info.rawValue)
    private let state = Mutex(State())

    public init() {}

    /// Where and how lines are written from now on. When the file cannot be opened everything stays as it was.
    ///
    /// - Parameters:
    ///   - file: empty for standard error.
    ///   - maxSizeBytes: the file is rotated before it grows beyond; 0 = never.
    ///   - backupCount: rotated files that are kept.
    ///   - timeZoneOffsetMinutes: minutes east of UTC, in which times are written.
    public func configure(
        level: LogLevel, format: LogFormat = .text, file: String = "", maxSizeBytes: Int = 0, backupCount: Int = 0,
        timeZoneOffsetMinutes: Int = 0
    ) throws(LogFileError) {
        var sink: LogSink? =
            file.isEmpty
            ? LogSink() : try LogSink(path: file, maxSizeBytes: maxSizeBytes, backupCount: backupCount)
        state.withLock { state in
            if let sink = sink.take() { state.sink = sink }
            state.format = format
            state.offsetMinutes = timeZoneOffsetMinutes
        }
        threshold.store(level.rawValue, ordering: .relaxed)
    }

    /// Opens the log file anew (SIGUSR1). When that fails the old one stays in use.
    public func reopen() throws(LogFileError) {
        let failure = state.withLock { state in
            do throws(LogFileError) {
                try state.sink.reopen()
                return nil as LogFileError?
            } catch {
                return error
            }
        }
        if let failure { throw failure }
    }

    /// Whether lines of this level are written.
    public func isEnabled(_ level: LogLevel) -> Bool { level.rawValue >= threshold.load(ordering: .relaxed) }

    /// Writes a line. Message and fields are made only if the level is enabled.
    public func log(
        _ level: LogLevel, _ message: () -> String, _ fields: () -> [(String, LogValue)] = { [] }
    ) {
        guard isEnabled(level) else { return }
        // Made before the lock is taken: they may log themselves.
        let message = message()
        let fields = fields()
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        write(level, message, fields, Int64(time.tv_sec) * 1000 + Int64(time.tv_nsec) / 1_000_000)
    }

    /// Writes a line of level info about something that happened at a time of its own, whatever level is configured:
    /// for lines that have a switch of their own.
    ///
    /// - Parameter unixMilliseconds: when it happened.
    public func record(_ message: String, _ fields: [(String, LogValue)], unixMilliseconds: Int64) {
        write(.info, message, fields, unixMilliseconds)
    }

    private func write(
        _ level: LogLevel, _ message: String, _ fields: [(String, LogValue)], _ milliseconds: Int64
    ) {
        state.withLock { state in
            let lost = state.sink.takeLostLines()
            if lost > 0 {
                let notice = LogLine(
                    format: state.format, level: .warning, message: "lines of the log could not be written",
                    fields: [("lost", LogValue(lost))], unixMilliseconds: milliseconds,
                    offsetMinutes: state.offsetMinutes)
                state.sink.write(notice.bytes)
                // Still not: then what was lost stays known.
                if state.sink.lostLines > 0 { state.sink.restoreLostLines(lost) }
            }
            let line = LogLine(
                format: state.format, level: level, message: message, fields: fields, unixMilliseconds: milliseconds,
                offsetMinutes: state.offsetMinutes)
            state.sink.write(line.bytes)
        }
    }

    public func debug(
        _ message: @autoclosure () -> String, _ fields: @autoclosure () -> [(String, LogValue)] = []
    ) {
        log(.debug, message, fields)
    }

    public func info(
        _ message: @autoclosure () -> String, _ fields: @autoclosure () -> [(String, LogValue)] = []
    ) {
        log(.info, message, fields)
    }

    public func warn(
        _ message: @autoclosure () -> String, _ fields: @autoclosure () -> [(String, LogValue)] = []
    ) {
        log(.warning, message, fields)
    }

    public func error(
        _ message: @autoclosure () -> String, _ fields: @autoclosure () -> [(String, LogValue)] = []
    ) {
        log(.error, message, fields)
    }
}
