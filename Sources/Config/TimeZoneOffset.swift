/// A fixed distance from UTC, in which every time the gateway writes is expressed.
///
/// Named zones (`Asia/Shanghai`) are not taken: their offset changes over the year, and a row's text must stay
/// comparable with its neighbours.
public struct TimeZoneOffset: Sendable, Equatable {
    /// Minutes east of UTC, from -840 to 840.
    public let minutes: Int

    /// The offset as ISO-8601 writes it: `+08:00`, `-05:30`, `+00:00`.
    public let text: String

    /// UTC itself.
    public static let utc = TimeZoneOffset(unchecked: 0)

    /// - Parameter minutes: minutes east of UTC; nil when beyond 14 hours either way.
    public init?(minutes: Int) {
        guard (-840...840).contains(minutes) else { return nil }
        self.init(unchecked: minutes)
    }

    /// Reads `+08:00`, `+0800`, `+08`, `-05:30`, `Z` or `UTC`; nil for anything else.
    public init?(_ text: String) {
        if text == "Z" || text == "z" || text.lowercased() == "utc" {
            self = .utc
            return
        }
        var bytes = Array(text.utf8)
        guard let sign = bytes.first, sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") else { return nil }
        bytes.removeFirst()
        if bytes.count == 5, bytes[2] == UInt8(ascii: ":") { bytes.remove(at: 2) }
        guard bytes.count == 2 || bytes.count == 4 else { return nil }
        var digits: [Int] = []
        for byte in bytes {
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            digits.append(Int(byte - UInt8(ascii: "0")))
        }
        let minute = digits.count == 4 ? digits[2] * 10 + digits[3] : 0
        guard minute < 60 else { return nil }
        let total = (digits[0] * 10 + digits[1]) * 60 + minute
        self.init(minutes: sign == UInt8(ascii: "-") ? -total : total)
    }

    private init(unchecked minutes: Int) {
        self.minutes = minutes
        let distance = abs(minutes)
        func two(_ n: Int) -> String { n < 10 ? "0\(n)" : "\(n)" }
        text = "\(minutes < 0 ? "-" : "+")\(two(distance / 60)):\(two(distance % 60))"
    }
}
