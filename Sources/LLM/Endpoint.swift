import Glibc
import Reactor

/// What an LLM path asks for.
@frozen public enum Endpoint: UInt8, BitwiseCopyable, Sendable, CaseIterable {
    case chatCompletions, completions, embeddings, responses, messages, countTokens, images, audio, moderations
    /// Text to sound.
    case speech
    case geminiGenerate, geminiStream, geminiEmbed, geminiCountTokens
    /// Gemini's Interactions API.
    case interactions
    /// OpenAI's answers to questions with probabilities, and its counting of what would be read.
    case decisions, inputTokens
    /// Cohere's and Ollama's own chat, Ollama's `generate`.
    case nativeChat
    /// Cohere's and Ollama's own `embed`.
    case nativeEmbed
    case rerank
    /// Mistral's reading of documents.
    case ocr
    /// Bedrock's `invoke` and `converse`, with or without a stream; Vertex's `rawPredict` and `streamRawPredict`.
    case modelInvoke
    case models
    /// Another endpoint beside these (files, batches, …), or no LLM path at all.
    case other

    /// Its requests have a body or a path with a model that a provider can be chosen by.
    public var namesModel: Bool { self != .models && self != .other }

    /// It generates text: an answer without usage is estimated.
    public var generates: Bool {
        switch self {
        case .chatCompletions, .completions, .responses, .messages, .geminiGenerate, .geminiStream, .interactions,
            .nativeChat, .modelInvoke:
            true
        default: false
        }
    }

    /// It counts tokens, which providers do for nothing.
    public var isFree: Bool { self == .countTokens || self == .inputTokens || self == .geminiCountTokens }

    /// Its streams end with an event that says so, or with a chunk that says why: one that ends without has broken off. Of
    /// chats many providers leave the end out.
    public var hasLastEvent: Bool { self == .messages || self == .responses || self == .geminiStream }

    /// What is generated may stand in the answer itself, without anything around it.
    var answersAtRoot: Bool { self == .nativeChat || self == .modelInvoke }

    /// A stream of it can be asked for usage by `stream_options.include_usage`.
    @inlinable public var takesStreamOptions: Bool { self == .chatCompletions || self == .completions }

    /// The format that requests to it are written in; nil where several APIs share the path.
    public var apiType: APIType? {
        switch self {
        case .chatCompletions, .completions, .embeddings, .responses, .images, .audio, .moderations, .speech, .ocr,
            .decisions, .inputTokens:
            .openai
        case .messages, .countTokens: .anthropic
        case .geminiGenerate, .geminiStream, .geminiEmbed, .geminiCountTokens, .interactions: .gemini
        case .models, .other, .nativeChat, .nativeEmbed, .rerank, .modelInvoke: nil
        }
    }

    /// What it reads is all that it is paid for.
    public var embeds: Bool {
        self == .embeddings || self == .geminiEmbed || self == .nativeEmbed || self == .decisions
    }

    /// What `path` (without query) asks for.
    ///
    /// The segments after the first version segment (`v1`, `v1beta`, …) decide, without a version the first ones; `openai`,
    /// `api` and `deployments/{model}` are passed over. A Gemini model may hold slashes, percent-encoded or not; what stands
    /// before `models/` in it (`publishers/google/`) is not part of it.
    public static func of(path: Bytes) -> EndpointMatch {
        guard let p = path.pointer else { return EndpointMatch(endpoint: .other) }
        var cursor = 0
        var hasVersion = false
        while !hasVersion, let segment = nextSegment(p, path.count, &cursor) { hasVersion = isVersion(p, segment) }
        if !hasVersion { cursor = 0 }
        var deployment = 0..<0
        while let segment = nextSegment(p, path.count, &cursor) {
            if isVersion(p, segment) || equals(p, segment, "openai") { continue }
            if !hasVersion && equals(p, segment, "api") { continue }
            if equals(p, segment, "deployments") {
                deployment = nextSegment(p, path.count, &cursor) ?? deployment
                continue
            }
            if equals(p, segment, "publishers") || equals(p, segment, "projects") || equals(p, segment, "locations")
                || equals(p, segment, "endpoints")
            {
                _ = nextSegment(p, path.count, &cursor)
                continue
            }
            var match = EndpointMatch.of(p, path.count, segment, next: cursor)
            if match.endpoint.namesModel, !match.hasModelInPath {
                (match.modelStart, match.modelEnd) = (deployment.lowerBound, deployment.upperBound)
            }
            return match
        }
        return EndpointMatch(endpoint: .other)
    }

    static func nextSegment(_ p: UnsafePointer<UInt8>, _ n: Int, _ cursor: inout Int) -> Range<Int>? {
        while cursor < n && p[cursor] == UInt8(ascii: "/") { cursor &+= 1 }
        guard cursor < n else { return nil }
        let start = cursor
        while cursor < n && p[cursor] != UInt8(ascii: "/") { cursor &+= 1 }
        return start..<cursor
    }

    private static func isVersion(_ p: UnsafePointer<UInt8>, _ s: Range<Int>) -> Bool {
        var i = s.lowerBound &+ 1
        guard s.count >= 2, p[s.lowerBound] == UInt8(ascii: "v"), isDigit(p[i]) else { return false }
        while i < s.upperBound && isDigit(p[i]) { i &+= 1 }
        if equals(p, i..<min(i &+ 4, s.upperBound), "beta") {
            i &+= 4
        } else if equals(p, i..<min(i &+ 5, s.upperBound), "alpha") {
            i &+= 5
        }
        while i < s.upperBound && isDigit(p[i]) { i &+= 1 }
        return i == s.upperBound
    }

    private static func isDigit(_ c: UInt8) -> Bool { c &- UInt8(ascii: "0") < 10 }

    static func equals(_ p: UnsafePointer<UInt8>, _ s: Range<Int>, _ name: StaticString) -> Bool {
        s.count == name.utf8CodeUnitCount && memcmp(p + s.lowerBound, name.utf8Start, s.count) == 0
    }
}

/// An endpoint, and where in the path its model stands.
@frozen public struct EndpointMatch: BitwiseCopyable, Equatable, Sendable {
    public var endpoint: Endpoint
    /// Offsets in the path of its `{model}` or deployment, still percent-encoded; empty where the body names the model.
    public var modelStart: Int
    public var modelEnd: Int

    public init(endpoint: Endpoint, modelStart: Int = 0, modelEnd: Int = 0) {
        self.endpoint = endpoint
        self.modelStart = modelStart
        self.modelEnd = modelEnd
    }

    /// The model stands in the path, and what the body calls it does not matter.
    public var hasModelInPath: Bool { modelEnd > modelStart }

    /// `first` is the segment that decides, `next` where the rest begins.
    static func of(
        _ p: UnsafePointer<UInt8>, _ n: Int, _ first: Range<Int>, next: Int
    ) -> EndpointMatch {
        var cursor = next
        let second = Endpoint.nextSegment(p, n, &cursor)
        let isLast = second == nil
        if Endpoint.equals(p, first, "chat") {
            guard let second else { return Self(endpoint: .nativeChat) }
            guard Endpoint.equals(p, second, "completions") else { return Self(endpoint: .other) }
            guard let third = Endpoint.nextSegment(p, n, &cursor) else { return Self(endpoint: .chatCompletions) }
            return Self(endpoint: Endpoint.equals(p, third, "input_tokens") ? .inputTokens : .other)
        }
        if Endpoint.equals(p, first, "messages") {
            if isLast { return Self(endpoint: .messages) }
            guard let second, Endpoint.equals(p, second, "count_tokens") else { return Self(endpoint: .other) }
            return Self(endpoint: .countTokens)
        }
        if Endpoint.equals(p, first, "completions") { return Self(endpoint: isLast ? .completions : .other) }
        if Endpoint.equals(p, first, "embeddings") { return Self(endpoint: isLast ? .embeddings : .other) }
        if Endpoint.equals(p, first, "responses") {
            // What follows is a response's id, but for `compact`, which runs a model.
            guard let second else { return Self(endpoint: .responses) }
            if Endpoint.equals(p, second, "input_tokens") { return Self(endpoint: .inputTokens) }
            return Self(endpoint: Endpoint.equals(p, second, "compact") ? .responses : .other)
        }
        if Endpoint.equals(p, first, "images") { return Self(endpoint: .images) }
        if Endpoint.equals(p, first, "audio") {
            guard let second, Endpoint.equals(p, second, "speech") else { return Self(endpoint: .audio) }
            return Self(endpoint: .speech)
        }
        if Endpoint.equals(p, first, "moderations") { return Self(endpoint: .moderations) }
        if Endpoint.equals(p, first, "generate") { return Self(endpoint: isLast ? .nativeChat : .other) }
        if Endpoint.equals(p, first, "embed") { return Self(endpoint: isLast ? .nativeEmbed : .other) }
        if Endpoint.equals(p, first, "ocr") { return Self(endpoint: isLast ? .ocr : .other) }
        if Endpoint.equals(p, first, "interactions") { return Self(endpoint: isLast ? .interactions : .other) }
        if Endpoint.equals(p, first, "decisions") { return Self(endpoint: isLast ? .decisions : .other) }
        if Endpoint.equals(p, first, "rerank") { return Self(endpoint: isLast ? .rerank : .other) }
        if Endpoint.equals(p, first, "fim") {
            // Mistral's.
            guard let second, Endpoint.equals(p, second, "completions") else { return Self(endpoint: .other) }
            return Self(endpoint: .completions)
        }
        if Endpoint.equals(p, first, "model") { return bedrock(p, n, second, next: cursor) }
        if Endpoint.equals(p, first, "models"), let second {
            // Azure AI's.
            if Endpoint.equals(p, second, "chat") {
                guard let third = Endpoint.nextSegment(p, n, &cursor), Endpoint.equals(p, third, "completions") else {
                    return Self(endpoint: .other)
                }
                return Self(endpoint: .chatCompletions)
            }
            if Endpoint.equals(p, second, "embeddings") { return Self(endpoint: .embeddings) }
        }
        if Endpoint.equals(p, first, "models") || Endpoint.equals(p, first, "tunedModels") {
            return models(p, n, next)
        }
        return Self(endpoint: .other)
    }

    /// `model/{model}/invoke` and its like.
    private static func bedrock(
        _ p: UnsafePointer<UInt8>, _ n: Int, _ model: Range<Int>?, next: Int
    ) -> EndpointMatch {
        var cursor = next
        guard let model, let verb = Endpoint.nextSegment(p, n, &cursor), Endpoint.nextSegment(p, n, &cursor) == nil,
            Endpoint.equals(p, verb, "invoke") || Endpoint.equals(p, verb, "converse")
                || Endpoint.equals(p, verb, "invoke-with-response-stream")
                || Endpoint.equals(p, verb, "converse-stream")
        else { return Self(endpoint: .other) }
        return Self(endpoint: .modelInvoke, modelStart: model.lowerBound, modelEnd: model.upperBound)
    }

    /// `models/…`: a verb after the last colon runs the model.
    private static func models(_ p: UnsafePointer<UInt8>, _ n: Int, _ next: Int) -> EndpointMatch {
        var start = next
        while start < n && p[start] == UInt8(ascii: "/") { start &+= 1 }
        var end = n
        while end > start && p[end &- 1] == UInt8(ascii: "/") { end &-= 1 }
        var colon = end &- 1
        var verb = end
        while colon > start {
            if p[colon] == UInt8(ascii: ":") {
                verb = colon &+ 1
                break
            }
            if colon &+ 2 < end, p[colon] == UInt8(ascii: "%"), p[colon &+ 1] == UInt8(ascii: "3"),
                p[colon &+ 2] | 0x20 == UInt8(ascii: "a")
            {
                verb = colon &+ 3
                break
            }
            if p[colon] == UInt8(ascii: "/") { return Self(endpoint: .models) }
            colon &-= 1
        }
        guard colon > start, verb < end else { return Self(endpoint: .models) }
        let range = verb..<end
        let endpoint: Endpoint
        if Endpoint.equals(p, range, "generateContent") {
            endpoint = .geminiGenerate
        } else if Endpoint.equals(p, range, "streamGenerateContent") {
            endpoint = .geminiStream
        } else if Endpoint.equals(p, range, "embedContent") || Endpoint.equals(p, range, "batchEmbedContents") {
            endpoint = .geminiEmbed
        } else if Endpoint.equals(p, range, "countTokens") {
            endpoint = .geminiCountTokens
        } else if Endpoint.equals(p, range, "rawPredict") || Endpoint.equals(p, range, "streamRawPredict") {
            endpoint = .modelInvoke
        } else {
            return Self(endpoint: .models)
        }
        return Self(endpoint: endpoint, modelStart: start, modelEnd: colon)
    }
}
