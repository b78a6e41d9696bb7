import Glibc
import HTTP
import Reactor

/// The end of an exchange, whichever way it comes: recorded once, everything it held given back in one place.
extension Worker {
    /// The upstream's part is done: its connection is kept for the next request if nothing speaks against it.
    @inline(__always)
    mutating func responseIsComplete(_ upstream: UInt32) {
        let u = upstreams.pointer(upstream)
        let client = u.pointee.client
        let c = clients.pointer(client)
        if c.pointee.exchange.countsLines { c.pointee.exchange.lines.finish() }
        if targetStates[Int(u.pointee.stableTarget)].health.hasCutShort { answeredInFull(u, c) }
        c.pointee.exchange.upstream = Exchange.noUpstream
        if let tls = u.pointee.tls {
            if u.pointee.tlsNumber != current.pointee.tls.number {
                u.pointee.staysOpen = false
            } else if let resumption = tls.takeResumption() {
                let stableID = Int(u.pointee.stableTarget)
                targetStates[stableID].resumption?.free()
                targetStates[stableID].resumption = resumption
            }
        }
        let mayStay =
            u.pointee.staysOpen && !u.pointee.hasHungUp && !u.pointee.sendFailed && u.pointee.outbound.isEmpty
            && c.pointee.exchange.requestIsComplete && hasSentRequest(c)
        // A full read may have left bytes behind: a response to nobody must not meet the next request.
        if mayStay && (!u.pointee.isReadable || isQuiet(u)) {
            u.pointee.isReadable = false
            pool.give(&u.pointee.inbound)
            keepIdle(upstream)
        } else {
            closeUpstream(upstream)
        }
        if !c.pointee.outbound.isEmpty {
            c.pointee.exchange.phase = .flushing
            return keepAuditDescription(client)
        }
        finishExchange(client)
    }

    /// A target that has cut answers short has sent a whole one.
    @inline(never)
    private mutating func answeredInFull(
        _ u: UnsafeMutablePointer<UpstreamConnection>, _ c: UnsafeMutablePointer<ClientConnection>
    ) {
        let status = c.pointee.exchange.status
        if Failover.isRetryable(status: status) && status != 429 { return }
        targetStates[Int(u.pointee.stableTarget)].health.succeeded()
    }

    /// The target broke off an answer that the client has the beginning of.
    @inline(never)
    mutating func targetCutShort(_ u: UnsafeMutablePointer<UpstreamConnection>, _ reason: UpstreamReason) {
        targetStates[Int(u.pointee.stableTarget)].health.cutShort(nowMilliseconds: now)
        metrics.upstreamError(route(clients.pointer(u.pointee.client)).pointee.metricID, reason)
    }

    /// True if no byte of the request is still to go: else the next request on the connection would be taken for the
    /// rest of this one's body. Once all is out the head is dropped, but for a body that went out after the response began.
    @inline(__always)
    func hasSentRequest(_ c: UnsafeMutablePointer<ClientConnection>) -> Bool {
        c.pointee.exchange.headLength == 0 || c.pointee.exchange.bodySent >= UInt64(outgoingBody(c).count)
    }

    /// True if the upstream has sent nothing behind its response. Over TLS reading tells, and takes in what belongs to TLS
    /// itself (session tickets).
    private func isQuiet(_ u: UnsafeMutablePointer<UpstreamConnection>) -> Bool {
        guard let tls = u.pointee.tls else { return Socket.isAliveIdle(u.pointee.fd) }
        return tls.read(scratch, 1) == -EAGAIN
    }

    /// The answer is with the kernel, whole: records the exchange and goes on to the client's next request.
    @inline(__always)
    mutating func finishExchange(_ client: UInt32) {
        let c = clients.pointer(client)
        let requestIsComplete = c.pointee.exchange.requestIsComplete
        let keepsAlive = c.pointee.exchange.keepsAlive && requestIsComplete
        endExchange(client)
        // While idle connections are let be, one that was not told that it ends gets its last request answered.
        if keepsAlive && !c.pointee.hasHungUp && (!isDraining || closesIdleAt != noDeadline) {
            c.pointee.state = .readingHead
            c.pointee.acksLater = false
            setDeadline(client: client, now + current.pointee.policy.keepaliveTimeoutMilliseconds)
            if c.pointee.inbound.isAllocated || c.pointee.isReadable { enqueueClient(client) }
            return
        }
        if !requestIsComplete || c.pointee.isReadable || !c.pointee.inbound.isEmpty { return beginLinger(client) }
        closeClient(client)
    }

    /// Records the exchange and gives back all that it held. The connection itself stays.
    @inline(__always)
    mutating func endExchange(_ client: UInt32) {
        let c = clients.pointer(client)
        if c.pointee.exchange.provider >= 0 { endProvider(client) }
        if c.pointee.exchange.holdsPlace { leavePlace(c) }
        if c.pointee.exchange.isAudited { audit(completed: client) }
        auditScratchOwner = Token(rawValue: 0)
        let route = c.pointee.exchange.routeIndex
        metrics.completed(
            route: route < 0 ? 0 : self.route(c).pointee.metricID, method: c.pointee.exchange.method,
            status: c.pointee.exchange.status, nanoseconds: nowNanoseconds &- c.pointee.exchange.startedAt)
        if c.pointee.exchange.isTimed { firstBytesAreOut(client) }
        if c.pointee.exchange.isCountedStream { metrics.streamEnded() }
        if peeked.count > 0 { settlePeeked() }
        if c.pointee.lowWater > 0 { setLowWater(c, 0) }
        consumeRequest(c)
        releaseRequestState(c)
        c.pointee.exchange.phase = .none
        releaseSnapshot(c.pointee.exchange.snapshotHolder)
        openExchanges -= 1
    }

    /// The exchange goes on beyond the turn that brought its response: what it does not need for that is given back. It
    /// stays while some of the request is still to go, for a provider's record, and where the audit needs it at the end.
    @inline(never)
    mutating func leaveRequestBehind(_ c: UnsafeMutablePointer<ClientConnection>) {
        guard c.pointee.exchange.headLength == 0, c.pointee.exchange.provider < 0,
            c.pointee.exchange.firstByteIsAudited || !c.pointee.exchange.isAudited,
            !current.pointee.policy.auditsBody
        else { return }
        releaseRequestState(c)
        // Its client is no longer waited for either.
        guard c.pointee.deadline == noDeadline else { return }
        wheel.cancel(c.pointee.timer)
        c.pointee.timer = 0
    }

    @inline(__always)
    private mutating func releaseRequestState(_ c: UnsafeMutablePointer<ClientConnection>) {
        guard let state = c.pointee.exchange.request else { return }
        if state.pointee.auditTail.isAllocated { pool.give(&state.pointee.auditTail) }
        if state.pointee.requestCapture.isAllocated { pool.give(&state.pointee.requestCapture) }
        if state.pointee.responseCapture.isAllocated { pool.give(&state.pointee.responseCapture) }
        c.pointee.exchange.request = nil
        requests.release(requests.index(of: state))
    }

    /// A response that has begun cannot be finished: the client is shown that it is not whole.
    mutating func cutShort(_ client: UInt32, _ error: ExchangeError) {
        let c = clients.pointer(client)
        if c.pointee.exchange.provider >= 0, handsOver(client, error) { return }
        c.pointee.exchange.error = error
        c.pointee.exchange.keepsAlive = false
        releaseAttempt(c)
        if c.pointee.exchange.provider >= 0, !tellOfBreak(client, error) { return }
        if c.pointee.outbound.isEmpty { return finishCut(client) }
        keepAuditDescription(client)
        c.pointee.exchange.phase = .flushing
        c.pointee.closesAfterFlush = true
    }

    /// What there was is out. Chunked and counted bodies are visibly short once the connection ends; a body that the
    /// connection's end delimits can only be marked by a reset.
    mutating func finishCut(_ client: UInt32) {
        let c = clients.pointer(client)
        let needsReset = endIsTheConnections(c)
        let requestIsComplete = c.pointee.exchange.requestIsComplete
        endExchange(client)
        // To close with something unread would be a reset, which takes away what of this answer and of those before it is
        // still under way.
        if !needsReset && (!requestIsComplete || c.pointee.isReadable || !c.pointee.inbound.isEmpty) {
            return beginLinger(client)
        }
        closeClient(client, reset: needsReset)
    }

    /// Whether nothing but the connection's end says where the response's body ends.
    private func endIsTheConnections(_ c: UnsafeMutablePointer<ClientConnection>) -> Bool {
        switch c.pointee.exchange.responseFraming {
        case .contentLength, .none: false
        default: !c.pointee.exchange.sendsChunked
        }
    }

    /// The client went away: the upstream's work is cancelled at once.
    mutating func clientIsGone(_ client: UInt32) {
        let c = clients.pointer(client)
        c.pointee.hasHungUp = true
        guard c.pointee.state == .exchanging, c.pointee.exchange.phase != .none else { return closeClient(client) }
        if c.pointee.exchange.phase == .tunnel {
            releaseAttempt(c)
            endExchange(client)
            return closeClient(client)
        }
        abortClient(client, c.pointee.exchange.error == .none ? .clientGone : c.pointee.exchange.error)
    }

    /// Ends a connection in the middle of whatever it was doing.
    mutating func abortClient(_ client: UInt32, _ error: ExchangeError) {
        let c = clients.pointer(client)
        var needsReset = error == .sendTimeout || error == .gatewayStopping
        if c.pointee.state == .exchanging, c.pointee.exchange.phase != .none {
            // It may have finished sending only, and still read.
            if c.pointee.exchange.responseStarted && endIsTheConnections(c) { needsReset = true }
            targetSaidNothing(c)
            if c.pointee.exchange.provider >= 0 { noteSent(c) }
            c.pointee.exchange.error = error
            if error.status == 499 || !c.pointee.exchange.responseStarted {
                c.pointee.exchange.status = error.status
            }
            if auditScratchOwner != clients.token(kind: Kind.client, client)
                && c.pointee.exchange.request != nil && !c.pointee.exchange.auditTail.isAllocated
                && !c.pointee.exchange.firstByteIsAudited
            {
                describeForAudit(client)
            }
            releaseAttempt(c)
            endExchange(client)
        }
        closeClient(client, reset: needsReset)
    }

    /// Closes the socket and frees the slot. No exchange may be open on it.
    mutating func closeClient(_ client: UInt32, reset: Bool = false) {
        let c = clients.pointer(client)
        wheel.cancel(c.pointee.timer)
        if let tls = c.pointee.tls {
            if !reset { tls.closeNotify() }
            tls.free()
            if c.pointee.subject.isAllocated { pool.give(&c.pointee.subject) }
        }
        pool.give(&c.pointee.inbound)
        pool.give(&c.pointee.outbound)
        if reset { Socket.closeWithReset(c.pointee.fd) } else { Socket.close(c.pointee.fd) }
        limiter.leave(c.pointee.peer)
        clients.release(client)
        metrics.clientClosed()
        roomIsFree()
    }
}
