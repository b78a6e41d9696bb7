import CEpoll

/// Signals as events: they are blocked from interrupting anybody and read from a descriptor instead.
public final class SignalSource: Sendable {
    /// Readable when a signal is pending.
    public let fd: Int32

    /// Blocks the signals in the calling thread and in all threads that it starts from now on: to be made first thing
    /// in the process, so that it holds for all of it.
    public init(_ signals: [Int32]) throws(SystemError) {
        fd = fg_signalfd(signals, signals.count)
        guard fd >= 0 else { throw SystemError(errno: fd, operation: "signalfd") }
    }

    deinit {
        _ = fg_close(fd)
    }

    /// The next pending signal's number, or nil.
    public func next() -> Int32? {
        let signal = fg_signalfd_next(fd)
        return signal > 0 ? signal : nil
    }
}
