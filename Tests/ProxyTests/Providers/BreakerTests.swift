import Testing

@testable import Proxy

struct BreakerTests {
    private func opened(at now: UInt64 = 1000) -> Breaker {
        var breaker = Breaker()
        for _ in 0..<Breaker.failuresToOpen { breaker.failed(nowMilliseconds: now, wasProbe: false) }
        return breaker
    }

    @Test func failuresInARowOpenIt() {
        var breaker = Breaker()
        for _ in 1..<Breaker.failuresToOpen {
            breaker.failed(nowMilliseconds: 1000, wasProbe: false)
            #expect(breaker.state(nowMilliseconds: 1000) == .closed)
        }
        breaker.failed(nowMilliseconds: 1000, wasProbe: false)
        #expect(breaker.state(nowMilliseconds: 1000) == .open)
        #expect(breaker.openUntilMilliseconds == 6000)
        #expect({ breaker.enter(nowMilliseconds: 5999) }() == .refused)
    }

    @Test func aSuccessInBetweenBeginsTheCountAnew() {
        var breaker = Breaker()
        for _ in 0..<20 {
            for _ in 1..<Breaker.failuresToOpen { breaker.failed(nowMilliseconds: 1, wasProbe: false) }
            breaker.succeeded()
        }
        #expect(breaker.state(nowMilliseconds: 1) == .closed)
    }

    @Test func aBadKeyAmongUntriedOnesDoesNotOpenIt() {
        var breaker = Breaker()
        let usable = Breaker.Keys.one(0).union(.one(1))
        for _ in 0..<300 { breaker.failed(nowMilliseconds: 1, wasProbe: false, keys: .one(0), usable: usable) }
        #expect(breaker.state(nowMilliseconds: 1) == .closed)
        #expect(breaker.suspects == .one(0))
        breaker.failed(nowMilliseconds: 1, wasProbe: false, keys: .one(1), usable: usable)
        #expect(breaker.state(nowMilliseconds: 1) == .open)
        #expect(breaker.suspects.isEmpty, "while it is open it says nothing of keys")
    }

    @Test func keysThatCannotServeNeedNotHaveFailed() {
        var breaker = Breaker()
        for _ in 0..<5 { breaker.failed(nowMilliseconds: 1, wasProbe: false, keys: .one(3), usable: .one(3)) }
        #expect(breaker.state(nowMilliseconds: 1) == .open)
    }

    @Test func whatNoKeyCouldMendCountsAtOnce() {
        var breaker = Breaker()
        for _ in 0..<5 { breaker.failed(nowMilliseconds: 1, wasProbe: false, keys: .all, usable: .all) }
        #expect(breaker.state(nowMilliseconds: 1) == .open)
    }

    @Test func ofACrowdOfKeysSixteenAreEnough() {
        var breaker = Breaker()
        for key in 0..<15 { breaker.failed(nowMilliseconds: 1, wasProbe: false, keys: .one(key), usable: .all) }
        #expect(breaker.state(nowMilliseconds: 1) == .closed)
        breaker.failed(nowMilliseconds: 1, wasProbe: false, keys: .one(100), usable: .all)
        #expect(breaker.state(nowMilliseconds: 1) == .closed, "the hundred and first shares its place with the fifth")
        breaker.failed(nowMilliseconds: 1, wasProbe: false, keys: .one(15), usable: .all)
        #expect(breaker.state(nowMilliseconds: 1) == .open)
    }

    @Test func aSuccessOfAnyKeyClearsTheOthersToo() {
        var breaker = Breaker()
        breaker.failed(nowMilliseconds: 1, wasProbe: false, keys: .one(0), usable: .all)
        breaker.succeeded()
        #expect(breaker == Breaker())
    }

    @Test func itTellsWhetherItWasClosedWhenAnExchangeBegan() {
        var breaker = opened(at: 1000)
        #expect(breaker.wasClosed(atMilliseconds: 1000))
        #expect(breaker.wasClosed(atMilliseconds: 999))
        #expect(!breaker.wasClosed(atMilliseconds: 1001))
        #expect(!breaker.wasClosed(atMilliseconds: .max))
        _ = breaker.enter(nowMilliseconds: 7000)
        breaker.failed(nowMilliseconds: 7500, wasProbe: true)
        #expect(breaker.wasClosed(atMilliseconds: 7400), "the probe's own exchange may go on to the next key")
        #expect(!breaker.wasClosed(atMilliseconds: 7600))
        #expect(Breaker().wasClosed(atMilliseconds: .max))
    }

    @Test func aProbeThatFailsAfterOthersHaveClosedItIsOneFailure() {
        var breaker = opened()
        _ = breaker.enter(nowMilliseconds: 6000)
        breaker.succeeded()
        breaker.failed(nowMilliseconds: 6100, wasProbe: true)
        #expect(breaker.state(nowMilliseconds: 6100) == .closed)
        #expect(breaker.failuresInARow == 1)
    }

    @Test func halfOpenLetsOneProbeThrough() {
        var breaker = opened()
        #expect(breaker.state(nowMilliseconds: 6000) == .halfOpen)
        #expect(breaker.admits(nowMilliseconds: 6000))
        #expect({ breaker.enter(nowMilliseconds: 6000) }() == .probe)
        #expect(!breaker.admits(nowMilliseconds: 6000))
        #expect({ breaker.enter(nowMilliseconds: 7000) }() == .refused)
    }

    @Test func aProbesSuccessClosesIt() {
        var breaker = opened()
        _ = breaker.enter(nowMilliseconds: 6000)
        breaker.succeeded()
        #expect(breaker == Breaker())
        #expect({ breaker.enter(nowMilliseconds: 6001) }() == .admitted)
    }

    @Test func aProbesFailureOpensItForLongerUpToAMinute() {
        var breaker = opened(at: 0)
        var pauses: [UInt64] = []
        for _ in 0..<8 {
            let now = breaker.openUntilMilliseconds
            #expect({ breaker.enter(nowMilliseconds: now) }() == .probe)
            breaker.failed(nowMilliseconds: now, wasProbe: true)
            pauses.append(breaker.openUntilMilliseconds - now)
        }
        #expect(pauses == [10_000, 20_000, 40_000, 60_000, 60_000, 60_000, 60_000, 60_000])
    }

    @Test func aProbeWithoutAVerdictMakesRoomForAnother() {
        var breaker = opened()
        _ = breaker.enter(nowMilliseconds: 6000)
        breaker.undecided(wasProbe: false)
        #expect({ breaker.enter(nowMilliseconds: 6001) }() == .refused)
        breaker.undecided(wasProbe: true)
        #expect({ breaker.enter(nowMilliseconds: 6002) }() == .probe)
    }

    @Test func whatWasUnderWayWhenItOpenedDoesNotProlongIt() {
        var breaker = opened()
        breaker.failed(nowMilliseconds: 5000, wasProbe: false)
        #expect(breaker.openUntilMilliseconds == 6000)
        _ = breaker.enter(nowMilliseconds: 6000)
        breaker.failed(nowMilliseconds: 6000, wasProbe: false)
        #expect(breaker.probeIsOut)
    }
}

struct KeyHealthTests {
    @Test func aLimitLetsTheKeyRestForAsLongAsTheProviderAsks() {
        var health = KeyHealth()
        #expect({ health.limited(nowMilliseconds: 1000, retryAfterMilliseconds: 7000) }() == 8000)
        #expect(!health.isUsable(nowMilliseconds: 7999))
        #expect(health.isUsable(nowMilliseconds: 8000))
    }

    @Test func withoutAWordItRestsLongerEachTimeUpToAMinute() {
        var health = KeyHealth()
        var pauses: [UInt64] = []
        for _ in 0..<9 {
            let now = max(health.coolingUntilMilliseconds, 10)
            pauses.append(health.limited(nowMilliseconds: now, retryAfterMilliseconds: nil) - now)
        }
        #expect(pauses == [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000])
    }

    @Test func noKeyRestsForMoreThanAnHour() {
        var health = KeyHealth()
        #expect({ health.limited(nowMilliseconds: 0, retryAfterMilliseconds: 86_400_000) }() == 3_600_000)
    }

    @Test func aSecondLimitDoesNotShortenTheFirst() {
        var health = KeyHealth()
        _ = health.limited(nowMilliseconds: 1000, retryAfterMilliseconds: 60_000)
        #expect({ health.limited(nowMilliseconds: 1001, retryAfterMilliseconds: 1000) }() == 61_000)
    }

    @Test func successForgetsTheLimitsOnlyOnceTheKeyIsBack() {
        var health = KeyHealth()
        _ = health.limited(nowMilliseconds: 1000, retryAfterMilliseconds: nil)
        health.succeeded(nowMilliseconds: 1500)
        #expect(!health.isUsable(nowMilliseconds: 1500))
        health.succeeded(nowMilliseconds: 2000)
        #expect(health == KeyHealth())
    }

    @Test func aDisabledKeyStaysDisabled() {
        var health = KeyHealth()
        #expect({ health.disable(.quotaExhausted) }())
        #expect(!{ health.disable(.invalid) }())
        #expect(health.reason == .quotaExhausted)
        #expect({ health.limited(nowMilliseconds: 1, retryAfterMilliseconds: 1) }() == 0)
        health.succeeded(nowMilliseconds: 9)
        #expect(health.isDisabled && !health.isUsable(nowMilliseconds: .max >> 16))
    }
}
