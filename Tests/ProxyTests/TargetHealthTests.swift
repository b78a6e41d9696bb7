import Testing

@testable import Proxy

@Suite struct TargetHealthTests {
    private enum Event { case failed, succeeded, undecided, chosen }

    private func health(_ events: [(Event, UInt64)]) -> TargetHealth {
        var health = TargetHealth()
        for (event, now) in events {
            switch event {
            case .failed: health.failed(nowMilliseconds: now)
            case .succeeded: health.succeeded()
            case .undecided: health.undecided()
            case .chosen: health.chosen(nowMilliseconds: now)
            }
        }
        return health
    }

    private func fails(_ count: Int, at now: UInt64) -> [(Event, UInt64)] {
        Array(repeating: (.failed, now), count: count)
    }

    @Test func fiveFailuresInARowLeaveItOut() {
        #expect(health(fails(4, at: 100)).isAvailable(nowMilliseconds: 100))
        let out = health(fails(5, at: 100))
        #expect(out.ejectedUntilMilliseconds == 5100)
        #expect(!out.isAvailable(nowMilliseconds: 100))
        #expect(!out.isAvailable(nowMilliseconds: 5099))
        #expect(out.isAvailable(nowMilliseconds: 5100))
    }

    @Test func aSuccessBetweenStartsOver() {
        let health = health(fails(4, at: 1) + [(.succeeded, 2)] + fails(4, at: 3))
        #expect(health.isAvailable(nowMilliseconds: 3))
        #expect(health.failuresInARow == 4)
    }

    @Test func beingChosenOrUndecidedTellsNothing() {
        let health = health(fails(4, at: 1) + [(.chosen, 2), (.undecided, 3)])
        #expect(health == self.health(fails(4, at: 1)))
    }

    @Test func oneProbeAtATime() {
        let probing = health(fails(5, at: 0) + [(.chosen, 5000)])
        #expect(probing.probeIsOut)
        #expect(!probing.isAvailable(nowMilliseconds: 5000))
        #expect(!probing.isAvailable(nowMilliseconds: 1_000_000))
    }

    @Test func beforeTheCoolDownIsOverNobodyProbes() {
        #expect(!health(fails(5, at: 0) + [(.chosen, 4999)]).probeIsOut)
    }

    @Test func theProbeSucceeds() {
        let well = health(fails(5, at: 0) + [(.chosen, 5000), (.succeeded, 5001)])
        #expect(well == TargetHealth())
    }

    @Test func theProbeFails() {
        let out = health(fails(5, at: 0) + [(.chosen, 5000), (.failed, 6000)])
        #expect(out.ejectedUntilMilliseconds == 16_000)
        #expect(!out.probeIsOut)
        #expect(!out.isAvailable(nowMilliseconds: 15_999))
        #expect(out.isAvailable(nowMilliseconds: 16_000))
    }

    @Test func theProbeTellsNothing() {
        let health = health(fails(5, at: 0) + [(.chosen, 5000), (.undecided, 5001)])
        #expect(health.isAvailable(nowMilliseconds: 5001))
        #expect(health.ejections == 1)
    }

    @Test func coolDownsDoubleUpToAMinute() {
        var health = health(fails(5, at: 0))
        var waits: [UInt64] = []
        for _ in 0..<10 {
            let now = health.ejectedUntilMilliseconds
            health.chosen(nowMilliseconds: now)
            health.failed(nowMilliseconds: now)
            waits.append(health.ejectedUntilMilliseconds - now)
        }
        #expect(waits == [10_000, 20_000, 40_000, 60_000, 60_000, 60_000, 60_000, 60_000, 60_000, 60_000])
    }

    /// Exchanges that were under way when it was left out end in failures too: these must not lengthen the wait at once.
    @Test func stragglersDoNotProlong() {
        let out = health(fails(5, at: 0) + fails(4, at: 100))
        #expect(out.ejectedUntilMilliseconds == 5000)
        #expect(out.ejections == 1)
    }

    @Test func aStragglersSuccessLetsItBackIn() {
        #expect(health(fails(5, at: 0) + [(.succeeded, 100)]) == TargetHealth())
    }
}
