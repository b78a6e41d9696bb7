import Reactor

/// How an exchange with a provider ended.
@frozen public enum UsageOutcome: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    /// The answer came whole.
    case completed = 0
    /// The provider, or every provider that was tried, failed; or the caller's request was refused.
    case failed = 1
    /// The answer was cut short after it had begun; or the gateway died after the request had gone out.
    case interrupted = 2
    /// The client went away.
    case cancelled = 3

    /// As in the database and the API.
    public var name: String {
        switch self {
        case .completed: "completed"
        case .failed: "failed"
        case .interrupted: "interrupted"
        case .cancelled: "cancelled"
        }
    }

    public init?(name: String) {
        guard let found = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = found
    }
}

/// What an exchange with a provider has used: all of one row of `usage_records`, and the attempts before it. The
/// row's id and time are the exchange's `AuditID`, so usage belongs to the moment in which the request was accepted.
@frozen public struct UsageFields: BitwiseCopyable {
    public var requestID: Bytes
    /// The caller's key; empty: none.
    public var keyID: Bytes
    public var sourcePath: Bytes
    /// Who answered, or was tried last.
    public var provider: Bytes
    public var providerKeyID: Bytes
    /// As the client named it.
    public var modelRequested: Bytes
    /// As the answer names it, else as the provider was asked for it; empty: nobody was.
    public var modelServed: Bytes
    /// Of the cost; empty: there is no price.
    public var currency: Bytes
    /// Attempts that failed, the last one too if it did: each written by `UsageAttempt.write`.
    public var attempts: Bytes
    /// All that went in, cached parts included.
    public var promptTokens: Int64
    /// All that came out, reasoning included.
    public var completionTokens: Int64
    /// Of the prompt, read from a cache.
    public var cachedTokens: Int64
    /// Of the prompt, written to a cache.
    public var cacheWriteTokens: Int64
    /// Of the completion.
    public var reasoningTokens: Int64
    public var totalTokens: Int64
    /// Micro-units of the currency; without meaning where there is no currency.
    public var costMicros: Int64
    /// The answer did not tell, or ended too early to.
    public var isEstimated: Bool
    public var outcome: UsageOutcome
    public var parts = UsageParts()
    /// Start of the later period that the caller's budget counts it in (Unix time in milliseconds): the clock was ahead
    /// before the request was accepted, and had begun that period. 0: it belongs to the period it was accepted in.
    public var budgetPeriod: Int64 = 0

    @inlinable
    public init(
        requestID: Bytes, keyID: Bytes, sourcePath: Bytes, provider: Bytes, providerKeyID: Bytes,
        modelRequested: Bytes, modelServed: Bytes, currency: Bytes = .empty, attempts: Bytes = .empty,
        promptTokens: Int64 = 0, completionTokens: Int64 = 0, cachedTokens: Int64 = 0, cacheWriteTokens: Int64 = 0,
        reasoningTokens: Int64 = 0, totalTokens: Int64 = 0, costMicros: Int64 = 0, isEstimated: Bool = false,
        outcome: UsageOutcome = .completed
    ) {
        self.requestID = requestID
        self.keyID = keyID
        self.sourcePath = sourcePath
        self.provider = provider
        self.providerKeyID = providerKeyID
        self.modelRequested = modelRequested
        self.modelServed = modelServed
        self.currency = currency
        self.attempts = attempts
        self.promptTokens = promptTokens
        self.completionTokens = completionTokens
        self.cachedTokens = cachedTokens
        self.cacheWriteTokens = cacheWriteTokens
        self.reasoningTokens = reasoningTokens
        self.totalTokens = totalTokens
        self.costMicros = costMicros
        self.isEstimated = isEstimated
        self.outcome = outcome
    }
}

/// What a worker has learnt about a provider's key: `ProviderKeyState` for the hot path.
@frozen public struct ProviderKeyStateFields: BitwiseCopyable {
    @frozen public enum State: UInt8, Sendable, BitwiseCopyable {
        case ok = 0
        case cooling = 1
        case disabled = 2
    }

    public var providerKeyID: Bytes
    /// Of a disabled key: why.
    public var reason: Bytes
    /// Unix time. An older change does not undo a newer one.
    public var changedAtMilliseconds: Int64
    /// Unix time, of a cooling key.
    public var coolingUntilMilliseconds: Int64
    public var state: State

    @inlinable
    public init(
        providerKeyID: Bytes, state: State, changedAtMilliseconds: Int64, coolingUntilMilliseconds: Int64 = 0,
        reason: Bytes = .empty
    ) {
        self.providerKeyID = providerKeyID
        self.state = state
        self.changedAtMilliseconds = changedAtMilliseconds
        self.coolingUntilMilliseconds = coolingUntilMilliseconds
        self.reason = reason
    }
}
