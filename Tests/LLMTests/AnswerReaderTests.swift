import Testing

@testable import LLM

/// What each API's documentation says of its answers.
struct AnswerReaderTests {
    private func expect(_ usage: TokenUsage, _ text: String, _ endpoint: Endpoint, _ framing: Framing) {
        for piece in [1, 3, 10, 64, Int.max] {
            let reader = reading(text, endpoint: endpoint, framing: framing, piece: piece)
            #expect(reader.settled(promptEstimate: 99) == usage, "pieces of \(piece)")
        }
        let bytes = Array(text.utf8)
        for cut in 1..<bytes.count {
            var reader = AnswerReader(endpoint: endpoint, apiType: .openai, framing: framing)
            var first = true
            feed(&reader, bytes) { rest in
                defer { first = false }
                return first ? cut : rest
            }
            #expect(reader.settled(promptEstimate: 99) == usage, "cut at \(cut)")
        }
    }

    @Test func openAIChat() {
        expect(
            TokenUsage(prompt: 19, completion: 10, cached: 8, reasoning: 4),
            """
            {"id":"c","object":"chat.completion","model":"gpt-4o-2024-08-06","choices":[{"index":0,"message":
            {"role":"assistant","content":"Hi \\"usage\\""},"finish_reason":"stop"}],"usage":{"prompt_tokens":19,
            "completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":8,"audio_tokens":0},
            "completion_tokens_details":{"reasoning_tokens":4}},"service_tier":"default"}
            """, .chatCompletions, .json)
    }

    @Test(arguments: ["\n", "\r\n", "\r"])
    func openAIStreams(lineEnd: String) {
        let text = [
            ": OPENROUTER PROCESSING", "",
            #"data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"Hello"}}],"usage":null}"#, "",
            #"data: {"id":"c","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#, "",
            #"data: {"id":"c","model":"m","choices":[],"#,
            #"data:  "usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}"#, "",
            "data: [DONE]", "", "",
        ].joined(separator: lineEnd)
        expect(TokenUsage(prompt: 5, completion: 2), text, .chatCompletions, .sse)
        let reader = reading(text)
        #expect(reader.isFinished && reader.contentSeen && reader.documents == 3 && reader.isAtEventBoundary)
        #expect(reader.servedModel == "m" && reader.fault == .none)
    }

    @Test func groqsUsageStandsAside() {
        let aside =
            #"data: {"choices":[{"delta":{},"finish_reason":"stop"}],"x_groq":{"id":"r","usage":{"prompt_tokens":4,"completion_tokens":6}}}"#
        expect(TokenUsage(prompt: 4, completion: 6), aside + "\n\ndata: [DONE]\n\n", .chatCompletions, .sse)
        let own = #"data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":7}}"#
        for text in [aside + "\n\n" + own, own + "\n\n" + aside] {
            #expect(reading(text + "\n\n").reported == TokenUsage(prompt: 5, completion: 7))
        }
        let both =
            #"data: {"x_groq":{"usage":{"prompt_tokens":4,"completion_tokens":6}},"usage":{"prompt_tokens":5,"completion_tokens":7},"choices":[]}"#
        let nulled = #"data: {"x_groq":{"usage":{"prompt_tokens":4,"completion_tokens":6}},"usage":null,"choices":[]}"#
        let turned =
            #"data: {"usage":{"prompt_tokens":5,"completion_tokens":7},"x_groq":{"usage":{"prompt_tokens":4}},"choices":[]}"#
        #expect(reading(both + "\n\n").reported?.prompt == 5)
        #expect(reading(nulled + "\n\n").reported?.prompt == 4)
        #expect(reading(turned + "\n\n").reported?.prompt == 5)
    }

    @Test func theLastOfRepeatedReportsCounts() {
        let text = (1...3).map {
            #"data: {"choices":[{"delta":{"content":"x"}}],"usage":{"prompt_tokens":5,"completion_tokens":\#($0)}}"#
                + "\n\n"
        }
        #expect(reading(text.joined()).reported == TokenUsage(prompt: 5, completion: 3))
    }

    static let anthropicStart = """
        event: message_start
        data: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[],"usage":{"input_tokens":10,"cache_creation_input_tokens":20,"cache_read_input_tokens":30,"output_tokens":1}}}

        event: content_block_delta
        data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"twelve bytes"}}


        """

    @Test func anthropicStreams() {
        let end = """
            event: message_delta
            data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15}}

            event: message_stop
            data: {"type":"message_stop"}


            """
        expect(
            TokenUsage(prompt: 60, completion: 15, cached: 30, cacheWrite: 20), Self.anthropicStart + end, .messages,
            .sse)
        // Cumulative: a second one replaces the first, in what it has.
        let twice = """
            data: {"type":"message_delta","delta":{},"usage":{"input_tokens":11,"output_tokens":7}}


            """
        expect(
            TokenUsage(prompt: 61, completion: 15, cached: 30, cacheWrite: 20), Self.anthropicStart + twice + end,
            .messages,
            .sse)
    }

    @Test func anthropicThatBrokeOffIsEstimated() {
        expect(
            TokenUsage(prompt: 60, completion: 3, cached: 30, cacheWrite: 20, estimated: true), Self.anthropicStart,
            .messages, .sse)
        let error =
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"
        let reader = reading(Self.anthropicStart + error, endpoint: .messages)
        #expect(reader.fault == .overloaded && !reader.isFinished)
        #expect(reader.settled(promptEstimate: 5)?.estimated == true)
    }

    @Test(arguments: ["completed", "incomplete", "failed"])
    func responses(how: String) {
        let text = """
            event: response.created
            data: {"type":"response.created","response":{"id":"r","status":"in_progress","model":"gpt-5","usage":null}}

            event: response.output_text.delta
            data: {"type":"response.output_text.delta","item_id":"i","delta":"Hello"}

            event: response.\(how)
            data: {"type":"response.\(how)","response":{"id":"r","status":"\(how)","model":"gpt-5","output":[{"type":"message","content":[{"type":"output_text","text":"Hello"}]}],"usage":{"input_tokens":75,"input_tokens_details":{"cached_tokens":60},"output_tokens":120,"output_tokens_details":{"reasoning_tokens":64},"total_tokens":195}}}


            """
        expect(TokenUsage(prompt: 75, completion: 120, cached: 60, reasoning: 64), text, .responses, .sse)
        let reader = reading(text, endpoint: .responses)
        #expect(reader.isFinished && reader.contentBytes == 5)
        #expect(reader.fault == (how == "failed" ? .serverError : .none))
    }

    @Test func geminisLastReportCountsWhole() {
        let text = """
            data: {"candidates":[{"content":{"parts":[{"text":"Hello"}],"role":"model"}}],"usageMetadata":{"promptTokenCount":8,"candidatesTokenCount":20,"thoughtsTokenCount":5,"totalTokenCount":33},"modelVersion":"gemini-2.5-flash"}\r
            \r
            data: {"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":8,"thoughtsTokenCount":7,"cachedContentTokenCount":4,"totalTokenCount":15}}\r
            \r

            """
        expect(TokenUsage(prompt: 8, completion: 7, cached: 4, reasoning: 7, total: 15), text, .geminiStream, .sse)
    }

    @Test func geminisArray() {
        let text = """
            [{"candidates":[{"content":{"parts":[{"text":"He"}]}}],"usageMetadata":{"promptTokenCount":8,"totalTokenCount":8}}
            ,
            {"candidates":[{"content":{"parts":[{"text":"llo"}]},"finishReason":"STOP"}],
             "usageMetadata":{"promptTokenCount":8,"candidatesTokenCount":2,"totalTokenCount":10}}
            ]
            """
        expect(TokenUsage(prompt: 8, completion: 2), text, .geminiStream, .json)
        #expect(reading(text, endpoint: .geminiStream, framing: .json).contentBytes == 5)
        #expect(reading(#"[{"error":{"code":503,"status":"UNAVAILABLE"}}]"#, framing: .json).fault == .overloaded)
    }

    @Test func linesOfJSON() {
        let text = """
            {"model":"llama","message":{"content":"Hi"},"done":false}
            nonsense
            {"model":"llama","done":true,"done_reason":"stop","prompt_eval_count":26,"eval_count":298}

            """
        expect(TokenUsage(prompt: 26, completion: 298), text, .other, .ndjson)
    }

    @Test func embeddingsHaveNoOutput() {
        expect(
            TokenUsage(prompt: 8),
            #"{"data":[{"embedding":[0.1,-2e-3]}],"usage":{"prompt_tokens":8,"total_tokens":8}}"#,
            .embeddings, .json)
        expect(TokenUsage(prompt: 18, total: 18), #"{"usage":{"total_tokens":18}}"#, .embeddings, .json)
        // Gemini's embeddings often report nothing.
        expect(TokenUsage(prompt: 99, estimated: true), #"{"embedding":{"values":[0.1]}}"#, .geminiEmbed, .json)
    }

    @Test func reasoningThatIsReportedApartIsAdded() {
        let apart =
            #"{"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":115,"completion_tokens_details":{"reasoning_tokens":100}}}"#
        expect(TokenUsage(prompt: 10, completion: 105, reasoning: 100), apart, .chatCompletions, .json)
        let included =
            #"{"usage":{"prompt_tokens":10,"completion_tokens":105,"total_tokens":115,"completion_tokens_details":{"reasoning_tokens":100}}}"#
        expect(TokenUsage(prompt: 10, completion: 105, reasoning: 100), included, .chatCompletions, .json)
    }

    @Test func whatIsNotReportedIsEstimated() {
        let content = #"data: {"choices":[{"delta":{"content":"0123456789","role":"assistant"}}]}"# + "\n\n"
        let stop = #"data: {"choices":[{"delta":{},"finish_reason":"stop"}]}"# + "\n\ndata: [DONE]\n\n"
        expect(TokenUsage(prompt: 99, completion: 5, estimated: true), content + content + stop, .chatCompletions, .sse)
        // Cut in the middle of the second.
        let cut = reading(content + content.prefix(44))
        #expect(cut.settled(promptEstimate: 7, isWhole: false) == TokenUsage(prompt: 7, completion: 4, estimated: true))
        #expect(!cut.isFinished && !cut.isAtEventBoundary)
    }

    @Test(arguments: [
        "", "data: [DONE]\n\n", "<html><body>maintenance</body></html>", ": ping\n\n",
        "data: {\"error\":{\"message\":\"x\",\"code\":\"rate_limit_exceeded\"}}\n\n",
    ])
    func whatAnsweredNothingCostsNothing(text: String) {
        #expect(reading(text).settled(promptEstimate: 50) == nil)
        #expect(reading(text, framing: .json).settled(promptEstimate: 50) == nil)
    }

    @Test func otherEndpointsAreNotEstimated() {
        for endpoint in [Endpoint.countTokens, .images, .audio, .moderations, .models, .geminiCountTokens, .other] {
            let reader = reading(
                #"{"input_tokens":588,"totalTokens":12,"data":[]}"#, endpoint: endpoint, framing: .json)
            #expect(reader.settled(promptEstimate: 50) == nil)
        }
    }

    @Test func toldTheWrongFraming() {
        let usage = #"{"usage":{"prompt_tokens":1,"completion_tokens":2}}"#
        #expect(reading("\u{FEFF} \n\n" + usage, framing: .sse).reported == TokenUsage(prompt: 1, completion: 2))
        #expect(reading("\n\n\n" + usage, framing: .json).reported == TokenUsage(prompt: 1, completion: 2))
        #expect(reading(": x\n\ndata: \(usage)\n\n", framing: .json).reported == TokenUsage(prompt: 1, completion: 2))
        #expect(reading("\u{FEFF}data:\(usage)\n\n", framing: .sse, piece: 1).reported?.prompt == 1)
    }

    @Test func servedModels() {
        #expect(reading(#"{"model":""}{"model":"a"}{"model":""}"#, framing: .json).servedModel == "a")
        let long = String(repeating: "m", count: 63) + "é"
        for piece in [1, 1000] {
            #expect(
                reading("{\"model\":\"\(long)\"}", framing: .json, piece: piece).servedModel == String(long.dropLast()))
            #expect(
                reading(#"{"m\u006fdel":"a\/b\u00e9\ud83d\ude00"}"#, framing: .json, piece: piece).servedModel
                    == "a/bé😀")
        }
    }

    @Test func azuresErrorInA200() {
        let text =
            #"{ "error": { "message": "The response was filtered", "type": null, "param": "prompt", "code": "content_filter", "status": 400 } }"#
        let reader = reading(text, apiType: .azure, framing: .json)
        #expect(reader.fault == .callerError && reader.settled(promptEstimate: 9) == nil)
    }

    @Test func anErrorThatIsNullIsNone() {
        #expect(reading(#"{"error":null,"model":"m"}"#, framing: .json).fault == .none)
        #expect(reading(#"{"error":{"code":"x"},"error":null}"#, framing: .json).fault == .none)
        #expect(reading(#"{"error":"model not found"}"#, framing: .json).fault == .serverError)
    }

    @Test func aStateIsSmall() {
        #expect(MemoryLayout<AnswerReader>.size < 1024)
        #expect(MemoryLayout<UsageChunkFilter>.size <= 600)
        #expect(MemoryLayout<RequestReader>.size <= 800)
    }
}
