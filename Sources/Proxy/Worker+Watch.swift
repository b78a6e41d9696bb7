import Reactor

/// When the poller gets to know a client: after a newcomer's first bytes were read, which thus need no event.
extension Worker {
    /// Reads what a newcomer has sent, and watches it from then on.
    mutating func meet(_ index: UInt32) {
        let c = clients.pointer(index)
        let token = clients.token(kind: Kind.client, index)
        // A handshake goes on as events come, so that it gets its share of each turn and no more.
        if c.pointee.tls == nil {
            c.pointee.isReadable = true
            readRequest(index)
            guard clients.resolve(token) != nil else { return }
        }
        watch(index)
        // One of which no event can tell is of no use.
        if !c.pointee.isWatched { abortClient(index, .noCapacity) }
    }

    /// Has the poller report what a client does from now on, and what it has done so far.
    mutating func watch(_ index: UInt32) {
        let c = clients.pointer(index)
        if c.pointee.isWatched { return }
        let events = PollEvent.readable | PollEvent.readHangUp | PollEvent.edgeTriggered
        let token = clients.token(kind: Kind.client, index)
        c.pointee.isWatched = poller.add(c.pointee.fd, events: events, token: token) == 0
    }
}
