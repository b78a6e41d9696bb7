import Glibc
import HTTP
import Reactor

/// From bytes on an upstream's socket to a response's head at the client.
extension Worker {
    static let maxInformational: UInt8 = 16
    /// What chunked framing adds to the bytes of one read.
    private static let relayRoom = 64

    @inline(__always)
    mutating func upstreamEvent(_ upstream: UInt32, _ events: UInt32) {
        let u = upstreams.pointer(upstream)
        if events & (PollEvent.readHangUp | PollEvent.hangUp | PollEvent.error) != 0 {
            u.pointee.hasHungUp = true
            u.pointee.isReadable = true
        }
        if events & PollEvent.readable != 0 { u.pointee.isReadable = true }
        switch u.pointee.state {
        case .connecting, .handshake: setUpEvent(upstream, events)
        // Nobody asked: it was closed, or a response came to nobody. Either way it serves no more requests.
        case .idle:
            if u.pointee.isReadable {
                if !u.pointee.hasHungUp && u.pointee.tls == nil { metrics.unsolicited() }
                closeUpstream(upstream)
            }
        case .ready:
            // The kernel said so before the request was sent in this very turn: no answer to it. A close is one of an
            // idle connection.
            if u.pointee.sentInTurn == turn && u.pointee.wasReused && u.pointee.isSilent && u.pointee.isReadable {
                return unaskedFor(upstream, events)
            }
            if events & PollEvent.writable != 0, upstreamWritable(upstream) == false { return }
            if u.pointee.isReadable { upstreamReady(upstream) }
        }
    }

    @inline(never)
    private mutating func unaskedFor(_ upstream: UInt32, _ events: UInt32) {
        let u = upstreams.pointer(upstream)
        if !u.pointee.hasHungUp { metrics.unsolicited() }
        attemptFailed(u.pointee.client, .closed(wasReused: true), .closedBeforeResponse)
    }

    /// A connection is being made. If it is ready now and the event also said that there is something to read (an upstream
    /// that speaks before it was asked, or has closed already), no other event will say so.
    @inline(never)
    private mutating func setUpEvent(_ upstream: UInt32, _ events: UInt32) {
        let u = upstreams.pointer(upstream)
        let token = upstreams.token(kind: Kind.upstream, upstream)
        if u.pointee.state == .connecting {
            connectEvent(upstream, events)
        } else {
            upstreamHandshake(upstream)
        }
        guard upstreams.resolve(token) != nil, u.pointee.state == .ready, u.pointee.isReadable else { return }
        upstreamReady(upstream)
    }

    /// There is room in the socket again. False if the connection is gone or serves another exchange now.
    private mutating func upstreamWritable(_ upstream: UInt32) -> Bool {
        let u = upstreams.pointer(upstream)
        let token = upstreams.token(kind: Kind.upstream, upstream)
        let client = u.pointee.client
        if client == Exchange.noUpstream { return true }
        let c = clients.pointer(client)
        if !u.pointee.outbound.isEmpty {
            flushUpstream(upstream)
            guard upstreams.resolve(token) != nil, u.pointee.client == client else { return false }
        }
        if !u.pointee.outbound.isEmpty { return true }
        if c.pointee.exchange.phase == .tunnel {
            if c.pointee.exchange.clientHasEnded { closeTunnelSide(client) }
            if upstreams.resolve(token) != nil, c.pointee.isReadable { pumpTunnelFromClient(client) }
        } else if c.pointee.exchange.phase != .connecting {
            pumpRequest(client)
        }
        return upstreams.resolve(token) != nil && u.pointee.client == client
    }

    /// Reads what the upstream sent, as long as the client takes it.
    mutating func upstreamReady(_ upstream: UInt32) {
        let u = upstreams.pointer(upstream)
        let token = upstreams.token(kind: Kind.upstream, upstream)
        guard u.pointee.state == .ready, u.pointee.client != Exchange.noUpstream else { return }
        var reads = 0
        while u.pointee.isReadable {
            let client = u.pointee.client
            let c = clients.pointer(client)
            if c.pointee.exchange.phase == .tunnel { return pumpTunnelFromUpstream(upstream) }
            // The client's side is backed up: what the upstream sends stays in the kernel until that has gone.
            if !c.pointee.outbound.isEmpty { return }
            if reads == Self.readsPerTurn {
                runQueue.append(token)
                return
            }
            reads += 1
            if maySplice(u, c) {
                if splice(upstream) { continue }
                return
            }
            let isFresh = u.pointee.inbound.isEmpty
            if !isFresh { pool.reserve(&u.pointee.inbound, writable: 16 * 1024) }
            let p = isFresh ? scratch : u.pointee.inbound.writePointer
            // Never more than `scratchBytes` at a time: `out` has room for that and no more.
            let room =
                isFresh
                ? isOutOfMemory ? Self.pressedReadBytes : Self.scratchBytes
                : min(u.pointee.inbound.writableCount, Self.scratchBytes)
            let got = receive(upstream: u, p, room)
            if got == -EAGAIN {
                if c.pointee.exchange.provider >= 0 { lookAgain(upstream) }
                return
            }
            guard got > 0 else { return upstreamClosed(upstream, wasClean: got == 0) }
            u.pointee.deadline = now + route(c).pointee.timeoutMilliseconds
            if u.pointee.isSilent {
                u.pointee.isSilent = false
                // The wait for the first byte may have been a longer one: its timer is too late for what follows.
                if u.pointee.deadline < u.pointee.timerAt { setDeadline(upstream: upstream, u.pointee.deadline) }
            }
            if reads == 1 && c.pointee.exchange.isStream { streamWasRead(u) }
            if isFresh {
                let used = handleResponse(upstream, scratch, got)
                guard used >= 0 else { return }
                if used < got { pool.append(&u.pointee.inbound, scratch + used, got - used) }
            } else {
                u.pointee.inbound.end &+= UInt32(got)
                let used = handleResponse(upstream, u.pointee.inbound.readPointer, u.pointee.inbound.count)
                guard used >= 0 else { return }
                u.pointee.inbound.consume(used)
                if u.pointee.inbound.isEmpty { pool.give(&u.pointee.inbound) }
            }
        }
    }

    @inline(__always)
    func receive(upstream u: UnsafeMutablePointer<UpstreamConnection>, _ p: UnsafeMutablePointer<UInt8>, _ n: Int)
        -> Int
    {
        if let tls = u.pointee.tls {
            let got = tls.read(p, n)
            if got == -EAGAIN || got > 0 && !u.pointee.hasHungUp && tls.isDrained { u.pointee.isReadable = false }
            return got
        }
        let got = Socket.receive(u.pointee.fd, p, n)
        if got < n && !u.pointee.hasHungUp || got == -EAGAIN { u.pointee.isReadable = false }
        return got
    }

    /// Takes response bytes. Returns how many it used; what is left is to be presented again with more behind it.
    /// -1: the connection is done with, nothing of it may be touched.
    mutating func handleResponse(_ upstream: UInt32, _ p: UnsafePointer<UInt8>, _ n: Int) -> Int {
        let u = upstreams.pointer(upstream)
        let client = u.pointee.client
        let c = clients.pointer(client)
        if c.pointee.exchange.responseStarted { return relay(upstream, p, n, headBytes: 0) }
        var used = 0
        while true {
            var response = ResponseHead()
            let outcome = ResponseParser.parse(
                p + used, n - used, scan: &u.pointee.scan, limits: current.pointee.policy.messageLimits,
                fields: responseFields, requestMethod: c.pointee.exchange.method, head: &response)
            switch outcome {
            case .incomplete: return used
            case .failed:
                attemptFailed(client, .malformedResponse, .malformedResponse)
                return -1
            case .complete: break
            }
            u.pointee.scan = HeadScan()
            if response.status == 101 {
                return startTunnel(upstream, p + used, n - used, response)
            }
            if response.isInterim {
                guard forwardInterim(upstream, p + used, response) else { return -1 }
                used += Int(response.headLength)
                if used == n { return used }
                continue
            }
            if c.pointee.exchange.provider >= 0 {
                switch lookAtAnswer(upstream, p + used, n - used, response) {
                case .hold:
                    limitHold(upstream, providerExchanges.pointer(UInt32(c.pointee.exchange.provider)))
                    return used
                case .over: return -1
                case .pass: break
                }
                if hasHead(c) {
                    let rest = goOn(upstream, p + used, n - used, response)
                    return rest < 0 ? rest : used + rest
                }
            } else if Failover.isRetryable(status: response.status), retries(upstream, p + used, response) {
                return -1
            }
            let rest = passOn(upstream, p + used, n - used, response)
            return rest < 0 ? rest : used + rest
        }
    }

    /// Sends the client a response's head, which stands at `p`, and what is here of the body behind it. Returns the
    /// bytes used, or -1 if the connection is done with.
    @inline(__always)
    mutating func passOn(_ upstream: UInt32, _ p: UnsafePointer<UInt8>, _ n: Int, _ response: ResponseHead) -> Int {
        var headBytes = startResponse(upstream, p, response)
        guard headBytes > 0 else { return -1 }
        let used = Int(response.headLength)
        if headBytes + (n - used) > Self.outBytes - Self.relayRoom {
            // A head of extraordinary length: `out` has no room for the beginning of the body behind it.
            guard sendToClient(upstreams.pointer(upstream).pointee.client, out, headBytes) else { return -1 }
            headBytes = 0
        }
        let rest = relay(upstream, p + used, n - used, headBytes: headBytes)
        return rest < 0 ? rest : used + rest
    }

    /// 1xx responses go on to clients that can read them, but for 100: that one is ours to give (RFC 9110 §10.1.1).
    private mutating func forwardInterim(
        _ upstream: UInt32, _ p: UnsafePointer<UInt8>, _ response: ResponseHead
    ) -> Bool {
        let client = upstreams.pointer(upstream).pointee.client
        let c = clients.pointer(client)
        c.pointee.exchange.informationalCount += 1
        guard c.pointee.exchange.informationalCount <= Self.maxInformational else {
            attemptFailed(client, .malformedResponse, .malformedResponse)
            return false
        }
        if response.status == 100 || c.pointee.exchange.clientMinorVersion == 0 { return true }
        if c.pointee.exchange.provider >= 0 {
            // In a stream that goes on with another provider there is no place for it. Before, it is no content.
            if hasHead(c) { return true }
        } else {
            c.pointee.exchange.canReplay = false
        }
        var writer = HeadWriter(out, capacity: Self.outBytes)
        writeStatusLine(response, p, &writer)
        // No body follows: a length would only mislead (RFC 9110 §8.6).
        let dropped = Self.responseDropped.inserting(.contentLength)
        for i in 0..<Int(response.fieldCount) where !dropped.contains(responseFields[i].id) {
            if response.connectionNamesOther, isMeantForUs(responseFields[i], p, response) { continue }
            let name = p + Int(responseFields[i].nameOffset)
            if OwnField.isOne(name, Int(responseFields[i].nameLength)) { continue }
            writer.append(responseFields[i], of: p)
        }
        writer.append("\r\n")
        return sendToClient(client, out, writer.count)
    }

    /// A status that asks for another try: true if one is made, or another route is taken, instead of passing it on.
    private mutating func retries(_ upstream: UInt32, _ p: UnsafePointer<UInt8>, _ response: ResponseHead) -> Bool {
        let client = upstreams.pointer(upstream).pointee.client
        let c = clients.pointer(client)
        let route = self.route(c)
        if response.status != 429 {
            targetStates[Int(target(c).pointee.stableID)].health.failed(nowMilliseconds: now)
            metrics.upstreamError(route.pointee.metricID, .status)
        }
        guard route.pointee.retryCount > 0 else { return false }
        let wait = RetryAfter.milliseconds(
            responseValue(.retryAfter, p, response), since: responseValue(.date, p, response), now: realtime)
        var failover = c.pointee.exchange.failover
        let action = failover.decide(
            .status(response.status, retryAfterMilliseconds: wait), retryCount: route.pointee.retryCount,
            maxRetries: current.pointee.policy.maxRetries, canReplay: c.pointee.exchange.canReplay,
            hasBudget: hasRetryBudget(Int(target(c).pointee.stableID)))
        if action == .giveUp || (action == .nextRoute && !hasAnotherRoute(client)) { return false }
        c.pointee.exchange.failover = failover
        c.pointee.exchange.error = .none
        releaseAttempt(c)
        targetSaidNothing(c)
        perform(client, action)
        return true
    }

    /// The upstream's side ended, or failed.
    mutating func upstreamClosed(_ upstream: UInt32, wasClean: Bool) {
        let u = upstreams.pointer(upstream)
        let client = u.pointee.client
        let c = clients.pointer(client)
        guard c.pointee.exchange.responseStarted else {
            let wasReused = u.pointee.wasReused && u.pointee.isSilent
            if c.pointee.exchange.provider >= 0, closedWhileHolding(upstream, wasClean: wasClean) { return }
            return attemptFailed(client, .closed(wasReused: wasReused), .closedBeforeResponse)
        }
        if c.pointee.exchange.responseFraming == .untilClose && wasClean {
            u.pointee.staysOpen = false
            if c.pointee.exchange.provider >= 0, !flushOpening(upstream) { return }
            return endUntilClose(upstream)
        }
        targetCutShort(u, .reset)
        cutShort(client, .cutShort)
    }

    // MARK: Beginning

    /// Writes the client's head into `out` and settles how the body goes on. Returns the head's length; 0 if the
    /// exchange ended instead.
    @inline(__always)
    private mutating func startResponse(
        _ upstream: UInt32, _ p: UnsafePointer<UInt8>, _ response: ResponseHead
    ) -> Int {
        let u = upstreams.pointer(upstream)
        let client = u.pointee.client
        let c = clients.pointer(client)
        if !Failover.isRetryable(status: response.status) || response.status == 429 {
            targetStates[Int(u.pointee.stableTarget)].health.answered()
        }
        // Its counters come while the response is sent.
        metrics.fetch(route: route(c).pointee.metricID)
        c.pointee.exchange.error = .none
        c.pointee.exchange.phase = .relaying
        c.pointee.exchange.responseStarted = true
        c.pointee.exchange.status = response.status
        c.pointee.exchange.firstResponseTime = recordedNow(c)
        c.pointee.exchange.responseFraming = response.framing
        u.pointee.staysOpen = response.keepAlive
        let isModern = c.pointee.exchange.clientMinorVersion > 0
        switch response.framing {
        case .contentLength(let n): c.pointee.exchange.responseRemaining = n
        case .chunked, .untilClose:
            c.pointee.exchange.sendsChunked = isModern
            if !isModern { c.pointee.exchange.keepsAlive = false }
        default: break
        }
        // While a provider's stream only opens, another may still take over.
        let isOpening = c.pointee.exchange.provider >= 0 && prepareProviderRelay(c)
        c.pointee.exchange.canReplay = isOpening
        if isDraining || !c.pointee.exchange.requestIsComplete { c.pointee.exchange.keepsAlive = false }
        if response.known.contains(.contentType) { noteContentType(c, p, response) }
        describeForAudit(client, p, response)
        metrics.firstByte(nanoseconds: nowNanoseconds &- c.pointee.exchange.startedAt)
        var writer = HeadWriter(out, capacity: Self.outBytes - Self.joinedBodyBytes - 64)
        writeResponseHead(client, p, response, &writer)
        guard !writer.overflowed else {
            c.pointee.exchange.responseStarted = false
            if c.pointee.exchange.provider >= 0 { headIsNotOut(c) }
            attemptFailed(client, .malformedResponse, .malformedResponse)
            return 0
        }
        if !isOpening { dropRequest(c) }
        return writer.count
    }

    /// A response has begun: the request will not be sent again, its bytes can go. Only what the client sent behind it
    /// stays.
    @inline(__always)
    mutating func dropRequest(_ c: UnsafeMutablePointer<ClientConnection>) {
        guard c.pointee.exchange.requestIsComplete else { return }
        let isStreamed = c.pointee.exchange.streamsRequest
        guard isStreamed || c.pointee.exchange.bodySent == UInt64(outgoingBody(c).count) else { return }
        consumeRequest(c)
    }

    /// Takes the request out of the inbound buffer and gives back what else held it.
    @inline(__always)
    mutating func consumeRequest(_ c: UnsafeMutablePointer<ClientConnection>) {
        guard c.pointee.exchange.request != nil else { return }
        if c.pointee.exchange.headLength > 0 {
            var length = Int(c.pointee.exchange.headLength)
            if !c.pointee.exchange.usesDecodedBody && !c.pointee.exchange.streamsRequest {
                length += Int(c.pointee.exchange.requestReceived)
            } else if c.pointee.exchange.streamsRequest && !c.pointee.exchange.requestIsChunked {
                length += Int(c.pointee.exchange.heldBody)
            }
            c.pointee.inbound.consume(min(length, c.pointee.inbound.count))
            c.pointee.exchange.headLength = 0
            if c.pointee.inbound.isEmpty { pool.give(&c.pointee.inbound) }
        }
        if c.pointee.exchange.decodedBody.isAllocated { pool.give(&c.pointee.exchange.decodedBody) }
        if c.pointee.exchange.rewrittenBody.isAllocated { pool.give(&c.pointee.exchange.rewrittenBody) }
        if c.pointee.exchange.scanState.isAllocated { pool.give(&c.pointee.exchange.scanState) }
        if c.pointee.exchange.addresses.isAllocated { pool.give(&c.pointee.exchange.addresses) }
    }

    private func noteContentType(
        _ c: UnsafeMutablePointer<ClientConnection>, _ p: UnsafePointer<UInt8>, _ response: ResponseHead
    ) {
        for i in 0..<Int(response.fieldCount) where responseFields[i].id == .contentType {
            let value = Bytes(p + Int(responseFields[i].valueOffset), Int(responseFields[i].valueLength))
            if MediaType.isEventStream(value) {
                c.pointee.exchange.isStream = true
                c.pointee.exchange.countsEvents = !response.known.contains(.contentEncoding)
                c.pointee.exchange.hidesChunks = !c.pointee.exchange.countsEvents
            } else if MediaType.isNDJSON(value) {
                c.pointee.exchange.isStream = true
                c.pointee.exchange.countsLines = !response.known.contains(.contentEncoding)
                c.pointee.exchange.hidesChunks = !c.pointee.exchange.countsLines
            }
            return
        }
    }
}
