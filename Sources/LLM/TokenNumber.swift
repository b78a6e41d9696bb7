/// A JSON number on its way to being a count of tokens: a whole number from 0 to `TokenUsage.limit`, however it is
/// written (12, 12.0, 1.2e1); anything else is no count.
struct TokenNumber: BitwiseCopyable, Sendable {
    private var digits: UInt64 = 0
    /// Digits after the point, among `digits`.
    private var places: Int16 = 0
    private var exponent: Int16 = 0
    private var isNegative = false
    private var exponentIsNegative = false
    private var isTooLong = false
    /// Position in RFC 8259's grammar: 0 after the sign, 1 after a leading zero, 2 in the integer, 3 after the point, 4 in
    /// the fraction, 5 after the `e`, 6 after its sign, 7 in the exponent.
    private var position: UInt8 = 0

    init() {}

    /// Begins with the number's first byte; nil if none begins so.
    @inline(__always)
    init?(first c: UInt8) {
        if c == UInt8(ascii: "-") {
            isNegative = true
        } else if c &- UInt8(ascii: "0") < 10 {
            position = c == UInt8(ascii: "0") ? 1 : 2
            digits = UInt64(c &- UInt8(ascii: "0"))
        } else {
            return nil
        }
    }

    /// Takes a byte; false if it is not part of the number.
    @inline(__always)
    mutating func step(_ c: UInt8) -> Bool {
        let digit = c &- UInt8(ascii: "0")
        if digit < 10 {
            switch position {
            case 2: add(digit)
            case 0:
                position = digit == 0 ? 1 : 2
                add(digit)
            case 1: return false
            case 3, 4:
                position = 4
                addPlace(digit)
            default:
                position = 7
                exponent = min(exponent &* 10 &+ Int16(digit), 1000)
            }
            return true
        }
        switch c {
        case UInt8(ascii: "."):
            guard position == 1 || position == 2 else { return false }
            position = 3
        case UInt8(ascii: "e"), UInt8(ascii: "E"):
            guard position == 1 || position == 2 || position == 4 else { return false }
            position = 5
        case UInt8(ascii: "+"), UInt8(ascii: "-"):
            guard position == 5 else { return false }
            exponentIsNegative = c == UInt8(ascii: "-")
            position = 6
        default:
            return false
        }
        return true
    }

    /// Whether the number may end here.
    var isComplete: Bool { 0b1001_0110 >> position & 1 != 0 }

    private mutating func add(_ digit: UInt8) {
        if digits > 100_000_000_000_000_000 {
            isTooLong = true
        } else {
            digits = digits &* 10 &+ UInt64(digit)
        }
    }

    private mutating func addPlace(_ digit: UInt8) {
        if digits > 100_000_000_000_000_000 || places == 1000 {
            // Zeros after the last digit that counts change nothing.
            if digit != 0 { isTooLong = true }
        } else {
            digits = digits &* 10 &+ UInt64(digit)
            places &+= 1
        }
    }

    /// The number times 10^`power`, half up; nil if it is negative or beyond `TokenUsage.limit`.
    func scaled(_ power: Int16) -> Int64? {
        if digits == 0 { return isTooLong ? nil : 0 }
        if isNegative || isTooLong { return nil }
        var value = digits
        var scale = (exponentIsNegative ? 0 &- exponent : exponent) &- places &+ power
        while scale > 0 {
            if value > UInt64(TokenUsage.limit) { return nil }
            value &*= 10
            scale &-= 1
        }
        while scale < -1, value > 0 {
            value /= 10
            scale &+= 1
        }
        if scale < 0 { value = (value &+ 5) / 10 }
        return value > UInt64(TokenUsage.limit) ? nil : Int64(value)
    }

    /// The count, or nil.
    var count: Int64? {
        if digits == 0 { return isTooLong ? nil : 0 }
        if isNegative || isTooLong { return nil }
        var value = digits
        var scale = (exponentIsNegative ? 0 &- exponent : exponent) &- places
        while scale < 0 {
            let (quotient, rest) = value.quotientAndRemainder(dividingBy: 10)
            if rest != 0 { return nil }
            value = quotient
            scale &+= 1
        }
        while scale > 0 {
            if value > UInt64(TokenUsage.limit) { return nil }
            value &*= 10
            scale &-= 1
        }
        return value > UInt64(TokenUsage.limit) ? nil : Int64(value)
    }
}
