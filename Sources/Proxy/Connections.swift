import HTTP
import Reactor

/// The client's side of a connection: one slot of a worker's slab.
struct ClientConnection: BitwiseCopyable {
    enum State: UInt8 {
        case handshake
        /// Between requests, or in the middle of a head.
        case readingHead
        /// A request is in hand; what else the client sends stays in the kernel.
        case exchanging
        /// A head is here, but the audit ring has no room for it.
        case waitingForAudit
        /// An answer went out whose request was not read to its end: what still comes is thrown away, so that
        /// the answer is not lost to a reset (RFC 9112 §9.6).
        case lingering
    }

    var fd: Int32
    var state: State
    /// The kernel may have bytes for us; set by an event, cleared by a short read.
    var isReadable = false
    /// The client closed its sending side, or is gone.
    var hasHungUp = false
    /// The poller knows the descriptor; see `Worker+Watch`.
    var isWatched = false
    /// EPOLLOUT was asked for.
    var watchesWritable = false
    var closesAfterFlush = false
    /// Part of a head has come: the header timeout runs.
    var headHasBegun = false
    var isQueued = false
    var timer: UInt32 = 0
    var tls: TLSSession?
    /// For the client, but not yet taken by the kernel.
    var outbound = Buffer.empty
    /// Bytes in the kernel that the client had not taken when its deadline was moved.
    var unsentMark: Int32 = 0
    /// When `timer` fires. The deadline itself may be later: it is looked at only then.
    var timerAt: UInt64 = 0
    /// Monotonic milliseconds; `noDeadline` = none.
    var deadline: UInt64 = noDeadline
    var exchange = Exchange()
    /// The kernel acknowledges the first request with its answer; see `Worker.acknowledgeAtOnce`.
    var acksLater = true
    /// How often `unsentMark` is still looked at before the client counts as stuck.
    var unsentLooks: UInt8 = 0
    /// How many bytes have to be there before the poller says so; 0 = any number. See `Worker+BodyWait`.
    var lowWater: Int32 = 0
    /// When the side that is waited for has been slower than it may be for too long: it moves on with what comes.
    var paceDeadline: UInt64 = noDeadline
    /// Received and not yet consumed. While an exchange is open it begins with that request's head.
    var inbound = Buffer.empty
    var scan = HeadScan()
    var peer: SocketAddress
    /// Whom the client's certificate names, if it has shown one.
    var subject = Buffer.empty
    var lingeredBytes: UInt32 = 0
}

/// The upstream's side of a connection.
struct UpstreamConnection: BitwiseCopyable {
    enum State: UInt8 { case connecting, handshake, ready, idle }

    var fd: Int32
    var state: State
    var isReadable = false
    var hasHungUp = false
    /// It served a request before the current one.
    var wasReused = false
    /// Nothing was received for the current request.
    var isSilent = true
    /// The response that is being read allows another request on this connection.
    var staysOpen = false
    /// The kernel refused request bytes: the response may be here all the same.
    var sendFailed = false
    var acks = StreamAcks()
    /// The target's number that holds over snapshots.
    var stableTarget: Int32
    /// The client slot it works for; `Exchange.noUpstream` while idle.
    var client: UInt32
    var tls: TLSSession?
    /// A head or a trailer section that is not whole yet.
    var inbound = Buffer.empty
    var timer: UInt32 = 0
    var timerAt: UInt64 = 0
    var deadline: UInt64 = noDeadline
    /// The loop turn in which the current request was sent.
    var sentInTurn: UInt32 = 0
    /// Of the contexts that `tls` was made with.
    var tlsNumber: UInt32 = 0
    /// Request bytes that the kernel did not take.
    var outbound = Buffer.empty
    var scan = HeadScan()
    /// While connecting: when to give up.
    var connectDeadline: UInt64 = noDeadline
    var nextIdle: UInt32 = Exchange.noUpstream
    var previousIdle: UInt32 = Exchange.noUpstream
}

let noDeadline = UInt64.max
