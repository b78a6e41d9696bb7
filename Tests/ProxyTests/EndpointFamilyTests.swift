import Testing

@testable import Proxy

@Suite struct EndpointFamilyTests {
    static let paths: [(String, EndpointFamilies)] = [
        ("/v1/chat/completions", .chat),
        ("/v1/completions", .completions),
        ("/v1/embeddings", .embeddings),
        ("/v1/models", .models),
        ("/v1/models/gpt-4o", .models),
        ("/v1/responses/resp_1", .responses),
        ("/v1/messages", .messages),
        ("/v1/messages/count_tokens", .messages),
        ("/v1/images/generations", .images),
        ("/v1/audio/speech", .audio),
        ("/v1/files/file-1/content", .files),
        ("/v1/moderations", .moderations),
        // A prefix before the version, doubled slashes, no version.
        ("/team/openai/v1/chat/completions", .chat),
        ("//v1//chat/completions", .chat),
        ("/chat/completions", .chat),
        ("/models/", .models),
        ("/openai/chat/completions", .chat),
        ("/openai/v1/embeddings", .embeddings),
        ("/v2/chat", .chat),
        // Azure.
        ("/openai/deployments/gpt-4o/chat/completions", .chat),
        ("/openai/deployments/chat/embeddings", .embeddings),
        ("/deployments/v1/completions", .completions),
        // Gemini's OpenAI paths; a version decides only where it leads.
        ("/v1beta/openai/chat/completions", .chat),
        ("/v1alpha2/openai/embeddings", .embeddings),
        ("/v1/models/v0-1.5-md", .models),
        ("/v1/files/v1/chat", .files),
        // Gemini: a verb runs the model, and who may list models may not run them.
        ("/v1beta/models/gemini-pro:generateContent", .chat),
        ("/v1beta/models/gemini-pro:streamGenerateContent", .chat),
        ("/v1beta/models/text-embedding:embedContent", .embeddings),
        ("/v1beta/models/text-embedding:batchEmbedContents", .embeddings),
        ("/v1beta/models/gemini-pro:countTokens", .models),
        ("/v1beta/models/gemini-pro:predict", []),
        ("/v1beta/interactions", .chat),
        ("/v1/decisions", .chat),
        // Not what they end in.
        ("/v1/threads/t_1/messages", []),
        ("/v1/vector_stores/files", []),
        ("/v1/fine_tuning/models", []),
        ("/v1/chatter", []),
        ("/v1/cha", []),
        ("/v1/CHAT", []),
        ("/v1/ch%61t/completions", []),
        ("/v1", []),
        ("/", []),
        ("", []),
        ("*", []),
    ]

    @Test(arguments: paths) func ofPath(_ path: String, _ family: EndpointFamilies) {
        #expect(EndpointFamilies.of(path: kept(path)) == family)
    }

    @Test func everyFamilyHasItsOwnBitAndName() {
        var all: EndpointFamilies = []
        for (name, family) in EndpointFamilies.names {
            #expect(EndpointFamilies.named(name) == family)
            #expect(all.isDisjoint(with: family))
            all.insert(family)
        }
        #expect(
            EndpointFamilies.names.map(\.0).sorted() == [
                "audio", "chat", "completions", "embeddings", "files", "images", "messages", "models", "moderations",
                "responses",
            ])
        #expect(EndpointFamilies.named("*") == nil)
        #expect(EndpointFamilies.named("Chat") == nil)
        #expect(EndpointFamilies.named("") == nil)
    }
}
