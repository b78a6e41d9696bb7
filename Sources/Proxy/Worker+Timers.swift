import Glibc
import HTTP
import Reactor

/// Deadlines. A connection has one timer, which is moved only when a deadline comes earlier than it: a later deadline is
/// just written down and looked at when the timer fires, so that busy connections cost no timer work at all.
extension Worker {
    @inline(__always)
    mutating func setDeadline(client index: UInt32, _ at: UInt64) {
        let c = clients.pointer(index)
        c.pointee.deadline = at
        if c.pointee.timer != 0 && c.pointee.timerAt <= at { return }
        wheel.cancel(c.pointee.timer)
        c.pointee.timer = wheel.schedule(clients.token(kind: Kind.client, index), atMilliseconds: at)
        c.pointee.timerAt = at
    }

    @inline(__always)
    mutating func setDeadline(upstream index: UInt32, _ at: UInt64) {
        let u = upstreams.pointer(index)
        u.pointee.deadline = at
        if u.pointee.timer != 0 && u.pointee.timerAt <= at { return }
        wheel.cancel(u.pointee.timer)
        u.pointee.timer = wheel.schedule(upstreams.token(kind: Kind.upstream, index), atMilliseconds: at)
        u.pointee.timerAt = at
    }

    /// Handles every timer that is due.
    mutating func runTimers() {
        while let token = wheel.popExpired(nowMilliseconds: now) {
            if token.kind == Kind.client, let c = clients.resolve(token) {
                c.pointee.timer = 0
                if c.pointee.deadline == noDeadline { continue }
                if c.pointee.deadline > now {
                    setDeadline(client: token.index, c.pointee.deadline)
                } else {
                    clientTimedOut(token.index)
                }
            } else if token.kind == Kind.upstream, let u = upstreams.resolve(token) {
                u.pointee.timer = 0
                if u.pointee.deadline == noDeadline { continue }
                if u.pointee.deadline > now {
                    setDeadline(upstream: token.index, u.pointee.deadline)
                } else {
                    upstreamTimedOut(token.index)
                }
            }
        }
        if let wait = resolver.timeoutMilliseconds(now: now), wait <= 0 {
            resolver.processTimeouts(now: now)
            deliverNames()
        }
        resumeAcceptingIfDue()
    }

    private mutating func clientTimedOut(_ index: UInt32) {
        let c = clients.pointer(index)
        let due = c.pointee.deadline
        c.pointee.deadline = noDeadline
        switch c.pointee.state {
        case .handshake, .lingering: closeClient(index, reset: c.pointee.state == .handshake)
        case .waitingForAudit: break
        case .readingHead:
            if c.pointee.inbound.isEmpty { return closeClient(index) }
            refuseWithoutExchange(
                index, status: 408, code: ExchangeError.requestTimeout.code,
                message: ExchangeError.requestTimeout.message)
        case .exchanging: exchangeTimedOut(index, due)
        }
    }

    private mutating func exchangeTimedOut(_ index: UInt32, _ due: UInt64) {
        let c = clients.pointer(index)
        if !c.pointee.outbound.isEmpty {
            if isStillSending(index) { return }
            return abortClient(index, .sendTimeout)
        }
        if c.pointee.lowWater > 0 && c.pointee.exchange.phase != .backingOff {
            return stopAwaiting(index, lookedAt: due)
        }
        switch c.pointee.exchange.phase {
        case .readingBody: refuse(index, .requestTimeout)
        case .backingOff:
            c.pointee.exchange.phase = .connecting
            bodyCameIn(index)
            attemptBegins(c)
            startAttempt(index)
        default:
            guard !c.pointee.exchange.requestIsComplete else { return }
            let upstream = c.pointee.exchange.upstream
            // Only a client that could send and does not is late; one that we have not read from is not.
            if c.pointee.isReadable
                || (upstream != Exchange.noUpstream && !upstreams.pointer(upstream).pointee.outbound.isEmpty)
            {
                return bodyCameIn(index)
            }
            if c.pointee.exchange.responseStarted { return cutShort(index, .requestTimeout) }
            refuse(index, .requestTimeout)
        }
    }

    private mutating func upstreamTimedOut(_ index: UInt32) {
        let u = upstreams.pointer(index)
        switch u.pointee.state {
        case .idle: closeUpstream(index)
        case .handshake: attemptFailed(u.pointee.client, .connectTimeout, .connectTimeout)
        case .connecting:
            if now >= u.pointee.connectDeadline { return connectFailed(index, -ETIMEDOUT) }
            setDeadline(upstream: index, u.pointee.connectDeadline)
            connectNext(u.pointee.client)
        case .ready: responseTimedOut(index)
        }
    }

    /// True if the upstream has taken all of the request that is here.
    private func hasSentAll(
        _ c: UnsafeMutablePointer<ClientConnection>, _ u: UnsafeMutablePointer<UpstreamConnection>
    ) -> Bool {
        u.pointee.outbound.isEmpty && c.pointee.exchange.bodySent >= UInt64(outgoingBody(c).count)
    }

    private mutating func responseTimedOut(_ index: UInt32) {
        let u = upstreams.pointer(index)
        let client = u.pointee.client
        let c = clients.pointer(client)
        if c.pointee.exchange.provider >= 0, holdIsOver(index) { return }
        // It is the client that holds things up, by not reading or by not sending: its own deadlines see to that.
        let waitsForRequest =
            c.pointee.exchange.phase != .tunnel && !c.pointee.exchange.requestIsComplete && hasSentAll(c, u)
        if !c.pointee.outbound.isEmpty || waitsForRequest {
            return setDeadline(upstream: index, now + route(c).pointee.timeoutMilliseconds)
        }
        if c.pointee.exchange.phase == .tunnel {
            c.pointee.exchange.error = .tunnelIdle
            return clientIsGone(client)
        }
        guard c.pointee.exchange.responseStarted else {
            return attemptFailed(client, .responseTimeout, .responseTimeout)
        }
        targetCutShort(u, .timeout)
        cutShort(client, .readTimeout)
    }
}
