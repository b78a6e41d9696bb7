import Reactor
import Testing

@testable import Proxy

@Suite struct PathPatternTests {
    struct Case: CustomTestStringConvertible {
        let pattern: String
        let path: String
        /// Nil: the path does not match.
        let captures: [String]?

        init(_ pattern: String, _ path: String, _ captures: [String]?) {
            (self.pattern, self.path, self.captures) = (pattern, path, captures)
        }

        var testDescription: String { "\(pattern) on \(path)" }
    }

    static let cases: [Case] = [
        // A literal is the whole path, byte for byte.
        Case("/exact/path", "/exact/path", []),
        Case("/exact/path", "/exact/path/", nil),
        Case("/exact/path", "/exact/pat", nil),
        Case("/exact/path", "/Exact/path", nil),
        Case("/exact/path", "", nil),
        Case("/", "/", []),
        Case("/", "//", nil),
        Case("/caf\u{E9}", "/caf\u{E9}", []),
        Case("/caf\u{E9}", "/caf%C3%A9", nil),
        // A trailing star takes anything, slashes and nothing included.
        Case("/v1/*", "/v1/chat/completions", ["chat/completions"]),
        Case("/v1/*", "/v1/", [""]),
        Case("/v1/*", "/v1", nil),
        Case("/v1/*", "/v10", nil),
        Case("/api/v2/**", "/api/v2/a/b", ["a/b"]),
        Case("/api/v2/***", "/api/v2/", [""]),
        Case("/v2*", "/v2", [""]),
        Case("/v2*", "/v2/chat/completions", ["/chat/completions"]),
        Case("/v2*", "/v20", ["0"]),
        Case("/v2*", "/v1", nil),
        Case("*", "/anything/at/all", ["/anything/at/all"]),
        Case("**", "/", ["/"]),
        // A star elsewhere.
        Case("*.json", "/a/b.json", ["/a/b"]),
        Case("*.json", ".json", [""]),
        Case("*.json", "/a.jsonx", nil),
        Case("*.json", "/a.json.json", ["/a.json"]),
        Case("/file/*.json", "/file/a/b.json", ["a/b"]),
        Case("/file/*.json", "/file/.json", [""]),
        Case("/file/*.json", "/file/a", nil),
        Case("/a/*/b/*/c", "/a/1/b/2/c", ["1", "2"]),
        Case("/a/*/b/*/c", "/a/1/b/2/b/3/c", ["1", "2/b/3"]),
        Case("/a/*/b/*/c", "/a/1/b/2/d", nil),
        Case("/a/*/b/*/c", "/a//b//c", ["", ""]),
        Case("/a*a*a", "/aaaa", ["", "a"]),
        Case("/*x*", "/axbxc", ["a", "bxc"]),
        // A name takes one segment or a part of one, at least one character.
        Case("/user/{id}", "/user/42", ["42"]),
        Case("/user/{id}", "/user/%2F", ["%2F"]),
        Case("/user/{id}", "/user/", nil),
        Case("/user/{id}", "/user/4/2", nil),
        Case("/user/{id}", "/user/42/", nil),
        Case("/user/{id}/posts/{post-id}", "/user/7/posts/9", ["7", "9"]),
        Case("/user/{id}/posts/{post-id}", "/user/7/posts/", nil),
        Case("/{id}.json", "/x.json", ["x"]),
        Case("/{id}.json", "/a.b.json", ["a.b"]),
        Case("/{id}.json", "/.json", nil),
        Case("/{id}.json", "/a/b.json", nil),
        Case("/v-{n}/x", "/v-1/x", ["1"]),
        Case("/{a}{b}", "/xyz", ["x", "yz"]),
        Case("/{a}{b}", "/x", nil),
        Case("/{a}-{b}", "/1-2-3", ["1", "2-3"]),
        // Both.
        Case("/{tenant}/*", "/acme/v1/chat", ["acme", "v1/chat"]),
        Case("/{tenant}/*", "/acme", nil),
        Case("/*/models/{model}", "/a/b/models/c", ["a/b", "c"]),
        Case("/v1beta/models/{m}:*", "/v1beta/models/gemini:generateContent", ["gemini", "generateContent"]),
    ]

    @Test(arguments: cases) func matchesAndCaptures(_ test: Case) throws {
        let scratch = PatternScratch()
        let pattern = try PathPattern.make(test.pattern)
        let path = kept(test.path)
        #expect(pattern.matches(path, scratch: scratch.bytes) == (test.captures != nil))
        let count = pattern.captures(path, scratch: scratch.bytes, into: scratch.captures)
        #expect((0..<count).map { scratch.captures[$0].string } == test.captures ?? [])
    }

    @Test func anEmptyPathIsMatchedByAStarOnly() throws {
        let scratch = PatternScratch()
        for empty in [Bytes.empty, Bytes(kept("x").pointer, 0)] {
            #expect(try PathPattern.make("*").matches(empty, scratch: scratch.bytes))
            #expect(try !PathPattern.make("/").matches(empty, scratch: scratch.bytes))
            #expect(try !PathPattern.make("*/{id}").matches(empty, scratch: scratch.bytes))
        }
    }

    @Test func commonShapesNeedNoTable() throws {
        #expect(try PathPattern.make("/v1/models").shape == .literal)
        #expect(try PathPattern.make("/v1/**").shape == .literalThenAny)
        #expect(try PathPattern.make("*").shape == .literalThenAny)
        #expect(try PathPattern.make("/user/{id}").shape == .general)
        #expect(try PathPattern.make("*.json").shape == .general)
        #expect(try PathPattern.make("/a/{b}/*").prefix.string == "/a/")
        #expect(try PathPattern.make("*.json").prefix.isEmpty)
    }

    /// The plainest reading of the rules, exponential in time.
    private static func reference(_ parts: ArraySlice<PathPatternSource.Part>, _ path: ArraySlice<UInt8>) -> Bool {
        guard let part = parts.first else { return path.isEmpty }
        let rest = parts.dropFirst()
        switch part {
        case .literal(let bytes):
            return path.starts(with: bytes) && reference(rest, path.dropFirst(bytes.count))
        case .any:
            return (0...path.count).contains { reference(rest, path.dropFirst($0)) }
        case .segment:
            let run = path.prefix { $0 != UInt8(ascii: "/") }.count
            return run > 0 && (1...run).contains { reference(rest, path.dropFirst($0)) }
        }
    }

    @Test func agreesWithThePlainReading() throws {
        var random = SeededGenerator(7)
        let scratch = PatternScratch()
        var matched = 0
        for _ in 0..<3000 {
            var text = "/"
            for n in 0..<Int.random(in: 0...5, using: &random) {
                text += ["a", "b", "/", "*", "{n\(n)}", "ab"].randomElement(using: &random)!
            }
            var path = "/"
            for _ in 0..<Int.random(in: 0...7, using: &random) {
                path += ["a", "b", "/"].randomElement(using: &random)!
            }
            let source = try PathPatternSource(text)
            let pattern = try PathPattern.make(text)
            let expected = Self.reference(source.parts[...], Array(path.utf8)[...])
            if expected { matched += 1 }
            let bytes = kept(path)
            #expect(pattern.matches(bytes, scratch: scratch.bytes) == expected, "\(text) on \(path)")
            guard expected else { continue }
            // What the wildcards stood for, put back in, is the path again.
            let count = pattern.captures(bytes, scratch: scratch.bytes, into: scratch.captures)
            var index = 0
            var rebuilt: [UInt8] = []
            for part in source.parts {
                if case .literal(let literal) = part {
                    rebuilt += literal
                } else {
                    rebuilt += Array(scratch.captures[index].buffer)
                    index += 1
                }
            }
            #expect(index == count)
            #expect(rebuilt == Array(path.utf8), "\(text) on \(path)")
        }
        #expect(matched > 200)
    }

    // MARK: Limits and errors

    @Test func theLongestPathAndTheMostPartsAreWithinTheScratch() throws {
        let scratch = PatternScratch()
        // 31 parts of the 32, and a path that nearly matches in very many ways.
        let pattern = try PathPattern.make(String(repeating: "*a", count: 15) + "*")
        let long = kept(String(repeating: "a", count: PathPattern.maxPathBytes))
        #expect(pattern.matches(long, scratch: scratch.bytes))
        let misses = try PathPattern.make(String(repeating: "*a", count: 15) + "*b")
        #expect(!misses.matches(long, scratch: scratch.bytes))
        let longer = kept(String(repeating: "a", count: PathPattern.maxPathBytes + 1))
        #expect(!pattern.matches(longer, scratch: scratch.bytes))
    }

    @Test func partsAreLimited() throws {
        let most = (0..<16).map { "/{p\($0)}" }.joined()
        #expect(try PathPatternSource(most).parts.count == PathPattern.maxParts)
        #expect(throws: PatternError("has more than 32 parts")) { try PathPatternSource(most + "/x{p16}") }
    }

    @Test(
        arguments: [
            ("", "must begin with \"/\" or \"*\""),
            ("v1", "must begin with \"/\" or \"*\""),
            ("{id}", "must begin with \"/\" or \"*\""),
            ("/{", "\"{\" without \"}\""),
            ("/{id", "\"{\" without \"}\""),
            ("/}", "\"}\" without \"{\""),
            ("/{a}}", "\"}\" without \"{\""),
            ("/{}", "\"{}\" is no name: letters, digits, \"_\" and \"-\" are"),
            ("/{a b}", "\"{a b}\" is no name: letters, digits, \"_\" and \"-\" are"),
            ("/{a{b}}", "\"{a{b}\" is no name: letters, digits, \"_\" and \"-\" are"),
            ("/{a}/{a}", "\"{a}\" stands twice"),
            ("/a b", "may not hold spaces, control characters, \"?\" or \"#\""),
            ("/a\tb", "may not hold spaces, control characters, \"?\" or \"#\""),
            ("/a\u{7F}", "may not hold spaces, control characters, \"?\" or \"#\""),
            ("/a\u{0}", "may not hold spaces, control characters, \"?\" or \"#\""),
            ("/a?b", "may not hold spaces, control characters, \"?\" or \"#\""),
            ("/a#b", "may not hold spaces, control characters, \"?\" or \"#\""),
        ] as [(String, String)]) func whatIsNoPattern(_ text: String, _ message: String)
    {
        #expect(throws: PatternError(message)) { try PathPatternSource(text) }
    }
}
