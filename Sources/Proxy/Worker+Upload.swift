import Glibc
import HTTP
import JSON
import Reactor

/// A request body that goes on while it comes in: with a length as it is, in chunks as chunks of ours.
extension Worker {
    /// What was decoded of a chunked body before it began to go on, as one chunk.
    mutating func sendHeldChunk(_ index: UInt32, _ upstream: UInt32) -> Bool {
        let c = clients.pointer(index)
        let held = c.pointee.exchange.decodedBody
        if held.isEmpty || c.pointee.exchange.bodySent > 0 { return true }
        let u = upstreams.pointer(upstream)
        var writer = HeadWriter(out, capacity: 64)
        writer.append(hex: UInt64(held.count))
        writer.append("\r\n")
        pool.append(&u.pointee.outbound, out, writer.count)
        pool.append(&u.pointee.outbound, held.readPointer, held.count)
        pool.append(&u.pointee.outbound, ("\r\n" as StaticString).utf8Start, 2)
        c.pointee.exchange.bodySent = UInt64(held.count)
        flushUpstream(upstream)
        return upstreams.isLive(upstream) && u.pointee.outbound.isEmpty && !u.pointee.sendFailed
    }

    /// Reads the body from the client and sends it on, piece by piece; stops while the upstream's side is backed up.
    mutating func streamRequest(_ index: UInt32, _ upstream: UInt32) {
        let c = clients.pointer(index)
        let u = upstreams.pointer(upstream)
        let token = upstreams.token(kind: Kind.upstream, upstream)
        // What was looked at and could not be spliced went out of the buffer: it is not to be read once more.
        settlePeeked()
        if c.pointee.exchange.requestIsChunked && !c.pointee.exchange.requestIsComplete
            && c.pointee.inbound.count > Int(c.pointee.exchange.headLength)
        {
            c.pointee.exchange.canReplay = false
            guard forwardChunks(index, upstream) else { return }
        }
        var reads = 0
        while c.pointee.isReadable && !c.pointee.exchange.requestIsComplete {
            if reads == Self.readsPerTurn { return enqueueClient(index) }
            reads += 1
            if arrivedOfLongBody(index) < 0 { return }
            if mayPassBody(index, upstream) {
                guard passBody(index, upstream) else { return }
                guard upstreams.resolve(token) != nil, u.pointee.outbound.isEmpty else { return }
                continue
            }
            let got: Int
            if c.pointee.exchange.requestIsChunked {
                pool.reserve(&c.pointee.inbound, writable: 16 * 1024)
                got = receive(client: c, c.pointee.inbound.writePointer, c.pointee.inbound.writableCount)
            } else {
                let missing = c.pointee.exchange.requestLength - c.pointee.exchange.requestReceived
                got = receive(client: c, scratch, Int(min(missing, UInt64(Self.scratchBytes))))
            }
            if got == -EAGAIN { return }
            guard got > 0 else { return clientIsGone(index) }
            // These bytes go on and are not kept.
            c.pointee.exchange.canReplay = false
            bodyCameIn(index, got)
            u.pointee.deadline = now + answerTimeout(c)
            if c.pointee.exchange.requestIsChunked {
                c.pointee.inbound.end &+= UInt32(got)
                guard forwardChunks(index, upstream) else { return }
            } else {
                guard forwardPlain(index, upstream, got) else { return }
            }
            guard upstreams.resolve(token) != nil, u.pointee.outbound.isEmpty else { return }
        }
    }

    /// `got` bytes of a body with a length are in `scratch`. False if the exchange went another way.
    private mutating func forwardPlain(_ index: UInt32, _ upstream: UInt32, _ got: Int) -> Bool {
        let c = clients.pointer(index)
        c.pointee.exchange.requestReceived += UInt64(got)
        lowerWater(c, c.pointee.exchange.requestLength - c.pointee.exchange.requestReceived)
        captureRequest(c, scratch, got)
        guard keepsAgreeing(index, scratch, got) else { return false }
        if c.pointee.exchange.requestReceived == c.pointee.exchange.requestLength { requestIsWhole(index) }
        return forward(upstream, scratch, got)
    }

    /// Decodes what is in the inbound buffer and sends the content on in chunks of ours. False as above.
    private mutating func forwardChunks(_ index: UInt32, _ upstream: UInt32) -> Bool {
        let c = clients.pointer(index)
        let headLength = Int(c.pointee.exchange.headLength)
        let policy = UnsafePointer(current).pointee.policy
        let p = UnsafePointer(c.pointee.inbound.readPointer) + headLength
        let n = c.pointee.inbound.count - headLength
        var consumed = 0
        var writer = HeadWriter(out, capacity: Self.outBytes)
        decoding: while true {
            switch c.pointee.exchange.requestDecoder.next(p, n, consumed: &consumed, limits: policy.messageLimits) {
            case .data(let offset, let count):
                c.pointee.exchange.requestReceived += UInt64(count)
                if c.pointee.exchange.requestReceived > policy.maxBodyBytes {
                    abandonUpload(index, .bodyTooLarge)
                    return false
                }
                captureRequest(c, p + offset, count)
                guard keepsAgreeing(index, p + offset, count) else { return false }
                writer.append(hex: UInt64(count))
                writer.append("\r\n")
                writer.append(p + offset, count)
                writer.append("\r\n")
            case .needMore: break decoding
            case .trailers(let offset, let count):
                writer.append("0\r\n")
                writeTrailers(c, p + offset, count, &writer)
                writer.append("\r\n")
                requestIsWhole(index)
                break decoding
            case .end:
                writer.append("0\r\n\r\n")
                requestIsWhole(index)
                break decoding
            case .failed(let failure):
                abandonUpload(index, ExchangeError(body: failure))
                return false
            }
        }
        dropBehindHead(c, consumed)
        if c.pointee.inbound.count - headLength > Self.maxUndecodedBytes && !c.pointee.exchange.requestIsComplete {
            abandonUpload(index, .malformedBody)
            return false
        }
        return writer.count == 0 || forward(upstream, out, writer.count)
    }

    mutating func requestIsWhole(_ index: UInt32) {
        clients.pointer(index).pointee.exchange.requestIsComplete = true
        bodyCameIn(index)
    }

    private mutating func forward(_ upstream: UInt32, _ p: UnsafePointer<UInt8>, _ n: Int) -> Bool {
        keepUnsent(upstream, p, n, transmit(upstreams.pointer(upstream), p, n))
    }

    /// A body that decided the route goes on being scanned while it streams: a later member that says otherwise ends it.
    mutating func keepsAgreeing(_ index: UInt32, _ p: UnsafePointer<UInt8>, _ n: Int) -> Bool {
        let c = clients.pointer(index)
        guard c.pointee.exchange.scanState.isAllocated, !c.pointee.exchange.bodyIsNoObject else { return true }
        let state = scanState(c)
        _ = state.scanner.pointee.feed(
            p, n, table: c.pointee.exchange.snapshot.unsafelyUnwrapped.pointee.memberNames, captures: state.captures)
        if state.captures[SnapshotView.streamMember].kind == .true { c.pointee.exchange.isStream = true }
        var left = c.pointee.exchange.watchedMembers
        while left != 0 {
            if state.captures[left.trailingZeroBitCount].disagrees {
                abandonUpload(index, .conflictingMembers)
                return false
            }
            left &= left - 1
        }
        return true
    }

    /// The client's upload turned out to be wrong after it began to go upstream.
    private mutating func abandonUpload(_ index: UInt32, _ error: ExchangeError) {
        let c = clients.pointer(index)
        if c.pointee.exchange.responseStarted { return cutShort(index, error) }
        refuse(index, error)
    }
}
