import CEpoll
import Glibc
import Testing

@testable import Reactor

@Suite struct SocketAddressTests {
    @Test func addressesAreCountedByTheirNetwork() throws {
        func network(_ text: String) throws -> String { try #require(SocketAddress(literal: text, port: 1)).network }
        #expect(try network("192.0.2.7") == "192.0.2.7")
        #expect(try network("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::/64")
        #expect(try network("2001:db8:1:2::9") == network("2001:db8:1:2:a::"))
    }

    @Test func literals() {
        for (text, host, description) in [
            ("127.0.0.1", "127.0.0.1", "127.0.0.1:80"), ("::1", "::1", "[::1]:80"), ("[::1]", "::1", "[::1]:80"),
            ("2001:DB8:0:0::1", "2001:db8::1", "[2001:db8::1]:80"), ("255.255.255.255", "255.255.255.255", nil),
            ("0.0.0.0", "0.0.0.0", nil), ("10.20.30.9", "10.20.30.9", nil), ("::", "::", nil),
        ] as [(String, String, String?)] {
            let address = SocketAddress(literal: text, port: 80)
            #expect(address?.host == host)
            if let description { #expect(address?.description == description) }
            #expect(address?.port == 80)
        }
    }

    @Test func whatIsNoLiteral() {
        for text in [
            "", "localhost", "127.0.0.1:80", "[127.0.0.1]", "[::1", "::1]", "[]", "1.2.3", "1.2.3.256", "::1\0", " ::1",
        ] {
            #expect(SocketAddress(literal: text, port: 1) == nil, "\(text)")
        }
    }

    @Test func writesWithoutPort() {
        var text = [UInt8](repeating: 0xff, count: 46)
        let long = SocketAddress(literal: "1111:2222:3333:4444:5555:6666:7777:8888", port: 1)!
        #expect(long.write(into: &text) == 39)
        #expect(SocketAddress(literal: "192.168.1.10", port: 1)!.write(into: &text) == 12)
        #expect(String(decoding: text[..<12], as: UTF8.self) == "192.168.1.10")
        #expect(SocketAddress().write(into: &text) == 0)
    }
}

@Suite struct SocketTests {
    @Test func connectAcceptSendReceive() throws {
        let listener = Socket.listen(.loopback(), reusePort: true, backlog: 16)
        try #require(listener >= 0)
        defer { Socket.close(listener) }
        let address = try #require(SocketAddress.local(of: listener))
        #expect(address.port != 0)
        var peer = SocketAddress()
        #expect(Socket.accept(listener, peer: &peer) == -EAGAIN)

        let client = Socket.connect(address)
        try #require(client >= 0)
        defer { Socket.close(client) }
        waitFor(client, POLLOUT)
        #expect(Socket.connectError(client) == 0)
        waitFor(listener, POLLIN)
        let server = Socket.accept(listener, peer: &peer)
        try #require(server >= 0)
        defer { Socket.close(server) }
        #expect(peer == SocketAddress.local(of: client))
        #expect(SocketAddress.peer(of: server) == peer)

        for fd in [client, server] {
            #expect(fg_get_no_delay(fd) == 1)
            #expect(fcntl(fd, F_GETFL) & O_NONBLOCK != 0)
            #expect(fcntl(fd, F_GETFD) & FD_CLOEXEC != 0)
        }

        var bytes = [UInt8](repeating: 0, count: 16)
        #expect(Socket.receive(server, &bytes, 16) == -Int(EAGAIN))
        #expect(Socket.send(client, Array("hello".utf8), 5) == 5)
        waitFor(server, POLLIN)
        #expect(Socket.receive(server, &bytes, 16) == 5)
        #expect(bytes[..<5] == ArraySlice("hello".utf8))
        Socket.shutdownWrite(client)
        waitFor(server, POLLIN)
        #expect(Socket.receive(server, &bytes, 16) == 0)
    }

    @Test func twoListenersShareAPort() throws {
        let first = Socket.listen(.loopback(), reusePort: true, backlog: 16)
        defer { Socket.close(first) }
        let address = try #require(SocketAddress.local(of: first))
        let second = Socket.listen(address, reusePort: true, backlog: 16)
        #expect(second >= 0)
        Socket.close(second)
        #expect(Socket.listen(address, reusePort: false, backlog: 16) == -EADDRINUSE)
    }

    @Test func theWildcardTakesBothFamilies() throws {
        let listener = Socket.listen(SocketAddress(literal: "::", port: 0)!, reusePort: false, backlog: 16)
        guard listener != -EAFNOSUPPORT else { return print("skipped: this machine has no IPv6") }
        try #require(listener >= 0)
        defer { Socket.close(listener) }
        let client = Socket.connect(.loopback(SocketAddress.local(of: listener)!.port))
        defer { Socket.close(client) }
        waitFor(listener, POLLIN)
        var peer = SocketAddress()
        let server = Socket.accept(listener, peer: &peer)
        #expect(server >= 0)
        #expect(peer.host == "127.0.0.1")
        #expect(peer.family == AF_INET)
        Socket.close(server)
    }

    @Test func refusedConnectionsSaySo() throws {
        let listener = Socket.listen(.loopback(), reusePort: false, backlog: 1)
        let address = try #require(SocketAddress.local(of: listener))
        Socket.close(listener)
        let client = Socket.connect(address)
        if client >= 0 {
            waitFor(client, POLLOUT)
            #expect(Socket.connectError(client) == -ECONNREFUSED)
            Socket.close(client)
        } else {
            #expect(client == -ECONNREFUSED)
        }
    }

    @Test func sendingToTheDeadDoesNotKill() throws {
        let pair = try SocketPair()
        Socket.closeWithReset(pair.server)
        waitFor(pair.client, POLLIN)
        let bytes: [UInt8] = [1]
        #expect(Socket.send(pair.client, bytes, 1) == -Int(ECONNRESET))
        #expect(Socket.send(pair.client, bytes, 1) == -Int(EPIPE))
        Socket.close(pair.client)
    }

    @Test func whatWasLookedAtIsStillThere() throws {
        let pair = try SocketPair()
        defer { pair.close() }
        #expect(Socket.unread(pair.client) == 0)
        #expect(Socket.send(pair.server, Array("hel".utf8), 3, then: Array("lo, you".utf8), 7) == 10)
        waitFor(pair.client, POLLIN)
        #expect(Socket.unread(pair.client) == 10)
        var bytes = [UInt8](repeating: 0, count: 16)
        #expect(Socket.peek(pair.client, &bytes, 5) == 5)
        #expect(bytes[..<5] == ArraySlice("hello".utf8))
        #expect(Socket.unread(pair.client) == 10)
        #expect(Socket.skip(pair.client, 7) == 7)
        #expect(Socket.receive(pair.client, &bytes, 16) == 3)
        #expect(bytes[..<3] == ArraySlice("you".utf8))
        #expect(Socket.peek(pair.client, &bytes, 16) == -Int(EAGAIN))
        #expect(Socket.skip(pair.client, 16) == -Int(EAGAIN))
    }

    @Test func moreThatIsToComeComesAtOnce() throws {
        let pair = try SocketPair()
        defer { pair.close() }
        #expect(Socket.sendMore(pair.server, Array("head ".utf8), 5) == 5)
        #expect(Socket.send(pair.server, Array("body".utf8), 4) == 4)
        waitFor(pair.client, POLLIN)
        var bytes = [UInt8](repeating: 0, count: 16)
        #expect(Socket.receive(pair.client, &bytes, 16) == 9)
        #expect(bytes[..<9] == ArraySlice("head body".utf8))
    }

    @Test func idleConnectionsAreAliveUntilSomethingComes() throws {
        let quiet = try SocketPair()
        #expect(Socket.isAliveIdle(quiet.client))
        #expect(Socket.send(quiet.server, [1], 1) == 1)
        waitFor(quiet.client, POLLIN)
        #expect(!Socket.isAliveIdle(quiet.client))
        quiet.close()

        let closed = try SocketPair()
        Socket.close(closed.server)
        waitFor(closed.client, POLLIN)
        #expect(!Socket.isAliveIdle(closed.client))
        Socket.close(closed.client)

        let reset = try SocketPair()
        Socket.closeWithReset(reset.server)
        waitFor(reset.client, POLLIN)
        #expect(!Socket.isAliveIdle(reset.client))
        Socket.close(reset.client)
    }

    @Test func badDescriptorsAreErrors() {
        var byte: UInt8 = 0
        #expect(Socket.receive(-1, &byte, 1) == -Int(EBADF))
        #expect(Socket.send(-1, &byte, 1) == -Int(EBADF))
        #expect(Socket.connectError(-1) == -EBADF)
        #expect(SocketAddress.peer(of: -1) == nil)
        #expect(Socket.listen(SocketAddress(literal: "192.0.2.1", port: 1)!, reusePort: false, backlog: 1) < 0)
    }

    @Test func spliceMovesBytesThroughAPipe() throws {
        let source = try SocketPair()
        let target = try SocketPair()
        var (readEnd, writeEnd): (Int32, Int32) = (-1, -1)
        #expect(fg_pipe(&readEnd, &writeEnd) == 0)
        #expect(fg_splice(source.server, writeEnd, 100) == -Int(EAGAIN))
        #expect(Socket.send(source.client, Array("splice".utf8), 6) == 6)
        waitFor(source.server, POLLIN)
        #expect(fg_splice(source.server, writeEnd, 100) == 6)
        #expect(fg_splice(readEnd, target.server, 6) == 6)
        waitFor(target.client, POLLIN)
        var bytes = [UInt8](repeating: 0, count: 16)
        #expect(Socket.receive(target.client, &bytes, 16) == 6)
        source.close()
        target.close()
        close(readEnd)
        close(writeEnd)
    }
}

@Suite struct PollerTests {
    @Test func tokensComeBack() throws {
        var poller = try Poller(maxEvents: 4)
        let pair = try SocketPair()
        defer { pair.close() }
        let token = Token(kind: 3, generation: 0xabcdef, index: 0x8765_4321)
        #expect(poller.add(pair.server, events: PollEvent.readable | PollEvent.edgeTriggered, token: token) == 0)
        #expect(poller.add(pair.server, events: PollEvent.readable, token: token) == -EEXIST)
        #expect(poller.wait(timeoutMilliseconds: 0) == 0)
        #expect(Socket.send(pair.client, [1], 1) == 1)
        #expect(poller.wait(timeoutMilliseconds: 10_000) == 1)
        var (seen, events) = (poller.token(at: 0), poller.events(at: 0))
        #expect(seen == token)
        #expect(events == PollEvent.readable)
        // Edge-triggered: not again for the same byte.
        #expect(poller.wait(timeoutMilliseconds: 0) == 0)
        let other = Token(kind: 4, generation: 1, index: 1)
        #expect(poller.modify(pair.server, events: PollEvent.writable, token: other) == 0)
        #expect(poller.wait(timeoutMilliseconds: 10_000) == 1)
        (seen, events) = (poller.token(at: 0), poller.events(at: 0))
        #expect(seen == other)
        #expect(events == PollEvent.writable)
        #expect(poller.modify(pair.server, events: PollEvent.readable | PollEvent.readHangUp, token: other) == 0)
        Socket.shutdownWrite(pair.client)
        #expect(poller.wait(timeoutMilliseconds: 10_000) == 1)
        events = poller.events(at: 0)
        #expect(events & PollEvent.readHangUp != 0)
        #expect(poller.remove(pair.server) == 0)
        #expect(poller.remove(pair.server) == -ENOENT)
        #expect(poller.wait(timeoutMilliseconds: 0) == 0)
    }
}
