import Glibc
import HTTP
import Reactor

/// From a target's name to a connection on which the request can be sent. Addresses are tried in the order of
/// RFC 8305: families take turns, and a slow attempt is joined by the next one after a short wait.
extension Worker {
    static let connectionAttemptDelayMilliseconds: UInt64 = 250
    static let maxAddresses = 16

    /// Makes a new connection to the target of the exchange's route.
    mutating func beginConnect(_ index: UInt32) {
        let c = clients.pointer(index)
        let target = self.target(c)
        c.pointee.exchange.phase = .connecting
        c.pointee.exchange.nextAddress = 0
        pool.give(&c.pointee.exchange.addresses)
        if let literal = target.pointee.literal {
            remember(c, [literal], port: target.pointee.port)
            return connectNext(index)
        }
        let name = target.pointee.host.string
        if let addresses = resolver.cached(name, nowMilliseconds: now) {
            remember(c, addresses, port: target.pointee.port)
            return connectNext(index)
        }
        resolver.resolve(
            name, requestToken: clients.token(kind: Kind.client, index), nowMilliseconds: now,
            timeoutMilliseconds: current.pointee.policy.connectTimeoutMilliseconds)
        deliverNames()
    }

    /// Hands names that have been resolved to the exchanges that wait for them.
    mutating func deliverNames() {
        while let completion = resolver.popCompletion() {
            let token = completion.requestToken
            guard let c = clients.resolve(token), c.pointee.state == .exchanging,
                c.pointee.exchange.phase == .connecting, !c.pointee.exchange.addresses.isAllocated
            else { continue }
            if completion.addresses.isEmpty {
                let isTemporary = completion.isTemporary
                let error: ExchangeError =
                    completion.isTimeout ? .dnsTimeout : isTemporary ? .dnsTemporary : .dnsFailed
                attemptFailed(token.index, .dns(isTemporary: isTemporary), error)
                continue
            }
            remember(c, completion.addresses, port: target(c).pointee.port)
            connectNext(token.index)
        }
    }

    private mutating func remember(
        _ c: UnsafeMutablePointer<ClientConnection>, _ addresses: [SocketAddress], port: UInt16
    ) {
        let count = min(addresses.count, Self.maxAddresses)
        let stride = MemoryLayout<SocketAddress>.stride
        c.pointee.exchange.addresses = pool.take(atLeast: count * stride)
        let base = UnsafeMutableRawPointer(c.pointee.exchange.addresses.base.unsafelyUnwrapped)
        for i in 0..<count {
            (base + i * stride).storeBytes(of: addresses[i].withPort(port), as: SocketAddress.self)
        }
        c.pointee.exchange.addresses.end = UInt32(count * stride)
    }

    private func addressCount(_ c: UnsafeMutablePointer<ClientConnection>) -> Int {
        c.pointee.exchange.addresses.count / MemoryLayout<SocketAddress>.stride
    }

    /// Tries the next address. With none left the attempt has failed, unless another try is still under way.
    mutating func connectNext(_ index: UInt32) {
        let c = clients.pointer(index)
        var last: Int32 = 0
        while Int(c.pointee.exchange.nextAddress) < addressCount(c) {
            let base = UnsafeRawPointer(c.pointee.exchange.addresses.base.unsafelyUnwrapped)
            let offset = Int(c.pointee.exchange.nextAddress) * MemoryLayout<SocketAddress>.stride
            let address = base.load(fromByteOffset: offset, as: SocketAddress.self)
            c.pointee.exchange.nextAddress += 1
            var fd = Socket.connect(address)
            if Self.isOutOfDescriptors(fd) {
                metrics.descriptorsMissed()
                notice(.descriptors)
                if reclaimIdleUpstreams() > 0 { fd = Socket.connect(address) }
            }
            if fd >= 0, startConnecting(index, fd) { return }
            last = fd
        }
        if c.pointee.exchange.upstream != Exchange.noUpstream { return }
        if c.pointee.exchange.racer != Exchange.noUpstream { return }
        // That is our lack, not the upstream's fault.
        if Self.isOutOfDescriptors(last) { return refuse(index, .noCapacity) }
        connectingFailed(index, last)
    }

    /// No address is left; `result` says why the last one failed.
    private mutating func connectingFailed(_ index: UInt32, _ result: Int32) {
        switch result {
        case -ETIMEDOUT: attemptFailed(index, .connectTimeout, .connectTimeout)
        case -EHOSTUNREACH, -ENETUNREACH, -EHOSTDOWN, -ENETDOWN:
            attemptFailed(index, .connect, .connectUnreachable)
        default: attemptFailed(index, .connect, .connectRefused)
        }
    }

    private mutating func startConnecting(_ index: UInt32, _ fd: Int32) -> Bool {
        let c = clients.pointer(index)
        guard let upstream = upstreams.allocate() else {
            Socket.close(fd)
            return false
        }
        let u = upstreams.pointer(upstream)
        u.initialize(
            to: UpstreamConnection(
                fd: fd, state: .connecting, stableTarget: target(c).pointee.stableID, client: index))
        let events = PollEvent.readable | PollEvent.writable | PollEvent.readHangUp | PollEvent.edgeTriggered
        guard poller.add(fd, events: events, token: upstreams.token(kind: Kind.upstream, upstream)) == 0 else {
            Socket.close(fd)
            upstreams.release(upstream)
            return false
        }
        metrics.upstreamOpened()
        if c.pointee.exchange.upstream == Exchange.noUpstream {
            c.pointee.exchange.upstream = upstream
        } else {
            c.pointee.exchange.racer = upstream
        }
        u.pointee.connectDeadline = now + current.pointee.policy.connectTimeoutMilliseconds
        let mayRace =
            c.pointee.exchange.racer == Exchange.noUpstream && Int(c.pointee.exchange.nextAddress) < addressCount(c)
        setDeadline(
            upstream: upstream, mayRace ? now + Self.connectionAttemptDelayMilliseconds : u.pointee.connectDeadline)
        return true
    }

    /// The kernel has news of a connection being made.
    mutating func connectEvent(_ upstream: UInt32, _ events: UInt32) {
        let u = upstreams.pointer(upstream)
        let error = Socket.connectError(u.pointee.fd)
        if error != 0 {
            return connectFailed(upstream, error)
        }
        guard events & PollEvent.writable != 0 else { return }
        connected(upstream)
    }

    /// An address did not work out: the next one, or the attempt's end.
    mutating func connectFailed(_ upstream: UInt32, _ result: Int32) {
        let index = upstreams.pointer(upstream).pointee.client
        let c = clients.pointer(index)
        if c.pointee.exchange.upstream == upstream {
            c.pointee.exchange.upstream = c.pointee.exchange.racer
        }
        c.pointee.exchange.racer = Exchange.noUpstream
        closeUpstream(upstream)
        let hasMore = Int(c.pointee.exchange.nextAddress) < addressCount(c)
        if !hasMore && c.pointee.exchange.upstream == Exchange.noUpstream {
            return connectingFailed(index, result)
        }
        if hasMore { connectNext(index) }
    }

    /// A connection is made: it wins, another one being made is given up.
    private mutating func connected(_ upstream: UInt32) {
        let u = upstreams.pointer(upstream)
        let index = u.pointee.client
        let c = clients.pointer(index)
        let other =
            c.pointee.exchange.upstream == upstream ? c.pointee.exchange.racer : c.pointee.exchange.upstream
        c.pointee.exchange.upstream = upstream
        c.pointee.exchange.racer = Exchange.noUpstream
        if other != Exchange.noUpstream { closeUpstream(other) }
        let target = self.target(c)
        guard target.pointee.isTLS else {
            u.pointee.state = .ready
            return sendRequest(index, upstream)
        }
        let stableID = Int(target.pointee.stableID)
        let tls = c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.tls
        let fd = u.pointee.fd
        // A session vouches for the certificate that was verified when it was made, by the rules of then.
        let isCurrent = tls.number == current.pointee.tls.number
        let resumption = isCurrent ? targetStates[stableID].resumption : nil
        guard
            let context = tls.client(for: target.pointee.host),
            let session = context._withUnsafeGuaranteedRef({
                TLSSession.client($0, fd: fd, serverName: target.pointee.serverName, resume: resumption)
            })
        else { return attemptFailed(index, .tls, .tlsFailed) }
        u.pointee.tls = session
        u.pointee.tlsNumber = tls.number
        u.pointee.state = .handshake
        setDeadline(upstream: upstream, u.pointee.connectDeadline)
        upstreamHandshake(upstream)
    }

    mutating func upstreamHandshake(_ upstream: UInt32) {
        let u = upstreams.pointer(upstream)
        guard let tls = u.pointee.tls else { return }
        switch tls.handshake() {
        case .done:
            u.pointee.state = .ready
            sendRequest(u.pointee.client, upstream)
        case .wantRead, .wantWrite:
            if u.pointee.hasHungUp { attemptFailed(u.pointee.client, .closed(wasReused: false), .tlsFailed) }
        case .failed:
            let error: ExchangeError =
                switch tls.failureReason() {
                case .expired: .tlsExpired
                case .notYetValid: .tlsNotYetValid
                case .wrongName: .tlsWrongName
                case .unknownCA: .tlsUnknownCA
                case .selfSigned: .tlsSelfSigned
                case .revoked, .invalidCertificate: .tlsInvalidCertificate
                case .versionMismatch: .tlsVersion
                case .refused: .tlsRefused
                case .protocolError, .connectionClosed, .other: .tlsFailed
                }
            attemptFailed(u.pointee.client, .tls, error)
        }
    }

    // MARK: Idle connections

    /// The connection to this target that was used last, off the idle list.
    @inline(__always)
    mutating func takeIdle(_ stableID: Int) -> UInt32? {
        let first = targetStates[stableID].idleHead
        if first == Exchange.noUpstream { return nil }
        unlinkIdle(first)
        return first
    }

    /// Keeps a connection for the next request to its target.
    @inline(__always)
    mutating func keepIdle(_ upstream: UInt32) {
        let u = upstreams.pointer(upstream)
        let stableID = Int(u.pointee.stableTarget)
        guard targetStates[stableID].idleCount < current.pointee.policy.maxIdleUpstream else {
            return closeUpstream(upstream)
        }
        u.pointee.state = .idle
        u.pointee.client = Exchange.noUpstream
        let next = targetStates[stableID].idleHead
        u.pointee.nextIdle = next
        u.pointee.previousIdle = Exchange.noUpstream
        if next != Exchange.noUpstream { upstreams.pointer(next).pointee.previousIdle = upstream }
        targetStates[stableID].idleHead = upstream
        targetStates[stableID].idleCount += 1
        setDeadline(upstream: upstream, now + current.pointee.policy.idleUpstreamMilliseconds)
    }

    @inline(__always)
    mutating func unlinkIdle(_ upstream: UInt32) {
        let u = upstreams.pointer(upstream)
        let stableID = Int(u.pointee.stableTarget)
        let next = u.pointee.nextIdle
        let previous = u.pointee.previousIdle
        if next != Exchange.noUpstream { upstreams.pointer(next).pointee.previousIdle = previous }
        if previous != Exchange.noUpstream {
            upstreams.pointer(previous).pointee.nextIdle = next
        } else {
            targetStates[stableID].idleHead = next
        }
        targetStates[stableID].idleCount -= 1
    }

    /// Other authorities may be trusted now: idle connections were verified by the old ones, and so were sessions.
    mutating func forgetTLSUpstreams() {
        for i in 0..<targetCapacity {
            targetStates[i].resumption?.free()
            targetStates[i].resumption = nil
        }
        var i: UInt32 = 0
        while Int(i) < upstreams.usedBound {
            if upstreams.isLive(i), upstreams.pointer(i).pointee.state == .idle, upstreams.pointer(i).pointee.tls != nil
            {
                closeUpstream(i)
            }
            i += 1
        }
    }

    /// Closes an upstream connection and gives back what it holds. The exchange that used it, if any, has let go of it.
    mutating func closeUpstream(_ upstream: UInt32) {
        let u = upstreams.pointer(upstream)
        if u.pointee.state == .idle { unlinkIdle(upstream) }
        wheel.cancel(u.pointee.timer)
        if let tls = u.pointee.tls {
            if u.pointee.state == .idle || u.pointee.state == .ready { tls.closeNotify() }
            tls.free()
        }
        pool.give(&u.pointee.inbound)
        pool.give(&u.pointee.outbound)
        Socket.close(u.pointee.fd)
        upstreams.release(upstream)
        metrics.upstreamClosed()
    }

    /// Lets go of whatever an attempt holds: connections, a name lookup.
    mutating func releaseAttempt(_ c: UnsafeMutablePointer<ClientConnection>) {
        if c.pointee.exchange.upstream != Exchange.noUpstream { closeUpstream(c.pointee.exchange.upstream) }
        c.pointee.exchange.upstream = Exchange.noUpstream
        guard c.pointee.exchange.request != nil else { return }
        if c.pointee.exchange.racer != Exchange.noUpstream { closeUpstream(c.pointee.exchange.racer) }
        c.pointee.exchange.racer = Exchange.noUpstream
        pool.give(&c.pointee.exchange.addresses)
    }
}
