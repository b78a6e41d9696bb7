import Testing

@testable import Proxy

@Suite struct StreamAcksTests {
    /// The steps that pieces at these times lead to.
    private func steps(_ times: [UInt64]) -> [StreamAcks.Step] {
        var acks = StreamAcks()
        return times.map { acks.read(nowMilliseconds: $0) }
    }

    @Test func askedForOncePiecesFollowClosely() {
        #expect(
            steps([1000, 1020, 1040, 1060, 1080, 1100])
                == [.nothing, .nothing, .putOff, .nothing, .keptPace, .nothing])
    }

    @Test func askedForAgainNowAndThen() {
        let steps = steps((0..<100).map { 1000 + $0 * 20 })
        let asked = steps.indices.filter { steps[$0] == .putOff }
        #expect(asked == stride(from: 2, to: 100, by: Int(StreamAcks.piecesBetween)).map { $0 })
        #expect(steps.indices.filter { steps[$0] == .keptPace } == asked.map { $0 + 2 }.filter { $0 < 100 })
    }

    @Test func aPieceThatComesLateAfterThatIsTold() {
        #expect(
            steps([1000, 1020, 1040, 1080, 1100, 1120])
                == [.nothing, .nothing, .putOff, .fellBehind, .nothing, .putOff])
        // As Nagle's algorithm has it: the piece after the next waits.
        #expect(steps([1000, 1020, 1040, 1060, 1104]) == [.nothing, .nothing, .putOff, .nothing, .fellBehind])
        // Later pauses say nothing about it.
        #expect(
            steps([1000, 1020, 1040, 1060, 1080, 2000])
                == [.nothing, .nothing, .putOff, .nothing, .keptPace, .nothing])
    }

    @Test func slowStreamsAreLeftAlone() {
        #expect(steps((0..<50).map { 1000 + $0 * 31 }).allSatisfy { $0 == .nothing })
    }

    @Test func theTimesLowBitsWrapAround() {
        #expect(steps([65_500, 65_520, 65_540, 65_560]) == [.nothing, .nothing, .putOff, .nothing])
    }

    @Test func aTargetThatFallsBehindIsLeftAlone() {
        var pace = StreamPace()
        #expect(pace.allowsDelay)
        pace.noted(keptPace: false)
        #expect(pace.allowsDelay)
        for _ in 0..<4 { pace.noted(keptPace: true) }
        pace.noted(keptPace: false)
        #expect(pace.allowsDelay)
        pace.noted(keptPace: false)
        #expect(!pace.allowsDelay)
    }

    @Test func aTargetThatKeepsPaceMayFallBehindNowAndThen() {
        var pace = StreamPace()
        for n in 0..<1000 { pace.noted(keptPace: n % 6 != 0) }
        #expect(pace.allowsDelay)
        for _ in 0..<4 { pace.noted(keptPace: false) }
        #expect(!pace.allowsDelay)
    }
}
