import Testing

@testable import JSON

@Suite struct JSONTextTests {
    private func equals(_ raw: String, _ text: String) -> Bool {
        let a = Array(raw.utf8) + [0]
        let b = Array(text.utf8) + [0]
        return JSONText.equalsUnescaped(a, a.count - 1, b, b.count - 1)
    }

    private func unescape(_ raw: String) -> String? {
        let bytes = Array(raw.utf8) + [0]
        return JSONText.unescape(bytes, bytes.count - 1).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test func equality() {
        #expect(equals("gpt-4o", "gpt-4o"))
        #expect(equals("", ""))
        #expect(!equals("gpt-4o", "gpt-4"))
        #expect(!equals("gpt-4", "gpt-4o"))
        #expect(equals(#"gpt\u002D4o"#, "gpt-4o"))
        #expect(equals(#"a\/b\n\t\"\\"#, "a/b\n\t\"\\"))
        #expect(equals(#"\u00e9\u6f22\ud83d\ude00"#, "é漢😀"))
        #expect(!equals(#"\ud83d"#, "\u{fffd}"))
        #expect(!equals(#"\ude00\ud83d"#, "😀"))
        #expect(!equals(#"a\"#, "a"))
        #expect(!equals(#"a\u00"#, "a"))
        #expect(!equals(#"\x61"#, "a"))
        #expect(!equals("a\n", "a\n"))
        #expect(!equals(#"\u00e9"#, "\u{c3}"))
    }

    @Test func unescaping() {
        #expect(unescape(#"a\u0062c\ud83d\ude00\r"#) == "abc😀\r")
        #expect(unescape("") == "")
        for bad in [#"\"#, #"\u12"#, #"\ud800"#, #"\ud800\u0041"#, #"\udc00"#, #"\q"#, "\u{7}"] {
            #expect(unescape(bad) == nil, "\(bad)")
        }
    }

    @Test func escapingComesBack() throws {
        for text in [
            "", "plain", "\"\\/\u{8}\u{c}\n\r\t", (0..<0x80).map { String(UnicodeScalar(UInt8($0))) }.joined(),
            "é漢😀\u{2028}",
        ] {
            var out: [UInt8] = []
            JSONText.escape(text, into: &out)
            #expect(try JSONValue(parsing: out).stringValue == text)
            #expect(unescape(String(decoding: out.dropFirst().dropLast(), as: UTF8.self)) == text)
        }
        var out: [UInt8] = []
        JSONText.escape("\u{1f}\n", into: &out)
        #expect(String(decoding: out, as: UTF8.self) == #""\u001f\n""#)
    }

    @Test func scalars() throws {
        func equals(_ raw: String, _ value: JSONValue) throws -> Bool {
            let scalar = try #require(JSONScalarStorage(value))
            let bytes = Array(raw.utf8)
            let kind = try JSONValue(parsing: raw).memberKind
            return JSONText.equalsScalar(kind, bytes, bytes.count, scalar.view)
        }
        #expect(try equals(#""a\u0062""#, "ab"))
        #expect(try !equals(#""ab""#, "abc"))
        #expect(try !equals(#""1""#, 1))
        #expect(try equals("1.0", 1))
        #expect(try equals("10e-1", 1))
        #expect(try !equals("1.0000000000000000001", 1))
        #expect(try equals("-0", 0))
        #expect(try equals("true", true))
        #expect(try !equals("false", true))
        #expect(try equals("null", nil))
        #expect(try !equals("[]", nil))
        #expect(JSONScalarStorage([]) == nil)
        #expect(JSONScalarStorage([:]) == nil)
    }

    @Test func capturedScalars() throws {
        let table = try #require(MemberNameTable(["model"]))
        let long = String(repeating: "m", count: 200)
        var capture = MemberCapture()
        func scan(_ model: String) -> [UInt8] {
            let body = Array("{\"model\":\"\(model)\"}".utf8)
            var scanner = MemberScanner()
            capture = MemberCapture()
            #expect(scanner.feed(body, body.count, table: table.pointer, captures: &capture) == .finished)
            return body
        }
        let short = try #require(JSONScalarStorage("gpt"))
        _ = scan("gpt")
        #expect(JSONText.equalsScalar(&capture, body: nil, short.view))
        _ = scan("gpt4")
        #expect(!JSONText.equalsScalar(&capture, body: nil, short.view))
        let wanted = try #require(JSONScalarStorage(.string(long)))
        let body = scan(long)
        #expect(!capture.isInline)
        #expect(JSONText.equalsScalar(&capture, body: body, wanted.view))
        #expect(!JSONText.equalsScalar(&capture, body: nil, wanted.view))
        capture = MemberCapture()
        #expect(!JSONText.equalsScalar(&capture, body: nil, short.view))
    }
}
