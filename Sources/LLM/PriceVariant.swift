/// What a model costs under a condition: served at another tier than the standard one, or with a long prompt.
@frozen public struct PriceVariant: BitwiseCopyable, Equatable, Sendable {
    public var tier: ServiceTier
    /// Holds for prompts of more tokens than this.
    public var above: Int64
    public var price: ModelPrice

    @inlinable
    public init(tier: ServiceTier, above: Int64, price: ModelPrice) {
        self.tier = tier
        self.above = above
        self.price = price
    }
}

/// What a request may come to that is not counted in tokens.
@frozen public struct PricedPieces: BitwiseCopyable, Sendable {
    /// Pictures to be made.
    public var images: Int64 = 0
    /// Searches that are certain, each of this size.
    public var searches: Int64 = 0
    public var searchSize = SearchSize.unsaid
    /// Of sound to be listened to.
    public var milliseconds: Int64 = 0
    /// To be spoken.
    public var characters: Int64 = 0
    /// To be read, and of these to be annotated.
    public var pages: Int64 = 0
    public var annotatedPages: Int64 = 0

    @inlinable public init() {}
}

/// All that is known of what a model costs; the memory of `variants` belongs to somebody else.
@frozen public struct PriceSheet: BitwiseCopyable, @unchecked Sendable {
    public var base: ModelPrice
    public var variants: UnsafePointer<PriceVariant>?
    public var variantCount: Int
    /// By how many thousandths everything is multiplied that has to stay in one region, and in Anthropic's fast mode;
    /// 0: not known.
    public var regionalThousandths: Int64
    public var fastThousandths: Int64

    @inlinable
    public init(
        base: ModelPrice, variants: UnsafePointer<PriceVariant>? = nil, variantCount: Int = 0,
        regionalThousandths: Int64 = 0, fastThousandths: Int64 = 0
    ) {
        self.base = base
        self.variants = variants
        self.variantCount = variantCount
        self.regionalThousandths = regionalThousandths
        self.fastThousandths = fastThousandths
    }

    /// What an exchange costs, in micro-units; nil if that is not known: served at a tier, or in a mode, that has no price.
    public func cost(of usage: TokenUsage) -> Int64? {
        withUnsafePointer(to: self) { sheet in withUnsafePointer(to: usage) { sheet.cost(of: $0) } }
    }

    /// What so many tokens cost at most, whatever kind they are of, with a prompt of up to so many; nil if the tier or mode
    /// that is asked for has no price.
    /// - Parameter pieces: what comes to it that is not counted in tokens, at most.
    public func worstCost(
        tier: ServiceTier, isFast: Bool, prompt: Int64, completion: Int64, pieces: PricedPieces = PricedPieces()
    ) -> Int64? {
        withUnsafePointer(to: self) {
            $0.worstCost(tier: tier, isFast: isFast, prompt: prompt, completion: completion, pieces: pieces)
        }
    }
}

/// What is asked of a sheet where it stands: a call on the value would get a copy of all its prices.
extension UnsafePointer<PriceSheet> {
    @inline(__always)
    private var base: UnsafePointer<ModelPrice> {
        (UnsafeRawPointer(self) + MemoryLayout<PriceSheet>.offset(of: \.base).unsafelyUnwrapped)
            .assumingMemoryBound(to: ModelPrice.self)
    }

    /// `PriceSheet.cost`.
    public func cost(of usage: UnsafePointer<TokenUsage>) -> Int64? {
        if usage.pointee.isPartial { return nil }
        // Most have one price for everything.
        if pointee.variantCount == 0, usage.pointee.tier == .standard, !usage.pointee.isRegional, !usage.pointee.isFast
        {
            if ModelPrice.hasPieces(usage), !ModelPrice.knowsPieces(base, of: usage) { return nil }
            return ModelPrice.cost(base, of: usage, thousandths: 1000)
        }
        guard let price = price(tier: usage.pointee.tier, prompt: usage.pointee.prompt) else { return nil }
        // Whether each pass was above a step is not known where their sum is.
        if usage.pointee.compacted > 0,
            price != self.price(tier: usage.pointee.tier, prompt: usage.pointee.prompt &- usage.pointee.compacted)
                || price != self.price(tier: usage.pointee.tier, prompt: usage.pointee.compacted)
        {
            return nil
        }
        if ModelPrice.hasPieces(usage), !ModelPrice.knowsPieces(price, of: usage) { return nil }
        var thousandths: Int64 = 1000
        if usage.pointee.isRegional, pointee.regionalThousandths > 0 { thousandths = pointee.regionalThousandths }
        if usage.pointee.isFast {
            guard pointee.fastThousandths > 0 else { return nil }
            thousandths = thousandths &* pointee.fastThousandths / 1000
        }
        return ModelPrice.cost(price, of: usage, thousandths: thousandths)
    }

    /// The price at a tier with so many tokens of prompt: of the steps that the prompt is above, the highest. An endpoint
    /// without a price of its own has the standard one.
    private func price(tier: ServiceTier, prompt: Int64) -> UnsafePointer<ModelPrice>? {
        var found = tier == .standard ? base : nil
        var step: Int64 = -1
        for i in 0..<pointee.variantCount {
            guard let variant = variant(i), variant.pointee.tier == tier,
                prompt > variant.pointee.above || variant.pointee.above == 0
            else { continue }
            if variant.pointee.above > step { (found, step) = (price(of: variant), variant.pointee.above) }
        }
        if found == nil, tier == .decisions { return price(tier: .standard, prompt: prompt) }
        return found
    }

    @inline(__always)
    private func variant(_ index: Int) -> UnsafePointer<PriceVariant>? { pointee.variants.map { $0 + index } }

    @inline(__always)
    private func price(of variant: UnsafePointer<PriceVariant>) -> UnsafePointer<ModelPrice> {
        (UnsafeRawPointer(variant) + MemoryLayout<PriceVariant>.offset(of: \.price).unsafelyUnwrapped)
            .assumingMemoryBound(to: ModelPrice.self)
    }

    /// `PriceSheet.worstCost`.
    public func worstCost(
        tier: ServiceTier, isFast: Bool, prompt: Int64, completion: Int64, pieces: PricedPieces = PricedPieces()
    ) -> Int64? {
        guard price(tier: tier, prompt: 0) != nil, !isFast || pointee.fastThousandths > 0 else { return nil }
        // What is asked to be served otherwise may be served as usual.
        var input = max(0, ModelPrice.dearestInput(base))
        var output = max(0, ModelPrice.dearestOutput(base))
        for i in 0..<pointee.variantCount {
            guard let variant = variant(i), variant.pointee.tier == tier || variant.pointee.tier == .standard else {
                continue
            }
            if prompt > variant.pointee.above || variant.pointee.above == 0 {
                input = max(input, ModelPrice.dearestInput(price(of: variant)))
                output = max(output, ModelPrice.dearestOutput(price(of: variant)))
            }
        }
        var sum = MoneySum()
        sum.add(prompt, input)
        sum.add(completion, output)
        sum.add(pieces.images, base.pointee.image ?? 0)
        sum.add(pieces.searches, ModelPrice.searchRate(base, pieces.searchSize))
        sum.add(min(pieces.searches, 1), base.pointee.searchPrompt ?? 0)
        if let second = base.pointee.second { sum.add(milliseconds: pieces.milliseconds, second) }
        let regional = max(pointee.regionalThousandths, 1000)
        let thousandths = isFast ? regional &* pointee.fastThousandths / 1000 : regional
        let worst = sum.micros(thousandths: thousandths)
        if pieces.characters | pieces.pages | pieces.annotatedPages == 0 { return worst }
        // Paid for by these or by tokens.
        var apart = worstPieces(base, pieces)
        for i in 0..<pointee.variantCount {
            guard let variant = variant(i), variant.pointee.tier == tier || variant.pointee.tier == .standard else {
                continue
            }
            let other = worstPieces(price(of: variant), pieces)
            if apart < other { apart = other }
        }
        return max(worst, apart.micros(thousandths: thousandths))
    }

    private func worstPieces(_ price: UnsafePointer<ModelPrice>, _ pieces: PricedPieces) -> MoneySum {
        var sum = MoneySum()
        sum.add(pieces.characters, price.pointee.character ?? 0)
        sum.add(pieces.pages, price.pointee.page ?? 0)
        sum.add(pieces.annotatedPages, price.pointee.annotatedPage ?? 0)
        return sum
    }
}
