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
    /// The one whose first byte came soonest of late, failures counted in.
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

/// Chooses one of any number of options in two passes: every option is counted, then every option is offered in the same
/// order until one is taken. Nothing is kept of them in between.
struct BalancingChoice: BitwiseCopyable {
    /// Every so many choices the fastest gives way to another one, so that a measurement of old does not hold for ever.
    static let explorationInterval: UInt64 = 64

    let balancing: Balancing
    let random: UInt64
    private(set) var count: UInt64 = 0
    private var first: Int32 = -1
    private var totalWeight: UInt64 = 0
    private var turn: UInt64 = 0
    private var offered: UInt64 = 0
    private var weightLeft: UInt64 = 0
    private var best = BalancingOption(index: -1)
    private var bestDistance: UInt64 = 0

    /// - Parameter random: a fresh random number.
    init(_ balancing: Balancing, random: UInt64) {
        self.balancing = balancing
        self.random = random
    }

    mutating func add(_ option: BalancingOption) {
        if count == 0 { first = option.index }
        count += 1
        totalWeight += UInt64(max(option.weight, 0))
    }

    /// All options are counted, in their order of preference.
    ///
    /// - Parameter turn: how often was chosen here before; takes turns, also between options that are otherwise equal.
    /// - Returns: the index of the option chosen, if the second pass is not needed.
    mutating func decide(turn: UInt64) -> Int32? {
        self.turn = turn
        if totalWeight > 0 { weightLeft = random % totalWeight }
        if count <= 1 || balancing == .firstAvailable || (balancing == .weighted && totalWeight == 0) { return first }
        return nil
    }

    /// True once the choice is made: the rest need not be offered.
    mutating func offer(_ option: BalancingOption) -> Bool {
        let position = offered
        offered += 1
        switch balancing {
        case .firstAvailable: return take(option)
        case .roundRobin: return position == turn % count && take(option)
        case .random: return position == random % count && take(option)
        case .weighted:
            let weight = UInt64(max(option.weight, 0))
            if weightLeft < weight { return take(option) }
            weightLeft -= weight
            return false
        case .fastest where turn % Self.explorationInterval == Self.explorationInterval - 1:
            return position == random % count && take(option)
        case .leastBusy, .fastest, .healthiest:
            // Equals take turns: the one that comes first from the turn's place on.
            let distance = (position &+ count &- turn % count) % count
            if best.index < 0 || isBetter(option, distance) {
                best = option
                bestDistance = distance
            }
            return false
        }
    }

    /// What was chosen. Options that have come or gone between the passes are no harm: then it is the first.
    var chosen: Int32 { best.index >= 0 ? best.index : first }

    private mutating func take(_ option: BalancingOption) -> Bool {
        best = option
        return true
    }

    /// How long it takes until an answer begins, in microseconds, when all that fail are asked again: else what fails at once,
    /// and is never measured, would be the fastest for ever. What was never used is measured first.
    private static func wait(_ option: BalancingOption) -> UInt64 {
        if option.firstByteMicroseconds == 0 { return option.successShare < 65536 ? .max : 0 }
        return UInt64(option.firstByteMicroseconds) * 65536 / UInt64(max(option.successShare, 1))
    }

    private func isBetter(_ option: BalancingOption, _ distance: UInt64) -> Bool {
        switch balancing {
        case .leastBusy where option.openExchanges != best.openExchanges:
            return option.openExchanges < best.openExchanges
        case .fastest where Self.wait(option) != Self.wait(best): return Self.wait(option) < Self.wait(best)
        case .healthiest where option.successShare != best.successShare:
            return option.successShare > best.successShare
        default: return distance < bestDistance
        }
    }
}
