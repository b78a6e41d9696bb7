import Testing

@testable import HTTP

@Suite struct TargetPolicyTests {
    let memory = GuardedMemory(capacity: 4096)

    func check(_ path: String) -> HTTPFailureCode? {
        let bytes = latin1(path)
        return TargetPolicy.check(memory.placeAtEnd(bytes[...]), bytes.count)?.code
    }

    @Test func allows() {
        for path in [
            "/", "", "*", "/v1/chat/completions", "//a//b", "/a.b/c..d/...", "/a/...", "/.well-known/x", "/..a", "/a..",
            "/a%2fb",
            "/%c3%a9", "/a%0d%0aX:%20y", "/a%5cb", "/a;x=1/b", "/a;..", "/%252e%252e/", "/a.%2e.b",
            "/v1beta/models/gemini-1.5:generateContent",
            "/with_\"lovely\"_quotes", "/a|b^c`{}<>", "/%2e%2e%2e/", "/a/;..",
        ] {
            #expect(check(path) == nil, "\(path)")
        }
    }

    @Test(arguments: [
        ("/..", HTTPFailureCode.dotSegment), ("/.", .dotSegment), ("/a/../b", .dotSegment), ("/a/./b", .dotSegment),
        ("/../../etc", .dotSegment), ("/%2e%2e/b", .dotSegment), ("/a/%2E%2E/b", .dotSegment), ("/a/.%2e", .dotSegment),
        ("/%2e", .dotSegment), ("/a/..%2fb", .dotSegment), ("/a%2f..", .dotSegment), ("/a%2F%2e%2e%2Fb", .dotSegment),
        ("/a%5c..%5cb", .dotSegment), ("/..%5c", .dotSegment), ("/..;/b", .dotSegment), ("/a;x=1/../b", .dotSegment),
        ("/.;x", .dotSegment), ("/a/..%3b/b", .dotSegment), ("/a/..;x/y", .dotSegment),
        ("/v1/chat/completions/with/a/long/path/..", .dotSegment),
        ("..", .dotSegment),
        ("/a\\b", .backslashInPath), ("/a\\..\\b", .backslashInPath), ("/%", .invalidPercentEncoding),
        ("/%z", .invalidPercentEncoding),
        ("/%zz", .invalidPercentEncoding), ("/%2", .invalidPercentEncoding), ("/%2g", .invalidPercentEncoding),
        ("/a%%41", .invalidPercentEncoding),
        ("/%00", .encodedNUL), ("/a%00b", .encodedNUL), ("/a#b", .fragmentInTarget), ("/a b", .invalidTarget),
        ("/a\u{1}", .invalidTarget),
        ("/\u{7f}", .invalidTarget), ("/\u{e9}", .invalidTarget), ("/a\0", .invalidTarget),
    ])
    func refuses(_ path: String, _ code: HTTPFailureCode) {
        #expect(check(path) == code)
        // The same further along, where another vector step looks.
        #expect(check("/" + String(repeating: "x", count: 29) + (path.hasPrefix("/") ? "" : "/") + path) == code)
        #expect(TargetPolicy.check(memory.placeAtEnd(latin1(path)[...]), latin1(path).count)?.status == 400)
    }

    func normalForm(_ path: String) -> String? {
        let bytes = latin1(path)
        var out = [UInt8](repeating: 0, count: bytes.count)
        let p = memory.placeAtEnd(bytes[...])
        guard
            let count = out.withUnsafeMutableBufferPointer({
                TargetPolicy.normalForm(p, bytes.count, into: $0.baseAddress!)
            })
        else { return nil }
        return String(decoding: out[..<count], as: UTF8.self)
    }

    @Test(arguments: [
        ("/v1/models", "/v1/models"), ("//v1///models/", "/v1/models/"), ("/v1/%6dodels", "/v1/models"),
        ("/v1%2fmodels", "/v1/models"), ("/v1%5Cmodels", "/v1/models"), ("/v1;a=b/models;c", "/v1/models"),
        ("/a%252fb", "/a/b"), ("/a%25252fb", "/a/b"), ("/a%20b", "/a%20b"), ("/a%25b", "/a%b"), ("/a%2", "/a%2"),
        ("/a%3bb/c", "/a%3bb/c"), ("/%c3%a9", "/%c3%a9"), ("/a%2f%2fb", "/a/b"), ("/;x/a", "/a"),
    ])
    func hasANormalForm(_ path: String, _ form: String) { #expect(normalForm(path) == form) }

    @Test(arguments: [
        "/a/%252e%252e/b", "/a%252f..%252fb", "/a/.;x/b", "/%25252e%25252e", "/a/%2500",
        // Behind a percent sign that begins no escape once its own is undone.
        "/%25zz/%252e%252e/b", "/%25/a%252f.%252e/b", "/a%25/%252500",
    ])
    func hasNoNormalForm(_ path: String) { #expect(normalForm(path) == nil) }

    @Test(arguments: ["//a", "/a//b", "/aaaaaaaaaaaaaaa//b", "/aaaaaaaaaaaaaaaa//b", "/a;b", "/a%20", "/v1/models//"])
    func isNotPlain(_ path: String) {
        let bytes = latin1(path)
        #expect(!TargetPolicy.isPlain(memory.placeAtEnd(bytes[...]), bytes.count))
    }

    @Test func plainPaths() {
        for length in 1...70 {
            let bytes = latin1("/" + String(repeating: "a/", count: length / 2) + "b.c")
            #expect(TargetPolicy.isPlain(memory.placeAtEnd(bytes[...]), bytes.count))
        }
    }
}
