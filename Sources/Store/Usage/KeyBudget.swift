import Reactor

/// What starts a key's budget anew.
public enum BudgetPeriod: String, Sendable, BitwiseCopyable, CaseIterable {
    /// Nothing does.
    case total
    /// Local midnight.
    case daily
    /// The first of a month, local midnight.
    case monthly

    /// The start of the period that an instant lies in; nil: it has none.
    public func start(of milliseconds: Int64, offsetMinutes: Int) -> Int64? {
        guard let day = localDay(milliseconds, offsetMinutes) else { return nil }
        return day * 86_400_000 - Int64(offsetMinutes) * 60_000
    }

    /// The start of the period after the one that an instant lies in; nil: there is none.
    public func end(of milliseconds: Int64, offsetMinutes: Int) -> Int64? {
        guard let day = localDay(milliseconds, offsetMinutes) else { return nil }
        var next = day + 1
        if self == .monthly {
            let date = Timestamp.civil(daysSince1970: day)
            next = day + Int64(Timestamp.days(inMonth: date.month, year: date.year))
        }
        return next * 86_400_000 - Int64(offsetMinutes) * 60_000
    }

    /// The local day on which the period of an instant starts.
    private func localDay(_ milliseconds: Int64, _ offsetMinutes: Int) -> Int64? {
        let day = Timestamp.floorDivide(milliseconds + Int64(offsetMinutes) * 60_000, 86_400_000)
        switch self {
        case .total: return nil
        case .daily: return day
        case .monthly:
            let date = Timestamp.civil(daysSince1970: day)
            return day - Int64(date.day - 1)
        }
    }
}

/// What a key may spend and has spent. Only ended exchanges count here: what is reserved for open ones lives in the
/// gateway's memory and nowhere else.
public struct KeyBudget: Sendable, Equatable {
    /// Nil: no limit.
    public var maxTokens: Int64?
    /// Micro-units of `currency`; nil: no limit.
    public var maxAmountMicros: Int64?
    /// Of the amount: what is charged in another one does not count.
    public var currency: String
    public var period: BudgetPeriod
    /// What has been counted since: exchanges accepted at or after this moment, up to the end of its period.
    /// Nil: since the key was made.
    public var countedSinceMilliseconds: Int64?
    public var tokensSpent: Int64
    public var amountSpentMicros: Int64

    public init(
        maxTokens: Int64? = nil, maxAmountMicros: Int64? = nil, currency: String = "USD",
        period: BudgetPeriod = .total, countedSinceMilliseconds: Int64? = nil, tokensSpent: Int64 = 0,
        amountSpentMicros: Int64 = 0
    ) {
        self.maxTokens = maxTokens
        self.maxAmountMicros = maxAmountMicros
        self.currency = currency
        self.period = period
        self.countedSinceMilliseconds = countedSinceMilliseconds
        self.tokensSpent = tokensSpent
        self.amountSpentMicros = amountSpentMicros
    }

    /// The same budget as it stands at a moment: with nothing spent, if its period is over by then.
    public func at(_ milliseconds: Int64, offsetMinutes: Int) -> KeyBudget {
        var budget = self
        budget.enter(milliseconds, offsetMinutes: offsetMinutes)
        return budget
    }

    /// When it starts anew; nil: never.
    public func resetsAtMilliseconds(_ now: Int64, offsetMinutes: Int) -> Int64? {
        period.end(of: now, offsetMinutes: offsetMinutes)
    }

    /// Starts the period of a moment, if it is later than the present one.
    private mutating func enter(_ milliseconds: Int64, offsetMinutes: Int) {
        guard let start = period.start(of: milliseconds, offsetMinutes: offsetMinutes) else { return }
        if let since = countedSinceMilliseconds,
            let present = period.start(of: since, offsetMinutes: offsetMinutes), start <= present
        {
            return
        }
        countedSinceMilliseconds = start
        tokensSpent = 0
        amountSpentMicros = 0
    }

    /// Counts what an exchange has used, unless it was accepted before the counted time.
    ///
    /// - Parameters:
    ///   - accepted: when the exchange was accepted, Unix time.
    ///   - costMicros: nil: unknown.
    /// - Returns: whether it counted.
    public mutating func settle(
        acceptedMilliseconds accepted: Int64, tokens: Int64, costMicros: Int64?, currency: String,
        offsetMinutes: Int
    ) -> Bool {
        count(accepted, 0, tokens, currency == self.currency ? costMicros : nil, offsetMinutes)
    }

    /// Whether it counts what is charged in a currency.
    func counts(_ currency: Bytes) -> Bool {
        !currency.isEmpty && self.currency.utf8.count == currency.count
            && self.currency.utf8.elementsEqual(currency.buffer)
    }

    /// `settle`, with a cost in the budget's own currency, or nil, and for what may belong to a later period than it was
    /// accepted in.
    /// - Parameter periodStart: of that period; 0: there is none.
    mutating func settle(
        acceptedMilliseconds accepted: Int64, periodStart: Int64, tokens: Int64, costMicros: Int64?, offsetMinutes: Int
    ) -> Bool {
        count(accepted, periodStart, tokens, costMicros, offsetMinutes)
    }

    private mutating func count(
        _ accepted: Int64, _ periodStart: Int64, _ tokens: Int64, _ costMicros: Int64?, _ offsetMinutes: Int
    ) -> Bool {
        let moment = max(accepted, periodStart)
        enter(moment, offsetMinutes: offsetMinutes)
        if let since = countedSinceMilliseconds, moment < since {
            // Within its period a moment of the clock that was ahead says nothing: it was reset by hand then.
            guard periodStart > accepted, period.start(of: since, offsetMinutes: offsetMinutes) == periodStart else {
                return false
            }
        }
        tokensSpent = Self.sum(tokensSpent, tokens)
        if let costMicros { amountSpentMicros = Self.sum(amountSpentMicros, costMicros) }
        return true
    }

    private static func sum(_ a: Int64, _ b: Int64) -> Int64 {
        let (sum, overflow) = a.addingReportingOverflow(b)
        return overflow ? .max : sum
    }
}

/// A key's budget at a moment, for its owner.
public struct KeyBalance: Sendable, Equatable {
    public var keyID: String
    public var sourcePath: String
    /// As it stands at that moment.
    public var budget: KeyBudget
    /// Nil: never.
    public var resetsAtMilliseconds: Int64?

    /// Nil: no limit.
    public var tokensLeft: Int64? { budget.maxTokens.map { max(0, $0 - budget.tokensSpent) } }
    /// Micro-units; nil: no limit.
    public var amountLeftMicros: Int64? { budget.maxAmountMicros.map { max(0, $0 - budget.amountSpentMicros) } }
    public var isExhausted: Bool { tokensLeft == 0 || amountLeftMicros == 0 }
}
