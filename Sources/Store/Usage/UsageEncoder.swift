import Reactor

/// The ring records of usage, beside those of `AuditEncoder`: no allocation, nothing but copying.
///
/// Little-endian, unaligned, after the common header of 24 bytes:
///
///     usage             u8 layout (2), u8 outcome, u8 bits (1: estimated, 2: has a budgetPeriod), u8 tier; i64 prompt, completion, cached,
///                       cacheWrite, reasoning, total, costMicros; since layout 2 i64 cacheWriteLong, inputAudio,
///                       inputImage, cachedAudio, outputAudio, outputImage, toolPrompt, searches, images,
///                       milliseconds; u16-counted requestID, keyID, sourcePath,
///                       provider, providerKeyID, modelRequested, modelServed, currency, attempts; i64 budgetPeriod
///     providerKeyState  u8 layout (1), u8 state, u16 0; i64 changedAt, coolingUntil; u16-counted providerKeyID,
///                       reason
extension AuditEncoder {
    @usableFromInline static let usageLayout: UInt8 = 2
    /// Of keys' states, and of the usage that an earlier version may have left behind.
    @usableFromInline static let firstLayout: UInt8 = 1

    /// Bytes of a usage record.
    @inlinable
    public static func usageSize(_ fields: UsageFields) -> Int {
        AuditEvent.headerSize + 4 + 17 * 8 + 9 * 2
            + min(fields.requestID.count, shortFieldLimit) + min(fields.keyID.count, shortFieldLimit)
            + min(fields.sourcePath.count, shortFieldLimit) + min(fields.provider.count, shortFieldLimit)
            + min(fields.providerKeyID.count, shortFieldLimit) + min(fields.modelRequested.count, shortFieldLimit)
            + min(fields.modelServed.count, shortFieldLimit) + min(fields.currency.count, shortFieldLimit)
            + min(fields.attempts.count, shortFieldLimit) + (fields.budgetPeriod > 0 ? 8 : 0)
    }

    /// Writes `usageSize(fields)` bytes at `p`, which needs no alignment.
    ///
    /// - Parameter id: the exchange's, as in its other events. A second usage record with it is not counted.
    @inlinable
    public static func encodeUsage(_ id: AuditID, _ fields: UsageFields, into p: UnsafeMutableRawPointer) {
        writeHeader(AuditEvent.Kind.usage, 0, id, p)
        var at = p + AuditEvent.headerSize
        store(
            UInt32(usageLayout) | UInt32(fields.outcome.rawValue) << 8 | (fields.isEstimated ? 1 << 16 : 0)
                | (fields.budgetPeriod > 0 ? 1 << 17 : 0) | UInt32(fields.parts.tier.rawValue) << 24, &at)
        store(fields.promptTokens, &at)
        store(fields.completionTokens, &at)
        store(fields.cachedTokens, &at)
        store(fields.cacheWriteTokens, &at)
        store(fields.reasoningTokens, &at)
        store(fields.totalTokens, &at)
        store(fields.costMicros, &at)
        store(fields.parts.cacheWriteLong, &at)
        store(fields.parts.inputAudio, &at)
        store(fields.parts.inputImage, &at)
        store(fields.parts.cachedAudio, &at)
        store(fields.parts.outputAudio, &at)
        store(fields.parts.outputImage, &at)
        store(fields.parts.toolPrompt, &at)
        store(fields.parts.searches, &at)
        store(fields.parts.images, &at)
        store(fields.parts.milliseconds, &at)
        short(fields.requestID, &at)
        short(fields.keyID, &at)
        short(fields.sourcePath, &at)
        short(fields.provider, &at)
        short(fields.providerKeyID, &at)
        short(fields.modelRequested, &at)
        short(fields.modelServed, &at)
        short(fields.currency, &at)
        short(fields.attempts, &at)
        if fields.budgetPeriod > 0 { store(fields.budgetPeriod, &at) }
    }

    /// Bytes of a record of a provider key's state.
    @inlinable
    public static func providerKeyStateSize(_ fields: ProviderKeyStateFields) -> Int {
        AuditEvent.headerSize + 4 + 2 * 8 + 2 * 2
            + min(fields.providerKeyID.count, shortFieldLimit) + min(fields.reason.count, shortFieldLimit)
    }

    /// Writes `providerKeyStateSize(fields)` bytes at `p`.
    ///
    /// - Parameter id: of the exchange that showed it.
    @inlinable
    public static func encodeProviderKeyState(
        _ id: AuditID, _ fields: ProviderKeyStateFields, into p: UnsafeMutableRawPointer
    ) {
        writeHeader(AuditEvent.Kind.providerKeyState, 0, id, p)
        var at = p + AuditEvent.headerSize
        store(UInt32(firstLayout) | UInt32(fields.state.rawValue) << 8, &at)
        store(fields.changedAtMilliseconds, &at)
        store(fields.coolingUntilMilliseconds, &at)
        short(fields.providerKeyID, &at)
        short(fields.reason, &at)
    }
}

extension UsageFields {
    /// Reads what follows the common header; the fields point into `body`. Nil if `AuditEncoder` did not write it.
    init?(decoding body: Bytes) {
        guard let base = body.pointer else { return nil }
        var reader = FieldReader(base: UnsafeRawPointer(base), position: 0, end: body.count)
        let bits: UInt32 = reader.integer()
        let layout = UInt8(truncatingIfNeeded: bits)
        guard layout == AuditEncoder.usageLayout || layout == AuditEncoder.firstLayout,
            let outcome = UsageOutcome(rawValue: UInt8(truncatingIfNeeded: bits >> 8))
        else { return nil }
        let prompt: Int64 = reader.integer()
        let completion: Int64 = reader.integer()
        let cached: Int64 = reader.integer()
        let cacheWrite: Int64 = reader.integer()
        let reasoning: Int64 = reader.integer()
        let total: Int64 = reader.integer()
        let cost: Int64 = reader.integer()
        var parts = UsageParts()
        if layout >= AuditEncoder.usageLayout {
            guard let tier = ServiceLevel(rawValue: UInt8(truncatingIfNeeded: bits >> 24)) else { return nil }
            parts.tier = tier
            parts.cacheWriteLong = reader.integer()
            parts.inputAudio = reader.integer()
            parts.inputImage = reader.integer()
            parts.cachedAudio = reader.integer()
            parts.outputAudio = reader.integer()
            parts.outputImage = reader.integer()
            parts.toolPrompt = reader.integer()
            parts.searches = reader.integer()
            parts.images = reader.integer()
            parts.milliseconds = reader.integer()
        }
        self.init(
            requestID: reader.short(), keyID: reader.short(), sourcePath: reader.short(), provider: reader.short(),
            providerKeyID: reader.short(), modelRequested: reader.short(), modelServed: reader.short(),
            currency: reader.short(), attempts: reader.short(), promptTokens: prompt, completionTokens: completion,
            cachedTokens: cached, cacheWriteTokens: cacheWrite, reasoningTokens: reasoning, totalTokens: total,
            costMicros: cost, isEstimated: bits >> 16 & 1 != 0, outcome: outcome)
        self.parts = parts
        if bits >> 17 & 1 != 0 {
            let start: Int64 = reader.integer()
            // No more bits than the time in an id has.
            budgetPeriod = start >> 48 == 0 ? start : 0
        }
        if reader.failed { return nil }
    }
}

extension ProviderKeyStateFields {
    /// Reads what follows the common header; the fields point into `body`. Nil if `AuditEncoder` did not write it.
    init?(decoding body: Bytes) {
        guard let base = body.pointer else { return nil }
        var reader = FieldReader(base: UnsafeRawPointer(base), position: 0, end: body.count)
        let bits: UInt32 = reader.integer()
        guard UInt8(truncatingIfNeeded: bits) == AuditEncoder.firstLayout,
            let state = State(rawValue: UInt8(truncatingIfNeeded: bits >> 8))
        else { return nil }
        let changed: Int64 = reader.integer()
        let until: Int64 = reader.integer()
        self.init(
            providerKeyID: reader.short(), state: state, changedAtMilliseconds: changed,
            coolingUntilMilliseconds: until, reason: reader.short())
        if reader.failed { return nil }
    }
}
