import HTTP
import JSON
import Reactor
import Store
import Testing

@testable import Proxy

/// Asks a snapshot's routes as a worker does.
struct Router {
    let snapshot: Snapshot
    private let scratch = PatternScratch()
    private var table: RouteTable { snapshot.view.pointee.table }

    init(_ routes: [RouteRecord]) { snapshot = ProxyTests.snapshot(routes) }

    func request(
        _ start: String, _ fields: [String] = [], body: String = "", isComplete: Bool = true
    ) throws -> ParsedRequest {
        try ParsedRequest(start, fields, body: body, isComplete: isComplete, for: snapshot)
    }

    func index(_ id: String) -> Int {
        (0..<table.routes.count).first { table.routes[$0].routeID.string == id } ?? -1
    }

    func verdict(_ id: String, _ request: ParsedRequest) -> RouteVerdict {
        table.verdict(index(id), request.view, scratch: scratch.bytes)
    }

    /// The chosen route's id, "none", or "body" if the body is needed first.
    func choose(
        _ request: ParsedRequest, tried: [String] = [], random: UInt64 = 0, ill: Set<String> = []
    ) -> String {
        var triedRoutes = TriedRoutes()
        for id in tried { triedRoutes.insert(index(id)) }
        let targets = snapshot.view.pointee.targets
        let chosen = table.choose(
            request.view, tried: triedRoutes, scratch: scratch.bytes, random: random,
            isAvailable: { !ill.contains(targets[Int($0)].host.string) })
        return name(chosen)
    }

    func asks(about members: [String], _ request: ParsedRequest, upTo id: String) -> Bool {
        var mask: UInt64 = 0
        for i in 0..<table.routes.count {
            let conditions = table.routes[i].memberConditions
            for k in 0..<conditions.count {
                let name = Int(conditions[k].name)
                if members.contains(snapshot.memberName(name)) { mask |= 1 << UInt64(name) }
            }
        }
        return table.asks(about: mask, request.view, upTo: id == "none" ? -1 : index(id), scratch: scratch.bytes)
    }

    private func name(_ chosen: Int) -> String {
        switch chosen {
        case -1: "none"
        case -2: "body"
        default: table.routes[chosen].routeID.string
        }
    }
}

extension Snapshot {
    /// The name behind an index, found by letting the scanner look for it.
    func memberName(_ index: Int) -> String {
        for candidate in ["stream", "model", "a", "b", "c", "user", "tools", "mod\u{E8}le"] {
            let body = Array("{\"\(candidate)\":1}".utf8)
            var captures = [MemberCapture](repeating: MemberCapture(), count: MemberNameTable.maxNames)
            var scanner = MemberScanner()
            _ = scanner.feed(body, body.count, table: view.pointee.memberNames, captures: &captures)
            if captures[index].seenCount == 1 { return candidate }
        }
        return "?"
    }
}

@Suite struct RouteTableTests {
    // MARK: Order and weights

    @Test func thePriorityDecidesThenTheID() throws {
        let router = Router([
            .make("c") { $0.priority = 5 }, .make("b") { $0.priority = 1 },
            .make("a") {
                $0.priority = 1
                $0.weight = 0
            }, .make("z", path: "/z") { $0.priority = -3 },
        ])
        #expect(["z", "a", "b", "c"].map(router.index) == [0, 1, 2, 3])
        #expect(router.choose(try router.request("GET /z")) == "z")
        #expect(router.choose(try router.request("GET /y")) == "b")
    }

    @Test func noRouteMatches() throws {
        let router = Router([.make("a", path: "/a"), .make("b", path: "/b") { $0.matchMethod = "POST" }])
        #expect(router.choose(try router.request("GET /b")) == "none")
        #expect(router.choose(try router.request("GET /c")) == "none")
        #expect(Router([]).choose(try Router([]).request("GET /")) == "none")
    }

    @Test func equalPrioritiesShareByWeight() throws {
        let router = Router([
            .make("a") { $0.weight = 1 }, .make("b") { $0.weight = 2 }, .make("c") { $0.weight = 0 },
            .make("d") { $0.weight = 3 },
            .make("later") {
                $0.priority = 200
                $0.weight = 1000
            },
        ])
        let request = try router.request("GET /")
        let chosen = (0..<6).map { router.choose(request, random: UInt64($0)) }
        #expect(chosen == ["a", "b", "b", "d", "d", "d"])
        #expect(router.choose(request, random: 6) == "a")
        #expect(router.choose(request, random: .max) == chosen[Int(UInt64.max % 6)])
    }

    @Test func onlyThoseThatMatchShare() throws {
        let router = Router([
            .make("a") { $0.weight = 1 },
            .make("b") {
                $0.weight = 9
                $0.matchMethod = "POST"
            },
            .make("c") { $0.weight = 1 },
        ])
        let get = try router.request("GET /")
        #expect((0..<4).map { router.choose(get, random: UInt64($0)) } == ["a", "c", "a", "c"])
        let post = try router.request("POST /")
        let shares = Dictionary(grouping: (0..<11).map { router.choose(post, random: UInt64($0)) }) { $0 }
        #expect(shares.mapValues(\.count) == ["a": 1, "b": 9, "c": 1])
    }

    @Test func weightsOfNothing() throws {
        let router = Router([.make("a") { $0.weight = 0 }, .make("b") { $0.weight = 0 }])
        let request = try router.request("GET /")
        for random in [0, 1, 2, .max] as [UInt64] { #expect(router.choose(request, random: random) == "a") }
    }

    // MARK: Tried routes

    @Test func triedRoutesAreLeftOut() throws {
        let router = Router([
            .make("a"), .make("b"), .make("c") { $0.priority = 200 }, .make("d", path: "/other") { $0.priority = 300 },
        ])
        let request = try router.request("GET /")
        #expect(router.choose(request, tried: ["a"], random: 7) == "b")
        #expect(router.choose(request, tried: ["b"], random: 7) == "a")
        #expect(router.choose(request, tried: ["a", "b"]) == "c")
        #expect(router.choose(request, tried: ["a", "b", "c"]) == "none")
    }

    @Test func triedRoutesAreASmallSet() {
        var tried = TriedRoutes()
        #expect(tried.isEmpty)
        #expect(!tried.contains(0))
        for i in 0..<TriedRoutes.capacity {
            #expect(!tried.isFull)
            tried.insert(i * 1000)
        }
        #expect(tried.isFull)
        #expect(!tried.isEmpty)
        for i in 0..<TriedRoutes.capacity { #expect(tried.contains(i * 1000)) }
        #expect(!tried.contains(1))
    }

    // MARK: Health

    @Test func anIllTargetIsLeftOut() throws {
        let router = Router([
            .make("a", host: "a.example:80"), .make("b", host: "b.example:80"),
            .make("c", host: "c.example:80") { $0.priority = 200 },
        ])
        let request = try router.request("GET /")
        for random in 0..<4 as Range<UInt64> {
            #expect(router.choose(request, random: random, ill: ["a.example"]) == "b")
            #expect(router.choose(request, random: random, ill: ["b.example"]) == "a")
            #expect(router.choose(request, random: random, ill: ["a.example", "b.example"]) == "c")
        }
        #expect(router.choose(request, tried: ["b"], ill: ["a.example"]) == "c")
    }

    @Test func ifAllAreIllTheFirstIsTriedAllTheSame() throws {
        let router = Router([
            .make("a", host: "a.example:80"), .make("b", host: "b.example:80"),
            .make("c", host: "c.example:80") { $0.priority = 200 },
        ])
        let request = try router.request("GET /")
        let all: Set = ["a.example", "b.example", "c.example"]
        #expect(router.choose(request, random: 1, ill: all) == "a")
        #expect(router.choose(request, tried: ["a"], ill: all) == "b")
        #expect(Router([.make("a", host: "a.example:80")]).choose(request, ill: all) == "a")
    }

    @Test func anIllTargetsWeightGoesToTheOthers() throws {
        let router = Router([
            .make("a", host: "a.example:80") { $0.weight = 8 }, .make("b", host: "b.example:80") { $0.weight = 1 },
            .make("c", host: "c.example:80") { $0.weight = 1 },
        ])
        let request = try router.request("GET /")
        #expect((0..<4).map { router.choose(request, random: $0, ill: ["a.example"]) } == ["b", "c", "b", "c"])
        // A weight of nothing is a reserve.
        let reserve = Router([
            .make("a", host: "a.example:80"), .make("b", host: "b.example:80") { $0.weight = 0 },
        ])
        #expect((0..<3).map { reserve.choose(request, random: $0) } == ["a", "a", "a"])
        #expect(reserve.choose(request, ill: ["a.example"]) == "b")
    }

    // MARK: Methods and headers

    @Test(
        arguments: [
            ("ANY", "GET", true), ("*", "POST", true), ("any", "PURGE", true), ("GET", "GET", true),
            ("GET", "HEAD", false), ("get, post", "POST", true), ("GET,ANY", "PUT", true), ("PURGE", "PURGE", true),
            ("PURGE,M-SEARCH", "M-SEARCH", true), ("PURGE", "PURGER", false), ("PURGE", "purge", false),
            ("GET", "get", false), ("PATCH,DELETE,OPTIONS", "OPTIONS", true), ("PATCH", "PURGE", false),
        ] as [(String, String, Bool)]) func methods(_ methods: String, _ method: String, _ matches: Bool) throws
    {
        let router = Router([.make("a") { $0.matchMethod = methods }])
        #expect(router.verdict("a", try router.request("\(method) /")) == (matches ? .matches : .method))
    }

    @Test(
        arguments: [
            ([:], [], true),
            (["x-team": "red"], ["x-team: red"], true),
            (["X-Team": "red"], ["x-TEAM:   red  "], true),
            (["x-team": "red"], ["x-team: Red"], false),
            (["x-team": "red"], ["x-team: reds"], false),
            (["x-team": "red"], [], false),
            (["x-team": ""], ["x-team:"], true),
            (["x-team": "re*"], ["x-team: red"], true),
            (["x-team": "*"], ["x-team:"], true),
            (["x-team": "r*d*t"], ["x-team: red hot"], true),
            (["x-team": "r*d"], ["x-team: red hot"], false),
            (["x-team": true], ["x-team: anything"], true),
            (["x-team": true], [], false),
            (["x-team": false], ["x-team: anything"], false),
            (["x-team": false], [], true),
            // Of repeated fields one is enough; for absence none may be there.
            (["x-team": "red"], ["x-team: blue", "x-team: red"], true),
            (["x-team": false], ["x-other: 1", "x-team: blue"], false),
            // Names that the parser knows by number.
            (["User-Agent": "curl/*"], ["user-agent: curl/8.0"], true),
            (["accept": "text/event-stream"], ["Accept: text/event-stream"], true),
            (["accept": false], ["Accept: */*"], false),
            (["host": "gateway"], [], true),
            // All must hold.
            (["x-a": "1", "x-b": "2"], ["x-a: 1", "x-b: 2"], true),
            (["x-a": "1", "x-b": "2"], ["x-a: 1"], false),
        ] as [(JSONValue, [String], Bool)]) func headers(_ wanted: JSONValue, _ lines: [String], _ holds: Bool) throws
    {
        let router = Router([.make("a") { $0.matchHeaders = wanted }])
        let verdict = router.verdict("a", try router.request("GET /", lines))
        if holds {
            #expect(verdict == .matches)
        } else if case .header = verdict {
        } else {
            Issue.record("\(verdict)")
        }
    }

    @Test func theVerdictNamesTheFirstConditionThatFails() throws {
        let router = Router([
            .make("a", path: "/a") {
                $0.matchMethod = "POST"
                $0.matchHeaders = ["x-a": "1", "x-b": "2"]
                $0.matchBodySchema = ["model": "m", "user": "u"]
            }
        ])
        func verdict(_ start: String, _ lines: [String], _ body: String) throws -> RouteVerdict {
            router.verdict("a", try router.request(start, lines + ["content-length: \(body.utf8.count)"], body: body))
        }
        #expect(try verdict("GET /b", [], "") == .path)
        #expect(try verdict("GET /a", [], "") == .method)
        #expect(try verdict("POST /a", [], "") == .header(0))
        #expect(try verdict("POST /a", ["x-a: 1"], "") == .header(1))
        #expect(try verdict("POST /a", ["x-a: 1", "x-b: 2"], "{}") == .member(0))
        #expect(try verdict("POST /a", ["x-a: 1", "x-b: 2"], #"{"user":"u"}"#) == .member(0))
        #expect(try verdict("POST /a", ["x-a: 1", "x-b: 2"], #"{"model":"m"}"#) == .member(1))
        #expect(try verdict("POST /a", ["x-a: 1", "x-b: 2"], #"{"user":"u","model":"m"}"#) == .matches)
    }

    @Test(
        arguments: [
            ("", "", true), ("", "*", true), ("a", "", false), ("abc", "a*c", true), ("ac", "a*c", true),
            ("abcb", "a*c", false), ("aXbXc", "a*b*c", true), ("abab", "*ab", true), ("aba", "*ab", false),
            ("abc", "***", true), ("abc", "a**c", true), ("a*c", "a*c", true), ("mississippi", "m*iss*ppi", true),
            ("mississippi", "m*issx*ppi", false),
        ] as [(String, String, Bool)]) func globs(_ text: String, _ pattern: String, _ matches: Bool)
    {
        #expect(Glob.matches(kept(text), pattern: kept(pattern)) == matches)
    }

    @Test func aGlobsWorkIsBounded() {
        let text = kept(String(repeating: "a", count: 4000))
        #expect(!Glob.matches(text, pattern: kept(String(repeating: "a*", count: 100) + "b")))
        #expect(Glob.matches(text, pattern: kept(String(repeating: "a*", count: 100))))
    }
}
