/// How one is chosen among several that would do: providers of a model, or keys of a provider.
public enum Balancing: UInt8, BitwiseCopyable, Sendable, CaseIterable {
    /// The first in order.
    case firstAvailable
    /// Each in its turn.
    case roundRobin
    /// Any, all equally often.
    case random
    /// Any, as often as its weight says.
    case weighted
    /// The one with the fewest open exchanges.
    case leastBusy
    /// The one whose first byte came soonest of late.
    case fastest
    /// The one that failed least of late.
    case healthiest

    /// As the database and the settings spell it.
    public var name: String {
        switch self {
        case .firstAvailable: "first_available"
        case .roundRobin: "round_robin"
        case .random: "random"
        case .weighted: "weighted"
        case .leastBusy: "least_busy"
        case .fastest: "fastest"
        case .healthiest: "healthiest"
        }
    }

    public init?(name: String) {
        guard let found = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = found
    }
}

/// One of those to choose among, with what the strategies look at.
struct BalancingOption: BitwiseCopyable, Equatable {
    /// The caller's own index.
    var index: Int32
    var weight: Int32 = 1
    var openExchanges: UInt32 = 0
    /// Moving average of the time to the first byte; 0 = not measured yet.
    var firstByteMicroseconds: UInt32 = 0
    /// Moving average of successes, in 1/65536; 65536 = never failed.
    var successShare: UInt32 = 65536
}

extension Balancing {
    /// Every so many choices the fastest gives way to another one, so that a measurement of old does not hold for ever.
    static let explorationInterval: UInt64 = 64

    /// Chooses one of `count` options, which are all available and stand in their order of preference.
    ///
    /// - Parameters:
    ///   - turn: how often was chosen here before; takes turns, also between options that are otherwise equal.
    ///   - random: a fresh random number.
    /// - Returns: a position in `options`.
    func choose(_ options: UnsafePointer<BalancingOption>, _ count: Int, turn: UInt64, random: UInt64) -> Int {
        if count <= 1 { return 0 }
        switch self {
        case .firstAvailable: return 0
        case .roundRobin: return Int(turn % UInt64(count))
        case .random: return Int(random % UInt64(count))
        case .weighted: return Self.draw(options, count, random)
        case .leastBusy:
            return Self.best(options, count, turn) { $0.openExchanges < $1.openExchanges }
        case .fastest:
            if turn % Self.explorationInterval == Self.explorationInterval - 1 { return Int(random % UInt64(count)) }
            // What was never measured is measured first.
            return Self.best(options, count, turn) { $0.firstByteMicroseconds < $1.firstByteMicroseconds }
        case .healthiest:
            return Self.best(options, count, turn) { $0.successShare > $1.successShare }
        }
    }

    /// The option that is better than all others; equals take turns.
    @inline(__always)
    private static func best(
        _ options: UnsafePointer<BalancingOption>, _ count: Int, _ turn: UInt64,
        _ isBetter: (BalancingOption, BalancingOption) -> Bool
    ) -> Int {
        let start = Int(turn % UInt64(count))
        var best = start
        var i = 1
        while i < count {
            let candidate = (start &+ i) % count
            if isBetter(options[candidate], options[best]) { best = candidate }
            i &+= 1
        }
        return best
    }

    /// The first if no weight is above 0.
    private static func draw(_ options: UnsafePointer<BalancingOption>, _ count: Int, _ random: UInt64) -> Int {
        var total: UInt64 = 0
        for i in 0..<count { total += UInt64(max(options[i].weight, 0)) }
        if total == 0 { return 0 }
        var left = random % total
        for i in 0..<count {
            let weight = UInt64(max(options[i].weight, 0))
            if left < weight { return i }
            left -= weight
        }
        return 0
    }
}
