import LLM
import Reactor

/// Why a candidate is not chosen.
enum CandidateVerdict: BitwiseCopyable, Equatable {
    case usable
    case providerDisabled
    /// The provider does not take the request's format.
    case otherFormat
    /// The caller's key may not use the model.
    case notAllowed
    /// Nobody knows what it costs, and the caller has a budget of money.
    case notPriced
    case breakerOpen(untilMilliseconds: UInt64)
    case probeIsOut
    case noKey
    case keysDisabled
    /// Of all that are not disabled the first is back then.
    case keysCooling(untilMilliseconds: UInt64)
    /// All usable keys have been tried in this exchange.
    case tried
}

/// What an exchange does next.
enum ProviderNext: BitwiseCopyable, Equatable {
    /// - pauseMilliseconds: at most this long before; 0 = at once.
    case attempt(candidate: Int, key: Int, isProbe: Bool, pauseMilliseconds: UInt64)
    /// Nothing is left to try; if something comes back, after this many milliseconds (0: nothing will by itself).
    case nothing(retryAfterMilliseconds: UInt64)
}

/// Candidates of one exchange and which of them it may use.
struct CandidateSet: BitwiseCopyable {
    var candidates: UnsafePointer<Candidate>
    var count: Int
    /// Counts the choices between providers.
    var turns: LoadCell
    var endpoint = Endpoint.chatCompletions
    /// The request says which provider it wants: it gets that one, whatever that is said to speak.
    var isNamed = false
    /// Nil: nobody whose models are limited.
    var caller: UnsafePointer<CallerPolicy>?
    /// The model's name as the client wrote it.
    var asked = Bytes.empty
    /// Nil: nobody who must know what it costs.
    var payer: UnsafePointer<CallerPolicy>?
    var tier = ServiceTier.standard
    var isFast = false
    /// The request names models beside the one it asks for: whether they are allowed, and what they cost, is not known.
    var namesOthers = false
    /// When the exchange began, in the workers' nanoseconds.
    var startedAt = UInt64.max
}

/// Chooses provider and key for an exchange's next attempt. Reads and enters the shared cells, and nothing else: the same
/// cells, time and random number give the same choice.
extension ProviderTable {
    /// After a fault that may pass, the same key is tried again at most this often, when there is nothing else.
    static let maxRepeats = 2
    static let firstPauseMilliseconds: UInt64 = 200

    func next(_ set: CandidateSet, after attempts: AttemptsPointer, now: UInt64, random: UInt64) -> ProviderNext {
        if attempts.pointee.count >= attemptsAllowed { return .nothing(retryAfterMilliseconds: 0) }
        // Where others take what was usable a moment ago there may be another; not for ever.
        var tries = 0
        while tries < 8, let found = pick(set, attempts, now, random) {
            tries += 1
            let load = providers.pointer(Int(set.candidates[found].provider)).pointee.load
            let entry = load.updateBreaker { $0.enter(nowMilliseconds: now) }
            if entry == .refused && !passes(set, load.breaker, attempts) { continue }
            return .attempt(
                candidate: found, key: pickKey(set, found, attempts, now, random), isProbe: entry == .probe,
                pauseMilliseconds: 0)
        }
        return again(set, after: attempts, now: now)
    }

    private var attemptsAllowed: Int { min(settings.maxAttempts, ProviderAttempts.capacity) }

    /// Whether there would be more to try, had the exchange not tried as much as it may.
    func isOutOfAttempts(_ set: CandidateSet, after attempts: AttemptsPointer, now: UInt64) -> Bool {
        guard attempts.pointee.count >= attemptsAllowed else { return false }
        return (0..<set.count).contains { verdict(set, $0, attempts, now: now) == .usable }
    }

    /// Of the first group with a usable candidate one by the strategy; candidates whose provider has failed in this
    /// exchange come last.
    private func pick(_ set: CandidateSet, _ attempts: AttemptsPointer, _ now: UInt64, _ random: UInt64) -> Int? {
        var pass = 0
        while pass < 2 {
            var i = 0
            while i < set.count {
                let first = i
                let group = set.candidates[i].group
                var choice = BalancingChoice(settings.balancing, random: random)
                while i < set.count && set.candidates[i].group == group {
                    if isOption(set, i, attempts, now, isSecondPass: pass == 1) { choice.add(option(set, i)) }
                    i &+= 1
                }
                if choice.count == 0 { continue }
                let turn = attempts.pointee.count == 0 ? set.turns.takeTurn() : set.turns.turn
                if let decided = choice.decide(turn: turn) { return Int(decided) }
                var k = first
                while k < i {
                    if isOption(set, k, attempts, now, isSecondPass: pass == 1) && choice.offer(option(set, k)) {
                        break
                    }
                    k &+= 1
                }
                return Int(choice.chosen)
            }
            pass &+= 1
        }
        return nil
    }

    private func isOption(
        _ set: CandidateSet, _ index: Int, _ attempts: AttemptsPointer, _ now: UInt64, isSecondPass: Bool
    ) -> Bool {
        hasFailed(set, Int(set.candidates[index].provider), attempts) == isSecondPass
            && verdict(set, index, attempts, now: now) == .usable
    }

    func option(_ set: CandidateSet, _ index: Int) -> BalancingOption {
        let provider = providers.pointer(Int(set.candidates[index].provider))
        return provider.pointee.load.option(index: index, weight: provider.pointee.weight)
    }

    private func hasFailed(_ set: CandidateSet, _ provider: Int, _ attempts: AttemptsPointer) -> Bool {
        var i = 0
        while i < attempts.pointee.count {
            let attempt = attempts.attempt(i)
            if attempt.outcome.isProviderFault && Int(set.candidates[Int(attempt.candidate)].provider) == provider {
                return true
            }
            i &+= 1
        }
        return false
    }

    /// Whether a request may go to a candidate at all, however that fares: `.usable` if so.
    func admission(_ set: CandidateSet, _ index: Int) -> CandidateVerdict {
        let provider = providers.pointer(Int(set.candidates[index].provider))
        if !set.isNamed && !provider.pointee.speaks(set.endpoint) { return .otherFormat }
        if let caller = set.caller,
            set.namesOthers
                || !caller.pointee.allows(
                    asked: set.asked, model: set.candidates[index].model, provider: provider.pointee.name)
        {
            return .notAllowed
        }
        if let payer = set.payer, set.namesOthers || !isPriced(set, index, for: payer) { return .notPriced }
        return .usable
    }

    /// Whether the caller may ask for the name, or for any model that it stands for.
    func mayAsk(_ set: CandidateSet) -> Bool {
        guard let caller = set.caller else { return true }
        if caller.pointee.allows(asked: set.asked, model: set.asked, provider: .empty) { return true }
        for i in 0..<set.count {
            let (model, provider) = (set.candidates[i].model, Int(set.candidates[i].provider))
            if caller.pointee.allows(asked: set.asked, model: model, provider: providers.pointer(provider).pointee.name)
            {
                return true
            }
        }
        return false
    }

    /// Whether a candidate can take the next attempt, or the first thing that speaks against it.
    func verdict(
        _ set: CandidateSet, _ index: Int, _ attempts: AttemptsPointer, now: UInt64
    ) -> CandidateVerdict {
        let admission = admission(set, index)
        if admission != .usable { return admission }
        let provider = providers.pointer(Int(set.candidates[index].provider))
        if !provider.pointee.isEnabled { return .providerDisabled }
        let breaker = provider.pointee.load.breaker
        var shut = CandidateVerdict.usable
        switch breaker.state(nowMilliseconds: now) {
        case .closed: break
        case .open: shut = .breakerOpen(untilMilliseconds: breaker.openUntilMilliseconds)
        case .halfOpen: if breaker.probeIsOut { shut = .probeIsOut }
        }
        if shut != .usable && !passes(set, breaker, attempts) { return shut }
        var hasKey = false
        var isTried = false
        var coolingUntil = UInt64.max
        var i = Int(provider.pointee.firstKey)
        let end = i + Int(provider.pointee.keyCount)
        while i < end {
            let key = keys.pointer(i)
            if key.pointee.isEnabled {
                hasKey = true
                let health = key.pointee.load.health
                if health.isUsable(nowMilliseconds: now) {
                    if attempts.count(candidate: index, key: i) == 0 { return .usable }
                    isTried = true
                } else if !health.isDisabled {
                    coolingUntil = min(coolingUntil, health.coolingUntilMilliseconds)
                }
            }
            i &+= 1
        }
        if isTried { return shut == .usable ? .tried : shut }
        if coolingUntil != .max { return .keysCooling(untilMilliseconds: coolingUntil) }
        return hasKey ? .keysDisabled : .noKey
    }

    /// A breaker that opened while the exchange was under way does not keep it from keys that it has not tried: it was let
    /// in, and what it has met may have been nothing but bad keys.
    private func passes(_ set: CandidateSet, _ breaker: Breaker, _ attempts: AttemptsPointer) -> Bool {
        attempts.pointee.count > 0 && breaker.wasClosed(atMilliseconds: set.startedAt / 1_000_000)
    }

    /// The candidate is usable: one of its keys by the provider's strategy. Keys that failed since the provider last
    /// answered well give way to the others: either those serve, or all have failed and it is the provider.
    private func pickKey(
        _ set: CandidateSet, _ index: Int, _ attempts: AttemptsPointer, _ now: UInt64, _ random: UInt64
    ) -> Int {
        let provider = providers.pointer(Int(set.candidates[index].provider))
        let first = Int(provider.pointee.firstKey)
        let count = Int(provider.pointee.keyCount)
        // Keys take turns of their own, in a word that the provider's first key keeps.
        let turn = keys.pointer(first).pointee.load.takeTurn()
        var avoided = provider.pointee.load.breaker.suspects
        while true {
            var choice = BalancingChoice(provider.pointee.keyBalancing, random: random)
            var i = first
            while i < first + count {
                if !avoided.contains(i - first), isOption(key: i, of: index, attempts, now) {
                    choice.add(option(key: i))
                }
                i &+= 1
            }
            if choice.count == 0 {
                // Another worker may have used the last one up since: then the first is as good as any.
                if avoided.isEmpty { return first }
                avoided = Breaker.Keys()
                continue
            }
            if let decided = choice.decide(turn: turn) { return Int(decided) }
            i = first
            while i < first + count {
                if !avoided.contains(i - first), isOption(key: i, of: index, attempts, now),
                    choice.offer(option(key: i))
                {
                    break
                }
                i &+= 1
            }
            return Int(choice.chosen)
        }
    }

    /// Those of a provider's keys that could serve.
    func usableKeys(_ provider: Int, now: UInt64) -> Breaker.Keys {
        let first = Int(providers[provider].firstKey)
        var usable = Breaker.Keys()
        for position in 0..<Int(providers[provider].keyCount) {
            let key = keys.pointer(first + position)
            if key.pointee.isEnabled && key.pointee.load.health.isUsable(nowMilliseconds: now) {
                usable.insert(position)
            }
        }
        return usable
    }

    private func isOption(key: Int, of candidate: Int, _ attempts: AttemptsPointer, _ now: UInt64) -> Bool {
        keys.pointer(key).pointee.isEnabled && keys.pointer(key).pointee.load.health.isUsable(nowMilliseconds: now)
            && attempts.count(candidate: candidate, key: key) == 0
    }

    private func option(key: Int) -> BalancingOption {
        keys.pointer(key).pointee.load.option(index: key, weight: keys.pointer(key).pointee.weight)
    }

    /// Everything has been tried. What failed in a way that may pass is tried again, after a pause that grows.
    private func again(_ set: CandidateSet, after attempts: AttemptsPointer, now: UInt64) -> ProviderNext {
        var repeats = 0
        var i = 0
        while i < attempts.pointee.count {
            let attempt = attempts.attempt(i)
            repeats += attempts.count(candidate: Int(attempt.candidate), key: Int(attempt.key)) > 1 ? 1 : 0
            i &+= 1
        }
        i = attempts.pointee.count - 1
        while i >= 0 {
            let attempt = attempts.attempt(i)
            i &-= 1
            let candidate = Int(attempt.candidate)
            let tries = attempts.count(candidate: candidate, key: Int(attempt.key))
            guard attempt.outcome.mayPass, tries <= Self.maxRepeats,
                keys.pointer(Int(attempt.key)).pointee.load.health.isUsable(nowMilliseconds: now)
            else { continue }
            let load = providers.pointer(Int(set.candidates[candidate].provider)).pointee.load
            let entry = load.updateBreaker { $0.enter(nowMilliseconds: now) }
            if entry == .refused { continue }
            return .attempt(
                candidate: candidate, key: Int(attempt.key), isProbe: entry == .probe,
                pauseMilliseconds: Self.firstPauseMilliseconds << UInt64(min(repeats, 4)))
        }
        return .nothing(retryAfterMilliseconds: soonest(set, attempts, now))
    }

    /// How long until the first of what is left out for a while is back.
    private func soonest(_ set: CandidateSet, _ attempts: AttemptsPointer, _ now: UInt64) -> UInt64 {
        var until = UInt64.max
        for i in 0..<set.count {
            switch verdict(set, i, attempts, now: now) {
            case .breakerOpen(let end), .keysCooling(let end): until = min(until, end)
            case .probeIsOut: until = min(until, now + 1000)
            default: break
            }
        }
        return until == .max ? 0 : max(until, now + 1) - now
    }
}
