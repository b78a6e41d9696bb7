import Config
import JSON
import Store
import Testing

@testable import Proxy

@Suite struct ExplanationTests {
    private func explain(
        _ routes: [RouteRecord], _ method: String, _ path: String, _ headers: [(String, String)] = [],
        body: String? = nil
    ) -> RouteExplanation {
        Explanation.make(
            snapshot: snapshot(routes), routes: routes, method: method, path: path, headers: headers,
            body: body.map { Array($0.utf8) }, keyID: nil)
    }

    private func reasons(_ explanation: RouteExplanation) -> [String: String] {
        Dictionary(uniqueKeysWithValues: explanation.candidates.map { ($0.routeID, $0.reason) })
    }

    @Test func everyRouteIsToldOf() {
        let result = explain(
            [
                .make("1-path", path: "/v2/*"),
                .make("2-method") { $0.matchMethod = "GET,PUT" },
                .make("3-header") { $0.matchHeaders = ["x-team": "red", "x-beta": true] },
                .make("4-member") { $0.matchBodySchema = ["model": "gpt-4o", "n": 2] },
                .make("5-schema") { $0.matchBodySchema = ["required": ["tools"]] },
                .make("6-takes", host: "up.example:8080") {
                    $0.targetPath = "/api/*"
                    $0.matchPath = "/v1/*"
                },
                .make("7-also"),
                .make("0-off") { $0.isActive = false },
            ], "POST", "/v1/chat?b=1&key=secret&c=2", [("X-Team", "red")], body: #"{"model":"gpt-4o","n":3}"#)
        #expect(result.error == nil)
        #expect(result.matchedRouteID == "6-takes")
        #expect(result.targetURL == "http://up.example:8080/api/chat?b=1&c=2")
        #expect(
            result.candidates.map(\.routeID) == [
                "1-path", "2-method", "3-header", "4-member", "5-schema", "6-takes", "7-also", "0-off",
            ])
        #expect(result.candidates.filter(\.matched).map(\.routeID) == ["6-takes", "7-also"])
        #expect(
            reasons(result) == [
                "1-path": "the path /v1/chat does not match /v2/*",
                "2-method": "the method is POST, not GET,PUT",
                "3-header": "the header x-beta is missing",
                "4-member": "the body's member n is 3, not 2",
                "5-schema":
                    #"the body does not meet match_body_schema at its top (required): it is {"model":"gpt-4o","n":3}"#,
                "6-takes": "takes 1 of 2 such requests", "7-also": "takes 1 of 2 such requests",
                "0-off": "is not active",
            ])
    }

    @Test func noRouteTakesIt() {
        let result = explain([.make("a", path: "/a")], "GET", "/b")
        #expect(result.matchedRouteID == nil)
        #expect(result.targetURL == nil)
        #expect(result.error == nil)
        #expect(explain([], "GET", "/b") == RouteExplanation())
    }

    /// A schema is no list of members: what is said must not read like one.
    @Test func aSchemaSaysWhereItFails() {
        let route = RouteRecord.make("a") {
            $0.matchBodySchema = [
                "type": "object", "required": ["model"], "properties": ["model": ["enum": ["x", "y"]]],
            ]
        }
        func reason(_ body: String?) -> String? { reasons(explain([route], "POST", "/", body: body))["a"] }
        #expect(reason(nil) == "there is no body" && reason("") == "there is no body")
        #expect(reason("no json") == "the body is no JSON")
        #expect(reason("{}") == "the body does not meet match_body_schema at its top (required): it is {}")
        #expect(
            reason(#"{"model":"z"}"#) == #"the body does not meet match_body_schema at /model (enum): it is "z""#)
    }

    @Test func membersSayWhatTheyAre() {
        let route = RouteRecord.make("a") { $0.matchBodySchema = ["model": "m"] }
        func reason(_ body: String?) -> String? { reasons(explain([route], "POST", "/", body: body))["a"] }
        #expect(reason(nil) == "there is no body")
        #expect(reason("[]") == "the body is no JSON object" && reason("no json") == "the body is no JSON object")
        #expect(reason("{}") == #"the body has no member model; it must be "m""#)
        #expect(reason(#"{"mod\u0065l":"n"}"#) == #"the body's member model is "n", not "m""#)
        #expect(reason(#"{"model":"m"}"#) == "takes the request")
    }

    @Test func headersSayWhatTheyAre() {
        let route = RouteRecord.make("a") { $0.matchHeaders = ["x-a": "1*", "x-b": false] }
        func reason(_ headers: [(String, String)]) -> String? { reasons(explain([route], "GET", "/", headers))["a"] }
        #expect(reason([]) == #"the header x-a is missing, not "1*""#)
        #expect(reason([("X-A", "2"), ("x-a", "3")]) == #"the header x-a is "2" and "3", not "1*""#)
        #expect(reason([("x-a", "12"), ("x-b", "z")]) == #"the header x-b is there: "z""#)
    }

    @Test func weightsSayWhoTakesHowMany() {
        func routes(_ a: Int, _ b: Int) -> [RouteRecord] {
            [.make("a") { $0.weight = a }, .make("b") { $0.weight = b }]
        }
        #expect(
            reasons(explain(routes(3, 1), "GET", "/")) == [
                "a": "takes 3 of 4 such requests", "b": "takes 1 of 4 such requests",
            ])
        let onlyB = explain(routes(0, 1), "GET", "/")
        #expect(onlyB.matchedRouteID == "b")
        #expect(reasons(onlyB)["a"] == "matches, but its weight is 0 beside routes that have more")
        #expect(explain(routes(0, 0), "GET", "/").matchedRouteID == "a")
    }

    @Test func whatNoRouteDecidesIsSaid() {
        let routes = [RouteRecord.make("a") { $0.matchBodySchema = ["model": "m"] }, .make("b")]
        let twice = explain(routes, "POST", "/", body: #"{"model":"n","model":"m"}"#)
        #expect(twice.error?.contains("twice") == true && twice.matchedRouteID == nil)
        #expect(explain(routes, "POST", "/", body: #"{"model":"m","model":"m"}"#).matchedRouteID == "a")
        #expect(explain(routes, "TRACE", "/").error != nil)
        #expect(explain(routes, "GET", "/health").error != nil)
        let preflight = [("origin", "https://a.example"), ("access-control-request-method", "POST")]
        #expect(explain(routes, "OPTIONS", "/", preflight).error?.contains("preflight") == true)
        #expect(explain(routes, "OPTIONS", "/").matchedRouteID == "b")
    }

    @Test(arguments: [
        ("GET", "/a/../b"), ("GET", "/a/%2e%2e/b"), ("GET", "/a b"), ("GET", "no-slash"), ("GET", "/a#b"),
        ("GET", ""), ("G ET", "/"), ("", "/"), ("GET", "/%zz"),
    ]) func whatIsRefusedBeforeAnyRoute(_ method: String, _ path: String) {
        let result = explain([.make("a")], method, path)
        #expect(result.error?.isEmpty == false)
        #expect(result.matchedRouteID == nil)
        #expect(result.candidates.isEmpty)
    }

    @Test func fieldsAreReadAsAClientsWouldBe() {
        let routes = [RouteRecord.make("a") { $0.matchHeaders = ["host": "mine.example"] }, .make("b")]
        #expect(explain(routes, "GET", "/", [("HOST", "mine.example")]).matchedRouteID == "a")
        #expect(explain(routes, "GET", "/").matchedRouteID == "b")
        // Framing is ours to say.
        let framed = explain(
            routes, "POST", "/", [("Content-Length", "99"), ("Transfer-Encoding", "chunked"), ("Expect", "x")],
            body: "{}")
        #expect(framed.matchedRouteID == "b")
        #expect(explain(routes, "GET", "/", [("bad name", "x")]).error != nil)
        #expect(explain(routes, "GET", "/", [("x-a", "1\r\n\r\nGET /")]).error == nil)
    }

    @Test(arguments: [
        ("a.example:443", "https", "https://a.example/v1/x"),
        ("a.example", "http", "http://a.example/v1/x"),
        ("[::1]:9000", "http", "http://[::1]:9000/v1/x"),
    ]) func targetURLs(_ host: String, _ scheme: String, _ url: String) {
        let route = RouteRecord.make("a", host: host) { $0.targetProtocol = scheme }
        #expect(explain([route], "GET", "/v1/x").targetURL == url)
        #expect(explain([route], "GET", "/v1/x?key=k").targetURL == url)
    }

    @Test func aRouteThatDoesNotCompileSaysWhyItIsNotServed() {
        let result = explain([.make("bad", path: "x"), .make("good")], "GET", "/")
        #expect(result.candidates.map(\.routeID) == ["bad", "good"])
        #expect(result.candidates[0].reason.hasPrefix("is not served"))
    }

    @Test func twoReadings() {
        let routes: [RouteRecord] = [.make("1-admin", path: "/admin/*"), .make("2-all")]
        for path in ["//admin/x", "/%61dmin/x", "/admin%2fx", "/admin;a/x"] {
            #expect(explain(routes, "GET", path).error != nil, "\(path)")
        }
        #expect(explain(routes, "GET", "/admin//x").matchedRouteID == "1-admin")
        #expect(explain(routes, "GET", "/files/a%2Fb").matchedRouteID == "2-all")
        #expect(explain(routes, "GET", "/a/%252e%252e/b").error != nil)
    }

    @Test(arguments: ["least_busy", "fastest", "healthiest"])
    func providersThatAreEqualTakeTurns(strategy: String) throws {
        let registry = Registry()
        let records = ["a", "b", "c"].map {
            ProviderRecord(name: $0, baseURL: "http://127.0.0.1:9/v1", models: ["m"], createdAtMilliseconds: 1)
        }
        var settings = Settings()
        settings.providers.strategy = try #require(.init(rawValue: strategy))
        let made = Snapshot(
            keys: [], routes: [], providers: ProviderSet(providers: records), settings: settings, version: "1",
            registry: registry)
        func shares() throws -> [Double] {
            let told = Explanation.make(
                snapshot: made, routes: [], method: "POST", path: "/v1/chat/completions", headers: [],
                body: Array(#"{"model":"m"}"#.utf8), keyID: nil)
            return try #require(told.provider).candidates.map(\.share)
        }
        #expect(try shares() == [1 / 3.0, 1 / 3.0, 1 / 3.0])
        let first = registry.providers.provider(records[0])
        switch strategy {
        case "least_busy": first.began()
        case "fastest":
            for record in records { registry.providers.provider(record).measured(firstByteMicroseconds: 10) }
            first.measured(firstByteMicroseconds: 900)
        default: first.noted(success: false)
        }
        // Of three turns one falls to the first, and goes to who comes next.
        #expect(try shares() == [0, 2 / 3.0, 1 / 3.0])
    }
}
