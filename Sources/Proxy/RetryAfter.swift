import Glibc
import Reactor

/// `Retry-After` (RFC 9110 §10.2.3).
enum RetryAfter {
    /// As a number of seconds; nil if it is none, so for a date: its wait could not be trusted to two clocks.
    static func milliseconds(_ value: Bytes) -> UInt64? {
        guard let p = value.pointer, value.count > 0, value.count <= 9 else { return nil }
        var seconds: UInt64 = 0
        for i in 0..<value.count {
            guard p[i] >= 48 && p[i] <= 57 else { return nil }
            seconds = seconds * 10 + UInt64(p[i] - 48)
        }
        return seconds * 1000
    }

    /// As seconds, with or without decimals, or as a date.
    /// - Parameter date: the answer's own `Date`: from there to a date in `value` it is as long by whatever clock.
    static func milliseconds(_ value: Bytes, since date: Bytes) -> UInt64? {
        if let wait = decimal(value) { return wait }
        guard let until = httpDate(value), let from = httpDate(date) else { return nil }
        return UInt64(max(0, until - from)) * 1000
    }

    /// Seconds with up to nine digits before the point; thousandths are rounded up.
    private static func decimal(_ value: Bytes) -> UInt64? {
        guard let p = value.pointer, value.count > 0, value.count <= 20 else { return nil }
        var point = 0
        while point < value.count, p[point] != UInt8(ascii: ".") { point += 1 }
        guard let whole = milliseconds(Bytes(p, point)) else { return nil }
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

    /// Seconds since 1970 of an IMF-fixdate (RFC 9110 §5.6.7), as in `Sun, 06 Nov 1994 08:49:37 GMT`.
    static func httpDate(_ value: Bytes) -> Int64? {
        guard let p = value.pointer, value.count == 29, p[3] == UInt8(ascii: ","), p[28] == UInt8(ascii: "T") else {
            return nil
        }
        func number(_ at: Int, _ digits: Int) -> Int64? {
            var found: Int64 = 0
            for i in at..<at + digits {
                guard p[i] >= 48 && p[i] <= 57 else { return nil }
                found = found * 10 + Int64(p[i] - 48)
            }
            return found
        }
        let names: StaticString = "JanFebMarAprMayJunJulAugSepOctNovDec"
        guard let day = number(5, 2), let year = number(12, 4), let hour = number(17, 2), let minute = number(20, 2),
            let second = number(23, 2), (1...31).contains(day), year >= 1970, hour < 24, minute < 60, second <= 60
        else { return nil }
        guard let month = (0..<12).first(where: { memcmp(names.utf8Start + $0 * 3, p + 8, 3) == 0 }) else { return nil }
        // Days from civil: years begin in March, so that a leap day is the last.
        let years = month < 2 ? year - 1 : year
        let dayOfYear = (153 * Int64((month + 10) % 12) + 2) / 5 + day - 1
        let days = 365 * years + years / 4 - years / 100 + years / 400 + dayOfYear - 719_468
        return days * 86_400 + hour * 3600 + minute * 60 + second
    }
}
