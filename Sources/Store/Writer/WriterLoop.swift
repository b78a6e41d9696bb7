import CSQLite
import Glibc
import Log
import Reactor

/// What the writer reads, beside the database.
struct WriterFiles {
    var rings: [MappedRing]
    var openUsage: [MappedSlots]
    /// Nobody writes these any longer.
    var staleRings: [MappedRing]
    var staleOpenUsage: [MappedSlots]
}

/// What the writer thread does.
final class WriterLoop {
    /// Pause between two looks for rows that retention deletes.
    private static let retentionPauseMilliseconds: UInt64 = 60_000
    /// Rows deleted in one transaction: few, so that nobody waits long.
    private static let retentionRows = 500
    private static let batchesForAJob = 64

    private let gate: WriterGate
    private let connection: Connection
    private let flusher: AuditFlusher
    /// Of this process's workers, once what was found there is settled.
    private let openUsage: [MappedSlots]
    private var options: WriterOptions
    private var priority = WriterPriorityPolicy()
    private let pace = WriterPace()
    private var quiet = QuietWatch()
    private var retryDelayMilliseconds = 0
    /// Refused records of the process before.
    private var recoveredRefusals = 0
    /// Why the audit cannot be written, as the log has it; nil while it can.
    private var failureTold: String?
    private var nextFlush: UInt64 = 0
    private var nextRetention: UInt64 = 0
    private var retentionClock = RetentionClock()
    private var hasLookedAtClock = false
    /// Rings of ended processes that are not yet empty.
    private var adopted: [AbandonedRings] = []

    /// The thread's body.
    static func main(
        gate: WriterGate, databasePath: String, files: WriterFiles, others: [UInt32], accessLog: AccessLog?
    ) {
        let loop: WriterLoop
        defer { gate.withLock { $0.thread = nil } }
        do throws(StoreError) {
            loop = try WriterLoop(gate: gate, databasePath: databasePath, files: files)
            try loop.recover(others: others, files.openUsage + files.staleOpenUsage)
            loop.forget(files.staleRings, files.staleOpenUsage)
            // Only now: what another process has left behind is no news.
            loop.flusher.accessLog = accessLog
        } catch {
            gate.signal { $0.startResult = .failure(error) }
            return
        }
        gate.signal { $0.startResult = .success(()) }
        loop.run()
        loop.finish()
    }

    private init(gate: WriterGate, databasePath: String, files: WriterFiles) throws(StoreError) {
        self.gate = gate
        openUsage = files.openUsage
        options = gate.withLock {
            $0.thread = ThreadPriority.current
            $0.statistics.isRaised = true
            return $0.options
        }
        connection = try Connection(
            path: databasePath, mode: .readWrite, busyTimeoutMilliseconds: Int32(options.busyTimeoutMilliseconds),
            isPaced: true)
        try connection.applySettings()
        flusher = AuditFlusher(connection: connection, rings: files.rings + files.staleRings)
        flusher.configure(options)
    }

    // MARK: Start

    /// Stores what a dead process has left in the rings, settles what it had under way with providers, then marks what it had
    /// in flight.
    private func recover(others: [UInt32], _ open: [MappedSlots]) throws(StoreError) {
        let deadline = Clock.monotonicMilliseconds() + UInt64(max(0, options.startTimeoutMilliseconds))
        while true {
            do throws(StoreError) {
                // Another process has counted, or will count, what it has put off.
                if others.isEmpty { try flusher.recover() }
                while try flusher.flush() == .more {}
                try settle(open)
                let marked = try connection.transaction { () throws(StoreError) -> Int in
                    try connection.execute(
                        """
                        UPDATE audit_logs SET error_message = 'in flight when the gateway stopped'
                        WHERE status_code IS NULL AND response_time IS NULL AND error_message IS NULL
                            AND substr(id, 17, 8) NOT IN (\(Self.list(others)))
                        """)
                    return connection.changes
                }
                gate.withLock {
                    $0.statistics.recoveredInFlight = marked
                    $0.statistics.recoveredEvents = flusher.committedEvents
                    recoveredRefusals = flusher.refusedEvents
                }
                publish(flushNanoseconds: nil)
                return
            } catch {
                guard case .busy = error, Clock.monotonicMilliseconds() < deadline else { throw error }
                usleep(50_000)
            }
        }
    }

    /// Marks as they stand in ids, for SQL.
    private static func list(_ nonces: [UInt32]) -> String {
        nonces.map { "'\(AuditID(high: 0, low: UInt64($0) << 32).text.dropFirst(16).prefix(8))'" }
            .joined(separator: ", ")
    }

    private func settle(_ open: [MappedSlots]) throws(StoreError) {
        let settled = try flusher.settle(open)
        guard settled > 0 else { return }
        gate.withLock { $0.statistics.recoveredUsageRecords += settled }
        Logger.shared.warn(
            "exchanges were under way with a provider when the gateway stopped: their usage is settled as far as it is known",
            [("count", .init(settled))])
    }

    /// Lets go of the files of ended processes whose rings are empty now, once what those had under way is settled and marked.
    private func finishAdopted() {
        while let next = adopted.first, next.rings.allSatisfy({ $0.usedBytes == 0 }) {
            do throws(StoreError) {
                try settle(next.openUsage)
                if let owner = next.owner {
                    try connection.transaction { () throws(StoreError) in
                        let mark = try connection.statement(
                            """
                            UPDATE audit_logs SET error_message = 'in flight when the gateway stopped'
                            WHERE id >= ?1 AND status_code IS NULL AND response_time IS NULL
                                AND error_message IS NULL AND substr(id, 17, 8) = \(Self.list([owner.bootNonce]))
                            """)
                        mark.bind(1, AuditID(high: owner.startedAt << 16, low: 0).text)
                        try mark.run()
                    }
                }
            } catch {
                return
            }
            forget(next.rings, next.openUsage)
            adopted.removeFirst()
        }
    }

    private func forget(_ rings: [MappedRing], _ settled: [MappedSlots]) {
        flusher.removeReaders(of: rings)
        for ring in rings where ring.usedBytes == 0 { unlink(ring.path) }
        for slots in settled { unlink(slots.path) }
    }

    // MARK: Turns

    private func run() {
        WriterPace.setOfThisThread(pace)
        defer { WriterPace.setOfThisThread(nil) }
        adjustPriority(isUrgent: false)
        while true {
            let deletes = options.retentionDays > 0 || options.usageRetentionDays > 0
            let wake = min(nextFlush, deletes ? nextRetention : .max)
            let work = gate.wait(untilMilliseconds: wake)
            pace.restart()
            adopt(work.options)
            for abandoned in work.abandoned {
                adopted.append(abandoned)
                flusher.add(abandoned.rings)
            }
            if !work.jobs.isEmpty || work.isExpedited {
                adjustPriority(isUrgent: true)
                for job in work.jobs {
                    let outcome = perform(job)
                    if job.flushesRings { flushAll() }
                    gate.finish(job, outcome)
                }
            }
            if work.isStopping { return }
            let now = Clock.monotonicMilliseconds()
            // Somebody in need of room does not shorten the pause after a failure.
            if now >= nextFlush || (work.isExpedited && retryDelayMilliseconds == 0) { flush() }
            if !adopted.isEmpty { finishAdopted() }
            if options.retentionDays > 0 || options.usageRetentionDays > 0, now >= nextRetention { deleteExpired() }
            if quiet.isDue(nowMilliseconds: now, events: flusher.committedEvents) { giveBackMemory() }
            adjustPriority(isUrgent: false)
        }
    }

    private func adopt(_ new: WriterOptions) {
        guard new != options else { return }
        if new.busyTimeoutMilliseconds != options.busyTimeoutMilliseconds {
            sqlite3_busy_timeout(connection.handle, Int32(new.busyTimeoutMilliseconds))
        }
        if new.retentionDays != options.retentionDays || new.usageRetentionDays != options.usageRetentionDays {
            nextRetention = 0
        }
        options = new
        flusher.configure(new)
    }

    private func perform(_ job: WriterJob) -> Result<Void, StoreError> {
        let writable = WriteConnection(connection: connection, timeZoneOffsetMinutes: options.timeZoneOffsetMinutes)
        defer { try? connection.setDurability(.checkpoints) }
        do throws(StoreError) {
            try connection.setDurability(.everyCommit)
            try connection.transaction { () throws(StoreError) in try job.body(writable) }
            return .success(())
        } catch {
            return .failure(error)
        }
    }

    /// One batch, or the report of why it failed.
    private func flush() {
        let started = Clock.monotonicNanoseconds()
        flusher.onProgress = { [unowned self] in
            adjustPriority(isUrgent: false, isMidway: true)
            pace.breathe()
        }
        do throws(StoreError) {
            let outcome = try flusher.flush()
            retryDelayMilliseconds = 0
            // A backlog is worked off without pausing; jobs get their turn in between.
            nextFlush =
                Clock.monotonicMilliseconds()
                + (outcome == .more ? 0 : UInt64(max(1, options.flushIntervalMilliseconds)))
            publish(flushNanoseconds: outcome == .idle ? nil : Clock.monotonicNanoseconds() - started)
        } catch {
            retryDelayMilliseconds = min(max(50, retryDelayMilliseconds * 2), options.maxRetryDelayMilliseconds)
            nextFlush = Clock.monotonicMilliseconds() + UInt64(max(1, retryDelayMilliseconds))
            gate.withLock {
                $0.statistics.failures += 1
                $0.statistics.lastError = error.description
                $0.statistics.isHealthy = false
            }
            tellFailure(error.description)
        }
    }

    /// As many batches as there are, up to a number: somebody waits.
    private func flushAll() {
        guard retryDelayMilliseconds == 0 else { return }
        for _ in 0..<Self.batchesForAJob {
            flush()
            if retryDelayMilliseconds > 0 || nextFlush > Clock.monotonicMilliseconds() { return }
        }
    }

    /// Once for each reason: it is tried again for as long as it takes.
    private func tellFailure(_ reason: String) {
        guard reason != failureTold else { return }
        failureTold = reason
        Logger.shared.error(
            "the audit cannot be written to the database; it waits in the rings and is tried again",
            [("error", .string(reason))])
    }

    private func tellRecovery() {
        guard failureTold != nil else { return }
        failureTold = nil
        Logger.shared.info("the audit is written to the database again")
    }

    private func publish(flushNanoseconds: UInt64?) {
        if flushNanoseconds != nil { tellRecovery() }
        gate.withLock {
            $0.statistics.committedRows = flusher.committedRows
            $0.statistics.committedEvents = flusher.committedEvents
            $0.statistics.committedUsageRecords = flusher.committedUsageRecords
            $0.statistics.refusedEvents = flusher.refusedEvents - recoveredRefusals
            $0.statistics.corruptRecords = flusher.corruptRecords
            $0.statistics.rejectedRecords = flusher.rejectedRecords
            $0.statistics.orphanedCompletions = flusher.orphanedCompletions
            $0.statistics.yields = pace.yields
            if let flushNanoseconds {
                $0.statistics.isHealthy = true
                $0.statistics.flushes += 1
                $0.statistics.lastFlushNanoseconds = flushNanoseconds
                $0.statistics.totalFlushNanoseconds += flushNanoseconds
            }
        }
    }

    /// The heap is locked meanwhile: nobody must be kept waiting because this thread is not let run.
    private func giveBackMemory() {
        adjustPriority(isUrgent: true)
        flusher.giveBackMemory()
        for slots in openUsage { slots.giveBackPages() }
        Heap.giveBack()
    }

    /// Deletes some of the rows that are too old; comes back at once while there are more.
    private func deleteExpired() {
        nextRetention = Clock.monotonicMilliseconds() + Self.retentionPauseMilliseconds
        do throws(StoreError) {
            guard try mayDelete() else { return }
            let audit = try deleteExpired("audit_logs", olderThanDays: options.retentionDays)
            let usage = try deleteExpired("usage_records", olderThanDays: options.usageRetentionDays)
            if max(audit, usage) == Self.retentionRows { nextRetention = Clock.monotonicMilliseconds() + 10 }
            guard audit + usage > 0 else { return }
            gate.withLock {
                $0.statistics.expiredRows += audit
                $0.statistics.expiredUsageRecords += usage
            }
        } catch {
            gate.withLock { $0.statistics.lastError = error.description }
        }
    }

    /// Whether the machine's clock can be trusted with what is old.
    private func mayDelete() throws(StoreError) -> Bool {
        let now = Int64(Clock.realtimeNanoseconds() / 1_000_000)
        let monotonicNow = Clock.monotonicMilliseconds()
        let verdict: RetentionClock.Verdict
        if hasLookedAtClock {
            verdict = retentionClock.look(now: now, monotonicNow: monotonicNow)
        } else {
            hasLookedAtClock = true
            let newest = try connection.statement("SELECT max(id) FROM audit_logs")
            defer { newest.reset() }
            let id = try newest.step() ? AuditID(newest.text(0)) : nil
            verdict = retentionClock.begin(
                now: now, monotonicNow: monotonicNow, newestRow: id.map { Int64($0.unixMilliseconds) },
                days: max(options.retentionDays, options.usageRetentionDays))
        }
        guard case .jumped(let milliseconds) = verdict else { return verdict == .steady }
        Logger.shared.warn(
            "the machine's clock jumped, or stood far off at the last record: nothing is deleted for its age for a day",
            [("hours", .init(Int(milliseconds / 3_600_000)))])
        return false
    }

    /// - Parameter days: 0: for ever.
    /// - Returns: rows deleted.
    private func deleteExpired(_ table: String, olderThanDays days: Int) throws(StoreError) -> Int {
        guard days > 0 else { return 0 }
        let now = Int64(Clock.realtimeNanoseconds() / 1_000_000)
        let limit = AuditID(high: UInt64(max(0, now - Int64(days) * 86_400_000)) << 16, low: 0).text
        return try connection.transaction { () throws(StoreError) -> Int in
            let delete = try connection.statement(
                """
                DELETE FROM \(table) WHERE id IN
                    (SELECT id FROM \(table) WHERE id < ?1 ORDER BY id LIMIT \(Self.retentionRows))
                """)
            delete.bind(1, limit)
            try delete.run()
            let deleted = connection.changes
            guard deleted > 0 else { return 0 }
            if table == "audit_logs" {
                let count = try connection.statement(
                    "UPDATE store_counters SET value = max(0, value - ?1) WHERE name = 'audit_rows'")
                count.bind(1, deleted)
                try count.run()
            } else {
                // Attempts go with their records: none is older than the oldest that is left.
                try connection.execute(
                    "DELETE FROM usage_attempts WHERE id < ifnull((SELECT min(id) FROM usage_records), 'g')")
            }
            return deleted
        }
    }

    /// - Parameter isMidway: within a batch, which ends at the priority it has come to: whoever raised the writer because it
    ///   did not get on means the commit too.
    private func adjustPriority(isUrgent: Bool, isMidway: Bool = false) {
        let raise = isUrgent || !options.yieldsToWorkers
        let fill = flusher.ringFill
        let changed = priority.update(fill: fill, isUrgent: raise || isMidway && priority.isRaised)
        pace.set(fill: fill, isRaised: priority.isRaised, isUrgent: raise, sharesCore: options.sharesCores)
        guard let isRaised = changed else { return }
        ThreadPriority.setRaised(isRaised)
        gate.withLock { $0.statistics.isRaised = isRaised }
    }

    // MARK: End

    /// Empties the rings as far as the database lets it; what is left there is for the next start.
    private func finish() {
        adjustPriority(isUrgent: true)
        let deadline = Clock.monotonicMilliseconds() + UInt64(max(0, options.stopTimeoutMilliseconds))
        while true {
            flush()
            let isHealthy = gate.withLock { $0.statistics.isHealthy }
            if isHealthy && flusher.ringFill == 0 { break }
            if Clock.monotonicMilliseconds() >= deadline { break }
            if !isHealthy { usleep(UInt32(min(retryDelayMilliseconds, 200)) * 1000) }
        }
        try? connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        // Whoever came too late must not wait for ever.
        let late = gate.wait(untilMilliseconds: 0).jobs
        for job in late { gate.finish(job, .failure(.stopped)) }
    }
}
