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
    /// Of searches of which little or much goes to the model; nil: as `search`.
    public var searchLow: Int64?
    public var searchHigh: Int64?
    /// Of searches in files; nil: they cost nothing beside the tokens.
    public var fileSearch: Int64?
    /// Of an answer that something was searched for, however often.
    public var searchPrompt: Int64?
    /// Of characters that are spoken and pages that are read, where no tokens are told that have a price; nil: that is not
    /// known.
    public var character: Int64?
    public var page: Int64?
    /// Of annotating a page, beside reading it.
    public var annotatedPage: Int64?

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
        withUnsafePointer(to: self) { price in
            withUnsafePointer(to: usage) { Self.cost(price, of: $0, thousandths: thousandths) }
        }
    }

    /// `cost` by address: a call on the values would get copies.
    static func cost(
        _ price: UnsafePointer<ModelPrice>, of usage: UnsafePointer<TokenUsage>, thousandths: Int64
    ) -> Int64 {
        var sum = MoneySum()
        let prompt = max(0, usage.pointee.prompt)
        let completion = max(0, usage.pointee.completion)
        if isPlain(usage) {
            sum.add(prompt, price.pointee.input)
            sum.add(completion, price.pointee.output)
            return sum.micros(thousandths: thousandths)
        }
        let read = min(max(0, usage.pointee.cached), prompt)
        let written = min(max(0, usage.pointee.cacheWrite), prompt &- read)
        let writtenLong = min(max(0, usage.pointee.cacheWriteLong), written)
        let plain = prompt &- read &- written
        let readAudio = min(max(0, usage.pointee.cachedAudio), read)
        let beside = usage.pointee.beside
        let heard = min(max(0, usage.pointee.inputAudio &- readAudio &- beside.audio), plain)
        let seen = min(max(0, usage.pointee.inputImage), plain &- heard)
        let spoken = min(max(0, usage.pointee.outputAudio), completion)
        let painted = min(max(0, usage.pointee.outputImage), completion &- spoken)
        let thought = min(max(0, usage.pointee.reasoning), completion &- spoken &- painted)

        let (input, output) = (price.pointee.input, price.pointee.output)
        sum.add(plain &- heard &- seen, input)
        sum.add(heard, price.pointee.inputAudio ?? input)
        sum.add(seen, price.pointee.inputImage ?? input)
        sum.add(read &- readAudio, price.pointee.cachedInput ?? input)
        sum.add(
            readAudio, price.pointee.cachedAudio ?? price.pointee.cachedInput ?? price.pointee.inputAudio ?? input)
        sum.add(written &- writtenLong, price.pointee.cacheWrite ?? input)
        sum.add(writtenLong, price.pointee.cacheWriteLong ?? price.pointee.cacheWrite ?? input)
        sum.add(usage.pointee.toolPrompt, input)
        sum.add(beside.audio, price.pointee.inputAudio ?? input)
        sum.add(completion &- spoken &- painted &- thought, output)
        sum.add(thought, price.pointee.reasoning ?? output)
        sum.add(beside.thought, price.pointee.reasoning ?? output)
        sum.add(spoken, price.pointee.outputAudio ?? output)
        sum.add(painted, price.pointee.outputImage ?? output)
        sum.add(usage.pointee.searches, searchRate(price, usage.pointee.searchSize))
        sum.add(Int64(usage.pointee.fileSearches), price.pointee.fileSearch ?? 0)
        sum.add(min(usage.pointee.searches, 1), price.pointee.searchPrompt ?? 0)
        sum.add(usage.pointee.images, price.pointee.image ?? 0)
        if let second = price.pointee.second { sum.add(milliseconds: usage.pointee.milliseconds, second) }
        if hasPieces(usage), !countsTokens(price, of: usage) {
            sum.add(usage.pointee.characters, price.pointee.character ?? 0)
            sum.add(usage.pointee.pages, price.pointee.page ?? 0)
            sum.add(usage.pointee.annotatedPages, price.pointee.annotatedPage ?? 0)
        }
        return sum.micros(thousandths: thousandths)
    }

    /// Nothing was used but plain tokens, in and out.
    @inline(__always)
    private static func isPlain(_ usage: UnsafePointer<TokenUsage>) -> Bool {
        !usage.pointee.totalHasMore
            && usage.pointee.cached | usage.pointee.cacheWrite | usage.pointee.inputAudio | usage.pointee.inputImage
                | usage.pointee.outputAudio | usage.pointee.outputImage | usage.pointee.reasoning
                | usage.pointee.toolPrompt | usage.pointee.searches | usage.pointee.images
                | usage.pointee.milliseconds | Int64(usage.pointee.fileSearches) == 0
            && !hasPieces(usage)
    }

    /// Of one search.
    @inline(__always)
    static func searchRate(_ price: UnsafePointer<ModelPrice>, _ size: SearchSize) -> Int64 {
        let usual = price.pointee.search ?? 0
        switch size {
        case .unsaid, .medium: return usual
        case .low: return price.pointee.searchLow ?? usual
        case .high: return price.pointee.searchHigh ?? usual
        }
    }

    /// Characters were spoken, or pages read.
    @inline(__always)
    static func hasPieces(_ usage: UnsafePointer<TokenUsage>) -> Bool {
        usage.pointee.characters | usage.pointee.pages | usage.pointee.annotatedPages != 0
    }

    /// Tokens are told, and they have a price: characters and pages are paid for with them.
    private static func countsTokens(
        _ price: UnsafePointer<ModelPrice>, of usage: UnsafePointer<TokenUsage>
    ) -> Bool {
        usage.pointee.prompt | usage.pointee.completion != 0 && hasTokenPrice(price)
    }

    private static func hasTokenPrice(_ price: UnsafePointer<ModelPrice>) -> Bool {
        price.pointee.input | price.pointee.output | (price.pointee.inputAudio ?? 0)
            | (price.pointee.outputAudio ?? 0) != 0
    }

    /// What was spoken or read has a price: one of its own, that of the tokens that tell of it, or nothing costs anything.
    static func knowsPieces(_ price: UnsafePointer<ModelPrice>, of usage: UnsafePointer<TokenUsage>) -> Bool {
        if countsTokens(price, of: usage) { return true }
        let isFree =
            !hasTokenPrice(price) && (price.pointee.second ?? 0) | (price.pointee.image ?? 0) == 0
            && price.pointee.character == nil && price.pointee.page == nil
        if isFree { return true }
        return (usage.pointee.characters == 0 || price.pointee.character != nil)
            && (usage.pointee.pages == 0 || price.pointee.page != nil)
            && (usage.pointee.annotatedPages == 0 || price.pointee.annotatedPage != nil)
    }

    /// Of an input token at most, whatever it is and becomes of it.
    @inline(__always)
    static func dearestInput(_ price: UnsafePointer<ModelPrice>) -> Int64 {
        max(
            price.pointee.input, price.pointee.cacheWrite ?? 0,
            max(
                price.pointee.cacheWriteLong ?? 0, price.pointee.inputAudio ?? 0,
                max(price.pointee.inputImage ?? 0, price.pointee.cachedInput ?? 0)))
    }

    /// Of an output token at most.
    @inline(__always)
    static func dearestOutput(_ price: UnsafePointer<ModelPrice>) -> Int64 {
        max(
            price.pointee.output, price.pointee.reasoning ?? 0,
            max(price.pointee.outputAudio ?? 0, price.pointee.outputImage ?? 0))
    }
}

/// Counts times prices for a million, added up without rounding.
struct MoneySum: BitwiseCopyable {
    private var sum = UInt128(0)

    @inline(__always)
    static func < (a: MoneySum, b: MoneySum) -> Bool { a.sum < b.sum }

    /// Nothing where either is negative.
    @inline(__always)
    mutating func add(_ count: Int64, _ price: Int64) {
        if count > 0, price > 0 { sum &+= UInt128(UInt64(count)) &* UInt128(UInt64(price)) }
    }

    /// At a price for a million seconds.
    @inline(__always)
    mutating func add(milliseconds: Int64, _ second: Int64) {
        if milliseconds > 0 {
            sum &+= (UInt128(UInt64(milliseconds)) &* UInt128(UInt64(max(0, second))) &+ 500) / 1000
        }
    }

    /// The sum in micro-units, times `thousandths` / 1000, half a one up; beyond Int64 its greatest value.
    @inline(__always)
    func micros(thousandths: Int64) -> Int64 {
        if thousandths == 1000 {
            // Nearly always: no division of two words.
            if sum < 1 << 63 { return Int64((UInt64(truncatingIfNeeded: sum) &+ 500_000) / 1_000_000) }
            return Self.clamped((sum &+ 500_000) / 1_000_000)
        }
        if sum >> 100 != 0 { return .max }
        return Self.clamped((sum &* UInt128(UInt64(max(0, thousandths))) &+ 500_000_000) / 1_000_000_000)
    }

    private static func clamped(_ micros: UInt128) -> Int64 {
        micros > UInt128(UInt64(Int64.max)) ? .max : Int64(truncatingIfNeeded: micros)
    }
}
