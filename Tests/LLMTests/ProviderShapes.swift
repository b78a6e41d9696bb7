@testable import LLM

/// An answer as a provider documents it, and what it is to be accounted at.
struct ProviderShape: Sendable {
    var name: String
    var endpoint = Endpoint.chatCompletions
    var framing = Framing.json
    var text: String
    /// nil: nothing is accounted.
    var usage: TokenUsage?

    /// A JSON answer of a chat with this `usage` behind what was said.
    static func chat(_ name: String, _ report: String, _ usage: TokenUsage) -> ProviderShape {
        let choice = #"{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}"#
        return ProviderShape(
            name: name, text: #"{"id":"1","object":"chat.completion","choices":[\#(choice)],"usage":\#(report)}"#,
            usage: usage)
    }

    /// A stream of these events.
    static func stream(
        _ name: String, at endpoint: Endpoint = .chatCompletions, named: Bool = false, done: Bool = true,
        _ events: [String], _ usage: TokenUsage?
    ) -> ProviderShape {
        let text = events.map { $0.hasPrefix(":") ? "\($0)\n\n" : "\(named ? "event: e\n" : "")data: \($0)\n\n" }
            .joined()
        return ProviderShape(
            name: name, endpoint: endpoint, framing: .sse, text: text + (done ? "data: [DONE]\n\n" : ""), usage: usage)
    }

    static func tokens(
        _ prompt: Int64, _ completion: Int64, cached: Int64 = 0, written: Int64 = 0, reasoning: Int64 = 0,
        total: Int64? = nil, _ change: (inout TokenUsage) -> Void = { _ in }
    ) -> TokenUsage {
        var usage = TokenUsage(
            prompt: prompt, completion: completion, cached: cached, cacheWrite: written, reasoning: reasoning,
            total: total)
        change(&usage)
        return usage
    }

    private static let role = #"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#
    private static let word = #"{"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}"#
    private static let stop = #"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#

    static let all: [ProviderShape] = openAI + anthropic + gemini + others + local

    // MARK: OpenAI

    static let openAI: [ProviderShape] = [
        .chat(
            "OpenAI, every detail",
            """
            {"prompt_tokens":2006,"completion_tokens":300,"total_tokens":2306,"prompt_tokens_details":{"cached_tokens":1920,
            "audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":256,"audio_tokens":0,
            "accepted_prediction_tokens":3,"rejected_prediction_tokens":9}}
            """, tokens(2006, 300, cached: 1920, reasoning: 256)),
        ProviderShape(
            name: "OpenAI, completions", endpoint: .completions,
            text: """
                {"object":"text_completion","choices":[{"text":"\\n\\nHi","index":0,"logprobs":null,"finish_reason":"length"}],
                "usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}
                """, usage: tokens(5, 7)),
        .stream(
            "OpenAI, a response that is incomplete", at: .responses, named: true, done: false,
            [
                #"{"type":"response.created","response":{"id":"r","status":"in_progress","usage":null,"error":null}}"#,
                #"{"type":"response.output_text.delta","delta":"Hi"}"#,
                """
                {"type":"response.incomplete","response":{"status":"incomplete","error":null,"incomplete_details":
                """ + """
                    {"reason":"max_output_tokens"},"usage":{"input_tokens":37,"input_tokens_details":{"cached_tokens":30},
                    """ + #""output_tokens":11,"output_tokens_details":{"reasoning_tokens":8},"total_tokens":48}}}"#,
            ], tokens(37, 11, cached: 30, reasoning: 8)),
        .stream(
            "OpenAI, a response that fails after content", at: .responses, named: true, done: false,
            [
                #"{"type":"response.output_text.delta","delta":"Hi"}"#,
                #"{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"x"},"usage":{"input_tokens":3,"output_tokens":2,"total_tokens":5}}}"#,
            ], tokens(3, 2)),
        ProviderShape(
            name: "OpenAI, a response in the background", endpoint: .responses,
            text:
                #"{"id":"r","object":"response","status":"queued","background":true,"error":null,"output":[],"usage":null}"#,
            usage: TokenUsage(prompt: 77, estimated: true)),
        ProviderShape(
            name: "OpenAI, moderations", endpoint: .moderations,
            text:
                #"{"id":"m","model":"omni-moderation-latest","results":[{"flagged":false,"categories":{"hate":false}}]}"#
        ),
        ProviderShape(
            name: "OpenAI, code in a response is no status", endpoint: .responses, framing: .sse,
            text: """
                data: {"type":"response.code_interpreter_call_code.delta","delta":"500"}

                data: {"type":"response.code_interpreter_call_code.done","code":"500"}

                data: {"type":"response.completed","response":{"usage":{"input_tokens":3,"output_tokens":2}}}


                """, usage: tokens(3, 2)),
        .stream(
            "OpenAI, pictures with previews", at: .images, done: false,
            [
                #"{"type":"image_edit.partial_image","b64_json":"AAAA","partial_image_index":0}"#,
                #"{"type":"image_edit.completed","b64_json":"AAAA","usage":{"total_tokens":100,"input_tokens":50,"output_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40}}}"#,
            ], tokens(50, 50) { ($0.inputImage, $0.outputImage) = (40, 50) }),
        .stream(
            "Azure, filters first", done: true,
            [
                #"{"choices":[],"id":"","model":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{}}]}"#,
                role, word, stop,
                #"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11,"prompt_tokens_details":{"cached_tokens":4,"audio_tokens":0}}}"#,
            ], tokens(9, 2, cached: 4)),
    ]

    // MARK: Anthropic

    static let anthropic: [ProviderShape] = [
        .stream(
            "Anthropic, caches of both kinds and a search", at: .messages, named: true, done: false,
            [
                """
                {"type":"message_start","message":{"role":"assistant","content":[],"usage":{"input_tokens":4,
                """ + """
                    "cache_creation_input_tokens":30,"cache_read_input_tokens":20,"cache_creation":
                    """ + #"{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},"output_tokens":1}}}"#,
                #"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":""}}"#,
                #"{"type":"ping"}"#,
                #"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}"#,
                #"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hi"}}"#,
                """
                {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":104,
                """ + """
                    "cache_creation_input_tokens":30,"cache_read_input_tokens":20,"output_tokens":51,
                    """
                    + #""output_tokens_details":{"thinking_tokens":40},"server_tool_use":{"web_search_requests":2}}}"#,
                #"{"type":"message_stop"}"#,
            ],
            tokens(154, 51, cached: 20, written: 30, reasoning: 40) { ($0.cacheWriteLong, $0.searches) = (20, 2) }),
        .stream(
            "Anthropic's format elsewhere: all of it at the end, nulls before", at: .messages, named: true, done: false,
            [
                #"{"type":"message_start","message":{"usage":{"input_tokens":0,"output_tokens":0}}}"#,
                #"{"type":"content_block_delta","delta":{"type":"text_delta","text":"Hi"}}"#,
                #"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":12,"output_tokens":3,"cache_read_input_tokens":8,"cache_creation_input_tokens":null}}"#,
                #"{"type":"message_stop"}"#,
            ], tokens(20, 3, cached: 8)),
        ProviderShape(
            name: "Anthropic, counting", endpoint: .countTokens, text: #"{"input_tokens":2095}"#),
    ]

    // MARK: Gemini

    static let gemini: [ProviderShape] = [
        ProviderShape(
            name: "Gemini, everything", endpoint: .geminiGenerate,
            text: """
                {"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}],"usageMetadata":{
                "promptTokenCount":100,"candidatesTokenCount":10,"totalTokenCount":160,"cachedContentTokenCount":40,
                "thoughtsTokenCount":20,"toolUsePromptTokenCount":30,
                "promptTokensDetails":[{"modality":"TEXT","tokenCount":60},{"modality":"VIDEO","tokenCount":40}],
                "toolUsePromptTokensDetails":[{"modality":"TEXT","tokenCount":30}]}}
                """,
            usage: tokens(100, 30, cached: 40, reasoning: 20, total: 160) { $0.toolPrompt = 30 }),
        ProviderShape(
            name: "Gemini, refused before it began", endpoint: .geminiGenerate,
            text:
                #"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":7,"totalTokenCount":7}}"#,
            usage: tokens(7, 0)),
        ProviderShape(
            name: "Gemini, several embeddings", endpoint: .geminiEmbed,
            text:
                #"{"embeddings":[{"values":[0.1]},{"values":[0.2]}],"usageMetadata":{"promptTokenCount":6,"totalTokenCount":6}}"#,
            usage: tokens(6, 0)),
        ProviderShape(
            name: "Gemini, counting", endpoint: .geminiCountTokens,
            text: #"{"totalTokens":31,"promptTokensDetails":[{"modality":"TEXT","tokenCount":31}]}"#),
        .chat(
            "Gemini in OpenAI's format: the total alone has the thoughts",
            #"{"prompt_tokens":66,"completion_tokens":6,"total_tokens":100}"#,
            tokens(66, 6, total: 100) { $0.totalHasMore = true }),
    ]

    // MARK: Those who speak OpenAI's format, each in its way

    static let others: [ProviderShape] = [
        .chat(
            "DeepSeek",
            """
            {"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,"prompt_tokens_details":{"cached_tokens":64},
            "completion_tokens_details":{"reasoning_tokens":30},"prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36}
            """, tokens(100, 50, cached: 64, reasoning: 30)),
        .chat(
            "Moonshot", #"{"prompt_tokens":19,"completion_tokens":21,"total_tokens":40,"cached_tokens":10}"#,
            tokens(19, 21, cached: 10)),
        .stream(
            "xAI: cumulative, reasoning apart",
            [
                #"{"choices":[{"index":0,"delta":{"role":"assistant","reasoning_content":"hm"}}],"usage":{"prompt_tokens":32,"completion_tokens":0,"total_tokens":33,"completion_tokens_details":{"reasoning_tokens":1}}}"#,
                #"{"choices":[{"index":0,"delta":{"content":"Hi"}}],"usage":{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,"prompt_tokens_details":{"text_tokens":32,"cached_tokens":6},"completion_tokens_details":{"reasoning_tokens":94}}}"#,
                #"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,"prompt_tokens_details":{"text_tokens":32,"cached_tokens":6},"completion_tokens_details":{"reasoning_tokens":94},"num_sources_used":0}}"#,
            ], tokens(32, 103, cached: 6, reasoning: 94)),
        .stream(
            "Groq",
            [
                #"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}],"x_groq":{"id":"req_1"}}"#, word,
                #"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"x_groq":{"id":"req_1","usage":{"queue_time":0.03,"prompt_tokens":18,"prompt_time":0.001,"completion_tokens":556,"total_tokens":574}}}"#,
            ], tokens(18, 556)),
        .chat(
            "Mistral: names of its own",
            #"{"prompt_tokens":801,"completion_tokens":2,"total_tokens":803,"num_cached_tokens":768,"prompt_audio_seconds":{}}"#,
            tokens(801, 2, cached: 768)),
        .chat(
            "Mistral: the total alone has the sound",
            #"{"prompt_audio_seconds":3,"prompt_tokens":9,"total_tokens":632,"completion_tokens":248,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":375}}"#,
            tokens(9, 248, total: 632) { ($0.inputAudio, $0.totalHasMore, $0.milliseconds) = (375, true, 3000) }),
        .chat(
            "Perplexity: research has its reasoning and what it read in no other figure",
            """
            {"prompt_tokens":33,"completion_tokens":11395,"total_tokens":11428,"citation_tokens":19028,
            "num_search_queries":21,"reasoning_tokens":193947,"cost":{"reasoning_tokens_cost":0.582,"total_cost":0.816}}
            """,
            tokens(33, 205_342, reasoning: 193_947) {
                ($0.toolPrompt, $0.searches, $0.statedMicros) = (19_028, 21, 816_000)
            }),
        .chat(
            "Perplexity: citations alone",
            #"{"prompt_tokens":9,"completion_tokens":525,"total_tokens":534,"citation_tokens":4941,"num_search_queries":2}"#,
            tokens(9, 525) { $0.searches = 2 }),
        .stream(
            "Perplexity: in every chunk, growing",
            [
                #"{"object":"chat.completion.chunk","usage":{"prompt_tokens":4,"completion_tokens":1,"total_tokens":5,"search_context_size":"low"},"choices":[{"index":0,"message":{"content":"H"},"delta":{"content":"H"}}]}"#,
                #"{"object":"chat.completion.done","usage":{"prompt_tokens":4,"completion_tokens":2,"total_tokens":6,"search_context_size":"low","cost":{"input_tokens_cost":0.0,"output_tokens_cost":0.0,"request_cost":0.005,"total_cost":0.005}},"choices":[{"index":0,"finish_reason":"stop","message":{"content":"Hi"},"delta":{"content":"i"}}]}"#,
            ], tokens(4, 2) { ($0.statedMicros, $0.searches, $0.searchSize) = (5000, 1, .low) }),
        .stream(
            "OpenRouter",
            [
                ": OPENROUTER PROCESSING", role, ": OPENROUTER PROCESSING", word, stop,
                #"{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":{"prompt_tokens":43,"completion_tokens":10,"total_tokens":53,"cost":0.00095,"is_byok":false,"prompt_tokens_details":{"cached_tokens":5,"cache_write_tokens":7},"completion_tokens_details":{"reasoning_tokens":11}}}"#,
            ], tokens(43, 10, cached: 5, written: 7, reasoning: 11) { $0.statedMicros = 950 }),
        .stream(
            "Together, Fireworks, Cohere: with the last choice",
            [
                word,
                #"{"choices":[{"index":0,"text":"","delta":{"content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":8,"completion_tokens":2,"total_tokens":10}}"#,
            ], tokens(8, 2)),
        .chat(
            "Qwen: what is written to a cache stands among the details",
            """
            {"prompt_tokens":2105,"completion_tokens":318,"total_tokens":2423,"prompt_tokens_details":{"cached_tokens":0,
            "cache_creation_input_tokens":2095,"cache_creation":{"ephemeral_5m_input_tokens":2095},"cache_type":"ephemeral"}}
            """, tokens(2105, 318, written: 2095)),
        .chat(
            "LiteLLM: Anthropic's figures beside OpenAI's",
            """
            {"prompt_tokens":1000,"completion_tokens":5,"total_tokens":1005,"cache_creation_input_tokens":300,
            "cache_read_input_tokens":600,"prompt_tokens_details":{"cached_tokens":600,"cache_creation_tokens":300}}
            """, tokens(1000, 5, cached: 600, written: 300)),
        .chat(
            "A gateway that leaves caches out of the prompt: its total tells",
            """
            {"prompt_tokens":100,"completion_tokens":5,"total_tokens":1005,"cache_creation_input_tokens":300,
            "prompt_tokens_details":{"cached_tokens":600}}
            """, tokens(1000, 5, cached: 600, written: 300)),
        .stream(
            "MiniMax: the whole answer once more at the end",
            [
                word,
                #"{"object":"chat.completion","choices":[{"finish_reason":"stop","index":0,"message":{"content":"Hi","role":"assistant"}}],"usage":{"total_tokens":186,"total_characters":0,"prompt_tokens":180,"completion_tokens":6},"base_resp":{"status_code":0,"status_msg":""}}"#,
            ], tokens(180, 6)),
        .chat(
            "A total that nobody reckoned", #"{"prompt_tokens":5,"completion_tokens":6,"total_tokens":0}"#, tokens(5, 6)
        ),
    ]

    // MARK: At home

    static let local: [ProviderShape] = [
        .stream(
            "vLLM: continuous_usage_stats",
            [
                #"{"choices":[{"index":0,"delta":{"role":"assistant","content":""}}],"usage":{"prompt_tokens":33,"total_tokens":33,"completion_tokens":0}}"#,
                #"{"choices":[{"index":0,"delta":{"content":"Hi"}}],"usage":{"prompt_tokens":33,"total_tokens":34,"completion_tokens":1}}"#,
                #"{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"stop"}],"usage":{"prompt_tokens":33,"total_tokens":35,"completion_tokens":2}}"#,
                #"{"choices":[],"usage":{"prompt_tokens":33,"total_tokens":35,"completion_tokens":2}}"#,
            ], tokens(33, 2)),
        .stream(
            "llama.cpp: timings after all others",
            [
                word,
                #"{"choices":[{"finish_reason":"stop","index":0,"delta":{}}],"timings":{"cache_n":236,"prompt_n":1,"predicted_n":35}}"#,
                #"{"choices":[],"usage":{"completion_tokens":35,"prompt_tokens":237,"total_tokens":272,"prompt_tokens_details":{"cached_tokens":236}},"timings":{"cache_n":236,"prompt_n":1,"predicted_n":35}}"#,
            ], tokens(237, 35, cached: 236)),
        ProviderShape(
            name: "Ollama", endpoint: .nativeChat, framing: .ndjson,
            text: """
                {"model":"m","message":{"role":"assistant","content":"","thinking":"hm"},"done":false}
                {"model":"m","message":{"role":"assistant","content":"Hi"},"done":false}
                {"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":11,"eval_count":18}

                """, usage: tokens(11, 18)),
    ]
}
