import Reactor
import Testing

@testable import Store

/// Usage that tests put into rings.
struct UsageSample {
    var id: AuditID
    var key = "key_1"
    var source = "/team/a"
    var provider = "openai"
    var providerKey = "pk_1"
    var requested = "gpt-4o"
    var served = "gpt-4o-2024-08-06"
    var currency = "USD"
    var prompt: Int64 = 100
    var completion: Int64 = 20
    var cached: Int64 = 40
    var cost: Int64 = 1_234
    var isEstimated = false
    var outcome = UsageOutcome.completed
    var attempts: [UsageAttempt] = []
    var parts = UsageParts()
    var budgetPeriod: Int64 = 0

    /// Exchange number `n` of a worker, accepted at `milliseconds`.
    init(_ n: Int, at milliseconds: UInt64 = sampleMilliseconds, worker: UInt16 = 0) {
        id = AuditID(unixMilliseconds: milliseconds, worker: worker, bootNonce: 9, sequence: UInt32(n))
    }

    var total: Int64 { prompt + completion }

    func fields(_ keeper: ByteKeeper) -> UsageFields {
        var text: [UInt8] = []
        for attempt in attempts {
            withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
                let size = UsageAttempt.write(
                    provider: keeper.bytes(attempt.provider), providerKeyID: keeper.bytes(attempt.providerKeyID),
                    reason: keeper.bytes(attempt.reason), status: UInt16(attempt.statusCode ?? 0),
                    milliseconds: UInt32(attempt.durationMilliseconds), into: buffer.baseAddress!, room: 4096)
                text += Array(UnsafeRawBufferPointer(rebasing: buffer[..<size]))
            }
        }
        var fields = UsageFields(
            requestID: keeper.bytes("req_\(id.low)"), keyID: keeper.bytes(key), sourcePath: keeper.bytes(source),
            provider: keeper.bytes(provider), providerKeyID: keeper.bytes(providerKey),
            modelRequested: keeper.bytes(requested), modelServed: keeper.bytes(served),
            currency: keeper.bytes(currency), attempts: keeper.bytes(text), promptTokens: prompt,
            completionTokens: completion, cachedTokens: cached, cacheWriteTokens: 3, reasoningTokens: 5,
            totalTokens: total, costMicros: cost, isEstimated: isEstimated, outcome: outcome)
        fields.parts = parts
        fields.budgetPeriod = budgetPeriod
        return fields
    }

    func put(_ producer: inout RingProducer) {
        let keeper = ByteKeeper()
        let fields = fields(keeper)
        guard let target = producer.reserve(AuditEncoder.usageSize(fields)) else { fatalError("the ring is full") }
        AuditEncoder.encodeUsage(id, fields, into: target)
        producer.commit()
        withExtendedLifetime(keeper) {}
    }

    /// The record as it lies in a ring.
    var encoded: [UInt8] {
        let keeper = ByteKeeper()
        let fields = fields(keeper)
        return [UInt8](unsafeUninitializedCapacity: AuditEncoder.usageSize(fields)) { out, count in
            AuditEncoder.encodeUsage(id, fields, into: out.baseAddress!)
            count = AuditEncoder.usageSize(fields)
            withExtendedLifetime(keeper) {}
        }
    }
}

/// A generator whose numbers are the same every time.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
        return z ^ z >> 31
    }
}

extension TestFolder {
    func vault(_ environment: String? = nil) throws -> KeyVault {
        try KeyVault.open(Database.open(path: database, timeZoneOffsetMinutes: 480), environment: environment)
    }

    /// One transaction of changes.
    func write<T>(_ body: (borrowing WriteConnection) throws(StoreError) -> T) throws -> T {
        try Database.open(path: database, timeZoneOffsetMinutes: 480).write(body)
    }
}

/// The sums over all usage, and the counts of providers' keys, are those of the records.
func checkUsageSums(_ connection: Connection) throws {
    for table in ["usage_hours", "usage_days"] {
        for column in ["total_tokens", "prompt_tokens", "completion_tokens", "cached_tokens", "cost_micros"] {
            #expect(
                try connection.int("SELECT ifnull(sum(\(column)), 0) FROM \(table)")
                    == connection.int("SELECT ifnull(sum(\(column)), 0) FROM usage_records"), "\(table) \(column)")
        }
        #expect(
            try connection.int("SELECT ifnull(sum(requests), 0) FROM \(table)")
                == connection.int("SELECT count(*) FROM usage_records"))
    }
    #expect(
        try connection.int("SELECT sum(requests) FROM provider_keys")
            == connection.int("SELECT count(*) FROM usage_records"))
}
