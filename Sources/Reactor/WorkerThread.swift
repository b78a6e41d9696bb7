import CEpoll
import Glibc
import Synchronization

/// A thread of our own: named, perhaps pinned to a CPU, with a stack that is known.
public final class WorkerThread: Sendable {
    private final class Start {
        let name: String
        let body: @Sendable () -> Void

        init(_ name: String, _ body: @escaping @Sendable () -> Void) {
            self.name = name
            self.body = body
        }
    }

    public static let stackBytes = 2 << 20

    private let handle: Mutex<pthread_t?>

    private init(_ thread: pthread_t) {
        handle = Mutex(thread)
    }

    deinit {
        handle.withLock { if let thread = $0 { pthread_detach(thread) } }
    }

    /// Starts a thread. It inherits the caller's blocked signals.
    ///
    /// - Parameters:
    ///   - name: what `top` shows; cut to 15 bytes.
    ///   - cpu: the only CPU to run on; nil = any.
    public static func start(
        name: String, cpu: Int?, _ body: @escaping @Sendable () -> Void
    ) throws(SystemError) -> WorkerThread {
        var thread = pthread_t()
        let start = Unmanaged.passRetained(Start(name, body))
        let status = fg_thread_start(
            &thread, Int32(clamping: cpu ?? -1), stackBytes,
            { argument in
                let start = Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
                fg_set_thread_name(start.name)
                start.body()
                return nil
            }, start.toOpaque())
        guard status == 0 else {
            start.release()
            throw SystemError(errno: status, operation: "start thread \(name)")
        }
        return WorkerThread(thread)
    }

    /// Waits until the body has returned. A second call returns at once.
    public func join() {
        let thread = handle.withLock { handle in
            let thread = handle
            handle = nil
            return thread
        }
        if let thread { pthread_join(thread, nil) }
    }
}
