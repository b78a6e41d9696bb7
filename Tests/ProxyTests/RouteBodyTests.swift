import JSON
import Store
import Testing

@testable import Proxy

/// Routes that look at the body.
@Suite struct RouteBodyTests {
    private func post(
        _ router: Router, _ body: String, length: Int? = nil, isComplete: Bool = true
    ) throws -> ParsedRequest {
        try router.request(
            "POST /", ["content-length: \(length ?? body.utf8.count)"], body: body, isComplete: isComplete)
    }

    private static func conditions(_ id: String, _ wanted: JSONValue, priority: Int = 100) -> RouteRecord {
        .make(id) {
            $0.matchBodySchema = wanted
            $0.priority = priority
        }
    }

    struct Case: CustomTestStringConvertible {
        let wanted: JSONValue
        let body: String
        let matches: Bool

        init(_ wanted: JSONValue, _ body: String, _ matches: Bool) {
            (self.wanted, self.body, self.matches) = (wanted, body, matches)
        }

        var testDescription: String { "\(wanted) of \(body)" }
    }

    static let cases: [Case] = [
        Case(["model": "gpt-4o"], #"{"model":"gpt-4o"}"#, true),
        Case(["model": "gpt-4o"], #"{"messages":[{"model":"gpt-4o"}],"model" : "gpt-4o" , "n":1}"#, true),
        Case(["model": "gpt-4o"], #"{"messages":[{"model":"gpt-4o"}]}"#, false),
        Case(["model": "gpt-4o"], #"{"model":"gpt-4"}"#, false),
        Case(["model": "gpt-4o"], #"{"model":"gpt-4o-mini"}"#, false),
        Case(["model": "gpt-4o"], #"{"model":["gpt-4o"]}"#, false),
        Case(["model": "gpt-4o"], #"{"Model":"gpt-4o"}"#, false),
        // Names and values compare after unescaping.
        Case(["model": "gpt-4o"], ##"{"mod\u0065l":"gpt-4o"}"##, true),
        Case(["model": "gpt-4o"], ##"{"model":"gpt\u002d4\u006F"}"##, true),
        Case(["model": "a/b"], ##"{"model":"a\/b"}"##, true),
        Case(["model": "\u{1F600}"], ##"{"model":"\ud83d\ude00"}"##, true),
        Case(["a\"b": 1], ##"{"a\u0022b":1}"##, true),
        // Of duplicates the last counts.
        Case(["model": "m"], #"{"model":"x","model":"m"}"#, true),
        Case(["model": "m"], #"{"model":"m","model":"x"}"#, false),
        Case(["model": "m"], ##"{"model":"m","m\u006fdel":"x"}"##, false),
        // Every kind of value; numbers by their worth.
        Case(["a": true], #"{"a":true}"#, true),
        Case(["a": true], #"{"a":"true"}"#, false),
        Case(["a": false], #"{"a":false}"#, true),
        Case(["a": nil], #"{"a":null}"#, true),
        Case(["a": nil], #"{}"#, false),
        Case(["a": 1], #"{"a":1.0}"#, true),
        Case(["a": 1], #"{"a":10e-1}"#, true),
        Case(["a": 1], #"{"a":"1"}"#, false),
        Case(["a": 1], #"{"a":1.0000000000000000001}"#, false),
        Case(["a": ""], #"{"a":""}"#, true),
        Case(["a": ["x": 1, "y": [2]]], #"{"a":{"y":[2.0],"x":1}}"#, true),
        Case(["a": ["x": 1]], #"{"a":{"x":1,"y":2}}"#, false),
        Case(["a": [1, 2]], #"{"a":[2,1]}"#, false),
        // Several members.
        Case(["model": "m", "stream": true], #"{"stream":true,"model":"m"}"#, true),
        Case(["model": "m", "stream": true], #"{"stream":false,"model":"m"}"#, false),
        // Nothing asked: no body needed.
        Case([:], "", true),
        Case([:], "no json", true),
        // What is no object has no members.
        Case(["model": "m"], "", false),
        Case(["model": "m"], "[]", false),
        Case(["model": "m"], #""model""#, false),
        Case(["model": "m"], #"{"model":"m""#, false),
        Case(["model": "m"], #"{"model":"m"} x"#, false),
        // JSON Schema.
        Case(["properties": ["n": ["minimum": 3]], "required": ["n"]], #"{"n":3}"#, true),
        Case(["properties": ["n": ["minimum": 3]], "required": ["n"]], #"{"n":2}"#, false),
        Case(["properties": ["n": ["minimum": 3]], "required": ["n"]], "", false),
        Case(["properties": ["model": ["pattern": "^gpt-"]]], #"{"model":"gpt-4o"}"#, true),
        Case(["properties": ["model": ["pattern": "^gpt-"]]], #"{"model":"claude"}"#, false),
        Case(["type": "array", "minItems": 1], "[1]", true),
        Case(["type": "array", "minItems": 1], "{}", false),
        Case(["type": "object"], "{", false),
    ]

    @Test(arguments: cases) func decides(_ test: Case) throws {
        let router = Router([Self.conditions("a", test.wanted)])
        let verdict = router.verdict("a", try post(router, test.body))
        #expect((verdict == .matches) == test.matches, "\(verdict)")
        if !test.matches { #expect(router.choose(try post(router, test.body)) == "none") }
    }

    @Test func aSchemaThatFailsSaysSo() throws {
        let router = Router([Self.conditions("a", ["type": "object", "required": ["model"]])])
        for body in ["", "{}", "[]", "x"] { #expect(router.verdict("a", try post(router, body)) == .schema) }
    }

    /// Precomposed or not: names are compared by their code points.
    @Test func namesThatOnlyLookAlikeAreDifferent() throws {
        let router = Router([
            Self.conditions("a", ["mod\u{E8}le": "m"]), Self.conditions("b", ["mode\u{300}le": "m"], priority: 200),
        ])
        #expect(router.choose(try post(router, "{\"mod\u{E8}le\":\"m\"}")) == "a")
        #expect(router.choose(try post(router, "{\"mode\u{300}le\":\"m\"}")) == "b")
    }

    // MARK: Not all of the body is here

    @Test func onlyAsMuchOfTheBodyAsDecides() throws {
        let router = Router([Self.conditions("a", ["model": "m"])])
        func choose(_ body: String) throws -> String {
            router.choose(try post(router, body, length: 1000, isComplete: false))
        }
        #expect(try choose("") == "body")
        #expect(try choose("{") == "body")
        #expect(try choose(#"{"model""#) == "body")
        #expect(try choose(#"{"model":"m"#) == "body")
        #expect(try choose(#"{"model":"m""#) == "a")
        #expect(try choose(#"{"model":"x""#) == "none")
        #expect(try choose(#"{"model":"m","messages":[{"#) == "a")
        // A second value is on its way: the first no longer counts.
        #expect(try choose(#"{"model":"m","model":"#) == "a")
        #expect(try choose(#"{"model":"m","model":"x"#) == "body")
        #expect(try choose(#"{"model":"m","model":"x""#) == "none")
        // What is no object never will be one.
        #expect(try choose("[") == "none")
        #expect(try choose("{x") == "none")
    }

    @Test func aSchemaNeedsAllOfIt() throws {
        let router = Router([Self.conditions("a", ["required": ["model"]])])
        #expect(router.choose(try post(router, #"{"model":"m","#, length: 1000, isComplete: false)) == "body")
        #expect(router.choose(try post(router, #"{"model":"m"}"#)) == "a")
    }

    @Test func theBodyIsNotAskedForWhereItCannotDecide() throws {
        let early = Router([
            .make("plain") { $0.priority = 1 }, Self.conditions("body", ["model": "m"], priority: 2),
        ])
        func incomplete(_ router: Router, _ start: String = "POST /") throws -> ParsedRequest {
            try router.request(start, ["content-length: 10"], isComplete: false)
        }
        #expect(early.choose(try incomplete(early)) == "plain")

        let otherPath = Router([
            .make("body", path: "/other") {
                $0.matchBodySchema = ["model": "m"]
                $0.priority = 1
            },
            .make("method") {
                $0.matchBodySchema = ["model": "m"]
                $0.matchMethod = "PUT"
                $0.priority = 2
            },
            .make("header") {
                $0.matchBodySchema = ["model": "m"]
                $0.matchHeaders = ["x-a": true]
                $0.priority = 3
            },
            .make("plain") { $0.priority = 4 },
        ])
        #expect(otherPath.choose(try incomplete(otherPath)) == "plain")
        #expect(otherPath.choose(try incomplete(otherPath, "PUT /")) == "body")
    }

    /// Routes of equal priority that might match share the load, so all of them have to be decided.
    @Test func aGroupNeedsTheBodyOfAllItsMembers() throws {
        let router = Router([.make("plain"), Self.conditions("with-body", ["model": "m"])])
        let partial = try post(router, "{", length: 10, isComplete: false)
        #expect(router.choose(partial) == "body")
        let whole = try post(router, #"{"model":"m"}"#)
        #expect((0..<2).map { router.choose(whole, random: $0) } == ["plain", "with-body"])
    }

    /// A route of a later priority has no say in it, and so cannot ask for the body.
    @Test func aLaterGroupDoesNotHoldUpAnEarlierOne() throws {
        let router = Router([
            .make("a"), .make("b") { $0.matchMethod = "PUT" }, Self.conditions("later", ["model": "m"], priority: 200),
        ])
        let partial = try post(router, "", length: 10, isComplete: false)
        #expect(router.choose(partial) == "a")
        let pair = Router([.make("a"), .make("b"), Self.conditions("later", ["model": "m"], priority: 200)])
        #expect((0..<2).map { pair.choose(partial, random: $0) } == ["a", "b"])
    }

    @Test func fallingBackOnALaterGroupMayNeedTheBody() throws {
        let router = Router([
            .make("a", host: "a.example:80"), Self.conditions("later", ["model": "m"], priority: 200),
        ])
        let partial = try post(router, "", length: 10, isComplete: false)
        #expect(router.choose(partial, ill: ["a.example"]) == "body")
        #expect(router.choose(partial, tried: ["a"]) == "body")
    }

    // MARK: Contradictory duplicates

    @Test func whoAsksAboutAMember() throws {
        let router = Router([
            .make("elsewhere", path: "/elsewhere") {
                $0.matchBodySchema = ["a": 1]
                $0.priority = 1
            },
            Self.conditions("first", ["model": "m"], priority: 2),
            Self.conditions("second", ["user": "u"], priority: 3),
            .make("plain") { $0.priority = 4 },
        ])
        let request = try post(router, #"{"model":"x","user":"y"}"#)
        #expect(router.asks(about: ["model"], request, upTo: "first"))
        #expect(router.asks(about: ["model"], request, upTo: "plain"))
        #expect(router.asks(about: ["user"], request, upTo: "plain"))
        #expect(router.asks(about: ["user"], request, upTo: "none"))
        // A route that comes later did not decide, nor did one for another path.
        #expect(!router.asks(about: ["user"], request, upTo: "first"))
        #expect(!router.asks(about: ["a"], request, upTo: "none"))
    }

    /// A schema decides by the members that it names at its top.
    @Test func schemasNameTheirMembers() throws {
        let router = Router([
            Self.conditions("a", ["properties": ["model": ["const": "m"]], "required": ["user"]]),
            Self.conditions("b", ["user": "u"], priority: 200),
        ])
        let request = try post(router, #"{"model":"m","user":"u"}"#)
        #expect(router.asks(about: ["user"], request, upTo: "a"))
        let table = router.snapshot.view.pointee.table
        #expect(table.routes[0].decidingMembers.nonzeroBitCount == 2)
        #expect(table.routes[0].decidingMembers & 1 << UInt64(SnapshotView.modelMember) != 0)
        #expect(table.bodyRouteCount == 2)
    }
}
