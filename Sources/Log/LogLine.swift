import Glibc

/// Writes one line of the log into bytes. Whatever a message or field holds, the result is exactly one line: control
/// characters are escaped, so that hostile text can neither forge lines nor drive a terminal.
struct LogLine {
    /// What of a message or of one field is written at most.
    static let maxTextBytes = 8192
    /// Names that a JSON line has of its own; a field called so gets an underscore.
    private static let reserved = ["time", "level", "message"]

    private(set) var bytes: [UInt8] = []

    init(
        format: LogFormat, level: LogLevel, message: String, fields: [(String, LogValue)],
        unixMilliseconds: Int64, offsetMinutes: Int
    ) {
        bytes.reserveCapacity(96 + message.utf8.count)
        switch format {
        case .text:
            appendTime(unixMilliseconds, offsetMinutes)
            append(" ")
            append(level.column)
            append(" ")
            appendText(message, isQuoted: false)
            for (name, value) in fields {
                append(" ")
                appendName(name)
                append("=")
                append(value, asJSON: false)
            }
        case .json:
            append("{\"time\":\"")
            appendTime(unixMilliseconds, offsetMinutes)
            append("\",\"level\":\"")
            append(level.name)
            append("\",\"message\":")
            appendText(message, isQuoted: true)
            for (name, value) in fields {
                append(",")
                appendText(Self.reserved.contains(name) ? name + "_" : name, isQuoted: true)
                append(":")
                append(value, asJSON: true)
            }
            append("}")
        }
        append("\n")
    }

    private mutating func append(_ text: StaticString) {
        bytes += UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    }

    private mutating func append(_ value: LogValue, asJSON: Bool) {
        switch value {
        case .string(let text): appendText(text, isQuoted: asJSON || Self.needsQuotes(text))
        case .integer(let number): bytes += Array("\(number)".utf8)
        // JSON has no infinities.
        case .number(let number) where !number.isFinite: appendText("\(number)", isQuoted: asJSON)
        case .number(let number): bytes += Array("\(number)".utf8)
        case .bool(let flag): append(flag ? "true" : "false")
        }
    }

    /// A field's name in a text line: what would end it becomes an underscore.
    private mutating func appendName(_ name: String) {
        for byte in name.utf8 {
            let isEnd = byte <= 0x20 || byte == 0x7F || byte == UInt8(ascii: "=") || byte == UInt8(ascii: "\"")
            bytes.append(isEnd ? UInt8(ascii: "_") : byte)
        }
    }

    private static func needsQuotes(_ text: String) -> Bool {
        text.isEmpty
            || text.utf8.contains {
                $0 <= 0x20 || $0 == 0x7F || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "=")
                    || $0 == UInt8(ascii: "\\")
            }
    }

    /// JSON's escapes, which read well in text lines too. C1 controls (U+0080…U+009F) are escaped as well: terminals
    /// obey them.
    private mutating func appendText(_ text: String, isQuoted: Bool) {
        if isQuoted { append("\"") }
        var count = 0
        for scalar in text.unicodeScalars {
            if count >= Self.maxTextBytes {
                append("…")
                break
            }
            count += UTF8.width(scalar)
            switch scalar {
            case "\"" where isQuoted: append("\\\"")
            case "\\" where isQuoted: append("\\\\")
            case "\n": append("\\n")
            case "\r": append("\\r")
            case "\t": append("\\t")
            case _
            where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
                || scalar.value == 0x2028 || scalar.value == 0x2029:
                append("\\u")
                let hex = Array("0123456789abcdef".utf8)
                for shift in [12, 8, 4, 0] { bytes.append(hex[Int(scalar.value >> UInt32(shift)) & 15]) }
            default: bytes += UTF8.encode(scalar).map(Array.init) ?? []
            }
        }
        if isQuoted { append("\"") }
    }

    /// ISO-8601 with milliseconds and offset: `2026-06-06T11:26:55.123+08:00`.
    private mutating func appendTime(_ unixMilliseconds: Int64, _ offsetMinutes: Int) {
        let local = unixMilliseconds + Int64(offsetMinutes) * 60_000
        let day = Int((Double(local) / 86_400_000).rounded(.down))
        let millisecond = Int(local) - day * 86_400_000
        let (year, month, dayOfMonth) = Self.civilDate(daysSince1970: day)
        append(year, digits: 4)
        append("-")
        append(month, digits: 2)
        append("-")
        append(dayOfMonth, digits: 2)
        append("T")
        append(millisecond / 3_600_000, digits: 2)
        append(":")
        append(millisecond / 60_000 % 60, digits: 2)
        append(":")
        append(millisecond / 1000 % 60, digits: 2)
        append(".")
        append(millisecond % 1000, digits: 3)
        append(offsetMinutes < 0 ? "-" : "+")
        append(abs(offsetMinutes) / 60, digits: 2)
        append(":")
        append(abs(offsetMinutes) % 60, digits: 2)
    }

    private mutating func append(_ number: Int, digits: Int) {
        var divisor = 1
        for _ in 1..<digits { divisor *= 10 }
        while divisor > 0 {
            bytes.append(UInt8(ascii: "0") + UInt8(number / divisor % 10))
            divisor /= 10
        }
    }

    /// The Gregorian date of a day. Counting in eras of 400 years that begin on 1 March puts the leap day last.
    static func civilDate(daysSince1970: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = daysSince1970 + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shiftedMonth = (5 * dayOfYear + 2) / 153
        let month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        return (year, month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1)
    }
}
