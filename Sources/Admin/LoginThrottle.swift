/// Slows guessing of the admin token, per client address.
///
/// The first few failures in a minute are answered at once, so that a mistyped token costs nobody anything.
/// After that each failed answer is held back, twice as long as the one before, up to two seconds. At most
/// `heldLimit` answers of one address are held at a time; a further attempt is turned away without a look
/// at its token. So an address gets a few looks a second, however many connections it opens (closing one
/// early frees nothing), while whoever knows the token is served at once unless such a flood is going on.
struct LoginThrottle {
    static let freeFailures = 5
    static let firstDelayMilliseconds: UInt64 = 100
    static let longestDelayMilliseconds: UInt64 = 2000
    static let memoryMilliseconds: UInt64 = 60_000
    static let heldLimit = 8
    /// Addresses remembered; with more, the one that failed least recently is forgotten.
    static let addressLimit = 1024

    private struct Record {
        var failures = 0
        var lastFailureMilliseconds: UInt64 = 0
        var heldUntil: [UInt64] = []
    }

    private var records: [String: Record] = [:]

    /// Whether a token from this address may be looked at now; if not, seconds to ask the client to wait.
    mutating func retryAfterSeconds(address: String, nowMilliseconds: UInt64) -> Int? {
        guard var record = records[address] else { return nil }
        record.heldUntil.removeAll { $0 <= nowMilliseconds }
        records[address] = record
        guard record.heldUntil.count >= Self.heldLimit, let first = record.heldUntil.min() else { return nil }
        return Int((first - nowMilliseconds + 999) / 1000)
    }

    /// Counts a failed login.
    /// - Returns: How long the answer is to be held back, in milliseconds.
    mutating func failed(address: String, nowMilliseconds: UInt64) -> UInt64 {
        var record = records[address] ?? Record()
        if nowMilliseconds - record.lastFailureMilliseconds > Self.memoryMilliseconds { record.failures = 0 }
        if records[address] == nil, records.count >= Self.addressLimit { forgetOldest() }
        record.failures += 1
        record.lastFailureMilliseconds = nowMilliseconds
        var delay: UInt64 = 0
        if record.failures > Self.freeFailures {
            let doublings = min(record.failures - Self.freeFailures - 1, 16)
            delay = min(Self.firstDelayMilliseconds << UInt64(doublings), Self.longestDelayMilliseconds)
            record.heldUntil.append(nowMilliseconds + delay)
        }
        records[address] = record
        return delay
    }

    var addressCount: Int { records.count }

    private mutating func forgetOldest() {
        guard let oldest = records.min(by: { $0.value.lastFailureMilliseconds < $1.value.lastFailureMilliseconds })
        else { return }
        records[oldest.key] = nil
    }
}
