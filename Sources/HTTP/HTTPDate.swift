/// A date as HTTP writes it (RFC 9110 §5.6.7): an IMF-fixdate, as in `Sun, 06 Nov 1994 08:49:37 GMT`.
public enum HTTPDate {
    /// Bytes of one.
    public static let length = 29

    private static var months: StaticString { "JanFebMarAprMayJunJulAugSepOctNovDec" }
    /// From the day of the week that 1970 began with.
    private static var weekdays: StaticString { "ThuFriSatSunMonTueWed" }

    /// Writes `length` bytes.
    /// - Parameter unixSeconds: since 1970-01-01 UTC; not after the year 9999.
    public static func write(unixSeconds: UInt64, into p: UnsafeMutablePointer<UInt8>) {
        func digits(_ value: UInt64, _ at: Int, _ count: Int) {
            var (rest, i) = (value, at + count)
            while i > at {
                i -= 1
                p[i] = 48 + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            }
        }
        func name(_ names: StaticString, _ index: UInt64, _ at: Int) {
            (p + at).update(from: names.utf8Start + 3 * Int(index), count: 3)
        }
        let days = unixSeconds / 86_400
        // Civil from days: years begin in March, so that a leap day is the last; 400 of them are an era.
        let shifted = days + 719_468
        let (era, dayOfEra) = (shifted / 146_097, shifted % 146_097)
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let marchMonth = (5 * dayOfYear + 2) / 153
        let month = (marchMonth + 2) % 12
        let second = unixSeconds % 86_400
        let blank: StaticString = "---, -- --- ---- --:--:-- GMT"
        p.update(from: blank.utf8Start, count: length)
        name(weekdays, days % 7, 0)
        digits(dayOfYear - (153 * marchMonth + 2) / 5 + 1, 5, 2)
        name(months, month, 8)
        digits(era * 400 + yearOfEra + (month < 2 ? 1 : 0), 12, 4)
        digits(second / 3600, 17, 2)
        digits(second / 60 % 60, 20, 2)
        digits(second % 60, 23, 2)
    }

    /// Seconds since 1970 of p[0 ..< n], in any of the three forms that a recipient has to take; nil if that is none.
    /// Of the obsolete one with two digits for the year those from 70 on are the last century's.
    public static func seconds(_ p: UnsafePointer<UInt8>, _ n: Int) -> Int64? {
        func number(_ at: Int, _ digits: Int) -> Int64? {
            var found: Int64 = 0
            for i in at..<at + digits {
                guard p[i] >= 48 && p[i] <= 57 else { return nil }
                found = found * 10 + Int64(p[i] - 48)
            }
            return found
        }
        if n == length, p[3] == UInt8(ascii: ","), p[28] == UInt8(ascii: "T") {
            return seconds(p, year: number(12, 4), month: 8, day: number(5, 2), time: 17)
        }
        // Sun Nov  6 08:49:37 1994
        if n == 24, p[3] == 0x20 {
            return seconds(p, year: number(20, 4), month: 4, day: p[8] == 0x20 ? number(9, 1) : number(8, 2), time: 11)
        }
        // Sunday, 06-Nov-94 08:49:37 GMT
        guard n >= 30, n <= 33, p[n - 24] == UInt8(ascii: ","), p[n - 20] == UInt8(ascii: "-"),
            p[n - 1] == UInt8(ascii: "T"), let year = number(n - 15, 2)
        else { return nil }
        return seconds(
            p, year: year < 70 ? 2000 + year : 1900 + year, month: n - 19, day: number(n - 22, 2), time: n - 12)
    }

    /// - Parameters:
    ///   - month: where its name stands.
    ///   - time: where hours, minutes and seconds stand.
    private static func seconds(
        _ p: UnsafePointer<UInt8>, year: Int64?, month monthAt: Int, day: Int64?, time: Int
    ) -> Int64? {
        func two(_ at: Int) -> Int64 {
            guard p[at] >= 48, p[at] <= 57, p[at + 1] >= 48, p[at + 1] <= 57 else { return .max }
            return Int64(p[at] - 48) * 10 + Int64(p[at + 1] - 48)
        }
        let (hour, minute, second) = (two(time), two(time + 3), two(time + 6))
        guard let year, let day, (1...31).contains(day), year >= 1970, hour < 24, minute < 60, second <= 60
        else { return nil }
        let (names, name) = (months.utf8Start, p + monthAt)
        var month = 0
        while month < 12,
            names[3 * month] != name[0] || names[3 * month + 1] != name[1] || names[3 * month + 2] != name[2]
        {
            month += 1
        }
        guard month < 12 else { return nil }
        let years = month < 2 ? year - 1 : year
        let dayOfYear = (153 * Int64((month + 10) % 12) + 2) / 5 + day - 1
        let days = 365 * years + years / 4 - years / 100 + years / 400 + dayOfYear - 719_468
        return days * 86_400 + hour * 3600 + minute * 60 + second
    }
}
