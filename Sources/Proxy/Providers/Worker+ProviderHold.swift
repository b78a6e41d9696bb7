import Reactor

/// How long what a provider has begun to say is held back: no longer than `providers.hold_timeout`, whether more comes or
/// not. While something is held the upstream's timer waits for that instead of for its own deadline.
extension Worker {
    /// How often a client that does not read is looked at.
    private static let backedUpMilliseconds: UInt64 = 1000

    /// Something is held that stands, or is about to stand, in the upstream's inbound buffer.
    @inline(__always)
    mutating func limitHold(_ upstream: UInt32, _ side: UnsafeMutablePointer<ProviderExchange>) {
        // More is here already, or `lookAgain` is called when it is not.
        if upstreams.pointer(upstream).pointee.isReadable { return }
        shortenDeadline(upstream, side)
    }

    @inline(never)
    private mutating func shortenDeadline(_ upstream: UInt32, _ side: UnsafeMutablePointer<ProviderExchange>) {
        let deadline = upstreams.pointer(upstream).pointee.deadline
        guard now < side.pointee.holdUntil, side.pointee.holdUntil < deadline else { return }
        side.pointee.deadlineAfterHold = deadline
        setDeadline(upstream: upstream, side.pointee.holdUntil)
    }

    /// The upstream's timer has fired. True if that was for what is held, which goes on now or as soon as the client takes it.
    mutating func holdIsOver(_ upstream: UInt32) -> Bool {
        let u = upstreams.pointer(upstream)
        let c = clients.pointer(u.pointee.client)
        let side = providerExchanges.pointer(UInt32(c.pointee.exchange.provider))
        let deadline = side.pointee.deadlineAfterHold
        guard deadline > now else { return false }
        guard c.pointee.outbound.isEmpty else {
            // Until then it is not the upstream that is waited for.
            side.pointee.deadlineAfterHold = now + route(c).pointee.timeoutMilliseconds
            setDeadline(upstream: upstream, now + Self.backedUpMilliseconds)
            return true
        }
        side.pointee.deadlineAfterHold = 0
        setDeadline(upstream: upstream, deadline)
        presentAgain(upstream)
        return true
    }

    /// There is nothing more to read for now: what was held back only to see it in one piece goes on, the rest not for ever.
    mutating func lookAgain(_ upstream: UInt32) {
        let u = upstreams.pointer(upstream)
        if u.pointee.inbound.isEmpty { return }
        let side = providerExchanges.pointer(UInt32(clients.pointer(u.pointee.client).pointee.exchange.provider))
        if side.pointee.isHolding && side.pointee.framing == .json { return presentAgain(upstream) }
        if side.pointee.isHolding || side.pointee.opening == .open { shortenDeadline(upstream, side) }
    }

    /// Handles what was received and not used yet. As `upstreamReady`.
    private mutating func presentAgain(_ upstream: UInt32) {
        let u = upstreams.pointer(upstream)
        if u.pointee.inbound.isEmpty { return }
        let used = handleResponse(upstream, u.pointee.inbound.readPointer, u.pointee.inbound.count)
        guard used >= 0 else { return }
        u.pointee.inbound.consume(used)
        if u.pointee.inbound.isEmpty { pool.give(&u.pointee.inbound) }
    }
}
