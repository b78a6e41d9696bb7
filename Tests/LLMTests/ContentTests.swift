import Testing

@testable import LLM

/// What counts as something said: only then is a stream its provider's own, and paid for.
struct ContentTests {
    private static func event(_ delta: String) -> String { #"{"choices":[{"index":0,"delta":\#(delta)}]}"# }
    private static func part(_ part: String) -> String {
        #"{"candidates":[{"content":{"role":"model","parts":[\#(part)]},"index":0}]}"#
    }
    private static func block(_ block: String) -> String {
        #"{"type":"content_block_start","index":0,"content_block":\#(block)}"#
    }
    private static func item(_ item: String) -> String {
        #"{"type":"response.output_item.added","output_index":0,"item":\#(item)}"#
    }

    static let empty: [(Endpoint, String)] = [
        (.chatCompletions, event(#"{"role":"assistant","content":""}"#)),
        (.chatCompletions, event(#"{"role":"assistant","content":null,"refusal":null,"audio":null,"tool_calls":[]}"#)),
        (.chatCompletions, event(#"{"content":"","reasoning":null,"reasoning_details":[],"images":[]}"#)),
        (
            .chatCompletions,
            event(#"{"reasoning_details":[{"type":"reasoning.text","text":"","format":"x","index":0,"id":"r"}]}"#)
        ),
        (.chatCompletions, event(#"{"content":"","provider_specific_fields":{"a":{"b":[null,0,true,""]}}}"#)),
        (.chatCompletions, #"{"choices":[],"prompt_filter_results":[{"content_filter_results":{"hate":"safe"}}]}"#),
        (
            .chatCompletions,
            #"{"choices":[{"index":0,"delta":{"content":""},"content_filter_results":{"hate":{"severity":"safe"}}}]}"#
        ),
        (
            .messages,
            #"{"type":"message_start","message":{"id":"m","role":"assistant","content":[],"stop_reason":null}}"#
        ),
        (.messages, block(#"{"type":"text","text":"","citations":null}"#)),
        (.messages, block(#"{"type":"thinking","thinking":"","signature":""}"#)),
        (.messages, #"{"type":"ping"}"#),
        (.geminiStream, part(#"{"text":""}"#)),
        (.geminiStream, part(#"{"text":"","thought":true,"inlineData":{"mimeType":"image/png","data":""}}"#)),
        (.responses, #"{"type":"response.created","response":{"id":"r","status":"in_progress","output":[]}}"#),
        (.responses, item(#"{"id":"m","type":"message","status":"in_progress","content":[],"role":"assistant"}"#)),
        (.responses, item(#"{"id":"r","type":"reasoning","summary":[]}"#)),
        (.responses, item(#"{"id":"w","type":"web_search_call","status":"in_progress"}"#)),
        (
            .responses,
            #"{"type":"response.content_part.added","part":{"type":"output_text","text":"","annotations":[]}}"#
        ),
        (.responses, #"{"type":"response.image_generation_call.generating","item_id":"i","output_index":0}"#),
    ]

    @Test(arguments: [1, 7, .max])
    func anOpeningSaysNothing(piece: Int) {
        for (endpoint, text) in Self.empty {
            let reader = reading("data: \(text)\n\n", endpoint: endpoint, piece: piece)
            #expect(!reader.contentSeen && reader.documents == 1 && reader.fault == .none, "\(text)")
        }
    }

    /// Beside a delta the same members repeat what was told.
    @Test func whatIsToldTwiceIsContentOnce() {
        let text = #"{"type":"response.output_text.done","text":"four","output_index":0}"#
        #expect(!reading("data: \(text)\n\n", endpoint: .responses).contentSeen)
        let end = #"{"event_type":"stream-end","response":{"text":"four"},"is_finished":true}"#
        #expect(!reading("data: \(end)\n\n", endpoint: .nativeChat).contentSeen)
    }

    /// An advisor tells why its own advice ended.
    @Test(arguments: [1, 7, .max])
    func aReasonWithinContentEndsNothing(piece: Int) {
        let advice = #"{"type":"advisor_tool_result","content":{"type":"x","text":"four","stop_reason":"end_turn"}}"#
        let reader = reading("data: \(Self.block(advice))\n\n", endpoint: .messages, piece: piece)
        #expect(reader.contentSeen && !reader.isFinished)
        let usage = reader.settled(promptEstimate: 9, isWhole: false)
        #expect(usage == TokenUsage(prompt: 9, completion: 1, estimated: true))
        for end in [
            #"{"type":"message_delta","delta":{"stop_reason":"end_turn"}}"#,
            #"{"type":"message_start","message":{"content":[],"stop_reason":"tool_use"}}"#,
        ] {
            #expect(reading("data: \(end)\n\n", endpoint: .messages, piece: piece).isFinished, "\(end)")
        }
    }

    /// What is said; tokens that it is estimated at.
    static let said: [(Endpoint, String, Int64)] = [
        (.chatCompletions, event(#"{"content":"four"}"#), 1),
        (.chatCompletions, event(#"{"audio":{"id":"a","transcript":"he"}}"#), 1),
        (.chatCompletions, event(#"{"audio":{"id":"a","data":"AAAA","expires_at":1}}"#), 1),
        (.chatCompletions, event(#"{"content":"","images":[{"type":"image_url","image_url":{"url":"data:x"}}]}"#), 1),
        (.chatCompletions, event(#"{"reasoning_details":[{"type":"reasoning.encrypted","data":"abc"}]}"#), 1),
        (.chatCompletions, event(#"{"content":"","something_new":[{"deep":{"er":["x"]}}]}"#), 1),
        (.chatCompletions, event(#"{"annotations":[{"type":"url_citation","url_citation":{"url":"u"}}]}"#), 1),
        (.messages, block(#"{"type":"redacted_thinking","data":"abcd"}"#), 1),
        (.messages, block(#"{"type":"server_tool_use","id":"s","name":"web_search","input":{}}"#), 3),
        (
            .messages,
            block(#"{"type":"web_search_tool_result","tool_use_id":"s","content":[{"type":"r","url":"u"}]}"#), 1
        ),
        (.messages, #"{"type":"content_block_delta","delta":{"type":"signature_delta","signature":"Eq"}}"#, 1),
        (.messages, #"{"type":"content_block_delta","delta":{"type":"citations_delta","citation":{"cited":"x"}}}"#, 1),
        (.geminiStream, part(#"{"inlineData":{"mimeType":"image/png","data":"AAAA"}}"#), 1),
        (.geminiStream, part(#"{"codeExecutionResult":{"outcome":"OUTCOME_OK"}}"#), 1),
        (.geminiStream, part(#"{"fileData":{"mimeType":"x/y","fileUri":"gs://x"}}"#), 1),
        (.geminiStream, part(#"{"text":"","thoughtSignature":"abc"}"#), 1),
        (.responses, #"{"type":"response.image_generation_call.partial_image","partial_image_b64":"AAAA"}"#, 1),
        (.responses, #"{"type":"response.output_audio.delta","delta":"AAAA"}"#, 1),
        (.responses, #"{"type":"response.mcp_call_arguments.delta","delta":"{"}"#, 1),
        (.responses, item(#"{"id":"f","type":"function_call","name":"f","arguments":""}"#), 1),
        (.responses, item(#"{"id":"r","type":"reasoning","summary":[],"encrypted_content":"gA"}"#), 1),
        (.nativeChat, #"{"message":{"role":"assistant","content":"","images":["AAAA"]},"done":false}"#, 1),
        (.nativeChat, #"{"model":"m","response":"","thinking":"four","done":false}"#, 1),
        // What stands in the answer itself: Cohere's first API, and models' own on Bedrock.
        (.nativeChat, #"{"is_finished":false,"event_type":"text-generation","text":"four"}"#, 1),
        (.nativeChat, #"{"event_type":"tool-calls-generation","tool_calls":[{"name":"four"}]}"#, 1),
        (.nativeChat, #"{"event_type":"tool-calls-chunk","tool_call_delta":{"name":"four"}}"#, 1),
        (.modelInvoke, #"{"generation":"four","prompt_token_count":null,"stop_reason":null}"#, 1),
        (.modelInvoke, #"{"outputText":"four","index":0,"completionReason":null}"#, 1),
        (.modelInvoke, #"{"completion":"four","stop_reason":null,"stop":null}"#, 1),
        (.modelInvoke, #"{"generations":[{"id":"g","text":"four"}]}"#, 1),
        (.modelInvoke, #"{"contentBlockDelta":{"delta":{"text":"four"},"contentBlockIndex":0}}"#, 1),
    ]

    @Test(arguments: [1, 7, .max])
    func whateverElseIsThereIsContent(piece: Int) {
        for (endpoint, text, tokens) in Self.said {
            let reader = reading("data: \(text)\n\n", endpoint: endpoint, piece: piece)
            #expect(reader.contentSeen && reader.documents == 1, "\(text)")
            let usage = reader.settled(promptEstimate: 9, isWhole: false)
            #expect(usage?.completion == tokens && usage?.estimated == true, "\(text)")
        }
    }

    /// Base64 is no text: a thousand bytes of it count as a token.
    @Test(arguments: [1, 700, .max])
    func picturesAndSoundAreNotEstimatedAsText(piece: Int) {
        let data = String(repeating: "A", count: 100_000)
        for (endpoint, text) in [
            (Endpoint.geminiStream, Self.part(#"{"inlineData":{"mimeType":"image/png","data":"\#(data)"}}"#)),
            (.chatCompletions, Self.event(#"{"audio":{"id":"a","data":"\#(data)"}}"#)),
            (.responses, #"{"type":"response.output_audio.delta","delta":"\#(data)"}"#),
            (.responses, #"{"type":"response.audio.delta","delta":"\#(data)"}"#),
            (.responses, #"{"type":"response.image_generation_call.partial_image","partial_image_b64":"\#(data)"}"#),
        ] {
            let reader = reading("data: \(text)\n\n", endpoint: endpoint, piece: piece)
            #expect(reader.settled(promptEstimate: 9, isWhole: false)?.completion == 100)
        }
        // Too deep to be looked into is content too.
        let deep = String(repeating: "[", count: 30) + "\"x\"" + String(repeating: "]", count: 30)
        #expect(reading("data: \(Self.event("{\"x\":\(deep)}"))\n\n", piece: piece).contentSeen)
    }

    // MARK: Leaving

    @Test func whoeverLeavesPaysForWhatWasAsked() {
        for text in ["", ": ping\n\n", "data: \(Self.event(#"{"role":"assistant"}"#))\n\n"] {
            let reader = reading(text)
            #expect(reader.settled(promptEstimate: 9, isWhole: false) == nil)
            let usage = reader.settled(promptEstimate: 9, isWhole: false, wasLeft: true)
            #expect(usage?.prompt == 9 && usage?.completion == 0 && usage?.estimated == true)
        }
        let embedding = reading("", endpoint: .embeddings, framing: .json)
        #expect(embedding.settled(promptEstimate: 9, isWhole: false, wasLeft: true)?.total == 9)
        #expect(reading("", endpoint: .images).settled(promptEstimate: 9, isWhole: false, wasLeft: true) == nil)
        let failed = reading(#"data: {"error":{"message":"x"}}"# + "\n\n")
        #expect(failed.settled(promptEstimate: 9, isWhole: false, wasLeft: true) == nil)
    }

    // MARK: What cannot be read

    @Test func theSizeOfWhatCannotBeReadIsEstimated() {
        var reader = AnswerReader(endpoint: .chatCompletions, apiType: .openai, framing: .json)
        reader.cannotRead()
        feed(&reader, [UInt8](repeating: 0x28, count: 401)) { min($0, 100) }
        let usage = reader.settled(promptEstimate: 9)
        #expect(usage?.prompt == 9 && usage?.completion == 101 && usage?.estimated == true && reader.contentSeen)
        var embeddings = AnswerReader(endpoint: .embeddings, apiType: .openai, framing: .json)
        embeddings.cannotRead()
        feed(&embeddings, [UInt8](repeating: 0x28, count: 400)) { $0 }
        #expect(embeddings.settled(promptEstimate: 9)?.total == 9)
    }

    @Test(arguments: [[0xFF, 0xFE, 0x7B, 0], [0xFE, 0xFF, 0, 0x7B], [0, 0x7B, 0, 0x7D]] as [[UInt8]])
    func otherEncodings(bytes: [UInt8]) {
        var reader = AnswerReader(endpoint: .chatCompletions, apiType: .openai, framing: .json)
        feed(&reader, bytes) { _ in 1 }
        #expect(reader.settled(promptEstimate: 9) == TokenUsage(prompt: 9, completion: 1, estimated: true))
    }

    // MARK: Where another event may stand

    @Test func whatAnEventLacks() {
        let whole = #"data: {"choices":[{"delta":{"content":"a"}}]}"#
        let cases: [(String, Int?)] = [
            ("", 0), (whole + "\n\n", 0), (whole + "\n", 1), (whole, 2), (whole + "\r", 2), (whole + "\r\n", 1),
            (whole + "\r\n\r", 0), (whole + "\n\n: pin", 2), (whole + "\n\n: ping\n", 0), (whole + "\n\nevent: x", 2),
            (whole + "\n\nda", 2), (whole + "\n\ndata", nil), (whole + "\n\ndata:", nil), (whole + "\n\ndata: ", nil),
            (whole + "\n\ndata: [DO", nil), (whole + "\n\n" + whole.dropLast(), nil), (whole + "\n\ndata: {\"a", nil),
            (whole + "\nid: 1", 2), ("data: {x", nil),
        ]
        for (text, missing) in cases {
            #expect(reading(text).lineFeedsToBoundary == missing, "\(text.debugDescription)")
            guard let missing else { continue }
            // Nothing comes of it but what is whole, and another event is read after it.
            let reader = reading(text + String(repeating: "\n", count: missing) + "data: {\"error\":{}}\n\n")
            let documents: UInt32 = text.contains("a\"}}]}") ? 2 : 1
            #expect(reader.fault != .none && reader.documents == documents, "\(text.debugDescription)")
        }
        #expect(reading("{\"choices\":[]}", framing: .json).lineFeedsToBoundary == nil)
    }

    @Test func aReasonToFinishIsNotTheEnd() {
        let finish = #"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"# + "\n\n"
        #expect(reading(finish).isFinished && !reading(finish).sawLastEvent)
        #expect(reading(finish + "data: [DONE]\n\n").sawLastEvent)
        #expect(reading("data: {\"type\":\"message_stop\"}\n\n", endpoint: .messages).sawLastEvent)
        #expect(reading("data: {\"type\":\"response.failed\"}\n\n", endpoint: .responses).sawLastEvent)
    }
}
