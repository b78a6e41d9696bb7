import Glibc
import Reactor
import Testing

@testable import Store

/// Exchanges that were under way with a provider when their process died.
struct OpenUsageTests {
    private let folder = TestFolder()
    private let connection: Connection

    init() throws {
        connection = try folder.open()
        try connection.execute(
            """
            INSERT INTO api_keys (key_id, key_value, source_path, created_at)
                VALUES ('key_1', '\(String(repeating: "1", count: 64))', '/s', '2026-01-01T00:00:00.000+08:00');
            INSERT INTO providers (name, api_type, base_url, created_at, updated_at)
                VALUES ('openai', 'openai', 'http://h', '', '');
            INSERT INTO provider_keys (key_id, provider, sealed_key, created_at, updated_at)
                VALUES ('pk_1', 'openai', x'00', '', ''), ('pk_2', 'openai', x'00', '', '')
            """)
    }

    private func flusher(_ rings: MappedRing...) -> AuditFlusher {
        let flusher = AuditFlusher(connection: connection, rings: rings)
        var options = WriterOptions()
        options.timeZoneOffsetMinutes = 480
        flusher.configure(options)
        return flusher
    }

    private func slots(_ name: String = "audit-0.open") throws -> MappedSlots {
        try MappedSlots.open(path: folder.file(name))
    }

    private func estimate(_ n: Int, worker: UInt16 = 0) -> UsageSample {
        var sample = UsageSample(n, at: sampleMilliseconds + UInt64(n), worker: worker)
        (sample.served, sample.completion, sample.cost) = ("", 0, 200)
        (sample.isEstimated, sample.outcome) = (true, .interrupted)
        return sample
    }

    /// What must hold whatever happened.
    private func checkSums() throws {
        try checkUsageSums(connection)
        let budget = try #require(try folder.reader().key("key_1")).budget
        #expect(try Int(budget.tokensSpent) == connection.int("SELECT ifnull(sum(total_tokens), 0) FROM usage_records"))
        #expect(
            try Int(budget.amountSpentMicros)
                == connection.int("SELECT ifnull(sum(cost_micros), 0) FROM usage_records"))
    }

    @Test func whatWasUnderWayIsSettled() throws {
        let slots = try slots()
        var producer = SlotProducer(slots)
        for n in 0..<3 { _ = try estimate(n).keep(&producer) }
        #expect(try flusher().settle([slots]) == 3)
        let record = try #require(try folder.reader().usageRecord(estimate(1).id.text))
        #expect(record.outcome == .interrupted && record.isEstimated && record.keyID == "key_1")
        #expect(record.promptTokens == 100 && record.completionTokens == 0 && record.costMicros == 200)
        #expect(record.modelServed == nil && record.createdAtMilliseconds == Int64(sampleMilliseconds) + 1)
        #expect(slots.records().found.isEmpty)
        try checkSums()
    }

    /// The commit came, the clearing did not, as often as you like.
    @Test func aCrashBetweenCommitAndClearingSettlesOnce() throws {
        for turn in 0..<3 {
            let slots = try slots()
            slots.removeAll()
            var producer = SlotProducer(slots)
            for n in 0..<20 { _ = try estimate(n).keep(&producer) }
            #expect(try flusher().settle([slots]) == (turn == 0 ? 20 : 0))
            #expect(try connection.int("SELECT count(*) FROM usage_records") == 20)
            try checkSums()
        }
    }

    /// Killed between the two, an exchange is in the ring and in its slot, and only the ring is right.
    @Test func theTrueRecordCounts() throws {
        let (ring, slots) = (try folder.ring(), try slots())
        var producer = RingProducer(ring)
        var open = SlotProducer(slots)
        for n in 0..<10 {
            _ = try estimate(n).keep(&open)
            if n % 2 == 0 { UsageSample(n, at: sampleMilliseconds + UInt64(n)).put(&producer) }
        }
        let flusher = flusher(ring)
        #expect(try flusher.flush() == .drained)
        #expect(try flusher.settle([slots]) == 5)
        #expect(flusher.committedUsageRecords == 10 && flusher.corruptRecords == 0)
        #expect(
            try connection.int("SELECT count(*) FROM usage_records WHERE outcome = 'completed' AND NOT estimated") == 5)
        #expect(
            try connection.int("SELECT count(*) FROM usage_records WHERE outcome = 'interrupted' AND estimated") == 5)
        try checkSums()
        // The ring's record comes late, against all order: the exchange is settled, and stays so.
        for n in 0..<10 { UsageSample(n, at: sampleMilliseconds + UInt64(n)).put(&producer) }
        while try flusher.flush() == .more {}
        #expect(try connection.int("SELECT count(*) FROM usage_records") == 10)
        try checkSums()
    }

    /// Killed while a record was written anew, an exchange has two.
    @Test func ofTwoRecordsTheLaterCounts() throws {
        let slots = try slots()
        var producer = SlotProducer(slots)
        var failed = estimate(0)
        (failed.cost, failed.prompt, failed.outcome, failed.providerKey) = (0, 0, .failed, "pk_1")
        var second = estimate(0)
        second.providerKey = "pk_2"
        second.attempts = [UsageAttempt(provider: "openai", providerKeyID: "pk_1", reason: "timeout")]
        // The free slot behind is taken for the later one, the one before for the earlier, and the other way round.
        for isReversed in [false, true] {
            slots.removeAll()
            producer = SlotProducer(slots)
            let spare = try take(&producer)
            if isReversed {
                _ = try failed.keep(&producer)
                producer.clear(spare)
                _ = try second.keep(&producer)
            } else {
                producer.clear(spare)
                _ = try failed.keep(&producer)
                _ = try second.keep(&producer)
            }
            #expect(slots.records().found.count == 2)
            try connection.execute(
                """
                DELETE FROM usage_records; DELETE FROM usage_attempts; DELETE FROM usage_hours; DELETE FROM usage_days;
                UPDATE api_keys SET tokens_spent = 0, amount_spent = 0; UPDATE provider_keys SET requests = 0
                """)
            #expect(try flusher().settle([slots]) == 1)
            let record = try #require(try folder.reader().usageRecord(second.id.text))
            #expect(record.outcome == .interrupted && record.providerKeyID == "pk_2" && record.costMicros == 200)
            #expect(try folder.reader().usageAttempts(second.id.text) == second.attempts)
            try checkSums()
        }
    }

    @Test func allWorkersAreSettledAndDamageIsPassedOver() throws {
        let all = try (0..<3).map { try slots("audit-\($0).open") }
        for (worker, slots) in all.enumerated() {
            var producer = SlotProducer(slots)
            for n in 0..<4 { _ = try estimate(n, worker: UInt16(worker)).keep(&producer) }
        }
        // Not what a slot is for, and nothing that anybody has written.
        var producer = SlotProducer(all[0])
        for _ in 0..<4 { _ = producer.reserve() }
        for record in [[UInt8]("nonsense".utf8), Array(estimate(9).encoded.prefix(60)), accepted()] {
            let slot = try take(&producer)
            producer.payload(slot).copyMemory(from: record, byteCount: record.count)
            producer.commit(slot, length: record.count)
        }
        let flusher = flusher()
        #expect(try flusher.settle(all) == 12)
        #expect(flusher.corruptRecords == 3)
        #expect(try connection.int("SELECT count(*) FROM usage_records") == 12)
        try checkSums()
    }

    private func accepted() -> [UInt8] {
        let fields = AcceptedFields(
            requestTimeNanoseconds: 1, requestID: .empty, keyID: .empty, sourcePath: .empty, method: .empty,
            userAgent: .empty, ip: .empty, path: .empty, requestHeaders: .empty)
        return [UInt8](unsafeUninitializedCapacity: AuditEncoder.acceptedSize(fields)) { out, count in
            AuditEncoder.encodeAccepted(Exchange(7).id, fields, into: out.baseAddress!)
            count = AuditEncoder.acceptedSize(fields)
        }
    }

    /// More than one transaction takes.
    @Test func manyAreSettledInPortions() throws {
        let slots = try slots()
        var producer = SlotProducer(slots)
        let count = AuditFlusher.maximumRows + 10
        for n in 0..<count { _ = try estimate(n).keep(&producer) }
        let flusher = flusher()
        #expect(try flusher.settle([slots]) == count)
        #expect(flusher.committedUsageRecords == count)
        try checkSums()
    }

    /// The writer settles before anybody uses the files, those of workers that there are no more too, which it deletes.
    @Test func theWriterSettlesAtItsStart() throws {
        for worker in 0..<2 {
            var producer = SlotProducer(try slots("audit-\(worker).open"))
            _ = try estimate(0, worker: UInt16(worker)).keep(&producer)
        }
        for turn in 0..<2 {
            let rings = try AuditRings.open(folder: folder.path, workers: 1, capacity: 1)
            #expect(rings.openUsage.count == 1 && rings.staleOpenUsage.count == (turn == 0 ? 1 : 0))
            let writer = try StoreWriter.start(
                databasePath: folder.database, rings: rings.rings, openUsage: rings.openUsage.compactMap { $0 },
                staleRings: rings.stale,
                staleOpenUsage: rings.staleOpenUsage, options: WriterOptions())
            #expect(writer.statistics.recoveredUsageRecords == (turn == 0 ? 2 : 0))
            #expect(access(folder.file("audit-1.open"), F_OK) != 0)
            writer.stop()
            #expect(try connection.int("SELECT count(*) FROM usage_records") == 2)
            try checkSums()
        }
    }

    /// What a living process has under way is its own; once it is gone, the one that runs settles it.
    @Test func aProcessThatTakesOverLeavesWhatIsUnderWayAlone() throws {
        var old: AuditRings? = try AuditRings.open(folder: folder.path, workers: 1, capacity: 1, bootNonce: 6)
        do {
            var theirs = SlotProducer(try #require(old).openUsage[0])
            for n in 0..<2 { _ = try estimate(n).keep(&theirs) }
            var ring = RingProducer(try #require(old).rings[0])
            UsageSample(0, at: sampleMilliseconds).put(&ring)
        }
        let new = try AuditRings.open(folder: folder.path, workers: 1, capacity: 1, bootNonce: 8)
        let writer = try StoreWriter.start(
            databasePath: folder.database, rings: new.rings, openUsage: new.openUsage.compactMap { $0 },
            staleRings: new.stale,
            staleOpenUsage: new.staleOpenUsage, others: new.others, options: WriterOptions(flushIntervalMilliseconds: 5)
        )
        var mine = SlotProducer(new.openUsage[0])
        _ = try estimate(5, worker: 9).keep(&mine)
        #expect(try AuditRings.abandoned(folder: folder.path).isEmpty)
        #expect(try connection.int("SELECT count(*) FROM usage_records") == 0)
        old = nil
        for rings in try AuditRings.abandoned(folder: folder.path) { writer.adopt(rings) }
        for _ in 0..<2000 where access(folder.file("audit-0.open"), F_OK) == 0 { usleep(5000) }
        #expect(access(folder.file("audit-0.open"), F_OK) != 0)
        writer.stop()
        #expect(writer.statistics.recoveredUsageRecords == 1 && writer.statistics.committedUsageRecords == 2)
        #expect(try folder.reader().usageRecord(estimate(0).id.text)?.outcome == .completed)
        #expect(try folder.reader().usageRecord(estimate(1).id.text)?.outcome == .interrupted)
        #expect(new.openUsage[0]!.records().found.count == 1)
        try checkSums()
        withExtendedLifetime(new) {}
    }
}

extension UsageSample {
    /// As a worker does while the exchange is under way.
    func keep(_ producer: inout SlotProducer) throws -> UInt32 {
        let record = encoded
        let slot = try take(&producer)
        producer.payload(slot).copyMemory(from: record, byteCount: record.count)
        producer.commit(slot, length: record.count)
        return slot
    }
}

private func take(_ producer: inout SlotProducer) throws -> UInt32 {
    let slot = producer.reserve()
    return try #require(slot)
}
