import JSON

/// Amounts of money in JSON: decimal numbers in units of the currency, as strings ("12.5"), down to a millionth. Never
/// JSON numbers: whoever reads those as floating point would lose exactness.
enum Money {
    /// Of an amount in a request.
    static let pattern = #"^(0|[1-9][0-9]{0,8})(\\.[0-9]{1,6})?$"#
    static let schema = #"{"type":"string","pattern":"\#(pattern)"}"#

    /// Micro-units as a decimal without zeros that say nothing: 12_500_000 is "12.5".
    static func text(_ micros: Int64) -> String {
        let magnitude = micros.magnitude
        let fraction = String(magnitude % 1_000_000)
        var digits = String(repeating: "0", count: 6 - fraction.utf8.count) + fraction
        while digits.hasSuffix("0") { digits.removeLast() }
        return (micros < 0 ? "-" : "") + String(magnitude / 1_000_000) + (digits.isEmpty ? "" : "." + digits)
    }

    /// Micro-units of a text as `pattern` has it; nil if it is none.
    static func micros(_ text: String) -> Int64? {
        let halves = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let units = digits(halves[0], atMost: 9), halves[0].utf8.count == 1 || !halves[0].hasPrefix("0") else {
            return nil
        }
        guard halves.count == 2 else { return units * 1_000_000 }
        guard let fraction = digits(halves[1], atMost: 6) else { return nil }
        let scale = (halves[1].utf8.count..<6).reduce(Int64(1)) { power, _ in power * 10 }
        return units * 1_000_000 + fraction * scale
    }

    private static func digits(_ text: Substring, atMost count: Int) -> Int64? {
        guard (1...count).contains(text.utf8.count) else { return nil }
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int64(text)
    }
}

extension JSONValue {
    static func amount(_ micros: Int64) -> JSONValue { .string(Money.text(micros)) }

    static func amount(_ micros: Int64?) -> JSONValue { micros.map { .amount($0) } ?? .null }
}

extension BodyReader {
    /// An amount, in micro-units.
    func amount(_ name: String) throws(AdminFailure) -> Given<Int64> {
        switch value(name) {
        case .absent: return .absent
        case .null: return .null
        case .value(let value):
            guard let micros = value.stringValue.flatMap(Money.micros) else {
                throw .badField(
                    name,
                    "must be a decimal number in a string, as in \"12.5\": not negative, below 1000000000, and with no "
                        + "more than six digits after the point")
            }
            return .value(micros)
        }
    }
}
