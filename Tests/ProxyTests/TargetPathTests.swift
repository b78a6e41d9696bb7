import Reactor
import Testing

@testable import Proxy

@Suite struct TargetPathTests {
    struct Case: CustomTestStringConvertible {
        let pattern: String
        let target: String
        let strips: Bool
        let path: String
        let result: String

        init(_ pattern: String, _ target: String, strip: Bool = false, _ path: String, _ result: String) {
            (self.pattern, self.target, strips, self.path, self.result) = (pattern, target, strip, path, result)
        }

        var testDescription: String { "\(pattern) → \(target)\(strips ? " stripped" : "") on \(path)" }
    }

    static let cases: [Case] = [
        // Empty keeps the path.
        Case("/v1/*", "", "/v1/chat%20x", "/v1/chat%20x"),
        // A literal replaces it.
        Case("/v1/*", "/fixed", "/v1/chat", "/fixed"),
        Case("/v1/*", "/", "/v1/chat", "/"),
        // Names and stars are filled from the match.
        Case("/user/{id}", "/u/{id}/profile", "/user/42", "/u/42/profile"),
        Case("/{a}/{b}", "/{b}/{a}", "/1/2", "/2/1"),
        Case("/{a}/{b}", "/x{b}", "/1/2", "/x2"),
        Case("/v1/*", "/openai/v1/*", "/v1/chat/completions", "/openai/v1/chat/completions"),
        Case("/v1/*", "/openai/v1/**", "/v1/", "/openai/v1/"),
        Case("/a/*/b/*", "/x/*/y/*", "/a/1/b/2/3", "/x/1/y/2/3"),
        Case("/a/*/b/*", "/x/*", "/a/1/b/2", "/x/1"),
        Case("/t/{n}/*", "/*/{n}", "/t/1/2/3", "/2/3/1"),
        Case("/file/*.json", "/f/*.xml", "/file/a/b.json", "/f/a/b.xml"),
        Case(
            "/deployments/{model}/chat", "/v1beta/models/{model}:generateContent", "/deployments/gemini/chat",
            "/v1beta/models/gemini:generateContent"),
        // The literal prefix is taken off and the rest appended, joined by exactly one slash.
        Case("/api/*", "", strip: true, "/api/v1/chat", "/v1/chat"),
        Case("/api/*", "", strip: true, "/api/", "/"),
        Case("/api*", "", strip: true, "/api", "/"),
        Case("/api*", "", strip: true, "/api/v1", "/v1"),
        Case("/api/*", "/base", strip: true, "/api/v1", "/base/v1"),
        Case("/api/*", "/base/", strip: true, "/api/v1", "/base/v1"),
        Case("/api*", "/base/", strip: true, "/api/v1", "/base/v1"),
        Case("/api*", "/base", strip: true, "/api/v1", "/base/v1"),
        Case("/api*", "/base", strip: true, "/api", "/base"),
        Case("/api*", "/base/", strip: true, "/api", "/base/"),
        Case("/api*", "/", strip: true, "/api/v1", "/v1"),
        Case("/exact", "/base", strip: true, "/exact", "/base"),
        Case("/user/{id}/x", "", strip: true, "/user/7/x", "/7/x"),
        Case("*", "/base", strip: true, "/v1/chat", "/base/v1/chat"),
        Case("*.json", "", strip: true, "/a.json", "/a.json"),
        Case("*", "", "/", "/"),
        Case("*", "/fixed", "/", "/fixed"),
        Case("*", "", strip: true, "/", "/"),
        Case("*", "/base", strip: true, "/", "/base/"),
    ]

    @Test(arguments: cases) func writes(_ test: Case) throws {
        let scratch = PatternScratch()
        let source = try PathPatternSource(test.pattern)
        let arena = kept(Arena())
        let target = try TargetPath.compile(test.target, stripPrefix: test.strips, pattern: source, in: arena)
        let pattern = source.compile(in: arena)
        // A worker's empty path still has an address.
        let path = test.path.isEmpty ? Bytes(kept("x").pointer, 0) : kept(test.path)
        #expect(pattern.matches(path, scratch: scratch.bytes))
        var result = ""
        target.write(path: path, pattern: pattern, scratch: scratch.bytes, captures: scratch.captures) {
            result += $0.string
        }
        #expect(result == test.result)
    }

    @Test(
        arguments: [
            ("/v1/*", "v1", false, "must begin with \"/\""),
            ("/v1/*", "*", false, "must begin with \"/\""),
            ("/v1/*", "http://x/", false, "must begin with \"/\""),
            ("/v1", "/*", false, "has more \"*\" than match_path"),
            ("/v1/*", "/*/*", false, "has more \"*\" than match_path"),
            ("/{id}", "/*", false, "has more \"*\" than match_path"),
            ("/{id}", "/{name}", false, "names {name}, which match_path has not"),
            ("/{id}", "/{id}/{id}", false, "\"{id}\" stands twice"),
            ("/v1/*", "/a?b=c", false, "may not hold spaces, control characters, \"?\" or \"#\""),
            ("/v1/*", "/a/*", true, "must be a literal path while strip_path_prefix is true"),
            ("/{id}", "/a/{id}", true, "must be a literal path while strip_path_prefix is true"),
        ] as [(String, String, Bool, String)]) func whatDoesNotFit(
            _ pattern: String, _ target: String, _ strips: Bool, _ message: String
        ) throws
    {
        let source = try PathPatternSource(pattern)
        #expect(throws: PatternError(message)) {
            try TargetPath.compile(target, stripPrefix: strips, pattern: source, in: Arena())
        }
    }
}
