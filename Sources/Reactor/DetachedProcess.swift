import CEpoll
import Glibc

/// A process that we have started and that is nobody's child here: whoever adopts orphans has it, as a service manager
/// that is to take it for its own must.
public struct DetachedProcess: ~Copyable {
    public let id: Int32
    private let fd: Int32

    /// - Parameter kept: descriptors that it inherits, under the same numbers, whatever their close-on-exec mark.
    public init(
        program: String, arguments: [String], environment: [String: String], kept: [Int32]
    ) throws(SystemError) {
        var argumentPointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        var variablePointers: [UnsafeMutablePointer<CChar>?] =
            environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in argumentPointers + variablePointers { free(text) } }
        let pid = fg_start_detached(program, &argumentPointers, &variablePointers, kept, kept.count)
        guard pid > 0 else { throw SystemError(errno: pid, operation: "start \(program)") }
        id = pid
        // It may have ended meanwhile, and nobody but its adopter keeps its number: then this fails.
        fd = fg_process_open(pid)
    }

    deinit { if fd >= 0 { close(fd) } }

    /// Whether it has ended, or does within so long.
    public func hasEnded(withinMilliseconds milliseconds: Int32) -> Bool {
        guard fd >= 0 else { return true }
        var waiting = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
        return poll(&waiting, 1, milliseconds) > 0
    }

    public func signal(_ number: Int32) {
        if fd >= 0 { _ = fg_process_signal(fd, number) }
    }
}
