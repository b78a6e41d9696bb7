import Config
import Glibc
import HTTP
import JSON
import Reactor
import Store

/// Tries a route's target once: name, connection, TLS, one request. Blocks, with a limit on every step, so it belongs
/// on an executor thread.
struct TargetProbe {
    struct Result: Sendable, Equatable {
        /// Whether the target answered with a status below 500.
        var ok = false
        /// The addresses the name stands for.
        var resolved: [String] = []
        var connectMilliseconds: Double?
        /// Whether the handshake succeeded and the certificate holds; nil for http or if it was not got that far.
        var tls: Bool?
        var status: Int?
        var firstByteMilliseconds: Double?
        /// The step that failed and why.
        var error: String?

        var json: JSONValue {
            .members([
                ("ok", .bool(ok)), ("resolved", .strings(resolved)),
                ("connect_ms", .optionalDecimal(connectMilliseconds)), ("tls", tls.map(JSONValue.bool) ?? .null),
                ("status", .optional(status)), ("first_byte_ms", .optionalDecimal(firstByteMilliseconds)),
                ("error", .optional(error)),
            ])
        }
    }

    /// Addresses tried at most.
    static let addressLimit = 4
    static let maxResponseHeadBytes = 64 << 10

    let route: RouteRecord
    let connectTimeoutMilliseconds: UInt64
    let responseTimeoutMilliseconds: UInt64
    let verifiesTLS: Bool
    let caFile: String
    let userAgent: String

    /// The wait for an answer is the route's timeout, at most 10 s: somebody is waiting.
    init(route: RouteRecord, settings: Settings, version: String) {
        self.route = route
        connectTimeoutMilliseconds = UInt64(min(settings.proxy.connectTimeoutSeconds, 10) * 1000)
        let timeout = route.timeoutSeconds.map(Double.init) ?? settings.proxy.defaultTimeoutSeconds
        responseTimeoutMilliseconds = UInt64(min(timeout, 10) * 1000)
        verifiesTLS = settings.upstreamTLS.verify
        caFile = settings.upstreamTLS.caFile
        userAgent = "FastGate/\(version)"
    }

    func run() -> Result {
        var result = Result()
        guard let (host, port) = Self.split(route.targetHost, isTLS: route.targetProtocol == "https") else {
            result.error = "target_host is not host:port"
            return result
        }
        let addresses: [SocketAddress]
        switch Self.resolve(host, port) {
        case .success(let found): addresses = found
        case .failure(let failure):
            result.error = "resolving \(host): \(failure.text)"
            return result
        }
        result.resolved = addresses.map(\.host)
        var socket: Int32 = -1
        for address in addresses.prefix(Self.addressLimit) {
            let started = Clock.monotonicNanoseconds()
            socket = connect(address)
            if socket >= 0 {
                result.connectMilliseconds = Self.milliseconds(since: started)
                break
            }
            result.error = "connecting to \(address): \(Self.errorText(socket))"
        }
        guard socket >= 0 else { return result }
        defer { Socket.close(socket) }
        result.error = nil
        let deadline = Clock.monotonicMilliseconds() + responseTimeoutMilliseconds
        if route.targetProtocol == "https" {
            askOverTLS(socket, host: host, deadline: deadline, &result)
        } else {
            ask(PlainChannel(fd: socket), host: host, deadline: deadline, &result)
        }
        return result
    }

    // MARK: Steps

    struct Failure: Error {
        var text: String
    }

    /// `host:port`, `[v6]:port`, or a host alone with the scheme's port.
    static func split(_ target: String, isTLS: Bool) -> (host: String, port: UInt16)? {
        let defaultPort: UInt16 = isTLS ? 443 : 80
        if target.hasPrefix("[") {
            guard let end = target.firstIndex(of: "]") else { return nil }
            let host = String(target[target.index(after: target.startIndex)..<end])
            let rest = target[target.index(after: end)...]
            if rest.isEmpty { return (host, defaultPort) }
            guard rest.hasPrefix(":"), let port = UInt16(rest.dropFirst()), port > 0 else { return nil }
            return (host, port)
        }
        let parts = target.split(separator: ":", omittingEmptySubsequences: false)
        guard let host = parts.first, !host.isEmpty, parts.count <= 2 else { return nil }
        guard parts.count == 2 else { return (String(host), defaultPort) }
        guard let port = UInt16(parts[1]), port > 0 else { return nil }
        return (String(host), port)
    }

    static func resolve(_ host: String, _ port: UInt16) -> Swift.Result<[SocketAddress], Failure> {
        if let literal = SocketAddress(literal: host, port: port) { return .success([literal]) }
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, nil, &hints, &list)
        guard status == 0 else { return .failure(Failure(text: String(cString: gai_strerror(status)))) }
        defer { freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var next = list
        while let entry = next {
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            let named = getnameinfo(
                entry.pointee.ai_addr, entry.pointee.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST)
            let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            if named == 0,
                let address = SocketAddress(literal: String(decoding: bytes, as: UTF8.self), port: port),
                !addresses.contains(address)
            {
                addresses.append(address)
            }
            next = entry.pointee.ai_next
        }
        return addresses.isEmpty ? .failure(Failure(text: "no address")) : .success(addresses)
    }

    /// A connected socket, or -errno.
    private func connect(_ address: SocketAddress) -> Int32 {
        let fd = Socket.connect(address)
        guard fd >= 0 else { return fd }
        let deadline = Clock.monotonicMilliseconds() + connectTimeoutMilliseconds
        var status: Int32 = -ETIMEDOUT
        if Self.wait(fd, Int16(POLLOUT), deadline) { status = Socket.connectError(fd) }
        guard status == 0 else {
            Socket.close(fd)
            return status
        }
        return fd
    }

    private func askOverTLS(_ fd: Int32, host: String, deadline: UInt64, _ result: inout Result) {
        result.tls = false
        let session: TLSSession
        do {
            let context = try TLSContext.client(verify: verifiesTLS, caFile: caFile)
            guard let made = host.withCString({ TLSSession.client(context, fd: fd, serverName: $0, resume: nil) })
            else {
                result.error = "TLS could not be set up"
                return
            }
            session = made
        } catch {
            result.error = "TLS could not be set up: \(error)"
            return
        }
        defer { session.free() }
        while true {
            let events: Int16
            switch session.handshake() {
            case .done:
                result.tls = true
                return ask(TLSChannel(fd: fd, session: session), host: host, deadline: deadline, &result)
            case .wantRead: events = Int16(POLLIN)
            case .wantWrite: events = Int16(POLLOUT)
            case .failed:
                let reason = session.failureReason()
                result.error = "TLS handshake: \(reason.text())"
                return
            }
            guard Self.wait(fd, events, deadline) else {
                result.error = "TLS handshake: timed out"
                return
            }
        }
    }

    private func ask(_ channel: some ProbeChannel, host: String, deadline: UInt64, _ result: inout Result) {
        let request = Array(requestText().utf8)
        let started = Clock.monotonicNanoseconds()
        var sent = 0
        while sent < request.count {
            let count = request[sent...].withUnsafeBufferPointer { buffer in
                buffer.baseAddress.map { channel.write($0, buffer.count) } ?? 0
            }
            if count > 0 {
                sent += count
            } else if count != -Int(EAGAIN) || !Self.wait(channel.fd, Int16(POLLOUT), deadline) {
                result.error = "sending the request: \(Self.errorText(Int32(count)))"
                return
            }
        }
        var response: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16 << 10)
        var scan = HeadScan()
        while response.count < Self.maxResponseHeadBytes {
            let count = piece.withUnsafeMutableBufferPointer { buffer in
                buffer.baseAddress.map { channel.read($0, buffer.count) } ?? 0
            }
            if count == -Int(EAGAIN) {
                guard Self.wait(channel.fd, Int16(POLLIN), deadline) else {
                    result.error = "waiting for the response: timed out"
                    return
                }
                continue
            }
            guard count > 0 else {
                result.error =
                    count == 0
                    ? "the target closed the connection without a response"
                    : "reading the response: \(Self.errorText(Int32(count)))"
                return
            }
            if result.firstByteMilliseconds == nil { result.firstByteMilliseconds = Self.milliseconds(since: started) }
            response += piece[..<count]
            switch Self.parse(response, &scan) {
            case .incomplete: continue
            case .status(let status):
                result.status = status
                result.ok = status < 500
                if !result.ok { result.error = "the target answered \(status)" }
                return
            case .malformed(let message):
                result.error = "the target's answer is not HTTP: \(message)"
                return
            }
        }
        result.error = "the response's head is too long"
    }

    /// HEAD of the target's path, with what the route adds: a target behind a key shows whether the key is taken.
    private func requestText() -> String {
        var path = route.targetPath
        if !path.hasPrefix("/") || path.contains("*") || path.contains("{") { path = "/" }
        var text = "HEAD \(path.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f } ? path : "/") HTTP/1.1\r\n"
        var names: Set<String> = ["connection", "content-length", "transfer-encoding"]
        for member in route.addHeaders?.objectValue ?? JSONObject() {
            guard let value = member.value.stringValue, names.insert(member.name.lowercased()).inserted else {
                continue
            }
            text += "\(member.name): \(Self.expanded(value))\r\n"
        }
        if !names.contains("host") { text += "host: \(route.targetHost)\r\n" }
        if !names.contains("user-agent") { text += "user-agent: \(userAgent)\r\n" }
        if !names.contains("accept") { text += "accept: */*\r\n" }
        return text + "connection: close\r\n\r\n"
    }

    /// `${NAME}` and `${NAME:-default}` replaced from the environment; control characters dropped.
    static func expanded(_ value: String) -> String {
        var result: [UInt8] = []
        var rest = Array(value.utf8)[...]
        while let start = first("${", in: rest), let end = rest[start...].firstIndex(of: UInt8(ascii: "}")) {
            result += rest[..<start]
            var name = rest[(start + 2)..<end]
            var fallback = rest[end..<end]
            if let colon = first(":-", in: name) {
                fallback = name[(colon + 2)...]
                name = name[..<colon]
            }
            let found = getenv(String(decoding: name, as: UTF8.self)).map { Array(String(cString: $0).utf8) } ?? []
            result += found.isEmpty ? Array(fallback) : found
            rest = rest[(end + 1)...]
        }
        return String(decoding: (result + rest).filter { $0 >= 0x20 && $0 != 0x7f || $0 == 9 }, as: UTF8.self)
    }

    /// Where two characters stand in a row.
    private static func first(_ pair: StaticString, in bytes: ArraySlice<UInt8>) -> Int? {
        bytes.indices.dropLast().first { bytes[$0] == pair.utf8Start[0] && bytes[$0 + 1] == pair.utf8Start[1] }
    }

    private enum Parsed {
        case incomplete
        case status(Int)
        case malformed(String)
    }

    private static func parse(_ response: [UInt8], _ scan: inout HeadScan) -> Parsed {
        let limits = MessageLimits()
        var head = ResponseHead()
        var outcome = ParseOutcome.incomplete
        response.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            withUnsafeTemporaryAllocation(of: Field.self, capacity: Int(limits.maxFields)) { fields in
                guard let fieldBase = fields.baseAddress else { return }
                outcome = ResponseParser.parse(
                    base, buffer.count, scan: &scan, limits: limits, fields: fieldBase, requestMethod: .head,
                    head: &head)
            }
        }
        switch outcome {
        case .incomplete: return .incomplete
        case .complete: return .status(Int(head.status))
        case .failed(let failure): return .malformed(failure.code.message.description)
        }
    }

    // MARK: Helpers

    /// Waits for events on a descriptor. False once the deadline has passed.
    static func wait(_ fd: Int32, _ events: Int16, _ deadlineMilliseconds: UInt64) -> Bool {
        while true {
            let now = Clock.monotonicMilliseconds()
            guard now < deadlineMilliseconds else { return false }
            var entry = pollfd(fd: fd, events: events, revents: 0)
            let count = poll(&entry, 1, Int32(min(deadlineMilliseconds - now, 60_000)))
            if count > 0 { return true }
            if count < 0, errno != EINTR { return false }
        }
    }

    private static func milliseconds(since startedNanoseconds: UInt64) -> Double {
        Double(Clock.monotonicNanoseconds() - startedNanoseconds) / 1e6
    }

    private static func errorText(_ status: Int32) -> String {
        status == -EAGAIN ? "timed out" : String(cString: strerror(-status))
    }
}

/// Bytes to and from the target, encrypted or not.
protocol ProbeChannel {
    var fd: Int32 { get }
    func read(_ p: UnsafeMutablePointer<UInt8>, _ n: Int) -> Int
    func write(_ p: UnsafePointer<UInt8>, _ n: Int) -> Int
}

struct PlainChannel: ProbeChannel {
    let fd: Int32
    func read(_ p: UnsafeMutablePointer<UInt8>, _ n: Int) -> Int { Socket.receive(fd, p, n) }
    func write(_ p: UnsafePointer<UInt8>, _ n: Int) -> Int { Socket.send(fd, p, n) }
}

struct TLSChannel: ProbeChannel {
    let fd: Int32
    let session: TLSSession
    func read(_ p: UnsafeMutablePointer<UInt8>, _ n: Int) -> Int { session.read(p, n) }
    func write(_ p: UnsafePointer<UInt8>, _ n: Int) -> Int { session.write(p, n) }
}
