extension Timestamp {
    /// The instant that a text names: a date (`2026-06-06`, midnight) or ISO-8601 (`2026-06-06T11:26`, seconds,
    /// fraction, a blank for the `T`, `Z`, `+08:00`, `+0800` or `+08` optional). Nil if it is neither.
    ///
    /// - Parameter defaultOffsetMinutes: the offset of a text that names none.
    public static func parse(_ text: String, defaultOffsetMinutes: Int = 0) -> Int64? {
        read(text, defaultOffsetMinutes: defaultOffsetMinutes)?.milliseconds
    }

    /// Like `parse`, for the inclusive end of a range: a date, or a time without seconds or milliseconds, means
    /// the last millisecond of what it names.
    public static func parseUpperBound(_ text: String, defaultOffsetMinutes: Int = 0) -> Int64? {
        guard let found = read(text, defaultOffsetMinutes: defaultOffsetMinutes) else { return nil }
        return found.milliseconds + found.precisionMilliseconds - 1
    }

    /// Like `parse`, for an instant at which something ends: a date stands for its last millisecond, and a time for just
    /// the instant it names, however coarsely.
    public static func parseEnd(_ text: String, defaultOffsetMinutes: Int = 0) -> Int64? {
        guard let found = read(text, defaultOffsetMinutes: defaultOffsetMinutes) else { return nil }
        let isDate = found.precisionMilliseconds == dayMilliseconds
        return isDate ? found.milliseconds + dayMilliseconds - 1 : found.milliseconds
    }

    private static let dayMilliseconds: Int64 = 86_400_000

    private static func read(_ text: String, defaultOffsetMinutes: Int)
        -> (milliseconds: Int64, precisionMilliseconds: Int64)?
    {
        var scanner = DigitScanner(bytes: Array(text.utf8))
        guard let year = scanner.number(digits: 4), year >= 1, scanner.take("-"),
            let month = scanner.number(digits: 2), (1...12).contains(month), scanner.take("-"),
            let day = scanner.number(digits: 2), day >= 1, day <= days(inMonth: month, year: year)
        else { return nil }
        var milliseconds = daysSince1970(year: year, month: month, day: day) * dayMilliseconds
        var precision = dayMilliseconds
        var offset = defaultOffsetMinutes
        if scanner.take("T") || scanner.take("t") || scanner.take(" ") {
            guard let hour = scanner.number(digits: 2), hour <= 23, scanner.take(":"),
                let minute = scanner.number(digits: 2), minute <= 59
            else { return nil }
            milliseconds += Int64(hour * 3600 + minute * 60) * 1000
            precision = 60_000
            if scanner.take(":") {
                // A leap second counts as the second before it.
                guard let second = scanner.number(digits: 2), second <= 60 else { return nil }
                milliseconds += Int64(min(second, 59)) * 1000
                precision = 1000
                if scanner.take(".") || scanner.take(",") {
                    guard let fraction = scanner.fraction() else { return nil }
                    milliseconds += Int64(fraction)
                    precision = 1
                }
            }
            guard let named = scanner.offset() else { return nil }
            if let minutes = named { offset = minutes }
        }
        guard scanner.isAtEnd else { return nil }
        return (milliseconds - Int64(offset) * 60_000, precision)
    }
}

private struct DigitScanner {
    let bytes: [UInt8]
    var position = 0

    var isAtEnd: Bool { position == bytes.count }

    init(bytes: [UInt8]) { self.bytes = bytes }

    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    mutating func number(digits: Int) -> Int? {
        guard position + digits <= bytes.count else { return nil }
        var value = 0
        for i in 0..<digits {
            let digit = bytes[position + i] &- 48
            guard digit < 10 else { return nil }
            value = value * 10 + Int(digit)
        }
        position += digits
        return value
    }

    /// Milliseconds of a fraction of a second with one to nine digits; what is finer is cut off.
    mutating func fraction() -> Int? {
        var value = 0
        var count = 0
        while position < bytes.count, bytes[position] &- 48 < 10 {
            if count < 3 { value = value * 10 + Int(bytes[position] &- 48) }
            count += 1
            position += 1
        }
        guard (1...9).contains(count) else { return nil }
        for _ in min(count, 3)..<3 { value *= 10 }
        return value
    }

    /// `.some(nil)` when there is none, nil when it is malformed.
    mutating func offset() -> Int?? {
        if isAtEnd { return .some(nil) }
        if take("Z") || take("z") { return .some(0) }
        let isNegative = take("-")
        guard isNegative || take("+"), let hours = number(digits: 2), hours <= 23 else { return nil }
        var minutes = 0
        if !isAtEnd {
            _ = take(":")
            guard let named = number(digits: 2), named <= 59 else { return nil }
            minutes = named
        }
        let total = hours * 60 + minutes
        return .some(isNegative ? -total : total)
    }
}
