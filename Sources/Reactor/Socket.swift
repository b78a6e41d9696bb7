import CEpoll
import Glibc

/// TCP sockets as plain descriptors. Every function gives back a value or -errno; none blocks.
public enum Socket {
    /// A listening socket. An IPv6 wildcard takes IPv4 too; `reusePort` lets each worker have its own.
    @inlinable
    public static func listen(_ address: SocketAddress, reusePort: Bool, backlog: Int32) -> Int32 {
        var address = address.c
        return fg_listen(&address, reusePort ? 1 : 0, backlog)
    }

    /// Readies a listening socket that another process has opened. 0 or -errno; -EINVAL: it does not listen.
    public static func adoptListener(_ fd: Int32) -> Int32 { fg_adopt_listener(fd) }

    /// Another descriptor for the same socket, or -errno. The socket is closed with the last of them.
    public static func duplicate(_ fd: Int32) -> Int32 { fg_duplicate(fd) }

    /// The next connection, non-blocking, close-on-exec and without Nagle delay (inherited from the listener, which
    /// saves a system call); -EAGAIN if none waits.
    @inlinable
    public static func accept(_ fd: Int32, peer: inout SocketAddress) -> Int32 {
        var address = fg_address()
        let accepted = fg_accept(fd, &address)
        if accepted >= 0 { peer = SocketAddress(address) }
        return accepted
    }

    /// For a connection that never leaves the machine; sockets of `connect` and those accepted by a listener on a loopback
    /// address have it already.
    @inlinable
    public static func useLocalCongestionControl(_ fd: Int32) { fg_use_local_congestion_control(fd) }

    /// A socket whose connection is under way: it becomes writable when it is decided, see `connectError`.
    @inlinable
    public static func connect(_ address: SocketAddress) -> Int32 {
        var address = address.c
        return fg_connect(&address)
    }

    /// How connecting ended: 0 or -errno.
    @inlinable
    public static func connectError(_ fd: Int32) -> Int32 { fg_socket_error(fd) }

    /// Reads up to `n` bytes. 0 = the peer has finished sending; -EAGAIN = nothing there yet.
    @inlinable
    public static func receive(_ fd: Int32, _ p: UnsafeMutablePointer<UInt8>, _ n: Int) -> Int {
        fg_receive(fd, p, n)
    }

    /// Writes up to `n` bytes; may write fewer. Never raises SIGPIPE.
    @inlinable
    public static func send(_ fd: Int32, _ p: UnsafePointer<UInt8>, _ n: Int) -> Int {
        fg_send(fd, p, n)
    }

    /// The same for bytes that more will follow in the next call: the kernel keeps a last segment that is not full for it.
    @inlinable
    public static func sendMore(_ fd: Int32, _ p: UnsafePointer<UInt8>, _ n: Int) -> Int {
        fg_send_more(fd, p, n)
    }

    /// Writes up to `n` bytes from one place and then up to `m` from another. How many of both together; may be fewer.
    @inlinable
    public static func send(
        _ fd: Int32, _ p: UnsafePointer<UInt8>, _ n: Int, then q: UnsafePointer<UInt8>, _ m: Int
    ) -> Int {
        fg_send_pair(fd, p, n, q, m)
    }

    /// Reads up to `n` bytes and leaves them where they are: the next `receive` reads them again.
    @inlinable
    public static func peek(_ fd: Int32, _ p: UnsafeMutablePointer<UInt8>, _ n: Int) -> Int { fg_peek(fd, p, n) }

    /// Throws away up to `n` bytes that have arrived. The count, or as `receive`.
    @inlinable
    public static func skip(_ fd: Int32, _ n: Int) -> Int { fg_skip(fd, n) }

    /// Bytes that have arrived and were not read yet; 0 if the kernel does not say.
    @inlinable
    public static func unread(_ fd: Int32) -> Int { Int(fg_unread(fd)) }

    /// Lets the poller report the socket as readable once so many bytes are there, or no more will come, or the kernel has
    /// no room for so many; 1 = at any. What is there already is reported anew.
    @inlinable
    public static func setLowWater(_ fd: Int32, _ bytes: Int32) { _ = fg_set_low_water(fd, bytes) }

    /// Bytes in the socket's buffer that the peer has not acknowledged; 0 if the kernel does not say.
    @inlinable
    public static func unsent(_ fd: Int32) -> Int32 { fg_unsent(fd) }

    /// Lets the kernel put off acknowledging small pieces, until two have come or 40 ms have passed. A hint: after a pause
    /// it acknowledges at once again.
    @inlinable
    public static func delayAcknowledgements(_ fd: Int32) { fg_delay_acknowledgements(fd) }

    /// Lets the kernel acknowledge what has come, and what comes next, at once.
    @inlinable
    public static func acknowledgeAtOnce(_ fd: Int32) { fg_acknowledge_at_once(fd) }

    /// Says to the peer that no more bytes will come.
    @inlinable
    public static func shutdownWrite(_ fd: Int32) { _ = fg_shutdown_write(fd) }

    @inlinable
    public static func close(_ fd: Int32) { _ = fg_close(fd) }

    /// Closes so that the peer sees a reset: what was sent must not look whole.
    @inlinable
    public static func closeWithReset(_ fd: Int32) { _ = fg_close_with_reset(fd) }

    /// Whether an idle kept-alive connection is fit for another request: open, and nothing unasked for has come.
    @inlinable
    public static func isAliveIdle(_ fd: Int32) -> Bool {
        var byte: UInt8 = 0
        return fg_peek(fd, &byte, 1) == Int(-EAGAIN)  // no data, no end, no error
    }
}
