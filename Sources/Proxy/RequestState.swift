import HTTP
import Reactor

/// What an exchange knows of its request: the ways to send it, and to send it again. A slot of its own, given back as
/// soon as the response has begun and the request is out, so that an open stream does not hold it.
///
/// Only where the end of the exchange needs something of it once more it stays until then: for a provider's record of
/// usage, or if the audit keeps bodies (`Worker.leaveRequestBehind`).
struct RequestState: BitwiseCopyable {
    var failover = Failover()
    var tried = TriedRoutes()
    /// The client's own request id, or ours, has this length.
    var requestIDLength: UInt8 = 0
    /// Index into `addresses`.
    var nextAddress: UInt16 = 0
    /// A second connection being tried (RFC 8305).
    var racer = Exchange.noUpstream
    /// The target's addresses, as far as they are known.
    var addresses = Buffer.empty
    var rateRemaining: Int32 = -1
    var rateLimit: Int32 = 0
    var rateResetMilliseconds: UInt32 = 0
    var retryAfterMilliseconds: UInt32 = 0
    /// Nanoseconds in the gateway so far, if `isTimed`.
    var overhead: UInt64 = 0
    /// Content-Length of the request, or what is known of a chunked one.
    var requestLength: UInt64 = 0
    /// Of a streamed body, the bytes that stand in the inbound buffer.
    var heldBody: UInt64 = 0
    /// Body bytes of the inbound (or decoded) buffer that went upstream.
    var bodySent: UInt64 = 0
    var requestDecoder = ChunkedDecoder()
    /// A chunked request's body without its framing, or what a route made of a body.
    var decodedBody = Buffer.empty
    /// A body rewritten for the current route; replaces the received one.
    var rewrittenBody = Buffer.empty
    /// State of the member scan of a body that is not here as a whole: a MemberScanner and its captures.
    var scanState = Buffer.empty
    /// What decided the route of a request whose body is not here as a whole: these members may not change any more.
    var watchedMembers: UInt64 = 0
    /// What the audit keeps of the bodies.
    var requestCapture = Buffer.empty
    var responseCapture = Buffer.empty
    /// The target's URL and the response's head as the end's record needs them, where the first byte's record does not
    /// say it all; empty while both can still be read elsewhere.
    var auditTail = Buffer.empty
    /// Of `auditTail`, how much is the URL.
    var targetURLLength: UInt32 = 0
    /// What the answer's body is and whether all of it was kept: bits of `AuditEvent.Flags`. 0: nothing is kept.
    var answerFlags: UInt16 = 0
    /// Of `decodedBody`, how much at its end is the trailer section of a body that is here as a whole.
    var trailersLength: UInt16 = 0
    var requestID = RequestIDBytes()
}

/// A request id of up to 64 bytes, in place.
struct RequestIDBytes: BitwiseCopyable {
    static let capacity = 64
    var words: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
}

/// The request's state under the exchange's name; only while `request` is there.
extension Exchange {
    var failover: Failover {
        @inline(__always) _read { yield request.unsafelyUnwrapped.pointee.failover }
        @inline(__always) nonmutating _modify { yield &request.unsafelyUnwrapped.pointee.failover }
    }
    var tried: TriedRoutes {
        @inline(__always) _read { yield request.unsafelyUnwrapped.pointee.tried }
        @inline(__always) nonmutating _modify { yield &request.unsafelyUnwrapped.pointee.tried }
    }
    var requestIDLength: UInt8 {
        @inline(__always) _read { yield request.unsafelyUnwrapped.pointee.requestIDLength }
        @inline(__always) nonmutating _modify { yield &request.unsafelyUnwrapped.pointee.requestIDLength }
    }
    var nextAddress: UInt16 {
        @inline(__always) _read { yield request.unsafelyUnwrapped.pointee.nextAddress }
        @inline(__always) nonmutating _modify { yield &request.unsafelyUnwrapped.pointee.nextAddress }
    }
    var racer: UInt32 {
        @inline(__always) _read { yield request.unsafelyUnwrapped.pointee.racer }
        @inline(__always) nonmutating _modify { yield &request.unsafelyUnwrapped.pointee.racer }
    }
    var addresses: Buffer {
        @inline(__always) _read { yield request.unsafelyUnwrapped.pointee.addresses }
        @inline(__always) nonmutating _modify { yield &request.unsafelyUnwrapped.pointee.addresses }
    }
    var rateRemaining: Int32 {
        @inline(__always) _read { yield request.unsafelyUnwrapped.pointee.rateRemaining }
        @inline(__always) nonmutating _modify { yield &request.unsafelyUnwrapped.pointee.rateRemaining }
    }
    var rateLimit: Int32 {
        @inline(__always) _read { yield request.unsafelyUnwrapped.pointee.rateLimit }
        @inline(__always) nonmutating _modify { yield &request.unsafelyUnwrapped.pointee.rateLimit }
    }
    var rateResetMilliseconds: UInt32 {
        @inline(__always) _read { yield request.unsafelyUnwrapped.pointee.rateResetMilliseconds }
        @inline(__always) nonmutating _modify { yield &request.unsafelyUnwrapped.pointee.rateResetMilliseconds }
    }
    var retryAfterMilliseconds: UInt32 {
        @inline(__always) _read { yield request.unsafelyUnwrapped.pointee.retryAfterMilliseconds }
        @inline(__always) nonmutating _modify { yield &request.unsafelyUnwrapped.pointee.retryAfterMilliseconds }
    }
    var overhead: UInt64 {
        @inline(__always) _read { yield request.unsafelyUnwrapped.pointee.overhead }
        @inline(__always) nonmutating _modify { yield &request.unsafelyUnwrapped.pointee.overhead }
    }
    var requestLength: UInt64 {
        @inline(__always) _read { yield request.unsafelyUnwrapped.pointee.requestLength }
        @inline(__always) nonmutating _modify { yield &request.unsafelyUnwrapped.pointee.requestLength }
    }
    var heldBody: UInt64 {
        @inline(__always) _read { yield request.unsafelyUnwrapped.pointee.heldBody }
        @inline(__always) nonmutating _modify { yield &request.unsafelyUnwrapped.pointee.heldBody }
    }
    var bodySent: UInt64 {
        @inline(__always) _read { yield request.unsafelyUnwrapped.pointee.bodySent }
        @inline(__always) nonmutating _modify { yield &request.unsafelyUnwrapped.pointee.bodySent }
    }
    var requestDecoder: ChunkedDecoder {
        @inline(__always) _read { yield request.unsafelyUnwrapped.pointee.requestDecoder }
        @inline(__always) nonmutating _modify { yield &request.unsafelyUnwrapped.pointee.requestDecoder }
    }
    var decodedBody: Buffer {
        @inline(__always) _read { yield request.unsafelyUnwrapped.pointee.decodedBody }
        @inline(__always) nonmutating _modify { yield &request.unsafelyUnwrapped.pointee.decodedBody }
    }
    var rewrittenBody: Buffer {
        @inline(__always) _read { yield request.unsafelyUnwrapped.pointee.rewrittenBody }
        @inline(__always) nonmutating _modify { yield &request.unsafelyUnwrapped.pointee.rewrittenBody }
    }
    var scanState: Buffer {
        @inline(__always) _read { yield request.unsafelyUnwrapped.pointee.scanState }
        @inline(__always) nonmutating _modify { yield &request.unsafelyUnwrapped.pointee.scanState }
    }
    var watchedMembers: UInt64 {
        @inline(__always) _read { yield request.unsafelyUnwrapped.pointee.watchedMembers }
        @inline(__always) nonmutating _modify { yield &request.unsafelyUnwrapped.pointee.watchedMembers }
    }
    var requestCapture: Buffer {
        @inline(__always) _read { yield request.unsafelyUnwrapped.pointee.requestCapture }
        @inline(__always) nonmutating _modify { yield &request.unsafelyUnwrapped.pointee.requestCapture }
    }
    var responseCapture: Buffer {
        @inline(__always) _read { yield request.unsafelyUnwrapped.pointee.responseCapture }
        @inline(__always) nonmutating _modify { yield &request.unsafelyUnwrapped.pointee.responseCapture }
    }
    var auditTail: Buffer {
        @inline(__always) _read { yield request.unsafelyUnwrapped.pointee.auditTail }
        @inline(__always) nonmutating _modify { yield &request.unsafelyUnwrapped.pointee.auditTail }
    }
    var targetURLLength: UInt32 {
        @inline(__always) _read { yield request.unsafelyUnwrapped.pointee.targetURLLength }
        @inline(__always) nonmutating _modify { yield &request.unsafelyUnwrapped.pointee.targetURLLength }
    }
    var trailersLength: UInt16 {
        @inline(__always) _read { yield request.unsafelyUnwrapped.pointee.trailersLength }
        @inline(__always) nonmutating _modify { yield &request.unsafelyUnwrapped.pointee.trailersLength }
    }
    var requestID: RequestIDBytes {
        @inline(__always) _read { yield request.unsafelyUnwrapped.pointee.requestID }
        @inline(__always) nonmutating _modify { yield &request.unsafelyUnwrapped.pointee.requestID }
    }
}
