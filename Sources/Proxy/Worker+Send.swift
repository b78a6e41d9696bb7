import Glibc
import HTTP
import JSON
import Reactor

/// Writing the request to the upstream: its head anew, its body as it came or as the route wants it.
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

    /// The head stands in `out`, and its body is too long to be copied behind it: both go out in one call, but for what can
    /// go from socket to socket.
    @inline(never)
    private mutating func sendLongRequest(_ index: UInt32, _ upstream: UInt32, headBytes: Int, _ body: Bytes) {
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

    /// How long the upstream may let us wait: for its first byte, or between two.
    @inline(__always)
    func answerTimeout(_ c: UnsafeMutablePointer<ClientConnection>) -> UInt64 {
        let first = current.pointee.policy.firstByteTimeoutMilliseconds
        return first > 0 && c.pointee.exchange.phase == .awaitingResponse
            ? first : route(c).pointee.timeoutMilliseconds
    }

    /// Sends the first `count` bytes of `out`; what the kernel does not take waits in the connection's buffer.
    @inline(__always)
    private mutating func transmitHead(_ index: UInt32, _ upstream: UInt32, _ count: Int) -> Bool {
        headIsOut(index, upstream, count, transmit(upstreams.pointer(upstream), out, count))
    }

    /// The kernel took `sent` of the first `count` bytes of `out`, or said why not.
    @inline(__always)
    private mutating func headIsOut(_ index: UInt32, _ upstream: UInt32, _ count: Int, _ sent: Int) -> Bool {
        let u = upstreams.pointer(upstream)
        if clients.pointer(index).pointee.exchange.isTimed { noteTime(index) }
        if sent == count { return true }
        if sent < 0 && sent != -EAGAIN {
            sendFailed(upstream)
            return false
        }
        let taken = max(sent, 0)
        pool.append(&u.pointee.outbound, out + taken, count - taken)
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

    // MARK: Head

    @inline(__always)
    private mutating func writeRequestHead(
        _ c: UnsafeMutablePointer<ClientConnection>, _ body: Bytes, _ writer: inout HeadWriter
    ) {
        let route = self.route(c)
        let target = self.target(c)
        let base = UnsafePointer(c.pointee.inbound.readPointer)
        writer.append(base + Int(head.methodOffset), Int(head.methodLength))
        writer.append(byte: 0x20)
        writeTarget(c, &writer)
        writer.append(" HTTP/1.1\r\n")
        if !route.pointee.rewrite.addsHost {
            writer.append("host: ")
            if route.pointee.rewrite.passesHost && head.authorityLength > 0 {
                writer.append(base + Int(head.authorityOffset), Int(head.authorityLength))
            } else {
                writer.append(target.pointee.authority)
            }
            writer.append("\r\n")
        }
        let hasUserAgent = writeFields(c, route, base, &writer)
        if !route.pointee.rewrite.addsUserAgent && !hasUserAgent {
            writer.append(current.pointee.texts.userAgent)
        }
        if current.pointee.policy.forwardsClientIP { writeForwarded(c, base, &writer) }
        if c.pointee.subject.isAllocated && current.pointee.policy.forwardsClientSubject { writeSubject(c, &writer) }
        writer.append(route.pointee.rewrite.added)
        if c.pointee.exchange.provider >= 0 { writeProviderRequestFields(c, base, &writer) }
        if c.pointee.exchange.streamsRequest && c.pointee.exchange.requestIsChunked {
            writer.append("transfer-encoding: chunked\r\n")
        } else if head.framing != .none {
            let length = c.pointee.exchange.requestIsComplete ? UInt64(body.count) : c.pointee.exchange.requestLength
            writer.append("content-length: ")
            writer.append(decimal: length)
            writer.append("\r\n")
        }
        if head.hasUpgrade { writeUpgrade(c, base, &writer) }
        writer.append("\r\n")
    }

    /// The fields that go on, as the client wrote them. True if User-Agent is among them.
    @inline(__always)
    private func writeFields(
        _ c: UnsafeMutablePointer<ClientConnection>, _ route: UnsafePointer<CompiledRoute>,
        _ base: UnsafePointer<UInt8>, _ writer: inout HeadWriter
    ) -> Bool {
        var hasUserAgent = false
        let keyOffset = route.pointee.rewrite.passesKeyFields ? keyOffset(c, base) : UInt32.max
        var i = 0
        while i < Int(head.fieldCount) {
            let field = fields[i]
            i &+= 1
            if route.pointee.rewrite.drops(field, base) { continue }
            if keyOffset != UInt32.max && field.holds(keyOffset) { continue }
            if head.connectionNamesOther && isNamedInConnection(field, base) { continue }
            if head.hasOddNames && route.pointee.rewrite.dropsOdd(field, base) { continue }
            if field.id == .userAgent { hasUserAgent = true }
            let start = Int(field.nameOffset)
            writer.append(base + start, Int(field.valueOffset) &+ Int(field.valueLength) &- start)
            writer.append("\r\n")
        }
        return hasUserAgent
    }

    /// Where the client's key stands in its head, if it is one that we know: it is for us and nobody else.
    @inline(never)
    private func keyOffset(_ c: UnsafeMutablePointer<ClientConnection>, _ base: UnsafePointer<UInt8>) -> UInt32 {
        guard c.pointee.exchange.keyIndex >= 0, let p = presentedKey(base)?.key.pointer else { return .max }
        return UInt32(truncatingIfNeeded: p - base)
    }

    /// True if a Connection field names this one: then it was meant for us alone (RFC 9110 §7.6.1).
    @inline(never)
    private func isNamedInConnection(_ field: Field, _ base: UnsafePointer<UInt8>) -> Bool {
        if HeaderMask.endToEnd.contains(field.id) { return false }
        for i in 0..<Int(head.fieldCount) where fields[i].id == .connection {
            let value = base + Int(fields[i].valueOffset)
            var tokens = FieldListTokens(value, Int(fields[i].valueLength))
            while let token = tokens.next() {
                if token.count == Int(field.nameLength)
                    && strncasecmp(
                        UnsafeRawPointer(value + token.offset).assumingMemoryBound(to: CChar.self),
                        UnsafeRawPointer(base + Int(field.nameOffset)).assumingMemoryBound(to: CChar.self),
                        token.count) == 0
                {
                    return true
                }
            }
        }
        return false
    }

    /// The upstream's path and the query.
    @inline(__always)
    func writeTarget(_ c: UnsafeMutablePointer<ClientConnection>, _ writer: inout HeadWriter) {
        let route = self.route(c)
        let base = UnsafePointer(c.pointee.inbound.readPointer)
        let path = Bytes(base + Int(head.pathOffset), Int(head.pathLength))
        if c.pointee.exchange.provider >= 0 { return writeProviderTarget(c, base, path, &writer) }
        route.pointee.targetPath.write(
            path: path, pattern: route.pointee.pattern, scratch: patternScratch, captures: pathCaptures
        ) { writer.append($0) }
        if head.queryLength > 0 { writeQuery(c, base, &writer) }
    }

    func writeQuery(
        _ c: UnsafeMutablePointer<ClientConnection>, _ base: UnsafePointer<UInt8>, _ writer: inout HeadWriter
    ) {
        let query = Bytes(base + Int(head.queryOffset), Int(head.queryLength))
        guard c.pointee.exchange.hidesQueryKey else {
            writer.append("?")
            return writer.append(query)
        }
        var isFirst = true
        QueryKey.without(query) {
            if isFirst { writer.append("?") }
            isFirst = false
            writer.append($0)
        }
    }

    /// Whom the client's certificate names.
    @inline(never)
    private func writeSubject(_ c: UnsafeMutablePointer<ClientConnection>, _ writer: inout HeadWriter) {
        writer.append("x-client-cert-subject: ")
        writer.append(c.pointee.subject.readPointer, c.pointee.subject.count)
        writer.append("\r\n")
    }

    private func writeForwarded(
        _ c: UnsafeMutablePointer<ClientConnection>, _ base: UnsafePointer<UInt8>, _ writer: inout HeadWriter
    ) {
        writer.append("x-forwarded-for: ")
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) {
            writer.append($0.baseAddress!, c.pointee.peer.write(into: $0.baseAddress!))
        }
        writer.append(c.pointee.tls == nil ? "\r\nx-forwarded-proto: http\r\n" : "\r\nx-forwarded-proto: https\r\n")
        if head.authorityLength > 0 {
            writer.append("x-forwarded-host: ")
            writer.append(base + Int(head.authorityOffset), Int(head.authorityLength))
            writer.append("\r\n")
        }
    }

    /// A request to change the protocol goes on, but for HTTP/2: its framing would tunnel requests past every check.
    private func writeUpgrade(
        _ c: UnsafeMutablePointer<ClientConnection>, _ base: UnsafePointer<UInt8>, _ writer: inout HeadWriter
    ) {
        guard head.framing == .none, let field = firstField(.upgrade) else { return }
        let value = bytes(field, base)
        if UpgradeToken.isHTTP(value) { return }
        c.pointee.exchange.wantsUpgrade = true
        writer.append("connection: upgrade\r\nupgrade: ")
        writer.append(value)
        writer.append("\r\n")
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

    /// What was decoded of a chunked body before it began to go on, as one chunk.
    private mutating func sendHeldChunk(_ index: UInt32, _ upstream: UInt32) -> Bool {
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
    private mutating func streamRequest(_ index: UInt32, _ upstream: UInt32) {
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

    /// A request's trailers go on as its headers do: some servers make headers of them, and what was taken out of the head
    /// must not come back that way.
    @inline(never)
    private func writeTrailers(
        _ c: UnsafeMutablePointer<ClientConnection>, _ p: UnsafePointer<UInt8>, _ n: Int, _ writer: inout HeadWriter
    ) {
        let rewrite = route(c).pointee.rewrite
        var fields = TrailerFields(p, n)
        while let field = fields.next() {
            if rewrite.drops(field, p) || rewrite.dropsOdd(field, p) { continue }
            let start = Int(field.nameOffset)
            writer.append(p + start, Int(field.valueOffset) + Int(field.valueLength) - start)
            writer.append("\r\n")
        }
    }

    mutating func requestIsWhole(_ index: UInt32) {
        clients.pointer(index).pointee.exchange.requestIsComplete = true
        bodyCameIn(index)
    }

    private mutating func forward(_ upstream: UInt32, _ p: UnsafePointer<UInt8>, _ n: Int) -> Bool {
        let u = upstreams.pointer(upstream)
        let sent = transmit(u, p, n)
        if sent == n { return true }
        if sent < 0 && sent != -EAGAIN {
            sendFailed(upstream)
            return false
        }
        let taken = max(sent, 0)
        pool.append(&u.pointee.outbound, p + taken, n - taken)
        return true
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

/// Protocols that an Upgrade field may name.
enum UpgradeToken {
    /// `h2c`, `HTTP/2.0` and the like, anywhere in the list.
    static func isHTTP(_ value: Bytes) -> Bool {
        guard let p = value.pointer else { return true }
        var tokens = FieldListTokens(p, value.count)
        while let token = tokens.next() {
            if token.count >= 2 && p[token.offset] | 0x20 == UInt8(ascii: "h")
                && (p[token.offset + 1] == UInt8(ascii: "2")
                    || equalsIgnoringCase(p + token.offset, min(token.count, 4), "http"))
            {
                return true
            }
        }
        return false
    }
}

extension HeadWriter {
    @inline(__always)
    mutating func append(_ bytes: Bytes) {
        if let p = bytes.pointer { append(p, bytes.count) }
    }
}
