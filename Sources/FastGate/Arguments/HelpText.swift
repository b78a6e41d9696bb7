/// What `--help` prints, made from a command's description.
struct HelpText {
    /// Columns of a line.
    static let width = 88
    /// Where what an option does begins.
    private static let indent = 26

    private let command: Command
    /// The words that name it; empty for the program.
    private let path: String
    private let style: Style
    private var out: [String] = []

    /// The lines, without a line feed at their end.
    static func text(_ command: Command, path: String, style: Style = .plain) -> String {
        var help = HelpText(command: command, path: path, style: style)
        help.write()
        return help.out.joined(separator: "\n")
    }

    private init(command: Command, path: String, style: Style) {
        self.command = command
        self.path = path
        self.style = style
    }

    private var words: String { path.isEmpty ? "fastgate" : "fastgate \(path)" }

    private mutating func write() {
        out.append("\(style(words, .bold)) - \(command.summary)")
        title("USAGE")
        out += usage.map { "  " + $0 }
        paragraphs(command.details, separated: true)
        if command.isGroup { writeCommands() }
        let own = command.options.filter { !CommonOptions.contains($0.name) }
        let common = command.options.filter { CommonOptions.contains($0.name) }
        options("OPTIONS", own)
        options(own.isEmpty ? "OPTIONS" : "COMMON OPTIONS", common)
        if !command.examples.isEmpty {
            title(command.examples.count == 1 ? "EXAMPLE" : command.isGroup ? "FIRST STEPS" : "EXAMPLES")
            out += command.examples.map { "  " + $0 }
        }
        for section in command.sections { write(section) }
    }

    /// One line, or one for each command of a group.
    private var usage: [String] {
        if path.isEmpty { return ["fastgate COMMAND [OPTIONS]"] }
        if command.isGroup {
            return command.commands.map { "\(words) \(Self.synopsis($0))" }
        }
        return ["fastgate \(path.split(separator: " ").dropLast().map { $0 + " " }.joined())\(Self.synopsis(command))"]
    }

    /// `create SOURCE [OPTIONS]`.
    static func synopsis(_ command: Command) -> String {
        var parts = [command.name]
        for operand in command.operands {
            let name = operand.name + (operand.isRepeatable ? "..." : "")
            parts.append(operand.isRequired ? name : "[\(name)]")
        }
        if !command.options.isEmpty { parts.append("[OPTIONS]") }
        return parts.joined(separator: " ")
    }

    private mutating func writeCommands() {
        title("COMMANDS")
        var terms = command.commands.map { command in
            let names = command.commands.map(\.name).joined(separator: ", ")
            return (command.name, command.summary + (names.isEmpty ? "" : ": \(names)"))
        }
        if path.isEmpty { terms.append(("help COMMAND", "explain a command; so does COMMAND --help")) }
        write(terms: terms)
        if !path.isEmpty { out += ["", "\(words) COMMAND --help says more."] }
    }

    private mutating func options(_ name: String, _ specs: [OptionSpec]) {
        guard !specs.isEmpty else { return }
        title(name)
        write(
            terms: specs.map { spec in
                let letter = spec.letter.map { "-\($0), " } ?? "    "
                return (letter + "--\(spec.name)" + (spec.valueName.map { " \($0)" } ?? ""), spec.help)
            })
    }

    private mutating func write(_ section: HelpSection) {
        title(section.title)
        for (index, paragraph) in section.paragraphs.enumerated() {
            if index > 0 { out.append("") }
            out += Self.lines(paragraph, indent: 2)
        }
        write(terms: section.terms)
    }

    private mutating func paragraphs(_ paragraphs: [String], separated: Bool) {
        for paragraph in paragraphs {
            out.append("")
            out += Self.lines(paragraph, indent: 0)
        }
    }

    private static func lines(_ paragraph: String, indent: Int) -> [String] {
        let blanks = String(repeating: " ", count: indent)
        if paragraph.hasPrefix(" ") {
            return paragraph.split(separator: "\n", omittingEmptySubsequences: false).map { blanks + $0 }
        }
        return TextWrap.lines(paragraph, width: width - indent).map { blanks + $0 }
    }

    private mutating func write(terms: [(String, String)]) {
        let longest = terms.map { TextWidth.of($0.0) }.max() ?? 0
        let indent = min(Self.indent, longest + 4)
        for (term, meaning) in terms {
            var lines = TextWrap.lines(meaning, width: Self.width - indent)
            var first = "  " + term
            if TextWidth.of(first) + 2 <= indent, !lines.isEmpty {
                first += String(repeating: " ", count: indent - TextWidth.of(first)) + lines.removeFirst()
            }
            out += TextWidth.of(first) <= Self.width ? [first] : Self.broken(term)
            out += lines.map { String(repeating: " ", count: indent) + $0 }
        }
    }

    /// A term that is too long for a line.
    private static func broken(_ term: String) -> [String] {
        TextWrap.lines(term, width: width - 4).enumerated().map { ($0 == 0 ? "  " : "    ") + $1 }
    }

    private mutating func title(_ text: String) {
        out += ["", style(text, .bold)]
    }
}
