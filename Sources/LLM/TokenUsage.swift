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

    /// No provider reports more than this for one exchange; greater numbers are not believed.
    public static let limit: Int64 = 1_000_000_000_000
}
