import HTTP
import Reactor

/// What the gateway adds to an exchange: the time from the turn of the loop that took up the request until it was with
/// the kernel for the upstream, and from the turn that took up the response until its first bytes were with the kernel
/// for the client. Waiting for other connections of the same turn counts; waiting for client, upstream or connection
/// does not.
///
/// The loop reads the clock once a turn; the ends of these times need two further readings (25 ns each, no system call),
/// so that only one exchange in sixteen is measured.
extension Worker {
    /// An exchange is measured if these bits of its number are 1: the first of each worker is.
    static var timedMask: UInt32 { 15 }

    /// The moment that goes into an exchange's record: its beginning by the machine's clock, and what has passed since. So
    /// a clock that is set meanwhile neither turns its times around nor adds hours to what it took.
    @inline(__always)
    func recordedNow(_ c: UnsafeMutablePointer<ClientConnection>) -> UInt64 {
        c.pointee.exchange.requestTime &+ (nowNanoseconds &- c.pointee.exchange.startedAt)
    }

    /// Adds the time since this turn began.
    @inline(never)
    mutating func noteTime(_ index: UInt32) {
        clients.pointer(index).pointee.exchange.overhead &+= Clock.monotonicNanoseconds() &- nowNanoseconds
    }

    /// The first bytes of the response are out, or the exchange is over.
    @inline(never)
    mutating func firstBytesAreOut(_ index: UInt32) {
        let c = clients.pointer(index)
        c.pointee.exchange.isTimed = false
        // Nothing was answered.
        if c.pointee.exchange.firstResponseTime == 0 { return }
        noteTime(index)
        metrics.overhead(nanoseconds: c.pointee.exchange.overhead)
    }
}
