/// How an attempt with a provider ended. The names go into the records.
enum AttemptOutcome: UInt8, BitwiseCopyable, CaseIterable {
    /// The answer went to the client, whatever it says.
    case answered
    case keyInvalid
    case keyForbidden
    case quotaExhausted
    case rateLimited
    /// The provider does not have the model, or not for this key.
    case modelNotFound
    case overloaded
    case serverError
    case connectFailed
    /// Its name has no address, or nobody could be asked for one.
    case lookUpFailed
    /// No TLS, or not with whom it should be.
    case tlsFailed
    case timedOut
    /// Closed before, or before the first content of, an answer.
    case cutOff
    /// No valid HTTP.
    case malformed
    /// An error in an answer that began as a success.
    case errorInAnswer
    /// The client left, or the gateway stopped: nobody's fault here.
    case abandoned

    var name: StaticString {
        switch self {
        case .answered: "answered"
        case .keyInvalid: "key_invalid"
        case .keyForbidden: "key_forbidden"
        case .quotaExhausted: "key_quota"
        case .rateLimited: "rate_limited"
        case .modelNotFound: "model_not_found"
        case .overloaded: "overloaded"
        case .serverError: "server_error"
        case .connectFailed: "connect"
        case .lookUpFailed: "dns"
        case .tlsFailed: "tls"
        case .timedOut: "timeout"
        case .cutOff: "cut_off"
        case .malformed: "malformed_answer"
        case .errorInAnswer: "error_in_answer"
        case .abandoned: "abandoned"
        }
    }

    /// What the key is disabled for; nil if the fault is not a lasting one of the key.
    var keyReason: KeyHealth.Reason? {
        switch self {
        case .keyInvalid: .invalid
        case .keyForbidden: .forbidden
        case .quotaExhausted: .quotaExhausted
        default: nil
        }
    }

    /// It counts towards the provider's breaker.
    var isProviderFault: Bool {
        switch self {
        case .overloaded, .serverError, .connectFailed, .lookUpFailed, .tlsFailed, .timedOut, .cutOff, .malformed,
            .errorInAnswer:
            true
        default: false
        }
    }

    /// No key could have done better.
    var isOfHost: Bool { self == .connectFailed || self == .lookUpFailed || self == .tlsFailed }

    /// The same may work in a moment. Not after a timeout: the provider may be at work on it still; nor does a certificate
    /// get better by waiting.
    var mayPass: Bool { isProviderFault && self != .timedOut && self != .tlsFailed }
}

/// One attempt of an exchange with a provider's key.
struct ProviderAttempt: BitwiseCopyable {
    /// Index into the candidates.
    var candidate: Int32 = 0
    /// Index into the table's keys.
    var key: Int32 = 0
    var outcome: AttemptOutcome = .abandoned
    /// 0: no answer came.
    var status: UInt16 = 0
    var milliseconds: UInt32 = 0
}

/// What one exchange has tried, in order. There is one budget for all keys and providers.
struct ProviderAttempts: BitwiseCopyable {
    static let capacity = 16
    private(set) var count = 0
    private var items = InlineArray<16, ProviderAttempt>(repeating: ProviderAttempt())

    subscript(index: Int) -> ProviderAttempt {
        get { items[index] }
        set { items[index] = newValue }
    }

    /// Of the first item.
    @inline(__always)
    fileprivate static var itemsOffset: Int { MemoryLayout<ProviderAttempts>.offset(of: \.items).unsafelyUnwrapped }

    mutating func removeAll() { count = 0 }

    mutating func append(_ attempt: ProviderAttempt) {
        guard count < Self.capacity else { return }
        items[count] = attempt
        count += 1
    }

    var last: ProviderAttempt? { count > 0 ? items[count - 1] : nil }
}

typealias AttemptsPointer = UnsafePointer<ProviderAttempts>

/// What is asked of attempts where they stand: a call on the value would get a copy of all sixteen.
extension UnsafePointer<ProviderAttempts> {
    @inline(__always)
    private var items: UnsafePointer<ProviderAttempt> {
        (UnsafeRawPointer(self) + ProviderAttempts.itemsOffset).assumingMemoryBound(to: ProviderAttempt.self)
    }

    @inline(__always)
    func attempt(_ index: Int) -> ProviderAttempt { items[index] }

    /// How often this key was tried for this candidate.
    func count(candidate: Int, key: Int) -> Int {
        var n = 0
        for i in 0..<pointee.count where Int(items[i].candidate) == candidate && Int(items[i].key) == key { n += 1 }
        return n
    }
}
