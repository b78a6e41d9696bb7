import Testing

@testable import LLM

/// Usage as providers document it where no recording shows it.
struct UsageFormatTests {
    /// One exchange's usage, whole and cut at every byte.
    private func usage(
        _ text: String, _ endpoint: Endpoint, _ framing: Framing = .json,
        sourceLocation: SourceLocation = #_sourceLocation
    ) -> TokenUsage? {
        let bytes = Array(text.utf8)
        let whole = reading(text, endpoint: endpoint, framing: framing).settled(promptEstimate: 77)
        for cut in 1..<bytes.count {
            var reader = AnswerReader(endpoint: endpoint, apiType: .openai, framing: framing)
            var isFirst = true
            feed(&reader, bytes) { rest in
                defer { isFirst = false }
                return isFirst ? cut : rest
            }
            #expect(reader.settled(promptEstimate: 77) == whole, "cut at \(cut)", sourceLocation: sourceLocation)
        }
        return whole
    }

    private func changed(_ usage: TokenUsage, _ change: (inout TokenUsage) -> Void) -> TokenUsage {
        var usage = usage
        change(&usage)
        return usage
    }

    @Test func picturesOfOpenAI() {
        let text = """
            {"created":1,"data":[{"b64_json":"AAAA"},{"b64_json":"BBBB"}],"usage":{"total_tokens":100,"input_tokens":50,
            "output_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40}}}
            """
        let wanted = changed(TokenUsage(prompt: 50, completion: 50)) {
            ($0.inputImage, $0.outputImage, $0.images) = (40, 50, 2)
        }
        #expect(usage(text, .images) == wanted)
        let event =
            #"data: {"type":"image_generation.completed","b64_json":"A","usage":{"total_tokens":9,"input_tokens":4,"output_tokens":5,"output_tokens_details":{"image_tokens":3,"text_tokens":2}}}"#
        let streamed = changed(TokenUsage(prompt: 4, completion: 5)) { $0.outputImage = 3 }
        #expect(usage(event + "\n\n", .images, .sse) == streamed)
        #expect(reading(event + "\n\n", endpoint: .images).isFinished)
        // Pictures alone have no tokens, but a price.
        #expect(usage(#"{"data":[{"url":"u"}]}"#, .images) == changed(TokenUsage()) { $0.images = 1 })
    }

    @Test func soundOfOpenAI() {
        let tokens = """
            {"text":"hi","usage":{"type":"tokens","input_tokens":14,"input_token_details":{"text_tokens":0,"audio_tokens":14},
            "output_tokens":45,"total_tokens":59}}
            """
        #expect(usage(tokens, .audio) == changed(TokenUsage(prompt: 14, completion: 45)) { $0.inputAudio = 14 })
        let seconds = #"{"text":"hi","duration":8.47,"usage":{"type":"duration","seconds":9}}"#
        #expect(usage(seconds, .audio) == changed(TokenUsage()) { $0.milliseconds = 9000 })
        #expect(usage(#"{"text":"hi","duration":8.4704}"#, .audio) == changed(TokenUsage()) { $0.milliseconds = 8470 })
        let done =
            "data: {\"type\":\"transcript.text.delta\",\"delta\":\"h\"}\n\ndata: {\"type\":\"transcript.text.done\",\"text\":\"hi\",\"usage\":{\"type\":\"tokens\",\"input_tokens\":14,\"input_token_details\":{\"audio_tokens\":13,\"text_tokens\":1},\"output_tokens\":2,\"total_tokens\":16}}\n\n"
        #expect(usage(done, .audio, .sse) == changed(TokenUsage(prompt: 14, completion: 2)) { $0.inputAudio = 13 })
        let speech =
            "data: {\"type\":\"speech.audio.done\",\"usage\":{\"input_tokens\":14,\"output_tokens\":101,\"total_tokens\":115}}\n\n"
        #expect(
            usage(speech, .speech, .sse) == changed(TokenUsage(prompt: 14, completion: 101)) { $0.outputAudio = 101 })
    }

    private func call(_ more: String) -> String { #"{"id":"ws_1","type":"web_search_call",\#(more)}"# }

    @Test func searchesThatTheOutputShows() {
        let searched = call(#""status":"completed","action":{"type":"search","query":"q","sources":[{"type":"url"}]}"#)
        let items = [
            searched, #"{"type":"reasoning","summary":[{"type":"web_search_call","status":"completed"}]}"#,
            call(#""action":{"query":"q","type":"search"},"status":"completed""#),
            // Before actions were told.
            call(#""status":"completed""#),
            // These cost nothing.
            call(#""status":"completed","action":{"type":"open_page","url":"u"}"#),
            call(#""status":"completed","action":{"type":"find_in_page","pattern":"p"}"#),
            call(#""status":"failed","action":{"type":"search"}"#),
            #"{"type":"message","content":[{"type":"output_text","text":"web_search_call"}],"status":"completed"}"#,
            // Another price, whatever number of queries it had.
            #"{"id":"fs_1","type":"file_search_call","status":"completed","queries":["a","b"],"results":null}"#,
            #"{"type":"file_search_call","status":"incomplete","queries":[]}"#,
            #"{"status":"completed","type":"file_search_call"}"#,
        ].joined(separator: ",")
        let report = #""usage":{"input_tokens":20,"output_tokens":5,"total_tokens":25}"#
        let wanted = changed(TokenUsage(prompt: 20, completion: 5)) { ($0.searches, $0.fileSearches) = (3, 2) }
        #expect(usage(#"{"object":"response","output":[\#(items)],\#(report)}"#, .responses) == wanted)
        // The last of two counts, whatever it is.
        #expect(
            usage(#"{"output":[\#(items)],\#(report),"output":[\#(searched)]}"#, .responses)
                == changed(wanted) { ($0.searches, $0.fileSearches) = (1, 0) })
        func event(_ type: String, _ response: String) -> String {
            "event: \(type)\ndata: {\"type\":\"\(type)\",\"response\":{\(response)}}\n\n"
        }
        let stream =
            event("response.created", #""output":[]"#)
            + "data: {\"type\":\"response.output_item.done\",\"item\":\(searched)}\n\n"
            + "data: {\"type\":\"response.output_text.delta\",\"delta\":\"Hi\"}\n\n"
        #expect(
            usage(stream + event("response.completed", #""output":[\#(items)],\#(report)"#), .responses, .sse) == wanted
        )
        #expect(
            usage(
                stream + event("response.completed", #""output":[\#(items)],"output":null,\#(report)"#), .responses,
                .sse) == changed(wanted) { ($0.searches, $0.fileSearches) = (0, 0) })
        // What was generated counts once, where it came.
        let reader = reading(stream + event("response.completed", #""output":[\#(items)]"#), endpoint: .responses)
        #expect(reader.contentBytes == 2)
    }

    @Test func aChatCompletionThatCitesTheWebHasSearched() {
        let report = #""usage":{"prompt_tokens":20,"completion_tokens":5,"total_tokens":25}"#
        let citation = #"{"type":"url_citation","url_citation":{"url":"https://a.test/","title":"A","start_index":0}}"#
        func answer(_ annotations: String) -> String {
            #"{"choices":[{"message":{"content":"Hi","annotations":[\#(annotations)]}}],\#(report)}"#
        }
        let plain = TokenUsage(prompt: 20, completion: 5)
        let searched = changed(plain) { $0.searches = 1 }
        #expect(usage(answer(citation), .chatCompletions) == searched)
        #expect(usage(answer(citation + "," + citation), .chatCompletions) == searched)
        #expect(usage(answer(""), .chatCompletions) == plain)
        #expect(usage(answer(#"{"type":"file","file":{"hash":"x","name":"url_citation"}}"#), .chatCompletions) == plain)
        let stream =
            "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n"
            + "data: {\"choices\":[{\"delta\":{\"annotations\":[\(citation)]},\"finish_reason\":\"stop\"}]}\n\n"
        #expect(usage(stream + "data: {\"choices\":[],\(report)}\n\n", .chatCompletions, .sse) == searched)
        // It is content as before.
        #expect(reading("data: {\"choices\":[{\"delta\":{\"annotations\":[\(citation)]}}]}\n\n").contentSeen)
        // Who counts them is believed.
        let counted = #""usage":{"prompt_tokens":20,"completion_tokens":5,"server_tool_use":{"web_search_requests":3}}"#
        #expect(
            usage(
                #"{"choices":[{"message":{"content":"Hi","annotations":[\#(citation)]}}],\#(counted)}"#,
                .chatCompletions
            )?.searches == 3)
        // Elsewhere they are not alone what tells of one.
        #expect(usage(#"{"output":[{"content":[{"annotations":[\#(citation)]}]}],\#(report)}"#, .responses) == plain)
    }

    @Test func howMuchPerplexitySearchedFor() {
        func chunk(_ completion: Int, _ more: String) -> String {
            """
            data: {"choices":[{"delta":{"content":"Hi"}}],"usage":{"prompt_tokens":8,"completion_tokens":\(completion),\
            "total_tokens":\(8 + completion),"search_context_size":"high","cost":{"input_tokens_cost":0.0,\(more)}}}\n\n
            """
        }
        let stream = chunk(1, #""total_cost":0"#)
        // The fee comes into the cost at the end: what was stated before it is none.
        let cut = reading(stream, framing: .sse).settled(promptEstimate: 1, isWhole: false)
        #expect(
            cut
                == changed(TokenUsage(prompt: 8, completion: 1, estimated: true)) {
                    ($0.searches, $0.searchSize, $0.statedMicros) = (1, .high, -1)
                })
        let end = chunk(5, #""request_cost":0.012,"total_cost":0.01202"#) + "data: [DONE]\n\n"
        #expect(
            usage(stream + end, .chatCompletions, .sse)
                == changed(TokenUsage(prompt: 8, completion: 5)) {
                    ($0.searches, $0.searchSize, $0.statedMicros) = (1, .high, 12_020)
                })
        for size in ["null", #""""#, #""vast""#, "7", "{}"] {
            let whole =
                #"{"choices":[],"usage":{"prompt_tokens":8,"completion_tokens":5,"search_context_size":\#(size)}}"#
            #expect(usage(whole, .chatCompletions) == TokenUsage(prompt: 8, completion: 5), "\(size)")
        }
    }

    @Test func searchesThatXAICounts() {
        let details = #"{"web_search_calls":2,"x_search_calls":1,"code_interpreter_calls":0,"file_search_calls":0}"#
        let report =
            #""usage":{"input_tokens":20,"output_tokens":5,"num_sources_used":7,"server_side_tool_usage_details":\#(details)}"#
        let wanted = changed(TokenUsage(prompt: 20, completion: 5)) { $0.searches = 2 }
        #expect(usage(#"{"output":[],\#(report)}"#, .responses) == wanted)
    }

    @Test func searchesThatGeminiShows() {
        let usageMetadata = #""usageMetadata":{"promptTokenCount":8,"candidatesTokenCount":2,"totalTokenCount":10}"#
        func answer(_ queries: String) -> String {
            #"{"candidates":[{"content":{"parts":[{"text":"x"}]},"groundingMetadata":{"searchEntryPoint":{"renderedContent":"<a>"},"webSearchQueries":\#(queries)}}],\#(usageMetadata)}"#
        }
        for (queries, count) in [
            (#"["a"]"#, 1), (#"["","a"]"#, 1), (#"["a","b","a","\u0061"]"#, 2), ("[]", 0), (#"[""]"#, 0), ("null", 0),
            (#"["a",1,null,{"x":"y"}]"#, 1), (#"["\#(String(repeating: "a", count: 500))","b"]"#, 2),
        ] as [(String, Int64)] {
            let wanted = changed(TokenUsage(prompt: 8, completion: 2)) { $0.searches = count }
            #expect(usage(answer(queries), .geminiGenerate) == wanted, "\(queries)")
        }
        // A stream may tell them as they come, or all of them again.
        let stream = [#"["a"]"#, #"["a","b"]"#, #"["c"]"#].map { "data: \(answer($0))\n\n" }.joined()
        #expect(usage(stream, .geminiStream, .sse)?.searches == 3)
        #expect(usage(#"{"candidates":[{"groundingMetadata":{}}],\#(usageMetadata)}"#, .geminiGenerate)?.searches == 0)
    }

    @Test func pagesOfMistral() {
        let text = """
            {"pages":[{"index":0,"markdown":"pages_processed"}],"model":"mistral-ocr-latest","document_annotation":null,
            "usage_info":{"pages_processed":2,"doc_size_bytes":18810}}
            """
        #expect(usage(text, .ocr) == changed(TokenUsage()) { $0.pages = 2 })
        let annotated = #"{"pages":[],"usage_info":{"pages_processed":3,"pages_processed_annotation":2}}"#
        #expect(usage(annotated, .ocr) == changed(TokenUsage()) { ($0.pages, $0.annotatedPages) = (3, 2) })
        #expect(usage(#"{"pages":[],"usage_info":{"pages_processed":-1}}"#, .ocr) == nil)
        #expect(usage(#"{"pages":[],"usage_info":null}"#, .ocr) == nil)
    }

    @Test func soundInAChat() {
        let text = """
            {"choices":[{"message":{"content":null,"audio":{"data":"AAAA"}},"finish_reason":"stop"}],"service_tier":"default",
            "usage":{"prompt_tokens":30,"completion_tokens":20,"total_tokens":50,"prompt_tokens_details":{"audio_tokens":10,
            "cached_tokens":0,"text_tokens":20},"completion_tokens_details":{"audio_tokens":15,"text_tokens":5}}}
            """
        let wanted = changed(TokenUsage(prompt: 30, completion: 20)) { ($0.inputAudio, $0.outputAudio) = (10, 15) }
        #expect(usage(text, .chatCompletions) == wanted)
    }

    @Test(arguments: [
        ("flex", ServiceTier.flex), ("priority", .priority), ("default", .standard), ("auto", .standard),
        ("on_demand", .standard), ("unspecified", .standard), ("scale", .other), ("provisioned", .other),
        ("batch", .batch),
    ])
    func serviceTiers(name: String, tier: ServiceTier) {
        let report = #""usage":{"prompt_tokens":1,"completion_tokens":2}"#
        #expect(usage("{\"service_tier\":\"\(name)\",\(report)}", .chatCompletions)?.tier == tier)
        #expect(usage("{\(report),\"serviceTier\":{\"type\":\"\(name)\"}}", .modelInvoke)?.tier == tier)
        let inUsage = "{\"usage\":{\"input_tokens\":1,\"output_tokens\":2,\"service_tier\":\"\(name)\"}}"
        #expect(usage(inUsage, .messages)?.tier == tier)
        let gemini = "{\"usageMetadata\":{\"promptTokenCount\":1,\"serviceTier\":\"\(name)\"}}"
        #expect(usage(gemini, .geminiGenerate)?.tier == tier)
        // The later word counts: a response begins with what was asked for.
        let stream = """
            data: {"type":"response.created","response":{"service_tier":"auto","usage":null}}

            data: {"type":"response.completed","response":{"service_tier":"\(name)","usage":{"input_tokens":1,"output_tokens":2}}}


            """
        #expect(usage(stream, .responses, .sse)?.tier == tier)
    }

    @Test func anthropicsCachesAndExtras() {
        let text = """
            {"type":"message","content":[{"type":"text","text":"x"}],"stop_reason":"end_turn","usage":{"input_tokens":10,
            "cache_creation_input_tokens":70,"cache_read_input_tokens":5,"cache_creation":{"ephemeral_5m_input_tokens":30,
            "ephemeral_1h_input_tokens":40},"output_tokens":7,"service_tier":"standard","inference_geo":"us","speed":"fast",
            "server_tool_use":{"web_search_requests":3,"web_fetch_requests":1}}}
            """
        let wanted = changed(TokenUsage(prompt: 85, completion: 7, cached: 5, cacheWrite: 70)) {
            ($0.cacheWriteLong, $0.isRegional, $0.isFast, $0.searches) = (40, true, true, 3)
        }
        #expect(usage(text, .messages) == wanted)
    }

    /// What a compaction used is beside the report's figures, whatever stands first; other passes are in them.
    @Test func anthropicsCompactions() {
        let report = #""input_tokens":23000,"output_tokens":1000,"cache_read_input_tokens":500"#
        let iterations = """
            "iterations":[{"type":"compaction","input_tokens":180000,"output_tokens":3500,"cache_read_input_tokens":40,
            "cache_creation_input_tokens":70,"cache_creation":{"ephemeral_5m_input_tokens":30,"ephemeral_1h_input_tokens":40}},
            {"input_tokens":23000,"output_tokens":1000,"cache_read_input_tokens":500,"type":"message","model":"other"}]
            """
        let wanted = changed(TokenUsage(prompt: 203_610, completion: 4500, cached: 540, cacheWrite: 70)) {
            ($0.cacheWriteLong, $0.compacted) = (40, 180_110)
        }
        for members in ["\(report),\(iterations)", "\(iterations),\(report)", "\(iterations),\(iterations),\(report)"] {
            #expect(usage("{\"type\":\"message\",\"usage\":{\(members)}}", .messages) == wanted)
        }
        // Cumulative: a later report replaces the earlier one's compactions, one without any keeps them.
        let line = iterations.replacing("\n", with: "")
        let stream = """
            data: {"type":"message_start","message":{"usage":{"input_tokens":23000,"output_tokens":1,"cache_read_input_tokens":500}}}

            data: {"type":"message_delta","usage":{"output_tokens":7,"iterations":[{"type":"compaction","input_tokens":9}]}}

            data: {"type":"message_delta","usage":{"output_tokens":9,\(line)}}

            data: {"type":"message_delta","usage":{"output_tokens":1000}}

            data: {"type":"message_stop"}


            """
        #expect(usage(stream, .messages, .sse) == wanted)
    }

    /// Passes of other models have prices of their own; and of OpenAI's figures it is not known what they count.
    @Test func passesWhosePriceIsUnknown() {
        func isPartial(_ kind: String, _ report: String = #""input_tokens":1,"output_tokens":2"#) -> Bool? {
            let passes = #"[{"type":"message","input_tokens":1},{"type":"\#(kind)","input_tokens":8}]"#
            return usage("{\"usage\":{\(report),\"iterations\":\(passes)}}", .messages)?.isPartial
        }
        #expect(isPartial("message") == false)
        #expect(isPartial("compaction") == false)
        #expect(isPartial("advisor_message") == true)
        #expect(isPartial("fallback_message") == true)
        #expect(isPartial("compaction", #""prompt_tokens":1,"completion_tokens":2"#) == true)
        let ends = #"[{"type":"compaction","input_tokens":null}]"#
        for odd in ["null", "[]", "{}", "[{}]", "[[]]", "7", #""compaction""#, ends] {
            let text = #"{"usage":{"iterations":\#(odd),"input_tokens":1,"output_tokens":2}}"#
            let read = usage(text, .messages)
            #expect(read?.prompt == 1 && read?.completion == 2, "\(odd)")
        }
    }

    @Test func anthropicsFiguresThroughLiteLLM() {
        let text = """
            {"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":200,"completion_tokens":5,
            "total_tokens":205,"prompt_tokens_details":{"cached_tokens":80,"cache_creation_tokens":30,
            "cache_creation_token_details":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},
            "web_search_requests":2}}}
            """
        let wanted = changed(TokenUsage(prompt: 200, completion: 5, cached: 80, cacheWrite: 30)) {
            ($0.cacheWriteLong, $0.searches) = (20, 2)
        }
        #expect(usage(text, .chatCompletions) == wanted)
    }

    @Test func geminisModalities() {
        let text = """
            {"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":300,
            "candidatesTokenCount":40,"totalTokenCount":350,"toolUsePromptTokenCount":10,"cachedContentTokenCount":60,
            "promptTokensDetails":[{"modality":"TEXT","tokenCount":100},{"tokenCount":150,"modality":"AUDIO"},
            {"modality":"IMAGE","tokenCount":50}],"cacheTokensDetails":[{"modality":"AUDIO","tokenCount":25},
            {"modality":"TEXT","tokenCount":35}],"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":39},
            {"modality":"IMAGE","tokenCount":1}],"trafficType":"ON_DEMAND_PRIORITY"}}
            """
        let wanted = changed(TokenUsage(prompt: 300, completion: 40, cached: 60, total: 350)) {
            ($0.inputAudio, $0.inputImage, $0.cachedAudio, $0.outputImage) = (150, 50, 25, 40)
            ($0.toolPrompt, $0.tier) = (10, .priority)
        }
        #expect(usage(text, .geminiGenerate) == wanted)
        #expect(usage("[" + text + "]", .geminiStream) == wanted)
    }

    @Test func embeddingsTellTheirModalities() {
        let text = """
            {"embedding":{"values":[0.1,-0.2]},"usageMetadata":{"promptTokenCount":100,"promptTokenDetails":[{"modality":"TEXT",
            "tokenCount":10},{"modality":"IMAGE","tokenCount":60},{"modality":"AUDIO","tokenCount":30}]}}
            """
        let wanted = changed(TokenUsage(prompt: 100)) { ($0.inputImage, $0.inputAudio) = (60, 30) }
        #expect(usage(text, .geminiEmbed) == wanted)
    }

    /// Gemini's Interactions API.
    @Test func interactions() {
        let report = """
            {"total_tokens":359,"total_input_tokens":200,"input_tokens_by_modality":[{"modality":"text","tokens":50},
            {"modality":"audio","tokens":100},{"tokens":50,"modality":"image"}],"total_cached_tokens":60,
            "cached_tokens_by_modality":[{"modality":"audio","tokens":60}],"total_output_tokens":100,
            "output_tokens_by_modality":[{"modality":"image","tokens":90}],"total_tool_use_tokens":50,"total_thought_tokens":9,
            "grounding_tool_count":[{"type":"google_search","count":3},{"type":"google_maps","count":2}]}
            """
        let wanted = changed(TokenUsage(prompt: 200, completion: 109, cached: 60, reasoning: 9, total: 359)) {
            ($0.inputAudio, $0.inputImage, $0.cachedAudio, $0.outputImage) = (100, 50, 60, 90)
            ($0.toolPrompt, $0.searches, $0.tier) = (50, 5, .flex)
        }
        let whole =
            #"{"id":"v1_x","status":"completed","outputs":[{"type":"text","text":"Hi"}],"usage":U,"service_tier":"flex"}"#
        #expect(usage(whole.replacing("U", with: report), .interactions) == wanted)
        let events = [
            #"{"interaction":{"id":"v1_x","status":"in_progress"},"event_type":"interaction.created"}"#,
            #"{"index":0,"step":{"type":"model_output"},"event_type":"step.start"}"#,
            #"{"index":0,"delta":{"text":"Hi","type":"text"},"event_type":"step.delta"}"#,
            #"{"interaction":{"status":"completed","usage":U,"service_tier":"flex"},"event_type":"interaction.completed"}"#
                .replacing("U", with: report.filter { $0 != "\n" }),
        ]
        let stream = events.map { "data: \($0)\n\n" }
        #expect(usage(stream.joined(), .interactions, .sse) == wanted)
        #expect(!reading(stream.prefix(2).joined(), endpoint: .interactions).contentSeen)
        let broken = reading(stream.prefix(3).joined(), endpoint: .interactions)
        #expect(
            broken.settled(promptEstimate: 7, isWhole: false)
                == TokenUsage(prompt: 7, completion: 1, estimated: true))
        for member in ["outputs", "steps"] {
            let silent =
                #"{"status":"completed","M":[{"type":"model_output","content":[{"type":"text","text":"Hello"}]}]}"#
            #expect(
                usage(silent.replacing("M", with: member), .interactions)
                    == TokenUsage(prompt: 77, completion: 2, estimated: true))
        }
    }

    @Test func decisionsReadOnly() {
        let text =
            #"{"answers":[{"type":"predicate","probability":0.9}],"model":"m","usage":{"input_tokens":30,"output_tokens":0}}"#
        #expect(usage(text, .decisions) == changed(TokenUsage(prompt: 30)) { $0.tier = .decisions })
        #expect(
            usage(#"{"answers":[{"type":"refusal"}]}"#, .decisions) == TokenUsage(prompt: 77, estimated: true))
    }

    /// Mistral's transcriptions tell the sound's length beside their tokens.
    @Test func soundOfMistral() {
        let text = """
            {"model":"voxtral-mini-latest","text":"Hi","usage":{"prompt_audio_seconds":36,"prompt_tokens":13,
            "completion_tokens":151,"total_tokens":164,"request_count":1}}
            """
        let wanted = changed(TokenUsage(prompt: 13, completion: 151)) { $0.milliseconds = 36_000 }
        #expect(usage(text, .audio) == wanted)
        #expect(usage(text.replacing("36,", with: "null,"), .audio) == TokenUsage(prompt: 13, completion: 151))
    }

    /// OpenAI's own count goes before what the output shows, wherever it stands; none, and none at all, say nothing.
    @Test(arguments: [
        (#""web_search":{"num_requests":3}"#, Int64(3)), (#""web_search":{"num_requests":0}"#, 1),
        (#""web_search":{"num_requests":null}"#, 1), (#""image_gen":{"num_requests":9,"total_tokens":5}"#, 1),
    ])
    func openAITellsHowOftenItSearched(told: String, searches: Int64) {
        let output = #""output":[{"type":"web_search_call","status":"completed","action":{"type":"search"}}]"#
        let report = #""usage":{"input_tokens":1,"output_tokens":2}"#
        let wanted = changed(TokenUsage(prompt: 1, completion: 2)) { $0.searches = searches }
        for members in [[output, "\"tool_usage\":{\(told)}", report], [report, "\"tool_usage\":{\(told)}", output]] {
            let response = "{\(members.joined(separator: ","))}"
            #expect(usage(response, .responses) == wanted)
            let stream = """
                data: {"type":"response.created","response":{"output":[],"tool_usage":{"web_search":{"num_requests":0}}}}

                data: {"type":"response.completed","response":\(response)}


                """
            #expect(usage(stream, .responses, .sse) == wanted)
        }
    }

    @Test func whatTheProviderSaysItCosts() {
        func stated(_ usage: String) -> Int64? {
            self.usage("{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\(usage)}}", .chatCompletions)?
                .statedMicros
        }
        #expect(stated(#""cost":0.0012345"#) == 1235)
        #expect(stated(#""cost":1.4e-05"#) == 14)
        #expect(stated(#""cost":0"#) == 0)
        #expect(stated(#""cost":null"#) == -1)
        #expect(stated(#""cost":-1"#) == -1)
        #expect(stated(#""cost":"0.1""#) == -1)
        #expect(stated(#""cost":0.5,"is_byok":true"#) == -1)
        #expect(stated(#""cost":{"request_cost":0.005,"total_cost":0.0061}"#) == 6100)
        #expect(stated(#""cost_in_usd_ticks":37756000"#) == 3776)
        #expect(stated(#""seconds":1"#) == -1)
    }

    /// xAI and OpenRouter say of pictures what they cost and nothing else. Where there are tokens those are guessed.
    @Test func aCostAlone() {
        let pictures = #"{"data":[{"url":"u"},{"url":"v"}],"usage":{"cost_in_usd_ticks":200000000}}"#
        #expect(usage(pictures, .images) == changed(TokenUsage()) { ($0.images, $0.statedMicros) = (2, 20_000) })
        let event = #"data: {"type":"image_generation.completed","b64_json":"A","usage":{"cost":0.04}}"# + "\n\n"
        #expect(usage(event, .images, .sse) == changed(TokenUsage()) { $0.statedMicros = 40_000 })
        #expect(usage(#"{"results":[],"usage":{"cost":0.001}}"#, .rerank)?.statedMicros == 1000)
        let chat = #"{"choices":[{"message":{"content":"Hello"},"finish_reason":"stop"}],"usage":{"cost":0.001}}"#
        #expect(usage(chat, .chatCompletions) == TokenUsage(prompt: 77, completion: 2, estimated: true))
        #expect(usage(#"{"data":[],"usage":{"cost":0.001}}"#, .embeddings) == TokenUsage(prompt: 77, estimated: true))
        let stream = """
            data: {"choices":[{"delta":{"content":"x"}}],"usage":{"cost":0.001}}

            data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"cost":0.002}}


            """
        #expect(
            usage(stream, .chatCompletions, .sse)
                == changed(TokenUsage(prompt: 1, completion: 2)) { $0.statedMicros = 2000 })
    }

    @Test func rankingsAreCountedBySearches() {
        let cohere =
            #"{"id":"r","results":[{"index":0,"relevance_score":0.9}],"meta":{"billed_units":{"search_units":2}}}"#
        #expect(usage(cohere, .rerank) == changed(TokenUsage()) { $0.searches = 2 })
        let voyage = #"{"object":"list","data":[{"index":0,"relevance_score":0.4}],"usage":{"total_tokens":26}}"#
        #expect(usage(voyage, .rerank) == TokenUsage(prompt: 26))
    }

    @Test func otherProviders() {
        let dashscope = (1...3).map {
            "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"usage\":{\"prompt_tokens\":22,\"completion_tokens\":\($0),\"total_tokens\":\(22 + $0)}}\n\n"
        }
        #expect(
            usage(dashscope.joined() + "data: [DONE]\n\n", .chatCompletions, .sse)
                == TokenUsage(prompt: 22, completion: 3))
        let llama = """
            data: {"choices":[{"delta":{},"finish_reason":"stop","index":0}],"timings":{"cache_n":6,"prompt_n":5,"prompt_ms":12.5,"predicted_n":9,"predicted_ms":88}}

            data: [DONE]


            """
        #expect(usage(llama, .chatCompletions, .sse) == TokenUsage(prompt: 11, completion: 9, cached: 6))
        let both =
            #"{"choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":4,"completion_tokens":5},"timings":{"prompt_n":1,"predicted_n":5}}"#
        #expect(usage(both, .chatCompletions) == TokenUsage(prompt: 4, completion: 5))
        let moonshot = """
            data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":8,"completion_tokens":3,"total_tokens":11}}]}

            data: [DONE]


            """
        #expect(usage(moonshot, .chatCompletions, .sse) == TokenUsage(prompt: 8, completion: 3))
        let cohere = """
            data: {"type":"content-delta","index":0,"delta":{"message":{"content":{"text":"hi"}}}}

            data: {"type":"message-end","delta":{"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":3,"output_tokens":4},"tokens":{"input_tokens":71,"output_tokens":5}}}}


            """
        #expect(usage(cohere, .nativeChat, .sse) == TokenUsage(prompt: 71, completion: 5))
        let ollama = """
            {"model":"m","message":{"role":"assistant","content":"hi"},"done":false}
            {"model":"m","message":{"content":""},"done":true,"total_duration":5043500667,"prompt_eval_count":26,"eval_count":9}

            """
        #expect(usage(ollama, .nativeChat, .ndjson) == TokenUsage(prompt: 26, completion: 9))
        let azure = """
            data: {"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{"hate":{"filtered":false}}}]}

            data: {"choices":[{"delta":{"content":"x"},"index":0}],"usage":null}

            data: {"choices":[],"usage":{"prompt_tokens":2,"completion_tokens":1,"total_tokens":3}}

            data: [DONE]


            """
        #expect(usage(azure, .chatCompletions, .sse) == TokenUsage(prompt: 2, completion: 1))
        let converse = """
            {"output":{"message":{"content":[{"text":"x"}]}},"stopReason":"end_turn","usage":{"inputTokens":8,"outputTokens":3,
            "totalTokens":41,"cacheReadInputTokens":10,"cacheWriteInputTokens":20,"cacheDetails":[{"ttl":"1h","inputTokens":15},
            {"inputTokens":5,"ttl":"5m"}]}}
            """
        let wanted = changed(TokenUsage(prompt: 38, completion: 3, cached: 10, cacheWrite: 20, total: 41)) {
            $0.cacheWriteLong = 15
        }
        #expect(usage(converse, .modelInvoke) == wanted)
    }

    /// xAI: searches by its own count, and a cache that is no part of the input.
    @Test func ofXAIsResponses() {
        let told = """
            {"output":[],"status":"completed","usage":{"input_tokens":50,"output_tokens":9,"total_tokens":59,
            "num_server_side_tools_used":3,"server_side_tool_usage_details":{"web_search_calls":3,"x_search_calls":1},
            "context_details":{"input_tokens":40,"output_tokens":2}}}
            """
        #expect(usage(told, .responses) == changed(TokenUsage(prompt: 50, completion: 9)) { $0.searches = 3 })
        let apart = #"{"usage":{"input_tokens":40,"output_tokens":5,"input_tokens_details":{"cached_tokens":60}}}"#
        #expect(usage(apart, .responses) == TokenUsage(prompt: 100, completion: 5, cached: 60))
        let part = #"{"usage":{"input_tokens":60,"output_tokens":5,"input_tokens_details":{"cached_tokens":60}}}"#
        #expect(usage(part, .responses) == TokenUsage(prompt: 60, completion: 5, cached: 60))
    }

    /// What looks like usage but stands in what was generated, or where nobody reports it.
    @Test func contentDoesNotReport() {
        let own = #""usage":{"prompt_tokens":4,"completion_tokens":5}"#
        let fake = #"{\"usage\":{\"prompt_tokens\":900,\"completion_tokens\":900}}"#
        for content in [
            "{\"choices\":[{\"message\":{\"content\":\"\(fake)\"},\"finish_reason\":\"stop\"}],\(own)}",
            "{\"choices\":[{\"message\":{\"tool_calls\":[{\"function\":{\"name\":\"usage\",\"arguments\":\"\(fake)\"}}]}}],\(own)}",
            "{\"choices\":[{\"message\":{\"parsed\":{\"usage\":{\"prompt_tokens\":900}}}}],\(own)}",
            "{\"tools\":[{\"parameters\":{\"properties\":{\"usage\":{\"prompt_tokens\":900}}}}],\(own)}",
            "{\"choices\":[{\"logprobs\":{\"usage\":{\"prompt_tokens\":900}}}],\(own)}",
            "{\"data\":[{\"usage\":{\"prompt_tokens\":900}}],\(own)}",
            "{\"metadata\":{\"usage\":{\"prompt_tokens\":900}},\(own)}",
        ] {
            #expect(usage(content, .chatCompletions) == TokenUsage(prompt: 4, completion: 5), "\(content)")
        }
        let escaped = #"{"us\u0061ge":{"prompt\u005ftokens":4,"completion_tokens":5}}"#
        #expect(usage(escaped, .chatCompletions) == TokenUsage(prompt: 4, completion: 5))
    }

    @Test func theHeadTellsWhereTheBodyDoesNot() {
        var reader = reading(#"{"embedding":[0.1]}"#, endpoint: .modelInvoke, framing: .json)
        reader.noteHead(prompt: 12, completion: 0)
        #expect(reader.settled(promptEstimate: 1) == TokenUsage(prompt: 12))
        var told = reading(#"{"usage":{"input_tokens":3,"output_tokens":4}}"#, endpoint: .modelInvoke, framing: .json)
        told.noteHead(prompt: 12, completion: 0)
        #expect(told.settled(promptEstimate: 1) == TokenUsage(prompt: 3, completion: 4))
    }
}
