import HTTP
import Reactor

/// `Retry-After` (RFC 9110 §10.2.3).
enum RetryAfter {
    /// As seconds, with or without decimals, or as a date. Nil if it asks for no wait that can be told: it is neither, or its
    /// date is not after the answer's own.
    /// - Parameters:
    ///   - date: the answer's own `Date`: from there to a date in `value` it is as long by whatever clock.
    ///   - now: Unix nanoseconds, for answers without a `Date` that can be read: they count as made when they are here
    ///     (RFC 9110 §6.6.1).
    static func milliseconds(_ value: Bytes, since date: Bytes, now: UInt64) -> UInt64? {
        if let wait = decimal(value) { return wait }
        guard let until = httpDate(value) else { return nil }
        if let from = httpDate(date) { return until > from ? UInt64(until - from) * 1000 : nil }
        let (end, start) = (UInt64(until) * 1000, now / 1_000_000)
        return end > start ? end - start : nil
    }

    /// Seconds with up to nine digits before the point; thousandths are rounded up.
    private static func decimal(_ value: Bytes) -> UInt64? {
        guard let p = value.pointer, value.count > 0, value.count <= 20 else { return nil }
        var point = 0
        while point < value.count, p[point] != UInt8(ascii: ".") { point += 1 }
        guard let whole = whole(Bytes(p, point)) else { return nil }
        if point == value.count { return whole }
        var (thousandths, rest, i) = (UInt64(0), false, point + 1)
        guard i < value.count else { return nil }
        while i < value.count {
            guard p[i] >= 48 && p[i] <= 57 else { return nil }
            if i <= point + 3 { thousandths = thousandths * 10 + UInt64(p[i] - 48) } else if p[i] > 48 { rest = true }
            i += 1
        }
        while i <= point + 3 {
            thousandths *= 10
            i += 1
        }
        return whole + thousandths + (rest ? 1 : 0)
    }

    private static func whole(_ value: Bytes) -> UInt64? {
        guard let p = value.pointer, value.count > 0, value.count <= 9 else { return nil }
        var seconds: UInt64 = 0
        for i in 0..<value.count {
            guard p[i] >= 48 && p[i] <= 57 else { return nil }
            seconds = seconds * 10 + UInt64(p[i] - 48)
        }
        return seconds * 1000
    }

    private static func httpDate(_ value: Bytes) -> Int64? {
        guard let p = value.pointer else { return nil }
        return HTTPDate.seconds(p, value.count)
    }
}
