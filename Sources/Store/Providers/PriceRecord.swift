import JSON

/// What a model costs: micro-units of the currency for a million tokens.
public struct PriceRecord: Sendable, Equatable {
    /// The provider it is the price of; empty: of any provider that has none of its own for the model.
    public var provider: String
    public var model: String
    public var input: Int64
    public var output: Int64
    /// Nil: as `input`.
    public var cachedInput: Int64?
    /// Nil: as `input`.
    public var cacheWrite: Int64?
    /// Nil: as `output`.
    public var reasoning: Int64?
    /// Three letters (ISO 4217).
    public var currency: String
    /// Tokens that go in at most, if known.
    public var maxInputTokens: Int?
    /// Tokens that come out at most, if known.
    public var maxOutputTokens: Int?
    /// From a price file; what an operator has set by hand is not overwritten by one.
    public var isImported: Bool
    public var updatedAtMilliseconds: Int64
    /// Rates that not every model has, as `LLM.PriceRates.extraJSON` has them; nil: none.
    public var rates: JSONValue?

    public init(
        provider: String = "", model: String, input: Int64, output: Int64, cachedInput: Int64? = nil,
        cacheWrite: Int64? = nil, reasoning: Int64? = nil, currency: String = "USD", maxInputTokens: Int? = nil,
        maxOutputTokens: Int? = nil, isImported: Bool = false, updatedAtMilliseconds: Int64 = 0
    ) {
        self.provider = provider
        self.model = model
        self.input = input
        self.output = output
        self.cachedInput = cachedInput
        self.cacheWrite = cacheWrite
        self.reasoning = reasoning
        self.currency = currency
        self.maxInputTokens = maxInputTokens
        self.maxOutputTokens = maxOutputTokens
        self.isImported = isImported
        self.updatedAtMilliseconds = updatedAtMilliseconds
    }
}

/// Which prices a list shows.
public struct PriceFilter: Sendable, Equatable {
    public var provider: String?
    /// Part of the name, upper and lower case alike.
    public var modelContains: String?

    public init(provider: String? = nil, modelContains: String? = nil) {
        self.provider = provider
        self.modelContains = modelContains
    }
}

/// What an import of prices has done.
public struct PriceImport: Sendable, Equatable {
    public var added = 0
    public var changed = 0
    public var unchanged = 0
    /// Left alone because an operator has set them by hand.
    public var kept = 0

    public init() {}
}
