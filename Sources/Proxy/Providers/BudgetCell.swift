import Reactor
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
///
/// An exchange belongs to the period in which it was accepted, whenever it ends, as in the database. So what was spent
/// carries the period that it was spent in: whoever belongs to a later one begins anew, whoever belongs to an earlier one
/// adds nothing. What is reserved belongs to no period.
///
/// If the spending is counted anew meanwhile, with another period or currency or by hand from a moment on, an exchange counts
/// by the terms of when it ends, again as in the database.
struct BudgetCell: BitwiseCopyable, @unchecked Sendable {
    private let words: UnsafeMutablePointer<Atomic<Int64>>

    private var tokens: SpendingWords { SpendingWords(spent: words, reserved: words + 1) }
    private var amount: SpendingWords { SpendingWords(spent: words + 2, reserved: words + 3) }
    /// Before it nothing counts: Unix milliseconds, 0 if that is not said.
    private var countedSince: UnsafeMutablePointer<Atomic<Int64>> { words + 4 }
    private var openExchanges: UnsafeMutablePointer<Atomic<Int64>> { words + 5 }
    private var termsWord: UnsafeMutablePointer<Atomic<Int64>> { words + 6 }

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
    /// Only one thread at a time may do that.
    /// - Parameter since: what was accepted before then does not count; nil: everything does.
    func seed(_ spent: Spending, periodStart start: Int64, terms: BudgetTerms = BudgetTerms(), since: Int64? = nil) {
        var terms = terms
        terms.generation = BudgetTerms(word: termsWord.pointee.load(ordering: .relaxed)).generation &+ 1
        // In this order: whoever finds the new sums finds the new terms.
        countedSince.pointee.store(since ?? 0, ordering: .relaxed)
        termsWord.pointee.store(terms.word, ordering: .releasing)
        tokens.seed(spent.tokens, SpendingWords.tag(start))
        amount.seed(spent.amount, SpendingWords.tag(start))
    }

    /// At least so much was spent in the period that began then (Unix milliseconds), by this process and others.
    func raise(_ spent: Spending, periodStart start: Int64) {
        let tag = SpendingWords.tag(start)
        tokens.raise(spent.tokens, tag)
        amount.raise(spent.amount, tag)
    }

    /// Days and months begin by another clock from now on (Unix milliseconds). What was spent in the latest period belongs to
    /// the one in which its beginning lies by the new clock, as in the database.
    func move(toOffset offsetMinutes: Int, now: Int64) {
        var terms = BudgetTerms(word: termsWord.pointee.load(ordering: .relaxed))
        let start = terms.periodStart(now)
        let days = max(tokens.days(after: SpendingWords.tag(start)), amount.days(after: SpendingWords.tag(start)))
        // It may have been moved before, or reset by hand.
        let began = max(start + days * 86_400_000, countedSince.pointee.load(ordering: .relaxed))
        terms.offsetMinutes = offsetMinutes
        let (old, new) = (SpendingWords.tag(start + days * 86_400_000), SpendingWords.tag(terms.periodStart(began)))
        if terms.period != .total { countedSince.pointee.store(began, ordering: .relaxed) }
        termsWord.pointee.store(terms.word, ordering: .releasing)
        tokens.move(from: old, to: new)
        amount.move(from: old, to: new)
    }

    /// Where a request belongs that was accepted at a time (Unix milliseconds): to that time's period, or to a later one that
    /// spending has come to already. So a clock that was ahead and is set right does not let anybody spend what nobody
    /// counts.
    func place(accepted: Int64) -> BudgetPlace {
        let word = termsWord.pointee.load(ordering: .acquiring)
        let start = BudgetTerms(word: word).periodStart(accepted)
        let tag = SpendingWords.tag(start)
        let ahead = Int64(max(tokens.daysAhead(of: tag), amount.daysAhead(of: tag))) * 86_400_000
        // Where there is but one period nothing is later.
        return BudgetPlace(terms: word, accepted: accepted, periodStart: start == 0 ? 0 : start + ahead)
    }

    /// What was refused for; nothing was reserved then.
    enum Verdict: BitwiseCopyable, Equatable { case reserved, noTokens, noAmount }

    /// Reserves a worst case.
    ///
    /// - Parameter periodStart: when the period began in which the request was accepted, as `BudgetLimits.periodStart` has
    ///   it: if that is later than the period of what was spent, spending begins anew.
    func reserve(_ worst: Spending, limits: BudgetLimits, periodStart: Int64) -> Verdict {
        let tag = SpendingWords.tag(periodStart)
        guard tokens.reserve(worst.tokens, limits.maxTokens, tag) else { return .noTokens }
        guard amount.reserve(worst.amount, limits.maxAmount, tag) else {
            tokens.release(worst.tokens)
            return .noAmount
        }
        return .reserved
    }

    /// Replaces a reservation by what the exchange came to. Once for each reservation.
    /// - Parameters:
    ///   - currency: of the amount, see `BudgetTerms.code`; another one than the budget's does not count.
    ///   - place: what `place` had said when it was accepted.
    func settle(reserved: Spending, actual: Spending, currency: UInt32, at place: BudgetPlace) {
        let tag = SpendingWords.tag(place.periodStart)
        if !tokens.spend(actual.tokens, tag, while: termsWord, are: place.terms) {
            spendOnOtherTerms(actual.tokens, tokens, nil, place)
        }
        if actual.amount > 0 {
            let isCounted = BudgetTerms(word: place.terms).currency == currency
            if !amount.spend(isCounted ? actual.amount : 0, tag, while: termsWord, are: place.terms) {
                spendOnOtherTerms(actual.amount, amount, currency, place)
            }
        }
        tokens.release(reserved.tokens)
        amount.release(reserved.amount)
    }

    /// It was counted anew since the exchange was admitted: it counts as `KeyBudget` has it in the database.
    @inline(never)
    private func spendOnOtherTerms(
        _ n: Int64, _ spending: SpendingWords, _ currency: UInt32?, _ place: BudgetPlace
    ) {
        while true {
            let word = termsWord.pointee.load(ordering: .acquiring)
            let terms = BudgetTerms(word: word)
            if let currency, currency != terms.currency { return }
            let since = countedSince.pointee.load(ordering: .relaxed)
            let moment = max(place.accepted, place.periodStart)
            if moment < since {
                guard place.periodStart > place.accepted, terms.periodStart(since) == place.periodStart else { return }
            }
            let tag = SpendingWords.tag(terms.periodStart(moment))
            if spending.spend(n, tag, while: termsWord, are: word) { return }
        }
    }

    /// Spent in the period that began at `start`, and reserved.
    func balance(periodStart start: Int64) -> (spent: Spending, reserved: Spending) {
        let tag = SpendingWords.tag(start)
        return (
            Spending(tokens: tokens.spent(tag), amount: amount.spent(tag)),
            Spending(tokens: tokens.reserved, amount: amount.reserved)
        )
    }
}

/// Spent and reserved of one kind, in a word each.
///
/// Of `spent` the upper bits are the period, of `reserved` a count of changes. An exchange that ends raises `spent` first
/// and lowers `reserved` then; who reserves reads `reserved` first, and its swap fails if that has changed since. So what
/// it has read of `spent` is never short of more than is still reserved.
struct SpendingWords: BitwiseCopyable, @unchecked Sendable {
    private let spentWord: UnsafeMutablePointer<Atomic<Int64>>
    private let reservedWord: UnsafeMutablePointer<Atomic<Int64>>

    init(spent: UnsafeMutablePointer<Atomic<Int64>>, reserved: UnsafeMutablePointer<Atomic<Int64>>) {
        (spentWord, reservedWord) = (spent, reserved)
    }

    private static let valueBits: UInt64 = 52
    private static let valueMask: UInt64 = (1 << valueBits) &- 1
    private static let tagMask: UInt64 = 0xFFF
    /// More cannot be told.
    static let greatest = Int64(valueMask)

    /// A period as its day's number, of which twelve bits are kept: they tell periods of eleven years apart.
    static func tag(_ periodStart: Int64) -> UInt64 {
        // Local midnights are hours off from UTC's: half a day makes each a day of its own.
        UInt64(bitPattern: (periodStart &+ 43_200_000) / 86_400_000) & tagMask
    }

    private static func value(_ word: Int64) -> Int64 { Int64(UInt64(bitPattern: word) & valueMask) }
    private static func tag(of word: Int64) -> UInt64 { UInt64(bitPattern: word) >> valueBits }
    private static func word(_ tag: UInt64, _ value: Int64) -> Int64 {
        Int64(bitPattern: tag << valueBits | UInt64(min(max(value, 0), greatest)))
    }
    private static func isLater(_ a: UInt64, than b: UInt64) -> Bool { a != b && (a &- b) & tagMask < 2048 }

    private static func sum(_ a: Int64, _ b: Int64) -> Int64 { min(a &+ min(max(b, 0), greatest), greatest) }

    func seed(_ spent: Int64, _ tag: UInt64) { spentWord.pointee.store(Self.word(tag, spent), ordering: .releasing) }

    /// Raises what was spent in a period to a value; not if a later one has begun.
    func raise(_ n: Int64, _ tag: UInt64) {
        var seen = spentWord.pointee.load(ordering: .relaxed)
        while true {
            let present = Self.tag(of: seen)
            if Self.isLater(present, than: tag) || (present == tag && Self.value(seen) >= n) { return }
            let (isExchanged, current) = spentWord.pointee.weakCompareExchange(
                expected: seen, desired: Self.word(tag, n), ordering: .relaxed)
            if isExchanged { return }
            seen = current
        }
    }

    /// What was spent in one period is now of another, what was spent in a third is forgotten.
    func move(from old: UInt64, to new: UInt64) {
        var seen = spentWord.pointee.load(ordering: .relaxed)
        while true {
            let (isExchanged, current) = spentWord.pointee.weakCompareExchange(
                expected: seen, desired: Self.word(new, Self.tag(of: seen) == old ? Self.value(seen) : 0),
                ordering: .releasing)
            if isExchanged { return }
            seen = current
        }
    }

    /// How many days the period of what was spent is later; negative if it is earlier.
    func days(after tag: UInt64) -> Int64 {
        let present = Self.tag(of: spentWord.pointee.load(ordering: .relaxed))
        return Self.isLater(present, than: tag)
            ? Int64((present &- tag) & Self.tagMask) : -Int64((tag &- present) & Self.tagMask)
    }

    /// By how many days the period of what was spent is later; 0 if it is not.
    func daysAhead(of tag: UInt64) -> UInt64 {
        let present = Self.tag(of: spentWord.pointee.load(ordering: .relaxed))
        return Self.isLater(present, than: tag) ? (present &- tag) & Self.tagMask : 0
    }

    func spent(_ tag: UInt64) -> Int64 {
        let word = spentWord.pointee.load(ordering: .relaxed)
        return Self.isLater(tag, than: Self.tag(of: word)) ? 0 : Self.value(word)
    }

    var reserved: Int64 { Self.value(reservedWord.pointee.load(ordering: .relaxed)) }

    /// False, and nothing is spent, if the terms are others than expected.
    func spend(
        _ n: Int64, _ tag: UInt64, while terms: UnsafeMutablePointer<Atomic<Int64>>, are expected: Int64
    ) -> Bool {
        var seen = spentWord.pointee.load(ordering: .acquiring)
        while true {
            // What was seeded after this was looked at makes the exchange below fail.
            guard terms.pointee.load(ordering: .acquiring) == expected else { return false }
            let present = Self.tag(of: seen)
            if n <= 0 || Self.isLater(present, than: tag) { return true }
            let next = Self.word(tag, present == tag ? Self.sum(Self.value(seen), n) : n)
            let (isExchanged, current) = spentWord.pointee.weakCompareExchange(
                expected: seen, desired: next, ordering: .acquiring)
            if isExchanged { return true }
            seen = current
        }
    }

    /// False, and nothing is reserved, if `limit` does not cover it.
    func reserve(_ n: Int64, _ limit: Int64?, _ tag: UInt64) -> Bool {
        var seen = reservedWord.pointee.load(ordering: .acquiring)
        while true {
            let taken = Self.value(seen)
            if let limit {
                let used = Self.sum(spent(tag), taken)
                // Whoever has nothing left is refused even what is reckoned to cost nothing.
                guard used < limit, n <= limit &- used else { return false }
            }
            let (isExchanged, current) = reservedWord.pointee.weakCompareExchange(
                expected: seen, desired: Self.changed(seen, Self.sum(taken, n)), ordering: .acquiringAndReleasing)
            if isExchanged { return true }
            seen = current
        }
    }

    func release(_ n: Int64) {
        var seen = reservedWord.pointee.load(ordering: .relaxed)
        while true {
            let (isExchanged, current) = reservedWord.pointee.weakCompareExchange(
                expected: seen, desired: Self.changed(seen, Self.value(seen) &- min(max(n, 0), Self.greatest)),
                ordering: .releasing)
            if isExchanged { return }
            seen = current
        }
    }

    private static func changed(_ word: Int64, _ value: Int64) -> Int64 {
        Self.word((tag(of: word) &+ 1) & tagMask, value)
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
