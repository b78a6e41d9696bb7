import Reactor
import Testing

@testable import Store

@Suite struct QuietWatchTests {
    @Test func onceAfterARush() {
        var watch = QuietWatch()
        var due: [Int] = []
        var events = 0
        for second in 0..<20 {
            if (3..<6).contains(second) { events += 5000 }
            if watch.isDue(nowMilliseconds: UInt64(second) * 1000, events: events) { due.append(second) }
        }
        #expect(due == [6])
    }

    @Test func notWhileMuchIsWritten() {
        var watch = QuietWatch()
        let due = (0..<100).filter {
            watch.isDue(nowMilliseconds: UInt64($0) * 1000, events: $0 * QuietWatch.quietEvents)
        }
        #expect(due.isEmpty)
    }

    @Test func aTrickleAddsUp() {
        var watch = QuietWatch()
        let due = (0..<100).filter { watch.isDue(nowMilliseconds: UInt64($0) * 1000, events: $0 * 100) }
        #expect(due == [21, 42, 63, 84])
    }

    @Test func onlyLooksOnceAPeriod() {
        var watch = QuietWatch()
        // The first look sees many new events, the second none.
        let due = [5000, 5999, 6000].map { watch.isDue(nowMilliseconds: $0, events: 10_000) }
        #expect(due == [false, false, true])
    }
}
