import Reactor

/// How far a long command has come, on one line of standard error that is drawn again and again. Nothing is drawn where
/// nobody would see it, or where it would be mixed with the output.
final class Progress {
    private static let intervalNanoseconds: UInt64 = 100_000_000
    private static let barWidth = 24

    private let console: any Console
    private let isShown: Bool
    private let what: String
    /// Nil if it is not known.
    private let total: Int?
    private let started = Clock.monotonicNanoseconds()
    private var drawn: UInt64 = 0
    private var hasDrawn = false

    /// - Parameters:
    ///   - what: plural, such as `rows`.
    ///   - isMixed: whether the terminal already shows what the command writes.
    init(_ console: any Console, _ what: String, total: Int?, isMixed: Bool) {
        self.console = console
        self.what = what
        self.total = total
        isShown = console.seesProgress && !isMixed
    }

    /// So many are done, and so many bytes.
    func update(_ count: Int, bytes: Int? = nil) {
        guard isShown else { return }
        let now = Clock.monotonicNanoseconds()
        guard !hasDrawn || now - drawn >= Self.intervalNanoseconds else { return }
        drawn = now
        hasDrawn = true
        let seconds = Double(now - started) / 1e9
        console.showProgress("\r\u{1B}[K" + Self.line(what, count, total: total, bytes: bytes, seconds: seconds))
    }

    /// Takes the line away.
    func finish() {
        if hasDrawn { console.showProgress("\r\u{1B}[K") }
        hasDrawn = false
    }

    static func line(_ what: String, _ count: Int, total: Int?, bytes: Int?, seconds: Double) -> String {
        var parts: [String] = []
        if let total, total > 0 {
            let share = min(1, Double(count) / Double(total))
            let filled = Int(share * Double(barWidth))
            let bar = String(repeating: "#", count: filled) + String(repeating: "-", count: barWidth - filled)
            parts.append("[\(bar)] \(Int(share * 100)) %")
            parts.append("\(Quantity.count(count)) of \(Quantity.count(total)) \(what)")
        } else {
            parts.append("\(Quantity.count(count)) \(what)")
        }
        if let bytes {
            parts.append(Quantity.bytes(bytes))
            if seconds >= 0.5 { parts.append(Quantity.bytes(Int(Double(bytes) / seconds)) + "/s") }
        }
        return parts.joined(separator: "  ")
    }
}
