/// A JSON number. It keeps the literal as it was written and compares by exact decimal value: 1, 1.0 and 1e0 are equal,
/// and integers beyond 64 bits lose nothing.
public struct JSONNumber: Sendable {
    /// The number as JSON text (RFC 8259 §6).
    public let literal: String

    /// - Parameter literal: known to follow the grammar of RFC 8259 §6.
    init(validated literal: String) {
        self.literal = literal
    }

    /// Nil if `literal` is not a JSON number.
    public init?(literal: String) {
        guard let value = try? JSONValue(parsing: literal), case .number(let number) = value, number.literal == literal
        else { return nil }
        self = number
    }

    public init(_ value: some BinaryInteger) {
        literal = String(value)
    }

    /// Nil for infinities and NaN, which JSON cannot say.
    public init?(_ value: Double) {
        guard value.isFinite else { return nil }
        literal = value.description
    }

    /// The nearest Double; infinite if the number is too large for one.
    public var doubleValue: Double { Double(literal) ?? .nan }

    /// The value if it is a whole number (also written 1.0 or 1e3) that fits.
    public var int64Value: Int64? { withDecimal { $0.int64 } }

    /// Whether the value is a whole number, whatever its form.
    public var isInteger: Bool { withDecimal { $0.isInteger } }

    func withDecimal<R>(_ body: (JSONDecimal) -> R) -> R {
        var copy = literal
        return copy.withUTF8 { utf8 in
            guard let base = utf8.baseAddress else { preconditionFailure("an empty number literal") }
            return body(JSONDecimal(base, utf8.count))
        }
    }

    func compare(_ other: JSONNumber) -> Int {
        withDecimal { left in other.withDecimal { right in left.compare(right) } }
    }
}

extension JSONNumber: Hashable, Comparable {
    public static func == (a: JSONNumber, b: JSONNumber) -> Bool { a.compare(b) == 0 }

    public static func < (a: JSONNumber, b: JSONNumber) -> Bool { a.compare(b) < 0 }

    public func hash(into hasher: inout Hasher) {
        withDecimal { decimal in
            hasher.combine(decimal.isNegative)
            hasher.combine(decimal.magnitude)
            decimal.forEachDigit { hasher.combine(UInt8(truncatingIfNeeded: $0)) }
        }
    }
}

extension JSONNumber: CustomStringConvertible {
    public var description: String { literal }
}
