import CEpoll

/// Bits of epoll's event mask.
public enum PollEvent {
    @inlinable public static var readable: UInt32 { 0x001 }
    @inlinable public static var writable: UInt32 { 0x004 }
    @inlinable public static var error: UInt32 { 0x008 }
    @inlinable public static var hangUp: UInt32 { 0x010 }
    /// The peer has finished sending (or is gone).
    @inlinable public static var readHangUp: UInt32 { 0x2000 }
    /// Of several pollers that wait for one descriptor wake one.
    @inlinable public static var exclusive: UInt32 { 1 << 28 }
    @inlinable public static var edgeTriggered: UInt32 { 1 << 31 }
}

/// One epoll instance and the events of its last turn.
@frozen
public struct Poller: ~Copyable {
    public let fd: Int32
    @usableFromInline let eventArea: UnsafeMutableRawPointer
    @usableFromInline let maxEvents: Int32

    /// - Parameter maxEvents: how many events one turn takes at most.
    public init(maxEvents: Int = 512) throws(SystemError) {
        precondition(maxEvents > 0 && maxEvents <= 65536)
        let fd = fg_epoll_create()
        guard fd >= 0 else { throw SystemError(errno: fd, operation: "epoll_create") }
        self.fd = fd
        self.maxEvents = Int32(maxEvents)
        eventArea = .allocate(byteCount: maxEvents * fg_epoll_event_size(), alignment: 64)
    }

    deinit {
        _ = fg_close(fd)
        eventArea.deallocate()
    }

    /// Watches a descriptor. 0 or -errno.
    @inlinable
    public func add(_ fd: Int32, events: UInt32, token: Token) -> Int32 {
        fg_epoll_add(self.fd, fd, events, token.rawValue)
    }

    /// Changes what is watched. 0 or -errno.
    @inlinable
    public func modify(_ fd: Int32, events: UInt32, token: Token) -> Int32 {
        fg_epoll_modify(self.fd, fd, events, token.rawValue)
    }

    /// Stops watching; closing the descriptor does the same. 0 or -errno.
    @inlinable
    public func remove(_ fd: Int32) -> Int32 {
        fg_epoll_remove(self.fd, fd)
    }

    /// Waits for events; -1 waits for ever, 0 only looks.
    ///
    /// - Returns: how many events there are; 0 also if a signal interrupted the wait.
    @inlinable
    public mutating func wait(timeoutMilliseconds: Int32) -> Int {
        max(0, Int(fg_epoll_wait(fd, eventArea, maxEvents, timeoutMilliseconds)))
    }

    @inlinable
    public func token(at index: Int) -> Token {
        assert(index >= 0 && index < Int(maxEvents))
        return Token(rawValue: fg_epoll_token(eventArea, index))
    }

    @inlinable
    public func events(at index: Int) -> UInt32 {
        assert(index >= 0 && index < Int(maxEvents))
        return fg_epoll_events(eventArea, index)
    }
}
