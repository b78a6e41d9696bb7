import Testing

@testable import Store

struct StarvationWatchTests {
    @Test func eventsThatWaitTooLongAreNoticedOnce() {
        var watch = StarvationWatch()
        func look(_ now: UInt64, flushes: Int = 3, pending: Int = 100) -> Bool {
            watch.look(nowMilliseconds: now, flushes: flushes, pendingBytes: pending, flushIntervalMilliseconds: 100)
        }
        #expect(!look(1000))
        #expect(!look(2000))
        #expect(look(2100))
        #expect(!look(2200))
        #expect(look(3300))
        // Something was written, or nothing waits: it begins anew.
        #expect(!look(5000, flushes: 4))
        #expect(!look(6000, flushes: 4, pending: 0))
        #expect(!look(7000, flushes: 4))
        #expect(look(7100, flushes: 4))
    }

    @Test func aLongIntervalIsNoStarving() {
        var watch = StarvationWatch()
        for second in 0..<60 {
            let isStarving = watch.look(
                nowMilliseconds: UInt64(second) * 1000, flushes: 0, pendingBytes: 1, flushIntervalMilliseconds: 60_000)
            #expect(!isStarving)
        }
    }
}
