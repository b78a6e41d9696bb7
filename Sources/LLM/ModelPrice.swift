/// What a model's tokens cost, in millionths of a currency unit (micro-units) per million tokens: 0.15 USD per million
/// tokens is 150,000.
@frozen public struct ModelPrice: BitwiseCopyable, Equatable, Sendable {
    public var input: Int64
    public var output: Int64
    /// Of input read from the provider's cache; nil: as `input`.
    public var cachedInput: Int64?
    /// Of input written to the provider's cache; nil: as `input`.
    public var cacheWrite: Int64?
    /// Of reasoning tokens; nil: as `output`.
    public var reasoning: Int64?

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

    /// The price of an exchange in micro-units. The sum is exact and rounded once, half a micro-unit up; beyond Int64 it
    /// stays at its greatest value.
    ///
    /// Each token has one price: cached and cache-write tokens are taken out of the input, reasoning out of the output.
    /// Where a report contradicts itself (more cached than prompt) the parts are cut to the whole.
    public func cost(of usage: TokenUsage) -> Int64 {
        let prompt = max(0, usage.prompt)
        let completion = max(0, usage.completion)
        let read = min(max(0, usage.cached), prompt)
        let written = min(max(0, usage.cacheWrite), prompt &- read)
        let thought = min(max(0, usage.reasoning), completion)

        var sum = UInt128(0)
        func add(_ tokens: Int64, _ price: Int64) {
            // Below 2^126 each, and there are five.
            sum &+= UInt128(UInt64(tokens)) &* UInt128(UInt64(max(0, price)))
        }
        add(prompt &- read &- written, input)
        add(read, cachedInput ?? input)
        add(written, cacheWrite ?? input)
        add(completion &- thought, output)
        add(thought, reasoning ?? output)
        let micros = (sum &+ 500_000) / 1_000_000
        return micros > UInt128(UInt64(Int64.max)) ? .max : Int64(truncatingIfNeeded: micros)
    }
}
