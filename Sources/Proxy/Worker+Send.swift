import Glibc
import HTTP
import Reactor

/// Sending the request to the upstream: its head, and its body as it came or as the route wants it.
extension Worker {
    /// Up to this much of a body is copied behind the head, so that both go out in one call.
    static let joinedBodyBytes = 48 * 1024

    /// The connection is ready: sends the head and what is here of the body.
    @inline(__always)
    mutating func sendRequest(_ index: UInt32, _ upstream: UInt32) {
        refreshHead(index)
        let c = clients.pointer(index)
        let u = upstreams.pointer(upstream)
        c.pointee.exchange.phase = .awaitingResponse
        c.pointee.exchange.informationalCount = 0
        u.pointee.sendFailed = false
        u.pointee.isSilent = true
        u.pointee.sentInTurn = turn
        u.pointee.scan = HeadScan()
        var writer = HeadWriter(out, capacity: Self.outBytes - Self.joinedBodyBytes - 64)
        let body = outgoingBody(c)
        writeRequestHead(c, body, &writer)
        guard !writer.overflowed else {
            releaseAttempt(c)
            return refuse(index, .malformedRequest)
        }
        setDeadline(upstream: upstream, now + answerTimeout(c))
        if c.pointee.exchange.provider >= 0 { requestGoesOut(c) }
        if c.pointee.exchange.streamsRequest && c.pointee.exchange.requestIsChunked {
            guard transmitHead(index, upstream, writer.count) else { return }
            return pumpRequest(index)
        }
        if body.count > Self.joinedBodyBytes && u.pointee.tls == nil {
            return sendLongRequest(index, upstream, headBytes: writer.count, body)
        }
        let joined = min(body.count, Self.joinedBodyBytes)
        if joined > 0 { (out + writer.count).update(from: body.pointer.unsafelyUnwrapped, count: joined) }
        c.pointee.exchange.bodySent = UInt64(joined)
        guard transmitHead(index, upstream, writer.count + joined) else { return }
        if joined < body.count || !c.pointee.exchange.requestIsComplete { pumpRequest(index) }
    }

    /// How long the upstream may let us wait: for its first byte, or between two.
    @inline(__always)
    func answerTimeout(_ c: UnsafeMutablePointer<ClientConnection>) -> UInt64 {
        let first = current.pointee.policy.firstByteTimeoutMilliseconds
        return first > 0 && c.pointee.exchange.phase == .awaitingResponse
            ? first : route(c).pointee.timeoutMilliseconds
    }

    /// Sends the first `count` bytes of `out`.
    @inline(__always)
    private mutating func transmitHead(_ index: UInt32, _ upstream: UInt32, _ count: Int) -> Bool {
        headIsOut(index, upstream, count, transmit(upstreams.pointer(upstream), out, count))
    }

    /// The kernel took `sent` of the first `count` bytes of `out`, or said why not.
    @inline(__always)
    mutating func headIsOut(_ index: UInt32, _ upstream: UInt32, _ count: Int, _ sent: Int) -> Bool {
        if clients.pointer(index).pointee.exchange.isTimed { noteTime(index) }
        return keepUnsent(upstream, out, count, sent)
    }

    /// What the kernel did not take of p[0 ..< n] waits in the connection's buffer. False if it takes no more at all.
    @inline(__always)
    mutating func keepUnsent(_ upstream: UInt32, _ p: UnsafePointer<UInt8>, _ n: Int, _ sent: Int) -> Bool {
        if sent == n { return true }
        if sent < 0 && sent != -EAGAIN {
            sendFailed(upstream)
            return false
        }
        let taken = max(sent, 0)
        pool.append(&upstreams.pointer(upstream).pointee.outbound, p + taken, n - taken)
        return true
    }

    /// The connection takes no more of the request. A response may be there all the same; if not, reading tells.
    mutating func sendFailed(_ upstream: UInt32) {
        let u = upstreams.pointer(upstream)
        u.pointee.sendFailed = true
        u.pointee.isReadable = true
        pool.give(&u.pointee.outbound)
        upstreamReady(upstream)
    }

    @inline(__always)
    func transmit(_ u: UnsafeMutablePointer<UpstreamConnection>, _ p: UnsafePointer<UInt8>, _ n: Int) -> Int {
        if let tls = u.pointee.tls { return Self.write(tls, p, n) }
        return Socket.send(u.pointee.fd, p, n)
    }

    /// Writes until all is out or the socket is full: TLS takes one record at a time, and as long as the socket is not
    /// full no event will ask for the rest.
    @inline(never)
    static func write(_ tls: TLSSession, _ p: UnsafePointer<UInt8>, _ n: Int) -> Int {
        var written = 0
        while written < n {
            let count = tls.write(p + written, n - written)
            if count == -EAGAIN { return written > 0 ? written : count }
            if count < 0 { return count }
            written += count
        }
        return written
    }

    /// The body as it goes to this route's target, as far as it is here.
    @inline(__always)
    func outgoingBody(_ c: UnsafeMutablePointer<ClientConnection>) -> Bytes {
        let rewritten = c.pointee.exchange.rewrittenBody
        if rewritten.isAllocated { return Bytes(rewritten.readPointer, rewritten.count) }
        return body(c)
    }

    // MARK: Body

    /// Sends on what is here of the body, and reads more of it while the upstream takes it.
    mutating func pumpRequest(_ index: UInt32) {
        let c = clients.pointer(index)
        let upstream = c.pointee.exchange.upstream
        // Without a head in the buffer all of the request has gone, and its buffers with it.
        guard upstream != Exchange.noUpstream, c.pointee.exchange.headLength > 0 else { return }
        let u = upstreams.pointer(upstream)
        guard u.pointee.state == .ready, u.pointee.outbound.isEmpty, !u.pointee.sendFailed else { return }
        guard sendHeldBody(index, upstream) else { return }
        if c.pointee.exchange.streamsRequest { streamRequest(index, upstream) }
    }

    /// Sends the part of the body that is in a buffer. True once it is out.
    private mutating func sendHeldBody(_ index: UInt32, _ upstream: UInt32) -> Bool {
        let c = clients.pointer(index)
        let u = upstreams.pointer(upstream)
        if c.pointee.exchange.streamsRequest && c.pointee.exchange.requestIsChunked {
            return sendHeldChunk(index, upstream)
        }
        let body = outgoingBody(c)
        while c.pointee.exchange.bodySent < UInt64(body.count) {
            let offset = Int(c.pointee.exchange.bodySent)
            let tail = spliceableBytes(index, upstream, body)
            let sent =
                tail > 0 && offset == body.count - tail
                ? splicePeeked(index, upstream, tail)
                : transmit(u, body.pointer.unsafelyUnwrapped + offset, body.count - tail - offset)
            if sent == -EAGAIN { return false }
            if sent < 0 {
                sendFailed(upstream)
                return false
            }
            c.pointee.exchange.bodySent += UInt64(sent)
            u.pointee.deadline = now + answerTimeout(c)
        }
        return true
    }

    /// Sends what waits for an upstream; once all is out, goes on with the body.
    mutating func flushUpstream(_ upstream: UInt32) {
        let u = upstreams.pointer(upstream)
        while !u.pointee.outbound.isEmpty {
            let sent = transmit(u, u.pointee.outbound.readPointer, u.pointee.outbound.count)
            if sent == -EAGAIN { return }
            if sent < 0 { return sendFailed(upstream) }
            u.pointee.outbound.consume(sent)
            if u.pointee.client != Exchange.noUpstream {
                let c = clients.pointer(u.pointee.client)
                u.pointee.deadline =
                    c.pointee.exchange.phase == .tunnel ? tunnelDeadline(c) : now + answerTimeout(c)
            }
        }
        pool.give(&u.pointee.outbound)
    }
}
