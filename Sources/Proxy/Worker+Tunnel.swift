import Glibc
import HTTP
import Reactor

/// After a 101 (RFC 9110 §7.8) bytes go both ways unread: WebSockets, for one. Each side's backlog pauses the other's
/// reading. A side that has finished sending may go on receiving, as TCP has it; the tunnel ends when both have, when one
/// breaks off, or when nothing moves for `proxy.tunnel_idle_timeout`.
extension Worker {
    /// The upstream switched protocols. Returns -1: from here on its bytes are no longer HTTP.
    mutating func startTunnel(
        _ upstream: UInt32, _ p: UnsafePointer<UInt8>, _ n: Int, _ response: ResponseHead
    ) -> Int {
        let client = upstreams.pointer(upstream).pointee.client
        let c = clients.pointer(client)
        guard c.pointee.exchange.wantsUpgrade else {
            attemptFailed(client, .malformedResponse, .malformedResponse)
            return -1
        }
        c.pointee.exchange.phase = .tunnel
        c.pointee.exchange.responseStarted = true
        c.pointee.exchange.canReplay = false
        c.pointee.exchange.keepsAlive = false
        c.pointee.exchange.status = 101
        c.pointee.exchange.firstResponseTime = recordedNow(c)
        targetStates[Int(upstreams.pointer(upstream).pointee.stableTarget)].health.succeeded()
        describeForAudit(client, p, response)
        var writer = HeadWriter(out, capacity: Self.outBytes)
        writer.append("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n")
        for i in 0..<Int(response.fieldCount) {
            let field = responseFields[i]
            if field.id == .contentLength { continue }
            if field.id != .upgrade && Self.responseDropped.contains(field.id) { continue }
            writer.append(field, of: p)
        }
        c.pointee.exchange.keepsAlive = true
        writeCommonFields(client, &writer, hasOwnCORS: true)
        c.pointee.exchange.keepsAlive = false
        writer.append("\r\n")
        consumeRequest(c)
        keepAuditDescription(client)
        let rest = n - Int(response.headLength)
        guard sendToClient(client, out, writer.count) else { return -1 }
        if rest > 0 {
            c.pointee.exchange.responseBytes += UInt64(rest)
            guard sendToClient(client, p + Int(response.headLength), rest) else { return -1 }
        }
        let token = upstreams.token(kind: Kind.upstream, upstream)
        setDeadline(upstream: upstream, tunnelDeadline(c))
        if c.pointee.inbound.count > 0 || c.pointee.isReadable { pumpTunnelFromClient(client) }
        if upstreams.resolve(token) != nil { runQueue.append(token) }
        return -1
    }

    /// When a tunnel in which nothing moves from now on is closed. One that is half closed seldom has a use: it gets the
    /// time that a client has to take an answer.
    func tunnelDeadline(_ c: UnsafeMutablePointer<ClientConnection>) -> UInt64 {
        let isHalfClosed = c.pointee.exchange.upstreamHasEnded || c.pointee.exchange.clientHasEnded
        let policy = UnsafePointer(current).pointee.policy
        let idle = policy.tunnelIdleTimeoutMilliseconds
        return now + (isHalfClosed ? min(idle, policy.sendTimeoutMilliseconds) : idle)
    }

    mutating func pumpTunnelFromUpstream(_ upstream: UInt32) {
        let u = upstreams.pointer(upstream)
        let client = u.pointee.client
        let c = clients.pointer(client)
        if c.pointee.exchange.upstreamHasEnded { return tunnelEndHung(client, upstream) }
        var reads = 0
        while u.pointee.isReadable && c.pointee.outbound.isEmpty {
            if reads == Self.readsPerTurn {
                runQueue.append(upstreams.token(kind: Kind.upstream, upstream))
                return
            }
            reads += 1
            let got = receive(upstream: u, scratch, Self.scratchBytes)
            if got == -EAGAIN { return }
            guard got > 0 else {
                u.pointee.isReadable = false
                if got < 0 { return breakTunnel(client) }
                c.pointee.exchange.upstreamHasEnded = true
                setDeadline(upstream: upstream, tunnelDeadline(c))
                return closeTunnelSide(client)
            }
            u.pointee.deadline = tunnelDeadline(c)
            c.pointee.exchange.responseBytes += UInt64(got)
            guard sendToClient(client, scratch, got) else { return }
        }
    }

    mutating func pumpTunnelFromClient(_ client: UInt32) {
        let c = clients.pointer(client)
        let upstream = c.pointee.exchange.upstream
        guard upstream != Exchange.noUpstream else { return }
        let u = upstreams.pointer(upstream)
        if c.pointee.exchange.clientHasEnded {
            guard c.pointee.isReadable else { return }
            c.pointee.isReadable = false
            if receive(client: c, scratch, 1) < 0 { clientIsGone(client) }
            return
        }
        if c.pointee.inbound.count > 0 && u.pointee.outbound.isEmpty {
            pool.append(&u.pointee.outbound, c.pointee.inbound.readPointer, c.pointee.inbound.count)
            c.pointee.exchange.requestReceived += UInt64(c.pointee.inbound.count)
            pool.give(&c.pointee.inbound)
            let token = upstreams.token(kind: Kind.upstream, upstream)
            flushUpstream(upstream)
            guard upstreams.resolve(token) != nil else { return }
        }
        var reads = 0
        while c.pointee.isReadable && u.pointee.outbound.isEmpty {
            if reads == Self.readsPerTurn { return enqueueClient(client) }
            reads += 1
            let got = receive(client: c, scratch, Self.scratchBytes)
            if got == -EAGAIN { return }
            guard got > 0 else {
                c.pointee.isReadable = false
                if got < 0 { return clientIsGone(client) }
                c.pointee.exchange.clientHasEnded = true
                c.pointee.exchange.requestIsComplete = true
                setDeadline(upstream: upstream, tunnelDeadline(c))
                return closeTunnelSide(client)
            }
            u.pointee.deadline = tunnelDeadline(c)
            c.pointee.exchange.requestReceived += UInt64(got)
            let sent = transmit(u, scratch, got)
            if sent < 0 && sent != -EAGAIN { return breakTunnel(client) }
            let taken = max(sent, 0)
            if taken < got { pool.append(&u.pointee.outbound, scratch + taken, got - taken) }
        }
    }

    /// One side has finished sending, or what it sent has now gone out: the other is told, once. After both the tunnel
    /// is over.
    mutating func closeTunnelSide(_ client: UInt32) {
        let c = clients.pointer(client)
        let upstream = c.pointee.exchange.upstream
        guard upstream != Exchange.noUpstream else { return }
        let u = upstreams.pointer(upstream)
        let clientIsServed = c.pointee.exchange.upstreamHasEnded && c.pointee.outbound.isEmpty
        let upstreamIsServed = c.pointee.exchange.clientHasEnded && u.pointee.outbound.isEmpty
        if clientIsServed && upstreamIsServed {
            releaseAttempt(c)
            return finishExchange(client)
        }
        if clientIsServed && !c.pointee.exchange.clientWasToldTheEnd {
            c.pointee.exchange.clientWasToldTheEnd = true
            c.pointee.tls?.closeNotify()
            Socket.shutdownWrite(c.pointee.fd)
        }
        if upstreamIsServed && !c.pointee.exchange.upstreamWasToldTheEnd {
            c.pointee.exchange.upstreamWasToldTheEnd = true
            u.pointee.tls?.closeNotify()
            Socket.shutdownWrite(u.pointee.fd)
        }
    }

    /// The upstream has finished sending, and now there is news of it again: it is gone altogether.
    private mutating func tunnelEndHung(_ client: UInt32, _ upstream: UInt32) {
        let u = upstreams.pointer(upstream)
        guard u.pointee.isReadable else { return }
        u.pointee.isReadable = false
        if receive(upstream: u, scratch, 1) < 0 { breakTunnel(client) }
    }

    /// The upstream broke off: what it sent still goes out, then the client sees a break too, not an end.
    private mutating func breakTunnel(_ client: UInt32) {
        let c = clients.pointer(client)
        let hadEnded = c.pointee.exchange.upstreamHasEnded
        c.pointee.exchange.requestIsComplete = true
        if !hadEnded { c.pointee.exchange.error = .cutShort }
        releaseAttempt(c)
        guard c.pointee.outbound.isEmpty else {
            c.pointee.closesAfterFlush = true
            c.pointee.exchange.responseFraming = .untilClose
            c.pointee.exchange.phase = .flushing
            return
        }
        endExchange(client)
        closeClient(client, reset: !hadEnded)
    }
}
