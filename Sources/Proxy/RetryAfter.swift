import Reactor

/// `Retry-After` as a number of seconds (RFC 9110 §10.2.3). A date is not honoured: its wait could not be trusted to
/// two clocks.
enum RetryAfter {
    static func milliseconds(_ value: Bytes) -> UInt64? {
        guard let p = value.pointer, value.count > 0, value.count <= 9 else { return nil }
        var seconds: UInt64 = 0
        for i in 0..<value.count {
            guard p[i] >= 48 && p[i] <= 57 else { return nil }
            seconds = seconds * 10 + UInt64(p[i] - 48)
        }
        return seconds * 1000
    }
}
