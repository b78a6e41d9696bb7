import Testing

@testable import LLM

/// Answers that nobody should send.
struct HostileAnswerTests {
    static let usage = #""usage":{"prompt_tokens":3,"completion_tokens":4}"#
    static let right = TokenUsage(prompt: 3, completion: 4)

    @Test(
        arguments: [
            ("12", 12), ("12.0", 12), ("1.2e1", 12), ("120e-1", 12), ("-0", 0), ("0", 0), ("0.0e5", 0), ("1E3", 1000),
            ("1000000000000", 1_000_000_000_000), ("12.000000000000000000000000", 12),
            ("1000000000001", nil), ("9223372036854775808", nil), ("99999999999999999999999999999999", nil),
            ("-1", nil),
            ("1e400", nil), ("1e-400", nil), ("12.5", nil), ("1.0000000000000000000001", nil), ("1e99999999999", nil),
            ("0e99999999", 0), ("null", nil), ("true", nil), ("\"12\"", nil), ("[12]", nil), ("{\"x\":12}", nil),
        ] as [(String, Int64?)])
    func onlyCountsAreCounts(literal: String, count: Int64?) {
        for piece in [1, 1000] {
            let text = "{\"usage\":{\"prompt_tokens\":\(literal),\"completion_tokens\":5}}"
            let usage = reading(text, framing: .json, piece: piece).reported
            #expect(usage?.prompt == (count ?? 0), "\(literal)")
            #expect(usage?.completion == 5)
        }
    }

    @Test(arguments: [
        "01", "1.", ".5", "1e", "+1", "1.e1", "--1", "nul", "truE", "\"\u{1}\"", "\"\\x\"", "\"\\u12g4\"", "1 2", "'a'",
    ])
    func whatIsNoJSONIsNotBelieved(literal: String) {
        for piece in [1, 1000] {
            let text = "{\"x\":\(literal),\(Self.usage)}"
            #expect(reading(text, framing: .json, piece: piece).reported == nil, "\(literal)")
            // The next event is read again.
            let stream = "data: \(text)\n\ndata: {\(Self.usage)}\n\n"
            #expect(reading(stream, piece: piece).reported == Self.right)
        }
    }

    @Test func ofDuplicatesTheLastCounts() {
        func usage(_ text: String) -> TokenUsage? { reading(text, framing: .json).reported }
        #expect(usage("{\"usage\":{\"prompt_tokens\":9,\"total_tokens\":50},\(Self.usage)}") == Self.right)
        #expect(usage("{\(Self.usage),\"usage\":null}") == nil)
        #expect(usage("{\(Self.usage),\"us\\u0061ge\":5}") == nil)
        #expect(usage(#"{"usage":{"prompt_tokens":9,"prompt_tokens":3,"completion_tokens":4}}"#) == Self.right)
        #expect(
            usage(#"{"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7,"total_tokens":"x"}}"#)
                == Self.right)
    }

    @Test func usageElsewhereIsNotUsage() {
        for text in [
            "{\"x\":{\(usageText)}}", "{\"x\":[{\(usageText)}]}", "{\"choices\":[{\"message\":{\(usageText)}}]}",
            "{\"x\":\"{\(usageText.replacing("\"", with: "\\\""))}\"}", "[[{\"x\":1}]]", "{\"usage\":[[1,2]]}",
        ] {
            #expect(reading(text, framing: .json).reported == nil, "\(text)")
        }
    }

    private var usageText: String { Self.usage }

    @Test func deepNesting() {
        for open in ["[", "{\"a\":", "{\"usage\":", "{\"choices\":[", "[{\"choices\":[{\"delta\":{\"content\":["] {
            let text = String(repeating: open, count: 100_000)
            for piece in [1000, .max] {
                let reader = reading(text, framing: .json, piece: piece)
                #expect(reader.reported == nil)
            }
            let stream = "data: \(text)\n\ndata: {\(Self.usage)}\n\n"
            #expect(reading(stream, piece: 4096).reported == Self.right)
        }
        // As deep as it may be beside what is asked for.
        let deep = String(repeating: "[", count: 500) + String(repeating: "]", count: 500)
        #expect(reading("{\"x\":\(deep),\(Self.usage)}", framing: .json).reported == Self.right)
        let parts = String(repeating: #"{"content":["#, count: 100) + String(repeating: "]}", count: 100)
        #expect(reading("{\"content\":\(parts),\(Self.usage)}", framing: .json).reported == Self.right)
    }

    @Test func aGiantEvent() {
        let giant = String(repeating: "x", count: 4 << 20)
        let text = "data: {\"choices\":[{\"delta\":{\"content\":\"\(giant)\"}}],\(Self.usage)}\n\n"
        let reader = reading(text, piece: 65_536)
        #expect(reader.reported == Self.right && reader.contentBytes == 4 << 20)
    }

    @Test func invalidUTF8AndOddBytes() {
        for bytes in [[0xFF, 0xFE], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF5, 0x80]] as [[UInt8]] {
            var text = Array("data: {\"model\":\"a".utf8) + bytes + Array("b\",\"x".utf8)
            text += bytes + Array("\":\"".utf8) + bytes + Array("\",\(Self.usage)}\n\n".utf8)
            for piece in [1, 1000] {
                var reader = AnswerReader(endpoint: .chatCompletions, apiType: .openai, framing: .sse)
                feed(&reader, text) { min($0, piece) }
                #expect(reader.reported == Self.right)
            }
        }
        #expect(reading("data: {\"x\":\u{0}1,\(Self.usage)}\n\n").reported == nil)
    }

    @Test func surrogatesWithoutTheirHalf() {
        for name in [#"\ud800usage"#, #"us\ud83dage"#, #"usage\udc00"#, #"usage\ud800"#] {
            #expect(reading("{\"\(name)\":{\"prompt_tokens\":3}}", framing: .json).reported == nil)
        }
    }

    /// Whatever comes, however it is cut, a reader says the same of it, and the filter passes what it does not take out.
    @Test func garbageIsReadAlikeHoweverItIsCut() {
        var random = SplitMix(seed: 11)
        let words = [
            "data: ", "data", ":", "\n", "\r\n", "\r", "\n\n", "{", "}", "[", "]", "\"",
            "\"usage\":{\"prompt_tokens\":5}",
            "\"choices\":[", "\"choices\":[]", "\"delta\":{\"content\":\"x\"}", ",", "\\", "\\u00", "41", "1", "-", ".",
            "e9", "null",
            "true", "[DONE]", "é", "\u{FEFF}", "\"error\":{\"code\":429}", "\"model\":\"m\"",
            "\"type\":\"message_start\"", " ",
        ]
        for _ in 0..<3000 {
            var text: [UInt8] = random.next() % 2 == 0 ? Array("data: {".utf8) : []
            for _ in 0..<(1 + random.next() % 30) {
                text += Array(words[Int(random.next() % UInt64(words.count))].utf8)
            }
            let framing = [Framing.sse, .json, .ndjson][Int(random.next() % 3)]
            var whole = AnswerReader(endpoint: .chatCompletions, apiType: .openai, framing: framing)
            feed(&whole, text) { $0 }
            var bytewise = AnswerReader(endpoint: .chatCompletions, apiType: .openai, framing: framing)
            feed(&bytewise, text) { _ in 1 }
            #expect(whole.reported == bytewise.reported && whole.fault == bytewise.fault)
            #expect(whole.documents == bytewise.documents && whole.contentBytes == bytewise.contentBytes)
            #expect(whole.isFinished == bytewise.isFinished && whole.servedModel == bytewise.servedModel)

            let passed = UsageChunkFilterTests.filtered(text) { $0 }
            let inPieces = UsageChunkFilterTests.filtered(text) { min($0, 1 + Int(random.next() % 9)) }
            #expect(passed.text == inPieces.text && passed.removed == inPieces.removed)
            if passed.removed == 0 { #expect(passed.text == text) }
        }
    }
}
