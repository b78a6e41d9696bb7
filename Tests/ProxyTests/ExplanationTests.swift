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
            body: body.map { Array($0.utf8) })
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
                "1-path": "the path does not match /v2/*",
                "2-method": "the method is not GET,PUT",
                "3-header": "the header x-beta is not true",
                "4-member": "the body's member n is not 2",
                "5-schema": "the body does not meet match_body_schema",
                "6-takes": "takes the request",
                "7-also": "would match, but an earlier route takes the request or shares it by weight",
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
    @Test func aSchemaWithoutABody() {
        let route = RouteRecord.make("a") { $0.matchBodySchema = ["type": "object", "required": ["model"]] }
        for body in [nil, "", "{}", "no json"] {
            #expect(
                reasons(explain([route], "POST", "/", body: body)) == ["a": "the body does not meet match_body_schema"])
        }
    }

    @Test func membersWithoutABody() {
        let route = RouteRecord.make("a") { $0.matchBodySchema = ["model": "m"] }
        for body in [nil, "", "[]", "no json"] {
            #expect(reasons(explain([route], "POST", "/", body: body)) == ["a": "the body's member model is not \"m\""])
        }
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

    @Test func aRouteThatDoesNotCompileIsNoCandidate() {
        let result = explain([.make("bad", path: "x"), .make("good")], "GET", "/")
        #expect(result.candidates.map(\.routeID) == ["good"])
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
}
