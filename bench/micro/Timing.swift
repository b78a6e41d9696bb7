import Reactor

/// Keeps the optimiser from removing what led to a value.
@inline(never)
func keep(_ value: UInt64) {
    if value == 0x5EED_0FF0_0D15_EA5E { print("") }
}

/// Times a case: rounds of at least `roundNanoseconds`, and their median.
enum Timing {
    static let rounds = 9
    static let roundNanoseconds: UInt64 = 20_000_000

    static func report(_ each: Case) {
        let run = each.prepare()
        var iterations = 64
        while nanoseconds(run, iterations) < roundNanoseconds && iterations < 1 << 32 { iterations *= 2 }
        var figures = (0..<rounds).map { _ in Double(nanoseconds(run, iterations)) / Double(iterations) }
        figures.sort()
        print(
            padded(each.name, 24) + padded(text(figures[rounds / 2]), 10, left: true) + "      ("
                + text(figures[0]) + ")   " + each.what)
    }

    private static func nanoseconds(_ run: (Int) -> UInt64, _ iterations: Int) -> UInt64 {
        let began = Clock.monotonicNanoseconds()
        keep(run(iterations))
        return Clock.monotonicNanoseconds() - began
    }

    private static func text(_ value: Double) -> String {
        let tenths = Int(value * 10 + 0.5)
        return "\(tenths / 10).\(tenths % 10)"
    }

    private static func padded(_ text: String, _ width: Int, left: Bool = false) -> String {
        let fill = String(repeating: " ", count: max(0, width - text.utf8.count))
        return left ? fill + text : text + fill
    }
}
