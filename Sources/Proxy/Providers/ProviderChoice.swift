import Reactor

/// Why a candidate is not chosen.
enum CandidateVerdict: BitwiseCopyable, Equatable {
    case usable
    case providerDisabled
    /// Excluded by the caller: another format than the request's, or a model that the key may not use.
    case excluded
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
    /// A bit for each candidate that may be used.
    var allowed: UInt64
    /// Counts the choices between providers.
    var turns: LoadCell
}

/// Chooses provider and key for an exchange's next attempt. Reads and enters the shared cells, and nothing else: the same
/// cells, time and random number give the same choice.
extension ProviderTable {
    /// After a fault that may pass, the same key is tried again at most this often, when there is nothing else.
    static let maxRepeats = 2
    static let firstPauseMilliseconds: UInt64 = 200

    func next(_ set: CandidateSet, after attempts: ProviderAttempts, now: UInt64, random: UInt64) -> ProviderNext {
        if attempts.count >= settings.maxAttempts || attempts.count >= ProviderAttempts.capacity {
            return .nothing(retryAfterMilliseconds: 0)
        }
        var allowed = set.allowed
        while true {
            guard let found = pick(set, allowed, attempts, now, random) else {
                return again(set, after: attempts, now: now)
            }
            let load = providers.pointer(Int(set.candidates[found].provider)).pointee.load
            switch load.updateBreaker({ $0.enter(nowMilliseconds: now) }) {
            case .refused: allowed &= ~(1 << UInt64(found))
            case .admitted:
                return .attempt(
                    candidate: found, key: pickKey(set, found, attempts, now, random), isProbe: false,
                    pauseMilliseconds: 0)
            case .probe:
                return .attempt(
                    candidate: found, key: pickKey(set, found, attempts, now, random), isProbe: true,
                    pauseMilliseconds: 0)
            }
        }
    }

    /// Of the first group with a usable candidate one by the strategy; candidates whose provider has failed in this
    /// exchange come last.
    private func pick(
        _ set: CandidateSet, _ allowed: UInt64, _ attempts: ProviderAttempts, _ now: UInt64, _ random: UInt64
    ) -> Int? {
        withUnsafeTemporaryAllocation(of: BalancingOption.self, capacity: Self.maxCandidates) { options in
            let p = options.baseAddress.unsafelyUnwrapped
            var pass = 0
            while pass < 2 {
                var i = 0
                while i < set.count {
                    let group = set.candidates[i].group
                    var found = 0
                    while i < set.count && set.candidates[i].group == group {
                        if allowed >> UInt64(i) & 1 != 0,
                            hasFailed(set, Int(set.candidates[i].provider), attempts) == (pass == 1),
                            verdict(set, i, attempts, now: now) == .usable
                        {
                            let provider = providers.pointer(Int(set.candidates[i].provider))
                            (p + found).initialize(
                                to: provider.pointee.load.option(index: i, weight: provider.pointee.weight))
                            found &+= 1
                        }
                        i &+= 1
                    }
                    if found == 0 { continue }
                    let turn = attempts.count == 0 ? set.turns.takeTurn() : set.turns.turn
                    return Int(p[settings.balancing.choose(p, found, turn: turn, random: random)].index)
                }
                pass &+= 1
            }
            return nil
        }
    }

    private func hasFailed(_ set: CandidateSet, _ provider: Int, _ attempts: ProviderAttempts) -> Bool {
        var i = 0
        while i < attempts.count {
            let attempt = attempts[i]
            if attempt.outcome.isProviderFault && Int(set.candidates[Int(attempt.candidate)].provider) == provider {
                return true
            }
            i &+= 1
        }
        return false
    }

    /// Whether a candidate can take the next attempt, or the first thing that speaks against it.
    func verdict(
        _ set: CandidateSet, _ index: Int, _ attempts: ProviderAttempts, now: UInt64
    ) -> CandidateVerdict {
        if set.allowed >> UInt64(index) & 1 == 0 { return .excluded }
        let provider = providers.pointer(Int(set.candidates[index].provider))
        if !provider.pointee.isEnabled { return .providerDisabled }
        let breaker = provider.pointee.load.breaker
        switch breaker.state(nowMilliseconds: now) {
        case .closed: break
        case .open: return .breakerOpen(untilMilliseconds: breaker.openUntilMilliseconds)
        case .halfOpen: if breaker.probeIsOut { return .probeIsOut }
        }
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
        if isTried { return .tried }
        if coolingUntil != .max { return .keysCooling(untilMilliseconds: coolingUntil) }
        return hasKey ? .keysDisabled : .noKey
    }

    /// The candidate is usable: one of its keys by the provider's strategy.
    private func pickKey(
        _ set: CandidateSet, _ index: Int, _ attempts: ProviderAttempts, _ now: UInt64, _ random: UInt64
    ) -> Int {
        let provider = providers.pointer(Int(set.candidates[index].provider))
        let first = Int(provider.pointee.firstKey)
        let count = Int(provider.pointee.keyCount)
        // Keys take turns of their own, in a word that the provider's first key keeps.
        let turn = keys.pointer(first).pointee.load.takeTurn()
        // Of a pool too large to be looked at as a whole, a part that moves on.
        let start = count > Self.maxCandidates ? Int(turn % UInt64(count)) : 0
        return withUnsafeTemporaryAllocation(of: BalancingOption.self, capacity: Self.maxCandidates) { options in
            let p = options.baseAddress.unsafelyUnwrapped
            var found = 0
            for offset in 0..<count where found < Self.maxCandidates {
                let i = first + (start + offset) % count
                let key = keys.pointer(i)
                guard key.pointee.isEnabled, key.pointee.load.health.isUsable(nowMilliseconds: now),
                    attempts.count(candidate: index, key: i) == 0
                else { continue }
                (p + found).initialize(to: key.pointee.load.option(index: i, weight: key.pointee.weight))
                found += 1
            }
            // Another worker may have used the last one up since: then the first is as good as any.
            if found == 0 { return first }
            return Int(p[provider.pointee.keyBalancing.choose(p, found, turn: turn, random: random)].index)
        }
    }

    /// Everything has been tried. What failed in a way that may pass is tried again, after a pause that grows.
    private func again(_ set: CandidateSet, after attempts: ProviderAttempts, now: UInt64) -> ProviderNext {
        var repeats = 0
        var i = 0
        while i < attempts.count {
            let attempt = attempts[i]
            repeats += attempts.count(candidate: Int(attempt.candidate), key: Int(attempt.key)) > 1 ? 1 : 0
            i &+= 1
        }
        i = attempts.count - 1
        while i >= 0 {
            let attempt = attempts[i]
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
    private func soonest(_ set: CandidateSet, _ attempts: ProviderAttempts, _ now: UInt64) -> UInt64 {
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
