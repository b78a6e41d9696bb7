import Glibc
import HTTP
import JSON
import LLM
import Reactor

/// A request that no route takes: to a provider of the model that it names.
extension Worker {
    /// True if a request that no route takes can go to a provider once its body is here.
    func mayGoToProvider(_ c: UnsafeMutablePointer<ClientConnection>) -> Bool {
        let snapshot = c.pointee.exchange.snapshot.unsafelyUnwrapped
        guard !snapshot.pointee.providers.isEmpty, c.pointee.exchange.tried.isEmpty else { return false }
        let base = UnsafePointer(c.pointee.inbound.readPointer)
        let path = Bytes(base + Int(head.pathOffset), Int(head.pathLength))
        return head.method == .post && Endpoint.of(path: path).endpoint.namesModel
    }

    /// No route takes the request. Returns false if no provider does either.
    @inline(never)
    mutating func takeToProvider(_ index: UInt32, _ request: RequestView) -> Bool {
        let c = clients.pointer(index)
        let snapshot = c.pointee.exchange.snapshot.unsafelyUnwrapped
        guard !snapshot.pointee.providers.isEmpty, c.pointee.exchange.tried.isEmpty else { return false }
        if request.method == .get || request.method == .head { return answerAccount(index, request) }
        guard request.method == .post else { return false }
        let match = Endpoint.of(path: request.path)
        guard match.endpoint.namesModel else { return false }
        if c.pointee.exchange.pathIsAmbiguous && !readingsAgree(c, request) {
            refuse(index, .ambiguousPath)
            return true
        }
        guard c.pointee.exchange.requestIsComplete else {
            // It may have to be changed, and sent again elsewhere.
            c.pointee.exchange.phase = .readingBody
            c.pointee.exchange.streamsRequest = false
            bodyCameIn(index)
            if c.pointee.isReadable { enqueueClient(index) }
            return true
        }
        guard let slot = providerExchanges.allocate() else {
            refuse(index, .noCapacity)
            return true
        }
        let side = providerExchanges.pointer(slot)
        side.begin(freshProviderExchange)
        side.pointee.endpoint = match
        c.pointee.exchange.provider = Int32(slot)
        let refusal = admit(c, side, request)
        guard refusal == .none else {
            refuse(index, refusal)
            return true
        }
        captureRequestBody(c)
        continueWithProviders(index)
        return true
    }

    /// Everything that can turn the request away before a provider is asked. What is taken from the caller's account is
    /// noted, and given back when the exchange ends.
    private mutating func admit(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>,
        _ request: RequestView
    ) -> ExchangeError {
        let fault = readFacts(c, side, request)
        if fault != .none { return fault }
        let providers = UnsafePointer(c.pointee.exchange.snapshot.unsafelyUnwrapped).pointee.providers
        let name = Bytes(side.pointee.name.readPointer, side.pointee.name.count)
        guard let resolution = providers.resolve(name) else { return unknown(c, name) }
        side.pointee.entry = resolution.entry
        side.pointee.single = resolution.single
        let set = candidates(c, side)
        guard set.count > 0 else { return unknown(c, name) }
        var refusal = ExchangeError.none
        for i in 0..<set.count {
            switch providers.admission(set, i) {
            case .usable: return takeFromAccount(c, side, providers)
            case .notAllowed: refusal = .modelNotAllowed
            case .notPriced: if refusal != .modelNotAllowed { refusal = .modelNotPriced }
            default: break
            }
        }
        if refusal != .none { return refusal }
        return providers.mayAsk(set) ? .modelNotFound : .modelNotAllowed
    }

    /// Nobody has the model: only a caller who may ask for it gets to know that.
    private func unknown(_ c: UnsafeMutablePointer<ClientConnection>, _ name: Bytes) -> ExchangeError {
        guard restrictsModels(c), !caller(c).pointee.allows(asked: name, model: name, provider: .empty) else {
            return .modelNotFound
        }
        return .modelNotAllowed
    }

    /// The candidates of an exchange; the pointer stays valid as long as the exchange is open.
    func candidates(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>
    ) -> CandidateSet {
        let providers = c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.providers
        var set: CandidateSet
        if side.pointee.entry < 0 {
            set = CandidateSet(candidates: side.single, count: 1, turns: providers.sharedTurns)
            // Whoever names a provider outright gets it, whatever it is said to speak.
            set.isNamed = true
        } else {
            let entry = providers.models.pointer(Int(side.pointee.entry))
            set = CandidateSet(
                candidates: entry.pointee.candidates.pointer(0), count: entry.pointee.candidates.count,
                turns: entry.pointee.turns)
        }
        set.startedAt = c.pointee.exchange.startedAt
        set.endpoint = side.pointee.endpoint.endpoint
        set.tier = side.pointee.request.tier
        set.isFast = side.pointee.request.isFast
        set.namesOthers = side.pointee.request.namesOtherModels
        if c.pointee.exchange.keyIndex >= 0 { set.payer = providers.payer(caller(c)) }
        if restrictsModels(c) {
            set.caller = caller(c)
            set.asked = Bytes(side.pointee.name.readPointer, side.pointee.name.count)
        }
        return set
    }

    /// The candidate whose attempt is under way, or was the last.
    @inline(__always)
    func candidate(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>
    ) -> UnsafePointer<Candidate> {
        if side.pointee.entry < 0 { return side.single }
        let snapshot = c.pointee.exchange.snapshot.unsafelyUnwrapped
        return snapshot.pointee.providers.models.pointer(Int(side.pointee.entry)).pointee.candidates
            .pointer(Int(side.pointee.candidate))
    }

    /// Reserves the worst case.
    private mutating func takeFromAccount(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>,
        _ providers: ProviderTable
    ) -> ExchangeError {
        guard c.pointee.exchange.keyIndex >= 0 else { return .none }
        let caller = caller(c)
        let worst = providers.worstCase(
            candidates(c, side), RequestBounds(c, side, size: body(c).count), currency: caller.pointee.currency)
        // As in the database: an exchange belongs to the period in which it was accepted.
        let place = caller.pointee.budget.place(
            accepted: Int64(clamping: c.pointee.exchange.auditID.unixMilliseconds))
        switch caller.pointee.budget.reserve(worst, limits: caller.pointee.limits, periodStart: place.periodStart) {
        case .reserved: break
        case .noTokens: return .outOfTokens
        case .noAmount: return .outOfMoney
        }
        side.pointee.reserved = worst
        side.pointee.place = place
        side.pointee.holdsReservation = true
        return .none
    }

    // MARK: Attempts

    /// Chooses provider and key for the next attempt and makes it; if nothing is left, answers with the error that the
    /// exchange holds.
    mutating func continueWithProviders(_ index: UInt32) {
        let c = clients.pointer(index)
        if tryNextProvider(index) { return }
        let earlier = c.pointee.exchange.error
        refuse(index, earlier == .none ? .noHealthyKey : earlier)
    }

    /// Makes the next attempt, if there is one to make.
    mutating func tryNextProvider(_ index: UInt32) -> Bool {
        let c = clients.pointer(index)
        guard c.pointee.exchange.canReplay else { return false }
        let side = providerExchanges.pointer(UInt32(c.pointee.exchange.provider))
        let providers = c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.providers
        let set = candidates(c, side)
        switch providers.next(set, after: side.attempts, now: now, random: nextRandom()) {
        case .nothing(let wait):
            c.pointee.exchange.retryAfterMilliseconds = UInt32(clamping: wait)
            return false
        case .attempt(let candidate, let key, let isProbe, let pause):
            releaseAttempt(c)
            begin(index, side, candidate: candidate, key: key, isProbe: isProbe)
            if side.pointee.attempts.count > 0 { metrics.retried(route(c).pointee.metricID) }
            // Not while the client has to be waited for: its connection has one deadline.
            if pause > 0 && c.pointee.outbound.isEmpty {
                backOff(index, nextRandom() % (pause + 1))
            } else {
                startAttempt(index)
            }
            return true
        }
    }

    /// Whether more keys or providers are left than the exchange may try.
    func isOutOfAttempts(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>
    ) -> Bool {
        let providers = c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.providers
        return providers.isOutOfAttempts(candidates(c, side), after: side.attempts, now: now)
    }

    private mutating func begin(
        _ index: UInt32, _ side: UnsafeMutablePointer<ProviderExchange>, candidate: Int, key: Int, isProbe: Bool
    ) {
        let c = clients.pointer(index)
        let providers = c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.providers
        c.pointee.exchange.routeIndex = providers.keys.pointer(key).pointee.route
        c.pointee.exchange.error = .none
        side.pointee.candidate = Int32(candidate)
        let chosen = self.candidate(c, side)
        side.pointee.key = Int32(key)
        side.pointee.isProbe = isProbe
        side.pointee.isUnderWay = true
        side.pointee.isAnswered = false
        side.pointee.attemptStartedAt = nowNanoseconds
        side.pointee.firstByteNanoseconds = 0
        side.pointee.status = 0
        side.pointee.isOut = false
        resetAnswer(side)
        let load = providers.providers.pointer(Int(chosen.pointee.provider)).pointee.load
        load.began()
        side.pointee.hasRefusedUsage = false
        side.pointee.asksForUsage = side.pointee.needsUsage && load.isAskedForUsage(nowMilliseconds: now)
        providers.keys.pointer(key).pointee.load.began()
        side.pointee.shape = eventShapes[Int(chosen.pointee.metric)]
        rewriteForProvider(c, side, chosen.pointee)
    }

    /// The pause before an attempt is over: its time counts from here on.
    func attemptBegins(_ c: UnsafeMutablePointer<ClientConnection>) {
        if c.pointee.exchange.provider < 0 { return }
        providerExchanges.pointer(UInt32(c.pointee.exchange.provider)).pointee.attemptStartedAt = nowNanoseconds
    }

    /// An attempt failed before anything of an answer came: the next one, or the end.
    mutating func providerAttemptFailed(_ index: UInt32, _ failure: AttemptFailure, _ error: ExchangeError) {
        let c = clients.pointer(index)
        let side = providerExchanges.pointer(UInt32(c.pointee.exchange.provider))
        c.pointee.exchange.error = error
        releaseAttempt(c)
        if failure == .closed(wasReused: true),
            c.pointee.exchange.failover.decide(failure, retryCount: 0, maxRetries: 0, canReplay: true) == .retryNow
        {
            // The connection had died of age: nobody is to blame, and nothing was tried.
            resetAnswer(side)
            metrics.resent(isIdempotent: c.pointee.exchange.method.isIdempotent)
            return startAttempt(index)
        }
        let outcome: AttemptOutcome =
            switch failure {
            case .connect, .connectTimeout: .connectFailed
            case .dns: .lookUpFailed
            case .tls: .tlsFailed
            case .closed, .status: .cutOff
            case .responseTimeout: .timedOut
            case .malformedResponse: .malformed
            }
        if let reason = error.upstreamReason { metrics.upstreamError(route(c).pointee.metricID, reason) }
        endAttempt(c, side, outcome, retryAfter: nil)
        continueWithProviders(index)
    }

    /// For so long a provider that has refused `stream_options` is not sent it.
    static let usageRefusalMilliseconds: UInt64 = 600_000

    /// The provider refuses what only we have asked it for: the same request goes to the same key without that.
    mutating func askWithoutUsage(_ index: UInt32, _ side: UnsafeMutablePointer<ProviderExchange>) {
        let c = clients.pointer(index)
        releaseAttempt(c)
        resetAnswer(side)
        side.pointee.hasRefusedUsage = true
        side.pointee.asksForUsage = false
        side.pointee.status = 0
        rewriteForProvider(c, side, candidate(c, side).pointee)
        metrics.retried(route(c).pointee.metricID)
        startAttempt(index)
    }

    /// The attempt under way has ended: what it tells of provider and key goes into their cells, and it is written down.
    mutating func endAttempt(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>,
        _ outcome: AttemptOutcome, retryAfter: UInt64?
    ) {
        guard side.pointee.isUnderWay else { return }
        side.pointee.isUnderWay = false
        let providers = c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.providers
        let key = providers.keys.pointer(Int(side.pointee.key))
        let provider = providers.providers.pointer(Int(key.pointee.provider))
        let time = now
        let wasProbe = side.pointee.isProbe && !side.pointee.isAnswered
        provider.pointee.load.ended()
        key.pointee.load.ended()
        if outcome == .abandoned {
            provider.pointee.load.updateBreaker { $0.undecided(wasProbe: wasProbe) }
        } else if outcome.isProviderFault {
            let position = Int(side.pointee.key - provider.pointee.firstKey)
            let failed = outcome.isOfHost ? Breaker.Keys.all : Breaker.Keys.one(position)
            let usable = providers.usableKeys(Int(key.pointee.provider), now: time)
            provider.pointee.load.updateBreaker {
                $0.failed(nowMilliseconds: time, wasProbe: wasProbe, keys: failed, usable: usable)
            }
        } else if !side.pointee.isAnswered {
            provider.pointee.load.updateBreaker { $0.succeeded() }
        }
        if outcome != .abandoned {
            provider.pointee.load.noted(success: !outcome.isProviderFault)
            key.pointee.load.noted(success: outcome == .answered || outcome == .modelNotFound)
        }
        if outcome == .timedOut && side.pointee.status == 0 {
            // The first byte would have come later still.
            let waited = (nowNanoseconds &- side.pointee.attemptStartedAt) / 1000
            provider.pointee.load.measured(firstByteMicroseconds: waited)
            key.pointee.load.measured(firstByteMicroseconds: waited)
        }
        if let reason = outcome.keyReason, !key.pointee.keyID.isEmpty {
            let isNews = key.pointee.load.updateHealth { $0.disable(reason) }
            if isNews { keyChanged(c, key, until: 0, reason) }
        } else if outcome == .rateLimited || outcome.keyReason != nil {
            // Also where no key was sent: there is none that an operator could set right.
            let until = key.pointee.load.updateHealth {
                $0.limited(nowMilliseconds: time, retryAfterMilliseconds: retryAfter)
            }
            if until > 0 { keyChanged(c, key, until: until, .none) }
        } else if outcome == .answered && !side.pointee.isAnswered {
            key.pointee.load.updateHealth { $0.succeeded(nowMilliseconds: time) }
        }
        side.pointee.attempts.append(
            ProviderAttempt(
                candidate: side.pointee.candidate, key: side.pointee.key, outcome: outcome,
                status: side.pointee.status,
                milliseconds: UInt32(clamping: (nowNanoseconds &- side.pointee.attemptStartedAt) / 1_000_000)))
        if outcome != .answered && outcome != .abandoned && side.pointee.isOut { attemptIsOver(c, side) }
    }

    /// The provider has begun to answer as it should: that counts at once, for the exchange may last.
    mutating func answerBegan(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>
    ) {
        if side.pointee.isAnswered { return }
        let providers = c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.providers
        let key = providers.keys.pointer(Int(side.pointee.key))
        let provider = providers.providers.pointer(Int(key.pointee.provider))
        let time = now
        let microseconds = side.pointee.firstByteNanoseconds / 1000
        provider.pointee.load.updateBreaker { $0.succeeded() }
        provider.pointee.load.measured(firstByteMicroseconds: microseconds)
        key.pointee.load.updateHealth { $0.succeeded(nowMilliseconds: time) }
        key.pointee.load.measured(firstByteMicroseconds: microseconds)
        // Only now is it certain that it was that.
        if side.pointee.hasRefusedUsage {
            provider.pointee.load.refusesUsage(untilMilliseconds: time + Self.usageRefusalMilliseconds)
        }
        side.pointee.isAnswered = true
    }
}

extension CompiledProvider {
    /// True if requests to this endpoint are in a format that the provider takes.
    func speaks(_ endpoint: Endpoint) -> Bool {
        switch endpoint.apiType {
        case .openai, .azure:
            // Gemini's has an interface for OpenAI's format beside its own.
            apiType == .openai || apiType == .azure || (apiType == .gemini && isCompatible)
        case .anthropic: apiType == .anthropic
        case .gemini: apiType == .gemini
        case nil: true
        }
    }

    /// The base URL is that of an OpenAI-compatible interface.
    private var isCompatible: Bool {
        let suffix: StaticString = "/openai"
        let n = suffix.utf8CodeUnitCount
        guard path.base.count >= n, let p = path.base.pointer else { return false }
        return bytesEqual(p + path.base.count - n, suffix.utf8Start, n)
    }
}
