/// What a report is split by.
public enum UsageGrouping: String, Sendable, CaseIterable {
    case key
    case source
    case provider
    case model
    /// Local days.
    case day
    /// Local hours.
    case hour
}

/// An amount of one currency.
public struct UsageCost: Sendable, Equatable {
    public var currency: String
    public var micros: Int64

    public init(currency: String, micros: Int64) {
        self.currency = currency
        self.micros = micros
    }
}

/// Counts and sums over exchanges with providers.
public struct UsageTotals: Sendable, Equatable {
    public var requests: Int64 = 0
    public var failures: Int64 = 0
    /// Whose tokens are an estimate.
    public var estimated: Int64 = 0
    /// That had no price, failed ones left out: what they cost is not in `costs`.
    public var unpriced: Int64 = 0
    public var promptTokens: Int64 = 0
    public var completionTokens: Int64 = 0
    public var cachedTokens: Int64 = 0
    public var cacheWriteTokens: Int64 = 0
    public var reasoningTokens: Int64 = 0
    public var totalTokens: Int64 = 0
    /// By currency; amounts of different ones are never added up.
    public var costs: [UsageCost] = []

    public init() {}

    mutating func add(_ sums: UsageSums, currency: String) {
        requests &+= sums.requests
        failures &+= sums.failures
        estimated &+= sums.estimated
        promptTokens &+= sums.promptTokens
        completionTokens &+= sums.completionTokens
        cachedTokens &+= sums.cachedTokens
        cacheWriteTokens &+= sums.cacheWriteTokens
        reasoningTokens &+= sums.reasoningTokens
        totalTokens &+= sums.totalTokens
        if currency.isEmpty {
            unpriced &+= sums.requests &- sums.failures
        } else if let position = costs.firstIndex(where: { $0.currency == currency }) {
            costs[position].micros &+= sums.costMicros
        } else {
            costs.append(UsageCost(currency: currency, micros: sums.costMicros))
            costs.sort { $0.currency < $1.currency }
        }
    }
}

/// One line of a report.
public struct UsageGroup: Sendable, Equatable {
    /// The key's id, source, provider or model; of a day its date, of an hour its start with offset. Empty: none.
    public var name: String
    /// Of days and hours.
    public var startMilliseconds: Int64?
    public var totals: UsageTotals
}

public struct UsageReport: Sendable, Equatable {
    /// Days and hours in their order, without those in which nothing happened; all others by tokens, most first.
    public var groups: [UsageGroup]
    /// Of all groups, also of those that the limit has cut off.
    public var totals: UsageTotals
    /// How many groups there are.
    public var groupCount: Int
}

/// What a model was used for, and its share of everything.
public struct ModelShare: Sendable, Equatable {
    public var provider: String
    public var model: String
    public var totals: UsageTotals
    /// Of 1.
    public var requestShare: Double
    /// Of 1.
    public var tokenShare: Double
}

/// Usage at a glance.
public struct UsageSummary: Sendable, Equatable {
    public var allTime = UsageTotals()
    /// Since the first of this local month.
    public var month = UsageTotals()
    /// Since local midnight.
    public var today = UsageTotals()
    public var providers = 0
    public var enabledProviders = 0
    public var providerKeys = 0
    /// Enabled and not known to be bad; a key whose cooling is over counts.
    public var usableProviderKeys = 0
    /// The master key does not open them.
    public var unreadableProviderKeys = 0
    public var coolingProviderKeys = 0
    public var disabledProviderKeys = 0
    public var aliases = 0
    public var prices = 0

    public init() {}
}
