import Reactor
import Testing

@testable import Proxy

@Suite struct TokenQueueTests {
    private func token(_ i: Int) -> Token { Token(kind: 3, generation: 7, index: UInt32(i)) }

    @Test func keepsTheOrderAndGrows() {
        var queue = TokenQueue(capacity: 2)
        #expect(queue.isEmpty)
        for i in 0..<100 { queue.append(token(i)) }
        let inOrder = (0..<100).allSatisfy { queue[$0] == token($0) }
        #expect(queue.count == 100 && inOrder)
        queue.removeAll()
        #expect(queue.isEmpty)
        queue.append(token(5))
        #expect(queue.count == 1 && queue[0] == token(5))
    }

    @Test func twoCanChangePlaces() {
        var (now, next) = (TokenQueue(), TokenQueue())
        now.append(token(1))
        swap(&now, &next)
        #expect(now.isEmpty && next.count == 1 && next[0] == token(1))
    }
}
