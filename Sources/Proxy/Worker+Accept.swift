import Glibc
import Reactor

extension Worker {
    /// So many at most are taken in a turn. It begins with one, and doubles from turn to turn while more come: of a single
    /// newcomer the kernel need not say that no other is behind it.
    static let acceptsPerTurn = 64
    static let handshakesPerTurn = 16
    /// Together as many connections as may wait in the listener's queue.
    static let acceptRoundsBeforeDrain = 64
    /// At a limit accepting rests this long, or until this worker closes a connection: what is open goes on being served.
    static let acceptPauseMilliseconds: UInt64 = 50

    /// Takes what waits in the listener's queue.
    mutating func acceptClients() {
        acceptBatch = turn == acceptedInTurn &+ 1 ? min(acceptBatch * 2, Self.acceptsPerTurn) : 1
        acceptedInTurn = turn
        acceptClients(atMost: acceptBatch)
    }

    private mutating func acceptClients(atMost most: Int) {
        if isDraining { return }
        var taken = 0
        while taken < most {
            if limiter.isFull {
                metrics.acceptPaused(.connections)
                notice(.connections)
                return pauseAccepting()
            }
            var peer = SocketAddress()
            let fd = Socket.accept(listener, peer: &peer)
            if fd < 0 {
                guard Self.isOutOfDescriptors(fd) else { return }
                if reclaimIdleUpstreams() > 0 { continue }
                metrics.acceptPaused(.descriptors)
                notice(.descriptors)
                return pauseAccepting()
            }
            taken += 1
            guard limiter.admit(peer, perAddress: current.pointee.policy.maxConnectionsPerAddress) else {
                metrics.addressRefused()
                Socket.closeWithReset(fd)
                continue
            }
            if peer.isLoopback && !listensOnLoopback { Socket.useLocalCongestionControl(fd) }
            if let index = addClient(fd, peer) { meet(index) }
        }
    }

    private mutating func addClient(_ fd: Int32, _ peer: SocketAddress) -> UInt32? {
        guard let index = clients.allocate() else {
            limiter.leave(peer)
            Socket.close(fd)
            return nil
        }
        let c = clients.pointer(index)
        c.initialize(to: ClientConnection(fd: fd, state: .readingHead, peer: peer))
        if let server = current.pointee.tls.server {
            guard let session = server._withUnsafeGuaranteedRef({ TLSSession.server($0, fd: fd) }) else {
                clients.release(index)
                limiter.leave(peer)
                Socket.close(fd)
                return nil
            }
            c.pointee.tls = session
            c.pointee.state = .handshake
            // A handshake is a conversation in small pieces.
            acknowledgeAtOnce(c)
        }
        metrics.clientOpened()
        setDeadline(client: index, now + current.pointee.policy.headerTimeoutMilliseconds)
        return index
    }

    /// More of a connection's first request is to come. Its sender may wait for an acknowledgement before it sends more
    /// (Nagle's algorithm), so the kernel is to acknowledge at once again, as it does by itself on a new connection; that
    /// what it accepts for the worker does not was asked of the listening socket.
    @inline(never)
    func acknowledgeAtOnce(_ c: UnsafeMutablePointer<ClientConnection>) {
        c.pointee.acksLater = false
        Socket.acknowledgeAtOnce(c.pointee.fd)
    }

    /// Lets the queue wait until there is room again.
    private mutating func pauseAccepting() {
        if acceptsAgainAt != noDeadline { return }
        _ = poller.remove(listener)
        acceptsAgainAt = now + Self.acceptPauseMilliseconds
    }

    /// A connection was closed: if accepting rests, it need not rest longer.
    @inline(__always)
    mutating func roomIsFree() {
        if acceptsAgainAt != noDeadline { acceptsAgainAt = min(acceptsAgainAt, now) }
    }

    /// Listens again once the pause is over.
    mutating func resumeAcceptingIfDue() {
        guard acceptsAgainAt != noDeadline, now >= acceptsAgainAt else { return }
        acceptsAgainAt = noDeadline
        if isDraining { return }
        _ = poller.add(
            listener, events: listenerEvents, token: Token(kind: Kind.listener, generation: 0, index: 0))
    }

    // MARK: Draining

    mutating func beginDrain(_ latch: Latch, _ drain: Drain) {
        drained = latch
        let idleMilliseconds = UInt64(drain.idleSeconds * 1000)
        // Asked again: the listener is closed already, and its descriptor may be somebody else's by now.
        if isDraining {
            if closesIdleAt != noDeadline { closesIdleAt = min(closesIdleAt, now + idleMilliseconds) }
            return
        }
        isHandingOver = drain.isHandingOver
        // What waits in the queue is still served; closed, the port refuses newcomers instead of letting them hang. If
        // somebody else has the socket too, the queue is theirs.
        if !isHandingOver { for _ in 0..<Self.acceptRoundsBeforeDrain { acceptClients(atMost: Self.acceptsPerTurn) } }
        isDraining = true
        if acceptsAgainAt == noDeadline { _ = poller.remove(listener) }
        Socket.close(listener)
        closesIdleAt = now + idleMilliseconds
        if idleMilliseconds == 0 { closeIdle() }
    }

    /// Closes the connections on which no request is under way. While draining their next request would have been the
    /// last one.
    private mutating func closeIdle() {
        closesIdleAt = noDeadline
        var i: UInt32 = 0
        while Int(i) < clients.capacity, clients.liveCount > 0, Int(i) < clients.usedBound {
            if clients.isLive(i) {
                let c = clients.pointer(i)
                if c.pointee.state == .handshake {
                    closeClient(i)
                } else if c.pointee.state == .readingHead && c.pointee.inbound.isEmpty {
                    // A request may have come that no event has told of yet; if none has, reading closes.
                    c.pointee.isReadable = true
                    enqueueClient(i)
                }
            }
            i += 1
        }
    }

    @inline(never)
    mutating func finishDrainIfEmpty() {
        if now >= closesIdleAt { closeIdle() }
        guard clients.liveCount == 0, spilled.isEmpty, let latch = drained else { return }
        drained = nil
        latch.countDown()
    }

    /// The end of the thread: open exchanges are recorded as cut off, every descriptor is closed.
    mutating func closeEverything() {
        var i: UInt32 = 0
        while Int(i) < clients.usedBound {
            if clients.isLive(i) { abortClient(i, .gatewayStopping) }
            i += 1
        }
        i = 0
        while Int(i) < upstreams.usedBound {
            if upstreams.isLive(i) { closeUpstream(i) }
            i += 1
        }
        for i in 0..<targetCapacity { targetStates[i].resumption?.free() }
        if !isDraining { Socket.close(listener) }
        retryAudit()
        drained?.countDown()
        releaseSnapshot(currentHolder)
    }
}

/// How a gateway stops serving.
public struct Drain: Sendable {
    /// How long connections on which no request is under way stay open; their next request is still answered.
    public var idleSeconds: Double
    /// Another process accepts from the same sockets: the service as a whole goes on.
    public var isHandingOver: Bool

    /// For the end of the service.
    public static let stopping = Drain(idleSeconds: 0, isHandingOver: false)
    /// For a process whose successor serves already. A client that uses its connection gets to know with its next
    /// answer that this was the last one.
    public static let handingOver = Drain(idleSeconds: 5, isHandingOver: true)
}
