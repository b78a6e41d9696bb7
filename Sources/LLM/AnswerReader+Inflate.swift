import Inflate

extension AnswerReader {
    /// Takes the next `n` bytes of a compressed body.
    /// - Parameters:
    ///   - inflater: the same for all of the body. Once it has failed nothing more is read, and the usage estimated.
    ///   - scratch: `room` bytes to inflate into, a few kilobytes; not kept.
    public mutating func feed(
        _ p: UnsafePointer<UInt8>, _ n: Int, through inflater: inout StreamInflater,
        scratch: UnsafeMutablePointer<UInt8>, room: Int
    ) {
        var consumed = 0
        while true {
            let made = inflater.next(p, n, consumed: &consumed, into: scratch, room: room)
            if made == 0 { return }
            feed(scratch, made)
        }
    }
}
