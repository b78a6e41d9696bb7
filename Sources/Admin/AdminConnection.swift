import HTTP
import Reactor

/// One client of the admin port. Owned by the reactor thread.
final class AdminConnection {
    enum Phase {
        /// Nothing of a request has come yet.
        case idle
        case readingHead
        case readingBody
        /// A handler is at work.
        case executing
        /// The answer to a failed login waits for its time.
        case held(AdminResponse)
        case writing
        /// The answer is out and the connection closes; what still comes is read and dropped, because closing with
        /// unread input would reset the connection and could destroy the answer on its way.
        case lingering
        case closed
    }

    /// A request whose head has been read.
    struct Current {
        var head: RequestAssembler.Head
        var requestID: String
        var endpoint: Endpoint?
        var pathValues: [String] = []
        var query: [QueryParameter] = []
        /// Whether what is left of the body will not be read.
        var mustClose = false
    }

    let fd: Int32
    let id: ConnectionID
    /// Where it comes from, as logins are counted: an IPv4 address or an IPv6 /64.
    let network: String
    /// nil for plain HTTP.
    var tls: TLSSession?
    /// The TLS handshake is under way.
    var isShakingHands: Bool
    var assembler: RequestAssembler
    var phase = Phase.idle
    var current: Current?
    var output: [UInt8] = []
    var outputStart = 0
    var stream: BodyStream?
    /// Whether the stream's pieces are sent as chunks; if not, the connection's end ends them (HTTP/1.0).
    var streamIsChunked = false
    var closesAfterResponse = false
    /// The events the poller watches for.
    var interest: UInt32 = 0
    /// When the phase has lasted too long; nil for no limit.
    var deadlineMilliseconds: UInt64?
    var idleSinceMilliseconds: UInt64 = 0

    init(fd: Int32, tls: TLSSession?, id: ConnectionID, network: String, limits: MessageLimits) {
        self.fd = fd
        self.tls = tls
        isShakingHands = tls != nil
        self.id = id
        self.network = network
        assembler = RequestAssembler(limits: limits)
    }

    /// Up to `n` bytes of what has arrived; 0 at the end, or -errno.
    func receive(_ p: UnsafeMutablePointer<UInt8>, _ n: Int) -> Int {
        tls?.read(p, n) ?? Socket.receive(fd, p, n)
    }

    /// How many of `n` bytes the socket has taken, or -errno.
    func send(_ p: UnsafePointer<UInt8>, _ n: Int) -> Int {
        tls?.write(p, n) ?? Socket.send(fd, p, n)
    }

    var isReadingHead: Bool {
        if case .readingHead = phase { true } else { false }
    }

    var isIdle: Bool {
        if case .idle = phase { true } else { false }
    }
}
