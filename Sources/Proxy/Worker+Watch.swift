import Reactor

/// When the poller gets to know a client: a newcomer's request is read at once, and the client is watched from then on.
extension Worker {
    /// Has a newcomer's first bytes read.
    mutating func meet(_ index: UInt32) {
        let c = clients.pointer(index)
        // The handshake goes on as events come, so that it gets its share of each turn and no more.
        if c.pointee.tls != nil { return watchOrClose(index) }
        let token = clients.token(kind: Kind.client, index)
        c.pointee.isReadable = true
        readRequest(index)
        guard clients.resolve(token) != nil, !c.pointee.isWatched else { return }
        watchOrClose(index)
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
}
