/// What a model's tokens cost, in millionths of a currency unit (micro-units) per million tokens: 0.15 USD per million
/// tokens is 150,000. What is not counted in tokens is priced for a million as well.
@frozen public struct ModelPrice: BitwiseCopyable, Equatable, Sendable {
    public var input: Int64
    public var output: Int64
    /// Of input read from the provider's cache; nil: as `input`.
    public var cachedInput: Int64?
    /// Of input written to the provider's cache; nil: as `input`.
    public var cacheWrite: Int64?
    /// Of reasoning tokens; nil: as `output`.
    public var reasoning: Int64?
    /// Of input written to the provider's cache for an hour; nil: as `cacheWrite`.
    public var cacheWriteLong: Int64?
    /// Of sound and pictures that go in; nil: as `input`.
    public var inputAudio: Int64?
    public var inputImage: Int64?
    /// Of sound read from the provider's cache; nil: as `cachedInput`.
    public var cachedAudio: Int64?
    /// Of sound and pictures that come out; nil: as `output`.
    public var outputAudio: Int64?
    public var outputImage: Int64?
    /// Of searches, pictures that are made, seconds of sound that is listened to; nil: they cost nothing beside the tokens.
    public var search: Int64?
    public var image: Int64?
    public var second: Int64?

    @inlinable
    public init(
        input: Int64, output: Int64, cachedInput: Int64? = nil, cacheWrite: Int64? = nil, reasoning: Int64? = nil
    ) {
        self.input = input
        self.output = output
        self.cachedInput = cachedInput
        self.cacheWrite = cacheWrite
        self.reasoning = reasoning
    }

    /// The price of an exchange in micro-units, times `thousandths` / 1000. The sum is exact and rounded once, half a
    /// micro-unit up; beyond Int64 it stays at its greatest value.
    ///
    /// Each token has one price: cached and cache-write tokens are taken out of the input, reasoning out of the output,
    /// sound and pictures out of what remains of either. Where a report contradicts itself (more cached than prompt) the
    /// parts are cut to the whole. What was cached is text, unless the report says otherwise.
    public func cost(of usage: TokenUsage, thousandths: Int64 = 1000) -> Int64 {
        let prompt = max(0, usage.prompt)
        let completion = max(0, usage.completion)
        let read = min(max(0, usage.cached), prompt)
        let written = min(max(0, usage.cacheWrite), prompt &- read)
        let writtenLong = min(max(0, usage.cacheWriteLong), written)
        let plain = prompt &- read &- written
        let readAudio = min(max(0, usage.cachedAudio), read)
        let beside = usage.beside
        let heard = min(max(0, usage.inputAudio &- readAudio &- beside.audio), plain)
        let seen = min(max(0, usage.inputImage), plain &- heard)
        let spoken = min(max(0, usage.outputAudio), completion)
        let painted = min(max(0, usage.outputImage), completion &- spoken)
        let thought = min(max(0, usage.reasoning), completion &- spoken &- painted)

        var sum = UInt128(0)
        func add(_ count: Int64, _ price: Int64) {
            if count > 0, price > 0 { sum &+= UInt128(UInt64(count)) &* UInt128(UInt64(price)) }
        }
        add(plain &- heard &- seen, input)
        add(heard, inputAudio ?? input)
        add(seen, inputImage ?? input)
        add(read &- readAudio, cachedInput ?? input)
        add(readAudio, cachedAudio ?? cachedInput ?? inputAudio ?? input)
        add(written &- writtenLong, cacheWrite ?? input)
        add(writtenLong, cacheWriteLong ?? cacheWrite ?? input)
        add(usage.toolPrompt, input)
        add(beside.audio, inputAudio ?? input)
        add(completion &- spoken &- painted &- thought, output)
        add(thought, reasoning ?? output)
        add(beside.thought, reasoning ?? output)
        add(spoken, outputAudio ?? output)
        add(painted, outputImage ?? output)
        add(usage.searches, search ?? 0)
        add(usage.images, image ?? 0)
        if let second, usage.milliseconds > 0 {
            sum &+= (UInt128(UInt64(usage.milliseconds)) &* UInt128(UInt64(max(0, second))) &+ 500) / 1000
        }
        if thousandths == 1000 {
            return Self.clamped((sum &+ 500_000) / 1_000_000)
        }
        if sum >> 100 != 0 { return .max }
        return Self.clamped((sum &* UInt128(UInt64(max(0, thousandths))) &+ 500_000_000) / 1_000_000_000)
    }

    private static func clamped(_ micros: UInt128) -> Int64 {
        micros > UInt128(UInt64(Int64.max)) ? .max : Int64(truncatingIfNeeded: micros)
    }

    /// Of an input token at most, whatever it is and becomes of it.
    var dearestInput: Int64 {
        max(input, cacheWrite ?? 0, max(cacheWriteLong ?? 0, inputAudio ?? 0, max(inputImage ?? 0, cachedInput ?? 0)))
    }

    /// Of an output token at most.
    var dearestOutput: Int64 { max(output, reasoning ?? 0, max(outputAudio ?? 0, outputImage ?? 0)) }
}
