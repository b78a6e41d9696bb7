import Inflate

extension AnswerReader {
    /// Takes the next `n` bytes of a compressed body.
    /// - Parameters:
    ///   - inflater: the same for all of the body. Once it has failed nothing more is read, and the usage estimated by
    ///     the body's size as it came, if no content was read before.
    ///   - scratch: `room` bytes to inflate into, a few kilobytes; not kept.
    public mutating func feed(
        _ p: UnsafePointer<UInt8>, _ n: Int, through inflater: inout StreamInflater,
        scratch: UnsafeMutablePointer<UInt8>, room: Int
    ) {
        var consumed = 0
        while true {
            let made = inflater.next(p, n, consumed: &consumed, into: scratch, room: room)
            if made == 0 { break }
            feed(scratch, made)
        }
        if inflater.state == .failed { giveUp(p, n, consumed: consumed, bytesIn: inflater.bytesIn) }
    }

    /// The body is in a coding that nobody here undoes: how long it is is all that will be known.
    public mutating func cannotRead() {
        framing = .unreadable
        isSniffed = true
    }

    /// What was inflated so far is damaged, or no text, and so is all that follows.
    private mutating func giveUp(_ p: UnsafePointer<UInt8>, _ n: Int, consumed: Int, bytesIn: UInt64) {
        if framing != .unreadable {
            if isFinished || contentSeen { return }
            cannotRead()
            walk.countedBytes = bytesIn
        }
        feed(p + consumed, n &- consumed)
    }
}
