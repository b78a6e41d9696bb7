import JSON

/// One service that answers LLM requests, as the database holds it. Nothing here is compiled: addresses and patterns
/// are the proxy's business.
public struct ProviderRecord: Sendable, Equatable {
    /// Names the provider in `provider/model`, in the API and in every record; never changes.
    public var name: String
    /// One of `ProviderRecord.apiTypes`.
    public var apiType: String
    /// `http(s)://host[:port][/path]`, with or without a version segment.
    public var baseURL: String
    public var isEnabled: Bool
    /// The models the operator names; empty: those that the provider lists, see `discoveredModels`.
    public var models: [String]
    /// What the provider's own list said last.
    public var discoveredModels: [String]
    public var discoveredAtMilliseconds: Int64?
    /// Smaller goes first.
    public var priority: Int
    public var weight: Int
    /// One of `ProviderRecord.strategies`.
    public var keyStrategy: String
    /// Nil: the gateway's default.
    public var timeoutSeconds: Int?
    /// Object: name to text, in order.
    public var headers: JSONValue?
    public var createdAtMilliseconds: Int64
    public var updatedAtMilliseconds: Int64

    public static let apiTypes = ["openai", "anthropic", "gemini", "azure"]
    public static let strategies = [
        "first_available", "round_robin", "random", "weighted", "least_busy", "fastest", "healthiest",
    ]

    public init(
        name: String, apiType: String = "openai", baseURL: String, isEnabled: Bool = true, models: [String] = [],
        discoveredModels: [String] = [], discoveredAtMilliseconds: Int64? = nil, priority: Int = 100,
        weight: Int = 1, keyStrategy: String = "first_available", timeoutSeconds: Int? = nil,
        headers: JSONValue? = nil, createdAtMilliseconds: Int64 = 0, updatedAtMilliseconds: Int64 = 0
    ) {
        self.name = name
        self.apiType = apiType
        self.baseURL = baseURL
        self.isEnabled = isEnabled
        self.models = models
        self.discoveredModels = discoveredModels
        self.discoveredAtMilliseconds = discoveredAtMilliseconds
        self.priority = priority
        self.weight = weight
        self.keyStrategy = keyStrategy
        self.timeoutSeconds = timeoutSeconds
        self.headers = headers
        self.createdAtMilliseconds = createdAtMilliseconds
        self.updatedAtMilliseconds = updatedAtMilliseconds
    }

    /// The models it serves, as far as is known.
    public var knownModels: [String] { models.isEmpty ? discoveredModels : models }
}

/// Which providers a list shows.
public struct ProviderFilter: Sendable, Equatable {
    public var apiType: String?
    public var isEnabled: Bool?

    public init(apiType: String? = nil, isEnabled: Bool? = nil) {
        self.apiType = apiType
        self.isEnabled = isEnabled
    }
}
