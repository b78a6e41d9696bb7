import Testing

@testable import Store

struct RetentionClockTests {
    private let hour: Int64 = 3_600_000
    private let start: Int64 = 1_780_716_415_123

    private func looking(newest: Int64?, days: Int = 30) -> (RetentionClock, RetentionClock.Verdict) {
        var clock = RetentionClock()
        let verdict = clock.begin(now: start, monotonicNow: 1000, newestRow: newest, days: days)
        return (clock, verdict)
    }

    @Test func aClockThatGoesOnIsSteady() {
        var (clock, verdict) = looking(newest: start - 29 * 24 * hour)
        #expect(verdict == .steady)
        for minute in 1...100 {
            // A second a minute too fast.
            let look = clock.look(now: start + Int64(minute) * 61_000, monotonicNow: 1000 + UInt64(minute) * 60_000)
            #expect(look == .steady)
        }
    }

    @Test(arguments: [2, -2, 24 * 365])
    func afterAJumpItRestsForADay(hours: Int64) {
        var (clock, _) = looking(newest: nil)
        #expect(clock.look(now: start + hours * hour, monotonicNow: 1000) == .jumped(milliseconds: hours * hour))
        let day = RetentionClock.restMilliseconds
        #expect(clock.look(now: start + hours * hour + 5, monotonicNow: 1005) == .resting)
        #expect(clock.look(now: start + (hours + 24) * hour - 1, monotonicNow: 1000 + day - 1) == .resting)
        #expect(clock.look(now: start + (hours + 24) * hour, monotonicNow: 1000 + day) == .steady)
    }

    @Test func aJumpBackIsAJumpToo() {
        var (clock, _) = looking(newest: nil)
        _ = clock.look(now: start + 100 * hour, monotonicNow: 1000)
        #expect(clock.look(now: start, monotonicNow: 1000) == .jumped(milliseconds: -100 * hour))
    }

    @Test func aStartFarFromTheNewestRowIsDoubted() {
        #expect(looking(newest: nil).1 == .steady)
        let newest = start - 31 * 24 * hour
        var (clock, verdict) = looking(newest: newest)
        #expect(verdict == .jumped(milliseconds: 31 * 24 * hour))
        #expect(clock.look(now: start + 60_000, monotonicNow: 61_000) == .resting)
        // Without a limit on age there is nothing to doubt.
        #expect(looking(newest: newest, days: 1000).1 == .steady)
    }
}
