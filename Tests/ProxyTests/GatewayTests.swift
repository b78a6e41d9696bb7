import Config
import Glibc
import JSON
import Reactor
import Store
import Testing

@testable import Proxy

/// A folder for one ring, removed with its owner.
private final class RingFolder {
    let path: String

    init() {
        var template = Array("/tmp/fastgate-proxy-XXXXXX".utf8CString)
        path = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
    }

    deinit {
        unlink("\(path)/ring")
        rmdir(path)
    }
}

/// A gateway with one worker, and the ring that its audit goes into.
private final class RunningGateway {
    let gateway: Gateway
    let ring: MappedRing
    private let folder = RingFolder()
    private var isRunning = true

    init(
        _ routes: [RouteRecord], keys: [KeyRecord] = [.make("k")], _ change: (inout Settings) -> Void = { _ in }
    ) throws {
        ring = try MappedRing.open(path: "\(folder.path)/ring", capacity: 1 << 20)
        var settings = Settings()
        settings.app.host = "127.0.0.1"
        settings.app.port = 0
        settings.limits.maxConnections = 256
        change(&settings)
        gateway = try Gateway.start(settings: settings, rings: [ring], keys: keys, routes: routes, version: "1.2.3")
    }

    func client() throws -> TestClient { try TestClient(port: gateway.boundPort) }

    func stop() {
        if isRunning { gateway.stop() }
        isRunning = false
    }

    /// What the audit holds, once the gateway has stopped.
    func audit() -> (accepted: [String], completed: [(status: UInt16, error: String)]) {
        stop()
        var consumer = RingConsumer(ring)
        var accepted: [String] = []
        var completed: [(UInt16, String)] = []
        while let payload = consumer.next() {
            switch AuditEvent(decoding: payload) {
            case .accepted(_, let fields): accepted.append("\(fields.method.string) \(fields.path.string)")
            case .completed(_, let fields): completed.append((fields.status, fields.errorMessage.string))
            default: break
            }
        }
        return (accepted, completed)
    }

    deinit { stop() }
}

/// One after the other: a port that one test has given back must not be another's.
@Suite(.serialized) struct GatewayTests {
    @Test func aRequestPasses() throws {
        let upstream = try TestUpstream("up")
        defer { upstream.stop() }
        let running = try RunningGateway([
            .make("r", path: "/v1/*", host: upstream.host) {
                $0.targetPath = "/api/*"
                $0.addHeaders = ["X-Added": "yes"]
                $0.removeHeaders = ["x-private"]
                $0.addBodyFields = ["user": "u"]
            }
        ])
        let client = try running.client()
        let response = try client.exchange(
            "POST /v1/chat?a=1", ["X-Private: p", "X-Public: q", "x-request-id: mine-1"], body: #"{"model": "m"}"#)
        #expect(response.status == 200)
        #expect(response.body == "up POST /api/chat?a=1")
        #expect(response.fields["x-request-id"] == "mine-1")
        #expect(response.fields["x-proxied-by"] == "FastGate/1.2.3")
        let request = try #require(upstream.requests.first.flatMap { WholeMessage(Array($0.utf8)) })
        #expect(request.fields["host"] == upstream.host)
        #expect(request.fields["x-added"] == "yes")
        #expect(request.fields["x-public"] == "q")
        #expect(request.fields["x-private"] == nil)
        #expect(request.fields["authorization"] == nil)
        #expect(request.fields["user-agent"] == "FastGate/1.2.3")
        #expect(try JSONValue(parsing: request.body) == ["model": "m", "user": "u"])
        // The connection goes on.
        #expect(try client.exchange("GET /v1/again").body == "up GET /api/again")
        let audit = running.audit()
        #expect(audit.accepted == ["POST /v1/chat?a=1", "GET /v1/again"])
        #expect(audit.completed.map(\.status) == [200, 200])
        #expect(audit.completed.map(\.error) == ["", ""])
    }

    @Test func refusals() throws {
        let upstream = try TestUpstream("up")
        defer { upstream.stop() }
        let running = try RunningGateway(
            [.make("r", path: "/v1/*", host: upstream.host)],
            keys: [
                .make("k"), .make("off") { $0.isActive = false }, .make("old") { $0.expiresAtMilliseconds = 1 },
                .make("few") { $0.permissions = ["models"] }, .make("slow") { $0.rateLimitPerMinute = 1 },
            ])
        let client = try running.client()
        func code(_ start: String, key: String?) throws -> String {
            let response = try client.exchange(start, key: key)
            let body = try JSONValue(parsing: response.body)
            #expect(body["request_id"]?.stringValue == response.fields["x-request-id"])
            return "\(response.status) \(body["error"]?["code"]?.stringValue ?? "?")"
        }
        #expect(try code("GET /v1/x", key: nil) == "401 missing_api_key")
        #expect(try code("GET /v1/x", key: "stranger") == "401 invalid_api_key")
        #expect(try code("GET /v1/x", key: "off") == "401 inactive_api_key")
        #expect(try code("GET /v1/x", key: "old") == "401 expired_api_key")
        #expect(try code("GET /v1/chat", key: "few") == "403 permission_denied")
        #expect(try client.exchange("GET /v1/models", key: "few").status == 200)
        #expect(try code("GET /elsewhere", key: "k") == "404 route_not_found")
        #expect(try client.exchange("GET /v1/x", key: "slow").fields["x-ratelimit-remaining-requests"] == "0")
        #expect(try code("GET /v1/x", key: "slow") == "429 rate_limit_exceeded")
        let anthropic = try client.exchange("POST /v1/messages", key: nil)
        #expect(try JSONValue(parsing: anthropic.body)["error"]?["type"] == "authentication_error")
        #expect(upstream.requests.count == 2)
        #expect(running.gateway.metrics().rateLimited == 1)
        #expect(running.audit().completed.map(\.status) == [401, 401, 401, 401, 403, 200, 404, 200, 429, 401])
    }

    @Test func upstreamsThatFail() throws {
        let upstream = try TestUpstream("up")
        defer { upstream.stop() }
        let gone = try SilentPort()
        let running = try RunningGateway(
            [
                .make("1", path: "/fallback", host: gone.host),
                .make("2", path: "/fallback", host: upstream.host) { $0.priority = 200 },
                .make("3", path: "/gone", host: gone.host), .make("4", path: "/close*", host: upstream.host),
                .make("5", path: "/broken", host: upstream.host),
            ]
        ) { $0.proxy.maxRetries = 0 }
        let client = try running.client()
        #expect(try client.exchange("GET /fallback").body == "up GET /fallback")
        #expect(try client.exchange("GET /gone").status == 502)
        #expect(try client.exchange("GET /close").status == 502)
        #expect(try client.exchange("GET /broken").status == 502)
        #expect(
            running.audit().completed.map(\.error) == [
                "", "\(ExchangeError.connectRefused.message)", "\(ExchangeError.closedBeforeResponse.message)",
                "\(ExchangeError.malformedResponse.message)",
            ])
        // An exchange is counted once its answer is out: the figures are whole when the worker has ended.
        let metrics = running.gateway.metrics()
        #expect(
            metrics.upstreamErrors.map { "\($0.route) \($0.reason)" } == [
                "1 connect", "3 connect", "4 reset", "5 protocol",
            ])
        #expect(
            metrics.requestsTotal.map { "\($0.route) \($0.code)" }.sorted() == ["2 200", "3 502", "4 502", "5 502"])
    }

    /// An absolute-form target without a path is one for "/".
    @Test func absoluteFormWithoutAPath() throws {
        let upstream = try TestUpstream("up")
        defer { upstream.stop() }
        let running = try RunningGateway([.make("r", path: "*", host: upstream.host)])
        let client = try running.client()
        #expect(try client.exchange("GET http://gateway").body == "up GET /")
        #expect(try client.exchange("GET http://gateway?a=1").body == "up GET /?a=1")
        try running.gateway.publish(
            keys: [.make("k")], routes: [.make("r", path: "*", host: upstream.host) { $0.targetPath = "/fixed" }])
        #expect(try client.exchange("GET http://gateway").body == "up GET /fixed")
    }

    @Test func aChangeIsInEffectOncePublishReturns() throws {
        let upstreams = [try TestUpstream("a"), try TestUpstream("b")]
        defer { for upstream in upstreams { upstream.stop() } }
        let running = try RunningGateway([.make("r", host: upstreams[0].host)])
        let client = try running.client()
        #expect(try client.exchange("GET /0").body == "a GET /0")
        for n in 1...40 {
            let name = ["a", "b"][n % 2]
            try running.gateway.publish(keys: [.make("k")], routes: [.make("r", host: upstreams[n % 2].host)])
            #expect(try client.exchange("GET /\(n)").body == "\(name) GET /\(n)")
        }
        // Keys, over the same connection.
        try running.gateway.publish(keys: [], routes: [.make("r", host: upstreams[0].host)])
        #expect(try client.exchange("GET /x").status == 401)
        // Settings.
        var settings = Settings()
        settings.security.requireAPIKey = false
        try running.gateway.publish(settings: settings)
        #expect(try client.exchange("GET /x", key: nil).status == 200)
        // No routes at all.
        try running.gateway.publish(keys: [], routes: [])
        #expect(try client.exchange("GET /x", key: nil).status == 404)
    }

    /// An open exchange keeps what it began with.
    @Test func anOpenExchangeKeepsItsSnapshot() throws {
        let upstream = try TestUpstream("up")
        defer { upstream.stop() }
        let running = try RunningGateway([.make("r", host: upstream.host)])
        let client = try running.client()
        try client.send("GET /hold HTTP/1.1\r\nhost: g\r\nauthorization: Bearer k\r\n\r\n")
        #expect(upstream.holds.wait(seconds: 15))
        for _ in 0..<3 { try running.gateway.publish(keys: [], routes: []) }
        upstream.release()
        #expect(try client.receive().body == "up GET /hold")
        #expect(try client.exchange("GET /").status == 401)
    }

    @Test func drainFinishesWhatIsOpen() throws {
        let upstream = try TestUpstream("up")
        defer { upstream.stop() }
        let running = try RunningGateway([.make("r", host: upstream.host)])
        let idle = try running.client()
        #expect(try idle.exchange("GET /").status == 200)
        let busy = try running.client()
        try busy.send("GET /hold HTTP/1.1\r\nhost: g\r\nauthorization: Bearer k\r\n\r\n")
        #expect(upstream.holds.wait(seconds: 15))
        #expect(!running.gateway.isDraining)
        #expect(!running.gateway.drain(.stopping)(0))
        #expect(running.gateway.isDraining)
        // What only waits for a next request is let go at once.
        #expect(try idle.isEnded())
        upstream.release()
        let response = try busy.receive()
        #expect(response.body == "up GET /hold")
        #expect(response.fields["connection"] == "close")
        #expect(try busy.isEnded())
        // Asked again it says when nothing is open any more.
        #expect(running.gateway.drain(.stopping)(15))
        #expect(running.gateway.metrics().openConnectionsClient == 0)
        #expect(throws: TestClient.Failure.self) { try running.client() }
        #expect(running.audit().completed.map(\.status) == [200, 200])
    }

    @Test func drainWithNothingOpen() throws {
        let running = try RunningGateway([])
        #expect(running.gateway.drain(.stopping)(15))
        running.stop()
    }

    @Test func stoppingRecordsWhatWasOpen() throws {
        let upstream = try TestUpstream("up")
        defer { upstream.stop() }
        let running = try RunningGateway([.make("r", host: upstream.host)])
        let client = try running.client()
        try client.send("GET /hold HTTP/1.1\r\nhost: g\r\nauthorization: Bearer k\r\n\r\n")
        #expect(upstream.holds.wait(seconds: 15))
        let audit = running.audit()
        #expect(audit.accepted == ["GET /hold"])
        #expect(audit.completed.map(\.error) == ["\(ExchangeError.gatewayStopping.message)"])
        // Nobody listens there any more.
        #expect(throws: TestClient.Failure.self) { try running.client() }
    }

    @Test func healthNeedsNoKeyAndLeavesNoTrace() throws {
        let running = try RunningGateway([])
        let response = try running.client().exchange("GET /health", key: nil)
        #expect(response.status == 200)
        #expect(try JSONValue(parsing: response.body) == ["status": "ok", "name": "FastGate"])
        #expect(running.audit().accepted.isEmpty)
    }

    @Test func crossOrigin() throws {
        let upstream = try TestUpstream("up")
        defer { upstream.stop() }
        let running = try RunningGateway([.make("r", host: upstream.host)]) {
            $0.cors.allowOrigins = ["https://a.example"]
            $0.cors.allowCredentials = true
        }
        let client = try running.client()
        func preflight(_ origin: String) throws -> WholeMessage {
            try client.exchange(
                "OPTIONS /v1/chat", key: nil,
                ["Origin: \(origin)", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: x-a"])
        }
        let allowed = try preflight("https://a.example")
        #expect(allowed.status == 204)
        #expect(allowed.fields["access-control-allow-origin"] == "https://a.example")
        #expect(allowed.fields["access-control-allow-credentials"] == "true")
        #expect(allowed.fields["access-control-allow-methods"] == "POST")
        #expect(allowed.fields["access-control-allow-headers"] == "x-a")
        #expect(try preflight("https://b.example").fields["access-control-allow-origin"] == nil)
        let answer = try client.exchange("GET /", ["Origin: https://a.example"])
        #expect(answer.fields["access-control-allow-origin"] == "https://a.example")
        #expect(upstream.requests.count == 1)
    }

    // MARK: The control side

    @Test func validateExplainAndProblems() throws {
        let running = try RunningGateway([
            .make("good", path: "/v1/*", host: "up.example:8080"), .make("bad", path: "x"),
        ])
        #expect(running.gateway.routeProblems.map(\.routeID) == ["bad"])
        #expect(running.gateway.routeProblems.map(\.problem.field) == ["match_path"])
        #expect(!running.gateway.servesAllRoutes && running.gateway.servesAllProviders)
        #expect(running.gateway.validate(.make("x")) == nil)
        #expect(running.gateway.validate(.make("x") { $0.retryCount = -1 })?.field == "retry_count")
        let provider = ProviderRecord(
            name: "p", baseURL: "http://up.example/v1", headers: ["x": "${FASTGATE_TEST_NONE}"])
        #expect(running.gateway.validate(provider)?.field == "headers")
        #expect(RouteCheck.problem(provider, settings: Settings()) == nil)
        let explained = running.gateway.explain(method: "GET", path: "/v1/x", headers: [], body: nil)
        #expect(explained.matchedRouteID == "good")
        let unserved = try #require(explained.candidates.first)
        #expect(unserved.routeID == "bad" && !unserved.matched)
        #expect(unserved.reason == "is not served, since it cannot be: match_path: must begin with \"/\" or \"*\"")
        #expect(explained.targetURL == "http://up.example:8080/v1/x")
        try running.gateway.publish(keys: [], routes: [])
        #expect(running.gateway.routeProblems.isEmpty && running.gateway.servesAllRoutes)
        #expect(running.gateway.explain(method: "GET", path: "/v1/x", headers: [], body: nil).candidates.isEmpty)
    }

    @Test func whatCannotStart() throws {
        let running = try RunningGateway([])
        func field(_ change: (inout Settings) -> Void) -> String? {
            do {
                _ = try RunningGateway([], change)
                return nil
            } catch { return (error as? GatewayError)?.field }
        }
        #expect(field { $0.app.port = running.gateway.boundPort } == "app.port")
        #expect(field { $0.app.host = "localhost" } == "app.host")
        #expect(
            field {
                $0.tls.certificateFile = "/nowhere"
                $0.tls.keyFile = "/nowhere"
            } == "tls")
        #expect(field { $0.upstreamTLS.caFile = "/nowhere" } == "upstream_tls")
    }
}
