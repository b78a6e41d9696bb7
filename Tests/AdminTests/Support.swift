import Config
import Glibc
import JSON
import Proxy
import Reactor
import Store
import Synchronization
import Testing

@testable import Admin

/// A folder that goes with the test.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/fastgate-admin-XXXXXX".utf8CString)
        try #require(mkdtemp(&template) != nil)
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        if let folder = opendir(path) {
            while let entry = readdir(folder) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if name != ".", name != ".." { unlink(path + "/" + name) }
            }
            closedir(folder)
        }
        rmdir(path)
    }
}

/// A gateway that only remembers.
final class FakeGateway: GatewayControl {
    struct State {
        var keys: [KeyRecord] = []
        var routes: [RouteRecord] = []
        var providers = ProviderSet()
        var providerStatus: [ProviderStatus] = []
        var providerProblem: RouteProblem?
        var publications = 0
        var isDraining = false
        var servesAllRoutes = true
        var servesAllProviders = true
        /// A member's value that has become wrong.
        var routeProblem: (field: String, value: JSONValue)?
        var publishError: GatewayError?
        var metrics = GatewayMetrics()
        var explained: [(method: String, path: String, headers: [(String, String)], body: [UInt8]?)] = []
        var explanation = RouteExplanation()
    }

    let state = Mutex(State())

    func publish(keys: [KeyRecord], routes: [RouteRecord]) throws(GatewayError) {
        let error = state.withLock { state in
            state.keys = keys
            state.routes = routes
            state.publications += 1
            return state.publishError
        }
        if let error { throw error }
    }

    func publish(providers: ProviderSet) throws(GatewayError) {
        let error = state.withLock { state in
            state.providers = providers
            state.publications += 1
            return state.publishError
        }
        if let error { throw error }
    }

    func validate(_ provider: ProviderRecord) -> RouteProblem? { state.withLock { $0.providerProblem } }

    func providerStatus() -> [ProviderStatus] { state.withLock { $0.providerStatus } }

    func validate(_ route: RouteRecord) -> RouteProblem? {
        let problem = state.withLock { $0.routeProblem }
        if let problem, RouteJSON.encode(route, offsetMinutes: 0)[problem.field] == problem.value {
            return RouteProblem(field: problem.field, message: "no longer holds")
        }
        if route.matchPath.hasPrefix("/") || route.matchPath.hasPrefix("*") { return nil }
        return RouteProblem(field: "match_path", message: "must begin with a slash or a star")
    }

    func explain(method: String, path: String, headers: [(String, String)], body: [UInt8]?, keyID: String?)
        -> RouteExplanation
    {
        state.withLock { state in
            state.explained.append((method, path, headers, body))
            return state.explanation
        }
    }

    func metrics() -> GatewayMetrics { state.withLock { $0.metrics } }

    var isDraining: Bool { state.withLock { $0.isDraining } }

    var servesAllRoutes: Bool { state.withLock { $0.servesAllRoutes } }

    var servesAllProviders: Bool { state.withLock { $0.servesAllProviders } }
}

/// A real store in a temporary folder, with a gateway that only remembers.
final class TestBed {
    static let token = "test-admin-token"

    let folder: TemporaryFolder
    let databasePath: String
    let ring: MappedRing
    let writer: StoreWriter
    let vault: KeyVault
    let gateway = FakeGateway()
    var settings = Settings()

    static let masterKey = String(repeating: "5a", count: 32)

    init(ringCapacity: Int = 1 << 20) throws {
        folder = try TemporaryFolder()
        databasePath = folder.path + "/fastgate.db"
        ring = try MappedRing.open(path: folder.path + "/audit-0.ring", capacity: ringCapacity)
        var options = WriterOptions(flushIntervalMilliseconds: 1)
        options.timeZoneOffsetMinutes = settings.app.timezone.minutes
        vault = try KeyVault.open(
            Database.open(path: databasePath, timeZoneOffsetMinutes: options.timeZoneOffsetMinutes),
            environment: Self.masterKey)
        writer = try StoreWriter.start(databasePath: databasePath, rings: [ring], options: options)
        settings.admin.port = 0
    }

    deinit { writer.stop() }

    /// - Parameter vault: nil: the right one.
    func context(vault: KeyVault? = nil) throws -> HandlerContext {
        let shared = AdminShared(
            settings: settings, gateway: gateway, writer: writer, vault: vault ?? self.vault, version: "9.9.9")
        let reader = try ReadConnection(
            path: databasePath, timeZoneOffsetMinutes: settings.app.timezone.minutes)
        return HandlerContext(shared: shared, reader: reader)
    }

    func startServer() throws -> AdminServer {
        try AdminServer.start(
            settings: settings, gateway: gateway, writer: writer, databasePath: databasePath, adminToken: Self.token,
            version: "9.9.9")
    }

    /// Stores what exchanges have used, the way workers do; returns their ids.
    func store(_ usage: [TestUsage], firstMilliseconds: UInt64) -> [String] {
        var producer = RingProducer(ring)
        let ids = usage.indices.map {
            AuditID(unixMilliseconds: firstMilliseconds + UInt64($0), worker: 0, bootNonce: 8, sequence: UInt32($0))
        }
        for (usage, id) in zip(usage, ids) { usage.write(id, to: &producer) }
        while ring.usedBytes > 0 { usleep(500) }
        _ = try? writer.perform { _ in 0 }
        return ids.map(\.text)
    }

    /// Stores exchanges the way workers do, and waits until they are in the database.
    func store(_ count: Int, firstMilliseconds: UInt64 = 1_780_716_415_123, _ row: (Int) -> TestExchange) {
        var producer = RingProducer(ring)
        for index in 0..<count {
            let exchange = row(index)
            let id = AuditID(
                unixMilliseconds: firstMilliseconds + UInt64(index), worker: 0, bootNonce: 7, sequence: UInt32(index))
            exchange.write(id, startNanoseconds: id.unixMilliseconds * 1_000_000, to: &producer)
        }
        while ring.usedBytes > 0 { usleep(500) }
        // A change runs after the batch that emptied the ring.
        _ = try? writer.perform { _ in 0 }
    }
}

/// What an exchange has used, to be stored.
struct TestUsage {
    var keyID = "key_1"
    var sourcePath = "team-a"
    var provider = "acme"
    var model = "m-1"
    var currency = "USD"
    var cost: Int64 = 1_234_567
    var outcome = UsageOutcome.completed
    /// A failed attempt before: why, and with which status.
    var attempt: (reason: String, status: UInt16)?

    func write(_ id: AuditID, to producer: inout RingProducer) {
        var attempts: [UInt8] = []
        if let attempt {
            withBytes(["other", "pk_0", attempt.reason]) { texts in
                attempts = [UInt8](unsafeUninitializedCapacity: 256) { buffer, count in
                    count = UsageAttempt.write(
                        provider: texts[0], providerKeyID: texts[1], reason: texts[2], status: attempt.status,
                        milliseconds: 12, into: buffer.baseAddress!, room: 256)
                }
            }
        }
        attempts.withUnsafeBufferPointer { attempts in
            withBytes(["req_\(id.low)", keyID, sourcePath, provider, "pk_1", model, currency]) { texts in
                let fields = UsageFields(
                    requestID: texts[0], keyID: texts[1], sourcePath: texts[2], provider: texts[3],
                    providerKeyID: texts[4], modelRequested: texts[5], modelServed: texts[5], currency: texts[6],
                    attempts: Bytes(attempts.baseAddress, attempts.count), promptTokens: 100, completionTokens: 20,
                    cachedTokens: 40, totalTokens: 120, costMicros: cost, outcome: outcome)
                guard let room = producer.reserve(AuditEncoder.usageSize(fields)) else { fatalError("no room") }
                AuditEncoder.encodeUsage(id, fields, into: room)
                producer.commit()
            }
        }
    }
}

/// Hands out texts as bytes.
private func withBytes(_ texts: [String], _ body: ([Bytes]) -> Void) {
    let all = texts.flatMap { Array($0.utf8) }
    all.withUnsafeBufferPointer { buffer in
        var position = 0
        var pieces: [Bytes] = []
        for text in texts {
            pieces.append(Bytes(buffer.baseAddress.map { $0 + position }, text.utf8.count))
            position += text.utf8.count
        }
        body(pieces)
    }
}

/// An exchange to be stored.
struct TestExchange {
    var method = "POST"
    var path = "/v1/chat/completions"
    var sourcePath = "team-a"
    var keyID = "key_1"
    var userAgent = "curl/8"
    var status: UInt16 = 200
    var error = ""
    var isStream = false
    var responseBody = ""

    func write(_ id: AuditID, startNanoseconds: UInt64, to producer: inout RingProducer) {
        let headers = "accept: */*\r\n"
        withBytes([method, path, sourcePath, keyID, userAgent, "req_\(id.low)", "127.0.0.1", headers]) { texts in
            let fields = AcceptedFields(
                requestTimeNanoseconds: startNanoseconds, requestID: texts[5], keyID: texts[3], sourcePath: texts[2],
                method: texts[0], userAgent: texts[4], ip: texts[6], path: texts[1], requestHeaders: texts[7])
            let room = reserve(AuditEncoder.acceptedSize(fields), &producer)
            AuditEncoder.encodeAccepted(id, fields, into: room)
            producer.commit()
        }
        withBytes(["http://127.0.0.1:9000\(path)", error, "content-type: application/json\r\n", responseBody, ""]) {
            texts in
            let fields = CompletedFields(
                firstResponseTimeNanoseconds: startNanoseconds + 5_000_000,
                responseTimeNanoseconds: startNanoseconds + 12_500_000, requestSize: 100, responseSize: 200,
                streamChunks: isStream ? 3 : 0, status: status, isStream: isStream, targetURL: texts[0],
                errorMessage: texts[1], responseHeaders: texts[2], requestBody: texts[4], responseBody: texts[3])
            let room = reserve(AuditEncoder.completedSize(fields), &producer)
            AuditEncoder.encodeCompleted(id, fields, into: room)
            producer.commit()
        }
    }

    /// Waits for the writer while the ring is full.
    private func reserve(_ size: Int, _ producer: inout RingProducer) -> UnsafeMutableRawPointer {
        while true {
            if let room = producer.reserve(size) { return room }
            usleep(200)
        }
    }
}

extension HandlerContext {
    /// Runs a request through router and handler, without a socket.
    func send(
        _ method: String, _ target: String, _ body: String = "", type: String? = "application/json",
        ifMatch: String? = nil
    ) throws
        -> (status: Int, body: JSONValue, response: AdminResponse)
    {
        let parts = target.split(separator: "?", maxSplits: 1)
        let query = try #require(PercentCoding.parseQuery(parts.count > 1 ? parts[1] : ""))
        var request = AdminRequest(
            method: method, path: String(parts[0]), query: query, mediaType: type, body: Array(body.utf8))
        guard case .endpoint(let endpoint, let values) = AdminAPI.router.match(method: method, path: request.path)
        else {
            Issue.record("no endpoint for \(method) \(target)")
            return (0, .null, .noContent)
        }
        request.pathValues = values
        request.headers = RequestHeaders(ifMatch.map { [HeaderLine("if-match", $0)] } ?? [])
        let response = AdminAPI.answer(endpoint, request, self)
        guard case .bytes(let bytes) = response.body else { return (Int(response.status), .null, response) }
        let isJSON = response.headers.contains { $0.name == "content-type" && $0.value == "application/json" }
        let value = isJSON ? try JSONValue(parsing: bytes) : .null
        return (Int(response.status), value, response)
    }
}

/// A blocking HTTP client for one connection.
final class TestClient {
    struct Response {
        var status: Int
        var headers: [(name: String, value: String)]
        var body: [UInt8]

        subscript(name: String) -> String? { headers.first { $0.name == name }?.value }
        var text: String { String(decoding: body, as: UTF8.self) }
        var json: JSONValue { (try? JSONValue(parsing: body)) ?? .null }
    }

    let fd: Int32
    private var input: [UInt8] = []

    init(port: UInt16) throws {
        fd = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(fd, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(status == 0)
        var timeout = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(fd) }

    func write(_ text: String) { write(Array(text.utf8)) }

    func write(_ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                send(fd, $0.baseAddress! + sent, bytes.count - sent, Int32(truncatingIfNeeded: MSG_NOSIGNAL))
            }
            if count <= 0 { return }
            sent += count
        }
    }

    /// Sends a request with the admin token and reads the response.
    func request(
        _ method: String, _ target: String, _ body: String? = nil, token: String? = TestBed.token,
        headers: [String] = []
    ) throws -> Response {
        var text = "\(method) \(target) HTTP/1.1\r\nHost: admin\r\n"
        if let token { text += "Authorization: Bearer \(token)\r\n" }
        for header in headers { text += header + "\r\n" }
        if let body { text += "Content-Type: application/json\r\nContent-Length: \(body.utf8.count)\r\n" }
        write(text + "\r\n" + (body ?? ""))
        return try response(isHead: method == "HEAD")
    }

    /// Reads one response.
    func response(isHead: Bool = false) throws -> Response {
        let end = Array("\r\n\r\n".utf8)
        var headEnd: Int?
        while true {
            headEnd = input.indices.first { input[$0...].starts(with: end) }
            if headEnd != nil { break }
            try #require(fill(), "the connection ended before a response")
        }
        var response = try parseHead(headEnd!)
        input.removeFirst(headEnd! + 4)
        let status = response.status
        if isHead || [204, 304].contains(status) || status < 200 { return response }
        if let length = response["content-length"].flatMap({ Int($0) }) {
            response.body = try take(length)
        } else if response["transfer-encoding"] == "chunked" {
            while true {
                let size = try #require(Int(try takeLine(), radix: 16))
                let piece = try take(size + 2)
                if size == 0 { break }
                response.body += piece.dropLast(2)
            }
        } else {
            while fill() {}
            response.body = input
            input = []
        }
        return response
    }

    /// Reads one chunked response without keeping its body.
    func eachPiece(_ body: ([UInt8]) -> Void) throws -> Response {
        let end = Array("\r\n\r\n".utf8)
        while !input.contains(13) || input.count < 1024 { try #require(fill(), "the connection ended early") }
        let headEnd = try #require(input.indices.first { input[$0...].starts(with: end) })
        let head = try parseHead(headEnd)
        input.removeFirst(headEnd + 4)
        while true {
            let size = try #require(Int(try takeLine(), radix: 16))
            let piece = try take(size + 2)
            if size == 0 { return head }
            body(Array(piece.dropLast(2)))
        }
    }

    /// Whether the server closes without sending anything more.
    func isClosed() -> Bool {
        guard input.isEmpty else { return false }
        var byte: UInt8 = 0
        return recv(fd, &byte, 1, 0) == 0
    }

    private func parseHead(_ headEnd: Int) throws -> Response {
        let lines = String(decoding: input[..<headEnd], as: UTF8.self).split(separator: "\r\n")
        let status = try #require(Int(lines[0].split(separator: " ")[1]))
        let headers = lines.dropFirst().map { line -> (name: String, value: String) in
            let parts = line.split(separator: ":", maxSplits: 1)
            return (parts[0].lowercased(), parts.count > 1 ? String(parts[1].drop { $0 == " " }) : "")
        }
        return Response(status: status, headers: headers, body: [])
    }

    private func takeLine() throws -> String {
        while true {
            if let end = input.firstIndex(of: 10) {
                let line = String(decoding: input[..<end].dropLast(), as: UTF8.self)
                input.removeFirst(end + 1)
                return line
            }
            try #require(fill(), "the connection ended inside a chunk head")
        }
    }

    private func take(_ count: Int) throws -> [UInt8] {
        while input.count < count { try #require(fill(), "the connection ended inside a body") }
        defer { input.removeFirst(count) }
        return Array(input[..<count])
    }

    private func fill() -> Bool {
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(fd, &piece, piece.count, 0)
        guard count > 0 else { return false }
        input += piece[..<count]
        return true
    }
}
