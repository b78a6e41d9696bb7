import Reactor
import Store

/// How a caller's spending is counted: by which calendar, and in which currency. Whoever changes that has it counted anew.
struct BudgetTerms: BitwiseCopyable, Equatable, Sendable {
    var period: BudgetPeriod = .total
    /// Minutes east of UTC, by whose calendar days and months begin.
    var offsetMinutes = 0
    /// Three letters, see ``code(_:)``.
    var currency: UInt32 = 0
    /// How often it was counted anew, some lower bits of that: the same terms may have come back.
    var generation: UInt32 = 0

    /// A currency's name as a number.
    static func code(_ name: Bytes) -> UInt32 {
        var code: UInt32 = 0
        for i in 0..<min(name.count, 3) { code = code << 8 | UInt32(name.pointer.unsafelyUnwrapped[i]) }
        return code
    }

    /// When the period that a time (Unix milliseconds) lies in began; 0 if there is but one.
    func periodStart(_ time: Int64) -> Int64 { period.start(of: time, offsetMinutes: offsetMinutes) ?? 0 }

    init(period: BudgetPeriod = .total, offsetMinutes: Int = 0, currency: UInt32 = 0) {
        (self.period, self.offsetMinutes, self.currency) = (period, offsetMinutes, currency)
    }

    // From the lowest: 2 bits the period, 12 the offset and 2,048, 24 the currency, 26 the generation.

    init(word: Int64) {
        let bits = UInt64(bitPattern: word)
        period = bits & 3 == 1 ? .daily : bits & 3 == 2 ? .monthly : .total
        offsetMinutes = Int(bits >> 2 & 0xFFF) - 2048
        currency = UInt32(bits >> 14 & 0xFF_FFFF)
        generation = UInt32(bits >> 38)
    }

    var word: Int64 {
        let kind: UInt64 = period == .daily ? 1 : period == .monthly ? 2 : 0
        return Int64(
            bitPattern: kind | UInt64(offsetMinutes + 2048) << 2 | UInt64(currency) << 14
                | UInt64(generation & 0x3FF_FFFF) << 38)
    }
}

/// Where in a caller's account an exchange belongs.
struct BudgetPlace: BitwiseCopyable, Sendable {
    /// The terms by which it was admitted, in a word.
    var terms: Int64 = 0
    /// When it was accepted, Unix milliseconds.
    var accepted: Int64 = 0
    /// When the period began that it was admitted to, Unix milliseconds; later than `accepted` if a clock that was ahead had
    /// begun that.
    var periodStart: Int64 = 0
}
