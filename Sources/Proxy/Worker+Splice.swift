import Glibc
import Reactor

/// The rest of a long body that nobody looks at: from the upstream's socket to the client's inside the kernel.
extension Worker {
    /// A body of which less than this is still to come is copied: a pipe between would cost more than it saves.
    static let spliceBytes: UInt64 = 64 * 1024

    /// True if what comes next of the response needs to be neither seen, nor framed, nor encrypted by us.
    @inline(__always)
    mutating func maySplice(
        _ u: UnsafeMutablePointer<UpstreamConnection>, _ c: UnsafeMutablePointer<ClientConnection>
    ) -> Bool {
        guard c.pointee.exchange.responseStarted, c.pointee.exchange.responseRemaining >= Self.spliceBytes,
            // What a provider answers in JSON or as a stream is read in passing.
            c.pointee.exchange.provider < 0 || !readsAnswer(c),
            case .contentLength = c.pointee.exchange.responseFraming
        else { return false }
        return c.pointee.tls == nil && u.pointee.tls == nil && u.pointee.inbound.isEmpty
            && !c.pointee.exchange.countsEvents && !c.pointee.exchange.countsLines
            && !current.pointee.policy.auditsBody && pipe.open()
    }

    /// Moves what has arrived, up to what one read would take. False if there is nothing more to read for now, or the
    /// exchange is over.
    @inline(never)
    mutating func splice(_ upstream: UInt32) -> Bool {
        let u = upstreams.pointer(upstream)
        let client = u.pointee.client
        let c = clients.pointer(client)
        let most = isOutOfMemory ? Self.pressedReadBytes : Self.scratchBytes
        let got = pipe.fill(from: u.pointee.fd, Int(min(c.pointee.exchange.responseRemaining, UInt64(most))))
        if got == -EAGAIN {
            u.pointee.isReadable = false
            return false
        }
        guard got > 0 else {
            upstreamClosed(upstream, wasClean: got == 0)
            return false
        }
        u.pointee.deadline = now + route(c).pointee.timeoutMilliseconds
        c.pointee.exchange.responseRemaining &-= UInt64(got)
        c.pointee.exchange.responseBytes &+= UInt64(got)
        guard emptyPipe(client) else { return false }
        if c.pointee.exchange.responseRemaining == 0 {
            responseIsComplete(upstream)
            return false
        }
        keepAuditDescription(client)
        return true
    }

    /// Hands the pipe's bytes to the client; what its socket does not take waits in the connection's buffer as after any
    /// other send. False if the client is gone and the exchange with it.
    private mutating func emptyPipe(_ client: UInt32) -> Bool {
        let c = clients.pointer(client)
        while pipe.count > 0 {
            let sent = pipe.drain(to: c.pointee.fd)
            if sent > 0 { continue }
            guard sent == -EAGAIN else {
                pipe.discard()
                clientIsGone(client)
                return false
            }
            let rest = pipe.count
            pool.reserve(&c.pointee.outbound, writable: rest)
            guard pipe.take(into: c.pointee.outbound.writePointer) else {
                pipe.discard()
                cutShort(client, .cutShort)
                return false
            }
            c.pointee.outbound.end &+= UInt32(rest)
            watchWritable(client)
            moveSendDeadline(client, 0)
        }
        return true
    }
}
