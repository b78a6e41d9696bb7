import Testing

@testable import Admin

@Suite struct LoginThrottleTests {
    @Test func firstFailuresAreAnsweredAtOnceThenEachWaitsTwiceAsLong() {
        var throttle = LoginThrottle()
        let delays = (0..<14).map { throttle.failed(address: "a", nowMilliseconds: 1000 + UInt64($0) * 5000) }
        #expect(delays == [0, 0, 0, 0, 0, 100, 200, 400, 800, 1600, 2000, 2000, 2000, 2000])
    }

    @Test func addressesDoNotSufferForEachOther() {
        var throttle = LoginThrottle()
        for _ in 0..<50 { _ = throttle.failed(address: "a", nowMilliseconds: 1) }
        #expect(throttle.failed(address: "b", nowMilliseconds: 1) == 0)
        #expect(throttle.retryAfterSeconds(address: "b", nowMilliseconds: 1) == nil)
    }

    @Test func floodIsTurnedAwayUntilAHeldAnswerIsDue() {
        var throttle = LoginThrottle()
        let now: UInt64 = 10_000
        for _ in 0..<LoginThrottle.freeFailures + LoginThrottle.heldLimit - 1 {
            _ = throttle.failed(address: "a", nowMilliseconds: now)
        }
        #expect(throttle.retryAfterSeconds(address: "a", nowMilliseconds: now) == nil)
        _ = throttle.failed(address: "a", nowMilliseconds: now)
        #expect(throttle.retryAfterSeconds(address: "a", nowMilliseconds: now) == 1)
        #expect(throttle.retryAfterSeconds(address: "a", nowMilliseconds: now + 100) == nil)
    }

    @Test func aMinuteOfRestForgets() {
        var throttle = LoginThrottle()
        for _ in 0..<9 { _ = throttle.failed(address: "a", nowMilliseconds: 5) }
        #expect(throttle.failed(address: "a", nowMilliseconds: 5 + 60_001) == 0)
    }

    @Test func remembersABoundedNumberOfAddresses() {
        var throttle = LoginThrottle()
        for index in 0..<LoginThrottle.addressLimit + 500 {
            _ = throttle.failed(address: "\(index)", nowMilliseconds: UInt64(index))
        }
        #expect(throttle.addressCount == LoginThrottle.addressLimit)
    }
}
