import Testing

@testable import LLM

/// Comparing events with the last one must come to what reading them comes to.
struct EventShapeTests {
    private static func feed(_ text: [UInt8], _ cuts: (Int) -> Int, _ shape: EventShape?) -> AnswerReader {
        var reader = AnswerReader(endpoint: .chatCompletions, apiType: .openai, framing: .sse)
        var at = 0
        while at < text.count {
            let n = cuts(text.count - at)
            text.withUnsafeBufferPointer {
                let p = $0.baseAddress! + at
                if let shape { reader.feed(p, n, shape) } else { reader.feed(p, n) }
            }
            at += n
        }
        return reader
    }

    private static func check(_ events: [String], sourceLocation: SourceLocation = #_sourceLocation) {
        let text = Array(events.map { $0 + "\n\n" }.joined().utf8)
        for piece in [1, 7, 50, 200, 333, 100_000] {
            let shape = EventShapes()[3]
            for _ in 0..<2 {
                let plain = feed(text, { min($0, piece) }, nil)
                let shaped = feed(text, { min($0, piece) }, shape)
                #expect(shaped.contentBytes == plain.contentBytes, "pieces of \(piece)", sourceLocation: sourceLocation)
                #expect(shaped.documents == plain.documents, sourceLocation: sourceLocation)
                #expect(shaped.fault == plain.fault, sourceLocation: sourceLocation)
                #expect(shaped.isFinished == plain.isFinished, sourceLocation: sourceLocation)
                #expect(shaped.reported == plain.reported, sourceLocation: sourceLocation)
                #expect(shaped.isAtEventBoundary == plain.isAtEventBoundary, sourceLocation: sourceLocation)
                #expect(
                    shaped.withServedModel { $0.string } == plain.withServedModel { $0.string },
                    sourceLocation: sourceLocation)
            }
        }
    }

    private static func chat(
        _ text: String, id: String = "c1", created: String = "1780000000", model: String = "m", more: String = ""
    ) -> String {
        #"data: {"id":"\#(id)","created":\#(created),"model":"\#(model)","choices":[{"index":0,"delta":{"content":"\#(text)"},"#
            + #""finish_reason":null}],"usage":null\#(more)}"#
    }

    @Test func contentOfAnyKind() {
        Self.check([
            Self.chat("Hello"), Self.chat(""), Self.chat(" wörld \u{1F600}"), Self.chat(#"a\"b\\"#),
            Self.chat(#"\u00e9\n"#),
            Self.chat(String(repeating: "long ", count: 500)), Self.chat("x", id: "c2", created: "17"),
            Self.chat("data: {\\\"choices\\\":[]}"),
        ])
    }

    @Test func whatCountsIsReadAmongIt() {
        Self.check([
            Self.chat("a"), Self.chat("b", more: #","obfuscation":"xyz""#),
            Self.chat("c", more: #","obfuscation":"z""#),
            Self.chat("d", model: "other"), Self.chat("e", model: "other"), Self.chat("f", model: "m"),
            Self.chat("g", more: #","usage":{"prompt_tokens":3,"completion_tokens":1}"#),
            Self.chat("g", more: #","usage":{"prompt_tokens":3,"completion_tokens":2}"#), Self.chat("h"), ": comment",
            Self.chat("i"), #"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
            #"data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":9}}"#, "data: [DONE]",
        ])
    }

    @Test func errorsAndNonsenseAmongIt() {
        Self.check([
            Self.chat("a"), Self.chat("b", created: "012"), Self.chat("c", created: "-1"),
            Self.chat("d", created: "1.5"),
            Self.chat("\u{1}"), Self.chat(#"\x"#), Self.chat("e"), #"data: {"error":{"message":"x","code":503}}"#,
            Self.chat("f"),
        ])
    }

    @Test func otherFormats() {
        func anthropic(_ text: String) -> String {
            "event: content_block_delta\n"
                + #"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\#(text)"}}"#
        }
        Self.check([
            #"data: {"type":"message_start","message":{"model":"m","usage":{"input_tokens":3,"output_tokens":1}}}"#,
            anthropic("Hel"), anthropic("lo"), anthropic(""),
            #"data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}"#,
            #"data: {"type":"message_stop"}"#,
        ])
        func gemini(_ text: String, _ tokens: Int) -> String {
            #"data: {"candidates":[{"content":{"parts":[{"text":"\#(text)"}]}}],"usageMetadata":{"promptTokenCount":\#(tokens)}}"#
        }
        Self.check([gemini("a", 1), gemini("b", 2), gemini("c", 3)])
        func call(_ arguments: String) -> String {
            #"data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\#(arguments)"}}]}}]}"#
        }
        Self.check([call(#"{\"a"#), call(#"\":1}"#), Self.chat("x"), call("2")])
    }

    @Test func aKnownEventIsNotReadAgain() {
        let shape = EventShapes()[0]
        let first = Array((Self.chat("a") + "\n\n").utf8)
        var reader = AnswerReader(endpoint: .chatCompletions, apiType: .openai, framing: .sse)
        // The first is looked at to see what kind of body this is.
        for _ in 0..<2 { first.withUnsafeBufferPointer { reader.feed($0.baseAddress!, $0.count, shape) } }
        let next = Array((Self.chat("quite another", id: "c9") + "\n\n").utf8)
        let other = Array((Self.chat("c", model: "n") + "\n\n").utf8)
        next.withUnsafeBufferPointer { #expect(reader.takeKnown($0.baseAddress!, $0.count, shape) == $0.count) }
        next.withUnsafeBufferPointer { #expect(reader.takeKnown($0.baseAddress!, $0.count - 1, shape) == 0) }
        other.withUnsafeBufferPointer { #expect(reader.takeKnown($0.baseAddress!, $0.count, shape) == 0) }
        #expect(reader.documents == 3)
        // A stream of another model does not take this one's events for its own.
        var fresh = AnswerReader(endpoint: .chatCompletions, apiType: .openai, framing: .sse)
        next.withUnsafeBufferPointer { #expect(fresh.takeKnown($0.baseAddress!, $0.count, shape) == 0) }
    }

    @Test func changedBytesAnywhere() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            var events = (0..<4).map { Array(Self.chat("word \($0)", more: #","obfuscation":"ab""#).utf8) }
            let k = Int.random(in: 1..<4, using: &random)
            let at = Int.random(in: 0..<events[k].count, using: &random)
            events[k][at] = [0x22, 0x5C, 0x7B, 0x7D, 0x30, 0x20, 0x0D, 0x61, 0x2C].randomElement(using: &random)!
            Self.check(events.map { String(decoding: $0, as: UTF8.self) })
        }
    }
}
