import Config
import Glibc
import Proxy
import Reactor

/// One GET with a deadline, for lists of models. Follows no redirection: what it carries is for the provider only.
struct ModelListClient {
    struct Failure: Error {
        /// Where it ended.
        enum Step: String {
            case dns, connect, tls, timeout
            case protocolError = "protocol"
        }

        var step: Step
        var text: String
    }

    struct Answer: Equatable {
        var status: Int
        var body: [UInt8]
    }

    /// What was asked, what came of it, and how long the steps took.
    struct Exchange {
        var outcome: Result<Answer, Failure>
        var resolved: [String] = []
        var connectMilliseconds: Double?
        /// Whether the handshake succeeded; nil for http or if it was not got that far.
        var tls: Bool?
        /// From the request's last byte on.
        var firstByteMilliseconds: Double?
        var totalMilliseconds = 0.0
    }

    let settings: Settings
    static let timeoutMilliseconds: UInt64 = 20_000
    static let answerLimit = 8 << 20

    func get(_ request: ModelListRequest) -> Exchange {
        let started = Clock.monotonicNanoseconds()
        var exchange = Exchange(outcome: .failure(Failure(step: .connect, text: "")))
        exchange.outcome = run(request, &exchange)
        exchange.totalMilliseconds = Self.milliseconds(since: started)
        return exchange
    }

    private func run(_ request: ModelListRequest, _ exchange: inout Exchange) -> Result<Answer, Failure> {
        guard case .success(let addresses) = TargetProbe.resolve(request.host, request.port) else {
            return .failure(Failure(step: .dns, text: "\(request.host) does not resolve"))
        }
        exchange.resolved = addresses.map(\.host)
        let deadline = Clock.monotonicMilliseconds() + Self.timeoutMilliseconds
        var fd: Int32 = -1
        for address in addresses.prefix(TargetProbe.addressLimit) {
            let started = Clock.monotonicNanoseconds()
            fd = Socket.connect(address)
            if fd < 0 { continue }
            if TargetProbe.wait(fd, Int16(POLLOUT), deadline), Socket.connectError(fd) == 0 {
                exchange.connectMilliseconds = Self.milliseconds(since: started)
                break
            }
            Socket.close(fd)
            fd = -1
        }
        guard fd >= 0 else { return .failure(Failure(step: .connect, text: "could not connect to \(request.host)")) }
        defer { Socket.close(fd) }
        guard request.isTLS else { return ask(request, PlainChannel(fd: fd), deadline, &exchange) }
        exchange.tls = false
        guard
            let context = try? TLSContext.client(
                verify: settings.upstreamTLS.verify, caFile: settings.upstreamTLS.caFile),
            let session = request.host.withCString({
                TLSSession.client(context, fd: fd, serverName: $0, resume: nil)
            })
        else { return .failure(Failure(step: .tls, text: "TLS could not be set up")) }
        defer { session.free() }
        while true {
            switch session.handshake() {
            case .done:
                exchange.tls = true
                return ask(request, TLSChannel(fd: fd, session: session), deadline, &exchange)
            case .wantRead: if TargetProbe.wait(fd, Int16(POLLIN), deadline) { continue }
            case .wantWrite: if TargetProbe.wait(fd, Int16(POLLOUT), deadline) { continue }
            case .failed:
                return .failure(Failure(step: .tls, text: "TLS handshake: \(session.failureReason().text())"))
            }
            return .failure(Failure(step: .timeout, text: "TLS handshake: timed out"))
        }
    }

    private func ask(
        _ request: ModelListRequest, _ channel: some ProbeChannel, _ deadline: UInt64, _ exchange: inout Exchange
    ) -> Result<Answer, Failure> {
        var text = "GET \(request.target) HTTP/1.1\r\n"
        for (name, value) in request.headers { text += "\(name): \(value)\r\n" }
        let bytes = Array((text + "connection: close\r\n\r\n").utf8)
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBufferPointer { channel.write($0.baseAddress!, $0.count) }
            if count > 0 {
                sent += count
            } else if count != -Int(EAGAIN) || !TargetProbe.wait(channel.fd, Int16(POLLOUT), deadline) {
                return .failure(Failure(step: .connect, text: "the request could not be sent"))
            }
        }
        let asked = Clock.monotonicNanoseconds()
        var answer = ModelListAnswer()
        var received = 0
        var piece = [UInt8](repeating: 0, count: 64 << 10)
        while received < Self.answerLimit {
            let count = piece.withUnsafeMutableBufferPointer { channel.read($0.baseAddress!, $0.count) }
            let progress: ModelListAnswer.Progress
            if count > 0 {
                if received == 0 { exchange.firstByteMilliseconds = Self.milliseconds(since: asked) }
                received += count
                progress = answer.take(piece[..<count])
            } else if count == -Int(EAGAIN) {
                guard TargetProbe.wait(channel.fd, Int16(POLLIN), deadline) else {
                    return .failure(Failure(step: .timeout, text: "no answer in time"))
                }
                continue
            } else {
                progress = answer.end()
            }
            switch progress {
            case .more: continue
            case .whole(let answer): return .success(answer)
            case .broken(let text): return .failure(Failure(step: .protocolError, text: text))
            }
        }
        return .failure(Failure(step: .protocolError, text: "the answer is too long"))
    }

    private static func milliseconds(since started: UInt64) -> Double {
        Double(Clock.monotonicNanoseconds() - started) / 1e6
    }
}
