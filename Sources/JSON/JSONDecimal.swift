/// The exact value of a JSON number literal, seen through its bytes: no allocation, no rounding.
///
/// The value is `0.d₁d₂…dₙ × 10^magnitude`, d₁ and dₙ not zero; zero has no digits. Exponents beyond ±10¹⁵ count as that.
@usableFromInline
struct JSONDecimal: BitwiseCopyable {
    private let bytes: UnsafePointer<UInt8>
    /// Offsets of the first significant digit and of the end of the last one; a point may lie between them.
    private let first: Int
    private let last: Int
    let digitCount: Int
    let magnitude: Int
    let isNegative: Bool

    private static let exponentLimit = 1_000_000_000_000_000

    /// - Parameter p: `n` bytes that are a JSON number (RFC 8259 §6); their grammar is not checked again.
    @usableFromInline
    init(_ p: UnsafePointer<UInt8>, _ n: Int) {
        var i = 0
        let negative = n > 0 && p[0] == UInt8(ascii: "-")
        if negative { i = 1 }
        var first = -1
        var last = -1
        var point = -1
        while i < n {
            let c = p[i]
            if c == UInt8(ascii: ".") {
                point = i
            } else if c &- UInt8(ascii: "0") < 10 {
                if c != UInt8(ascii: "0") {
                    if first < 0 { first = i }
                    last = i + 1
                }
            } else {
                break
            }
            i += 1
        }
        if point < 0 { point = i }
        bytes = p
        guard first >= 0 else {
            self.first = 0
            self.last = 0
            digitCount = 0
            magnitude = 0
            isNegative = false
            return
        }
        var exponent = 0
        if i + 1 < n {
            i += 1
            let negativeExponent = p[i] == UInt8(ascii: "-")
            if negativeExponent || p[i] == UInt8(ascii: "+") { i += 1 }
            while i < n {
                exponent = min(exponent * 10 + Int(p[i] &- UInt8(ascii: "0")), Self.exponentLimit)
                i += 1
            }
            if negativeExponent { exponent = -exponent }
        }
        self.first = first
        self.last = last
        digitCount = last - first - (first < point && point < last ? 1 : 0)
        magnitude = (first < point ? point - first : point + 1 - first) + exponent
        isNegative = negative
    }

    var isZero: Bool { digitCount == 0 }

    /// Whether the value is a whole number (1.0 and 1e3 are).
    var isInteger: Bool { digitCount <= magnitude || isZero }

    /// Number of decimal places below one that the shortest form of the value needs (negative: trailing zeros above).
    var scale: Int { digitCount - magnitude }

    /// Calls `body` with each significant digit (0…9), most significant first.
    @inline(__always)
    func forEachDigit(_ body: (UInt64) -> Void) {
        var i = first
        while i < last {
            if bytes[i] != UInt8(ascii: ".") { body(UInt64(bytes[i] &- UInt8(ascii: "0"))) }
            i += 1
        }
    }

    /// The value as Int64 if it is a whole number in range.
    var int64: Int64? {
        if isZero { return 0 }
        guard isInteger, magnitude <= 19 else { return nil }
        var total: UInt64 = 0
        var overflow = false
        func push(_ digit: UInt64) {
            let (scaled, over) = total.multipliedReportingOverflow(by: 10)
            let (sum, over2) = scaled.addingReportingOverflow(digit)
            total = sum
            if over || over2 { overflow = true }
        }
        forEachDigit(push)
        for _ in 0..<(magnitude - digitCount) { push(0) }
        if overflow { return nil }
        if isNegative { return total <= Int64.min.magnitude ? Int64(truncatingIfNeeded: 0 &- total) : nil }
        return Int64(exactly: total)
    }

    /// -1, 0 or 1 as the value is below, equal to or above `other`. Exact.
    @usableFromInline
    func compare(_ other: JSONDecimal) -> Int {
        if isZero || other.isZero {
            if isZero && other.isZero { return 0 }
            return isZero ? (other.isNegative ? 1 : -1) : (isNegative ? -1 : 1)
        }
        if isNegative != other.isNegative { return isNegative ? -1 : 1 }
        let sign = isNegative ? -1 : 1
        if magnitude != other.magnitude { return magnitude < other.magnitude ? -sign : sign }
        var i = first
        var j = other.first
        while true {
            if i < last && bytes[i] == UInt8(ascii: ".") { i += 1 }
            if j < other.last && other.bytes[j] == UInt8(ascii: ".") { j += 1 }
            if i >= last || j >= other.last { break }
            if bytes[i] != other.bytes[j] { return bytes[i] < other.bytes[j] ? -sign : sign }
            i += 1
            j += 1
        }
        if i < last { return sign }
        return j < other.last ? -sign : 0
    }
}
