/// A provider's circuit breaker in one word: closed, open for a while after failures in a row, then half open for one
/// probe. Failures are evidence about the provider only if its keys share them: a key that fails among keys that nobody has
/// tried does not open it. Pure: the caller brings the time, and shares the word (`SharedWord`).
struct Breaker: BitwiseCopyable, Equatable {
    /// Failures in a row (8 bits), openings in a row (4), whether a probe is out (1), whether it has opened (1); from bit 16
    /// on, once it has, until when in ms, before that the keys that failed in this row (48).
    var word: UInt64 = 0

    /// A set of a provider's keys in 48 bits; where it has more, some share one.
    struct Keys: BitwiseCopyable, Equatable {
        static let places = 48

        var bits: UInt64 = 0

        /// What failed would have failed with any key.
        static var all: Keys { Keys(bits: 1 << UInt64(places) - 1) }

        /// - Parameter position: among the provider's keys.
        static func one(_ position: Int) -> Keys { Keys(bits: 1 << UInt64(position % places)) }

        var isEmpty: Bool { bits == 0 }
        func contains(_ position: Int) -> Bool { bits != 0 && bits >> UInt64(position % Self.places) & 1 != 0 }
        mutating func insert(_ position: Int) { bits |= Self.one(position).bits }
        func union(_ other: Keys) -> Keys { Keys(bits: bits | other.bits) }
        func covers(_ other: Keys) -> Bool { other.bits & ~bits == 0 }
        var count: Int { bits.nonzeroBitCount }
    }

    static let failuresToOpen: UInt64 = 5
    /// So many different keys stand for all: no exchange tries more.
    static let keysToOpen = ProviderAttempts.capacity
    static let firstPauseMilliseconds: UInt64 = 5_000
    static let maxPauseMilliseconds: UInt64 = 60_000

    enum State: String, BitwiseCopyable {
        case closed
        case open
        case halfOpen = "half_open"
    }

    var failuresInARow: UInt64 { word & 0xFF }
    var openings: UInt64 { word >> 8 & 0xF }
    var probeIsOut: Bool { word >> 12 & 1 != 0 }
    private var hasOpened: Bool { word >> 13 & 1 != 0 }
    /// Monotonic milliseconds; 0 while closed.
    var openUntilMilliseconds: UInt64 { hasOpened ? word >> 16 : 0 }
    /// Keys that failed in the present row, while closed: others go before them.
    var suspects: Keys { Keys(bits: hasOpened ? 0 : word >> 16) }

    func state(nowMilliseconds now: UInt64) -> State {
        if !hasOpened { return .closed }
        return now < openUntilMilliseconds ? .open : .halfOpen
    }

    /// Whether it has not been open since that moment and before: it is closed, or opened (again) only then or later.
    func wasClosed(atMilliseconds moment: UInt64) -> Bool {
        if !hasOpened { return true }
        let until = openUntilMilliseconds
        return until >= moment && until - moment >= Self.pause(opening: openings)
    }

    /// - Parameter opening: 1 is the first of those in a row.
    private static func pause(opening: UInt64) -> UInt64 {
        min(firstPauseMilliseconds << (max(opening, 1) - 1), maxPauseMilliseconds)
    }

    /// True if an exchange may go to the provider now: always while closed, one at a time while half open.
    func admits(nowMilliseconds now: UInt64) -> Bool {
        switch state(nowMilliseconds: now) {
        case .closed: true
        case .open: false
        case .halfOpen: !probeIsOut
        }
    }

    /// What `enter` decided.
    enum Entry: BitwiseCopyable, Equatable {
        case refused
        case admitted
        /// This exchange is the probe: exactly one of `succeeded`, `failed` and `undecided` must follow.
        case probe
    }

    mutating func enter(nowMilliseconds now: UInt64) -> Entry {
        switch state(nowMilliseconds: now) {
        case .closed: return .admitted
        case .open: return .refused
        case .halfOpen:
            if probeIsOut { return .refused }
            word |= 1 << 12
            return .probe
        }
    }

    /// The provider answered. A success of an exchange that began before the breaker opened closes it just as well.
    mutating func succeeded() { word = 0 }

    /// The exchange ended without a word about the provider.
    mutating func undecided(wasProbe: Bool) {
        if wasProbe { word &= ~(1 << 12) }
    }

    /// Overloaded, timed out, unreachable, cut off or a 5xx.
    ///
    /// - Parameters:
    ///   - keys: with which it failed: one, or all if none could have done better.
    ///   - usable: the provider's keys that could serve. Only once all of them have failed in this row, or as many as
    ///     stand for all, has the provider.
    mutating func failed(
        nowMilliseconds now: UInt64, wasProbe: Bool, keys: Keys = .all, usable: Keys = Keys()
    ) {
        // What was under way before it opened is no news; nor is, once others have closed it, that one was a probe.
        if hasOpened && !wasProbe { return }
        let failures = min(failuresInARow + 1, 0xFF)
        let met = suspects.union(keys)
        let isShared = met.covers(usable) || met.count >= Self.keysToOpen
        guard hasOpened || (failures >= Self.failuresToOpen && isShared) else {
            word = met.bits << 16 | failures
            return
        }
        let opening = min(openings + 1, 0xF)
        word = (now + Self.pause(opening: opening)) << 16 | 1 << 13 | opening << 8
    }
}
