import CScan

/// The numbers of a usage report as the provider gave them, and what they mean together.
struct UsageFields: BitwiseCopyable, Sendable {
    private var values: InlineArray<16, Int64> = .init(repeating: 0)
    /// A bit for each of `values` that is there.
    private(set) var present: UInt32 = 0

    /// Those that make a report one.
    private static var telling: UInt32 {
        bit(FG_USAGE_PROMPT) | bit(FG_USAGE_INPUT) | bit(FG_USAGE_COMPLETION) | bit(FG_USAGE_OUTPUT)
            | bit(FG_USAGE_TOTAL) | bit(FG_USAGE_ANSWER) | bit(FG_USAGE_THOUGHTS) | bit(FG_USAGE_BILLED_INPUT)
            | bit(FG_USAGE_BILLED_OUTPUT)
    }

    @inline(__always)
    private static func bit(_ field: Int) -> UInt32 { 1 << UInt32(truncatingIfNeeded: field) }

    var isReport: Bool { present & Self.telling != 0 }
    var isEmpty: Bool { present == 0 }

    @inline(__always)
    mutating func removeAll() { present = 0 }

    /// - Parameter value: negative: it was no count of tokens, so there is none.
    @inline(__always)
    mutating func set(_ field: Int, _ value: Int64) {
        guard field >= 0, field < 16 else { return }
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
        while k < 16 {
            if other.present & Self.bit(k) != 0 { values[k] = other.values[k] }
            k &+= 1
        }
        present |= other.present
    }

    private func get(_ field: Int) -> Int64? { present & Self.bit(field) != 0 ? values[field] : nil }

    /// The report in the one meaning of `TokenUsage`.
    var usage: TokenUsage? {
        guard isReport else { return nil }
        let cached = get(FG_USAGE_CACHED) ?? get(FG_USAGE_CACHE_READ) ?? get(FG_USAGE_CACHED_OTHER)
        let cacheWrite = get(FG_USAGE_CACHE_WRITE) ?? get(FG_USAGE_CACHE_WRITTEN)
        let reportedTotal = get(FG_USAGE_TOTAL)

        var prompt = get(FG_USAGE_PROMPT)
        if prompt == nil, let input = get(FG_USAGE_INPUT) {
            let isApart = present & (Self.bit(FG_USAGE_CACHE_READ) | Self.bit(FG_USAGE_CACHE_WRITE)) != 0
            prompt = isApart ? input &+ (cached ?? 0) &+ (cacheWrite ?? 0) : input
        }
        prompt = prompt ?? get(FG_USAGE_BILLED_INPUT)

        let reasoning = get(FG_USAGE_REASONING) ?? get(FG_USAGE_REASONING_OTHER) ?? get(FG_USAGE_THOUGHTS)
        var completion = get(FG_USAGE_COMPLETION)
        // xAI's chat leaves the reasoning out of the completion; its total tells.
        if let given = completion, let reasoning, reasoning > 0, let reportedTotal, let prompt,
            prompt &+ given &+ reasoning == reportedTotal
        {
            completion = given &+ reasoning
        }
        completion = completion ?? get(FG_USAGE_OUTPUT)
        if completion == nil, present & (Self.bit(FG_USAGE_ANSWER) | Self.bit(FG_USAGE_THOUGHTS)) != 0 {
            completion = (get(FG_USAGE_ANSWER) ?? 0) &+ (get(FG_USAGE_THOUGHTS) ?? 0)
        }
        completion = completion ?? get(FG_USAGE_BILLED_OUTPUT)

        // A total alone is what an embedding or a ranking says of what it read.
        if prompt == nil, let reportedTotal { prompt = max(0, reportedTotal &- (completion ?? 0)) }
        return TokenUsage(
            prompt: prompt ?? 0, completion: completion ?? 0, cached: cached ?? 0, cacheWrite: cacheWrite ?? 0,
            reasoning: reasoning ?? 0, total: reportedTotal)
    }
}
