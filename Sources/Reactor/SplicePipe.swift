import CEpoll
import Glibc

/// A pipe through which bytes go from one socket to another inside the kernel (splice(2)), without being copied to us and
/// back. Made on first use; one serves all connections of a thread as long as it is emptied before the next turn.
public struct SplicePipe: ~Copyable {
    private var readEnd: Int32 = -1
    private var writeEnd: Int32 = -1
    /// Bytes that are in the pipe.
    public private(set) var count = 0

    /// Asked of the kernel, which counts in pages: room for many small pieces. A refusal leaves what there is.
    private static let capacity: Int32 = 1024 * 1024

    public init() {}

    deinit {
        if readEnd >= 0 {
            Socket.close(readEnd)
            Socket.close(writeEnd)
        }
    }

    /// Makes the pipe if there is none. False if that is refused: there are no descriptors left.
    @inline(__always)
    public mutating func open() -> Bool { readEnd >= 0 || make() }

    /// Takes up to `n` bytes out of a socket. The count, 0 = the peer has finished sending, or -errno; a short count
    /// does not mean that nothing is left. The pipe must be open.
    public mutating func fill(from socket: Int32, _ n: Int) -> Int {
        let got = fg_splice(socket, writeEnd, n)
        if got > 0 { count += got }
        return got
    }

    /// Hands what the pipe holds to a socket, as far as it takes it. The count or -errno.
    public mutating func drain(to socket: Int32) -> Int {
        let sent = fg_splice(readEnd, socket, count)
        if sent > 0 { count -= sent }
        return sent
    }

    /// Copies what the pipe still holds to `p`, which has room for `count` bytes. False if the pipe gave less.
    public mutating func take(into p: UnsafeMutablePointer<UInt8>) -> Bool {
        var taken = 0
        while count > 0 {
            let got = fg_read(readEnd, p + taken, count)
            if got <= 0 { return false }
            taken += got
            count -= got
        }
        return true
    }

    /// Throws away what the pipe holds.
    public mutating func discard() {
        guard count > 0 else { return }
        Socket.close(readEnd)
        Socket.close(writeEnd)
        readEnd = -1
        writeEnd = -1
        count = 0
    }

    @inline(never)
    private mutating func make() -> Bool {
        guard fg_pipe(&readEnd, &writeEnd) == 0 else { return false }
        fg_set_pipe_capacity(writeEnd, Self.capacity)
        return true
    }
}
