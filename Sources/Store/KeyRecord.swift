/// One API key as the database holds it: never the key itself.
public struct KeyRecord: Sendable, Equatable {
    /// Names the key in the API and in the audit.
    public var keyID: String
    /// SHA-256 of the key, 32 bytes.
    public var keyHash: [UInt8]
    /// Prefix and last four characters, for people to recognise it by.
    public var keyHint: String
    /// Whose key it is.
    public var sourcePath: String
    /// Empty or `["*"]` allows everything.
    public var permissions: [String]
    public var createdAtMilliseconds: Int64
    /// Nil: never.
    public var expiresAtMilliseconds: Int64?
    public var isActive: Bool
    /// Requests that were accepted with this key.
    public var usageCount: Int
    /// Nil: the gateway's default; 0: no limit.
    public var rateLimitPerMinute: Int?
    public var lastUsedAtMilliseconds: Int64?
    /// Patterns of model names; empty allows every model.
    public var allowedModels: [String]
    public var budget: KeyBudget
    /// Exchanges with providers that may be open at a time; nil: no limit.
    public var maxConcurrent: Int?

    public init(
        keyID: String, keyHash: [UInt8], keyHint: String = "", sourcePath: String, permissions: [String] = [],
        createdAtMilliseconds: Int64 = 0, expiresAtMilliseconds: Int64? = nil, isActive: Bool = true,
        usageCount: Int = 0, rateLimitPerMinute: Int? = nil, lastUsedAtMilliseconds: Int64? = nil,
        allowedModels: [String] = [], budget: KeyBudget = KeyBudget(), maxConcurrent: Int? = nil
    ) {
        self.keyID = keyID
        self.keyHash = keyHash
        self.keyHint = keyHint
        self.sourcePath = sourcePath
        self.permissions = permissions
        self.createdAtMilliseconds = createdAtMilliseconds
        self.expiresAtMilliseconds = expiresAtMilliseconds
        self.isActive = isActive
        self.usageCount = usageCount
        self.rateLimitPerMinute = rateLimitPerMinute
        self.lastUsedAtMilliseconds = lastUsedAtMilliseconds
        self.allowedModels = allowedModels
        self.budget = budget
        self.maxConcurrent = maxConcurrent
    }
}

/// What a new key is made from.
public struct NewKey: Sendable, Equatable {
    public var sourcePath: String
    public var permissions: [String]
    public var rateLimitPerMinute: Int?
    public var expiresAtMilliseconds: Int64?
    public var isActive: Bool
    public var allowedModels: [String]
    public var limits: KeyLimits

    public init(
        sourcePath: String, permissions: [String] = [], rateLimitPerMinute: Int? = nil,
        expiresAtMilliseconds: Int64? = nil, isActive: Bool = true, allowedModels: [String] = [],
        limits: KeyLimits = KeyLimits()
    ) {
        self.sourcePath = sourcePath
        self.permissions = permissions
        self.rateLimitPerMinute = rateLimitPerMinute
        self.expiresAtMilliseconds = expiresAtMilliseconds
        self.isActive = isActive
        self.allowedModels = allowedModels
        self.limits = limits
    }
}

/// What an operator sets of a key's budget.
public struct KeyLimits: Sendable, Equatable {
    /// Nil: no limit.
    public var maxTokens: Int64?
    /// Micro-units of `currency`; nil: no limit.
    public var maxAmountMicros: Int64?
    /// Three letters (ISO 4217).
    public var currency: String
    public var period: BudgetPeriod
    /// Nil: no limit.
    public var maxConcurrent: Int?

    public init(
        maxTokens: Int64? = nil, maxAmountMicros: Int64? = nil, currency: String = "USD",
        period: BudgetPeriod = .total, maxConcurrent: Int? = nil
    ) {
        self.maxTokens = maxTokens
        self.maxAmountMicros = maxAmountMicros
        self.currency = currency
        self.period = period
        self.maxConcurrent = maxConcurrent
    }
}

/// A new or rotated key: the only time its value is known.
public struct CreatedKey: Sendable, Equatable {
    public let record: KeyRecord
    public let value: String
}

/// A member of a partial change: left as it is, or set (to NULL too, where the column allows it).
public enum Change<Value: Sendable>: Sendable {
    case keep
    case set(Value)

    /// The new value, given the old one.
    public func applied(to old: Value) -> Value {
        switch self {
        case .keep: old
        case .set(let new): new
        }
    }
}

/// A partial change of a key.
public struct KeyPatch: Sendable {
    public var sourcePath: Change<String> = .keep
    public var permissions: Change<[String]> = .keep
    public var rateLimitPerMinute: Change<Int?> = .keep
    public var expiresAtMilliseconds: Change<Int64?> = .keep
    public var isActive: Change<Bool> = .keep
    public var allowedModels: Change<[String]> = .keep
    public var maxTokens: Change<Int64?> = .keep
    public var maxAmountMicros: Change<Int64?> = .keep
    /// What was spent in the new currency is counted anew.
    public var currency: Change<String> = .keep
    /// What was spent in the new period is counted anew.
    public var budgetPeriod: Change<BudgetPeriod> = .keep
    public var maxConcurrent: Change<Int?> = .keep

    public init() {}

    /// What was spent may be counted anew.
    public var mayRecount: Bool {
        switch (currency, budgetPeriod) {
        case (.keep, .keep): false
        default: true
        }
    }
}

/// Which keys a list shows.
public struct KeyFilter: Sendable, Equatable {
    public var sourcePath: String?
    public var isActive: Bool?
    /// A part of the source, the id or the hint.
    public var search: String?

    public init(sourcePath: String? = nil, isActive: Bool? = nil, search: String? = nil) {
        self.sourcePath = sourcePath
        self.isActive = isActive
        self.search = search
    }
}

/// One page of a list, and how many there are in all.
public struct Page<Item: Sendable>: Sendable {
    public let items: [Item]
    public let total: Int
}
