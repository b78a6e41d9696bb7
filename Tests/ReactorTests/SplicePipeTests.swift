import Glibc
import Testing

@testable import Reactor

@Suite struct SplicePipeTests {
    @Test func carriesBytesFromSocketToSocket() throws {
        var (sender, source) = try socketPair()
        let (sink, receiver) = try socketPair()
        defer { for fd in [sender, source, sink, receiver] where fd >= 0 { Socket.close(fd) } }
        let pipe = Pipe()
        try #require(pipe.open())
        #expect(pipe.fill(from: source, 4096) == -Int(EAGAIN))
        #expect(pipe.count == 0)

        let sent = (0..<3000).map { UInt8(truncatingIfNeeded: $0) }
        #expect(Socket.send(sender, sent, sent.count) == sent.count)
        #expect(pipe.fill(from: source, 1000) == 1000)
        #expect(pipe.count == 1000)
        #expect(pipe.fill(from: source, 1 << 20) == 2000)
        #expect(pipe.drain(to: sink) == 3000)
        #expect(pipe.count == 0)
        #expect(received(receiver, 3000) == sent)

        Socket.close(sender)
        sender = -1
        #expect(pipe.fill(from: source, 4096) == 0, "the peer has finished sending")
    }

    /// A sink that takes no more leaves the rest in the pipe, from where it can be had.
    @Test func keepsWhatTheSinkDoesNotTake() throws {
        let (sender, source) = try socketPair()
        let (sink, receiver) = try socketPair()
        defer { for fd in [sender, source, sink, receiver] { Socket.close(fd) } }
        let pipe = Pipe()
        try #require(pipe.open())
        var sent: [UInt8] = []
        var gone = 0
        while true {
            let piece = (0..<8192).map { UInt8(truncatingIfNeeded: sent.count + $0 * 7) }
            #expect(Socket.send(sender, piece, piece.count) == piece.count)
            sent += piece
            #expect(pipe.fill(from: source, piece.count) == piece.count)
            let drained = pipe.drain(to: sink)
            if drained == -Int(EAGAIN) { break }
            gone += drained
            if pipe.count > 0 { break }
        }
        #expect(pipe.count == sent.count - gone)
        let rest = pipe.takeAll()
        #expect(pipe.count == 0)
        #expect(received(receiver, gone) + rest == sent)
    }

    @Test func opensAnewAfterDiscarding() throws {
        let (sender, source) = try socketPair()
        let (sink, receiver) = try socketPair()
        defer { for fd in [sender, source, sink, receiver] { Socket.close(fd) } }
        let pipe = Pipe()
        try #require(pipe.open())
        #expect(Socket.send(sender, [1, 2, 3], 3) == 3)
        #expect(pipe.fill(from: source, 10) == 3)
        pipe.discard()
        #expect(pipe.count == 0)
        try #require(pipe.open())
        #expect(Socket.send(sender, [4, 5], 2) == 2)
        #expect(pipe.fill(from: source, 10) == 2)
        #expect(pipe.drain(to: sink) == 2)
        #expect(received(receiver, 2) == [4, 5], "nothing of what was thrown away comes after")
    }

    /// The pipe as something that the testing macros can hold.
    private final class Pipe {
        private var pipe = SplicePipe()

        var count: Int { pipe.count }
        func open() -> Bool { pipe.open() }
        func fill(from socket: Int32, _ n: Int) -> Int { pipe.fill(from: socket, n) }
        func drain(to socket: Int32) -> Int { pipe.drain(to: socket) }
        func discard() { pipe.discard() }
        func takeAll() -> [UInt8] {
            [UInt8](unsafeUninitializedCapacity: pipe.count) { room, count in
                let wanted = pipe.count
                count = pipe.take(into: room.baseAddress!) ? wanted : 0
            }
        }
    }

    /// Two ends that do not block.
    private func socketPair() throws -> (Int32, Int32) {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        try #require(socketpair(AF_UNIX, kind, 0, &ends) == 0)
        return (ends[0], ends[1])
    }

    private func received(_ fd: Int32, _ count: Int) -> [UInt8] {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65536)
        while bytes.count < count, waitFor(fd, POLLIN) {
            let got = Socket.receive(fd, &piece, piece.count)
            if got <= 0 { break }
            bytes += piece[..<got]
        }
        return bytes
    }
}
