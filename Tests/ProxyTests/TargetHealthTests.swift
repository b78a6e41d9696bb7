import Testing

@testable import Proxy

@Suite struct TargetHealthTests {
    private enum Event { case failed, cutShort, answered, succeeded, undecided, chosen }

    private func health(_ events: [(Event, UInt64)]) -> TargetHealth {
        var health = TargetHealth()
        for (event, now) in events {
            switch event {
            case .failed: health.failed(nowMilliseconds: now)
            case .cutShort: health.cutShort(nowMilliseconds: now)
            case .answered: health.answered()
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
        for success in [Event.answered, .succeeded] {
            let health = health(fails(4, at: 1) + [(success, 2)] + fails(4, at: 3))
            #expect(health.isAvailable(nowMilliseconds: 3))
            #expect(health.failuresInARow == 4)
        }
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
        for success in [Event.answered, .succeeded] {
            #expect(health(fails(5, at: 0) + [(.chosen, 5000), (success, 5001)]) == TargetHealth())
        }
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
        let out = health(fails(5, at: 0) + fails(100, at: 100) + [(.cutShort, 100)])
        #expect(out.ejectedUntilMilliseconds == 5000)
        #expect(out.ejections == 1)
    }

    @Test func aStragglersSuccessLetsItBackIn() {
        for success in [Event.answered, .succeeded] {
            #expect(health(fails(5, at: 0) + [(success, 100)]) == TargetHealth())
        }
    }

    // MARK: Answers cut short

    /// Each with its head, which is no success yet.
    private func cuts(_ count: Int, at now: UInt64) -> [(Event, UInt64)] {
        (0..<count).flatMap { _ in [(.answered, now), (.cutShort, now)] as [(Event, UInt64)] }
    }

    @Test func fiveCutAnswersLeaveItOut() {
        #expect(health(cuts(4, at: 100)).isAvailable(nowMilliseconds: 100))
        let out = health(cuts(5, at: 100))
        #expect(out.ejectedUntilMilliseconds == 5100)
        #expect(out.ejections == 1)
    }

    @Test func aWholeAnswerBetweenStartsOver() {
        #expect(health(cuts(4, at: 1) + [(.answered, 2), (.succeeded, 2)]) == TargetHealth())
    }

    @Test func cutAnswersAndOtherFailuresCountTogether() {
        let mixed = cuts(2, at: 1) + fails(2, at: 1)
        #expect(health(mixed).isAvailable(nowMilliseconds: 1))
        #expect(!health(mixed + fails(1, at: 1)).isAvailable(nowMilliseconds: 1))
        #expect(!health(mixed + [(.cutShort, 1)]).isAvailable(nowMilliseconds: 1))
        // A head speaks against the failures to get one only.
        #expect(health(mixed + cuts(1, at: 1)).isAvailable(nowMilliseconds: 1))
        #expect(!health(mixed + cuts(3, at: 1)).isAvailable(nowMilliseconds: 1))
    }

    /// Heads of exchanges that were under way when it was left out say nothing about how these will end.
    @Test func aStragglersHeadDoesNotLetItBackIn() {
        let out = health(cuts(5, at: 0) + [(.answered, 100)])
        #expect(!out.isAvailable(nowMilliseconds: 100))
        #expect(health(cuts(5, at: 0) + [(.succeeded, 100)]) == TargetHealth())
    }

    @Test func aProbesHeadLetsItBackInOnTrial() {
        let onTrial = cuts(5, at: 0) + [(.chosen, 5000), (.answered, 5001)]
        #expect(health(onTrial).isAvailable(nowMilliseconds: 5001))
        #expect(health(onTrial + [(.succeeded, 5002)]) == TargetHealth())
        for failure in [Event.cutShort, .failed] {
            let out = health(onTrial + [(failure, 6000)])
            #expect(out.ejectedUntilMilliseconds == 16_000, "left out again, for longer")
            #expect(!out.probeIsOut)
        }
    }

    @Test func aClientThatLeavesChangesNothing() {
        #expect(health(cuts(4, at: 0) + [(.answered, 1), (.undecided, 1)]) == health(cuts(4, at: 0)))
    }
}
