import Glibc
import Reactor

/// The families of endpoints that a key's permissions can name, after OpenAI's and Anthropic's paths.
struct EndpointFamilies: OptionSet, BitwiseCopyable, Sendable {
    let rawValue: UInt16

    static let chat = EndpointFamilies(rawValue: 1 << 0)
    static let completions = EndpointFamilies(rawValue: 1 << 1)
    static let embeddings = EndpointFamilies(rawValue: 1 << 2)
    static let models = EndpointFamilies(rawValue: 1 << 3)
    static let responses = EndpointFamilies(rawValue: 1 << 4)
    static let messages = EndpointFamilies(rawValue: 1 << 5)
    static let images = EndpointFamilies(rawValue: 1 << 6)
    static let audio = EndpointFamilies(rawValue: 1 << 7)
    static let files = EndpointFamilies(rawValue: 1 << 8)
    static let moderations = EndpointFamilies(rawValue: 1 << 9)

    /// Permission names as the admin API takes them.
    static let names: [(String, EndpointFamilies)] = [
        ("chat", .chat), ("completions", .completions), ("embeddings", .embeddings), ("models", .models),
        ("responses", .responses), ("messages", .messages), ("images", .images), ("audio", .audio),
        ("files", .files), ("moderations", .moderations),
    ]

    static func named(_ name: String) -> EndpointFamilies? { names.first { $0.0 == name }?.1 }

    /// The family of a request path, empty if it is of none.
    ///
    /// The segment after the first version segment (`v1`, `v1beta`, …) decides, so that a prefix may stand before it and
    /// `/v1/threads/{id}/messages` is not taken for Anthropic's `/v1/messages`; without a version, the first segment. In
    /// either place `openai`, a version and `deployments/{name}` (Azure, Gemini's OpenAI paths) are passed over.
    /// `models/{model}:generateContent` (Gemini) is chat, `…:embedContent` embeddings: who may list models may not thereby
    /// run them. Gemini's `interactions` and OpenAI's `decisions` run models, too: they are chat.
    static func of(path: Bytes) -> EndpointFamilies {
        guard let p = path.pointer else { return [] }
        var cursor = 0
        var hasVersion = false
        while !hasVersion, let segment = nextSegment(p, path.count, &cursor) {
            hasVersion = VersionSegment.matches(segment)
        }
        if !hasVersion { cursor = 0 }
        while let segment = nextSegment(p, path.count, &cursor) {
            if VersionSegment.matches(segment) || segmentEquals(segment, "openai") { continue }
            if !hasVersion && segmentEquals(segment, "api") { continue }
            if segmentEquals(segment, "deployments") || segmentEquals(segment, "publishers")
                || segmentEquals(segment, "projects") || segmentEquals(segment, "locations")
                || segmentEquals(segment, "endpoints")
            {
                _ = nextSegment(p, path.count, &cursor)
                continue
            }
            return family(of: segment, rest: Bytes(p + cursor, path.count - cursor))
        }
        return []
    }

    private static func family(of segment: Bytes, rest: Bytes) -> EndpointFamilies {
        if segmentEquals(segment, "chat") { return .chat }
        if segmentEquals(segment, "models") {
            if begins(rest, "/chat/") { return .chat }
            return begins(rest, "/embeddings") ? .embeddings : modelsFamily(rest)
        }
        if segmentEquals(segment, "generate") || segmentEquals(segment, "model") { return .chat }
        if segmentEquals(segment, "embed") { return .embeddings }
        if segmentEquals(segment, "interactions") || segmentEquals(segment, "decisions") { return .chat }
        if segmentEquals(segment, "fim") { return .completions }
        if segmentEquals(segment, "messages") { return .messages }
        if segmentEquals(segment, "completions") { return .completions }
        if segmentEquals(segment, "embeddings") { return .embeddings }
        if segmentEquals(segment, "responses") { return .responses }
        if segmentEquals(segment, "images") { return .images }
        if segmentEquals(segment, "audio") { return .audio }
        if segmentEquals(segment, "files") { return .files }
        if segmentEquals(segment, "moderations") { return .moderations }
        return []
    }

    /// `models` and what follows: a verb after a colon runs the model.
    private static func modelsFamily(_ rest: Bytes) -> EndpointFamilies {
        guard let p = rest.pointer, let colon = memchr(p, 0x3A, rest.count) else { return .models }
        let verb = UnsafeRawPointer(colon) + 1 - UnsafeRawPointer(p)
        let tail = Bytes(p + verb, rest.count - verb)
        if segmentContains(tail, "generateContent") || segmentContains(tail, "GenerateContent") { return .chat }
        if segmentContains(tail, "rawPredict") || segmentContains(tail, "RawPredict") { return .chat }
        if segmentContains(tail, "mbedContent") { return .embeddings }
        if segmentContains(tail, "countTokens") { return .models }
        return []
    }

    private static func begins(_ s: Bytes, _ prefix: StaticString) -> Bool {
        s.count >= prefix.utf8CodeUnitCount && bytesEqual(s.pointer, prefix.utf8Start, prefix.utf8CodeUnitCount)
    }

    private static func nextSegment(_ p: UnsafePointer<UInt8>, _ n: Int, _ cursor: inout Int) -> Bytes? {
        while cursor < n && p[cursor] == UInt8(ascii: "/") { cursor += 1 }
        guard cursor < n else { return nil }
        let start = cursor
        if let slash = memchr(p + start, 0x2F, n - start) {
            cursor = UnsafeRawPointer(slash) - UnsafeRawPointer(p)
        } else {
            cursor = n
        }
        return Bytes(p + start, cursor - start)
    }

    private static func segmentEquals(_ s: Bytes, _ name: StaticString) -> Bool {
        s.count == name.utf8CodeUnitCount && bytesEqual(s.pointer, name.utf8Start, s.count)
    }

    private static func segmentContains(_ s: Bytes, _ name: StaticString) -> Bool {
        guard let p = s.pointer else { return false }
        let n = name.utf8CodeUnitCount
        var i = 0
        while i + n <= s.count {
            if bytesEqual(p + i, name.utf8Start, n) { return true }
            i += 1
        }
        return false
    }
}
