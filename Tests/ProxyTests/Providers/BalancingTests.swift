import Testing

@testable import Proxy

struct BalancingTests {
    private func choose(
        _ balancing: Balancing, _ options: [BalancingOption], turn: UInt64 = 0, random: UInt64 = 0
    ) -> Int {
        var choice = BalancingChoice(balancing, random: random)
        for option in options { choice.add(option) }
        if let decided = choice.decide(turn: turn) { return Int(decided) }
        for option in options where choice.offer(option) { break }
        return Int(choice.chosen)
    }

    private func options(_ count: Int, _ change: (Int, inout BalancingOption) -> Void = { _, _ in })
        -> [BalancingOption]
    {
        (0..<count).map { i in
            var option = BalancingOption(index: Int32(i))
            change(i, &option)
            return option
        }
    }

    @Test func namesAreThoseOfTheDatabase() {
        #expect(
            Balancing.allCases.map(\.name) == [
                "first_available", "round_robin", "random", "weighted", "least_busy", "fastest", "healthiest",
            ])
        for strategy in Balancing.allCases { #expect(Balancing(name: strategy.name) == strategy) }
        #expect(Balancing(name: "Random") == nil)
    }

    @Test(arguments: Balancing.allCases) func oneOptionIsChosenWhateverTheNumbers(_ strategy: Balancing) {
        #expect(choose(strategy, options(1), turn: 77, random: .max) == 0)
    }

    @Test func theFirstAvailableStaysTheFirst() {
        for turn in 0..<5 as Range<UInt64> {
            #expect(choose(.firstAvailable, options(3), turn: turn, random: turn) == 0)
        }
    }

    @Test func turnsGoRound() {
        #expect((0..<7).map { choose(.roundRobin, options(3), turn: $0) } == [0, 1, 2, 0, 1, 2, 0])
    }

    @Test func randomIsEven() {
        var generator = SeededGenerator(1)
        var counts = [0, 0, 0, 0]
        for _ in 0..<4000 { counts[choose(.random, options(4), random: generator.next())] += 1 }
        for count in counts { #expect((850...1150).contains(count)) }
    }

    @Test func weightsShareTheLoad() {
        var generator = SeededGenerator(2)
        var counts = [0, 0, 0]
        let weighted = options(3) { $1.weight = [1, 3, 0][$0] }
        for _ in 0..<4000 { counts[choose(.weighted, weighted, random: generator.next())] += 1 }
        #expect((850...1150).contains(counts[0]))
        #expect(counts[2] == 0)
    }

    @Test func withoutAnyWeightTheFirstIsTaken() {
        #expect(choose(.weighted, options(3) { $1.weight = $0 == 0 ? 0 : -4 }, random: 5) == 0)
    }

    @Test func theLeastBusyIsTheOneWithTheFewestOpenExchanges() {
        #expect(choose(.leastBusy, options(3) { $1.openExchanges = [4, 1, 2][$0] }, turn: 8) == 1)
    }

    @Test func equalsTakeTurns() {
        #expect(Set((0..<3).map { choose(.leastBusy, options(3), turn: $0) }) == [0, 1, 2])
        #expect(Set((0..<3).map { choose(.healthiest, options(3), turn: $0) }) == [0, 1, 2])
    }

    @Test func theFastestIsTheOneWithTheSoonestFirstByte() {
        let measured = options(3) { $1.firstByteMicroseconds = [900, 300, 500][$0] }
        for turn in 0..<40 as Range<UInt64> { #expect(choose(.fastest, measured, turn: turn) == 1) }
    }

    @Test func whatWasNeverMeasuredIsMeasuredFirst() {
        #expect(choose(.fastest, options(3) { $1.firstByteMicroseconds = [900, 300, 0][$0] }, turn: 1) == 2)
    }

    @Test func whatFailsIsNotTheFastest() {
        let third = UInt32(65536 / 3)
        let shaky = options(2) {
            ($1.firstByteMicroseconds, $1.successShare) = [(200, third), (500, 65536)][$0]
        }
        #expect(choose(.fastest, shaky, turn: 0) == 1, "three times 200 are more than 500")
        let useful = options(2) {
            ($1.firstByteMicroseconds, $1.successShare) = [(100, third), (500, 65536)][$0]
        }
        #expect(choose(.fastest, useful, turn: 0) == 0)
        let neverWell = options(2) {
            ($1.firstByteMicroseconds, $1.successShare) = [(0, 60000), (.max, 1)][$0]
        }
        for turn in 0..<4 as Range<UInt64> { #expect(choose(.fastest, neverWell, turn: turn) == 1) }
    }

    @Test func nowAndThenAnotherThanTheFastestIsMeasuredAgain() {
        let measured = options(2) { $1.firstByteMicroseconds = [900, 300][$0] }
        #expect(choose(.fastest, measured, turn: BalancingChoice.explorationInterval - 1, random: 0) == 0)
    }

    @Test func theHealthiestIsTheOneThatFailedLeast() {
        #expect(choose(.healthiest, options(3) { $1.successShare = [60000, 65536, 65535][$0] }, turn: 2) == 1)
    }
}
