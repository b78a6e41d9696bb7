/// Why an upstream's answer is no good, and whose fault that is.
@frozen public enum Fault: UInt8, BitwiseCopyable, Sendable, CaseIterable {
    /// It is good.
    case none
    /// The caller's own: his answer is his to see, nobody else is blamed.
    case callerError
    /// The caller asks for more than the model's context holds. Another model may do.
    case contextTooLong
    /// The provider does not have the model, or not for this key. Another provider may.
    case modelNotFound
    /// The key is wrong, revoked or expired (401).
    case keyInvalid
    /// The key's credit or quota is used up (402, `insufficient_quota`).
    case keyQuota
    /// The key may not do this (403).
    case keyForbidden
    /// Too many requests or tokens just now (429).
    case rateLimited
    /// The provider has no capacity (503, 529).
    case overloaded
    /// The provider failed (5xx, an answer that is none).
    case serverError
    /// The provider took too long (408, 504).
    case timeout

    /// The key will not do until somebody changes something.
    public var disablesKey: Bool { self == .keyInvalid || self == .keyQuota || self == .keyForbidden }
    /// The key will do again after a while.
    public var coolsKey: Bool { self == .rateLimited }
    /// Counts towards the provider's circuit breaker.
    public var blamesProvider: Bool { self == .overloaded || self == .serverError || self == .timeout }
    /// Another key or provider may give a good answer.
    public var mayBeRetried: Bool { disablesKey || coolsKey || blamesProvider || self == .modelNotFound }

    /// For logs, metrics and the reason beside a key.
    public var name: StaticString {
        switch self {
        case .none: "none"
        case .callerError: "caller_error"
        case .contextTooLong: "context_too_long"
        case .modelNotFound: "model_not_found"
        case .keyInvalid: "key_invalid"
        case .keyQuota: "key_quota"
        case .keyForbidden: "key_forbidden"
        case .rateLimited: "rate_limited"
        case .overloaded: "overloaded"
        case .serverError: "server_error"
        case .timeout: "timeout"
        }
    }
}
