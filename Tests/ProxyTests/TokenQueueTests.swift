import Reactor
import Testing

@testable import Proxy

@Suite struct TokenQueueTests {
    private func token(_ i: Int) -> Token { Token(kind: 3, generation: 7, index: UInt32(i)) }

    private func contents(_ queue: borrowing TokenQueue) -> [Token] {
        var tokens: [Token] = []
        for i in 0..<queue.count { tokens.append(queue[i]) }
        return tokens
    }

    @Test func keepsTheOrderAndGrows() {
        var queue = TokenQueue(capacity: 2)
        #expect(contents(queue).isEmpty)
        for i in 0..<100 { queue.append(token(i)) }
        #expect(contents(queue) == (0..<100).map(token))
        queue.removeAll()
        #expect(contents(queue).isEmpty)
        queue.append(token(5))
        #expect(contents(queue) == [token(5)])
    }

    @Test func twoCanChangePlaces() {
        var now = TokenQueue()
        var next = TokenQueue()
        now.append(token(1))
        swap(&now, &next)
        #expect(contents(now).isEmpty)
        #expect(contents(next) == [token(1)])
    }
}
