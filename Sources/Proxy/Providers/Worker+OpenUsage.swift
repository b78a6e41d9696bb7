import LLM
import Reactor
import Store

/// Whom a provider has been asked for pays also if this process dies before the answer has ended: from before the request
/// goes out until its true record is in the ring, an exchange has the record that it is to have then in a slot of a mapped
/// file. The next start settles what stands there.
extension Worker {
    /// The record of an answer under way is not older than this once more of the answer has come.
    private static let keepMilliseconds: UInt32 = 1000

    /// The next thing that happens is that the request goes out, perhaps once more over another connection.
    @inline(never)
    mutating func requestGoesOut(_ c: UnsafeMutablePointer<ClientConnection>) {
        let side = providerExchanges.pointer(UInt32(c.pointee.exchange.provider))
        if side.pointee.isOut { return }
        side.pointee.isOut = true
        // As of a client that leaves: what was asked, of which nothing has come.
        side.usage.pointee = TokenUsage()
        let endpoint = side.pointee.endpoint.endpoint
        side.pointee.hasUsage = side.pointee.characters > 0 || endpoint.generates || endpoint.embeds
        if side.pointee.characters > 0 {
            side.usage.pointee.characters = side.pointee.characters
        } else if side.pointee.hasUsage {
            side.usage.pointee.prompt = side.pointee.promptEstimate
            side.usage.pointee.total = side.pointee.promptEstimate
        }
        side.usage.pointee.estimated = true
        if endpoint == .chatCompletions { settleSearch(c, side) }
        // Without a price of its own a model is looked up by the name that an answer gives it: at first by none.
        let isPriced = side.pointee.attempts.count == 0 || candidate(c, side).pointee.price >= 0
        side.pointee.cost = side.pointee.hasUsage && isPriced ? cost(c, side) : nil
        keepOpenUsage(c, side, .interrupted)
    }

    /// More of the answer has come.
    @inline(__always)
    mutating func answerGoesOn(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>
    ) {
        if UInt32(truncatingIfNeeded: now) &- side.pointee.keptAt >= Self.keepMilliseconds { keepAnswer(c, side) }
    }

    @inline(never)
    private mutating func keepAnswer(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>
    ) {
        guard side.pointee.isOut, side.pointee.isReading else { return }
        // What its head has told stands.
        if !side.pointee.isSettled { settle(c, side, isWhole: false, wasLeft: true) }
        keepOpenUsage(c, side, .interrupted)
    }

    /// The attempt has failed: it costs nothing, and unless another is made that is all.
    @inline(never)
    mutating func attemptIsOver(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>
    ) {
        side.pointee.isOut = false
        (side.pointee.hasUsage, side.pointee.cost) = (false, nil)
        keepOpenUsage(c, side, .failed)
    }

    /// The true record waits in memory for room in the ring: until it is there, the slot says the same.
    @inline(never)
    mutating func keepWithSpilled(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>,
        _ record: UsageFields
    ) {
        guard side.pointee.openSlot != ProviderExchange.noSlot else { return }
        var record = record
        keep(c.pointee.exchange.auditID, side, &record)
        spilled[spilled.count - 1].slot = side.pointee.openSlot
        side.pointee.openSlot = ProviderExchange.noSlot
    }

    /// The exchange has its record, or none is left of it.
    @inline(__always)
    mutating func forgetOpenUsage(_ side: UnsafeMutablePointer<ProviderExchange>) {
        if side.pointee.openSlot == ProviderExchange.noSlot { return }
        openUsage.clear(side.pointee.openSlot)
        side.pointee.openSlot = ProviderExchange.noSlot
    }

    /// Keeps the record as it is to be now.
    private mutating func keepOpenUsage(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>,
        _ outcome: UsageOutcome
    ) {
        side.pointee.keptAt = UInt32(truncatingIfNeeded: now)
        var fields = usageFields(c, side, outcome)
        // What the reader knows is of an attempt before.
        if !side.pointee.isReading, !fields.modelServed.isEmpty {
            fields.modelServed = candidate(c, side).pointee.model
        }
        let id = c.pointee.exchange.auditID
        if side.pointee.attempts.count == 0 { return keep(id, side, &fields) }
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: MappedSlots.payloadBytes) { room in
            let free = MappedSlots.payloadBytes - withUnsafePointer(to: &fields) { AuditEncoder.usageSize($0) }
            fields.attempts = writeAttempts(c, side, into: room.baseAddress.unsafelyUnwrapped, room: max(0, free))
            keep(id, side, &fields)
        }
    }

    /// Writes the record into another slot before the one that it had is cleared: at no moment there is none. Where no slot can
    /// be had it stays as it was.
    @inline(__always)
    private mutating func keep(
        _ id: AuditID, _ side: UnsafeMutablePointer<ProviderExchange>, _ fields: inout UsageFields
    ) {
        var size = withUnsafePointer(to: &fields) { AuditEncoder.usageSize($0) }
        if size > MappedSlots.payloadBytes { size = Self.shorten(&fields) }
        guard size <= MappedSlots.payloadBytes, let slot = openUsage.reserve() else { return }
        withUnsafePointer(to: &fields) { [room = openUsage.payload(slot)] in
            AuditEncoder.encodeUsage(id, $0, into: room)
        }
        openUsage.commit(slot, length: size)
        forgetOpenUsage(side)
        side.pointee.openSlot = slot
    }

    /// Leaves out what a slot has no room for: attempts, and the ends of long texts. Returns what is left.
    @inline(never)
    private static func shorten(_ fields: inout UsageFields) -> Int {
        fields.attempts = .empty
        fields.requestID = fields.requestID.from(0, to: min(fields.requestID.count, 128))
        fields.sourcePath = fields.sourcePath.from(0, to: min(fields.sourcePath.count, 192))
        fields.provider = fields.provider.from(0, to: min(fields.provider.count, 64))
        fields.modelRequested = fields.modelRequested.from(0, to: min(fields.modelRequested.count, 128))
        fields.modelServed = fields.modelServed.from(0, to: min(fields.modelServed.count, 128))
        return withUnsafePointer(to: &fields) { AuditEncoder.usageSize($0) }
    }
}
