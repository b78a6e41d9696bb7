/// What is known of a provider's key, in one word: usable, cooling for a while, or disabled with a reason. Pure: the caller
/// brings the time, and shares the word (`SharedWord`).
struct KeyHealth: BitwiseCopyable, Equatable {
    /// Why a key is disabled; written to the database by name.
    enum Reason: UInt8, BitwiseCopyable, CaseIterable {
        case none
        case invalid
        case forbidden
        case quotaExhausted

        var name: StaticString {
            switch self {
            case .none: ""
            case .invalid: "key_invalid"
            case .forbidden: "key_forbidden"
            case .quotaExhausted: "key_quota"
            }
        }
    }

    /// Reason (8 bits; not 0 = disabled), rate limits in a row (8), cooling until in ms (48).
    var word: UInt64 = 0

    static let firstPauseMilliseconds: UInt64 = 1_000
    static let maxPauseMilliseconds: UInt64 = 60_000
    /// What a provider asks for is believed up to this.
    static let maxRetryAfterMilliseconds: UInt64 = 3_600_000

    var reason: Reason { Reason(rawValue: UInt8(truncatingIfNeeded: word)) ?? .invalid }
    var isDisabled: Bool { word & 0xFF != 0 }
    var limitsInARow: UInt64 { word >> 8 & 0xFF }
    /// Monotonic milliseconds; 0 = not cooling.
    var coolingUntilMilliseconds: UInt64 { word >> 16 }

    init() {}
    init(disabled reason: Reason) { word = UInt64(reason.rawValue) }
    init(coolingUntilMilliseconds until: UInt64) { word = until << 16 }

    func isUsable(nowMilliseconds now: UInt64) -> Bool { !isDisabled && now >= coolingUntilMilliseconds }

    /// The provider says that the key will not do any more. True if it did until now.
    mutating func disable(_ reason: Reason) -> Bool {
        if isDisabled { return false }
        word = UInt64(reason.rawValue)
        return true
    }

    /// The key has reached a rate limit: it rests as long as the provider asks, else longer each time. Returns until when;
    /// 0 if the key is disabled anyway.
    mutating func limited(nowMilliseconds now: UInt64, retryAfterMilliseconds: UInt64?) -> UInt64 {
        if isDisabled { return 0 }
        let pause: UInt64
        if let asked = retryAfterMilliseconds {
            pause = min(asked, Self.maxRetryAfterMilliseconds)
        } else {
            pause = min(Self.firstPauseMilliseconds << min(limitsInARow, 6), Self.maxPauseMilliseconds)
        }
        let until = max(coolingUntilMilliseconds, now + pause)
        word = until << 16 | min(limitsInARow + 1, 0xFF) << 8
        return until
    }

    /// The provider served a request with it.
    mutating func succeeded(nowMilliseconds now: UInt64) {
        // One that was under way when another met the limit says nothing against that limit.
        if isDisabled || now < coolingUntilMilliseconds { return }
        word = 0
    }
}
