import Glibc

/// A POSIX mutex with a condition: what threads that may sleep share.
final class Monitor: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)

    init() {
        mutex.initialize(to: pthread_mutex_t())
        condition.initialize(to: pthread_cond_t())
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    func withLock<Result>(_ body: () -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }

    /// Only inside `withLock`: sleeps until somebody wakes the monitor, the lock let go meanwhile.
    func wait() {
        pthread_cond_wait(condition, mutex)
    }

    func wakeOne() {
        pthread_cond_signal(condition)
    }

    func wakeAll() {
        pthread_cond_broadcast(condition)
    }
}

/// A queue on which threads wait for work.
final class BlockingQueue<Element: Sendable>: @unchecked Sendable {
    private let monitor = Monitor()
    private var elements: [Element] = []
    private var isClosed = false

    /// - Returns: False once the queue is closed; the element is dropped then.
    func push(_ element: Element) -> Bool {
        monitor.withLock {
            guard !isClosed else { return false }
            elements.append(element)
            monitor.wakeOne()
            return true
        }
    }

    /// Waits for the next element; nil once the queue is closed and empty.
    func pop() -> Element? {
        monitor.withLock {
            while elements.isEmpty, !isClosed { monitor.wait() }
            return elements.isEmpty ? nil : elements.removeFirst()
        }
    }

    func close() {
        monitor.withLock {
            isClosed = true
            monitor.wakeAll()
        }
    }
}
