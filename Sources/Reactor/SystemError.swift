import CEpoll

/// A system call that failed where failing is exceptional (start-up, not the request path).
public struct SystemError: Error, CustomStringConvertible, Sendable, Equatable {
    /// The positive error number.
    public let errno: Int32
    /// What was tried, for the operator: `"epoll_create"`, `"bind 127.0.0.1:80"`.
    public let operation: String

    public init(errno: Int32, operation: String) {
        self.errno = errno < 0 ? -errno : errno
        self.operation = operation
    }

    public var description: String { "\(operation): \(SystemError.text(errno))" }

    /// The system's words for an error number of either sign.
    public static func text(_ errno: Int32) -> String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { buffer in
            fg_error_text(errno < 0 ? -errno : errno, buffer.baseAddress!, buffer.count)
            return String(cString: buffer.baseAddress!)
        }
    }
}
