/// ISO-8601 date-times with milliseconds and a numeric offset, as the database holds them:
/// `2026-06-06T11:26:55.123+08:00` (RFC 3339). Inside the program a time is Int64 milliseconds since 1970 in UTC.
public enum Timestamp {
    /// Bytes of every written time.
    public static let length = 29

    /// The last and the first instant that fit four digits of year, on clocks at UTC.
    static let latest: Int64 = 253_402_300_799_999  // 9999-12-31T23:59:59.999Z
    static let earliest: Int64 = -62_135_596_800_000  // 0001-01-01T00:00:00Z

    /// The text of an instant; what does not fit years 1 to 9999 is clamped.
    public static func text(milliseconds: Int64, offsetMinutes: Int = 0) -> String {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: length) { buffer in
            write(milliseconds: milliseconds, offsetMinutes: offsetMinutes, into: buffer.baseAddress!)
            return String(decoding: buffer, as: UTF8.self)
        }
    }

    /// Writes exactly `length` bytes at `p`.
    public static func write(milliseconds: Int64, offsetMinutes: Int, into p: UnsafeMutablePointer<UInt8>) {
        let offset = Int64(offsetMinutes) * 60_000
        let local = min(max(milliseconds, earliest - offset), latest - offset) + offset
        let day = floorDivide(local, 86_400_000)
        writeDate(daysSince1970: day, into: p)
        p[10] = UInt8(ascii: "T")
        writeTimeOfDay(milliseconds: Int(local - day * 86_400_000), into: p + 11)
        writeOffset(offsetMinutes, into: p + 23)
    }

    /// `YYYY-MM-DD`, ten bytes.
    static func writeDate(daysSince1970 day: Int64, into p: UnsafeMutablePointer<UInt8>) {
        let (year, month, dayOfMonth) = civil(daysSince1970: day)
        digits2(year / 100, p)
        digits2(year % 100, p + 2)
        p[4] = UInt8(ascii: "-")
        digits2(month, p + 5)
        p[7] = UInt8(ascii: "-")
        digits2(dayOfMonth, p + 8)
    }

    /// `HH:MM:SS.mmm`, twelve bytes.
    static func writeTimeOfDay(milliseconds: Int, into p: UnsafeMutablePointer<UInt8>) {
        let seconds = milliseconds / 1000
        digits2(seconds / 3600, p)
        p[2] = UInt8(ascii: ":")
        digits2(seconds / 60 % 60, p + 3)
        p[5] = UInt8(ascii: ":")
        digits2(seconds % 60, p + 6)
        p[8] = UInt8(ascii: ".")
        let fraction = milliseconds % 1000
        p[9] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: fraction / 100)
        digits2(fraction % 100, p + 10)
    }

    /// `+HH:MM`, six bytes.
    static func writeOffset(_ minutes: Int, into p: UnsafeMutablePointer<UInt8>) {
        p[0] = minutes < 0 ? UInt8(ascii: "-") : UInt8(ascii: "+")
        let magnitude = Swift.abs(minutes)
        digits2(magnitude / 60, p + 1)
        p[3] = UInt8(ascii: ":")
        digits2(magnitude % 60, p + 4)
    }

    @inline(__always)
    private static func digits2(_ value: Int, _ p: UnsafeMutablePointer<UInt8>) {
        p[0] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / 10)
        p[1] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value % 10)
    }

    @inline(__always)
    static func floorDivide(_ a: Int64, _ b: Int64) -> Int64 {
        let quotient = a / b
        return a % b < 0 ? quotient - 1 : quotient
    }

    /// What `floorDivide` leaves: never negative for a positive `b`.
    static func floorModulo(_ a: Int64, _ b: Int64) -> Int64 { a - floorDivide(a, b) * b }

    // MARK: Calendar (proleptic Gregorian; eras of 400 years starting in March, so that a leap day ends its year)

    static func civil(daysSince1970: Int64) -> (year: Int, month: Int, day: Int) {
        let shifted = daysSince1970 + 719_468
        let era = floorDivide(shifted, 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        return (Int(yearOfEra + era * 400) + (month <= 2 ? 1 : 0), Int(month), Int(day))
    }

    static func daysSince1970(year: Int, month: Int, day: Int) -> Int64 {
        let shiftedYear = Int64(month <= 2 ? year - 1 : year)
        let era = floorDivide(shiftedYear, 400)
        let yearOfEra = shiftedYear - era * 400
        let dayOfYear = Int64((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1)
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    static func days(inMonth month: Int, year: Int) -> Int {
        switch month {
        case 2: return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: return 30
        default: return 31
        }
    }
}
