import Reactor
import Testing

@testable import LLM

struct EndpointTests {
    @Test(
        arguments: [
            ("/v1/chat/completions", .chatCompletions), ("/chat/completions", .chatCompletions),
            ("/v1/completions", .completions),
            ("/openai/v1/chat/completions", .chatCompletions), ("/api/v1/chat/completions", .chatCompletions),
            ("/openai/deployments/gpt-4o/chat/completions", .chatCompletions),
            ("/v1beta/openai/chat/completions", .chatCompletions),
            ("/openai/deployments/x/embeddings", .embeddings), ("/v1/embeddings", .embeddings),
            ("/v1/responses", .responses),
            ("/v1/responses/compact", .responses), ("/v1/responses/resp_1", .other), ("/v1/messages", .messages),
            ("/v1/messages/count_tokens", .countTokens), ("/v1/messages/batches", .other),
            ("/v1/images/generations", .images),
            ("/v1/audio/transcriptions", .audio), ("/v1/moderations", .moderations), ("/v1/models", .models),
            ("/v1/models/gpt-4o", .models), ("/v1beta/models", .models), ("/v1/chat/completions/", .chatCompletions),
            ("/v1/threads/t/messages", .other), ("/v1/files", .other), ("/", .other), ("", .other), ("/health", .other),
            ("/v1/chat", .nativeChat), ("/v2/chat", .nativeChat), ("/api/chat", .nativeChat),
            ("/api/generate", .nativeChat), ("/api/embed", .nativeEmbed), ("/v2/embed", .nativeEmbed),
            ("/api/embeddings", .embeddings), ("/v2/rerank", .rerank), ("/v1/fim/completions", .completions),
            ("/v1/ocr", .ocr), ("/v1/ocr/x", .other), ("/v1/audio/speech", .speech),
            ("/v1beta/interactions", .interactions), ("/v1beta/interactions/v1_x", .other),
            ("/v1/decisions", .decisions), ("/v1/decisions/x", .other),
            ("/v1/responses/input_tokens", .inputTokens), ("/v1/chat/completions/input_tokens", .inputTokens),
            ("/v1/chat/completions/chatcmpl_1", .other),
            ("/models/chat/completions", .chatCompletions),
            ("/models/embeddings", .embeddings), ("/models/chat", .other), ("/api/tags", .other),
            ("/v1/projects/p/locations/l/endpoints/openapi/chat/completions", .chatCompletions),
            ("/model/x", .other), ("/model/x/converse/y", .other), ("/model/x/count-tokens", .other),
            ("/v1/chatx/completions", .other), ("//v1//chat//completions", .chatCompletions),
        ] as [(String, Endpoint)])
    func paths(path: String, endpoint: Endpoint) {
        #expect(withBytes(path) { Endpoint.of(path: $0).endpoint } == endpoint)
    }

    @Test func whichStreamsHaveALastEvent() {
        #expect(Endpoint.messages.hasLastEvent && Endpoint.responses.hasLastEvent && Endpoint.geminiStream.hasLastEvent)
        #expect(!Endpoint.chatCompletions.hasLastEvent && !Endpoint.modelInvoke.hasLastEvent)
    }

    @Test(arguments: [
        ("/v1beta/models/gemini-2.5-flash:generateContent", Endpoint.geminiGenerate, "gemini-2.5-flash"),
        ("/v1/models/gemini-2.5-pro:streamGenerateContent", .geminiStream, "gemini-2.5-pro"),
        ("/v1beta/models/text-embedding-004:embedContent", .geminiEmbed, "text-embedding-004"),
        ("/v1beta/models/x:batchEmbedContents", .geminiEmbed, "x"),
        ("/v1beta/models/x:countTokens", .geminiCountTokens, "x"),
        ("/v1beta/models/google/gemini-2.5-pro:generateContent", .geminiGenerate, "google/gemini-2.5-pro"),
        ("/v1beta/models/google%2Fgemini:generateContent", .geminiGenerate, "google%2Fgemini"),
        ("/v1beta/models/a%3Afree%3AgenerateContent", .geminiGenerate, "a%3Afree"),
        ("/v1beta/models/a:free:generateContent", .geminiGenerate, "a:free"),
        (
            "/v1/projects/p/locations/us/publishers/google/models/gemini-2.0:generateContent", .geminiGenerate,
            "gemini-2.0"
        ),
        ("/model/anthropic.claude-3-5-sonnet-v2%3A0/converse", .modelInvoke, "anthropic.claude-3-5-sonnet-v2%3A0"),
        ("/model/amazon.nova-lite-v1:0/invoke-with-response-stream", .modelInvoke, "amazon.nova-lite-v1:0"),
        (
            "/v1/projects/p/locations/l/publishers/anthropic/models/claude@20250929:streamRawPredict", .modelInvoke,
            "claude@20250929"
        ),
        ("/openai/deployments/my-gpt/chat/completions", .chatCompletions, "my-gpt"),
        ("/openai/deployments/my-gpt/audio/speech", .speech, "my-gpt"),
        ("/v1beta/models/x:deleteEverything", .models, ""), ("/v1beta/models/:generateContent", .models, ""),
    ])
    func geminisModelStandsInThePath(path: String, endpoint: Endpoint, model: String) {
        let match = withBytes(path) { Endpoint.of(path: $0) }
        #expect(match.endpoint == endpoint)
        #expect(String(decoding: Array(path.utf8)[match.modelStart..<match.modelEnd], as: UTF8.self) == model)
    }

    @Test(
        arguments: [
            ("openai/gpt-4o", "openai", "gpt-4o"), ("or/qwen/qwen3-30b-a3b:free", "or", "qwen/qwen3-30b-a3b:free"),
            ("gpt-4o", nil, nil), ("/gpt", nil, nil), ("openai/", nil, nil), ("", nil, nil),
        ] as [(String, String?, String?)])
    func namesSplitAtTheFirstSlash(name: String, provider: String?, model: String?) {
        let parts = withBytes(name) { ModelName.split($0).map { ($0.provider.string, $0.model.string) } }
        #expect(parts?.0 == provider && parts?.1 == model)
    }

    @Test func namesInPathsAreDecoded() {
        func decoded(_ name: String) -> String? {
            withBytes(name) { bytes in
                var out = [UInt8](repeating: 0, count: max(1, bytes.count))
                let n = out.withUnsafeMutableBufferPointer { ModelName.decode(bytes, into: $0.baseAddress!) }
                return n < 0 ? nil : String(decoding: out.prefix(n), as: UTF8.self)
            }
        }
        #expect(decoded("a%2Fb%3afree") == "a/b:free")
        #expect(decoded("plain") == "plain")
        for bad in ["a%2", "a%zz", "%00", "a%0ab", "%"] { #expect(decoded(bad) == nil) }
        #expect(withBytes("models/gemini") { ModelName.withoutCollection($0).string } == "gemini")
        #expect(withBytes("models/") { ModelName.withoutCollection($0).string } == "models/")
    }

    @Test func framings() {
        func framing(_ type: String) -> Framing { withBytes(type) { Framing.of(contentType: $0) } }
        #expect(framing("text/event-stream; charset=utf-8") == .sse && framing("Text/Event-Stream") == .sse)
        #expect(
            framing("application/x-ndjson") == .ndjson && framing("application/json") == .json && framing("") == .json)
    }

    @Test func typesHaveNames() {
        for type in APIType.allCases { #expect(APIType(name: type.name) == type) }
        #expect(APIType(name: "x") == nil)
    }
}
