import Reactor

/// Decides for a connection that brings a stream whether its acknowledgements may be put off.
///
/// By itself the kernel acknowledges each small piece in the call that reads it, which costs as much as a quarter of
/// passing it on. Put off (RFC 1122 §4.2.3.2), one acknowledgement covers two pieces. But a sender that waits for it
/// before it sends its next small piece (Nagle's algorithm) is then held up for 40 ms, until the kernel acknowledges all
/// the same, and from then on does so at once again. So it is asked for only while pieces follow each other closely, and
/// what comes of that is told: a target whose pieces stop coming closely is left alone.
///
/// Pure: the caller brings the time and acts.
struct StreamAcks: BitwiseCopyable, Equatable {
    /// Pieces that come within this time follow closely: shorter than the kernel's delay.
    static let closeMilliseconds: UInt16 = 30
    /// A pause makes the kernel acknowledge at once again; it is asked anew after so many pieces that came closely.
    static let piecesBetween: UInt8 = 16

    enum Step: BitwiseCopyable {
        case nothing
        /// Acknowledgements may be put off from now on.
        case putOff
        /// Since that was said the next pieces came as closely as before.
        case keptPace
        /// Since that was said one of the next pieces came late: perhaps it was held up.
        case fellBehind
    }

    /// Low bits of the monotonic milliseconds of the last piece.
    private var readAt: UInt16 = 0
    /// Pieces in a row that came closely.
    private var closeCount: UInt8 = 0

    private static let firstCount: UInt8 = 2
    /// The piece that was read when it was asked for is acknowledged already, the next one is not any more: it is the one
    /// behind that which may be held up.
    private static let verdictCount: UInt8 = firstCount + 2

    /// A piece was read.
    @inline(__always)
    mutating func read(nowMilliseconds: UInt64) -> Step {
        let time = UInt16(truncatingIfNeeded: nowMilliseconds)
        let isClose = time &- readAt <= Self.closeMilliseconds
        readAt = time
        guard isClose else {
            let isOnTrial = closeCount >= Self.firstCount && closeCount < Self.verdictCount
            closeCount = 0
            return isOnTrial ? .fellBehind : .nothing
        }
        closeCount &+= 1
        if closeCount == Self.firstCount &+ Self.piecesBetween { closeCount = Self.firstCount }
        if closeCount == Self.firstCount { return .putOff }
        return closeCount == Self.verdictCount ? .keptPace : .nothing
    }
}

/// What a worker has learned about a target's streams.
struct StreamPace: BitwiseCopyable, Equatable {
    private var score: Int8 = 0

    static let most: Int8 = 8
    static let fellBehindCost: Int8 = 4

    /// One late piece counts as much as four that kept pace; after too many acknowledgements are never put off again.
    var allowsDelay: Bool { score > -Self.most }

    mutating func noted(keptPace: Bool) {
        score = keptPace ? min(score + 1, Self.most) : max(score - Self.fellBehindCost, -Self.most)
    }
}

extension Worker {
    /// A piece of a stream was read from an upstream.
    @inline(__always)
    mutating func streamWasRead(_ u: UnsafeMutablePointer<UpstreamConnection>) {
        let step = u.pointee.acks.read(nowMilliseconds: now)
        if step != .nothing { pace(u, step) }
    }

    @inline(never)
    private mutating func pace(_ u: UnsafeMutablePointer<UpstreamConnection>, _ step: StreamAcks.Step) {
        let target = Int(u.pointee.stableTarget)
        guard targetStates[target].pace.allowsDelay else { return }
        switch step {
        case .nothing: break
        case .putOff: Socket.delayAcknowledgements(u.pointee.fd)
        case .keptPace: targetStates[target].pace.noted(keptPace: true)
        case .fellBehind: targetStates[target].pace.noted(keptPace: false)
        }
    }
}
