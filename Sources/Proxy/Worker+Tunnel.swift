import Glibc
import HTTP
import Reactor

/// After a 101 (RFC 9110 §7.8) bytes go both ways unread: WebSockets, for one. Each side's backlog pauses the other's
/// reading; a tunnel in which nothing moves for the route's timeout is closed.
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
        c.pointee.exchange.firstResponseTime = realtime
        targetStates[Int(upstreams.pointer(upstream).pointee.stableTarget)].health.succeeded()
        describeForAudit(client, p, response)
        var writer = HeadWriter(out, capacity: Self.outBytes)
        writer.append("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n")
        for i in 0..<Int(response.fieldCount) {
            let field = responseFields[i]
            if field.id != .upgrade && Self.responseDropped.contains(field.id) { continue }
            let start = Int(field.nameOffset)
            writer.append(p + start, Int(field.valueOffset) + Int(field.valueLength) - start)
            writer.append("\r\n")
        }
        c.pointee.exchange.keepsAlive = true
        writeCommonFields(client, &writer, hasOwnCORS: true)
        c.pointee.exchange.keepsAlive = false
        writer.append("\r\n")
        keepAuditDescription(client)
        consumeRequest(c)
        let rest = n - Int(response.headLength)
        guard sendToClient(client, out, writer.count) else { return -1 }
        if rest > 0 {
            c.pointee.exchange.responseBytes += UInt64(rest)
            guard sendToClient(client, p + Int(response.headLength), rest) else { return -1 }
        }
        let token = upstreams.token(kind: Kind.upstream, upstream)
        if c.pointee.inbound.count > 0 || c.pointee.isReadable { pumpTunnelFromClient(client) }
        if upstreams.resolve(token) != nil { runQueue.append(token) }
        return -1
    }

    mutating func pumpTunnelFromUpstream(_ upstream: UInt32) {
        let u = upstreams.pointer(upstream)
        let client = u.pointee.client
        let c = clients.pointer(client)
        var reads = 0
        while u.pointee.isReadable && c.pointee.outbound.isEmpty {
            if reads == Self.readsPerTurn {
                runQueue.append(upstreams.token(kind: Kind.upstream, upstream))
                return
            }
            reads += 1
            let got = receive(upstream: u, scratch, Self.scratchBytes)
            if got == -EAGAIN { return }
            guard got > 0 else { return endTunnel(client) }
            u.pointee.deadline = now + route(c).pointee.timeoutMilliseconds
            c.pointee.exchange.responseBytes += UInt64(got)
            guard sendToClient(client, scratch, got) else { return }
        }
    }

    mutating func pumpTunnelFromClient(_ client: UInt32) {
        let c = clients.pointer(client)
        let upstream = c.pointee.exchange.upstream
        guard upstream != Exchange.noUpstream else { return }
        let u = upstreams.pointer(upstream)
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
            guard got > 0 else { return clientIsGone(client) }
            u.pointee.deadline = now + route(c).pointee.timeoutMilliseconds
            c.pointee.exchange.requestReceived += UInt64(got)
            let sent = transmit(u, scratch, got)
            if sent < 0 && sent != -EAGAIN { return endTunnel(client) }
            let taken = max(sent, 0)
            if taken < got { pool.append(&u.pointee.outbound, scratch + taken, got - taken) }
        }
    }

    /// The upstream closed its side: what it sent still goes out, then the client's side ends too.
    private mutating func endTunnel(_ client: UInt32) {
        let c = clients.pointer(client)
        releaseAttempt(c)
        c.pointee.exchange.requestIsComplete = true
        if c.pointee.outbound.isEmpty { return finishExchange(client) }
        c.pointee.exchange.phase = .flushing
    }
}
