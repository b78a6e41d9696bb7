import Reactor
import Testing

@testable import Store

struct UsageSettlementTests {
    private let folder = TestFolder()
    private let connection: Connection
    /// 2026-06-06T03:26:55.123Z is 11:26 in +08:00; its day began nearly half a day before.
    private let hour: UInt64 = 3_600_000
    private let day: UInt64 = 86_400_000

    init() throws {
        connection = try folder.open()
        for n in 1...4 {
            try connection.execute(
                """
                INSERT INTO api_keys (key_id, key_value, source_path, created_at)
                VALUES ('key_\(n)', '\(String(repeating: "\(n)", count: 64))', '/s', '2026-01-01T00:00:00.000+08:00')
                """)
        }
        try connection.execute(
            """
            INSERT INTO providers (name, api_type, base_url, created_at, updated_at)
                VALUES ('openai', 'openai', 'http://h', '', '');
            INSERT INTO provider_keys (key_id, provider, sealed_key, state_changed_at, created_at, updated_at)
                VALUES ('pk_1', 'openai', x'00', '2026-06-06T11:00:00.000+08:00', '', ''),
                    ('pk_2', 'openai', x'00', '2026-06-06T11:00:00.000+08:00', '', '')
            """)
    }

    private func flusher(_ rings: MappedRing...) -> AuditFlusher {
        let flusher = AuditFlusher(connection: connection, rings: rings)
        var options = WriterOptions()
        options.timeZoneOffsetMinutes = 480
        flusher.configure(options)
        return flusher
    }

    private func budget(_ key: String = "key_1") throws -> KeyBudget {
        try #require(try folder.reader().key(key)).budget
    }

    private func setPeriod(_ period: String, _ key: String = "key_1") throws {
        try connection.execute("UPDATE api_keys SET budget_period = '\(period)' WHERE key_id = '\(key)'")
    }

    /// What must hold whatever happened: every sum agrees with the records.
    private func checkSums() throws {
        try checkUsageSums(connection)
        for n in 1...4 {
            let budget = try budget("key_\(n)")
            let since = AuditID(high: UInt64(max(0, budget.countedSinceMilliseconds ?? 0)) << 16, low: 0).text
            let records = "FROM usage_records WHERE key_id = 'key_\(n)' AND id >= '\(since)'"
            #expect(try Int(budget.tokensSpent) == connection.int("SELECT ifnull(sum(total_tokens), 0) \(records)"))
            #expect(
                try Int(budget.amountSpentMicros)
                    == connection.int("SELECT ifnull(sum(cost_micros), 0) \(records) AND currency = 'USD'"))
        }
    }

    @Test func aRecordIsStoredAndSettled() throws {
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        var sample = UsageSample(0)
        sample.attempts = [
            UsageAttempt(
                provider: "openai", providerKeyID: "pk_2", reason: "rate_limited", statusCode: 429,
                durationMilliseconds: 8)
        ]
        let exchange = Exchange(0)
        _ = exchange.accept(&producer)
        _ = exchange.complete(&producer)
        sample.put(&producer)
        let flusher = flusher(ring)
        #expect(try flusher.flush() == .drained)
        #expect(flusher.committedEvents == 3 && flusher.committedRows == 1 && flusher.committedUsageRecords == 1)
        let reader = try folder.reader()
        let record = try #require(try reader.usageRecord(sample.id.text))
        #expect(record.requestID == "req_\(sample.id.low)" && record.keyID == "key_1" && record.sourcePath == "/team/a")
        #expect(record.provider == "openai" && record.providerKeyID == "pk_1")
        #expect(record.modelRequested == "gpt-4o" && record.modelServed == "gpt-4o-2024-08-06")
        #expect(record.promptTokens == 100 && record.completionTokens == 20 && record.cachedTokens == 40)
        #expect(record.cacheWriteTokens == 3 && record.reasoningTokens == 5 && record.totalTokens == 120)
        #expect(record.costMicros == 1234 && record.currency == "USD" && !record.isEstimated)
        #expect(record.outcome == .completed && record.createdAtMilliseconds == Int64(sampleMilliseconds))
        #expect(try reader.usageAttempts(sample.id.text) == sample.attempts)
        #expect(try budget().tokensSpent == 120 && budget().amountSpentMicros == 1234)
        let keys = try reader.providerKeys(of: "openai")
        #expect(keys.map(\.requests) == [1, 0] && keys.map(\.failures) == [0, 1])
        // HTTP facts only.
        #expect(try connection.int("SELECT count(*) FROM pragma_table_info('audit_logs')") == 24)
        try checkSums()
    }

    @Test func aCrashBetweenCommitAndReleaseSettlesOnce() throws {
        var producer = RingProducer(try folder.ring())
        for n in 0..<50 {
            var sample = UsageSample(n, at: sampleMilliseconds + UInt64(n))
            sample.key = "key_\(n % 3 + 1)"
            sample.cost = Int64(n * 7 + 1)
            sample.attempts = n % 5 == 0 ? [UsageAttempt(provider: "openai", providerKeyID: "pk_2", reason: "x")] : []
            sample.put(&producer)
        }
        for _ in 0..<3 {
            // Each turn is a process that dies after its commit; the next finds the ring as that left it.
            let flusher = flusher(try folder.ring())
            _ = try flusher.flush(releasing: false)
            #expect(try connection.int("SELECT count(*) FROM usage_records") == 50)
            #expect(
                try connection.int("SELECT sum(amount_spent) FROM api_keys") == (0..<50).reduce(0) { $0 + $1 * 7 + 1 })
            #expect(try connection.int("SELECT count(*) FROM usage_attempts") == 10)
            #expect(try connection.int("SELECT failures FROM provider_keys WHERE key_id = 'pk_2'") == 10)
            try checkSums()
        }
        let flusher = flusher(try folder.ring())
        #expect(try flusher.flush() == .drained)
        #expect(flusher.committedUsageRecords == 0)
        try checkSums()
    }

    /// Half of the events have been committed and released, some committed only, some never seen.
    @Test func aCrashInTheMiddleOfEverything() throws {
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        func put(_ range: Range<Int>) { for n in range { UsageSample(n).put(&producer) } }
        put(0..<10)
        _ = try flusher(ring).flush()
        put(10..<20)
        _ = try flusher(ring).flush(releasing: false)
        put(20..<30)
        // A transaction that never committed.
        let dying = AuditTransactionProbe(connection)
        try dying.writeAndRollBack(UsageSample(25).encoded)
        _ = try flusher(try folder.ring()).flush()
        #expect(try connection.int("SELECT count(*) FROM usage_records") == 30)
        #expect(try budget().tokensSpent == 30 * 120 && budget().amountSpentMicros == 30 * 1234)
        try checkSums()
    }

    @Test func usageThatComesTwiceInABatchCountsOnce() throws {
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        UsageSample(0).put(&producer)
        UsageSample(0).put(&producer)
        let flusher = flusher(ring)
        _ = try flusher.flush()
        #expect(flusher.committedUsageRecords == 1)
        try checkSums()
    }

    @Test func recordsOfNoVersionAreCounted() throws {
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        var broken = UsageSample(0).encoded
        broken[24] = 9
        broken.withUnsafeBytes { bytes in
            producer.reserve(bytes.count)!.copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
        }
        producer.commit()
        UsageSample(1).put(&producer)
        let flusher = flusher(ring)
        _ = try flusher.flush()
        #expect(flusher.corruptRecords == 1 && flusher.committedUsageRecords == 1)
    }

    @Test func hostileTextsAndNumbersAreStoredSafely() throws {
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        var sample = UsageSample(0)
        sample.requested = String(repeating: "é", count: 40_000)
        sample.served = "a\0b'); DROP TABLE usage_records; --"
        sample.prompt = .max
        sample.completion = 0
        sample.cached = -5
        sample.cost = -100
        sample.put(&producer)
        let keeper = ByteKeeper()
        let fields = UsageFields(
            requestID: keeper.bytes([0xFF, 0xFE]), keyID: keeper.bytes("key_1"), sourcePath: .empty,
            provider: keeper.bytes([0xC3]), providerKeyID: .empty, modelRequested: keeper.bytes([0, 1, 2]),
            modelServed: .empty, currency: keeper.bytes("USD"), totalTokens: .max, costMicros: .max)
        let id = AuditID(unixMilliseconds: sampleMilliseconds, worker: 1, bootNonce: 1, sequence: 1)
        AuditEncoder.encodeUsage(id, fields, into: producer.reserve(AuditEncoder.usageSize(fields))!)
        producer.commit()
        _ = try flusher(ring).flush()
        let record = try #require(try folder.reader().usageRecord(sample.id.text))
        #expect(record.modelRequested.utf8.count <= 256 && record.modelServed?.contains("\0") == false)
        #expect(record.promptTokens == UsageLimit.tokens && record.cachedTokens == 0 && record.costMicros == 0)
        let other = try #require(try folder.reader().usageRecord(id.text))
        #expect(other.provider == "\u{FFFD}" && other.costMicros == UsageLimit.micros)
        #expect(try connection.text("PRAGMA integrity_check") == "ok")
        #expect(try folder.reader().usageReport(groupBy: .model).totals.requests == 2)
        withExtendedLifetime(keeper) {}
    }

    // MARK: Budgets

    /// A clock that was ahead had begun the next day, and was set right: what is accepted then counts in that day's budget,
    /// as the worker has it, and what had been accepted before that day began does not.
    @Test func whatFollowsAClockThatWasAheadCountsInThePeriodItHadBegun() throws {
        try setPeriod("daily")
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        let flusher = flusher(ring)
        let next = try #require(Timestamp.parse("2026-06-07T00:00:00+08:00"))
        UsageSample(0, at: sampleMilliseconds + 13 * hour).put(&producer)
        UsageSample(1, at: sampleMilliseconds).put(&producer)
        _ = try flusher.flush()
        #expect(try budget().tokensSpent == 120)
        var moved = UsageSample(2, at: sampleMilliseconds + hour)
        moved.budgetPeriod = next
        moved.put(&producer)
        _ = try flusher.flush()
        #expect(try budget().tokensSpent == 240)
        #expect(
            try connection.text("SELECT period_start FROM api_keys WHERE key_id = 'key_1'")
                == "2026-06-07T00:00:00.000+08:00")
        // Reset by hand at noon of that day, before the clock was set right.
        try connection.execute(
            """
            UPDATE api_keys SET period_start = '2026-06-07T12:00:00.000+08:00', tokens_spent = 0, amount_spent = 0
            WHERE key_id = 'key_1'
            """)
        var last = UsageSample(3, at: sampleMilliseconds + 2 * hour)
        last.budgetPeriod = next
        last.put(&producer)
        UsageSample(4, at: sampleMilliseconds + 3 * hour).put(&producer)
        _ = try flusher.flush()
        #expect(try budget().tokensSpent == 120 && budget().amountSpentMicros == 1234)
    }

    @Test func aDailyBudgetStartsAtLocalMidnight() throws {
        try setPeriod("daily")
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        let flusher = flusher(ring)
        // 11:26 of the 6th, 23:26 of the 6th, 00:26 of the 7th, and one that began on the 6th and ended late.
        UsageSample(0).put(&producer)
        UsageSample(1, at: sampleMilliseconds + 12 * hour).put(&producer)
        _ = try flusher.flush()
        #expect(try budget().tokensSpent == 240)
        #expect(
            try connection.text("SELECT period_start FROM api_keys WHERE key_id = 'key_1'")
                == "2026-06-06T00:00:00.000+08:00")
        try checkSums()
        UsageSample(2, at: sampleMilliseconds + 13 * hour).put(&producer)
        UsageSample(3, at: sampleMilliseconds + 11 * hour).put(&producer)
        _ = try flusher.flush()
        #expect(try budget().tokensSpent == 120 && budget().amountSpentMicros == 1234)
        #expect(
            try connection.text("SELECT period_start FROM api_keys WHERE key_id = 'key_1'")
                == "2026-06-07T00:00:00.000+08:00")
        try checkSums()
        // The day after, nothing has been spent, though no event has said so.
        let later = Int64(sampleMilliseconds + 2 * day)
        let balance = try #require(try folder.reader().balance("key_1", nowMilliseconds: later))
        #expect(balance.budget.tokensSpent == 0)
        #expect(balance.resetsAtMilliseconds == Timestamp.parse("2026-06-09T00:00:00+08:00"))
        #expect(try folder.reader().balance("nobody") == nil)
    }

    @Test func aMonthlyBudgetStartsWithTheMonth() throws {
        try setPeriod("monthly")
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        let lastOfJune = UInt64(Timestamp.parse("2026-06-30T23:59:59.999+08:00")!)
        UsageSample(0).put(&producer)
        UsageSample(1, at: lastOfJune).put(&producer)
        _ = try flusher(ring).flush()
        #expect(try budget().tokensSpent == 240)
        UsageSample(2, at: lastOfJune + 1).put(&producer)
        _ = try flusher(ring).flush()
        #expect(try budget().tokensSpent == 120)
        try checkSums()
        let balance = try folder.reader().balance("key_1", nowMilliseconds: Int64(lastOfJune + 2))
        #expect(balance?.resetsAtMilliseconds == Timestamp.parse("2026-08-01T00:00:00+08:00"))
    }

    @Test func anotherCurrencyIsNotTakenForTheKeys() throws {
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        var euro = UsageSample(0)
        euro.currency = "EUR"
        var unknown = UsageSample(1)
        unknown.currency = ""
        euro.put(&producer)
        unknown.put(&producer)
        UsageSample(2).put(&producer)
        _ = try flusher(ring).flush()
        #expect(try budget().amountSpentMicros == 1234 && budget().tokensSpent == 360)
        #expect(try folder.reader().usageRecord(unknown.id.text)?.costMicros == nil)
        try checkSums()
        // A key that changes over counts what it has spent in its new currency.
        var patch = KeyPatch()
        patch.currency = .set("EUR")
        let change = patch
        let key = try folder.write { c throws(StoreError) in try c.updateKey("key_1", change) }
        #expect(key?.budget.amountSpentMicros == 1234 && key?.budget.tokensSpent == 360)
        patch.currency = .set("euro")
        let wrong = patch
        let error = storeError { try folder.write { c throws(StoreError) in _ = try c.updateKey("key_1", wrong) } }
        #expect(error?.description.hasPrefix("currency:") == true)
    }

    @Test func aChangeOfPeriodCountsAnew() throws {
        let now = Clock.realtimeNanoseconds() / 1_000_000
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        UsageSample(0, at: now - 400 * day).put(&producer)
        UsageSample(1, at: now).put(&producer)
        _ = try flusher(ring).flush()
        #expect(try budget().tokensSpent == 240)
        for (period, spent) in [(BudgetPeriod.daily, 120), (.monthly, 120), (.total, 240)] as [(BudgetPeriod, Int64)] {
            var patch = KeyPatch()
            patch.budgetPeriod = .set(period)
            let change = patch
            _ = try folder.write { c throws(StoreError) in try c.updateKey("key_1", change) }
            let budget = try budget()
            #expect(budget.period == period && budget.tokensSpent == spent)
            try checkSums()
        }
    }

    @Test func aResetBudgetCountsWhatIsAcceptedAfterwards() throws {
        try setPeriod("daily")
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        let before = Clock.realtimeNanoseconds() / 1_000_000 - 1
        UsageSample(0, at: before).put(&producer)
        _ = try flusher(ring).flush()
        let reset = try folder.write { c throws(StoreError) in try c.resetBudget("key_1") }
        #expect(reset?.budget.tokensSpent == 0)
        let since = UInt64(try #require(reset?.budget.countedSinceMilliseconds))
        UsageSample(1, at: before).put(&producer)
        UsageSample(2, at: since).put(&producer)
        _ = try flusher(ring).flush()
        #expect(try budget().tokensSpent == 120)
        try checkSums()
        #expect(try folder.write { c throws(StoreError) in try c.resetBudget("nobody") } == nil)
    }

    @Test func manyKeysPeriodsAndReplaysAgreeWithTheRecords() throws {
        var random = SplitMix(state: 42)
        try setPeriod("daily", "key_2")
        try setPeriod("monthly", "key_3")
        var producer = RingProducer(try folder.ring())
        var n = 0
        for _ in 0..<12 {
            for _ in 0..<Int.random(in: 0...40, using: &random) {
                n += 1
                var sample = UsageSample(n, at: sampleMilliseconds + UInt64(n) * hour)
                sample.key = "key_\(Int.random(in: 1...5, using: &random))"
                sample.currency = ["USD", "USD", "EUR", ""].randomElement(using: &random)!
                sample.cost = Int64.random(in: 0...10_000_000_000, using: &random)
                sample.prompt = Int64.random(in: 0...1_000_000, using: &random)
                sample.outcome = UsageOutcome.allCases.randomElement(using: &random)!
                sample.put(&producer)
            }
            _ = try flusher(try folder.ring()).flush(releasing: Bool.random(using: &random))
            try checkSums()
        }
    }

    @Test func usageOfADeletedKeyStays() throws {
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        var sample = UsageSample(0)
        sample.key = "key_gone"
        sample.providerKey = "pk_gone"
        sample.put(&producer)
        _ = try flusher(ring).flush()
        #expect(try folder.reader().usageReport(groupBy: .key).groups.map(\.name) == ["key_gone"])
    }

    // MARK: States of provider keys

    @Test func statesReachTheDatabaseAndOldOnesDoNotUndoNewer() throws {
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        let keeper = ByteKeeper()
        func put(_ state: ProviderKeyStateFields.State, at changed: Int64, _ key: String = "pk_1") {
            let fields = ProviderKeyStateFields(
                providerKeyID: keeper.bytes(key), state: state, changedAtMilliseconds: changed,
                coolingUntilMilliseconds: changed + 5000, reason: keeper.bytes("insufficient_quota"))
            AuditEncoder.encodeProviderKeyState(
                AuditID(high: 0, low: 0), fields, into: producer.reserve(AuditEncoder.providerKeyStateSize(fields))!)
            producer.commit()
        }
        func state() throws -> ProviderKeyState? { try folder.reader().providerKey("pk_1")?.state }
        let start = Int64(sampleMilliseconds)
        put(.cooling, at: start)
        put(.disabled, at: start, "pk_none")
        _ = try flusher(ring).flush(releasing: false)
        #expect(try state() == .cooling(untilMilliseconds: start + 5000))
        put(.disabled, at: start + 10)
        _ = try flusher(try folder.ring()).flush(releasing: false)
        #expect(try state() == .disabled(reason: "insufficient_quota"))
        // An operator has turned it on since; the same events come again.
        let vault = try folder.vault()
        var patch = ProviderKeyPatch()
        patch.state = .set(.ok)
        let change = patch
        _ = try folder.write { c throws(StoreError) in try c.updateProviderKey("pk_1", change, vault: vault) }
        _ = try flusher(try folder.ring()).flush()
        #expect(try state() == .ok)
        withExtendedLifetime(keeper) {}
    }
}

/// A transaction of the writer's that a crash undoes.
private struct AuditTransactionProbe {
    private let connection: Connection

    init(_ connection: Connection) { self.connection = connection }

    func writeAndRollBack(_ record: [UInt8]) throws {
        var transaction = AuditTransaction(connection: connection)
        try connection.execute("BEGIN IMMEDIATE")
        try record.withUnsafeBytes {
            transaction.batch.add($0)
            try transaction.write(isCareful: true, onProgress: {})
        }
        connection.rollback()
    }
}
