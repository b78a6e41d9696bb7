import HTTP
import LLM
import Reactor
import Store

/// What an exchange with a provider leaves behind: its usage record, its caller's account in order, news about keys.
extension Worker {
    /// The exchange is over, whichever way: everything that was taken is given back or paid for, once.
    @inline(never)
    mutating func endProvider(_ index: UInt32) {
        let c = clients.pointer(index)
        let slot = UInt32(c.pointee.exchange.provider)
        let side = providerExchanges.pointer(slot)
        c.pointee.exchange.provider = -1
        // The provider ended its stream with an error of its own: the client has it, and the records say so.
        if c.pointee.exchange.error == .none, side.pointee.isAnswered, side.pointee.reader.fault != .none {
            c.pointee.exchange.error = .errorInAnswer
        }
        let error = c.pointee.exchange.error
        if side.pointee.isUnderWay { endAttempt(c, side, outcome(error), retryAfter: nil) }
        var usage: TokenUsage?
        var cost: Cost?
        // A stream that its client left was the provider's work as soon as it had begun.
        let wasLeft = error == .clientGone || error == .sendTimeout
        let hadBegun = wasLeft && side.pointee.status / 100 == 2 && side.pointee.framing == .sse
        if side.pointee.isReading && (side.pointee.isAnswered || hadBegun) {
            if error == .none, let settled = side.pointee.settled {
                (usage, cost) = (settled.usage, settled.cost)
            } else {
                usage = side.pointee.reader.settled(
                    promptEstimate: side.pointee.promptEstimate, isWhole: error == .none, wasLeft: wasLeft)
                cost = usage.flatMap { self.cost(c, side, $0) }
            }
        }
        settleAccount(c, side, usage, cost)
        if side.pointee.attempts.count > 0 { record(c, side, usage, cost) }
        pool.give(&side.pointee.name)
        pool.give(&side.pointee.workspace)
        pool.give(&side.pointee.hold)
        providerExchanges.release(slot)
    }

    /// What the end of an exchange says about the provider that was at work.
    func outcome(_ error: ExchangeError) -> AttemptOutcome {
        switch error {
        case .none: .answered
        case .cutShort: .cutOff
        case .malformedResponse: .malformed
        case .readTimeout, .responseTimeout: .timedOut
        case .errorInAnswer: .errorInAnswer
        default: .abandoned
        }
    }

    struct Cost: BitwiseCopyable {
        var micros: Int64
        var currency: Bytes
    }

    /// What the usage costs: by a price that an operator has set, else as the answer itself says, else by the price file's;
    /// nil if none of them knows.
    func cost(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>,
        _ usage: TokenUsage
    ) -> Cost? {
        let providers = c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.providers
        let candidate = candidates(c, side).candidates[Int(side.pointee.candidate)]
        var price = Int(candidate.price)
        if price < 0 {
            price = side.pointee.reader.withServedModel { providers.price(Int(candidate.provider), $0) }
        }
        let dollars = Bytes("USD")
        let stated = usage.statedMicros >= 0 ? Cost(micros: usage.statedMicros, currency: dollars) : nil
        guard price >= 0 else { return stated }
        let found = providers.prices.pointer(price)
        if let stated, !found.pointee.isManual, found.pointee.currency.elementsEqual(dollars) { return stated }
        return found.pointee.price.cost(of: usage).map { Cost(micros: $0, currency: found.pointee.currency) }
    }

    private mutating func settleAccount(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>,
        _ usage: TokenUsage?, _ cost: Cost?
    ) {
        guard c.pointee.exchange.keyIndex >= 0 else { return }
        let providers = c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.providers
        let caller = providers.callers.pointer(Int(c.pointee.exchange.keyIndex))
        if side.pointee.holdsReservation {
            side.pointee.holdsReservation = false
            var actual = Spending(tokens: usage?.total ?? 0)
            if let cost, cost.currency.elementsEqual(caller.pointee.currency) { actual.amount = cost.micros }
            caller.pointee.budget.settle(
                reserved: side.pointee.reserved, actual: actual, periodStart: side.pointee.budgetPeriod)
        }
    }

    /// One usage record for every exchange that reached a provider.
    private mutating func record(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>,
        _ usage: TokenUsage?, _ cost: Cost?
    ) {
        let snapshot = c.pointee.exchange.snapshot.unsafelyUnwrapped
        let providers = snapshot.pointee.providers
        let key = providers.keys.pointer(Int(side.pointee.key))
        let provider = providers.providers.pointer(Int(key.pointee.provider))
        var caller = (keyID: Bytes.empty, sourcePath: Bytes.empty)
        if c.pointee.exchange.keyIndex >= 0 {
            let own = snapshot.pointee.keys.keys.pointer(Int(c.pointee.exchange.keyIndex))
            caller = (own.pointee.keyID, own.pointee.sourcePath)
        }
        let id = c.pointee.exchange.auditID
        let requestID = requestID(c)
        let requested = Bytes(side.pointee.name.readPointer, side.pointee.name.count)
        let tokens = usage ?? TokenUsage()
        let outcome = usageOutcome(
            c.pointee.exchange.error, isBilled: usage != nil, isWhole: side.pointee.reader.isFinished)
        side.pointee.reader.withServedModel { served in
            let attempts = writeAttempts(c, side)
            var fields = UsageFields(
                requestID: requestID, keyID: caller.keyID, sourcePath: caller.sourcePath,
                provider: provider.pointee.name, providerKeyID: key.pointee.keyID, modelRequested: requested,
                modelServed: usage == nil ? .empty : served, currency: cost?.currency ?? .empty, attempts: attempts,
                promptTokens: tokens.prompt, completionTokens: tokens.completion, cachedTokens: tokens.cached,
                cacheWriteTokens: tokens.cacheWrite, reasoningTokens: tokens.reasoning, totalTokens: tokens.total,
                costMicros: cost?.micros ?? 0, isEstimated: tokens.estimated, outcome: outcome)
            fields.parts = UsageParts(tokens)
            if side.pointee.budgetPeriod > Int64(clamping: id.unixMilliseconds) {
                fields.budgetPeriod = side.pointee.budgetPeriod
            }
            // Also where the exchange itself is not audited: budgets are made of these.
            let isKept = put(AuditEncoder.usageSize(fields)) { AuditEncoder.encodeUsage(id, fields, into: $0) }
            if !isKept { metrics.usageDropped() }
        }
        guard usage != nil else { return }
        let candidate = candidates(c, side).candidates[Int(side.pointee.candidate)]
        providerMetrics.used(
            candidate.metric, tokens, cost: cost?.micros, operation: side.pointee.endpoint.endpoint,
            firstByteNanoseconds: side.pointee.firstByteNanoseconds)
    }

    /// - Parameter isWhole: the answer has said that it is: clients may leave then, before the transfer's own end.
    private func usageOutcome(_ error: ExchangeError, isBilled: Bool, isWhole: Bool) -> UsageOutcome {
        switch error {
        case .clientGone where isBilled && isWhole: .completed
        case .none: isBilled ? .completed : .failed
        case .clientGone, .sendTimeout: .cancelled
        default: isBilled ? .interrupted : .failed
        }
    }

    /// The failed attempts, as the record keeps them, in the worker's scratch.
    private func writeAttempts(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>
    ) -> Bytes {
        let providers = c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.providers
        var count = 0
        for i in 0..<side.pointee.attempts.count {
            let attempt = side.pointee.attempts[i]
            if attempt.outcome == .answered || attempt.outcome == .abandoned { continue }
            let key = providers.keys.pointer(Int(attempt.key))
            count += UsageAttempt.write(
                provider: providers.providers.pointer(Int(key.pointee.provider)).pointee.name,
                providerKeyID: key.pointee.keyID, reason: Bytes(attempt.outcome.name), status: attempt.status,
                milliseconds: attempt.milliseconds, into: UnsafeMutableRawPointer(scratch + count),
                room: Self.attemptsBytes - count)
        }
        return Bytes(UnsafePointer(scratch), count)
    }

    private static let attemptsBytes = 8192

    /// A key was disabled or has to rest: the writer stores it, the control side need not be asked.
    func keyStateFields(
        _ key: UnsafePointer<CompiledProviderKey>, until: UInt64, _ reason: KeyHealth.Reason
    ) -> ProviderKeyStateFields {
        let unixNow = Int64(realtime / 1_000_000)
        return ProviderKeyStateFields(
            providerKeyID: key.pointee.keyID, state: reason == .none ? .cooling : .disabled,
            changedAtMilliseconds: unixNow,
            coolingUntilMilliseconds: until > now ? unixNow + Int64(until - now) : 0, reason: Bytes(reason.name))
    }

    mutating func keyChanged(
        _ c: UnsafeMutablePointer<ClientConnection>, _ key: UnsafePointer<CompiledProviderKey>, until: UInt64,
        _ reason: KeyHealth.Reason
    ) {
        if key.pointee.keyID.isEmpty { return }
        let id = c.pointee.exchange.auditID
        let fields = keyStateFields(key, until: until, reason)
        _ = put(AuditEncoder.providerKeyStateSize(fields)) {
            AuditEncoder.encodeProviderKeyState(id, fields, into: $0)
        }
    }

    /// Where nobody waits for room, no more records are kept beside the ring.
    private static let maxSpilledRecords = 4096

    /// Writes a record into the ring, or keeps it until there is room. False: it is dropped, for there is too much already
    /// and the gateway is not to wait (`audit.on_full: drop`, or no audit at all).
    @inline(__always)
    private mutating func put(_ size: Int, _ encode: (UnsafeMutableRawPointer) -> Void) -> Bool {
        if spilled.isEmpty, let room = producer.reserve(size) {
            encode(room)
            producer.commit()
        } else if current.pointee.policy.waitsForAudit || spilled.count < Self.maxSpilledRecords {
            spill(size, encode)
        } else {
            metrics.audit(dropped: 1)
            return false
        }
        metrics.audit(accepted: 1)
        return true
    }
}

extension UsageParts {
    /// What of an exchange may have had a price of its own.
    init(_ usage: TokenUsage) {
        self.init()
        cacheWriteLong = usage.cacheWriteLong
        inputAudio = usage.inputAudio
        inputImage = usage.inputImage
        cachedAudio = max(usage.cachedAudio, 0)
        outputAudio = usage.outputAudio
        outputImage = usage.outputImage
        toolPrompt = usage.toolPrompt
        searches = usage.searches
        images = usage.images
        milliseconds = usage.milliseconds
        tier = ServiceLevel(rawValue: usage.tier.rawValue) ?? .other
    }
}
