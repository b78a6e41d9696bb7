import Store
import Synchronization

/// What a caller's key may spend; nil = without limit.
struct BudgetLimits: BitwiseCopyable, Equatable, Sendable {
    var maxTokens: Int64?
    /// Micro-units of the key's currency.
    var maxAmount: Int64?
    var period: BudgetPeriod = .total
    /// Minutes east of UTC, by whose calendar days and months begin.
    var offsetMinutes = 0

    var isUnlimited: Bool { maxTokens == nil && maxAmount == nil }

    /// When the period that holds a time (Unix milliseconds) began; 0 if there is but one.
    func periodStart(_ now: Int64) -> Int64 { period.start(of: now, offsetMinutes: offsetMinutes) ?? 0 }
}

/// Tokens and money that belong together: a reservation, or what an exchange came to.
struct Spending: BitwiseCopyable, Equatable, Sendable {
    var tokens: Int64 = 0
    /// Micro-units.
    var amount: Int64 = 0
}

/// One caller's spending, shared by all workers without a lock.
///
/// Before a request goes out its worst case is reserved, in one atomic step that fails if it would pass the limit; when the
/// exchange ends, the reservation is replaced by what it came to. So no number of concurrent requests can spend
/// more than is there, as far as each keeps to its worst case.
struct BudgetCell: BitwiseCopyable, @unchecked Sendable {
    private let words: UnsafeMutablePointer<Atomic<Int64>>

    // Used = spent and reserved.
    private var usedTokens: UnsafeMutablePointer<Atomic<Int64>> { words }
    private var spentTokens: UnsafeMutablePointer<Atomic<Int64>> { words + 1 }
    private var usedAmount: UnsafeMutablePointer<Atomic<Int64>> { words + 2 }
    private var spentAmount: UnsafeMutablePointer<Atomic<Int64>> { words + 3 }
    private var periodStart: UnsafeMutablePointer<Atomic<Int64>> { words + 4 }
    private var openExchanges: UnsafeMutablePointer<Atomic<Int64>> { words + 5 }

    /// Memory until ``deallocate()``.
    init() {
        let raw = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64)
        words = raw.bindMemory(to: Atomic<Int64>.self, capacity: 8)
        for i in 0..<8 { (words + i).initialize(to: Atomic(0)) }
    }

    /// Once no snapshot is left that has it.
    func deallocate() { UnsafeMutableRawPointer(words).deallocate() }

    /// Open exchanges of the same caller.
    var concurrency: ConcurrencyCell { ConcurrencyCell(count: openExchanges) }

    /// Begins with what was spent before, in the period that began then (Unix milliseconds). What is reserved stays so.
    func seed(_ spent: Spending, periodStart start: Int64) {
        Self.replace(spentTokens, usedTokens, spent.tokens)
        Self.replace(spentAmount, usedAmount, spent.amount)
        periodStart.pointee.store(start, ordering: .relaxed)
    }

    private static func replace(
        _ spent: UnsafeMutablePointer<Atomic<Int64>>, _ used: UnsafeMutablePointer<Atomic<Int64>>, _ value: Int64
    ) {
        let old = spent.pointee.exchange(value, ordering: .relaxed)
        used.pointee.wrappingAdd(value &- old, ordering: .relaxed)
    }

    /// What was refused for; nothing was reserved then.
    enum Verdict: BitwiseCopyable, Equatable { case reserved, noTokens, noAmount }

    /// Reserves a worst case.
    ///
    /// - Parameter periodStart: when the current period began, as `BudgetLimits.periodStart` has it: if that is later than
    ///   the period of what was spent, spending begins anew.
    func reserve(_ worst: Spending, limits: BudgetLimits, periodStart: Int64) -> Verdict {
        rollOver(to: periodStart)
        guard Self.take(usedTokens, worst.tokens, limits.maxTokens) else { return .noTokens }
        guard Self.take(usedAmount, worst.amount, limits.maxAmount) else {
            usedTokens.pointee.wrappingSubtract(worst.tokens, ordering: .relaxed)
            return .noAmount
        }
        return .reserved
    }

    private static func take(_ used: UnsafeMutablePointer<Atomic<Int64>>, _ n: Int64, _ limit: Int64?) -> Bool {
        guard let limit else {
            used.pointee.wrappingAdd(n, ordering: .relaxed)
            return true
        }
        var seen = used.pointee.load(ordering: .relaxed)
        while true {
            // Whoever has nothing left is refused even what is reckoned to cost nothing.
            guard seen < limit, n <= limit - seen else { return false }
            let (isExchanged, current) = used.pointee.weakCompareExchange(
                expected: seen, desired: seen + n, ordering: .relaxed)
            if isExchanged { return true }
            seen = current
        }
    }

    /// Replaces a reservation by what the exchange came to. Once for each reservation.
    func settle(reserved: Spending, actual: Spending) {
        spentTokens.pointee.wrappingAdd(actual.tokens, ordering: .relaxed)
        spentAmount.pointee.wrappingAdd(actual.amount, ordering: .relaxed)
        usedTokens.pointee.wrappingAdd(actual.tokens &- reserved.tokens, ordering: .relaxed)
        usedAmount.pointee.wrappingAdd(actual.amount &- reserved.amount, ordering: .relaxed)
    }

    private func rollOver(to start: Int64) {
        let seen = periodStart.pointee.load(ordering: .relaxed)
        guard seen < start else { return }
        // Whoever moves the period on empties it.
        guard periodStart.pointee.compareExchange(expected: seen, desired: start, ordering: .relaxed).exchanged else {
            return
        }
        Self.replace(spentTokens, usedTokens, 0)
        Self.replace(spentAmount, usedAmount, 0)
    }

    /// Spent and reserved in the period that began at `start`.
    func balance(periodStart start: Int64) -> (spent: Spending, reserved: Spending) {
        rollOver(to: start)
        let spent = Spending(
            tokens: spentTokens.pointee.load(ordering: .relaxed), amount: spentAmount.pointee.load(ordering: .relaxed))
        return (
            spent,
            Spending(
                tokens: max(usedTokens.pointee.load(ordering: .relaxed) - spent.tokens, 0),
                amount: max(usedAmount.pointee.load(ordering: .relaxed) - spent.amount, 0))
        )
    }
}

/// How many exchanges of one caller are open, over all workers.
struct ConcurrencyCell: BitwiseCopyable, @unchecked Sendable {
    fileprivate let count: UnsafeMutablePointer<Atomic<Int64>>

    /// Takes one of `limit` places; false if all are taken. Each place taken is released once.
    func acquire(limit: Int64) -> Bool {
        var seen = count.pointee.load(ordering: .relaxed)
        while seen < limit {
            let (isExchanged, current) = count.pointee.weakCompareExchange(
                expected: seen, desired: seen + 1, ordering: .relaxed)
            if isExchanged { return true }
            seen = current
        }
        return false
    }

    func release() { count.pointee.wrappingSubtract(1, ordering: .relaxed) }

    var openCount: Int64 { count.pointee.load(ordering: .relaxed) }
}
