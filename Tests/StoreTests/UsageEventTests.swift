import Reactor
import Testing

@testable import Store

struct UsageEventTests {
    private func decoded(_ record: [UInt8], _ body: (AuditID, UsageFields) -> Void) -> Bool {
        record.withUnsafeBytes {
            guard case .usage(let id, let bytes) = AuditEvent(decoding: $0), let fields = UsageFields(decoding: bytes)
            else { return false }
            body(id, fields)
            return true
        }
    }

    @Test func usageComesBackAsItWasWritten() {
        var sample = UsageSample(3)
        sample.isEstimated = true
        sample.outcome = .interrupted
        sample.attempts = [
            UsageAttempt(
                provider: "a", providerKeyID: "pk_9", reason: "rate_limited", statusCode: 429,
                durationMilliseconds: 12),
            UsageAttempt(provider: "b", providerKeyID: "", reason: "connect"),
        ]
        let isRead = decoded(sample.encoded) { id, fields in
            #expect(id == sample.id)
            #expect(fields.requestID.string == "req_\(id.low)" && fields.keyID.string == "key_1")
            #expect(fields.sourcePath.string == "/team/a" && fields.provider.string == "openai")
            #expect(fields.providerKeyID.string == "pk_1" && fields.modelRequested.string == "gpt-4o")
            #expect(fields.modelServed.string == "gpt-4o-2024-08-06" && fields.currency.string == "USD")
            #expect(fields.promptTokens == 100 && fields.completionTokens == 20 && fields.cachedTokens == 40)
            #expect(fields.cacheWriteTokens == 3 && fields.reasoningTokens == 5 && fields.totalTokens == 120)
            #expect(fields.costMicros == 1234 && fields.isEstimated && fields.outcome == .interrupted)
            #expect(UsageAttempt.read(fields.attempts) == sample.attempts)
        }
        #expect(isRead)
    }

    @Test func partsComeBackToo() {
        var sample = UsageSample(4)
        (sample.parts.cacheWriteLong, sample.parts.images, sample.parts.milliseconds) = (1, 2, 3)
        (sample.parts.inputAudio, sample.parts.outputImage, sample.parts.tier) = (4, 5, .priority)
        let parts = sample.parts
        let isRead = decoded(sample.encoded) { _, fields in #expect(fields.parts == parts) }
        #expect(isRead)
    }

    @Test func piecesComeBackAndTakeRoomOnlyWhereThereAreSome() {
        var sample = UsageSample(4)
        let size = sample.encoded.count
        sample.budgetPeriod = 1_800_000_000_000
        (sample.parts.characters, sample.parts.pages, sample.parts.annotatedPages) = (4096, 3, 2)
        #expect(sample.encoded.count == size + 8 + 24)
        let parts = sample.parts
        let isRead = decoded(sample.encoded) { _, fields in
            #expect(fields.parts == parts && fields.budgetPeriod == 1_800_000_000_000)
        }
        #expect(isRead)
        #expect(!decoded(Array(sample.encoded.dropLast())) { _, _ in })
    }

    @Test func aLaterPeriodComesBackAndTakesRoomOnlyWhereThereIsOne() {
        var sample = UsageSample(4)
        let size = sample.encoded.count
        for (period, wanted) in [(1_800_000_000_000, 1_800_000_000_000), (1 << 48, 0), (.max, 0)] as [(Int64, Int64)] {
            sample.budgetPeriod = period
            #expect(sample.encoded.count == size + 8)
            let isRead = decoded(sample.encoded) { _, fields in
                #expect(fields.budgetPeriod == wanted && UsageAttempt.read(fields.attempts) == sample.attempts)
            }
            #expect(isRead)
        }
        #expect(!decoded(Array(sample.encoded.dropLast())) { _, _ in })
    }

    /// A ring may hold what an earlier version has left: without parts.
    @Test func theFirstLayoutIsStillRead() {
        var sample = UsageSample(5)
        sample.isEstimated = true
        var record = sample.encoded
        record[24] = 1
        record.removeSubrange(24 + 4 + 7 * 8..<24 + 4 + 17 * 8)
        let isRead = decoded(record) { _, fields in
            #expect(fields.promptTokens == 100 && fields.costMicros == 1234 && fields.isEstimated)
            #expect(fields.provider.string == "openai" && fields.parts == UsageParts())
        }
        #expect(isRead)
    }

    @Test func cutAndForeignRecordsAreNotRead() {
        let record = UsageSample(0).encoded
        for length in 0..<record.count {
            #expect(!decoded(Array(record[..<length])) { _, _ in }, "cut to \(length)")
        }
        for (position, value) in [(24, 0), (24, 3), (27, 8), (25, 4), (25, 255)] as [(Int, UInt8)] {
            var other = record
            other[position] = value
            #expect(!decoded(other) { _, _ in }, "byte \(position) = \(value)")
        }
    }

    @Test func noBytesAreReadBeyondTheRecord() {
        var random = SplitMix(state: 1)
        var later = UsageSample(0)
        later.budgetPeriod = 1
        let samples = [UsageSample(0).encoded, later.encoded]
        for n in 0..<20_000 {
            var record = samples[n % 2]
            for _ in 0..<Int.random(in: 1...6, using: &random) {
                record[Int.random(in: 24..<record.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            let end = record.count
            record.withUnsafeBytes { whole in
                guard case .usage(_, let bytes) = AuditEvent(decoding: whole),
                    let fields = UsageFields(decoding: bytes)
                else { return }
                for text in [fields.requestID, fields.modelServed, fields.currency, fields.attempts] {
                    let start = text.pointer.map { UnsafeRawPointer($0) - whole.baseAddress! } ?? 0
                    #expect(start >= 0 && start + text.count <= end)
                }
                _ = UsageAttempt.read(fields.attempts)
            }
        }
    }

    @Test func statesOfProviderKeysComeBack() {
        let keeper = ByteKeeper()
        let fields = ProviderKeyStateFields(
            providerKeyID: keeper.bytes("pk_1"), state: .disabled, changedAtMilliseconds: 77,
            coolingUntilMilliseconds: 99, reason: keeper.bytes("invalid_api_key"))
        var record = [UInt8](repeating: 0, count: AuditEncoder.providerKeyStateSize(fields))
        record.withUnsafeMutableBytes {
            AuditEncoder.encodeProviderKeyState(AuditID(high: 1, low: 2), fields, into: $0.baseAddress!)
        }
        func read(_ record: [UInt8]) -> ProviderKeyState? {
            record.withUnsafeBytes {
                guard case .providerKeyState(let id, let bytes) = AuditEvent(decoding: $0),
                    let read = ProviderKeyStateFields(decoding: bytes)
                else { return nil }
                #expect(id == AuditID(high: 1, low: 2) && read.providerKeyID.string == "pk_1")
                #expect(read.changedAtMilliseconds == 77 && read.coolingUntilMilliseconds == 99)
                return .disabled(reason: read.reason.string)
            }
        }
        #expect(read(record) == .disabled(reason: "invalid_api_key"))
        for length in 0..<record.count { #expect(read(Array(record[..<length])) == nil) }
        record[25] = 3
        #expect(read(record) == nil)
        withExtendedLifetime(keeper) {}
    }

    @Test func anAttemptThatHasNoRoomIsNotWritten() {
        let keeper = ByteKeeper()
        withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { buffer in
            func write(room: Int) -> Int {
                UsageAttempt.write(
                    provider: keeper.bytes("abc"), providerKeyID: keeper.bytes("pk"), reason: keeper.bytes("timeout"),
                    status: 0, milliseconds: 5, into: buffer.baseAddress!, room: room)
            }
            let size = UsageAttempt.fixedSize + 12
            #expect(write(room: size - 1) == 0)
            #expect(write(room: size) == size)
        }
    }
}
