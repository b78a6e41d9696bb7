import Reactor
import Testing

@testable import Proxy

@Suite struct LatchTests {
    @Test func nothingToWaitFor() { #expect(Latch(0).wait(seconds: 0)) }

    @Test func notYetCountedDown() {
        let latch = Latch(2)
        #expect(!latch.wait(seconds: 0))
        latch.countDown()
        #expect(!latch.wait(seconds: 0))
        latch.countDown()
        #expect(latch.wait(seconds: 0))
        #expect(latch.wait(seconds: 0))
        latch.countDown()
        #expect(latch.wait(seconds: 0))
    }

    @Test func fractionsOfASecondCarry() {
        let latch = Latch(1)
        for seconds in [0.000_000_001, 0.001] { #expect(!latch.wait(seconds: seconds)) }
        latch.countDown()
        for seconds in [0.999_999_999, 1.5, 1e6] { #expect(latch.wait(seconds: seconds)) }
    }

    @Test func countedDownByOthers() throws {
        for _ in 0..<50 {
            let latch = Latch(4)
            let threads = try (0..<4).map { n in
                try WorkerThread.start(name: "counter \(n)", cpu: nil) { latch.countDown() }
            }
            #expect(latch.wait(seconds: 30))
            for thread in threads { thread.join() }
        }
    }

    @Test func severalMayWait() throws {
        let gate = Latch(1)
        let through = Latch(3)
        let threads = try (0..<3).map { n in
            try WorkerThread.start(name: "waiter \(n)", cpu: nil) {
                if gate.wait(seconds: 30) { through.countDown() }
            }
        }
        gate.countDown()
        #expect(through.wait(seconds: 30))
        for thread in threads { thread.join() }
    }
}
