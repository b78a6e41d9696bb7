import Testing

@testable import JSON

@Suite struct SchemaPatternTests {
    private func matches(_ pattern: String, _ text: String) throws -> Bool {
        let compiled = try SchemaPattern(pattern)
        let runner = try #require(PatternRunner())
        switch runner.run(compiled, text) {
        case .match: return true
        case .noMatch: return false
        case .limit:
            Issue.record("the limit was reached")
            return false
        }
    }

    @Test(arguments: [
        ("^a$", "a", true), ("^a$", "a\n", false), ("^a", "b\na", false), ("b", "abc", true),
        (#"^\d+$"#, "0123", true), (#"^\d+$"#, "\u{09ea}", false), (#"^\D$"#, "\u{09ea}", true),
        (#"^\w$"#, "é", false), (#"^\W$"#, "é", true), (#"^[\w-]+$"#, "gpt-4o", true), (#"^\s$"#, "\u{a0}", true),
        (#"^\s$"#, "\u{feff}", true), (#"^\s$"#, "\u{2029}", true), (#"^\s$"#, "\u{180e}", false),
        (#"^\S$"#, "\u{3000}", false),
        (#"^[\s]$"#, "\u{3000}", true), (#"^[\S]$"#, "\u{3000}", false), (#"^[\Sx]$"#, "漢", true),
        (#"^[^\S]$"#, " ", true),
        (#"^\cA$"#, "\u{1}", true), (#"^\cz$"#, "\u{1a}", true), (#"^\x41\u0042\u{43}$"#, "ABC", true),
        (#"^\ud83d\udc32$"#, "🐲", true), (#"^\u{1F432}$"#, "🐲", true), ("^.$", "🐲", true), ("^.$", "\u{2028}", false),
        ("^.$", "\r", false), (#"^\v\0$"#, "\u{b}\0", true), (#"^[\b]$"#, "\u{8}", true),
        (#"\bfoo\b"#, "a foo b", true),
        (#"\bfoo\b"#, "afoo", false), ("^[[:alpha:]]$", "a]", true), ("^[[]$", "[", true), ("^[^]$", "\n", true),
        ("[]", "x", false),
        (#"^\p{Letter}+$"#, "Hé漢", true), (#"^\p{Lu}$"#, "É", true), (#"^\P{L}$"#, "1", true),
        (#"^[\p{Nd}_]+$"#, "1_\u{09ea}", true),
        (#"^\p{Script=Greek}+$"#, "αβ", true), (#"^\p{sc=Greek}$"#, "a", false),
        (#"^\p{General_Category=Decimal_Number}$"#, "7", true),
        (#"^\p{Alphabetic}$"#, "é", true), (#"^(?<y>\d)\k<y>\1$"#, "777", true), ("^(?:ab){2,3}?c$", "ababc", true),
        ("^a{,2}$", "a{,2}", true),
        ("^x{y}]$", "x{y}]", true), (#"^(?=a)(?!b)\w(?<=a)(?<!b)$"#, "a", true), (#"^\/\-\@\.\_$"#, "/-@._", true),
        ("^(a)?\\1$", "", true),
        ("^(x|)*$", "xx", true), (#"^\$\^\(\)\*\{\}\|$"#, "$^()*{}|", true), ("^a|b$", "xb", true),
        ("#x y", "a#x y", true), ("", "any", true),
        ("^[a-cx-]+$", "ab-x", true), (#"^[\]\\\[]+$"#, "]\\[", true), ("é+", "éé", true),
    ])
    func flavour(_ pattern: String, _ text: String, _ expected: Bool) throws {
        #expect(try matches(pattern, text) == expected, "\(pattern)")
    }

    @Test(arguments: [
        "^(abc]", "(", ")", "[a", "*a", "a**", "a*+", "a++", "a{1}+", "(?i)a", "(?>a)", "(?P<n>a)", "(?R)", "(?#c)",
        "(*UTF)a",
        "(*LIMIT_MATCH=1)a", #"\A"#, #"\Z"#, #"\z"#, #"\Q"#, #"\K"#, #"\h"#, #"\R"#, #"\X"#, #"\a"#, #"\e"#, #"\G"#,
        #"\C"#, "\\", #"\x1"#,
        #"\u12"#, #"\u{110000}"#, #"\u{}"#, #"\ud800"#, #"\c1"#, #"\p"#, #"\p{"#, #"\p{Nope}"#, #"\p{^L}"#,
        #"\p{sc=Nope}"#, #"\2(a)"#, #"\k<x>"#,
        "(?<>a)", "(?<a(b)", "[z-a]", #"[\B]"#, #"[\1]"#, "a{2,1}", #"\01"#, "(?", "^*",
    ])
    func refused(_ pattern: String) {
        #expect(throws: SchemaPattern.Failure.self) { try SchemaPattern(pattern) }
    }

    @Test func longPatternsAreRefused() {
        #expect(throws: SchemaPattern.Failure.self) { try SchemaPattern(String(repeating: "a", count: 5000)) }
        #expect(throws: SchemaPattern.Failure.self) { try SchemaPattern("((((a{1000}){1000}){1000}){1000})") }
        #expect(throws: SchemaPattern.Failure.self) {
            try SchemaPattern(String(repeating: "(", count: 1000) + String(repeating: ")", count: 1000))
        }
    }

    @Test func catastrophicPatternsHitTheLimit() throws {
        let pattern = try SchemaPattern("^(a+)+$")
        let runner = try #require(PatternRunner())
        let text = String(repeating: "a", count: 40) + "b"
        for _ in 0..<20 { #expect(runner.run(pattern, text) == .limit) }
        #expect(runner.run(pattern, String(repeating: "a", count: 1000)) == .match)
        // Long texts and patterns without trouble stay well within it.
        let long = String(repeating: "lorem ipsum dolor ", count: 20_000)
        #expect(runner.run(try SchemaPattern("sit amet"), long) == .noMatch)
        #expect(runner.run(try SchemaPattern(#"^[\w ]+$"#), long) == .match)
        #expect(runner.run(try SchemaPattern("^.*$"), long) == .match)
    }

    /// One body cannot make the validator pay again and again, and `not` does not turn the limit into success.
    @Test func limitsFailTheValidation() throws {
        let text = String(repeating: "a", count: 40) + "b"
        let negated = try JSONSchema.compile(["not": ["pattern": "^(a+)+$"]])
        #expect(!negated.validate(.string(text)))
        #expect(negated.firstFailure(.string(text)) == ": the work limit was reached")
        #expect(negated.validate("b"))
        let each = try JSONSchema.compile(["items": ["not": ["pattern": "^(a+)+$"]]])
        #expect(!each.validate(.array(Array(repeating: .string(text), count: 1000))))
    }
}
