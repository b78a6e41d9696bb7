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
        // Whoever leaves pays for what the provider had been asked in full, whether it had begun to answer or not.
        let wasLeft = error == .clientGone || error == .sendTimeout || error == .gatewayStopping
        let hadBegun = side.pointee.status / 100 == 2 && (side.pointee.wasSentWhole || side.pointee.framing == .sse)
        let isOwed = wasLeft && (hadBegun || (side.pointee.status == 0 && side.pointee.wasSentWhole))
        if isOwed, side.pointee.status == 0 { readNothing(side) }
        // Sound is not read, but what it is paid for by is known.
        let isBilled = side.pointee.isReading || side.pointee.characters > 0
        if !isBilled || !(side.pointee.isAnswered || isOwed) {
            (side.pointee.hasUsage, side.pointee.cost) = (false, nil)
        } else if error != .none || !side.pointee.isSettled {
            settle(c, side, isWhole: error == .none, wasLeft: wasLeft)
        }
        settleAccount(c, side)
        if side.pointee.attempts.count > 0 { record(c, side) }
        forgetOpenUsage(side)
        pool.give(&side.pointee.name)
        pool.give(&side.pointee.workspace)
        pool.give(&side.pointee.hold)
        providerExchanges.release(slot)
    }

    /// The exchange is being ended from outside, and its upstream connection is still there.
    func noteSent(_ c: UnsafeMutablePointer<ClientConnection>) {
        let side = providerExchanges.pointer(UInt32(c.pointee.exchange.provider))
        let upstream = c.pointee.exchange.upstream
        guard upstream != Exchange.noUpstream else { return }
        switch c.pointee.exchange.phase {
        case .awaitingResponse, .relaying:
            let u = upstreams.pointer(upstream)
            side.pointee.wasSentWhole = u.pointee.outbound.isEmpty && !u.pointee.sendFailed && hasSentRequest(c)
        default: break
        }
    }

    /// Nothing of an answer has come: the reader is as it was made, whatever it has read of an earlier attempt's.
    private func readNothing(_ side: UnsafeMutablePointer<ProviderExchange>) {
        if side.pointee.hasRead { side.reader.renew(as: freshProviderExchange.reader) }
        side.pointee.reader.begin(endpoint: side.pointee.endpoint.endpoint, apiType: .openai, framing: .json)
        side.pointee.isReading = true
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

    /// Notes what the answer has come to.
    ///
    /// - Parameter isWhole: it ended as HTTP says.
    func settle(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>, isWhole: Bool,
        wasLeft: Bool = false
    ) {
        side.usage.pointee = TokenUsage()
        side.pointee.hasUsage = side.reader.pointee.settle(
            promptEstimate: side.pointee.promptEstimate, isWhole: isWhole, wasLeft: wasLeft, into: &side.usage.pointee)
        if side.pointee.characters > 0 { settleSpeech(c, side, isWhole: isWhole) }
        if side.pointee.endpoint.endpoint == .chatCompletions, side.pointee.hasUsage { settleSearch(c, side) }
        side.pointee.cost = side.pointee.hasUsage ? cost(c, side) : nil
    }

    /// What a chat completion has searched for. The answers of models that always search do not tell, and are paid for; how
    /// much was to be found says the answer, else the request.
    @inline(__always)
    func settleSearch(_ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>) {
        side.usage.pointee.noteSearch(model: candidate(c, side).pointee.model, size: side.request.pointee.searchSize)
    }

    /// A text that was spoken, or that was asked for by a client who left, comes to all its characters, unless the answer is
    /// an error. Of sound that was cut it is not known whether the provider asks for them: they are estimated.
    @inline(never)
    private func settleSpeech(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>, isWhole: Bool
    ) {
        guard side.pointee.reader.fault == .none,
            c.pointee.exchange.responseBytes > 0 || side.pointee.reader.documents > 0 || side.pointee.wasSentWhole
        else { return }
        side.usage.pointee.characters = side.pointee.characters
        if !isWhole && !side.pointee.reader.isFinished { side.usage.pointee.estimated = true }
        side.pointee.hasUsage = true
    }

    /// What the usage costs: by a price that an operator has set, else as the answer itself says, else by the price file's;
    /// nil if none of them knows.
    func cost(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>
    ) -> Cost? {
        let snapshot = c.pointee.exchange.snapshot.unsafelyUnwrapped
        let candidate = candidate(c, side)
        var price = Int(candidate.pointee.price)
        if price < 0 {
            price = snapshot.pointee.providers.price(Int(candidate.pointee.provider), side.reader.servedModel)
        }
        let dollars = Bytes("USD")
        let micros = side.usage.pointee.statedMicros
        let stated = micros >= 0 ? Cost(micros: micros, currency: dollars) : nil
        guard price >= 0 else { return stated }
        let found = snapshot.pointee.providers.prices.pointer(price)
        if let stated, !found.pointee.isManual, found.pointee.currency.elementsEqual(dollars) { return stated }
        return found.sheet.cost(of: side.usage).map { Cost(micros: $0, currency: found.pointee.currency) }
    }

    private mutating func settleAccount(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>
    ) {
        guard c.pointee.exchange.keyIndex >= 0 else { return }
        let caller = caller(c)
        if side.pointee.holdsReservation {
            side.pointee.holdsReservation = false
            var actual = Spending(tokens: side.pointee.hasUsage ? side.usage.pointee.total : 0)
            var currency: UInt32 = 0
            if let cost = side.pointee.cost {
                actual.amount = cost.micros
                currency = BudgetTerms.code(cost.currency)
            }
            caller.pointee.budget.settle(
                reserved: side.pointee.reserved, actual: actual, currency: currency, at: side.pointee.place)
        }
    }

    /// One usage record for every exchange that reached a provider.
    private mutating func record(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>
    ) {
        let hasUsage = side.pointee.hasUsage
        let outcome = usageOutcome(
            c.pointee.exchange.error, isBilled: hasUsage || isUncounted(c, side),
            isWhole: side.pointee.reader.isFinished)
        var fields = usageFields(c, side, outcome)
        fields.attempts = writeAttempts(c, side, into: scratch, room: Self.attemptsBytes)
        let id = c.pointee.exchange.auditID
        let waiting = spilled.count
        // Also where the exchange itself is not audited: budgets are made of these.
        let isKept = withUnsafePointer(to: &fields) { fields in
            put(AuditEncoder.usageSize(fields)) { AuditEncoder.encodeUsage(id, fields, into: $0) }
        }
        if !isKept { metrics.usageDropped() }
        if spilled.count > waiting { keepWithSpilled(c, side, fields) }
        guard hasUsage else { return }
        providerMetrics.used(
            candidate(c, side).pointee.metric, side.usage, cost: side.pointee.cost?.micros,
            operation: side.pointee.endpoint.endpoint, firstByteNanoseconds: side.pointee.firstByteNanoseconds)
    }

    /// What a record has but for the attempts.
    @inline(__always)
    func usageFields(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>,
        _ outcome: UsageOutcome
    ) -> UsageFields {
        let snapshot = c.pointee.exchange.snapshot.unsafelyUnwrapped
        let key = snapshot.pointee.providers.keys.pointer(Int(side.pointee.key))
        let provider = snapshot.pointee.providers.providers.pointer(Int(key.pointee.provider))
        let hasUsage = side.pointee.hasUsage
        var fields = UsageFields(
            requestID: requestID(c), keyID: .empty, sourcePath: .empty, provider: provider.pointee.name,
            providerKeyID: key.pointee.keyID,
            modelRequested: Bytes(side.pointee.name.readPointer, side.pointee.name.count),
            modelServed: .empty)
        if hasUsage || outcome == .completed {
            // Sound, embeddings and counts of tokens do not name their model: then it is the one that was asked for.
            fields.modelServed = side.reader.servedModel
            if fields.modelServed.isEmpty { fields.modelServed = candidate(c, side).pointee.model }
        }
        if c.pointee.exchange.keyIndex >= 0 {
            let own = snapshot.pointee.keys.pointer(c.pointee.exchange.keyIndex)
            fields.keyID = own.pointee.keyID
            fields.sourcePath = own.pointee.sourcePath
        }
        if let cost = side.pointee.cost {
            fields.currency = cost.currency
            fields.costMicros = cost.micros
        } else if side.pointee.endpoint.endpoint.isFree || (outcome == .failed && !hasGoodAnswer(side)) {
            // Costs nothing, said in the currency of the model's price; without a price nobody knows which.
            let price = Int(candidate(c, side).pointee.price)
            if price >= 0 { fields.currency = snapshot.pointee.providers.prices.pointer(price).pointee.currency }
        }
        if hasUsage { fields.take(side.usage) }
        fields.outcome = outcome
        let place = side.pointee.place
        if place.periodStart > place.accepted { fields.budgetPeriod = place.periodStart }
        return fields
    }

    /// The client has an answer that calls itself a success: one in which nothing was found that costs may yet cost something.
    private func hasGoodAnswer(_ side: UnsafeMutablePointer<ProviderExchange>) -> Bool {
        let count = side.attempts.pointee.count
        return count > 0 && side.attempts.attempt(count - 1).outcome == .answered && side.pointee.status / 100 == 2
            && side.pointee.reader.fault == .none
    }

    /// A good answer of an API that does not tell what it used, or uses nothing: tokens that were counted, moderations, some
    /// transcriptions.
    private func isUncounted(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>
    ) -> Bool {
        let endpoint = side.pointee.endpoint.endpoint
        return c.pointee.exchange.error == .none && !endpoint.generates && !endpoint.embeds
            && c.pointee.exchange.responseBytes > 0 && hasGoodAnswer(side)
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

    /// The failed attempts, as the record keeps them, as far as there is room.
    func writeAttempts(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>,
        into p: UnsafeMutablePointer<UInt8>, room: Int
    ) -> Bytes {
        let providers = c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.providers
        var count = 0
        for i in 0..<side.attempts.pointee.count {
            let attempt = side.attempts.attempt(i)
            if attempt.outcome == .answered || attempt.outcome == .abandoned { continue }
            let key = providers.keys.pointer(Int(attempt.key))
            count += UsageAttempt.write(
                provider: providers.providers.pointer(Int(key.pointee.provider)).pointee.name,
                providerKeyID: key.pointee.keyID, reason: Bytes(attempt.outcome.name), status: attempt.status,
                milliseconds: attempt.milliseconds, into: UnsafeMutableRawPointer(p + count), room: room - count)
        }
        return Bytes(UnsafePointer(p), count)
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

extension UsageFields {
    /// What was used, and what of it may have had a price of its own.
    @inline(__always)
    fileprivate mutating func take(_ usage: UnsafePointer<TokenUsage>) {
        promptTokens = usage.pointee.prompt
        completionTokens = usage.pointee.completion
        cachedTokens = usage.pointee.cached
        cacheWriteTokens = usage.pointee.cacheWrite
        reasoningTokens = usage.pointee.reasoning
        totalTokens = usage.pointee.total
        isEstimated = usage.pointee.estimated
        parts.cacheWriteLong = usage.pointee.cacheWriteLong
        parts.inputAudio = usage.pointee.inputAudio
        parts.inputImage = usage.pointee.inputImage
        parts.cachedAudio = max(usage.pointee.cachedAudio, 0)
        parts.outputAudio = usage.pointee.outputAudio
        parts.outputImage = usage.pointee.outputImage
        parts.toolPrompt = usage.pointee.toolPrompt
        // Of those in files few answers tell: no column of their own.
        parts.searches = usage.pointee.searches &+ Int64(usage.pointee.fileSearches)
        parts.images = usage.pointee.images
        parts.milliseconds = usage.pointee.milliseconds
        parts.characters = usage.pointee.characters
        parts.pages = usage.pointee.pages
        parts.annotatedPages = usage.pointee.annotatedPages
        parts.tier = ServiceLevel(rawValue: usage.pointee.tier.rawValue) ?? .other
    }
}
