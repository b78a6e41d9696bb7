import Glibc
import HTTP
import Reactor

/// From bytes on a client's socket to a request's head.
extension Worker {
    @inline(__always)
    mutating func clientEvent(_ index: UInt32, _ events: UInt32) {
        let c = clients.pointer(index)
        if events & (PollEvent.readHangUp | PollEvent.hangUp | PollEvent.error) != 0 {
            c.pointee.hasHungUp = true
            c.pointee.isReadable = true
        }
        if events & PollEvent.readable != 0 { c.pointee.isReadable = true }
        if !c.pointee.outbound.isEmpty {
            let token = clients.token(kind: Kind.client, index)
            flushClient(index)
            guard clients.resolve(token) != nil else { return }
        }
        clientReady(index)
    }

    /// Does whatever a client's state allows now.
    mutating func clientReady(_ index: UInt32) {
        if clients.pointer(index).pointee.hasHungUp { return lastReady(index) }
        goOn(index)
    }

    /// One event may tell of a request, or of the rest of its body, and that the client has left: no other will follow, so what
    /// has come to be of it is looked at once more.
    @inline(never)
    private mutating func lastReady(_ index: UInt32) {
        let token = clients.token(kind: Kind.client, index)
        goOn(index)
        if let c = clients.resolve(token), c.pointee.state == .exchanging { exchangingClientReady(index) }
    }

    @inline(__always)
    private mutating func goOn(_ index: UInt32) {
        let c = clients.pointer(index)
        switch c.pointee.state {
        case .readingHead: readRequest(index)
        case .exchanging: exchangingClientReady(index)
        case .handshake: clientHandshake(index)
        case .waitingForAudit: if c.pointee.hasHungUp { closeClient(index) }
        case .lingering: linger(index)
        }
    }

    private mutating func exchangingClientReady(_ index: UInt32) {
        let c = clients.pointer(index)
        switch c.pointee.exchange.phase {
        case .readingBody: readBody(index)
        case .tunnel: pumpTunnelFromClient(index)
        default:
            if !c.pointee.exchange.requestIsComplete {
                // While the upstream takes nothing the client is not read: only the hang-up tells that it is gone.
                if c.pointee.hasHungUp && c.pointee.exchange.streamsRequest && c.pointee.exchange.phase != .flushing {
                    return clientIsGone(index)
                }
                if c.pointee.exchange.streamsRequest { pumpRequest(index) } else { readHeldBody(index) }
            } else if c.pointee.hasHungUp {
                clientIsGone(index)
            }
        }
    }

    private mutating func clientHandshake(_ index: UInt32) {
        let c = clients.pointer(index)
        guard let tls = c.pointee.tls else { return }
        // A signature takes a good part of a millisecond: however many clients come at once, those that are served
        // already get their turn in between.
        guard handshakesInTurn < Self.handshakesPerTurn else { return enqueueClient(index) }
        handshakesInTurn += 1
        switch tls.handshake() {
        case .done:
            c.pointee.state = .readingHead
            if current.pointee.tls.asksClients { keepSubject(c) }
            readRequest(index)
        case .wantRead: if c.pointee.hasHungUp { closeClient(index) }
        case .wantWrite: watchWritable(index)
        case .failed: tls.metPlainHTTP ? refusePlainHTTP(index) : closeClient(index)
        }
    }

    /// Whom the client's certificate names is for the audit, and for upstreams if so configured.
    private mutating func keepSubject(_ c: UnsafeMutablePointer<ClientConnection>) {
        let count = c.pointee.tls?.peerSubject(scratch, ClientSubject.maxBytes) ?? 0
        if count > 0 { pool.append(&c.pointee.subject, scratch, count) }
    }

    /// Reads until there is a head, or nothing more to read.
    mutating func readRequest(_ index: UInt32) {
        let c = clients.pointer(index)
        if c.pointee.inbound.count > 0 && takeRequest(index) { return }
        var reads = 0
        while c.pointee.isReadable {
            if reads == Self.readsPerTurn { return enqueueClient(index) }
            reads += 1
            if isOutOfMemory { return shedOrWait(index) }
            if !c.pointee.inbound.isAllocated {
                c.pointee.inbound = pool.take(atLeast: Self.firstReadBytes)
            } else if c.pointee.inbound.writableCount == 0 {
                pool.reserve(&c.pointee.inbound, writable: max(c.pointee.inbound.count, Self.firstReadBytes))
            }
            let got = receive(client: c, c.pointee.inbound.writePointer, c.pointee.inbound.writableCount)
            if got > 0 {
                c.pointee.inbound.end &+= UInt32(truncatingIfNeeded: got)
                if takeRequest(index) { return }
            } else if got == -EAGAIN {
                if c.pointee.inbound.isEmpty {
                    pool.give(&c.pointee.inbound)
                    if isDraining && closesIdleAt == noDeadline { closeClient(index) }
                }
                return
            } else {
                return closeClient(index)
            }
        }
        if c.pointee.inbound.isEmpty { pool.give(&c.pointee.inbound) }
    }

    /// There is no memory for another request, if there is one: a connection that may be read need not hold anything, and
    /// whoever has asked for nothing must not find an answer.
    @inline(never)
    private mutating func shedOrWait(_ index: UInt32) {
        let c = clients.pointer(index)
        let isEmpty = c.pointee.inbound.isEmpty && Socket.unread(c.pointee.fd) <= 0 && c.pointee.tls?.hasPending != true
        guard isEmpty else { return shed(index) }
        if c.pointee.hasHungUp { return closeClient(index) }
        c.pointee.isReadable = false
        pool.give(&c.pointee.inbound)
    }

    @inline(never)
    private mutating func shed(_ index: UInt32) {
        notice(.memory)
        metrics.shed()
        let error = ExchangeError.noMemory
        let c = clients.pointer(index)
        guard c.pointee.inbound.isEmpty else {
            return refuseWithoutExchange(index, status: error.status, code: error.code, message: error.message)
        }
        // There is no buffer to read into, but the answer depends on what is asked.
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 256) { room in
            let p = room.baseAddress!
            let head = Bytes(p, max(receive(client: c, p, room.count), 0))
            refuseWithoutExchange(
                index, status: error.status, code: error.code, message: error.message, head: head)
        }
    }

    /// Receives from a client's socket and keeps `isReadable` true to the kernel's word: a read that did not fill the
    /// room has emptied the socket, unless the other side has closed (then the end is still to be read).
    @inline(__always)
    func receive(client c: UnsafeMutablePointer<ClientConnection>, _ p: UnsafeMutablePointer<UInt8>, _ n: Int) -> Int {
        if let tls = c.pointee.tls {
            let got = tls.read(p, n)
            if got == -EAGAIN || got > 0 && !c.pointee.hasHungUp && tls.isDrained { c.pointee.isReadable = false }
            return got
        }
        let got = Socket.receive(c.pointee.fd, p, n)
        if got < n && !c.pointee.hasHungUp || got == -EAGAIN { c.pointee.isReadable = false }
        return got
    }

    /// Parses what is in the inbound buffer. True if the connection went on to something else, or is gone.
    @inline(__always)
    private mutating func takeRequest(_ index: UInt32) -> Bool {
        let c = clients.pointer(index)
        // Even a head that is not whole, or not valid, leaves its traces in `fields` and `head`.
        fieldsOwner = Token(rawValue: 0)
        search.pointee.clear()
        let outcome = RequestParser.parse(
            c.pointee.inbound.readPointer, c.pointee.inbound.count, scan: &c.pointee.scan,
            limits: current.pointee.policy.messageLimits, fields: fields, head: &head)
        switch outcome {
        case .complete:
            fieldsOwner = clients.token(kind: Kind.client, index)
            c.pointee.scan = HeadScan()
            beginExchange(index)
            return true
        case .incomplete:
            if c.pointee.acksLater { acknowledgeAtOnce(c) }
            if !c.pointee.headHasBegun {
                c.pointee.headHasBegun = true
                setDeadline(client: index, now + current.pointee.policy.headerTimeoutMilliseconds)
            }
            return false
        case .failed(let failure):
            refuseMalformed(index, failure)
            return true
        }
    }

    /// Has `head` and `fields` describe this client's request again, if another request was parsed since.
    @inline(__always)
    mutating func refreshHead(_ index: UInt32) {
        let token = clients.token(kind: Kind.client, index)
        if fieldsOwner == token { return }
        search.pointee.clear()
        let c = clients.pointer(index)
        var scan = HeadScan()
        let snapshot = c.pointee.exchange.snapshot ?? current
        _ = RequestParser.parse(
            c.pointee.inbound.readPointer, Int(c.pointee.exchange.headLength), scan: &scan,
            limits: snapshot.pointee.policy.messageLimits, fields: fields, head: &head)
        fieldsOwner = token
    }

    // MARK: Lingering close

    static let lingerMilliseconds: UInt64 = 2000
    static let lingerBytes: UInt32 = 1 << 24

    /// Says that nothing more will be sent and throws away what still comes, for a while.
    mutating func beginLinger(_ index: UInt32) {
        let c = clients.pointer(index)
        pool.give(&c.pointee.inbound)
        if c.pointee.hasHungUp { return closeClient(index) }
        c.pointee.tls?.closeNotify()
        Socket.shutdownWrite(c.pointee.fd)
        c.pointee.state = .lingering
        c.pointee.isReadable = true
        setDeadline(client: index, now + Self.lingerMilliseconds)
        linger(index)
    }

    private mutating func linger(_ index: UInt32) {
        let c = clients.pointer(index)
        var reads = 0
        while c.pointee.isReadable {
            if reads == Self.readsPerTurn { return enqueueClient(index) }
            reads += 1
            let got = Socket.receive(c.pointee.fd, scratch, Self.scratchBytes)
            if got == -EAGAIN {
                c.pointee.isReadable = false
                return
            }
            c.pointee.lingeredBytes &+= UInt32(truncatingIfNeeded: max(got, 0))
            if got <= 0 || c.pointee.lingeredBytes > Self.lingerBytes { return closeClient(index) }
        }
    }
}
