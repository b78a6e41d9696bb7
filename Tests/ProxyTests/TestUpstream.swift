import Glibc
import HTTP
import Reactor
import Synchronization

@testable import Proxy

/// An upstream on the loopback: answers every request with its own name and what it was asked. `/hold…` waits until
/// `release()`, `/close…` is hung up on without an answer, `/broken…` gets what is no HTTP.
final class TestUpstream: Sendable {
    let port: UInt16
    /// `127.0.0.1:port`, as routes name it.
    var host: String { "127.0.0.1:\(port)" }
    /// Counted down when the first `/hold` has arrived.
    let holds = Latch(1)
    private let mailbox: Mailbox<Command>
    private let thread: WorkerThread
    private let seen = Box()

    private enum Command: Sendable { case release, stop }

    private final class Box: Sendable {
        let requests = Mutex<[String]>([])
    }

    init(_ name: String) throws {
        let listener = Socket.listen(SocketAddress(literal: "127.0.0.1", port: 0)!, reusePort: false, backlog: 64)
        guard listener >= 0, let address = SocketAddress.local(of: listener) else {
            throw SystemError(errno: -listener, operation: "listen")
        }
        port = address.port
        mailbox = try Mailbox()
        let server = Server(name: name, listener: listener, mailbox: mailbox, holds: holds, seen: seen)
        thread = try WorkerThread.start(name: "upstream \(name)", cpu: nil) {
            var server = server
            server.run()
        }
    }

    /// Answers what is held.
    func release() { mailbox.post(.release) }

    func stop() {
        mailbox.post(.stop)
        thread.join()
    }

    /// The heads (and bodies) of all requests so far.
    var requests: [String] { seen.requests.withLock { $0 } }

    private struct Server: Sendable {
        let name: String
        let listener: Int32
        let mailbox: Mailbox<Command>
        let holds: Latch
        let seen: Box
        var connections: [Int32: [UInt8]] = [:]
        var held: [(fd: Int32, answer: [UInt8])] = []

        init(name: String, listener: Int32, mailbox: Mailbox<Command>, holds: Latch, seen: Box) {
            (self.name, self.listener, self.mailbox, self.holds, self.seen) = (name, listener, mailbox, holds, seen)
        }

        mutating func run() {
            while true {
                var entries = ([listener, mailbox.fd] + connections.keys).map {
                    pollfd(fd: $0, events: Int16(POLLIN), revents: 0)
                }
                if poll(&entries, UInt(entries.count), -1) < 0 { continue }
                for entry in entries where entry.revents != 0 {
                    if entry.fd == mailbox.fd {
                        for command in mailbox.drain() {
                            if case .stop = command { return close() }
                            for answer in held { send(answer.fd, answer.answer) }
                            held = []
                        }
                    } else if entry.fd == listener {
                        var peer = SocketAddress()
                        let fd = Socket.accept(listener, peer: &peer)
                        if fd >= 0 { connections[fd] = [] }
                    } else {
                        read(entry.fd)
                    }
                }
            }
        }

        private mutating func close() {
            for fd in connections.keys { Socket.close(fd) }
            Socket.close(listener)
        }

        private mutating func hangUp(_ fd: Int32) {
            Socket.close(fd)
            connections[fd] = nil
            held.removeAll { $0.fd == fd }
        }

        private mutating func read(_ fd: Int32) {
            var chunk = [UInt8](repeating: 0, count: 65_536)
            let count = Socket.receive(fd, &chunk, chunk.count)
            if count == -Int(EAGAIN) { return }
            guard count > 0 else { return hangUp(fd) }
            connections[fd]! += chunk[..<count]
            while let bytes = connections[fd], let request = WholeMessage(bytes) {
                connections[fd] = Array(bytes[request.count...])
                answer(fd, request)
            }
        }

        private mutating func answer(_ fd: Int32, _ request: WholeMessage) {
            seen.requests.withLock { $0.append(request.text) }
            let words = request.startLine.split(separator: " ")
            if words[1].hasPrefix("/close") { return hangUp(fd) }
            if words[1].hasPrefix("/broken") { return send(fd, Array("no HTTP\r\n\r\n".utf8)) }
            let body = "\(name) \(words[0]) \(words[1])"
            let bytes = Array(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)".utf8)
            if words[1].hasPrefix("/hold") {
                held.append((fd, bytes))
                return holds.countDown()
            }
            send(fd, bytes)
        }

        /// Short enough for the socket's buffer.
        private func send(_ fd: Int32, _ bytes: [UInt8]) { _ = Socket.send(fd, bytes, bytes.count) }
    }
}

/// A port that is taken but on which nobody listens: connecting to it is refused.
final class SilentPort {
    private let fd: Int32
    let host: String

    init() throws {
        let fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = INADDR_LOOPBACK.bigEndian
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0, let local = SocketAddress.local(of: fd) else {
            let status = errno
            Socket.close(fd)
            throw SystemError(errno: status, operation: "bind")
        }
        self.fd = fd
        host = local.description
    }

    deinit { Socket.close(fd) }
}

/// A message with a head and a body that Content-Length counts.
struct WholeMessage {
    let startLine: String
    let fields: [String: String]
    let body: String
    let text: String
    /// Bytes in all.
    let count: Int

    /// Nil while there is not all of it.
    init?(_ bytes: [UInt8]) {
        guard let end = bytes.indices.dropLast(3).first(where: { bytes[$0..<$0 + 4].elementsEqual("\r\n\r\n".utf8) })
        else { return nil }
        let lines = String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n")
        var fields: [String: String] = [:]
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: ":") else { continue }
            fields[line[..<colon].lowercased()] = String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        let length = fields["content-length"].flatMap { Int($0) } ?? 0
        guard bytes.count >= end + 4 + length else { return nil }
        startLine = lines.first.map(String.init) ?? ""
        self.fields = fields
        body = String(decoding: bytes[(end + 4)..<(end + 4 + length)], as: UTF8.self)
        count = end + 4 + length
        text = String(decoding: bytes[..<count], as: UTF8.self)
    }

    var status: Int { startLine.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0 }
}

/// A client's connection.
final class TestClient {
    private let fd: Int32
    private var received: [UInt8] = []

    enum Failure: Error {
        case refused(Int32)
        case closed, silent
    }

    /// Longer than anything here takes; only so that a fault is no hang.
    private static let patienceMilliseconds: Int32 = 15_000

    init(port: UInt16) throws {
        fd = Socket.connect(SocketAddress(literal: "127.0.0.1", port: port)!)
        guard fd >= 0 else { throw Failure.refused(fd) }
        try wait(POLLOUT)
        let error = Socket.connectError(fd)
        guard error == 0 else { throw Failure.refused(error) }
    }

    deinit { Socket.close(fd) }

    private func wait(_ events: Int32) throws {
        var entry = pollfd(fd: fd, events: Int16(events), revents: 0)
        guard poll(&entry, 1, Self.patienceMilliseconds) > 0 else { throw Failure.silent }
    }

    func send(_ text: String) throws {
        let bytes = Array(text.utf8)
        guard Socket.send(fd, bytes, bytes.count) == bytes.count else { throw Failure.closed }
    }

    func receive() throws -> WholeMessage {
        while true {
            if let message = WholeMessage(received) {
                received.removeFirst(message.count)
                return message
            }
            guard try more() else { throw Failure.closed }
        }
    }

    /// True once the gateway has ended the connection and nothing unasked for came.
    func isEnded() throws -> Bool { try !more() && received.isEmpty }

    private func more() throws -> Bool {
        try wait(POLLIN)
        var chunk = [UInt8](repeating: 0, count: 65_536)
        let count = Socket.receive(fd, &chunk, chunk.count)
        guard count > 0 else { return false }
        received += chunk[..<count]
        return true
    }

    /// One request and its response.
    func exchange(
        _ start: String, key: String? = "k", _ fields: [String] = [], body: String = ""
    ) throws -> WholeMessage {
        var lines = ["\(start) HTTP/1.1", "host: gateway"] + fields
        if let key { lines.append("authorization: Bearer \(key)") }
        if !body.isEmpty { lines.append("content-length: \(body.utf8.count)") }
        try send(lines.map { $0 + "\r\n" }.joined() + "\r\n" + body)
        return try receive()
    }
}
