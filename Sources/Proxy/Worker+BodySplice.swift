import Glibc
import Reactor

/// Body bytes that a client's inbound buffer holds at its end and that are still in its socket as well, as the next to be
/// read there.
struct PeekedBytes: BitwiseCopyable {
    var client = Token(rawValue: 0)
    var count = 0
}

/// A long request body from the client's socket to the upstream's inside the kernel.
///
/// Its bytes are looked at (MSG_PEEK) and kept, so that it can be scanned, recorded and sent again as any other body; but
/// what goes upstream at once is the socket's own pages, which spares the kernel the dearer of two copies. Whatever comes in
/// between (no idle upstream connection, one that takes no more, a body that is refused), the bytes are taken out of
/// the socket before anything else is read there, and go on out of the buffer.
extension Worker {
    /// Of less than this copying costs no more.
    static let splicedBodyBytes = 32 * 1024

    /// How many bytes of a body of which much is missing have arrived; 0 if it is another kind of body, -1 if it is better to
    /// wait for more.
    mutating func arrivedOfLongBody(_ index: UInt32) -> Int {
        let c = clients.pointer(index)
        guard c.pointee.tls == nil, !c.pointee.exchange.requestIsChunked else { return 0 }
        let missing = c.pointee.exchange.requestLength - c.pointee.exchange.requestReceived
        guard missing >= UInt64(Self.splicedBodyBytes) else { return 0 }
        let arrived = Socket.unread(c.pointee.fd)
        return awaitsMore(index, arrived: arrived, missing: missing) ? -1 : arrived
    }

    /// Copies what has arrived behind what the inbound buffer holds, and leaves it in the socket. As `receive`.
    mutating func peek(_ index: UInt32) -> Int {
        let c = clients.pointer(index)
        let room = c.pointee.inbound.writableCount
        let got = Socket.peek(c.pointee.fd, c.pointee.inbound.writePointer, room)
        if got < room && !c.pointee.hasHungUp { c.pointee.isReadable = false }
        if got > 0 { peeked = PeekedBytes(client: clients.token(kind: Kind.client, index), count: got) }
        return got
    }

    /// Takes what was looked at and is still in the socket out of it.
    @inline(__always)
    mutating func settlePeeked() {
        if peeked.count > 0 { skipPeeked() }
    }

    @inline(never)
    private mutating func skipPeeked() {
        var left = peeked.count
        peeked.count = 0
        guard let c = clients.resolve(peeked.client) else { return }
        while left > 0 {
            let got = Socket.skip(c.pointee.fd, left)
            guard got > 0 else {
                // It failed in between. Whatever it still holds must not be taken for a request.
                c.pointee.exchange.keepsAlive = false
                c.pointee.hasHungUp = true
                c.pointee.isReadable = true
                return
            }
            left -= got
        }
    }

    /// The head stands in `out`, and its body is too long to be copied behind it: both go out in one call, but for what can
    /// go from socket to socket.
    @inline(never)
    mutating func sendLongRequest(_ index: UInt32, _ upstream: UInt32, headBytes: Int, _ body: Bytes) {
        let c = clients.pointer(index)
        let u = upstreams.pointer(upstream)
        let p = body.pointer.unsafelyUnwrapped
        let tail = spliceableBytes(index, upstream, body)
        let first = body.count - tail
        if tail > 0 && first <= Self.joinedBodyBytes {
            (out + headBytes).update(from: p, count: first)
            c.pointee.exchange.bodySent = UInt64(first)
            let sent = Socket.sendMore(u.pointee.fd, out, headBytes + first)
            guard headIsOut(index, upstream, headBytes + first, sent) else { return }
        } else {
            let sent = Socket.send(u.pointee.fd, out, headBytes, then: p, first)
            c.pointee.exchange.bodySent = UInt64(max(sent - headBytes, 0))
            guard headIsOut(index, upstream, headBytes, min(sent, headBytes)) else { return }
        }
        pumpRequest(index)
    }

    /// How many bytes at the end of the body, as far as it is here, can go from socket to socket.
    @inline(__always)
    func spliceableBytes(_ index: UInt32, _ upstream: UInt32, _ body: Bytes) -> Int {
        peeked.count == 0 ? 0 : spliceablePeeked(index, upstream, body)
    }

    private func spliceablePeeked(_ index: UInt32, _ upstream: UInt32, _ body: Bytes) -> Int {
        let c = clients.pointer(index)
        guard peeked.client == clients.token(kind: Kind.client, index), upstreams.pointer(upstream).pointee.tls == nil,
            !c.pointee.exchange.rewrittenBody.isAllocated
        else { return 0 }
        // What stands behind the body is the next request's.
        let behind = c.pointee.inbound.count - Int(c.pointee.exchange.headLength) - body.count
        return max(peeked.count - behind, 0)
    }

    /// Hands the next `n` peeked bytes to the upstream. Returns how many went; if fewer, none are peeked any longer, and the
    /// rest is to be sent out of the buffer.
    @inline(never)
    mutating func splicePeeked(_ index: UInt32, _ upstream: UInt32, _ n: Int) -> Int {
        let moved = pipe.open() ? movePeeked(index, upstream, n, room: scratch) : 0
        if moved < n { settlePeeked() }
        return moved
    }

    /// Moves up to `n` peeked bytes until the upstream takes no more. What is left in the pipe then is held elsewhere, and
    /// thrown away into `room`.
    private mutating func movePeeked(
        _ index: UInt32, _ upstream: UInt32, _ n: Int, room: UnsafeMutablePointer<UInt8>
    ) -> Int {
        let from = clients.pointer(index).pointee.fd
        let to = upstreams.pointer(upstream).pointee.fd
        var moved = 0
        while moved < n {
            let got = pipe.fill(from: from, min(n - moved, Self.scratchBytes))
            if got <= 0 { break }
            peeked.count -= got
            while pipe.count > 0 {
                let sent = pipe.drain(to: to)
                if sent <= 0 { break }
                moved += sent
            }
            if pipe.count > 0 {
                if !pipe.take(into: room) { pipe.discard() }
                break
            }
        }
        return moved
    }

    // MARK: Bodies that are not held

    /// True if the next piece of a body that streams can go from socket to socket.
    mutating func mayPassBody(_ index: UInt32, _ upstream: UInt32) -> Bool {
        let c = clients.pointer(index)
        guard !c.pointee.exchange.requestIsChunked,
            c.pointee.exchange.requestLength - c.pointee.exchange.requestReceived >= UInt64(Self.splicedBodyBytes)
        else { return false }
        return c.pointee.tls == nil && upstreams.pointer(upstream).pointee.tls == nil && pipe.open()
    }

    /// Passes one piece on, as far as the upstream takes it; it is looked at before if the scan or the audit wants it. False
    /// if there is nothing more to read for now, or the exchange went another way.
    mutating func passBody(_ index: UInt32, _ upstream: UInt32) -> Bool {
        let c = clients.pointer(index)
        let missing = c.pointee.exchange.requestLength - c.pointee.exchange.requestReceived
        let most = Int(min(missing, UInt64(Self.scratchBytes)))
        let isSeen =
            current.pointee.policy.auditsBody
            || c.pointee.exchange.scanState.isAllocated && !c.pointee.exchange.bodyIsNoObject
        let got = isSeen ? Socket.peek(c.pointee.fd, scratch, most) : pipe.fill(from: c.pointee.fd, most)
        // A short splice says nothing about what is left.
        if got == -EAGAIN || isSeen && got < most && !c.pointee.hasHungUp { c.pointee.isReadable = false }
        if got == -EAGAIN { return false }
        guard got > 0 else {
            clientIsGone(index)
            return false
        }
        // These bytes go on and are not kept.
        c.pointee.exchange.canReplay = false
        c.pointee.exchange.requestReceived += UInt64(got)
        lowerWater(c, c.pointee.exchange.requestLength - c.pointee.exchange.requestReceived)
        bodyCameIn(index, got)
        upstreams.pointer(upstream).pointee.deadline = now + answerTimeout(c)
        if isSeen {
            captureRequest(c, scratch, got)
            guard keepsAgreeing(index, scratch, got) else { return false }
        }
        if c.pointee.exchange.requestReceived == c.pointee.exchange.requestLength { requestIsWhole(index) }
        if isSeen { moveSeen(index, upstream, got) } else { moveUnseen(upstream) }
        return true
    }

    /// The pipe holds a piece.
    private mutating func moveUnseen(_ upstream: UInt32) {
        let u = upstreams.pointer(upstream)
        while pipe.count > 0 && pipe.drain(to: u.pointee.fd) > 0 {}
        let rest = pipe.count
        if rest == 0 { return }
        pool.reserve(&u.pointee.outbound, writable: rest)
        guard pipe.take(into: u.pointee.outbound.writePointer) else {
            pipe.discard()
            return sendFailed(upstream)
        }
        u.pointee.outbound.end &+= UInt32(rest)
        flushUpstream(upstream)
    }

    /// The first `n` bytes of the client's socket stand in `scratch` too.
    private mutating func moveSeen(_ index: UInt32, _ upstream: UInt32, _ n: Int) {
        let u = upstreams.pointer(upstream)
        peeked = PeekedBytes(client: clients.token(kind: Kind.client, index), count: n)
        let moved = movePeeked(index, upstream, n, room: out)
        if moved == n { return }
        settlePeeked()
        pool.append(&u.pointee.outbound, scratch + moved, n - moved)
        flushUpstream(upstream)
    }
}
