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
        if usage.isPartial { return nil }
        // Most have one price for everything.
        if variantCount == 0, usage.tier == .standard, !usage.isRegional, !usage.isFast {
            return base.cost(of: usage)
        }
        guard let price = price(tier: usage.tier, prompt: usage.prompt) else { return nil }
        var thousandths: Int64 = 1000
        if usage.isRegional, regionalThousandths > 0 { thousandths = regionalThousandths }
        if usage.isFast {
            guard fastThousandths > 0 else { return nil }
            thousandths = thousandths &* fastThousandths / 1000
        }
        return price.cost(of: usage, thousandths: thousandths)
    }

    /// The price at a tier with so many tokens of prompt: of the steps that the prompt is above, the highest.
    func price(tier: ServiceTier, prompt: Int64) -> ModelPrice? {
        var found = tier == .standard ? base : nil
        var step: Int64 = -1
        for i in 0..<variantCount {
            guard let variant = variants?[i], variant.tier == tier, prompt > variant.above || variant.above == 0 else {
                continue
            }
            if variant.above > step { (found, step) = (variant.price, variant.above) }
        }
        return found
    }

    /// What so many tokens cost at most, whatever kind they are of, with a prompt of up to so many; nil if the tier or mode
    /// that is asked for has no price.
    /// - Parameter images, milliseconds: to be made, and listened to, at most.
    public func worstCost(
        tier: ServiceTier, isFast: Bool, prompt: Int64, completion: Int64, images: Int64 = 0, milliseconds: Int64 = 0
    ) -> Int64? {
        guard price(tier: tier, prompt: 0) != nil, !isFast || fastThousandths > 0 else { return nil }
        var dearest = ModelPrice(input: 0, output: 0)
        func take(_ price: ModelPrice) {
            dearest.input = max(dearest.input, price.dearestInput)
            dearest.output = max(dearest.output, price.dearestOutput)
        }
        // What is asked to be served otherwise may be served as usual.
        take(base)
        for i in 0..<variantCount {
            guard let variant = variants?[i], variant.tier == tier || variant.tier == .standard else { continue }
            if prompt > variant.above || variant.above == 0 { take(variant.price) }
        }
        (dearest.image, dearest.second) = (base.image, base.second)
        var usage = TokenUsage(prompt: prompt, completion: completion)
        (usage.images, usage.milliseconds) = (images, milliseconds)
        let regional = max(regionalThousandths, 1000)
        return dearest.cost(of: usage, thousandths: isFast ? regional &* fastThousandths / 1000 : regional)
    }
}
