import Reactor

/// The ring records of usage, beside those of `AuditEncoder`: no allocation, nothing but copying.
///
/// Little-endian, unaligned, after the common header of 24 bytes:
///
///     usage             u8 layout (2), u8 outcome, u8 bits (1: estimated, 2: has a budgetPeriod, 4: has pieces), u8 tier;
///                       i64 prompt, completion, cached, cacheWrite, reasoning, total, costMicros; since layout 2 i64
///                       cacheWriteLong, inputAudio, inputImage, cachedAudio, outputAudio, outputImage, toolPrompt,
///                       searches, images, milliseconds; u16-counted requestID, keyID, sourcePath, provider,
///                       providerKeyID, modelRequested, modelServed, currency, attempts; i64 budgetPeriod; i64
///                       characters, pages, annotatedPages
///     providerKeyState  u8 layout (1), u8 state, u16 0; i64 changedAt, coolingUntil; u16-counted providerKeyID,
///                       reason
extension AuditEncoder {
    @usableFromInline static let usageLayout: UInt8 = 2
    /// Of keys' states, and of the usage that an earlier version may have left behind.
    @usableFromInline static let firstLayout: UInt8 = 1

    /// Bytes of a usage record.
    public static func usageSize(_ fields: UsageFields) -> Int { withUnsafePointer(to: fields) { usageSize($0) } }

    /// The same of fields that stay where they are: they are long to copy.
    @inlinable
    public static func usageSize(_ fields: UnsafePointer<UsageFields>) -> Int {
        AuditEvent.headerSize + 4 + 17 * 8 + 9 * 2
            + min(fields.pointee.requestID.count, shortFieldLimit) + min(fields.pointee.keyID.count, shortFieldLimit)
            + min(fields.pointee.sourcePath.count, shortFieldLimit)
            + min(fields.pointee.provider.count, shortFieldLimit)
            + min(fields.pointee.providerKeyID.count, shortFieldLimit)
            + min(fields.pointee.modelRequested.count, shortFieldLimit)
            + min(fields.pointee.modelServed.count, shortFieldLimit)
            + min(fields.pointee.currency.count, shortFieldLimit)
            + min(fields.pointee.attempts.count, shortFieldLimit)
            + (fields.pointee.budgetPeriod > 0 ? 8 : 0) + (fields.pointee.parts.hasPieces ? 24 : 0)
    }

    /// Writes `usageSize(fields)` bytes at `p`, which needs no alignment.
    ///
    /// - Parameter id: the exchange's, as in its other events. A second usage record with it is not counted.
    public static func encodeUsage(_ id: AuditID, _ fields: UsageFields, into p: UnsafeMutableRawPointer) {
        withUnsafePointer(to: fields) { encodeUsage(id, $0, into: p) }
    }

    /// The same of fields that stay where they are.
    @inlinable
    public static func encodeUsage(
        _ id: AuditID, _ fields: UnsafePointer<UsageFields>, into p: UnsafeMutableRawPointer
    ) {
        writeHeader(AuditEvent.Kind.usage, 0, id, p)
        var at = p + AuditEvent.headerSize
        store(
            UInt32(usageLayout) | UInt32(fields.pointee.outcome.rawValue) << 8
                | (fields.pointee.isEstimated ? 1 << 16 : 0) | (fields.pointee.budgetPeriod > 0 ? 1 << 17 : 0)
                | (fields.pointee.parts.hasPieces ? 1 << 18 : 0)
                | UInt32(fields.pointee.parts.tier.rawValue) << 24, &at)
        store(fields.pointee.promptTokens, &at)
        store(fields.pointee.completionTokens, &at)
        store(fields.pointee.cachedTokens, &at)
        store(fields.pointee.cacheWriteTokens, &at)
        store(fields.pointee.reasoningTokens, &at)
        store(fields.pointee.totalTokens, &at)
        store(fields.pointee.costMicros, &at)
        store(fields.pointee.parts.cacheWriteLong, &at)
        store(fields.pointee.parts.inputAudio, &at)
        store(fields.pointee.parts.inputImage, &at)
        store(fields.pointee.parts.cachedAudio, &at)
        store(fields.pointee.parts.outputAudio, &at)
        store(fields.pointee.parts.outputImage, &at)
        store(fields.pointee.parts.toolPrompt, &at)
        store(fields.pointee.parts.searches, &at)
        store(fields.pointee.parts.images, &at)
        store(fields.pointee.parts.milliseconds, &at)
        short(fields.pointee.requestID, &at)
        short(fields.pointee.keyID, &at)
        short(fields.pointee.sourcePath, &at)
        short(fields.pointee.provider, &at)
        short(fields.pointee.providerKeyID, &at)
        short(fields.pointee.modelRequested, &at)
        short(fields.pointee.modelServed, &at)
        short(fields.pointee.currency, &at)
        short(fields.pointee.attempts, &at)
        if fields.pointee.budgetPeriod > 0 { store(fields.pointee.budgetPeriod, &at) }
        if fields.pointee.parts.hasPieces {
            store(fields.pointee.parts.characters, &at)
            store(fields.pointee.parts.pages, &at)
            store(fields.pointee.parts.annotatedPages, &at)
        }
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
        self = .empty
        if !decode(body) { return nil }
    }

    static var empty: UsageFields {
        UsageFields(
            requestID: .empty, keyID: .empty, sourcePath: .empty, provider: .empty, providerKeyID: .empty,
            modelRequested: .empty, modelServed: .empty)
    }

    /// `init(decoding:)` where the fields stand already; false if `AuditEncoder` did not write it.
    mutating func decode(_ body: Bytes) -> Bool {
        guard let base = body.pointer else { return false }
        var reader = FieldReader(base: UnsafeRawPointer(base), position: 0, end: body.count)
        let bits: UInt32 = reader.integer()
        let layout = UInt8(truncatingIfNeeded: bits)
        guard layout == AuditEncoder.usageLayout || layout == AuditEncoder.firstLayout,
            let outcome = UsageOutcome(rawValue: UInt8(truncatingIfNeeded: bits >> 8))
        else { return false }
        self.outcome = outcome
        isEstimated = bits >> 16 & 1 != 0
        promptTokens = reader.integer()
        completionTokens = reader.integer()
        cachedTokens = reader.integer()
        cacheWriteTokens = reader.integer()
        reasoningTokens = reader.integer()
        totalTokens = reader.integer()
        costMicros = reader.integer()
        if layout >= AuditEncoder.usageLayout {
            guard let tier = ServiceLevel(rawValue: UInt8(truncatingIfNeeded: bits >> 24)) else { return false }
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
        requestID = reader.short()
        keyID = reader.short()
        sourcePath = reader.short()
        provider = reader.short()
        providerKeyID = reader.short()
        modelRequested = reader.short()
        modelServed = reader.short()
        currency = reader.short()
        attempts = reader.short()
        if bits >> 17 & 1 != 0 {
            let start: Int64 = reader.integer()
            // No more bits than the time in an id has.
            budgetPeriod = start >> 48 == 0 ? start : 0
        }
        if bits >> 18 & 1 != 0 {
            parts.characters = reader.integer()
            parts.pages = reader.integer()
            parts.annotatedPages = reader.integer()
        }
        return !reader.failed
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
