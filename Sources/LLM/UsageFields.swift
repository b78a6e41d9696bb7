import CScan

/// The numbers of a usage report as the provider gave them, and what they mean together.
struct UsageFields: BitwiseCopyable, Sendable {
    private var values: InlineArray<29, Int64> = .init(repeating: 0)
    /// A bit for each of `values` that is there.
    private(set) var present: UInt32 = 0

    /// Those that make a report one.
    private static var telling: UInt32 {
        bit(FG_USAGE_PROMPT) | bit(FG_USAGE_INPUT) | bit(FG_USAGE_COMPLETION) | bit(FG_USAGE_OUTPUT)
            | bit(FG_USAGE_TOTAL) | bit(FG_USAGE_ANSWER) | bit(FG_USAGE_THOUGHTS) | bit(FG_USAGE_BILLED_INPUT)
            | bit(FG_USAGE_BILLED_OUTPUT)
    }

    /// Those that `setParts` reads.
    private static var partial: UInt32 {
        bit(FG_USAGE_CACHE_WRITE_LONG) | bit(FG_USAGE_INPUT_AUDIO) | bit(FG_USAGE_INPUT_IMAGE)
            | bit(FG_USAGE_CACHED_AUDIO) | bit(FG_USAGE_OUTPUT_AUDIO) | bit(FG_USAGE_OUTPUT_IMAGE)
            | bit(FG_USAGE_TOOL_PROMPT) | bit(FG_USAGE_SEARCHES) | bit(FG_USAGE_SECONDS) | bit(FG_USAGE_DURATION)
            | bit(FG_USAGE_COST) | bit(FG_USAGE_PAGES) | bit(FG_USAGE_ANNOTATED_PAGES)
    }

    @inline(__always)
    private static func bit(_ field: Int) -> UInt32 { 1 << UInt32(truncatingIfNeeded: field) }

    var isReport: Bool { present & Self.telling != 0 }
    var isEmpty: Bool { present == 0 }
    /// There is no count of tokens, but one of something else that has a price.
    var hasUnits: Bool {
        present
            & (Self.bit(FG_USAGE_SEARCHES) | Self.bit(FG_USAGE_SECONDS) | Self.bit(FG_USAGE_DURATION)
                | Self.bit(FG_USAGE_PAGES)) != 0
    }

    /// The provider says what it costs.
    var hasCost: Bool { present & Self.bit(FG_USAGE_COST) != 0 }

    /// Has Anthropic's figures, which tell what comes from a cache apart.
    var isAnthropic: Bool {
        present & (Self.bit(FG_USAGE_INPUT) | Self.bit(FG_USAGE_OUTPUT)) != 0
            && present & Self.bit(FG_USAGE_PROMPT) == 0
    }

    var hasTotal: Bool { present & Self.bit(FG_USAGE_TOTAL) != 0 }

    @inline(__always)
    mutating func removeAll() { present = 0 }

    /// - Parameter value: negative: it was no count of tokens, so there is none.
    @inline(__always)
    mutating func set(_ field: Int, _ value: Int64) {
        guard field >= 0, field < FG_USAGE_FIELDS else { return }
        if value < 0 {
            present &= ~Self.bit(field)
        } else {
            values[field] = value
            present |= Self.bit(field)
        }
    }

    /// Takes over what `other` has; what it lacks stays.
    mutating func merge(_ other: UsageFields) {
        var k = 0
        while k < FG_USAGE_FIELDS {
            if other.present & Self.bit(k) != 0 { values[k] = other.values[k] }
            k &+= 1
        }
        present |= other.present
    }

    @inline(__always)
    private func get(_ field: Int) -> Int64? { present & Self.bit(field) != 0 ? values[field] : nil }

    /// The report in the one meaning of `TokenUsage`, into one as it was made; false if it is none.
    mutating func read(_ usage: inout TokenUsage) -> Bool {
        guard isReport else { return false }
        let cached = get(FG_USAGE_CACHED) ?? get(FG_USAGE_CACHE_READ) ?? get(FG_USAGE_CACHED_OTHER)
        let cacheWrite = get(FG_USAGE_CACHE_WRITE) ?? get(FG_USAGE_CACHE_WRITTEN)
        var reportedTotal = get(FG_USAGE_TOTAL)

        var prompt = get(FG_USAGE_PROMPT)
        if prompt == nil, let input = get(FG_USAGE_INPUT) {
            let isApart = present & (Self.bit(FG_USAGE_CACHE_READ) | Self.bit(FG_USAGE_CACHE_WRITE)) != 0
            prompt = isApart ? input &+ (cached ?? 0) &+ (cacheWrite ?? 0) : input
        }
        prompt = prompt ?? get(FG_USAGE_BILLED_INPUT)

        let reasoning = get(FG_USAGE_REASONING) ?? get(FG_USAGE_REASONING_OTHER) ?? get(FG_USAGE_THOUGHTS)
        var completion = get(FG_USAGE_COMPLETION)
        // What the total alone has: some leave out of a part what others count into it.
        var beside = max(0, (reportedTotal ?? 0) &- (prompt ?? 0) &- (completion ?? 0))
        if let given = completion, prompt != nil, beside > 0 {
            if let reasoning, reasoning == beside {
                // xAI's chat: the reasoning.
                completion = given &+ reasoning
                beside = 0
            } else if beside == (cached ?? 0) &+ (cacheWrite ?? 0) {
                // Gateways that hand on Anthropic's figures: the cache.
                prompt = prompt.map { $0 &+ beside }
                beside = 0
            }
        } else {
            beside = 0
        }
        if let given = completion, let reasoning, reportsResearch, given &+ (prompt ?? 0) == reportedTotal {
            // Perplexity's research: the reasoning is in no other figure, nor in the total.
            completion = given &+ reasoning
            reportedTotal = nil
        }
        completion = completion ?? get(FG_USAGE_OUTPUT)
        if completion == nil, present & (Self.bit(FG_USAGE_ANSWER) | Self.bit(FG_USAGE_THOUGHTS)) != 0 {
            completion = (get(FG_USAGE_ANSWER) ?? 0) &+ (get(FG_USAGE_THOUGHTS) ?? 0)
        }
        completion = completion ?? get(FG_USAGE_BILLED_OUTPUT)
        // Some send a total that they have not reckoned.
        if reportedTotal == 0 { reportedTotal = nil }
        // What is more than the whole is no part of it (xAI's responses, at times).
        let mayStandApart = reportedTotal == nil && present & Self.bit(FG_USAGE_ANSWER) == 0
        if mayStandApart, let read = prompt, let cached, cached > read { prompt = read &+ cached }

        // A total alone is what an embedding or a ranking says of what it read.
        if prompt == nil, let reportedTotal { prompt = max(0, reportedTotal &- (completion ?? 0)) }
        usage.prompt = prompt ?? 0
        usage.completion = completion ?? 0
        usage.cached = cached ?? 0
        usage.cacheWrite = cacheWrite ?? 0
        usage.reasoning = reasoning ?? 0
        usage.total = reportedTotal ?? (usage.prompt &+ usage.completion)
        // Most tell no more than tokens.
        if present & Self.partial != 0 { setParts(&usage) }
        usage.totalHasMore = beside > 0 && usage.toolPrompt == 0
        return true
    }

    /// Perplexity's `sonar-deep-research`: what it read (`citation_tokens`) and thought is told beside prompt and completion.
    private var reportsResearch: Bool {
        present & Self.bit(FG_USAGE_TOOL_PROMPT) != 0 && present & Self.bit(FG_USAGE_REASONING_OTHER) != 0
            && present & Self.bit(FG_USAGE_REASONING) == 0
    }

    /// What is told beside the tokens' sums.
    mutating func setParts(_ usage: inout TokenUsage) {
        usage.cacheWriteLong = get(FG_USAGE_CACHE_WRITE_LONG) ?? 0
        usage.inputAudio = get(FG_USAGE_INPUT_AUDIO) ?? 0
        usage.inputImage = get(FG_USAGE_INPUT_IMAGE) ?? 0
        usage.cachedAudio = get(FG_USAGE_CACHED_AUDIO) ?? -1
        usage.outputAudio = get(FG_USAGE_OUTPUT_AUDIO) ?? 0
        usage.outputImage = get(FG_USAGE_OUTPUT_IMAGE) ?? 0
        // Perplexity asks nothing for citations outside its research.
        let isPriced = reportsResearch || present & Self.bit(FG_USAGE_COMPLETION) == 0
        usage.toolPrompt = isPriced ? get(FG_USAGE_TOOL_PROMPT) ?? 0 : 0
        usage.searches = get(FG_USAGE_SEARCHES) ?? 0
        usage.milliseconds = get(FG_USAGE_SECONDS) ?? get(FG_USAGE_DURATION) ?? 0
        usage.pages = get(FG_USAGE_PAGES) ?? 0
        usage.annotatedPages = get(FG_USAGE_ANNOTATED_PAGES) ?? 0
        usage.statedMicros = get(FG_USAGE_COST) ?? -1
    }

    var hasOutputParts: Bool { present & (Self.bit(FG_USAGE_OUTPUT_IMAGE) | Self.bit(FG_USAGE_OUTPUT_AUDIO)) != 0 }

    /// Adds to a number that is told in parts.
    mutating func add(_ field: Int, _ value: Int64) {
        set(field, min((get(field) ?? 0) &+ max(value, 0), TokenUsage.limit))
    }
}
