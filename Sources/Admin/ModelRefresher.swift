import Config
import Glibc
import HTTP
import Log
import Proxy
import Reactor
import Store
import Synchronization

/// Keeps the lists of models fresh of those providers for which the operator has named none: asks them when they are new or
/// have changed, and then every `providers.models_refresh`. A thread of its own, which mostly sleeps.
final class ModelRefresher: Sendable {
    private let shared: AdminShared
    private let databasePath: String
    private let mailbox: Mailbox<Bool>
    private let thread = Mutex<WorkerThread?>(nil)

    /// After a provider did not answer.
    static let retryMilliseconds: Int64 = 60_000
    static let answerLimit = 8 << 20

    init(shared: AdminShared, databasePath: String) throws(SystemError) {
        self.shared = shared
        self.databasePath = databasePath
        mailbox = try Mailbox()
    }

    func start() throws(SystemError) {
        let thread = try WorkerThread.start(name: "fg-models", cpu: nil) { self.run() }
        self.thread.withLock { $0 = thread }
    }

    /// Looks whether somebody is to be asked: a provider may be new, or another.
    func wake() { mailbox.post(false) }

    func stop() {
        mailbox.post(true)
        thread.withLock { thread in
            let running = thread
            thread = nil
            return running
        }?.join()
    }

    private func run() {
        guard let reader = try? ReadConnection(path: databasePath, timeZoneOffsetMinutes: 0) else { return }
        let context = HandlerContext(shared: shared, reader: reader)
        var failedAt: [String: (record: ProviderRecord, milliseconds: Int64)] = [:]
        while true {
            refresh(context, &failedAt)
            var waiting = pollfd(fd: mailbox.fd, events: Int16(POLLIN), revents: 0)
            _ = poll(&waiting, 1, 30_000)
            if mailbox.drain().contains(true) { return }
        }
    }

    private func refresh(
        _ context: HandlerContext, _ failedAt: inout [String: (record: ProviderRecord, milliseconds: Int64)]
    ) {
        guard let providers = try? context.reader.providers().items else { return }
        for provider in providers where provider.isEnabled && provider.models.isEmpty {
            let now = HandlerContext.nowMilliseconds()
            if let failure = failedAt[provider.name], failure.record == provider,
                now - failure.milliseconds < Self.retryMilliseconds
            {
                continue
            }
            guard isDue(provider, now) else { continue }
            if let problem = ask(provider, context) {
                if failedAt[provider.name]?.record != provider {
                    Logger.shared.warn(
                        "the models of a provider could not be read: \(problem)", [("provider", .string(provider.name))]
                    )
                }
                failedAt[provider.name] = (provider, now)
            } else {
                failedAt[provider.name] = nil
            }
        }
    }

    private func isDue(_ provider: ProviderRecord, _ now: Int64) -> Bool {
        guard let last = provider.discoveredAtMilliseconds else { return true }
        let interval = Int64(shared.settings.providers.modelsRefreshSeconds * 1000)
        return now - last >= interval || provider.updatedAtMilliseconds > last
    }

    /// - Returns: what went wrong; nil if nothing did.
    private func ask(_ provider: ProviderRecord, _ context: HandlerContext) -> String? {
        guard let vault = shared.vault else { return "no keys can be read" }
        let keys = (try? context.reader.providerKeys(of: provider.name)) ?? []
        let usable = keys.filter { key in
            if case .disabled = key.state { return false }
            return key.isEnabled
        }
        let secret = usable.lazy.compactMap { vault.open($0) }.first
        if !keys.isEmpty && secret == nil { return "it has no usable key" }
        let names: [String]
        do throws(GatewayError) {
            let request = try ModelListRequest(provider, secret: secret, version: shared.version)
            switch ModelListClient(settings: shared.settings).get(request) {
            case .failure(let failure): return failure.text
            case .success(let body):
                guard let found = ModelListRequest.names(in: body) else { return "its answer is no list of models" }
                names = Array(found.prefix(4096))
            }
        } catch {
            return "\(error)"
        }
        do throws(AdminFailure) {
            let name = provider.name
            try context.exclusivelyProviders { () throws(AdminFailure) in
                _ = try context.write { connection throws(StoreError) in
                    try connection.setDiscoveredModels(name, names)
                }
            }
            return nil
        } catch {
            return error.message
        }
    }
}

/// One GET with a deadline, for lists of models.
struct ModelListClient {
    struct Failure: Error {
        var text: String
    }

    let settings: Settings
    static let timeoutMilliseconds: UInt64 = 20_000

    func get(_ request: ModelListRequest) -> Result<[UInt8], Failure> {
        guard case .success(let addresses) = TargetProbe.resolve(request.host, request.port) else {
            return .failure(Failure(text: "\(request.host) does not resolve"))
        }
        let deadline = Clock.monotonicMilliseconds() + Self.timeoutMilliseconds
        var fd: Int32 = -1
        for address in addresses.prefix(TargetProbe.addressLimit) {
            fd = Socket.connect(address)
            if fd < 0 { continue }
            if TargetProbe.wait(fd, Int16(POLLOUT), deadline), Socket.connectError(fd) == 0 { break }
            Socket.close(fd)
            fd = -1
        }
        guard fd >= 0 else { return .failure(Failure(text: "could not connect to \(request.host)")) }
        defer { Socket.close(fd) }
        guard request.isTLS else { return exchange(request, PlainChannel(fd: fd), deadline) }
        guard
            let context = try? TLSContext.client(
                verify: settings.upstreamTLS.verify, caFile: settings.upstreamTLS.caFile),
            let session = request.host.withCString({
                TLSSession.client(context, fd: fd, serverName: $0, resume: nil)
            })
        else { return .failure(Failure(text: "TLS could not be set up")) }
        defer { session.free() }
        while true {
            switch session.handshake() {
            case .done: return exchange(request, TLSChannel(fd: fd, session: session), deadline)
            case .wantRead: if TargetProbe.wait(fd, Int16(POLLIN), deadline) { continue }
            case .wantWrite: if TargetProbe.wait(fd, Int16(POLLOUT), deadline) { continue }
            case .failed: return .failure(Failure(text: "TLS handshake: \(session.failureReason().text())"))
            }
            return .failure(Failure(text: "TLS handshake: timed out"))
        }
    }

    private func exchange(
        _ request: ModelListRequest, _ channel: some ProbeChannel, _ deadline: UInt64
    ) -> Result<[UInt8], Failure> {
        var text = "GET \(request.target) HTTP/1.1\r\n"
        for (name, value) in request.headers { text += "\(name): \(value)\r\n" }
        let bytes = Array((text + "connection: close\r\n\r\n").utf8)
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBufferPointer { channel.write($0.baseAddress!, $0.count) }
            if count > 0 {
                sent += count
            } else if count != -Int(EAGAIN) || !TargetProbe.wait(channel.fd, Int16(POLLOUT), deadline) {
                return .failure(Failure(text: "the request could not be sent"))
            }
        }
        var answer: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        while answer.count < ModelRefresher.answerLimit {
            let count = piece.withUnsafeMutableBufferPointer { channel.read($0.baseAddress!, $0.count) }
            if count > 0 {
                answer += piece[..<count]
                if let result = Self.body(of: answer, isEnded: false) { return result }
            } else if count == -Int(EAGAIN) {
                guard TargetProbe.wait(channel.fd, Int16(POLLIN), deadline) else {
                    return .failure(Failure(text: "no answer in time"))
                }
            } else {
                return Self.body(of: answer, isEnded: true) ?? .failure(Failure(text: "the answer was cut short"))
            }
        }
        return .failure(Failure(text: "the answer is too long"))
    }

    /// The body of a whole answer; nil while it is not whole.
    static func body(of answer: [UInt8], isEnded: Bool) -> Result<[UInt8], Failure>? {
        let limits = MessageLimits()
        var fields = [Field](repeating: Field(), count: Int(limits.maxFields))
        var head = ResponseHead()
        var scan = HeadScan()
        return answer.withUnsafeBufferPointer { buffer -> Result<[UInt8], Failure>? in
            guard let p = buffer.baseAddress else { return nil }
            let outcome = ResponseParser.parse(
                p, buffer.count, scan: &scan, limits: limits, fields: &fields, requestMethod: .get, head: &head)
            switch outcome {
            case .incomplete: return nil
            case .failed: return .failure(Failure(text: "the answer is not HTTP"))
            case .complete: break
            }
            guard head.status == 200 else { return .failure(Failure(text: "it answered \(head.status)")) }
            let start = Int(head.headLength)
            switch head.framing {
            case .contentLength(let length):
                guard UInt64(buffer.count - start) >= length else { return nil }
                return .success(Array(buffer[start..<start + Int(length)]))
            case .chunked:
                var body: [UInt8] = []
                var decoder = ChunkedDecoder()
                var used = 0
                while true {
                    switch decoder.next(p + start, buffer.count - start, consumed: &used, limits: limits) {
                    case .data(let offset, let count):
                        body += buffer[(start + offset)..<(start + offset + count)]
                    case .needMore: return nil
                    case .trailers, .end: return .success(body)
                    case .failed: return .failure(Failure(text: "the answer's framing is broken"))
                    }
                }
            default: return isEnded ? .success(Array(buffer[start...])) : nil
            }
        }
    }
}
