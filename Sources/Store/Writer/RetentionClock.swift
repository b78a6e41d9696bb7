/// Whether the machine's clock can be trusted with deleting rows for their age: a clock that was set wrong makes all rows
/// old at once, and what is deleted does not come back when it is set right.
///
/// After a jump nothing is deleted for a day of uptime; an operator has so long to see it. Slow corrections are no jumps.
struct RetentionClock {
    static let jumpMilliseconds: Int64 = 3_600_000
    static let restMilliseconds: UInt64 = 86_400_000

    /// What a look at the clock says.
    enum Verdict: Equatable {
        case steady
        /// It was set by so much, forward if positive, since the look before. Told once.
        case jumped(milliseconds: Int64)
        /// It jumped not long ago.
        case resting
    }

    /// Real time less monotonic time, at the look before.
    private var difference: Int64?
    private var restsUntil: UInt64 = 0

    /// - Parameters:
    ///   - now: Unix milliseconds.
    ///   - monotonicNow: the same moment by the clock that never jumps.
    mutating func look(now: Int64, monotonicNow: UInt64) -> Verdict {
        let current = now - Int64(monotonicNow)
        defer { difference = current }
        if let difference, abs(current - difference) > Self.jumpMilliseconds {
            restsUntil = monotonicNow + Self.restMilliseconds
            return .jumped(milliseconds: current - difference)
        }
        return monotonicNow < restsUntil ? .resting : .steady
    }

    /// The first look, at the start: that not even the newest row is young enough to stay may be the clock's fault.
    mutating func begin(now: Int64, monotonicNow: UInt64, newestRow: Int64?, days: Int) -> Verdict {
        difference = now - Int64(monotonicNow)
        guard let newestRow, newestRow < now - Int64(days) * 86_400_000 else { return .steady }
        restsUntil = monotonicNow + Self.restMilliseconds
        return .jumped(milliseconds: now - newestRow)
    }
}
