import Glibc

@testable import Admin
@testable import Config
@testable import HTTP
@testable import JSON
@testable import Proxy
@testable import Store

private let limits = MessageLimits(maxHeadBytes: 4096, maxFields: 32, maxTargetBytes: 1024)

/// What came of the bytes of a connection: each request whole, or a refusal.
private struct Assembled: Equatable {
    var requests: [String] = []
    var refusal: RequestAssembler.Refusal?
}

private func assemble(_ bytes: [UInt8], ends: [Int]) -> Assembled {
    var assembler = RequestAssembler(limits: limits)
    var result = Assembled()
    var head: RequestAssembler.Head?
    var from = 0
    for end in ends where end > from {
        bytes[from..<end].withUnsafeBytes { assembler.append($0) }
        from = end
        do throws(RequestAssembler.Refusal) {
            while true {
                if head == nil { head = try assembler.takeHead() }
                guard let current = head, try assembler.takeBody() else { break }
                result.requests.append("\(current.method) \(current.path) \(current.query ?? "-") \(assembler.body)")
                head = nil
            }
        } catch {
            result.refusal = error
            return result
        }
    }
    return result
}

/// Requests to the admin port are put together alike however their bytes come.
func fuzzAdminRequest(_ input: Input) {
    let body = input.body
    let whole = assemble(body, ends: [body.count])
    let halves = assemble(body, ends: [input.cut, body.count])
    check(halves == whole, "cut at \(input.cut): \(halves), whole: \(whole)")
    if body.count < 400 {
        let bytewise = assemble(body, ends: Array(0...body.count))
        check(bytewise == whole, "byte by byte: \(bytewise), whole: \(whole)")
    }
    for request in whole.requests {
        let parts = request.split(separator: " ", omittingEmptySubsequences: false)
        _ = AdminAPI.router.match(method: String(parts[0]), path: String(parts[1]))
        if let query = PercentCoding.parseQuery(parts[2]) {
            for pair in query {
                let again = PercentCoding.decode(PercentCoding.encode(pair.name), plusIsSpace: false)
                check(again == pair.name, "\(pair)")
            }
        }
    }
}

/// Nobody serves; routes and providers are compiled as a gateway would.
private struct Compiling: GatewayControl {
    let settings = Settings()
    func publish(keys: [KeyRecord], routes: [RouteRecord]) throws(GatewayError) {}
    func publish(providers: ProviderSet) throws(GatewayError) {}
    func validate(_ provider: ProviderRecord) -> RouteProblem? { RouteCheck.problem(provider, settings: settings) }
    func providerStatus() -> [ProviderStatus] { [] }
    func validate(_ route: RouteRecord) -> RouteProblem? { RouteCheck.problem(route, settings: settings) }
    func explain(method: String, path: String, headers: [(String, String)], body: [UInt8]?, keyID: String?)
        -> RouteExplanation
    {
        RouteCheck.explain(
            keys: [], routes: routes, providers: ProviderSet(), settings: settings, method: method, path: path,
            headers: headers, body: body, keyID: keyID)
    }
    func metrics() -> GatewayMetrics { GatewayMetrics() }
    var servesAllRoutes: Bool { true }

    var servesAllProviders: Bool { true }

    var isDraining: Bool { false }
    private let routes = [
        RouteRecord(routeID: "route_1", routeName: "one", matchPath: "/v1/{name}/*", targetHost: "127.0.0.1:1")
    ]
}

/// A database and the admin API in front of it, made anew now and then.
private final class Office {
    let admin: LocalAdmin

    init() {
        for suffix in ["", "-wal", "-shm"] { unlink("\(storeFolder)/office.db\(suffix)") }
        do {
            let database = try Database.open(path: storeFolder + "/office.db")
            let vault = try KeyVault.open(database, environment: String(repeating: "5a", count: 32))
            admin = try LocalAdmin(
                settings: Settings(), database: database, vault: vault, gateway: Compiling(), version: "1.0.0")
        } catch { fatalError("no office: \(error)") }
        // Something to look at and to change.
        for (path, id, body) in [
            ("/admin/keys", "key_id", #"{"source_path":"/a"}"#),
            ("/admin/routes", "route_id", #"{"route_name":"r","match_path":"/r/*","target_host":"127.0.0.1:1"}"#),
            ("/admin/providers", "name", #"{"name":"p","api_type":"openai","base_url":"http://127.0.0.1:1"}"#),
            ("/admin/providers/p/keys", "key_id", #"{"key":"sk-fuzz-000000000000"}"#),
        ] {
            let (status, bytes) = admin.answer(method: "POST", target: path, body: Array(body.utf8)) { _ in true }
            guard status == 201, let made = (try? JSONValue(parsing: bytes))?[id]?.stringValue else {
                fatalError("cannot be made: \(body): \(String(decoding: bytes, as: UTF8.self))")
            }
            known.append(made)
        }
    }

    /// What may stand in a path.
    private(set) var known = ["gpt-4"]

    func ask(_ method: String, _ target: String, _ body: [UInt8]?) {
        var streamed = 0
        let (status, bytes) = admin.answer(method: method, target: target, body: body) { piece in
            streamed += piece.count
            return streamed < 1 << 20
        }
        check(status != 500, "\(method) \(target): \(String(decoding: bytes, as: UTF8.self))")
        if status >= 400 {
            let error = (try? JSONValue(parsing: bytes))?["error"]
            check(error?["message"]?.stringValue?.isEmpty == false, "\(status) without a word")
        }
    }
}

nonisolated(unsafe) private var office = Office()
nonisolated(unsafe) private var uses = 0

/// All but those that ask somebody else over the network.
private let endpoints = AdminAPI.endpoints.filter { endpoint in
    !endpoint.path.hasSuffix("/test") && !endpoint.path.hasSuffix("/refresh")
        && (endpoint.path.hasPrefix("/admin/") && !endpoint.path.contains("session"))
}

/// Whatever a request asks, the answer is one of the endpoint's own, never "something went wrong inside". The choice is
/// the endpoint; parts are what stands in the path, the query and the body.
func fuzzAdmin(_ input: Input) {
    uses += 1
    if uses % 5000 == 0 { office = Office() }
    let endpoint = endpoints[input.choice % endpoints.count]
    let parts = Input(bytes: input.body).parts(3)
    let inPath = String(decoding: parts[0], as: UTF8.self)
    let known = office.known + [PercentCoding.encode(inPath)]
    var target = ""
    for segment in endpoint.path.split(separator: "/") {
        let value = segment.hasPrefix("{") ? known[(input.cut + target.utf8.count) % known.count] : String(segment)
        target += "/" + value
    }
    if parts.count > 1, !parts[1].isEmpty { target += "?" + String(decoding: parts[1], as: UTF8.self) }
    office.ask(
        endpoint.method, target, endpoint.body == nil ? nil : parts.count > 2 ? parts[2] : [])
}

/// The answer to a question for models is the same however it comes.
func fuzzModelList(_ input: Input) {
    let body = input.body
    func read(_ ends: [Int]) -> ModelListAnswer.Progress {
        var answer = ModelListAnswer()
        var from = 0
        for end in ends where end > from {
            let progress = answer.take(body[from..<end])
            if progress != .more { return progress }
            from = end
        }
        return answer.end()
    }
    let whole = read([body.count])
    let halves = read([input.cut, body.count])
    check(halves == whole, "cut at \(input.cut): \(halves), whole: \(whole)")
    if body.count < 300 {
        let bytewise = read(Array(0...body.count))
        check(bytewise == whole, "byte by byte: \(bytewise), whole: \(whole)")
    }
}
