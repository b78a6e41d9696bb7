/// One worker's view of one upstream: left out after repeated failures, let back in by one probe (outlier ejection with
/// a half-open state). Pure: the caller brings the time.
///
/// An answer's head speaks against failures to get one, and only a whole answer against ones that were cut short. A target
/// that cut answers short comes back on trial: its next failure leaves it out again, until an answer is whole. Its probe's
/// end is not waited for, since that of a stream can be hours away.
struct TargetHealth: BitwiseCopyable, Equatable {
    /// Failures in a row before a target is left out.
    static let failuresToEject: UInt8 = 5
    static let firstCooldownMilliseconds: UInt64 = 5_000
    static let maxCooldownMilliseconds: UInt64 = 60_000

    /// No head of an answer came between.
    private(set) var failuresInARow: UInt8 = 0
    /// No whole answer came between.
    private(set) var cutsInARow: UInt8 = 0
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

    /// A response's head came, whose status does not speak against the target.
    mutating func answered() {
        if failuresInARow == 0 && ejectedUntilMilliseconds == 0 { return }
        guard hasCutShort else { return succeeded() }
        failuresInARow = 0
        guard probeIsOut else { return }
        probeIsOut = false
        ejectedUntilMilliseconds = 0
    }

    /// A response came to its end, or to a change of protocols.
    mutating func succeeded() { self = TargetHealth() }

    var hasCutShort: Bool { cutsInARow != 0 }

    /// The exchange ended without a word about the target (the client went away).
    mutating func undecided() { probeIsOut = false }

    /// A connect failure, a reset, a timeout or a 502/503/504.
    mutating func failed(nowMilliseconds now: UInt64) {
        if isLeftOut { return }
        failuresInARow += 1
        judge(now)
    }

    /// A response broke off, or stopped coming, behind its head.
    mutating func cutShort(nowMilliseconds now: UInt64) {
        if isLeftOut { return }
        cutsInARow += 1
        judge(now)
    }

    /// What was under way when it was left out ends in failures too, and tells nothing new.
    private var isLeftOut: Bool { ejectedUntilMilliseconds != 0 && !probeIsOut }

    private mutating func judge(_ now: UInt64) {
        guard probeIsOut || failuresInARow + cutsInARow >= Self.failuresToEject else { return }
        probeIsOut = false
        failuresInARow = 0
        cutsInARow = min(cutsInARow, Self.failuresToEject - 1)
        let cooldown = Self.firstCooldownMilliseconds << UInt64(min(ejections, 6))
        ejections = min(ejections + 1, 6)
        ejectedUntilMilliseconds = now + min(cooldown, Self.maxCooldownMilliseconds)
    }
}
