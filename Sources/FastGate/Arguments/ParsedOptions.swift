import Config

/// Options and operands of one command. `--name value`, `--name=value`, `-n value`, `-nvalue` and `--` for the end of
/// the options are understood; options and operands may be mixed.
struct ParsedOptions {
    private var values: [String: [String]] = [:]
    private(set) var operands: [String] = []
    /// `--help` was among them.
    private(set) var asksForHelp = false
    private let command: Command
    /// The words that name the command: `keys list`.
    let path: String

    init(_ arguments: some Sequence<String>, _ command: Command, path: String) throws(CommandFailure) {
        self.command = command
        self.path = path
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
                try take(long: argument.dropFirst(2), &remaining)
            } else {
                try take(short: argument.dropFirst(), &remaining)
            }
        }
        if !asksForHelp { try checkOperands() }
    }

    func has(_ name: String) -> Bool { values[name] != nil }

    func value(_ name: String) -> String? { values[name]?.last }

    func all(_ name: String) -> [String] { values[name] ?? [] }

    /// Of an option that is an integer.
    func integer(_ name: String) -> Int? { value(name).flatMap { Int($0) } }

    /// The one of several switches that is there; two are a failure.
    func one(of names: String...) throws(CommandFailure) -> String? {
        let given = names.filter { has($0) }
        if given.count > 1 { throw problem("--\(given[0]) and --\(given[1]) exclude each other") }
        return given.first
    }

    func problem(_ message: String) -> CommandFailure { .usage(message, path) }

    // MARK: - Understanding

    private func checkOperands() throws(CommandFailure) {
        let specs = command.operands
        if let missing = specs.dropFirst(operands.count).first(where: \.isRequired) {
            throw problem("\(missing.name) is missing")
        }
        if specs.last?.isRepeatable != true, operands.count > specs.count {
            throw problem(command.surplusProblem ?? "\"\(operands[specs.count])\" is one argument too many")
        }
        for (index, text) in operands.enumerated() {
            let spec = specs[min(index, specs.count - 1)]
            if text.isEmpty { throw problem("\(spec.name) must not be empty") }
            try check(text, spec.kind, spec.name)
        }
    }

    private mutating func take(long text: Substring, _ remaining: inout [String]) throws(CommandFailure) {
        let halves = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let name = String(halves[0])
        guard let spec = command.options.first(where: { $0.name == name }) else {
            let near = Suggestion.nearest(to: name, among: command.options.map(\.name) + ["help"])
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

    private mutating func take(short text: Substring, _ remaining: inout [String]) throws(CommandFailure) {
        var letters = text
        while let letter = letters.popFirst() {
            guard let spec = command.options.first(where: { $0.letter == letter }) else {
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

    private mutating func add(_ spec: OptionSpec, _ value: String) throws(CommandFailure) {
        if values[spec.name] != nil && spec.takesValue && !spec.isRepeatable {
            throw problem("--\(spec.name) is there twice")
        }
        if spec.takesValue { try check(value, spec.kind, "--\(spec.name)") }
        values[spec.name, default: []].append(value)
    }

    /// Refuses a value that is not of its kind.
    private func check(_ text: String, _ kind: ValueKind, _ name: String) throws(CommandFailure) {
        let rule: String
        switch kind {
        case .text: return
        case .file:
            if text.isEmpty { throw problem("\(name) must not be empty") }
            return
        case .choice(let choices):
            if choices.contains(text) { return }
            rule = "be " + (choices.dropLast().joined(separator: ", ") + " or " + (choices.last ?? ""))
        case .integer(let range):
            if let number = Int(text), range.contains(number), text.first != "+" { return }
            rule = "be an integer from \(range.lowerBound) to \(range.upperBound)"
        case .number:
            if let number = Double(text), number.isFinite, number >= 0 { return }
            rule = "be a number, not negative"
        }
        throw problem("\(name) must \(rule), not \"\(text)\"")
    }
}
