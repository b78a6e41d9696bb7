import Reactor

/// Tokens in the order in which they came, in plain memory: appending counts no references, as an array would.
///
/// It grows to what one turn of the loop once needed and keeps that. Each connection stands in it a few times at most.
struct TokenQueue: ~Copyable {
    private var tokens: UnsafeMutablePointer<Token>
    private var capacity: Int
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    init(capacity: Int = 1024) {
        self.capacity = capacity
        tokens = .allocate(capacity: capacity)
    }

    deinit { tokens.deallocate() }

    subscript(index: Int) -> Token {
        precondition(index >= 0 && index < count)
        return tokens[index]
    }

    mutating func append(_ token: Token) {
        if count == capacity { grow() }
        (tokens + count).initialize(to: token)
        count &+= 1
    }

    mutating func removeAll() { count = 0 }

    @inline(never)
    private mutating func grow() {
        let larger = UnsafeMutablePointer<Token>.allocate(capacity: capacity * 2)
        larger.initialize(from: tokens, count: count)
        tokens.deallocate()
        tokens = larger
        capacity *= 2
    }
}
