import Glibc
import HTTP
import Reactor

/// A response's body on its way to the client: out of the upstream's framing, into the client's, in the same turn.
extension Worker {
    /// Room for a chunk's size line in front of its data.
    static let chunkLineRoom = 10

    /// Sends on what `p` holds of a body, behind a head of `headBytes` in `out`. Returns the bytes used, or -1 if the
    /// exchange is over.
    @inline(__always)
    mutating func relay(_ upstream: UInt32, _ p: UnsafePointer<UInt8>, _ n: Int, headBytes: Int) -> Int {
        let c = clients.pointer(upstreams.pointer(upstream).pointee.client)
        if c.pointee.exchange.provider >= 0 { return relayProvided(upstream, p, n, headBytes) }
        return relayPlain(upstream, p, n, headBytes: headBytes)
    }

    /// The same for a body that needs no more than its framing.
    @inline(__always)
    mutating func relayPlain(_ upstream: UInt32, _ p: UnsafePointer<UInt8>, _ n: Int, headBytes: Int) -> Int {
        let u = upstreams.pointer(upstream)
        let client = u.pointee.client
        let c = clients.pointer(client)
        switch c.pointee.exchange.responseFraming {
        case .contentLength:
            let taken = Int(min(UInt64(n), c.pointee.exchange.responseRemaining))
            c.pointee.exchange.responseRemaining &-= UInt64(taken)
            if taken < n { u.pointee.staysOpen = false }
            let isLast = c.pointee.exchange.responseRemaining == 0
            guard sendPlain(client, p, taken, headBytes, isLast: isLast) else { return -1 }
            observe(c, p, taken)
            if isLast {
                if c.pointee.exchange.provider >= 0, brokeOff(c) {
                    cutOff(upstream)
                } else {
                    responseIsComplete(upstream)
                }
                return -1
            }
            keepAuditDescription(client)
            return n
        case .chunked: return relayChunked(upstream, p, n, headBytes)
        case .untilClose: return relayUntilClose(upstream, p, n, headBytes)
        default:
            if n > 0 { u.pointee.staysOpen = false }
            guard sendPlain(client, p, 0, headBytes, isLast: true) else { return -1 }
            responseIsComplete(upstream)
            return -1
        }
    }

    /// Body bytes as they are, joined to the head if both fit one call.
    @inline(__always)
    private mutating func sendPlain(
        _ client: UInt32, _ p: UnsafePointer<UInt8>, _ n: Int, _ headBytes: Int, isLast: Bool
    ) -> Bool {
        if headBytes == 0 { return n == 0 || sendToClient(client, p, n, isLast: isLast) }
        if n <= Self.joinedBodyBytes {
            (out + headBytes).update(from: p, count: n)
            return sendToClient(client, out, headBytes + n, isLast: isLast)
        }
        return sendToClient(client, out, headBytes) && sendToClient(client, p, n, isLast: isLast)
    }

    private mutating func relayUntilClose(
        _ upstream: UInt32, _ p: UnsafePointer<UInt8>, _ n: Int, _ headBytes: Int
    ) -> Int {
        let client = upstreams.pointer(upstream).pointee.client
        let c = clients.pointer(client)
        if c.pointee.exchange.sendsChunked {
            let dataAt = headBytes + Self.chunkLineRoom
            (out + dataAt).update(from: p, count: n)
            guard sendChunk(client, headBytes, n, last: false, trailers: .empty) else { return -1 }
        } else {
            guard sendPlain(client, p, n, headBytes, isLast: false) else { return -1 }
        }
        observe(c, p, n)
        keepAuditDescription(client)
        return n
    }

    private mutating func relayChunked(
        _ upstream: UInt32, _ p: UnsafePointer<UInt8>, _ n: Int, _ headBytes: Int
    ) -> Int {
        let u = upstreams.pointer(upstream)
        let client = u.pointee.client
        let c = clients.pointer(client)
        let limits = UnsafePointer(current).pointee.policy.messageLimits
        let dataAt = headBytes + Self.chunkLineRoom
        var used = 0
        var count = 0
        var isLast = false
        var trailers = Bytes.empty
        decoding: while true {
            switch c.pointee.exchange.responseDecoder.next(p, n, consumed: &used, limits: limits) {
            case .data(let offset, let length):
                (out + dataAt + count).update(from: p + offset, count: length)
                count += length
            case .needMore: break decoding
            case .trailers(let offset, let length):
                trailers = OwnField.isAmong(p + offset, length) ? .empty : Bytes(p + offset, length)
                isLast = true
                break decoding
            case .end:
                isLast = true
                break decoding
            case .failed:
                // What came before the fault goes out; the missing last chunk tells the client that it is not whole.
                u.pointee.staysOpen = false
                if count + headBytes > 0 {
                    let sent =
                        c.pointee.exchange.sendsChunked
                        ? sendChunk(client, headBytes, count, last: false, trailers: .empty)
                        : sendBare(client, headBytes, count)
                    guard sent else { return -1 }
                }
                if count > 0 { observe(c, out + dataAt, count) }
                if clients.isLive(client) && c.pointee.exchange.responseStarted {
                    targetCutShort(u, .protocol)
                    cutShort(client, .malformedResponse)
                }
                return -1
            }
        }
        if isLast && used < n { u.pointee.staysOpen = false }
        let isCut = isLast && c.pointee.exchange.provider >= 0 && breaksOff(c, out + dataAt, count)
        if isCut { isLast = false }
        if count > 0 || isLast || headBytes > 0 {
            let sent =
                c.pointee.exchange.sendsChunked
                ? sendChunk(client, headBytes, count, last: isLast, trailers: trailers)
                : sendBare(client, headBytes, count)
            guard sent else { return -1 }
        }
        if count > 0 { observe(c, out + dataAt, count) }
        if isCut { cutOff(upstream) }
        if isLast { responseIsComplete(upstream) }
        if isCut || isLast { return -1 }
        keepAuditDescription(client)
        return used
    }

    /// Sends `count` bytes that stand in `out` behind the head and the room for a size line, as one chunk; with `last`,
    /// the last chunk and the trailer section behind it.
    @inline(__always)
    mutating func sendChunk(
        _ client: UInt32, _ headBytes: Int, _ count: Int, last: Bool, trailers: Bytes
    ) -> Bool {
        let dataAt = headBytes + Self.chunkLineRoom
        var start = dataAt
        var end = dataAt + count
        if count > 0 {
            out[start - 1] = 0x0A
            out[start - 2] = 0x0D
            start -= 2
            var rest = count
            repeat {
                let digit = UInt8(truncatingIfNeeded: rest & 15)
                start -= 1
                out[start] = digit < 10 ? 48 + digit : 87 + digit
                rest >>= 4
            } while rest > 0
            out[end] = 0x0D
            out[end + 1] = 0x0A
            end += 2
        }
        if last {
            var writer = HeadWriter(out + end, capacity: Self.outBytes - end)
            writer.append("0\r\n")
            writer.append(trailers)
            writer.append("\r\n")
            end += writer.count
        }
        if headBytes > 0 {
            start -= headBytes
            if start > 0 { memmove(out + start, out, headBytes) }
        }
        return sendToClient(client, out + start, end - start, isLast: last)
    }

    /// The same for a client that knows no chunks: the end of the connection ends the body.
    mutating func sendBare(_ client: UInt32, _ headBytes: Int, _ count: Int) -> Bool {
        memmove(out + Self.chunkLineRoom, out, headBytes)
        return headBytes + count == 0 || sendToClient(client, out + Self.chunkLineRoom, headBytes + count)
    }

    /// The upstream closed the connection, which was the end of its body.
    mutating func endUntilClose(_ upstream: UInt32) {
        let client = upstreams.pointer(upstream).pointee.client
        let c = clients.pointer(client)
        if c.pointee.exchange.provider >= 0, brokeOff(c) { return cutOff(upstream) }
        let rest = c.pointee.exchange.provider >= 0 ? heldByFilter(c) : 0
        if c.pointee.exchange.sendsChunked {
            guard sendChunk(client, 0, rest, last: true, trailers: .empty) else { return }
        } else {
            guard sendBare(client, 0, rest) else { return }
        }
        responseIsComplete(upstream)
    }

    /// Looks at body bytes after they went out: counts what a stream consists of, keeps what the audit wants.
    @inline(__always)
    mutating func observe(_ c: UnsafeMutablePointer<ClientConnection>, _ p: UnsafePointer<UInt8>, _ n: Int) {
        c.pointee.exchange.responseBytes &+= UInt64(n)
        if c.pointee.exchange.countsEvents {
            c.pointee.exchange.events.feed(p, n)
        } else if c.pointee.exchange.countsLines {
            c.pointee.exchange.lines.feed(p, n)
        }
        if current.pointee.policy.auditsBody { captureResponse(c, p, n) }
        if c.pointee.exchange.provider >= 0, !isFiltered(c) { observeProvider(c, p, n) }
    }

    // MARK: The client's socket

    /// Hands bytes to the client's socket; what it does not take waits in the connection's buffer, and reading from the
    /// upstream rests until it has gone. False if the client is gone and the exchange with it.
    ///
    /// - Parameter isLast: the exchange is finished at once when these are out. If the connection ends with it the kernel may
    ///   keep a last short segment until then: so the FIN needs no segment, nor the response an acknowledgement, of its own.
    @inline(__always)
    mutating func sendToClient(_ client: UInt32, _ p: UnsafePointer<UInt8>, _ n: Int, isLast: Bool = false) -> Bool {
        let c = clients.pointer(client)
        if !c.pointee.outbound.isEmpty {
            pool.append(&c.pointee.outbound, p, n)
            return true
        }
        let sent: Int
        if let tls = c.pointee.tls {
            sent = Self.write(tls, p, n)
        } else if isLast && !c.pointee.exchange.keepsAlive {
            sent = Socket.sendMore(c.pointee.fd, p, n)
        } else {
            sent = Socket.send(c.pointee.fd, p, n)
        }
        if sent == n { return true }
        if sent < 0 && sent != -EAGAIN {
            clientIsGone(client)
            return false
        }
        let taken = max(sent, 0)
        pool.append(&c.pointee.outbound, p + taken, n - taken)
        watchWritable(client)
        moveSendDeadline(client, 0)
        return true
    }

    /// How often a client that takes nothing is looked at within the send timeout.
    private static let unsentLooks: UInt8 = 4

    /// A client took `count` of the bytes that wait for it; 0: it begins to be waited for.
    mutating func moveSendDeadline(_ client: UInt32, _ count: Int) {
        let policy = UnsafePointer(current)
        let c = clients.pointer(client)
        let timeout = policy.pointee.policy.sendTimeoutMilliseconds
        keepPace(c, count, policy.pointee.policy.minSendRate, timeout)
        c.pointee.unsentLooks = Self.unsentLooks
        lookAtUnsentLater(client)
    }

    private mutating func lookAtUnsentLater(_ client: UInt32) {
        let c = clients.pointer(client)
        c.pointee.unsentMark = Socket.unsent(c.pointee.fd)
        let wait = current.pointee.policy.sendTimeoutMilliseconds / UInt64(Self.unsentLooks)
        setDeadline(client: client, min(now + max(wait, 1), c.pointee.paceDeadline))
    }

    /// Whether a client for which bytes wait is still given time. The socket's buffer may be so large that a slow reader does
    /// not make room in it for long; and right after a send, what the client's own kernel takes looks like a reader's work.
    /// So what the socket holds is looked at some times within the timeout.
    @inline(never)
    mutating func isStillSending(_ client: UInt32) -> Bool {
        let c = clients.pointer(client)
        let taken = Int(c.pointee.unsentMark) - Int(Socket.unsent(c.pointee.fd))
        let pace = c.pointee.paceDeadline
        if taken > 0 {
            moveSendDeadline(client, taken)
            // Bytes that came too slowly are not good for any more time.
            return pace == noDeadline || c.pointee.paceDeadline > now
        }
        c.pointee.unsentLooks &-= 1
        guard c.pointee.unsentLooks > 0, pace > now else { return false }
        lookAtUnsentLater(client)
        return true
    }

    mutating func watchWritable(_ client: UInt32) {
        let c = clients.pointer(client)
        if c.pointee.watchesWritable { return }
        watch(client)
        c.pointee.watchesWritable = true
        _ = poller.modify(
            c.pointee.fd,
            events: PollEvent.readable | PollEvent.writable | PollEvent.readHangUp | PollEvent.edgeTriggered,
            token: clients.token(kind: Kind.client, client))
    }

    /// Sends what waits for the client; once all is out, goes on with what waited for that.
    mutating func flushClient(_ client: UInt32) {
        let c = clients.pointer(client)
        while !c.pointee.outbound.isEmpty {
            let sent: Int
            if let tls = c.pointee.tls {
                sent = tls.write(c.pointee.outbound.readPointer, c.pointee.outbound.count)
            } else {
                sent = Socket.send(c.pointee.fd, c.pointee.outbound.readPointer, c.pointee.outbound.count)
            }
            if sent == -EAGAIN { return watchWritable(client) }
            if sent < 0 { return clientIsGone(client) }
            c.pointee.outbound.consume(sent)
            moveSendDeadline(client, sent)
        }
        pool.give(&c.pointee.outbound)
        c.pointee.deadline = noDeadline
        if c.pointee.state == .exchanging { bodyCameIn(client) }
        clientHasRoom(client)
    }

    private mutating func clientHasRoom(_ client: UInt32) {
        let c = clients.pointer(client)
        if c.pointee.closesAfterFlush {
            return c.pointee.state == .exchanging ? finishCut(client) : beginLinger(client)
        }
        guard c.pointee.state == .exchanging else { return }
        switch c.pointee.exchange.phase {
        case .flushing: finishExchange(client)
        case .tunnel where c.pointee.exchange.upstreamHasEnded: closeTunnelSide(client)
        case .relaying, .tunnel, .awaitingResponse:
            let upstream = c.pointee.exchange.upstream
            if upstream != Exchange.noUpstream, upstreams.pointer(upstream).pointee.isReadable {
                runQueue.append(upstreams.token(kind: Kind.upstream, upstream))
            }
        default: break
        }
    }
}
