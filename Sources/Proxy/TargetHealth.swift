/// One worker's view of one upstream: left out after repeated failures, let back in by one probe (outlier ejection with
/// a half-open state). Pure: the caller brings the time.
struct TargetHealth: BitwiseCopyable, Equatable {
    /// Failures in a row before a target is left out.
    static let failuresToEject: UInt16 = 5
    static let firstCooldownMilliseconds: UInt64 = 5_000
    static let maxCooldownMilliseconds: UInt64 = 60_000

    private(set) var failuresInARow: UInt16 = 0
    private(set) var ejections: UInt8 = 0
    /// Monotonic milliseconds; 0 = not left out.
    private(set) var ejectedUntilMilliseconds: UInt64 = 0
    private(set) var probeIsOut = false

    /// True if the target may be chosen now. Once its cool-down is over, one exchange at a time may probe it.
    func isAvailable(nowMilliseconds now: UInt64) -> Bool {
        ejectedUntilMilliseconds == 0 || (now >= ejectedUntilMilliseconds && !probeIsOut)
    }

    /// The target was chosen.
    mutating func chosen(nowMilliseconds now: UInt64) {
        if ejectedUntilMilliseconds != 0 && now >= ejectedUntilMilliseconds { probeIsOut = true }
    }

    /// A response came whose status does not speak against the target.
    mutating func succeeded() {
        if failuresInARow == 0 && ejectedUntilMilliseconds == 0 { return }
        self = TargetHealth()
    }

    /// The exchange ended without a word about the target (the client went away).
    mutating func undecided() { probeIsOut = false }

    /// A connect failure, a reset, a timeout or a 502/503/504.
    mutating func failed(nowMilliseconds now: UInt64) {
        failuresInARow &+= failuresInARow < .max ? 1 : 0
        guard probeIsOut || failuresInARow >= Self.failuresToEject else { return }
        probeIsOut = false
        failuresInARow = 0
        let cooldown = Self.firstCooldownMilliseconds << UInt64(min(ejections, 6))
        ejections = min(ejections + 1, 6)
        ejectedUntilMilliseconds = now + min(cooldown, Self.maxCooldownMilliseconds)
    }
}
