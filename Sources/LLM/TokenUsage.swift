/// What one exchange used, in tokens, with one meaning for all providers.
@frozen public struct TokenUsage: BitwiseCopyable, Equatable, Sendable {
    /// All that went in; what was read from or written to a cache is included, also where the provider reports it apart.
    public var prompt: Int64
    /// All that came out, reasoning included.
    public var completion: Int64
    /// The part of `prompt` that was read from the provider's cache.
    public var cached: Int64
    /// The part of `prompt` that was written to the provider's cache.
    public var cacheWrite: Int64
    /// The part of `completion` that was reasoning.
    public var reasoning: Int64
    /// As the provider reports it, else `prompt + completion`. Some count more into it, such as what tools put in.
    public var total: Int64
    /// The provider did not report all of it: what is missing was estimated from the size of the texts.
    public var estimated: Bool
    /// Of `searches`, as far as anybody says.
    public var searchSize = SearchSize.unsaid
    /// Searches in a caller's own files, which a tool of the provider's made.
    public var fileSearches: UInt32 = 0

    // What may have a price of its own.

    /// The part of `cacheWrite` that stays in the cache for an hour.
    public var cacheWriteLong: Int64 = 0
    /// The part of `prompt` that was read, in passes of its own, to make a conversation shorter (Anthropic's compaction).
    public var compacted: Int64 = 0
    /// The parts of `prompt` that were sound and pictures, where the provider tells.
    public var inputAudio: Int64 = 0
    public var inputImage: Int64 = 0
    /// The part of `cached` that was sound; -1: the provider does not tell.
    public var cachedAudio: Int64 = -1
    /// The parts of `completion` that were sound and pictures.
    public var outputAudio: Int64 = 0
    public var outputImage: Int64 = 0
    /// What tools put in beside `prompt` (Gemini, Perplexity's citations).
    public var toolPrompt: Int64 = 0
    /// Searches in the web, or of a ranking.
    public var searches: Int64 = 0
    /// Pictures that were made.
    public var images: Int64 = 0
    /// Of sound that was listened to.
    public var milliseconds: Int64 = 0
    /// Of a text that was spoken (Unicode code points).
    public var characters: Int64 = 0
    /// Of documents that were read, and of these with annotations.
    public var pages: Int64 = 0
    public var annotatedPages: Int64 = 0
    public var tier = ServiceTier.standard
    /// Anthropic's fast mode.
    public var isFast = false
    /// It had to stay in one region (Anthropic's `inference_geo`).
    public var isRegional = false
    /// The report leaves out what other models had to do with it: no price can be told.
    public var isPartial = false
    /// `total` has something that is neither in `prompt` nor in `completion`: the sound that Mistral's models listen to, the
    /// thoughts of Gemini's OpenAI-compatible interface.
    public var totalHasMore = false
    /// What the provider itself says that it costs, in millionths of a US dollar; -1: nothing.
    public var statedMicros: Int64 = -1

    @inlinable
    public init(
        prompt: Int64 = 0, completion: Int64 = 0, cached: Int64 = 0, cacheWrite: Int64 = 0, reasoning: Int64 = 0,
        total: Int64? = nil, estimated: Bool = false
    ) {
        self.prompt = prompt
        self.completion = completion
        self.cached = cached
        self.cacheWrite = cacheWrite
        self.reasoning = reasoning
        self.total = total ?? (prompt &+ completion)
        self.estimated = estimated
    }

    /// What `total` has beside prompt and completion, if that has a price: sound that went in, where as much of it is told,
    /// else what was thought.
    var beside: (audio: Int64, thought: Int64) {
        let count = totalHasMore ? max(0, total &- prompt &- completion) : 0
        return count == inputAudio ? (count, 0) : (0, count)
    }

    /// No provider reports more than this for one exchange; greater numbers are not believed.
    public static let limit: Int64 = 1_000_000_000_000
}
