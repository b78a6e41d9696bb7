import Glibc
import Reactor
import Synchronization
import Testing

@testable import Proxy
@testable import Store

extension BudgetCell {
    /// Of an exchange in the budget's own currency, on terms that have not changed.
    fileprivate func settle(reserved: Spending, actual: Spending, periodStart: Int64) {
        var place = place(accepted: periodStart)
        place.periodStart = periodStart
        settle(reserved: reserved, actual: actual, currency: 0, at: place)
    }
}

struct BudgetCellTests {
    private let day: Int64 = 86_400_000

    @Test func reservesUpToTheLimitAndNotBeyond() {
        let cell = BudgetCell()
        let limits = BudgetLimits(maxTokens: 100)
        #expect(cell.reserve(Spending(tokens: 60), limits: limits, periodStart: 0) == .reserved)
        #expect(cell.reserve(Spending(tokens: 41), limits: limits, periodStart: 0) == .noTokens)
        #expect(cell.reserve(Spending(tokens: 40), limits: limits, periodStart: 0) == .reserved)
        #expect(cell.reserve(Spending(tokens: 0), limits: limits, periodStart: 0) == .noTokens)
    }

    @Test func settlingGivesBackWhatWasNotUsed() {
        let cell = BudgetCell()
        let limits = BudgetLimits(maxTokens: 100)
        _ = cell.reserve(Spending(tokens: 100), limits: limits, periodStart: 0)
        cell.settle(reserved: Spending(tokens: 100), actual: Spending(tokens: 30), periodStart: 0)
        #expect(cell.balance(periodStart: 0).spent.tokens == 30)
        #expect(cell.balance(periodStart: 0).reserved.tokens == 0)
        #expect(cell.reserve(Spending(tokens: 70), limits: limits, periodStart: 0) == .reserved)
    }

    @Test func aRefusalForMoneyLeavesTheTokensAlone() {
        let cell = BudgetCell()
        let limits = BudgetLimits(maxTokens: 10, maxAmount: 5)
        #expect(cell.reserve(Spending(tokens: 10, amount: 6), limits: limits, periodStart: 0) == .noAmount)
        #expect(cell.reserve(Spending(tokens: 10, amount: 5), limits: limits, periodStart: 0) == .reserved)
    }

    @Test func withoutLimitsSpendingIsCountedAllTheSame() {
        let cell = BudgetCell()
        #expect(
            cell.reserve(Spending(tokens: 1 << 50, amount: 1 << 50), limits: BudgetLimits(), periodStart: 0)
                == .reserved)
        cell.settle(
            reserved: Spending(tokens: 1 << 50, amount: 1 << 50), actual: Spending(tokens: 3, amount: 4),
            periodStart: 0)
        #expect(cell.balance(periodStart: 0).spent == Spending(tokens: 3, amount: 4))
    }

    @Test func aNewPeriodBeginsWithNothingSpentButWhatIsReserved() {
        let cell = BudgetCell()
        let limits = BudgetLimits(maxTokens: 100, period: .daily)
        cell.seed(Spending(tokens: 80), periodStart: day)
        #expect(cell.reserve(Spending(tokens: 30), limits: limits, periodStart: day) == .noTokens)
        #expect(cell.reserve(Spending(tokens: 20), limits: limits, periodStart: day) == .reserved)
        #expect(cell.reserve(Spending(tokens: 80), limits: limits, periodStart: day * 2) == .reserved)
        #expect(cell.reserve(Spending(tokens: 1), limits: limits, periodStart: day * 2) == .noTokens)
        // It was accepted before the turn: its place is given back, and it counts where it belongs.
        cell.settle(reserved: Spending(tokens: 20), actual: Spending(tokens: 5), periodStart: day)
        #expect(cell.balance(periodStart: day * 2).reserved.tokens == 80)
        cell.settle(reserved: Spending(tokens: 80), actual: Spending(tokens: 7), periodStart: day * 2)
        #expect(cell.balance(periodStart: day * 2).spent.tokens == 7)
        #expect(cell.balance(periodStart: day * 2).reserved.tokens == 0)
        // Somebody whose clock reads a little earlier does not turn it back.
        #expect(cell.balance(periodStart: day).spent.tokens == 7)
    }

    /// Memory and database say the same of exchanges around a period's turn, whatever order they end in.
    @Test(arguments: [BudgetPeriod.daily, .monthly, .total], [0, 480, -570])
    func memoryAndDatabaseAgreeAtTheTurn(period: BudgetPeriod, offset: Int) {
        var random = SystemRandomNumberGenerator()
        let limits = BudgetLimits(period: period, offsetMinutes: offset)
        let turn = BudgetPeriod.monthly.start(of: 1_780_716_415_000, offsetMinutes: offset)!
        for _ in 0..<200 {
            let cell = BudgetCell()
            defer { cell.deallocate() }
            var stored = KeyBudget(period: period)
            var open: [(accepted: Int64, actual: Spending)] = []
            var clock = turn - 5000
            for _ in 0..<40 {
                clock += Int64.random(in: 0...400, using: &random)
                let actual = Spending(
                    tokens: .random(in: 0...9, using: &random), amount: .random(in: 0...9, using: &random))
                _ = cell.reserve(
                    Spending(tokens: 9, amount: 9), limits: limits, periodStart: limits.periodStart(clock))
                open.append((clock, actual))
                while open.count > 5 || (clock > turn + 2000 && !open.isEmpty) {
                    let ended = open.remove(at: .random(in: 0..<open.count, using: &random))
                    cell.settle(
                        reserved: Spending(tokens: 9, amount: 9), actual: ended.actual,
                        periodStart: limits.periodStart(ended.accepted))
                    _ = stored.settle(
                        acceptedMilliseconds: ended.accepted, tokens: ended.actual.tokens,
                        costMicros: ended.actual.amount, currency: "USD", offsetMinutes: offset)
                    let now = stored.at(clock, offsetMinutes: offset)
                    let spent = cell.balance(periodStart: limits.periodStart(clock)).spent
                    #expect(spent == Spending(tokens: now.tokensSpent, amount: now.amountSpentMicros))
                }
            }
        }
    }

    @Test func seedingAnewKeepsWhatIsReserved() {
        let cell = BudgetCell()
        _ = cell.reserve(Spending(tokens: 50), limits: BudgetLimits(), periodStart: 0)
        cell.seed(Spending(tokens: 7), periodStart: 0)
        #expect(cell.balance(periodStart: 0).spent.tokens == 7)
        #expect(cell.balance(periodStart: 0).reserved.tokens == 50)
    }

    /// While exchanges are open a key gets another period, another currency or a fresh count: memory and database go on
    /// saying the same.
    @Test func whatIsCountedAnewCountsWhatIsOpenAsTheDatabaseDoes() {
        var random = SystemRandomNumberGenerator()
        let offset = 480
        let turn = BudgetPeriod.monthly.start(of: 1_780_716_415_000, offsetMinutes: offset)!
        let currencies = ["USD", "EUR"]
        for _ in 0..<300 {
            let registry = ProviderRegistry()
            var record = KeyRecord(
                keyID: "key_1", keyHash: [], sourcePath: "")
            var clock = turn - 40_000
            let cell = registry.budget(record, offsetMinutes: offset, now: clock)
            var open: [(place: BudgetPlace, actual: Spending, currency: String)] = []
            for _ in 0..<80 {
                clock += Int64.random(in: 1...1000, using: &random)
                switch Int.random(in: 0..<8, using: &random) {
                case 0:
                    // As `WriteConnection.updateKey`, with a round sum in place of the database's.
                    let period = BudgetPeriod.allCases.randomElement(using: &random)!
                    let currency = currencies.randomElement(using: &random)!
                    if (period, currency) == (record.budget.period, record.budget.currency) { break }
                    record.budget = KeyBudget(
                        currency: currency, period: period,
                        countedSinceMilliseconds: period.start(of: clock, offsetMinutes: offset), tokensSpent: 1000,
                        amountSpentMicros: 1000)
                    _ = registry.budget(record, offsetMinutes: offset, now: clock)
                case 1:
                    record.budget.countedSinceMilliseconds = clock
                    (record.budget.tokensSpent, record.budget.amountSpentMicros) = (0, 0)
                    _ = registry.budget(record, offsetMinutes: offset, now: clock)
                case 2...4 where open.count < 6:
                    let place = cell.place(accepted: clock)
                    _ = cell.reserve(
                        Spending(tokens: 9, amount: 9), limits: BudgetLimits(), periodStart: place.periodStart)
                    let actual = Spending(
                        tokens: .random(in: 0...9, using: &random), amount: .random(in: 0...9, using: &random))
                    open.append((place, actual, currencies.randomElement(using: &random)!))
                default:
                    guard let position = open.indices.randomElement(using: &random) else { break }
                    let ended = open.remove(at: position)
                    var name = ended.currency
                    cell.settle(
                        reserved: Spending(tokens: 9, amount: 9), actual: ended.actual,
                        currency: name.withUTF8 { BudgetTerms.code(Bytes($0.baseAddress, $0.count)) },
                        at: ended.place)
                    _ = record.budget.settle(
                        acceptedMilliseconds: ended.place.accepted, tokens: ended.actual.tokens,
                        costMicros: ended.actual.amount, currency: ended.currency, offsetMinutes: offset)
                }
                let now = record.budget.at(clock, offsetMinutes: offset)
                let (spent, reserved) = cell.balance(periodStart: cell.place(accepted: clock).periodStart)
                #expect(spent == Spending(tokens: now.tokensSpent, amount: now.amountSpentMicros))
                #expect(reserved == Spending(tokens: Int64(open.count) * 9, amount: Int64(open.count) * 9))
            }
        }
    }

    /// Another process has spent as well: what the database has of both is the least.
    @Test func whatOthersHaveSpentIsTakenFromTheDatabase() {
        let registry = ProviderRegistry()
        let now: Int64 = 1_780_716_415_000
        var record = KeyRecord(keyID: "key_1", keyHash: [], sourcePath: "", budget: KeyBudget(tokensSpent: 10))
        let cell = registry.budget(record, offsetMinutes: 0, now: now)
        func spent() -> Int64 { cell.balance(periodStart: 0).spent.tokens }
        (record.budget.tokensSpent, record.budget.amountSpentMicros) = (70, 5)
        registry.raiseSpending(record, now: now)
        #expect(cell.balance(periodStart: 0).spent == Spending(tokens: 70, amount: 5))
        // The database lags behind.
        record.budget.tokensSpent = 60
        registry.raiseSpending(record, now: now)
        #expect(spent() == 70)
        // It was read before the key's budget was counted from nothing.
        let old = record
        (record.budget.tokensSpent, record.budget.countedSinceMilliseconds) = (0, now)
        _ = registry.budget(record, offsetMinutes: 0, now: now)
        registry.raiseSpending(old, now: now)
        #expect(spent() == 0)
        record.budget.currency = "EUR"
        record.budget.tokensSpent = 500
        registry.raiseSpending(record, now: now)
        #expect(spent() == 0)
    }

    /// The day that has begun by one clock goes on by another, as long as its beginning lies in the same day there.
    @Test(arguments: [0, 765, -570, 480]) func anotherTimeZoneCountsAsTheDatabaseDoes(first: Int) {
        let zones = [0, 765, -570, 480, -720, 840]
        for period in BudgetPeriod.allCases {
            let registry = ProviderRegistry()
            var record = KeyRecord(keyID: "key_1", keyHash: [], sourcePath: "", budget: KeyBudget(period: period))
            var (now, offset): (Int64, Int) = (1_780_716_415_000, first)
            var stored = record.budget
            let cell = registry.budget(record, offsetMinutes: offset, now: now)
            for step in 0..<200 {
                now += Int64(step % 7) * 1_800_000
                if step % 3 == 2 {
                    offset = zones[(step / 3) % zones.count]
                    // What is published then may be older than what is stored.
                    record.budget.tokensSpent = 0
                    _ = registry.budget(record, offsetMinutes: offset, now: now)
                }
                let place = cell.place(accepted: now)
                _ = cell.reserve(Spending(tokens: 1), limits: BudgetLimits(), periodStart: place.periodStart)
                cell.settle(
                    reserved: Spending(tokens: 1), actual: Spending(tokens: 1), currency: 0, at: place)
                _ = stored.settle(
                    acceptedMilliseconds: now, periodStart: place.periodStart > now ? place.periodStart : 0, tokens: 1,
                    costMicros: nil, offsetMinutes: offset)
                #expect(cell.balance(periodStart: place.periodStart).spent.tokens == stored.tokensSpent)
            }
        }
    }

    @Test func periodsBeginByTheCalendarOfTheTimeZone() {
        // 2026-06-06T11:26:55+08:00.
        let now: Int64 = 1_780_716_415_000
        #expect(BudgetLimits(period: .total, offsetMinutes: 480).periodStart(now) == 0)
        #expect(BudgetLimits(period: .daily, offsetMinutes: 480).periodStart(now) == 1_780_675_200_000)
        #expect(BudgetLimits(period: .monthly, offsetMinutes: 480).periodStart(now) == 1_780_243_200_000)
    }

    @Test func threadsTogetherNeverReserveMoreThanThereIs() throws {
        let cell = BudgetCell()
        let concurrency = cell.concurrency
        let granted = Atomic(0)
        let most = Atomic<Int64>(0)
        let threads = try (0..<4).map { number in
            try WorkerThread.start(name: "budget-\(number)", cpu: nil) {
                for i in 0..<20_000 {
                    let worst = Spending(tokens: 10, amount: 3)
                    guard concurrency.acquire(limit: 3) else { continue }
                    let open = concurrency.openCount
                    if open > most.load(ordering: .relaxed) { most.store(open, ordering: .relaxed) }
                    if cell.reserve(worst, limits: BudgetLimits(maxTokens: 50_000, maxAmount: 1 << 40), periodStart: 0)
                        == .reserved
                    {
                        granted.add(1, ordering: .relaxed)
                        // Every other one fails and costs nothing.
                        cell.settle(
                            reserved: worst, actual: i % 2 == 0 ? Spending(tokens: 10, amount: 2) : Spending(),
                            periodStart: 0)
                    }
                    concurrency.release()
                }
            }
        }
        for thread in threads { thread.join() }
        let (spent, reserved) = cell.balance(periodStart: 0)
        #expect(reserved == Spending())
        #expect(spent.tokens <= 50_000 && spent.tokens % 10 == 0)
        #expect(spent.amount == spent.tokens / 5)
        #expect(concurrency.openCount == 0)
        #expect(most.load(ordering: .relaxed) <= 3)
        #expect(granted.load(ordering: .relaxed) >= 5000)
    }
}

struct LoadCellTests {
    @Test func theFirstMeasurementCountsWholeLaterOnesAnEighth() {
        let cell = LoadCell()
        cell.measured(firstByteMicroseconds: 800)
        #expect(cell.firstByteMicroseconds == 800)
        cell.measured(firstByteMicroseconds: 1600)
        #expect(cell.firstByteMicroseconds == 900)
    }

    @Test func failuresLowerTheShareAndSuccessesRaiseItAgain() {
        let cell = LoadCell()
        #expect(cell.successShare == 65536)
        cell.noted(success: false)
        let low = cell.successShare
        #expect(low < 65536)
        cell.noted(success: true)
        #expect(cell.successShare > low)
    }

    @Test func openExchangesAreCounted() {
        let cell = LoadCell()
        cell.began()
        cell.began()
        cell.ended()
        #expect(cell.option(index: 3, weight: 2).openExchanges == 1)
        #expect([cell.takeTurn(), cell.takeTurn(), cell.turn] == [0, 1, 2])
    }

    @Test func ofManyThreadsOneGetsTheProbe() throws {
        let cell = LoadCell()
        for _ in 0..<Breaker.failuresToOpen { cell.updateBreaker { $0.failed(nowMilliseconds: 0, wasProbe: false) } }
        let probes = Atomic(0)
        let threads = try (0..<4).map { number in
            try WorkerThread.start(name: "probe-\(number)", cpu: nil) {
                for _ in 0..<1000 where cell.updateBreaker({ $0.enter(nowMilliseconds: 9000) }) == .probe {
                    probes.add(1, ordering: .relaxed)
                }
            }
        }
        for thread in threads { thread.join() }
        #expect(probes.load(ordering: .relaxed) == 1)
    }

    @Test func aClockThatIsSetBackLeavesSpendingCounted() {
        let cell = BudgetCell()
        let (today, tomorrow): (Int64, Int64) = (1_780_675_200_000, 1_780_761_600_000)
        let limits = BudgetLimits(maxTokens: 100, period: .daily, offsetMinutes: 480)
        cell.seed(
            Spending(tokens: 10), periodStart: today, terms: BudgetTerms(period: .daily, offsetMinutes: 480))
        #expect(cell.place(accepted: today).periodStart == today)
        // The clock is a day ahead, then right again.
        #expect(cell.place(accepted: tomorrow).periodStart == tomorrow)
        #expect(cell.reserve(Spending(tokens: 60), limits: limits, periodStart: tomorrow) == .reserved)
        cell.settle(reserved: Spending(tokens: 60), actual: Spending(tokens: 60), periodStart: tomorrow)
        let period = cell.place(accepted: today).periodStart
        #expect(period == tomorrow)
        #expect(cell.reserve(Spending(tokens: 30), limits: limits, periodStart: period) == .reserved)
        cell.settle(reserved: Spending(tokens: 30), actual: Spending(tokens: 30), periodStart: period)
        #expect(cell.reserve(Spending(tokens: 20), limits: limits, periodStart: period) == .noTokens)
    }
}
