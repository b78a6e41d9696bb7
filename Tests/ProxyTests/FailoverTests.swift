import Testing

@testable import Proxy

@Suite struct FailoverTests {
    private typealias Action = FailoverAction
    private static let dead = AttemptFailure.closed(wasReused: true)

    struct Case: CustomTestStringConvertible {
        let failure: AttemptFailure
        let retryCount: Int32
        var maxRetries: Int32 = 3
        /// What each failure in a row leads to; the last ends the route's turn.
        let actions: [FailoverAction]

        init(_ failure: AttemptFailure, retries: Int32, most: Int32 = 3, _ actions: [FailoverAction]) {
            (self.failure, retryCount, maxRetries, self.actions) = (failure, retries, most, actions)
        }

        var testDescription: String { "\(failure) with \(retryCount) of \(maxRetries) retries" }
    }

    private static func backoff(_ milliseconds: UInt64...) -> [FailoverAction] {
        milliseconds.map { .retryAfter(upToMilliseconds: $0) }
    }

    static let cases: [Case] = [
        // Asking again cannot help.
        Case(.dns(isTemporary: false), retries: 0, [.nextRoute]),
        Case(.dns(isTemporary: false), retries: 3, [.nextRoute]),
        Case(.tls, retries: 0, [.nextRoute]),
        Case(.tls, retries: 3, [.nextRoute]),
        // Costs nobody anything: a second try even without retries, unless the settings allow none at all.
        Case(.dns(isTemporary: true), retries: 0, backoff(100) + [.nextRoute]),
        Case(.dns(isTemporary: true), retries: 2, backoff(100, 200) + [.nextRoute]),
        Case(.dns(isTemporary: true), retries: 2, most: 0, [.nextRoute]),
        Case(.connect, retries: 0, backoff(100) + [.nextRoute]),
        Case(.connect, retries: 1, backoff(100) + [.nextRoute]),
        Case(.connect, retries: 3, backoff(100, 200, 400) + [.nextRoute]),
        Case(.connect, retries: 9, backoff(100, 200, 400) + [.nextRoute]),
        Case(.connect, retries: 0, most: 0, [.nextRoute]),
        Case(.connectTimeout, retries: 0, [.nextRoute]),
        Case(.connectTimeout, retries: 2, backoff(100, 200) + [.nextRoute]),
        // The upstream had the request: only a route with retries says that it may have it twice.
        Case(.closed(wasReused: false), retries: 0, [.giveUp]),
        Case(.closed(wasReused: false), retries: 2, backoff(100, 200) + [.nextRoute]),
        Case(.closed(wasReused: false), retries: 2, most: 0, [.giveUp]),
        Case(.malformedResponse, retries: 0, [.giveUp]),
        Case(.malformedResponse, retries: 1, backoff(100) + [.nextRoute]),
        // It may be working on it still: never the same again.
        Case(.responseTimeout, retries: 0, [.giveUp]),
        Case(.responseTimeout, retries: 3, [.nextRoute]),
        // A kept-alive connection that died while idle costs no retry.
        Case(dead, retries: 0, [.retryNow, .retryNow, .retryNow, .giveUp]),
        Case(dead, retries: 1, [.retryNow, .retryNow, .retryNow] + backoff(100) + [.nextRoute]),
        // Statuses.
        Case(.status(503, retryAfterMilliseconds: nil), retries: 0, [.giveUp]),
        Case(.status(503, retryAfterMilliseconds: nil), retries: 2, backoff(100, 200) + [.nextRoute]),
        Case(.status(429, retryAfterMilliseconds: 2000), retries: 0, [.giveUp]),
        Case(
            .status(429, retryAfterMilliseconds: 2000), retries: 2,
            [.retryAfterExactly(milliseconds: 2000), .retryAfterExactly(milliseconds: 2000), .nextRoute]),
        Case(
            .status(429, retryAfterMilliseconds: 0), retries: 1, [.retryAfterExactly(milliseconds: 0), .nextRoute]),
        Case(
            .status(503, retryAfterMilliseconds: 10_000), retries: 1,
            [.retryAfterExactly(milliseconds: 10_000), .nextRoute]),
        Case(.status(503, retryAfterMilliseconds: 10_001), retries: 3, [.nextRoute]),
        Case(.status(503, retryAfterMilliseconds: .max), retries: 3, [.nextRoute]),
        // The pause doubles up to a cap.
        Case(
            .connect, retries: 10, most: 10,
            backoff(100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000, 5000) + [.nextRoute]),
        // Nonsense settings count as none.
        Case(.connectTimeout, retries: -1, most: -1, [.nextRoute]),
    ]

    @Test(arguments: cases) func decides(_ test: Case) {
        var failover = Failover()
        let actions = test.actions.map { _ in
            failover.decide(
                test.failure, retryCount: test.retryCount, maxRetries: test.maxRetries, canReplay: true)
        }
        #expect(actions == test.actions)
    }

    @Test func whatCannotBeSentAgainIsGivenUp() {
        let failures: [AttemptFailure] = [
            .dns(isTemporary: true), .dns(isTemporary: false), .connect, .connectTimeout, .tls,
            .closed(wasReused: true), .closed(wasReused: false), .responseTimeout, .malformedResponse,
            .status(503, retryAfterMilliseconds: nil),
        ]
        for failure in failures {
            var failover = Failover()
            #expect(failover.decide(failure, retryCount: 3, maxRetries: 3, canReplay: false) == .giveUp)
            #expect(failover == Failover())
        }
    }

    @Test func anotherRouteHasItsOwnRetries() {
        var failover = Failover()
        func fail() -> FailoverAction {
            failover.decide(.connectTimeout, retryCount: 1, maxRetries: 3, canReplay: true)
        }
        #expect(fail() == .retryAfter(upToMilliseconds: 100))
        #expect(fail() == .nextRoute)
        failover.routeChanged()
        #expect(fail() == .retryAfter(upToMilliseconds: 100))
        #expect(fail() == .nextRoute)
    }

    @Test func anExchangeHasABoundOverAllRoutes() {
        var failover = Failover()
        var attempts = 0
        while failover.decide(.connect, retryCount: 100, maxRetries: 100, canReplay: true) != .giveUp {
            attempts += 1
            if attempts > 100 { break }
        }
        #expect(attempts == Int(Failover.maxRetriesInAll))

        failover = Failover()
        attempts = 0
        while failover.decide(.tls, retryCount: 0, maxRetries: 0, canReplay: true) == .nextRoute {
            failover.routeChanged()
            attempts += 1
            if attempts > 100 { break }
        }
        #expect(attempts == Int(Failover.maxRetriesInAll))
    }

    /// Dead connections have a bound of their own, which a change of route does not lift.
    @Test func deadConnectionsAreBounded() {
        var failover = Failover()
        for _ in 0..<3 {
            #expect(failover.decide(Self.dead, retryCount: 0, maxRetries: 0, canReplay: true) == .retryNow)
            failover.routeChanged()
        }
        #expect(failover.decide(Self.dead, retryCount: 0, maxRetries: 0, canReplay: true) == .giveUp)
        #expect(failover.retriesInAll == 0)
    }

    @Test func retryableStatuses() {
        #expect((100...599).filter { Failover.isRetryable(status: UInt16($0)) } == [429, 502, 503, 504])
    }

    @Test func withoutABudgetNothingIsRetried() {
        for failure: AttemptFailure in [
            .connect, .connectTimeout, .dns(isTemporary: true), .closed(wasReused: false), .malformedResponse,
            .status(503, retryAfterMilliseconds: nil), .status(429, retryAfterMilliseconds: 10),
        ] {
            var failover = Failover()
            let action = failover.decide(failure, retryCount: 3, maxRetries: 3, canReplay: true, hasBudget: false)
            #expect(action == .nextRoute, "\(failure)")
        }
        // A connection that died while idle has cost the upstream nothing.
        var failover = Failover()
        let action = failover.decide(Self.dead, retryCount: 0, maxRetries: 3, canReplay: true, hasBudget: false)
        #expect(action == .retryNow)
        #expect(!failover.isFirstOnRoute)
    }
}
