import Glibc
import HTTP
import JSON
import Reactor

/// A small blocking HTTP/1.1 client for the admin API of a running gateway: one connection for each request.
final class AdminClient: AdminAccess {
    private static let maxHeadBytes = 64 << 10
    private static let connectMilliseconds: Int32 = 3000

    let address: SocketAddress
    private let token: String
    private let tls: TLSContext?
    private let serverName: String
    /// The longest silence of the gateway that is put up with; an export may search long before its first row.
    private let silenceMilliseconds: Int32

    /// - Parameters:
    ///   - tls: what to verify the gateway with; nil speaks plain HTTP.
    ///   - serverName: whose certificate it must show; nil = the address's.
    init(
        address: SocketAddress, token: String, tls: TLSContext? = nil, serverName: String? = nil,
        silenceMilliseconds: Int32 = 60_000
    ) {
        self.address = address
        self.serverName = serverName ?? address.host
        self.tls = tls
        self.token = token
        self.silenceMilliseconds = silenceMilliseconds
    }

    /// Where to reach what listens at `host`: a wildcard address is reached through the loopback.
    static func reachable(host: String, port: UInt16) -> SocketAddress? {
        switch host {
        case "0.0.0.0": SocketAddress(literal: "127.0.0.1", port: port)
        case "::": SocketAddress(literal: "::1", port: port)
        default: SocketAddress(literal: host, port: port)
        }
    }

    func send(_ request: APIRequest, sink: ([UInt8]) -> Bool) throws(CommandFailure) -> APIResponse {
        let connection = try Connection(address, tls, serverName, silenceMilliseconds)
        try connection.send(head(request))
        if let body = request.body { try connection.send(body.serializedBytes()) }
        return try receive(connection, request, sink)
    }

    private func head(_ request: APIRequest) -> [UInt8] {
        var text = "\(request.method) \(request.target) HTTP/1.1\r\nHost: \(address)\r\n"
        text += "Authorization: Bearer \(token)\r\nUser-Agent: fastgate/\(fastGateVersion)\r\nConnection: close\r\n"
        if let body = request.body {
            text += "Content-Type: application/json\r\nContent-Length: \(body.serializedBytes().count)\r\n"
        }
        return Array((text + "\r\n").utf8)
    }

    // MARK: - The answer

    private func receive(
        _ connection: borrowing Connection, _ request: APIRequest, _ sink: ([UInt8]) -> Bool
    ) throws(CommandFailure) -> APIResponse {
        var input: [UInt8] = []
        let head = try receiveHead(connection, request, &input)
        let status = Int(head.status)
        var kept: [UInt8] = []
        var isOverlong = false
        // Only the body of a success goes to the sink: an error's is for `refusal`.
        func take(_ piece: [UInt8]) -> Bool {
            if status == 200 { return sink(piece) }
            isOverlong = kept.count + piece.count > Self.maxAnswerBytes
            if !isOverlong { kept += piece }
            return !isOverlong
        }
        switch head.framing {
        case .none: break
        case .contentLength(let length): try receive(connection, &input, length, take)
        case .chunked: try receiveChunked(connection, &input, take)
        case .untilClose:
            while true {
                if !input.isEmpty, !take(input) { break }
                input.removeAll(keepingCapacity: true)
                if try !connection.receive(into: &input) { break }
            }
        case .tunnel: throw problem("switched protocols")
        }
        if isOverlong { throw problem("sent an overlong answer") }
        return APIResponse(status: status, body: kept)
    }

    /// Parses the final head and takes it off `input`.
    private func receiveHead(
        _ connection: borrowing Connection, _ request: APIRequest, _ input: inout [UInt8]
    ) throws(CommandFailure) -> ResponseHead {
        let limits = MessageLimits(maxHeadBytes: UInt32(Self.maxHeadBytes), maxFields: 128)
        var fields = [Field](repeating: Field(), count: 128)
        let method: Method =
            switch request.method {
            case "GET": .get
            case "POST": .post
            case "PUT": .put
            case "PATCH": .patch
            case "DELETE": .delete
            default: .other
            }
        var scan = HeadScan()
        while true {
            var head = ResponseHead()
            let outcome = input.withUnsafeBufferPointer { bytes in
                fields.withUnsafeMutableBufferPointer { fields -> ParseOutcome in
                    guard let p = bytes.baseAddress, let f = fields.baseAddress else { return .incomplete }
                    return ResponseParser.parse(
                        p, bytes.count, scan: &scan, limits: limits, fields: f, requestMethod: method, head: &head)
                }
            }
            switch outcome {
            case .complete:
                input.removeFirst(Int(head.headLength))
                if !head.isInterim { return head }
                scan = HeadScan()
            case .incomplete:
                guard try connection.receive(into: &input) else { throw problem("closed the connection") }
            case .failed: throw problem("does not speak HTTP")
            }
        }
    }

    private func receive(
        _ connection: borrowing Connection, _ input: inout [UInt8], _ length: UInt64, _ take: ([UInt8]) -> Bool
    ) throws(CommandFailure) {
        var remaining = length
        while remaining > 0 {
            if input.isEmpty {
                guard try connection.receive(into: &input) else { throw problem("cut its answer short") }
            }
            let count = min(UInt64(input.count), remaining)
            guard take(Array(input.prefix(Int(count)))) else { return }
            input.removeAll(keepingCapacity: true)
            remaining -= count
        }
    }

    private func receiveChunked(
        _ connection: borrowing Connection, _ input: inout [UInt8], _ take: ([UInt8]) -> Bool
    ) throws(CommandFailure) {
        var decoder = ChunkedDecoder()
        while true {
            var consumed = 0
            var piece: [UInt8] = []
            var isOver = false
            var isMalformed = false
            input.withUnsafeBufferPointer { bytes in
                guard let p = bytes.baseAddress else { return }
                while true {
                    switch decoder.next(p, bytes.count, consumed: &consumed, limits: MessageLimits()) {
                    case .data(let offset, let count): piece += UnsafeBufferPointer(start: p + offset, count: count)
                    case .trailers: break
                    case .needMore: return
                    case .end:
                        isOver = true
                        return
                    case .failed:
                        isMalformed = true
                        return
                    }
                }
            }
            if isMalformed { throw problem("sent a malformed answer") }
            if !piece.isEmpty, !take(piece) { return }
            if isOver { return }
            input.removeFirst(consumed)
            guard try connection.receive(into: &input) else { throw problem("cut its answer short") }
        }
    }

    private func problem(_ what: String) -> CommandFailure { Self.problem(address, what) }

    private static func problem(_ address: SocketAddress, _ what: String) -> CommandFailure {
        CommandFailure(message: "the admin API at \(address) \(what)")
    }

    private static func unreachable(_ address: SocketAddress, _ errno: Int32) -> CommandFailure {
        CommandFailure(
            message: "the admin API at \(address) cannot be reached: \(String(cString: strerror(errno)))",
            hint: "Is the gateway running, and is this its admin port (admin.host and admin.port)?")
    }

    // MARK: - The socket

    /// One connection; a non-blocking socket and poll(2), so that nothing waits for ever.
    private struct Connection: ~Copyable {
        private let fd: Int32
        private let tls: TLSSession?
        private let address: SocketAddress
        private let silenceMilliseconds: Int32

        init(
            _ address: SocketAddress, _ tls: TLSContext?, _ serverName: String, _ silenceMilliseconds: Int32
        ) throws(CommandFailure) {
            self.address = address
            self.silenceMilliseconds = silenceMilliseconds
            let fd = Socket.connect(address)
            guard fd >= 0 else { throw unreachable(address, -fd) }
            var failure = Self.wait(fd, Int16(POLLOUT), connectMilliseconds) ? 0 : -ETIMEDOUT
            if failure == 0 { failure = Socket.connectError(fd) }
            guard failure == 0 else {
                Socket.close(fd)
                throw unreachable(address, -failure)
            }
            do throws(CommandFailure) {
                self.tls = try tls.map { context throws(CommandFailure) in
                    try Self.shakeHands(context, fd, serverName, address)
                }
            } catch {
                Socket.close(fd)
                throw error
            }
            self.fd = fd
        }

        deinit {
            tls?.closeNotify()
            tls?.free()
            Socket.close(fd)
        }

        private static func shakeHands(
            _ context: TLSContext, _ fd: Int32, _ serverName: String, _ address: SocketAddress
        ) throws(CommandFailure) -> TLSSession {
            guard let session = TLSSession.client(context, fd: fd, serverName: serverName, resume: nil) else {
                throw problem(address, "cannot be reached over TLS")
            }
            while true {
                let events: Int32
                switch session.handshake() {
                case .done: return session
                case .wantRead: events = POLLIN
                case .wantWrite: events = POLLOUT
                case .failed:
                    let text = session.failureReason().text()
                    session.free()
                    throw problem(address, "cannot be trusted: \(text)")
                }
                guard wait(fd, Int16(events), connectMilliseconds) else {
                    session.free()
                    throw problem(address, "is silent")
                }
            }
        }

        private func write(_ p: UnsafePointer<UInt8>, _ n: Int) -> Int { tls?.write(p, n) ?? Socket.send(fd, p, n) }

        private func read(_ p: UnsafeMutablePointer<UInt8>, _ n: Int) -> Int {
            tls?.read(p, n) ?? Socket.receive(fd, p, n)
        }

        func send(_ bytes: [UInt8]) throws(CommandFailure) {
            var sent = 0
            while sent < bytes.count {
                let count = bytes.withUnsafeBufferPointer { write($0.baseAddress! + sent, $0.count - sent) }
                if count > 0 {
                    sent += count
                } else if count == -Int(EAGAIN) {
                    guard Self.wait(fd, Int16(POLLOUT), silenceMilliseconds) else {
                        throw problem(address, "is silent")
                    }
                } else if count == -Int(EPIPE) || count == -Int(ECONNRESET) {
                    // The gateway has answered without reading on; its answer says why.
                    return
                } else if count != -Int(EINTR) {
                    throw problem(address, "broke off: \(String(cString: strerror(Int32(-count))))")
                }
            }
        }

        /// Appends what arrives next; false at the end.
        func receive(into input: inout [UInt8]) throws(CommandFailure) -> Bool {
            var chunk = [UInt8](repeating: 0, count: 64 << 10)
            while true {
                let count = chunk.withUnsafeMutableBufferPointer { read($0.baseAddress!, $0.count) }
                if count > 0 {
                    input += chunk[..<count]
                    return true
                }
                if count == 0 { return false }
                if count == -Int(EAGAIN) {
                    guard Self.wait(fd, Int16(POLLIN), silenceMilliseconds) else {
                        throw problem(address, "is silent")
                    }
                } else if count != -Int(EINTR) {
                    throw problem(address, "broke off: \(String(cString: strerror(Int32(-count))))")
                }
            }
        }

        private static func wait(_ fd: Int32, _ events: Int16, _ milliseconds: Int32) -> Bool {
            var entry = pollfd(fd: fd, events: events, revents: 0)
            while true {
                let ready = poll(&entry, 1, milliseconds)
                if ready >= 0 || errno != EINTR { return ready > 0 }
            }
        }
    }
}
