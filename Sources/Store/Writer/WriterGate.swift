import Glibc

/// One closure for the writer thread, and the place where its caller waits.
final class WriterJob: @unchecked Sendable {
    let body: (borrowing WriteConnection) throws(StoreError) -> Void
    /// What is in the rings by then is stored before its caller goes on.
    let flushesRings: Bool
    /// Under the gate's lock: nil until the job has run.
    fileprivate var outcome: Result<Void, StoreError>?

    init(flushesRings: Bool = false, _ body: @escaping (borrowing WriteConnection) throws(StoreError) -> Void) {
        self.flushesRings = flushesRings
        self.body = body
    }
}

/// Where the writer thread and everybody else meet: a lock and a condition around what they share.
final class WriterGate: @unchecked Sendable {
    /// Jobs that may wait; more would only wait longer.
    static let maximumJobs = 10_000

    struct Shared {
        var jobs: [WriterJob] = []
        /// Of processes that have ended while this one ran.
        var abandoned: [AbandonedRings] = []
        var isStopping = false
        /// A flush is wanted before its time.
        var isExpedited = false
        /// Of the writer, while it runs.
        var thread: pthread_t?
        var startResult: Result<Void, StoreError>?
        var options: WriterOptions
        var statistics = WriterStatistics()
    }

    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var shared: Shared

    init(options: WriterOptions) {
        mutex = .allocate(capacity: 1)
        condition = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
        shared = Shared(options: options)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    func withLock<T>(_ body: (inout Shared) -> T) -> T {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body(&shared)
    }

    /// Changes what is shared and wakes everybody who waits.
    func signal(_ body: (inout Shared) -> Void) {
        withLock(body)
        pthread_cond_broadcast(condition)
    }

    // MARK: Callers

    /// Waits until the writer thread has run `job`.
    func run(_ job: WriterJob) throws(StoreError) {
        pthread_mutex_lock(mutex)
        guard !shared.isStopping else {
            pthread_mutex_unlock(mutex)
            throw .stopped
        }
        guard shared.jobs.count < Self.maximumJobs else {
            pthread_mutex_unlock(mutex)
            throw .busy(message: "too many changes are waiting")
        }
        shared.jobs.append(job)
        if let thread = shared.thread { ThreadPriority.raise(thread) }
        pthread_cond_broadcast(condition)
        while job.outcome == nil { pthread_cond_wait(condition, mutex) }
        let outcome = job.outcome!
        pthread_mutex_unlock(mutex)
        try outcome.get()
    }

    /// Has the writer flush now, at normal priority.
    func expedite() {
        signal {
            $0.isExpedited = true
            if let thread = $0.thread { ThreadPriority.raise(thread) }
        }
    }

    func waitForStart() throws(StoreError) {
        pthread_mutex_lock(mutex)
        while shared.startResult == nil { pthread_cond_wait(condition, mutex) }
        let result = shared.startResult!
        pthread_mutex_unlock(mutex)
        try result.get()
    }

    // MARK: The writer thread

    struct Work {
        let jobs: [WriterJob]
        let abandoned: [AbandonedRings]
        let isStopping: Bool
        let isExpedited: Bool
        let options: WriterOptions
    }

    /// Waits for jobs, a stop, a call for a flush, or the deadline (monotonic milliseconds).
    func wait(untilMilliseconds deadline: UInt64) -> Work {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        var time = timespec(tv_sec: Int(deadline / 1000), tv_nsec: Int(deadline % 1000) * 1_000_000)
        while shared.jobs.isEmpty && !shared.isStopping && !shared.isExpedited {
            if pthread_cond_timedwait(condition, mutex, &time) != 0 { break }
        }
        defer {
            shared.jobs = []
            shared.abandoned = []
            shared.isExpedited = false
        }
        return Work(
            jobs: shared.jobs, abandoned: shared.abandoned, isStopping: shared.isStopping,
            isExpedited: shared.isExpedited,
            options: shared.options)
    }

    func finish(_ job: WriterJob, _ outcome: Result<Void, StoreError>) {
        signal { _ in job.outcome = outcome }
    }
}
