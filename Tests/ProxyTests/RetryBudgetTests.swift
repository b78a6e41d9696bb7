import Testing

@testable import Proxy

@Suite struct RetryBudgetTests {
    @Test func aShareOfTheRequests() {
        var budget = RetryBudget()
        var retries = 0
        for i in 0..<1000 {
            budget.deposit(percent: 20)
            guard budget.allows(floor: 0, nowMilliseconds: UInt64(i)) else { continue }
            budget.take(floor: 0, nowMilliseconds: UInt64(i))
            retries += 1
        }
        #expect(retries == 200)
    }

    @Test func aFewASecondInAnyCase() {
        var budget = RetryBudget()
        for second: UInt64 in 1...3 {
            for _ in 0..<10 {
                #expect(budget.allows(floor: 10, nowMilliseconds: second * 1000 + 999))
                budget.take(floor: 10, nowMilliseconds: second * 1000 + 999)
            }
            #expect(!budget.allows(floor: 10, nowMilliseconds: second * 1000 + 999))
        }
    }

    @Test func aLongCalmPaysForNoStorm() {
        var budget = RetryBudget()
        for _ in 0..<100_000 { budget.deposit(percent: 20) }
        var retries = 0
        while budget.allows(floor: 0, nowMilliseconds: 5), retries < 1000 {
            budget.take(floor: 0, nowMilliseconds: 5)
            retries += 1
        }
        #expect(retries == Int(RetryBudget.mostSaved))
    }

    @Test func noneAtAll() {
        var budget = RetryBudget()
        for _ in 0..<1000 { budget.deposit(percent: 0) }
        #expect(!budget.allows(floor: 0, nowMilliseconds: 1000))
    }
}
