import Reactor
import Synchronization

/// The one thread that writes the database: audit batches out of the workers' rings, and changes to keys and routes.
public final class StoreWriter: Sendable {
    public let databasePath: String
    private let gate: WriterGate
    private let rings: [MappedRing]
    private let thread: WorkerThread
    private let starvation = Mutex(StarvationWatch())

    /// Opens the database (see `Database.open`), starts the thread, stores what a process that died has left in the
    /// rings and marks what it had in flight. Returns when all that is done: only then may workers use the rings.
    ///
    /// - Parameters:
    ///   - rings: one for each worker; the writer is their only consumer.
    ///   - openUsage: one for each worker, who writes it; what is found there is settled, and then it is empty.
    ///   - staleRings: rings that no worker will use any more; they are emptied and their files deleted.
    ///   - staleOpenUsage: the same beside those.
    ///   - others: the marks in the audit ids of other processes that run: what they have in flight is left alone.
    ///   - accessLog: told of each exchange that ends.
    public static func start(
        databasePath: String, rings: [MappedRing], openUsage: [MappedSlots] = [], staleRings: [MappedRing] = [],
        staleOpenUsage: [MappedSlots] = [], others: [UInt32] = [], options: WriterOptions, accessLog: AccessLog? = nil
    ) throws(StoreError) -> StoreWriter {
        _ = try Database.open(
            path: databasePath, timeZoneOffsetMinutes: options.timeZoneOffsetMinutes, isShared: !others.isEmpty)
        let gate = WriterGate(options: options)
        let thread: WorkerThread
        do {
            thread = try WorkerThread.start(name: "fg-writer", cpu: nil) {
                WriterLoop.main(
                    gate: gate, databasePath: databasePath,
                    files: WriterFiles(
                        rings: rings, openUsage: openUsage, staleRings: staleRings, staleOpenUsage: staleOpenUsage),
                    others: others, accessLog: accessLog)
            }
        } catch {
            throw .system(errno: error.errno, operation: error.operation)
        }
        do throws(StoreError) {
            try gate.waitForStart()
        } catch {
            thread.join()
            throw error
        }
        return StoreWriter(databasePath: databasePath, gate: gate, rings: rings, thread: thread)
    }

    private init(databasePath: String, gate: WriterGate, rings: [MappedRing], thread: WorkerThread) {
        self.databasePath = databasePath
        self.gate = gate
        self.rings = rings
        self.thread = thread
    }

    /// Runs `body` on the writer thread, between audit batches, in a transaction of its own; an error rolls it back.
    /// Blocks the caller, which must not be a reactor's thread, nor the writer's.
    ///
    /// - Parameter flushingRings: whether what is in the rings is stored afterwards and before the caller goes on, as far as
    ///   the database takes it and they are not filled faster than they are emptied: for a caller who reads sums next.
    public func perform<T: Sendable>(
        flushingRings: Bool = false,
        _ body: @escaping @Sendable (borrowing WriteConnection) throws(StoreError) -> T
    ) throws(StoreError) -> T {
        let box = ResultBox<T>()
        let job = WriterJob(flushesRings: flushingRings) { connection throws(StoreError) in
            box.value = try body(connection)
        }
        try gate.run(job)
        return box.value!
    }

    /// Has the rings emptied now, and at normal priority however busy the machine is: for a worker whose ring runs
    /// full. Does not wait; may be called from any thread, at the cost of two system calls.
    public func expedite() { gate.expedite() }

    /// To be called about once a second. At idle priority the writer starves where others saturate the machine, and a
    /// ring that hardly fills never raises it: if events have waited for well longer than they should, it is raised for once.
    public func relieve() {
        let (statistics, interval) = (statistics, gate.withLock { $0.options.flushIntervalMilliseconds })
        let isStarving = starvation.withLock {
            $0.look(
                nowMilliseconds: Clock.monotonicMilliseconds(), flushes: statistics.flushes,
                pendingBytes: statistics.pendingBytes, flushIntervalMilliseconds: interval)
        }
        if isStarving { expedite() }
    }

    /// Stores what a process that has ended left in its rings, marks what it had in flight and deletes the rings' files;
    /// does not wait for it.
    public func adopt(_ abandoned: AbandonedRings) {
        gate.signal {
            $0.abandoned.append(abandoned)
            $0.isExpedited = true
        }
    }

    /// Changes how the writer works from its next turn on.
    public func update(options: WriterOptions) {
        gate.signal { $0.options = options }
    }

    /// Stores all that is in the rings, tidies the database's log and ends the thread. Producers must have stopped.
    /// Further calls do nothing.
    public func stop() {
        let isFirst = gate.withLock { shared in
            defer { shared.isStopping = true }
            return !shared.isStopping
        }
        // At idle priority it might not hear of it for long.
        gate.expedite()
        if isFirst { thread.join() }
    }

    public var statistics: WriterStatistics {
        var statistics = gate.withLock { $0.statistics }
        for ring in rings {
            let used = ring.usedBytes
            statistics.pendingBytes += used
            statistics.ringFill = max(statistics.ringFill, Double(used) / Double(ring.capacity))
        }
        return statistics
    }

    /// Carries a result from one thread to another; the gate's lock orders the accesses.
    private final class ResultBox<T>: @unchecked Sendable {
        var value: T?
    }
}
