/// A provider's circuit breaker in one word: closed, open for a while after failures in a row, then half open for one
/// probe. Pure: the caller brings the time, and shares the word (`SharedWord`).
struct Breaker: BitwiseCopyable, Equatable {
    /// Failures in a row (8 bits), openings in a row (4), whether a probe is out (1), open until in ms (48).
    var word: UInt64 = 0

    static let failuresToOpen: UInt64 = 5
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
    /// Monotonic milliseconds; 0 while closed.
    var openUntilMilliseconds: UInt64 { word >> 16 }

    func state(nowMilliseconds now: UInt64) -> State {
        if openUntilMilliseconds == 0 { return .closed }
        return now < openUntilMilliseconds ? .open : .halfOpen
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
    mutating func failed(nowMilliseconds now: UInt64, wasProbe: Bool) {
        // What was under way before it opened is no news.
        if openUntilMilliseconds != 0 && !wasProbe { return }
        let failures = min(failuresInARow + 1, 0xFF)
        guard wasProbe || failures >= Self.failuresToOpen else {
            word = word & ~0xFF | failures
            return
        }
        let pause = min(Self.firstPauseMilliseconds << openings, Self.maxPauseMilliseconds)
        word = (now + pause) << 16 | min(openings + 1, 0xF) << 8
    }
}
