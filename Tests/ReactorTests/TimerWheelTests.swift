import Testing

@testable import Reactor

private func timer(_ n: Int) -> Token { Token(kind: 1, generation: 1, index: UInt32(n)) }

/// Pops all that is due.
private func fire(_ wheel: inout TimerWheel, at now: UInt64) -> [UInt32] {
    var fired: [UInt32] = []
    while let token = wheel.popExpired(nowMilliseconds: now) { fired.append(token.index) }
    return fired.sorted()
}

@Suite struct TimerWheelTests {
    let start: UInt64 = 1_000_003

    @Test func firesWithinATickAndNeverEarly() {
        for delay in [0, 1, 15, 16, 17, 100, 1023, 1024, 1025, 65_535, 65_536, 70_000, 5_000_000] as [UInt64] {
            var wheel = TimerWheel(capacity: 4, nowMilliseconds: start)
            #expect(wheel.schedule(timer(1), atMilliseconds: start + delay) != 0)
            if delay > 0 { #expect(fire(&wheel, at: start + delay - 1).isEmpty, "\(delay)") }
            #expect(fire(&wheel, at: start + delay + 16) == [1], "\(delay)")
            let count = wheel.count
            #expect(count == 0)
        }
    }

    /// The loop that a reactor runs: sleeps until the next deadline, however often the wheel only moves timers closer.
    @Test func longDeadlinesOverManyRounds() {
        var wheel = TimerWheel(capacity: 8, nowMilliseconds: start)
        let delays: [UInt64] = [75_000, 300_000, 3_600_000, 86_400_000, 30 * 86_400_000, 400 * 86_400_000]
        for (n, delay) in delays.enumerated() { _ = wheel.schedule(timer(n), atMilliseconds: start + delay) }
        var now = start
        var wakeUps = 0
        var fired: [UInt32] = []
        while let next = wheel.nextDeadlineMilliseconds() {
            #expect(next > now)
            now = next
            wakeUps += 1
            for n in fire(&wheel, at: now) {
                #expect(now >= start + delays[Int(n)] && now <= start + delays[Int(n)] + 16)
                fired.append(n)
            }
        }
        #expect(fired == [0, 1, 2, 3, 4, 5])
        #expect(wakeUps <= delays.count * 6)
    }

    @Test func beyondTheEndOfTheWheel() {
        var wheel = TimerWheel(capacity: 2, nowMilliseconds: start)
        let id = wheel.schedule(timer(1), atMilliseconds: .max)
        #expect(fire(&wheel, at: start + 1_000_000_000_000).isEmpty)
        wheel.cancel(id)
        #expect(wheel.nextDeadlineMilliseconds() == nil)
    }

    @Test func cancelledTimersDoNotFire() {
        var wheel = TimerWheel(capacity: 8, nowMilliseconds: start)
        let a = wheel.schedule(timer(1), atMilliseconds: start + 100)
        let b = wheel.schedule(timer(2), atMilliseconds: start + 100)
        let c = wheel.schedule(timer(3), atMilliseconds: start + 100)
        wheel.cancel(b)
        wheel.cancel(0)
        wheel.cancel(b)
        wheel.cancel(.max)
        #expect(fire(&wheel, at: start + 200) == [1, 3])
        wheel.cancel(a)
        wheel.cancel(c)
        let count = wheel.count
        #expect(count == 0)
    }

    @Test func cancellingAmongTimersThatAreDue() {
        var wheel = TimerWheel(capacity: 8, nowMilliseconds: start)
        var ids: [UInt32: UInt32] = [:]
        for n in 1...4 { ids[UInt32(n)] = wheel.schedule(timer(n), atMilliseconds: start + 50) }
        let first = wheel.popExpired(nowMilliseconds: start + 100)!.index
        for n in 1...3 where UInt32(n) != first { wheel.cancel(ids[UInt32(n)]!) }
        let rest = fire(&wheel, at: start + 100)
        #expect(Set(rest + [first]) == (first == 4 ? [4] : [first, 4]))
    }

    @Test func anOldIdHitsNobodyElse() {
        var wheel = TimerWheel(capacity: 1, nowMilliseconds: start)
        let old = wheel.schedule(timer(1), atMilliseconds: start + 10)
        #expect(fire(&wheel, at: start + 100) == [1])
        let new = wheel.schedule(timer(2), atMilliseconds: start + 200)
        #expect(new != old)
        wheel.cancel(old)
        #expect(fire(&wheel, at: start + 300) == [2])
    }

    @Test func entriesAreReused() {
        var wheel = TimerWheel(capacity: 2, nowMilliseconds: start)
        for round in 0..<1000 as Range<UInt64> {
            let a = wheel.schedule(timer(1), atMilliseconds: start + round * 100 + 20)
            _ = wheel.schedule(timer(2), atMilliseconds: start + round * 100 + 30)
            wheel.cancel(a)
            #expect(fire(&wheel, at: start + round * 100 + 60) == [2])
        }
    }

    @Test func whatIsScheduledInATurnFiresInALaterOne() {
        var wheel = TimerWheel(capacity: 4, nowMilliseconds: start)
        _ = wheel.schedule(timer(1), atMilliseconds: start + 10)
        let now = start + 100
        #expect(wheel.popExpired(nowMilliseconds: now)?.index == 1)
        _ = wheel.schedule(timer(2), atMilliseconds: start)
        #expect(wheel.popExpired(nowMilliseconds: now) == nil)
        #expect(fire(&wheel, at: now + 16) == [2])
    }

    @Test func nextDeadlineIsNeverLate() {
        var wheel = TimerWheel(capacity: 4, nowMilliseconds: start)
        #expect(wheel.nextDeadlineMilliseconds() == nil)
        _ = wheel.schedule(timer(1), atMilliseconds: start + 100_000)
        #expect(wheel.nextDeadlineMilliseconds()! <= start + 100_016)
        let near = wheel.schedule(timer(2), atMilliseconds: start + 500)
        let next = wheel.nextDeadlineMilliseconds()!
        #expect(next >= start + 500 && next < start + 516)
        wheel.cancel(near)
        #expect(wheel.nextDeadlineMilliseconds()! > start + 516)
        #expect(fire(&wheel, at: start - 1).isEmpty)
    }

    /// Against the plainest model: a list of deadlines.
    @Test func agreesWithAModel() {
        var random = SystemRandomNumberGenerator()
        var wheel = TimerWheel(capacity: 512, nowMilliseconds: start)
        var model: [UInt32: (id: UInt32, deadline: UInt64)] = [:]
        var now = start
        var serial: UInt32 = 0
        for _ in 0..<20_000 {
            switch UInt8.random(in: 0..<10, using: &random) {
            case 0..<5 where model.count < 500:
                let scale = UInt64(1) << UInt64.random(in: 0..<26, using: &random)
                let deadline = now + UInt64.random(in: 0...scale, using: &random)
                serial += 1
                let id = wheel.schedule(Token(rawValue: UInt64(serial)), atMilliseconds: deadline)
                model[serial] = (id, deadline)
            case 5..<7:
                if let victim = model.keys.randomElement(using: &random) {
                    wheel.cancel(model[victim]!.id)
                    model[victim] = nil
                }
            default:
                let steps: [UInt64] = [1, 7, 16, 40, 1000, 70_000]
                now += steps.randomElement(using: &random)!
                for index in fire(&wheel, at: now) {
                    guard let entry = model.removeValue(forKey: index) else {
                        Issue.record("fired twice or after cancel")
                        return
                    }
                    #expect(entry.deadline <= now)
                }
                // Only what is less than a tick overdue may still wait.
                #expect(model.values.allSatisfy { $0.deadline + 16 > now })
            }
        }
        let count = wheel.count
        #expect(count == model.count)
    }
}
