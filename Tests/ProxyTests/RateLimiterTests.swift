import Reactor
import Synchronization
import Testing

@testable import Proxy

@Suite struct RateLimiterTests {
    private let second: UInt64 = 1_000_000_000
    private let start: UInt64 = 5_000_000_000_000

    @Test func aFullBudgetComesAtOnceAndIsThenEmpty() {
        let cell = kept(RateLimiter()).cell(for: "k", limit: 60)
        for n in 1...60 {
            let verdict = cell.take(limit: 60, nowNanoseconds: start)
            #expect(verdict.isAllowed)
            #expect(verdict.remaining == 60 - n)
            #expect(verdict.resetMilliseconds == UInt64(n) * 1000)
            #expect(verdict.retryAfterMilliseconds == 0)
        }
        let refused = cell.take(limit: 60, nowNanoseconds: start)
        #expect(!refused.isAllowed)
        #expect(refused.remaining == 0)
        #expect(refused.resetMilliseconds == 60_000)
        #expect(refused.retryAfterMilliseconds == 1001)
    }

    @Test func oneMoreIsLetThroughAsTheMinuteGoesBy() {
        let cell = kept(RateLimiter()).cell(for: "k", limit: 60)
        for _ in 0..<60 { _ = cell.take(limit: 60, nowNanoseconds: start) }
        #expect(!cell.take(limit: 60, nowNanoseconds: start + second - 1).isAllowed)
        #expect(cell.take(limit: 60, nowNanoseconds: start + second).isAllowed)
        #expect(!cell.take(limit: 60, nowNanoseconds: start + second).isAllowed)
        #expect(cell.take(limit: 60, nowNanoseconds: start + 2 * second).isAllowed)
        // Ten seconds without a request: ten more, no eleventh.
        let allowed = (0..<20).count { _ in cell.take(limit: 60, nowNanoseconds: start + 12 * second).isAllowed }
        #expect(allowed == 10)
    }

    @Test func waitingAsLongAsToldIsEnough() {
        for limit in [1, 7, 60, 999, 100_000] {
            let cell = kept(RateLimiter()).cell(for: "k", limit: limit)
            var allowed = 0
            while cell.take(limit: limit, nowNanoseconds: start).isAllowed { allowed += 1 }
            #expect(allowed == limit)
            let refused = cell.take(limit: limit, nowNanoseconds: start)
            let wait = refused.retryAfterMilliseconds * 1_000_000
            #expect(wait > 0)
            #expect(cell.take(limit: limit, nowNanoseconds: start + wait).isAllowed, "limit \(limit)")
        }
    }

    @Test func aRefusalCostsNothing() {
        let cell = kept(RateLimiter()).cell(for: "k", limit: 1)
        #expect(cell.take(limit: 1, nowNanoseconds: start).isAllowed)
        for _ in 0..<100 { #expect(!cell.take(limit: 1, nowNanoseconds: start + 30 * second).isAllowed) }
        #expect(cell.take(limit: 1, nowNanoseconds: start + 60 * second).isAllowed)
    }

    @Test func aMinuteOfRestFillsTheBudget() {
        let cell = kept(RateLimiter()).cell(for: "k", limit: 5)
        for _ in 0..<5 { _ = cell.take(limit: 5, nowNanoseconds: start) }
        let later = start + 600 * second
        #expect((0..<9).count { _ in cell.take(limit: 5, nowNanoseconds: later).isAllowed } == 5)
    }

    /// What the limit promises: over any stretch, a full budget and an even flow.
    @Test func neverMoreThanABudgetAndTheFlow() {
        var random = SeededGenerator(3)
        let limit = 30
        let cell = kept(RateLimiter()).cell(for: "k", limit: limit)
        var now = start
        var taken: [UInt64] = []
        for _ in 0..<20_000 {
            now += UInt64.random(in: 0...(second / 4), using: &random)
            let verdict = cell.take(limit: limit, nowNanoseconds: now)
            #expect(verdict.remaining >= 0 && verdict.remaining < limit)
            if verdict.isAllowed { taken.append(now) }
        }
        for first in stride(from: 0, to: taken.count - limit, by: 17) {
            // One more than the budget needs at least one interval, two more two intervals, and so on.
            for extra in 1...limit where first + limit - 1 + extra < taken.count {
                let span = taken[first + limit - 1 + extra] - taken[first]
                #expect(span >= UInt64(extra) * 2 * second)
            }
        }
        #expect(taken.count > 1000)
    }

    @Test func timesThatGoBackDoNotRefill() {
        let cell = kept(RateLimiter()).cell(for: "k", limit: 2)
        #expect(cell.take(limit: 2, nowNanoseconds: start).isAllowed)
        #expect(cell.take(limit: 2, nowNanoseconds: start).isAllowed)
        #expect(!cell.take(limit: 2, nowNanoseconds: start - second).isAllowed)
    }

    @Test func absurdLimitsAreHarmless() {
        for limit in [1_000_000_000_000, Int.max] {
            let cell = kept(RateLimiter()).cell(for: "k", limit: limit)
            let verdict = cell.take(limit: limit, nowNanoseconds: start)
            #expect(verdict.isAllowed)
            #expect(verdict.remaining == limit - 1)
        }
    }

    @Test func cellsByKeyAndLimit() {
        let limiter = kept(RateLimiter())
        #expect(limiter.cell(for: "a", limit: 1).take(limit: 1, nowNanoseconds: start).isAllowed)
        #expect(!limiter.cell(for: "a", limit: 1).take(limit: 1, nowNanoseconds: start).isAllowed)
        #expect(limiter.cell(for: "b", limit: 1).take(limit: 1, nowNanoseconds: start).isAllowed)
        // Another limit begins with a full budget, in the cell that older snapshots hold as well.
        let old = limiter.cell(for: "a", limit: 1)
        #expect(limiter.cell(for: "a", limit: 3).take(limit: 3, nowNanoseconds: start).remaining == 2)
        #expect(!old.take(limit: 1, nowNanoseconds: start).isAllowed)
    }

    @Test func manyThreadsTakeExactlyTheLimit() throws {
        let limit = 5_000
        let cell = kept(RateLimiter()).cell(for: "k", limit: limit)
        let box = Box(cell)
        let now = start
        let threads = try (0..<8).map { n in
            try WorkerThread.start(name: "taker \(n)", cpu: nil) {
                var mine = 0
                for _ in 0..<4_000 where box.cell.take(limit: limit, nowNanoseconds: now).isAllowed { mine += 1 }
                box.allowed.withLock { $0 += mine }
            }
        }
        for thread in threads { thread.join() }
        #expect(box.allowed.withLock { $0 } == limit)
    }

    private final class Box: Sendable {
        let cell: RateCell
        let allowed = Mutex(0)
        init(_ cell: RateCell) { self.cell = cell }
    }
}
