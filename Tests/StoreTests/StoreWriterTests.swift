import Glibc
import Reactor
import Synchronization
import Testing

@testable import Store

struct StoreWriterTests {
    private let folder = TestFolder()

    private func start(
        _ rings: [MappedRing], stale: [MappedRing] = [], _ change: (inout WriterOptions) -> Void = { _ in }
    ) throws -> StoreWriter {
        var options = WriterOptions()
        options.flushIntervalMilliseconds = 5
        options.timeZoneOffsetMinutes = 480
        options.busyTimeoutMilliseconds = 20
        options.maxRetryDelayMilliseconds = 50
        change(&options)
        return try StoreWriter.start(
            databasePath: folder.database, rings: rings, staleRings: stale, options: options)
    }

    /// Waits until the statistics say so; there is a limit only so that a broken writer ends the test.
    private func waitUntil(_ writer: StoreWriter, _ condition: (WriterStatistics) -> Bool) -> Bool {
        for _ in 0..<10_000 {
            if condition(writer.statistics) { return true }
            usleep(1000)
        }
        return false
    }

    private func count(_ sql: String = "SELECT count(*) FROM audit_logs") throws -> Int {
        try folder.raw().int(sql)
    }

    @Test func changesRunOnTheWriterThreadInATransactionOfTheirOwn() throws {
        let writer = try start([])
        let created = try writer.perform { c throws(StoreError) in
            try c.createKey(NewKey(sourcePath: "/a"), keyPrefix: "fg_")
        }
        #expect(try folder.reader().key(created.record.keyID) == created.record)
        let error = storeError {
            try writer.perform { c throws(StoreError) in
                _ = try c.createKey(NewKey(sourcePath: "/b"), keyPrefix: "fg_")
                throw .invalid(field: "f", message: "m")
            }
        }
        #expect(error == .invalid(field: "f", message: "m"))
        #expect(try folder.reader().listKeys().total == 1)
        writer.stop()
        writer.stop()
        #expect(storeError { try writer.perform { _ throws(StoreError) in () } } == .stopped)
    }

    @Test func aChangeOutlastsAPowerFailure() throws {
        let writer = try start([])
        defer { writer.stop() }
        // 2: the commit waits for the disk. The audit's own batches do not (1).
        let during = try writer.perform { c throws(StoreError) in try c.connection.scalarInt("PRAGMA synchronous") }
        #expect(during == 2)
        let direct = try Database.open(path: folder.database)
            .write { c throws(StoreError) in try c.connection.scalarInt("PRAGMA synchronous") }
        #expect(direct == 2)
    }

    @Test func manyThreadsMayChangeAtOnce() throws {
        let writer = try start([])
        let threads = try (0..<8).map { n in
            try WorkerThread.start(name: "t\(n)", cpu: nil) {
                for i in 0..<20 {
                    _ = try? writer.perform { c throws(StoreError) in
                        try c.createKey(NewKey(sourcePath: "/\(n)/\(i)"), keyPrefix: "")
                    }
                }
            }
        }
        for thread in threads { thread.join() }
        writer.stop()
        #expect(try folder.reader().listKeys().total == 160)
    }

    @Test func fromRingToDatabaseWithExactCounts() throws {
        let ring = try folder.ring(capacity: 1 << 16)
        let writer = try start([ring])
        let key = try writer.perform { c throws(StoreError) in
            try c.createKey(NewKey(sourcePath: "/a"), keyPrefix: "fg_")
        }.record.keyID
        let total = 3000
        // A small ring, so that the producer runs into its end again and again.
        let worker = try WorkerThread.start(name: "producer", cpu: nil) {
            var producer = RingProducer(ring)
            for n in 0..<total {
                var exchange = Exchange(n)
                exchange.key = key
                exchange.requestHeaders = "Host: example\r\nAccept: */*\r\n"
                while !exchange.accept(&producer) {
                    writer.expedite()
                    sched_yield()
                }
                if n % 7 == 0 { while !exchange.firstByte(&producer) { sched_yield() } }
                if n % 10 != 9 { while !exchange.complete(&producer) { sched_yield() } }
            }
        }
        worker.join()
        writer.stop()
        let statistics = writer.statistics
        #expect(statistics.committedRows == total && statistics.pendingBytes == 0 && statistics.isHealthy)
        #expect(statistics.corruptRecords == 0 && statistics.orphanedCompletions == 0)
        #expect(statistics.flushes > 1)
        #expect(try count() == total)
        #expect(try count("SELECT count(*) FROM audit_logs WHERE status_code IS NULL") == total / 10)
        let read = try #require(try folder.reader().key(key))
        #expect(read.usageCount == total && read.lastUsedAtMilliseconds == Int64(sampleMilliseconds) + Int64(total) - 1)
        let metrics = try folder.reader().metrics(nowMilliseconds: Int64(sampleMilliseconds) + 60_000)
        #expect(metrics.totalRequests == total && metrics.inFlightRequests == total / 10)
        #expect(metrics.lastHourRequests == total)
        #expect(try folder.reader().logs(LogQuery()).total == total)
        // Stopping has emptied SQLite's log.
        #expect(shell("test ! -s '\(folder.database)-wal'") != nil)
    }

    @Test func whatADeadProcessLeftIsRecoveredAndMarked() throws {
        do {
            var producer = RingProducer(try folder.ring())
            for n in 0..<5 { _ = Exchange(n).accept(&producer) }
            for n in 0..<3 { _ = Exchange(n).complete(&producer) }
        }
        // A ring of a worker that there is no more.
        do {
            var producer = RingProducer(try folder.ring("audit-1.ring"))
            _ = Exchange(9, worker: 1).accept(&producer)
            _ = Exchange(9, worker: 1).complete(&producer)
        }
        let rings = try AuditRings.open(folder: folder.path, workers: 1, capacity: 1 << 20)
        #expect(rings.rings.count == 1 && rings.stale.count == 1 && rings.warnings.isEmpty)
        let writer = try start(rings.rings, stale: rings.stale)
        #expect(writer.statistics.recoveredInFlight == 2 && writer.statistics.committedRows == 6)
        let reader = try folder.reader()
        for n in 0..<5 {
            let row = try #require(try reader.log(Exchange(n).id.text))
            #expect(row.statusCode == (n < 3 ? 200 : nil))
            #expect(row.errorMessage == (n < 3 ? nil : "in flight when the gateway stopped"))
        }
        #expect(access(folder.file("audit-1.ring"), F_OK) != 0)
        // What comes now is not in flight since before.
        var producer = RingProducer(rings.rings[0])
        _ = Exchange(20, nonce: 8).accept(&producer)
        writer.stop()
        #expect(try folder.reader().log(Exchange(20, nonce: 8).id.text)?.errorMessage == nil)
        let again = try start(rings.rings)
        #expect(again.statistics.recoveredInFlight == 1)
        again.stop()
    }

    @Test func aLockedDatabaseDelaysAndLosesNothing() throws {
        let ring = try folder.ring()
        let writer = try start([ring])
        var producer = RingProducer(ring)
        let other = try folder.raw()
        try other.execute("BEGIN IMMEDIATE")
        for n in 0..<100 {
            _ = Exchange(n).accept(&producer)
            _ = Exchange(n).complete(&producer)
        }
        #expect(waitUntil(writer) { $0.failures >= 2 })
        let sick = writer.statistics
        #expect(!sick.isHealthy && sick.committedRows == 0 && sick.pendingBytes > 0)
        #expect(sick.lastError?.contains("locked") == true)
        // Changes say so instead of hanging.
        guard
            case .busy? = storeError({
                _ = try writer.perform { c throws(StoreError) in
                    try c.createKey(NewKey(sourcePath: "/a"), keyPrefix: "")
                }
            })
        else {
            Issue.record("a change went through a lock")
            return
        }
        try other.execute("COMMIT")
        #expect(waitUntil(writer) { $0.committedRows == 100 })
        #expect(writer.statistics.isHealthy && writer.statistics.lastError != nil)
        writer.stop()
        #expect(try count() == 100)
        #expect(try count("SELECT sum(requests) FROM audit_rollups WHERE bucket >= 0") == 100)
    }

    @Test func aFullDiskDelaysAndLosesNothing() throws {
        let ring = try folder.ring()
        let writer = try start([ring])
        try writer.perform { c throws(StoreError) in
            let pages = try c.connection.scalarInt("PRAGMA page_count")
            try c.connection.execute("PRAGMA max_page_count = \(pages + 2)")
        }
        var producer = RingProducer(ring)
        for n in 0..<500 {
            _ = Exchange(n).accept(&producer)
            _ = Exchange(n).complete(&producer)
        }
        #expect(waitUntil(writer) { $0.failures >= 2 })
        #expect(writer.statistics.lastError?.contains("cannot grow") == true)
        // A first, small batch may have found room.
        #expect(try count() < 500)
        try writer.perform { c throws(StoreError) in try c.connection.execute("PRAGMA max_page_count = 1000000") }
        #expect(waitUntil(writer) { $0.committedRows == 500 && $0.isHealthy })
        writer.stop()
        #expect(try count() == 500)
        #expect(try count("SELECT value FROM store_counters") == 500)
    }

    @Test func whatCannotBeStoredBeforeTheEndWaitsForTheNextStart() throws {
        let ring = try folder.ring()
        let writer = try start([ring]) { $0.stopTimeoutMilliseconds = 50 }
        let other = try folder.raw()
        try other.execute("BEGIN IMMEDIATE")
        var producer = RingProducer(ring)
        for n in 0..<10 {
            _ = Exchange(n).accept(&producer)
            _ = Exchange(n).complete(&producer)
        }
        writer.stop()
        #expect(ring.usedBytes > 0)
        try other.execute("ROLLBACK")
        try start([try folder.ring()]).stop()
        #expect(try count() == 10)
    }

    @Test func startingGivesUpOnADatabaseThatStaysLocked() throws {
        let other = try folder.open()
        try other.execute("BEGIN IMMEDIATE")
        var producer = RingProducer(try folder.ring())
        _ = Exchange(0).accept(&producer)
        guard case .busy? = storeError({ _ = try start([try folder.ring()]) { $0.startTimeoutMilliseconds = 50 } })
        else {
            Issue.record("started on a locked database")
            return
        }
    }

    @Test func retentionDeletesOldRowsOnly() throws {
        let now = Clock.realtimeNanoseconds() / 1_000_000
        let ring = try folder.ring()
        let writer = try start([ring])
        var producer = RingProducer(ring)
        let day: UInt64 = 86_400_000
        for n in 0..<1300 {
            var exchange = Exchange(n)
            let time = n < 1200 ? now - 3 * day + UInt64(n) : now - day + UInt64(n)
            exchange.id = AuditID(unixMilliseconds: time, worker: 0, bootNonce: 1, sequence: UInt32(n))
            exchange.requestTime = time * 1_000_000
            _ = exchange.accept(&producer)
            _ = exchange.complete(&producer)
        }
        #expect(waitUntil(writer) { $0.committedRows == 1300 })
        var options = WriterOptions()
        options.retentionDays = 2
        writer.update(options: options)
        #expect(waitUntil(writer) { $0.expiredRows == 1200 })
        writer.stop()
        #expect(try count() == 100)
        #expect(try folder.reader().logs(LogQuery()).total == 100)
        // What was counted stays counted.
        #expect(try folder.reader().metrics().totalRequests == 1300)
    }

    @Test func usageHasARetentionOfItsOwn() throws {
        let now = Clock.realtimeNanoseconds() / 1_000_000
        let ring = try folder.ring()
        let writer = try start([ring])
        var producer = RingProducer(ring)
        let day: UInt64 = 86_400_000
        for n in 0..<700 {
            let isOld = n < 600
            var exchange = Exchange(n)
            let time = isOld ? now - 3 * day + UInt64(n) : now - day + UInt64(n)
            exchange.id = AuditID(unixMilliseconds: time, worker: 0, bootNonce: 1, sequence: UInt32(n))
            _ = exchange.accept(&producer)
            var sample = UsageSample(n, at: time)
            sample.attempts = n % 10 == 0 ? [UsageAttempt(provider: "a", providerKeyID: "", reason: "timeout")] : []
            sample.put(&producer)
        }
        #expect(waitUntil(writer) { $0.committedUsageRecords == 700 && $0.committedRows == 700 })
        var options = WriterOptions()
        options.usageRetentionDays = 2
        writer.update(options: options)
        #expect(waitUntil(writer) { $0.expiredUsageRecords == 600 })
        writer.stop()
        #expect(writer.statistics.expiredRows == 0)
        #expect(try count() == 700 && count("SELECT count(*) FROM usage_records") == 100)
        #expect(try count("SELECT count(*) FROM usage_attempts") == 10)
        // Sums stay.
        #expect(try folder.reader().usageReport(groupBy: .model).totals.requests == 700)
    }

    @Test func usageThatADeadProcessLeftIsSettledAtTheNextStart() throws {
        _ = try folder.open()
        let key = try folder.write { c throws(StoreError) in
            try c.createKey(NewKey(sourcePath: "/a"), keyPrefix: "fg_")
        }
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        for n in 0..<100 {
            var sample = UsageSample(n)
            sample.key = key.record.keyID
            sample.put(&producer)
        }
        for _ in 0..<2 {
            // The second start finds what the first has stored already.
            let used = ring.usedBytes
            let writer = try start([], stale: [])
            writer.stop()
            let flusher = AuditFlusher(connection: try folder.raw(), rings: [try folder.ring()])
            _ = try flusher.flush(releasing: false)
            #expect(ring.usedBytes == used && used > 0)
        }
        let writer = try start([try folder.ring()])
        #expect(writer.statistics.committedUsageRecords == 0 && writer.statistics.pendingBytes == 0)
        writer.stop()
        let balance = try #require(try folder.reader().balance(key.record.keyID))
        #expect(balance.budget.tokensSpent == 12_000 && balance.budget.amountSpentMicros == 123_400)
    }

    @Test func everyProcessHasItsOwnRings() throws {
        let path = folder.file("data")
        var first: AuditRings? = try AuditRings.open(folder: path, workers: 2, capacity: 1, bootNonce: 7)
        #expect(first?.rings.count == 2 && first?.rings[0].capacity == 64 << 10 && first?.others == [])
        // As another process does: the lock belongs to the open file, not to us.
        let second = try AuditRings.open(folder: path, workers: 1, capacity: 1, bootNonce: 8)
        #expect(second.others == [7] && second.stale.isEmpty)
        #expect(second.rings[0].path == path + "/audit.1/audit-0.ring")
        #expect(try AuditRings.abandoned(folder: path).isEmpty)
        let third = try AuditRings.open(folder: path, workers: 1, capacity: 1, bootNonce: 9)
        #expect(third.others == [7, 8])
        first = nil
        // A process that a test beside this one is about to start has our files until it runs.
        var abandoned = try AuditRings.abandoned(folder: path)
        let deadline = Clock.monotonicMilliseconds() + 20_000
        while abandoned.isEmpty && Clock.monotonicMilliseconds() < deadline {
            usleep(1000)
            abandoned = try AuditRings.abandoned(folder: path)
        }
        #expect(abandoned.map(\.rings.count) == [2] && abandoned[0].owner?.bootNonce == 7)
        // Whoever starts now takes the first set that is free.
        let fourth = try AuditRings.open(folder: path, workers: 1, capacity: 1)
        #expect(fourth.rings[0].path == path + "/audit.3/audit-0.ring" && fourth.others == [7, 8, 9])
        withExtendedLifetime((second, third, abandoned)) {}
    }

    @Test func theRingsOfAnEndedProcessAreEmptiedByTheOneThatRuns() throws {
        let path = folder.path
        var dead: AuditRings? = try AuditRings.open(folder: path, workers: 1, capacity: 1, bootNonce: 6)
        let live = try AuditRings.open(folder: path, workers: 1, capacity: 1, bootNonce: 8)
        #expect(live.others == [6])
        // The sample exchanges are older than the owner of the rings says it is.
        try Array("6 1\n".utf8).withUnsafeBytes { bytes in
            let fd = open(path + "/audit.lock", O_WRONLY | O_TRUNC)
            try #require(write(fd, bytes.baseAddress, bytes.count) == bytes.count)
            close(fd)
        }
        var theirs = RingProducer(try #require(dead).rings[0])
        for n in 0..<3 { _ = Exchange(n, nonce: 6).accept(&theirs) }
        for n in 1..<3 { _ = Exchange(n, nonce: 6).complete(&theirs) }
        var mine = RingProducer(live.rings[0])
        _ = Exchange(5, nonce: 8).accept(&mine)
        _ = try Database.open(path: folder.database)
        let writer = try StoreWriter.start(
            databasePath: folder.database, rings: live.rings, others: live.others,
            options: WriterOptions(flushIntervalMilliseconds: 5))
        #expect(try AuditRings.abandoned(folder: path).isEmpty)
        dead = nil
        let abandoned = try AuditRings.abandoned(folder: path)
        #expect(abandoned.count == 1)
        for rings in abandoned { writer.adopt(rings) }
        #expect(waitUntil(writer) { _ in access(folder.file("audit-0.ring"), F_OK) != 0 })
        writer.stop()
        let reader = try folder.reader()
        for n in 0..<3 {
            let row = try #require(try reader.log(Exchange(n, nonce: 6).id.text))
            #expect(row.errorMessage == (n > 0 ? nil : "in flight when the gateway stopped"))
        }
        // What this process has in flight is nobody's to mark while it lives. (Its start marked what was there.)
        #expect(try count() == 4)
        withExtendedLifetime(live) {}
    }

    @Test func aDamagedRingFileIsSetAside() throws {
        _ = shell("echo junk > '\(folder.file("audit-0.ring"))'")
        let rings = try AuditRings.open(folder: folder.path, workers: 1, capacity: 1 << 20)
        #expect(rings.rings.count == 1 && rings.warnings.count == 1)
        #expect(access(folder.file("audit-0.ring.damaged"), F_OK) == 0)
    }
}

struct WriterPriorityTests {
    @Test func theWriterIsRaisedWhileARingIsFillingUp() {
        var policy = WriterPriorityPolicy()
        #expect(policy.isRaised)
        #expect(policy.update(fill: 0, isUrgent: false) == false)
        #expect(policy.update(fill: 0.04, isUrgent: false) == nil)
        #expect(policy.update(fill: 0.06, isUrgent: false) == true)
        #expect(policy.update(fill: 0.02, isUrgent: false) == nil)
        #expect(policy.update(fill: 0.005, isUrgent: false) == false)
        #expect(policy.update(fill: 0, isUrgent: true) == true)
        #expect(policy.update(fill: 0, isUrgent: true) == nil)
        #expect(policy.update(fill: 0, isUrgent: false) == false)
    }

    @Test func theCoreIsOfferedWhenASliceIsOver() {
        let now = Mutex<UInt64>(0)
        func pass(_ nanoseconds: UInt64) { now.withLock { $0 += nanoseconds } }
        let pace = WriterPace(clock: { now.withLock { $0 } })
        pace.set(fill: 0, isRaised: true, isUrgent: false)
        pass(249_999)
        pace.breathe()
        #expect(pace.yields == 0)
        pass(1)
        pace.breathe()
        pace.breathe()
        #expect(pace.yields == 1)
        // A pause of its own counts for nothing.
        pass(249_999)
        pace.restart()
        pass(249_999)
        pace.breathe()
        #expect(pace.yields == 1)
        pace.set(fill: 0, isRaised: true, isUrgent: true)
        pass(1_000_000_000)
        pace.breathe()
        #expect(pace.yields == 1)
        // What passed while it need not count is not held against it.
        pace.set(fill: 0, isRaised: true, isUrgent: false)
        pace.breathe()
        #expect(pace.yields == 1)
        pace.set(fill: 0, isRaised: false, isUrgent: false)
        pass(1_000_000_000)
        pace.breathe()
        #expect(pace.yields == 1)
    }

    @Test func slicesGrowWithTheRingsFill() {
        func slice(_ fill: Double, isRaised: Bool = true, isUrgent: Bool = false) -> UInt64? {
            WriterPace.slice(fill: fill, isRaised: isRaised, isUrgent: isUrgent)
        }
        #expect(slice(0) == 250_000)
        #expect(slice(0.1) == 550_000)
        #expect(slice(0.49)! < 2_000_000)
        #expect(slice(0.5) == nil)
        #expect(slice(0, isUrgent: true) == nil)
        #expect(slice(0.1, isRaised: false) == nil)
    }

    @Test func whereCoresAreSharedTheWriterSleepsBetweenSlices() {
        let now = Mutex<UInt64>(0)
        let pauses = Mutex<[UInt64]>([])
        let pace = WriterPace(
            clock: {
                now.withLock {
                    $0 += 2_000_000
                    return $0
                }
            }, offer: { pause in pauses.withLock { $0.append(pause) } })
        for (fill, sharesCore) in [(0, true), (0.25, true), (0.499, true), (0.25, false)] {
            pace.set(fill: fill, isRaised: true, isUrgent: false, sharesCore: sharesCore)
            pace.breathe()
        }
        // From half a ring on there are no pauses.
        pace.set(fill: 0.6, isRaised: true, isUrgent: false, sharesCore: true)
        pace.breathe()
        #expect(pauses.withLock { $0 } == [1_000_000, 500_000, 2_000, 0])
    }

    @Test func aCommitAndACheckpointPauseForBreath() throws {
        let folder = TestFolder()
        _ = try Database.open(path: folder.file("paced.db"))
        let connection = try Connection(
            path: folder.file("paced.db"), mode: .readWrite, busyTimeoutMilliseconds: 0, isPaced: true)
        let now = Mutex<UInt64>(0)
        // Each look at the clock is a second later than the one before.
        let pace = WriterPace(
            clock: {
                now.withLock {
                    $0 += 1_000_000_000
                    return $0
                }
            })
        pace.set(fill: 0, isRaised: true, isUrgent: false)
        WriterPace.setOfThisThread(pace)
        defer { WriterPace.setOfThisThread(nil) }
        try connection.transaction { () throws(StoreError) in
            try connection.execute("CREATE TABLE texts (text TEXT)")
            for _ in 0..<40 { try connection.execute("INSERT INTO texts VALUES (hex(randomblob(50000)))") }
        }
        let ofCommit = pace.yields
        #expect(ofCommit >= 20)
        try connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
        #expect(pace.yields - ofCommit >= 20)
        WriterPace.setOfThisThread(nil)
        let before = pace.yields
        #expect(try connection.scalarInt("SELECT count(*) FROM texts") == 40)
        #expect(pace.yields == before)
    }

    @Test func loweringAThreadAndRaisingItAgainWorks() throws {
        let result = Mutex<[Int32]>([])
        let thread = try WorkerThread.start(name: "prio", cpu: nil) {
            ThreadPriority.setRaised(false)
            let low = sched_getscheduler(0)
            ThreadPriority.setRaised(true)
            let high = sched_getscheduler(0)
            ThreadPriority.setRaised(false)
            ThreadPriority.raise(ThreadPriority.current)
            let raised = sched_getscheduler(0)
            result.withLock { $0 = [low, high, raised] }
        }
        thread.join()
        #expect(result.withLock { $0 } == [ThreadPriority.lowPolicy, 0, 0])
    }
}
