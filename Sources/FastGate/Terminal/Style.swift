/// Colours of a terminal, or none.
struct Style: Equatable {
    /// What text may look like (ECMA-48 SGR).
    enum Look: Int {
        case bold = 1
        case dim = 2
        case red = 31
        case green = 32
        case yellow = 33
        case blue = 34
        case magenta = 35
        case cyan = 36
    }

    let isOn: Bool

    static let plain = Style(isOn: false)

    init(isOn: Bool) { self.isOn = isOn }

    /// - Parameters:
    ///   - choice: `always`, `never`, or `auto` and nil: on a terminal that has colours, unless `NO_COLOR` is set and
    ///     not empty (no-color.org).
    init(choice: String?, environment: [String: String], isTerminal: Bool) {
        switch choice {
        case "always": isOn = true
        case "never": isOn = false
        default:
            let isUnwanted = !(environment["NO_COLOR"] ?? "").isEmpty || environment["TERM"] == "dumb"
            isOn = isTerminal && !isUnwanted
        }
    }

    func callAsFunction(_ text: String, _ look: Look?) -> String {
        guard isOn, let look, !text.isEmpty else { return text }
        return "\u{1B}[\(look.rawValue)m\(text)\u{1B}[0m"
    }

    /// How a status is shown: what went well is green, what the client did wrong yellow, the rest red.
    static func look(status: Int?) -> Look {
        switch status ?? 0 {
        case 200..<300: .green
        case 100..<200, 300..<400: .cyan
        case 400..<500: .yellow
        case 0: .magenta
        default: .red
        }
    }
}
