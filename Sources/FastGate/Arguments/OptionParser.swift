import Config

/// The command line cannot be understood; ends with exit code 2.
struct UsageError: Error, Equatable {
    let message: String
    /// Whose help says how it is meant.
    let topic: HelpTopic
}

/// An option that a command takes.
struct OptionSpec {
    /// Without the two dashes.
    let name: String
    /// Without the dash.
    var letter: Character?
    var takesValue = true
    /// May be given several times.
    var isRepeatable = false
}

/// Options and operands of one command. `--name value`, `--name=value`, `-n value`, `-nvalue` and `--` for the end of
/// the options are understood; options and operands may be mixed.
struct ParsedOptions {
    private var values: [String: [String]] = [:]
    private(set) var operands: [String] = []
    /// `--help` was among them.
    private(set) var asksForHelp = false
    let topic: HelpTopic

    init(_ arguments: some Sequence<String>, _ specs: [OptionSpec], topic: HelpTopic) throws(UsageError) {
        self.topic = topic
        var remaining = Array(arguments.reversed())
        var isPastOptions = false
        while let argument = remaining.popLast() {
            if isPastOptions || argument == "-" || !argument.hasPrefix("-") {
                operands.append(argument)
            } else if argument == "--" {
                isPastOptions = true
            } else if argument == "--help" || argument == "-h" {
                asksForHelp = true
            } else if argument.hasPrefix("--") {
                try take(long: argument.dropFirst(2), specs, &remaining)
            } else {
                try take(short: argument.dropFirst(), specs, &remaining)
            }
        }
    }

    func has(_ name: String) -> Bool { values[name] != nil }

    func value(_ name: String) -> String? { values[name]?.last }

    func all(_ name: String) -> [String] { values[name] ?? [] }

    /// The option's value as an integer within `range`.
    func integer(_ name: String, _ range: ClosedRange<Int>) throws(UsageError) -> Int? {
        guard let text = value(name) else { return nil }
        guard let number = Int(text), range.contains(number), text.first != "+" else {
            throw problem("--\(name) must be an integer from \(range.lowerBound) to \(range.upperBound), not \"\(text)\"")
        }
        return number
    }

    /// Refuses operands beyond `count`, and fewer than `minimum`.
    func requireOperands(_ minimum: Int, _ count: Int, _ name: String) throws(UsageError) {
        if asksForHelp { return }
        if operands.count < minimum { throw problem("\(name) is missing") }
        if operands.count > count { throw problem("\"\(operands[count])\" is one argument too many") }
    }

    func problem(_ message: String) -> UsageError { UsageError(message: message, topic: topic) }

    private mutating func take(
        long text: Substring, _ specs: [OptionSpec], _ remaining: inout [String]
    ) throws(UsageError) {
        let halves = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(halves[0])
        guard let spec = specs.first(where: { $0.name == name }) else {
            let near = Suggestion.nearest(to: name, among: specs.map(\.name) + ["help"])
            throw problem("there is no option --\(name)" + (near.map { "; did you mean --\($0)?" } ?? ""))
        }
        if !spec.takesValue {
            guard halves.count == 1 else { throw problem("--\(name) takes no value") }
            try add(spec, "")
        } else if halves.count == 2 {
            try add(spec, String(halves[1]))
        } else {
            guard let value = remaining.popLast() else { throw problem("--\(name) needs a value") }
            try add(spec, value)
        }
    }

    private mutating func take(
        short text: Substring, _ specs: [OptionSpec], _ remaining: inout [String]
    ) throws(UsageError) {
        var letters = text
        while let letter = letters.popFirst() {
            guard let spec = specs.first(where: { $0.letter == letter }) else {
                if letter == "h" {
                    asksForHelp = true
                    continue
                }
                throw problem("there is no option -\(letter)")
            }
            if !spec.takesValue {
                try add(spec, "")
                continue
            }
            guard let value = letters.isEmpty ? remaining.popLast() : String(letters) else {
                throw problem("-\(letter) needs a value")
            }
            try add(spec, value)
            return
        }
    }

    private mutating func add(_ spec: OptionSpec, _ value: String) throws(UsageError) {
        if values[spec.name] != nil && spec.takesValue && !spec.isRepeatable {
            throw problem("--\(spec.name) is there twice")
        }
        values[spec.name, default: []].append(value)
    }
}
