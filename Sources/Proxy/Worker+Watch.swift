import Reactor

/// When the poller gets to know a client.
///
/// A newcomer's request is read at once. If it is here as a whole, its client may do but one thing that matters before the
/// answer: leave. Then it is watched only after a while, so that a short exchange on a connection of its own costs no
/// registration; a client that left meanwhile is reported by that. Whoever is waited for is watched at once.
extension Worker {
    /// A newcomer is watched after one to two times this long.
    static let unwatchedMilliseconds: UInt64 = 10

    /// Has a newcomer's first bytes read.
    mutating func meet(_ index: UInt32) {
        let c = clients.pointer(index)
        // The handshake goes on as events come, so that it gets its share of each turn and no more.
        if c.pointee.tls != nil { return watchOrClose(index) }
        let token = clients.token(kind: Kind.client, index)
        c.pointee.isReadable = true
        readRequest(index)
        guard clients.resolve(token) != nil, !c.pointee.isWatched else { return }
        guard c.pointee.state == .exchanging, c.pointee.exchange.requestIsComplete else {
            return watchOrClose(index)
        }
        unwatched.append(token)
        if watchesAt == noDeadline { watchesAt = now + Self.unwatchedMilliseconds }
    }

    /// A newcomer that is waited for and of which no event can tell is of no use.
    private mutating func watchOrClose(_ index: UInt32) {
        watch(index)
        if !clients.pointer(index).pointee.isWatched { abortClient(index, .noCapacity) }
    }

    /// Has the poller report what a client does from now on, and what it has done so far. If it cannot, the client's
    /// deadlines still hold.
    @inline(__always)
    mutating func watch(_ index: UInt32) {
        if !clients.pointer(index).pointee.isWatched { register(index) }
    }

    @inline(never)
    private mutating func register(_ index: UInt32) {
        let c = clients.pointer(index)
        let events = PollEvent.readable | PollEvent.readHangUp | PollEvent.edgeTriggered
        let token = clients.token(kind: Kind.client, index)
        c.pointee.isWatched = poller.add(c.pointee.fd, events: events, token: token) == 0
    }

    /// Watches those of the older newcomers that are still here; the others are the older ones now.
    @inline(never)
    mutating func watchOlder() {
        var i = 0
        while i < olderUnwatched.count {
            let token = olderUnwatched[i]
            if clients.resolve(token) != nil { watch(token.index) }
            i &+= 1
        }
        olderUnwatched.removeAll()
        swap(&unwatched, &olderUnwatched)
        watchesAt = olderUnwatched.isEmpty ? noDeadline : now + Self.unwatchedMilliseconds
    }
}
