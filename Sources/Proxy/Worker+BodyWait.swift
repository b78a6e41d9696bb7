import Reactor

/// Waiting until a good part of a long body is here, instead of being woken for every packet of it: the kernel is asked to
/// report the client only then (SO_RCVLOWAT). It reports it earlier if it has no room for so much, and if the client has
/// finished or is gone.
///
/// Only a body of which nothing can go on yet is waited for, for the route is not known; what can go on goes on as it comes.
/// Never is more waited for than is missing, nor for long: a body that takes its time is read as it comes, so that timeouts
/// and rates are those of its bytes.
extension Worker {
    /// What one read takes at most.
    static let awaitedBytes: UInt64 = 256 * 1024
    /// What is sent at once is here by then.
    static let awaitMilliseconds: UInt64 = 20

    /// True if more of the body is to come before it is worth reading. `arrived` bytes are there, `missing` are to come with
    /// them.
    mutating func awaitsMore(_ index: UInt32, arrived: Int, missing: UInt64) -> Bool {
        let c = clients.pointer(index)
        guard c.pointee.exchange.phase == .readingBody else { return false }
        let wanted = min(missing, Self.awaitedBytes)
        let hasWaited = c.pointee.exchange.awaitsMore
        c.pointee.exchange.awaitsMore = false
        // Reported with less than was waited for, it is all that there is room for.
        if hasWaited || UInt64(arrived) >= wanted || c.pointee.hasHungUp || c.pointee.exchange.readsAsItComes {
            return false
        }
        c.pointee.exchange.awaitsMore = true
        c.pointee.isReadable = false
        // Asking reports what has come meanwhile.
        setLowWater(c, Int32(truncatingIfNeeded: wanted))
        if c.pointee.outbound.isEmpty { setDeadline(client: index, lookDeadline(c, c.pointee.deadline)) }
        return true
    }

    /// So much of the body is missing now: no more than that is waited for.
    @inline(__always)
    func lowerWater(_ c: UnsafeMutablePointer<ClientConnection>, _ missing: UInt64) {
        if c.pointee.lowWater > 0 && UInt64(c.pointee.lowWater) > missing {
            setLowWater(c, Int32(truncatingIfNeeded: missing))
        }
    }

    /// `bytes` 0: any number is reported.
    @inline(never)
    func setLowWater(_ c: UnsafeMutablePointer<ClientConnection>, _ bytes: Int32) {
        if c.pointee.lowWater == bytes { return }
        c.pointee.lowWater = bytes
        Socket.setLowWater(c.pointee.fd, max(bytes, 1))
    }

    /// When a client is looked at whose body is due at `deadline`: before, if not every byte is reported.
    @inline(__always)
    func lookDeadline(_ c: UnsafeMutablePointer<ClientConnection>, _ deadline: UInt64) -> UInt64 {
        c.pointee.lowWater > 0 ? min(deadline, now + Self.awaitMilliseconds) : deadline
    }

    /// What was waited for has not come in time, whatever has. From now on the body is read as it comes, and has the time it
    /// would have had. `lookedAt`: when that was due.
    @inline(never)
    mutating func stopAwaiting(_ index: UInt32, lookedAt: UInt64) {
        let c = clients.pointer(index)
        c.pointee.exchange.awaitsMore = false
        c.pointee.exchange.readsAsItComes = true
        setLowWater(c, 0)
        let timeout = max(current.pointee.policy.bodyTimeoutMilliseconds, Self.awaitMilliseconds)
        setDeadline(
            client: index, max(min(lookedAt + timeout - Self.awaitMilliseconds, c.pointee.paceDeadline), now))
        guard Socket.unread(c.pointee.fd) > 0 else { return }
        c.pointee.isReadable = true
        clientReady(index)
    }
}
