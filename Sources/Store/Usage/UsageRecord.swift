/// What one exchange with a provider has used.
public struct UsageRecord: Sendable, Equatable {
    /// The exchange's id in the audit.
    public var id: String
    public var requestID: String
    public var keyID: String?
    public var sourcePath: String?
    public var provider: String
    public var providerKeyID: String?
    public var modelRequested: String
    /// As the answer names it, else as the provider was asked for it; nil: nothing came of it.
    public var modelServed: String?
    /// All that went in, cached parts included.
    public var promptTokens: Int64
    /// All that came out, reasoning included.
    public var completionTokens: Int64
    public var cachedTokens: Int64
    public var cacheWriteTokens: Int64
    public var reasoningTokens: Int64
    public var totalTokens: Int64
    /// Micro-units of `currency`; nil: there was no price.
    public var costMicros: Int64?
    public var currency: String?
    public var isEstimated: Bool
    public var outcome: UsageOutcome
    /// When the request was accepted.
    public var createdAtMilliseconds: Int64
    public var parts = UsageParts()
    /// The audit has a row of the exchange.
    public var isInAudit = false
}

/// Which exchanges a report or a list is about.
public struct UsageFilter: Sendable, Equatable {
    /// Accepted at or after this, Unix time.
    public var startMilliseconds: Int64?
    /// Accepted before or at this, Unix time.
    public var endMilliseconds: Int64?
    public var keyID: String?
    public var sourcePath: String?
    public var provider: String?
    /// As served; where nobody served, as requested.
    public var model: String?

    public init(
        startMilliseconds: Int64? = nil, endMilliseconds: Int64? = nil, keyID: String? = nil,
        sourcePath: String? = nil, provider: String? = nil, model: String? = nil
    ) {
        self.startMilliseconds = startMilliseconds
        self.endMilliseconds = endMilliseconds
        self.keyID = keyID
        self.sourcePath = sourcePath
        self.provider = provider
        self.model = model
    }
}

/// One page of records, newest first.
public struct UsagePage: Sendable {
    public let items: [UsageRecord]
    /// Continues where this page ends; nil: that is all.
    public let nextCursor: String?
}
