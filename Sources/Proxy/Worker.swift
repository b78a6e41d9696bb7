import Glibc
import HTTP
import JSON
import LLM
import Reactor
import Store
import Synchronization

/// What a worker is told from outside, through its mailbox.
enum WorkerMessage: Sendable {
    /// Serve from this snapshot from now on; count the latch down when it is so.
    case serve(Snapshot, Latch)
    /// Stop accepting, finish what is open; count the latch down when nothing is.
    case drain(Latch, Drain)
    /// Count the latch down: the loop turns.
    case ping(Latch)
    /// Close everything and end the thread.
    case stop
}

/// What one worker is made from.
struct WorkerConfiguration: Sendable {
    var index: Int
    var listener: Int32
    /// Other workers wait for the same socket.
    var sharesListener: Bool
    var ring: MappedRing
    var openUsage: MappedSlots?
    var snapshot: Snapshot
    var mailbox: Mailbox<WorkerMessage>
    var metrics: WorkerMetrics
    var providerMetrics: ProviderMetrics
    var limiter: ConnectionLimiter
    var workerCount: Int
    var resolvConf: String
    var bootNonce: UInt32
    var onRingPressure: @Sendable () -> Void
    var onPressure: @Sendable (PressureNotice) -> Void
}

/// One thread's whole world: its epoll, its connections, its buffers and timers. No other thread touches any of it.
///
/// The extensions are the steps of an exchange, in the order in which they happen: `Worker+Accept`, `+Request`,
/// `+Admission`, `+Dispatch`, `+Connect`, `+Send`, `+Response`, `+Relay`, `+Finish`, with `+Audit`, `+Timers`,
/// `+Tunnel` and `+Refuse` beside them.
struct Worker: ~Copyable {
    /// Kinds of tokens in epoll's data and in the timer wheel.
    enum Kind {
        static let listener: UInt8 = 1
        static let mailbox: UInt8 = 2
        static let client: UInt8 = 3
        static let upstream: UInt8 = 4
        static let resolver: UInt8 = 5
    }

    /// Reading and writing go through these two, so that a connection needs memory of its own only while it waits.
    static let scratchBytes = 256 * 1024
    /// Holds the longest head that `limits.max_header_bytes` can allow, with what is added to it and the body's beginning.
    static let outBytes = (1 << 20) + 160 * 1024
    /// A request body up to this length is received as a whole before it goes upstream, so that it can be sent again.
    static let replayBytes: UInt64 = 1024 * 1024
    static let firstReadBytes = 4096
    /// How often one connection may be read in a turn before others get theirs.
    static let readsPerTurn = 8

    /// Of no use by itself. A value with a field that has to be in memory is in memory itself, so that methods which do not
    /// change it get its address; else the compiler makes each call of one a copy of all fields, 1.2 kB.
    private let anchor = Atomic<UInt8>(0)

    let index: Int
    let listener: Int32
    let listenerEvents: UInt32
    /// What it accepts has its congestion control already.
    let listensOnLoopback: Bool
    let mailbox: Mailbox<WorkerMessage>
    let metrics: WorkerMetrics
    let providerMetrics: ProviderMetrics
    let bootNonce: UInt32
    let onRingPressure: @Sendable () -> Void
    var isUnderPressure = false
    let onPressure: @Sendable (PressureNotice) -> Void
    /// By notice: not again before.
    var noticedAt = SIMD4<UInt64>()
    let limiter: ConnectionLimiter
    let workerCount: Int
    /// This worker's share of `limits.max_buffered_bytes`.
    var bufferLimit = Int.max
    /// How much of an event stream the audit records at most, see `streamCaptureBytes(limit:headBytes:ringCapacity:)`.
    var streamCaptureBytes = 0
    var reclaimCursor: UInt32 = 0
    var poller: Poller
    var clients: Slab<ClientConnection>
    var upstreams: Slab<UpstreamConnection>
    /// Of the exchanges that may still have to send their request.
    var requests: Slab<RequestState>
    var holders: Slab<SnapshotHolder>
    /// Of the exchanges with providers only.
    var providerExchanges: Slab<ProviderExchange>
    /// What a slot of those begins as: copied, not made anew each time.
    let freshProviderExchange: UnsafeMutablePointer<ProviderExchange>
    let eventShapes = EventShapes()
    var pool: BufferPool
    var wheel: TimerWheel
    let resolver: Resolver
    var producer: RingProducer
    /// The records that exchanges with providers have if the process dies.
    var openUsage: SlotProducer
    /// Empty but within `splice`.
    var pipe = SplicePipe()
    /// None but within `readBody` and `readHeldBody`.
    var peeked = PeekedBytes()

    /// The snapshot that new requests get.
    var current: UnsafePointer<SnapshotView>
    var currentHolder: UInt32
    /// By a target's stable id.
    var targetStates: UnsafeMutablePointer<TargetState>
    var targetCapacity: Int

    /// Counts loop turns: what a turn's events tell is older than what the turn itself does.
    var turn: UInt32 = 0
    /// Monotonic milliseconds and nanoseconds, and unix nanoseconds, read once per loop turn.
    var now: UInt64 = 0
    var nowNanoseconds: UInt64 = 0
    var realtime: UInt64 = 0
    var date = OwnDate()

    let scratch: UnsafeMutablePointer<UInt8>
    let out: UnsafeMutablePointer<UInt8>
    let patternScratch: UnsafeMutablePointer<UInt8>
    let pathCaptures: UnsafeMutablePointer<Bytes>
    let fields: UnsafeMutablePointer<Field>
    let responseFields: UnsafeMutablePointer<Field>
    let captures: UnsafeMutablePointer<MemberCapture>
    /// Whose request `fields` holds, with its parsed head: parsed again if another came between.
    var fieldsOwner = Token(rawValue: 0)
    var head = RequestHead()
    /// For the path of `head`; empty once that was parsed again.
    let search: UnsafeMutablePointer<RouteSearch>
    /// The response's masked head lines and target URL, until they are in the ring or in a buffer of the exchange.
    let auditScratch: UnsafeMutablePointer<UInt8>
    var auditScratchOwner = Token(rawValue: 0)
    var auditScratchURL = 0
    var auditScratchCount = 0

    /// Connections that have something to do without an event: a pipelined request, a read cut off by the budget.
    var runQueue = TokenQueue()
    var nextRunQueue = TokenQueue()
    /// Clients whose request waits for room in the audit ring.
    var auditWaiters = TokenQueue()
    var nextAuditWaiters = TokenQueue()
    /// Records that did not fit into the ring though their exchange was admitted.
    var spilled: [SpilledRecord] = []
    var sequence: UInt32 = 0
    var openExchanges = 0
    var random: UInt64
    var isStopped = false
    var isDraining = false
    /// Somebody else accepts meanwhile: the service as a whole goes on.
    var isHandingOver = false
    /// While draining: when idle connections are closed.
    var closesIdleAt: UInt64 = noDeadline
    var drained: Latch?
    var acceptsAgainAt: UInt64 = noDeadline
    var acceptBatch = 1
    var acceptedInTurn: UInt32 = 0
    /// TLS handshakes that were worked on in this turn.
    var handshakesInTurn = 0

    static let maxFields = 1024
    /// The longest head, and a URL.
    static let auditScratchBytes = (1 << 20) + 160 * 1024
    let ringCapacity: Int

    init(_ configuration: WorkerConfiguration) throws(SystemError) {
        let poller = try Poller()
        resolver = try Resolver(
            pollerFD: poller.fd, tokenKind: Kind.resolver, resolvConf: configuration.resolvConf)
        self.poller = poller
        index = configuration.index
        listener = configuration.listener
        listenerEvents = configuration.sharesListener ? PollEvent.readable | PollEvent.exclusive : PollEvent.readable
        // Accepted sockets inherit it. The answer acknowledges its request; see `acknowledgeAtOnce`.
        Socket.delayAcknowledgements(listener)
        listensOnLoopback = SocketAddress.local(of: configuration.listener)?.isLoopback ?? false
        mailbox = configuration.mailbox
        metrics = configuration.metrics
        providerMetrics = configuration.providerMetrics
        bootNonce = configuration.bootNonce
        onRingPressure = configuration.onRingPressure
        onPressure = configuration.onPressure
        limiter = configuration.limiter
        workerCount = configuration.workerCount
        // Any worker may get all of the connections: slots cost address space only.
        let maxConnections = configuration.limiter.maximum
        clients = Slab(capacity: maxConnections)
        upstreams = Slab(capacity: maxConnections * 2 + 1024)
        requests = Slab(capacity: maxConnections)
        holders = Slab(capacity: 65_536)
        providerExchanges = Slab(capacity: maxConnections)
        freshProviderExchange = .allocate(capacity: 1)
        freshProviderExchange.initialize(to: ProviderExchange())
        pool = BufferPool(cacheLimitBytes: 32 << 20)
        now = Clock.monotonicMilliseconds()
        wheel = TimerWheel(capacity: maxConnections * 3 + 4096, nowMilliseconds: now)
        producer = RingProducer(configuration.ring)
        openUsage = SlotProducer(configuration.openUsage)
        ringCapacity = configuration.ring.capacity
        targetCapacity = 64
        targetStates = .allocate(capacity: targetCapacity)
        targetStates.initialize(repeating: TargetState(), count: targetCapacity)
        scratch = Self.region(Self.scratchBytes)
        out = Self.region(Self.outBytes)
        patternScratch = Self.region(PathPattern.scratchBytes)
        search = .allocate(capacity: 1)
        search.initialize(to: RouteSearch())
        auditScratch = Self.region(Self.auditScratchBytes)
        pathCaptures = .allocate(capacity: PathPattern.maxParts)
        pathCaptures.initialize(repeating: .empty, count: PathPattern.maxParts)
        fields = .allocate(capacity: Self.maxFields)
        fields.initialize(repeating: Field(), count: Self.maxFields)
        responseFields = .allocate(capacity: Self.maxFields)
        responseFields.initialize(repeating: Field(), count: Self.maxFields)
        captures = .allocate(capacity: RouteCompiler.maxMemberNames)
        captures.initialize(repeating: MemberCapture(), count: RouteCompiler.maxMemberNames)
        var seed: UInt64 = 0
        SecureRandom.fill(&seed, 8)
        random = seed | 1
        // So that the request ids of a restart within one second are others; the low bits say who is measured.
        sequence = UInt32(truncatingIfNeeded: seed) & ~Self.timedMask
        currentHolder = 0
        current = configuration.snapshot.view
        adopt(configuration.snapshot)
    }

    private static func region(_ bytes: Int) -> UnsafeMutablePointer<UInt8> {
        UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 4096).bindMemory(to: UInt8.self, capacity: bytes)
    }

    deinit {
        freshProviderExchange.deinitialize(count: 1)
        freshProviderExchange.deallocate()
        date.deallocate()
        eventShapes.deallocate()
        targetStates.deallocate()
        scratch.deallocate()
        out.deallocate()
        patternScratch.deallocate()
        search.pointee.deallocate()
        search.deallocate()
        auditScratch.deallocate()
        pathCaptures.deallocate()
        fields.deallocate()
        responseFields.deallocate()
        captures.deallocate()
    }

    // MARK: The loop

    /// Runs until told to stop.
    mutating func run() {
        _ = poller.add(
            listener, events: listenerEvents, token: Token(kind: Kind.listener, generation: 0, index: 0))
        _ = poller.add(
            mailbox.fd, events: PollEvent.readable, token: Token(kind: Kind.mailbox, generation: 0, index: 0))
        readClocks()
        while !isStopped {
            let count = poller.wait(timeoutMilliseconds: waitMilliseconds())
            readClocks()
            turn &+= 1
            handshakesInTurn = 0
            var i = 0
            while i < count {
                handle(poller.token(at: i), poller.events(at: i))
                i &+= 1
            }
            runTimers()
            runQueued()
            metrics.buffered(bytes: pool.bytesInUse)
            if !spilled.isEmpty || !auditWaiters.isEmpty { retryAudit() }
            clients.trimIfSparse()
            upstreams.trimIfSparse()
            requests.trimIfSparse()
            if isDraining { finishDrainIfEmpty() }
        }
        closeEverything()
    }

    @inline(__always)
    private mutating func readClocks() {
        nowNanoseconds = Clock.monotonicNanoseconds()
        now = nowNanoseconds / 1_000_000
        realtime = Clock.realtimeNanoseconds()
    }

    @inline(__always)
    private mutating func handle(_ token: Token, _ events: UInt32) {
        switch token.kind {
        case Kind.client:
            if clients.resolve(token) != nil { clientEvent(token.index, events) }
        case Kind.upstream:
            if upstreams.resolve(token) != nil { upstreamEvent(token.index, events) }
        case Kind.listener: acceptClients()
        case Kind.mailbox: readMail()
        case Kind.resolver:
            resolver.handle(token, events: events)
            deliverNames()
        default: break
        }
    }

    /// How long epoll may sleep: until the next timer, not at all if work is queued.
    private func waitMilliseconds() -> Int32 {
        if !runQueue.isEmpty { return 0 }
        var until = UInt64.max
        if let next = wheel.nextDeadlineMilliseconds() { until = next > now ? next - now : 0 }
        if let names = resolver.timeoutMilliseconds(now: now) { until = min(until, UInt64(max(names, 0))) }
        if !spilled.isEmpty || !auditWaiters.isEmpty { until = min(until, 2) }
        if acceptsAgainAt != noDeadline { until = min(until, acceptsAgainAt > now ? acceptsAgainAt - now : 0) }
        if closesIdleAt != noDeadline { until = min(until, closesIdleAt > now ? closesIdleAt - now : 0) }
        return until == .max ? -1 : Int32(min(until, 60_000))
    }

    @inline(never)
    private mutating func readMail() {
        for message in mailbox.drain() {
            switch message {
            case .serve(let snapshot, let latch):
                adopt(snapshot)
                latch.countDown()
            case .drain(let latch, let drain): beginDrain(latch, drain)
            case .ping(let latch): latch.countDown()
            case .stop: isStopped = true
            }
        }
    }

    /// Runs what was queued; what that queues runs in the next turn, after the kernel was asked again.
    private mutating func runQueued() {
        if runQueue.isEmpty { return }
        swap(&runQueue, &nextRunQueue)
        var i = 0
        while i < nextRunQueue.count {
            let token = nextRunQueue[i]
            if token.kind == Kind.client, let c = clients.resolve(token) {
                c.pointee.isQueued = false
                clientReady(token.index)
            } else if token.kind == Kind.upstream, upstreams.resolve(token) != nil {
                upstreamReady(token.index)
            }
            i &+= 1
        }
        nextRunQueue.removeAll()
    }

    /// Has the client looked at again without an event.
    mutating func enqueueClient(_ index: UInt32) {
        let c = clients.pointer(index)
        if c.pointee.isQueued { return }
        c.pointee.isQueued = true
        runQueue.append(clients.token(kind: Kind.client, index))
    }

    mutating func nextRandom() -> UInt64 {
        random ^= random << 13
        random ^= random >> 7
        random ^= random << 17
        return random
    }

    // MARK: Snapshots

    /// New requests are served from `snapshot`; open ones keep theirs.
    private mutating func adopt(_ snapshot: Snapshot) {
        guard let holder = holders.allocate() else { return }
        holders.pointer(holder).pointee = SnapshotHolder(
            snapshot: .passRetained(snapshot), openCount: 1, tlsNumber: snapshot.view.pointee.tls.number)
        let previous = currentHolder
        let isFirst = holders.liveCount == 1
        currentHolder = holder
        current = snapshot.view
        bufferLimit = max(snapshot.view.pointee.policy.maxBufferedBytes / workerCount, 1 << 16)
        streamCaptureBytes = Self.streamCaptureBytes(
            limit: snapshot.view.pointee.policy.auditBodyMaxBytes,
            headBytes: Int(snapshot.view.pointee.policy.messageLimits.maxHeadBytes), ringCapacity: ringCapacity)
        if !isFirst {
            let isOtherTLS = holders.pointer(previous).pointee.tlsNumber != snapshot.view.pointee.tls.number
            releaseSnapshot(previous)
            if isOtherTLS { forgetTLSUpstreams() }
        }
        var needed = targetCapacity
        for i in 0..<snapshot.view.pointee.targets.count {
            needed = max(needed, Int(snapshot.view.pointee.targets[i].stableID) + 1)
        }
        guard needed > targetCapacity else { return }
        let grown = UnsafeMutablePointer<TargetState>.allocate(capacity: needed * 2)
        grown.initialize(repeating: TargetState(), count: needed * 2)
        grown.update(from: targetStates, count: targetCapacity)
        targetStates.deallocate()
        targetStates = grown
        targetCapacity = needed * 2
    }

    /// An exchange, or the role of being current, gives its snapshot back.
    mutating func releaseSnapshot(_ holder: UInt32) {
        let h = holders.pointer(holder)
        h.pointee.openCount -= 1
        if h.pointee.openCount == 0 { dropSnapshot(holder) }
    }

    /// Nothing is served from a snapshot any longer. Not inline: reference counts stay out of what runs per request.
    @inline(never)
    private mutating func dropSnapshot(_ holder: UInt32) {
        holders.pointer(holder).pointee.snapshot.release()
        holders.release(holder)
    }
}

/// A snapshot that this worker still serves from: one reference to the object, a plain count of users.
struct SnapshotHolder: BitwiseCopyable {
    var snapshot: Unmanaged<Snapshot>
    var openCount: Int
    var tlsNumber: UInt32
}

/// What a worker knows of one upstream address.
struct TargetState: BitwiseCopyable {
    var idleHead = Exchange.noUpstream
    var idleCount: Int32 = 0
    var health = TargetHealth()
    var retryBudget = RetryBudget()
    var pace = StreamPace()
    var resumption: TLSResumption?
}
