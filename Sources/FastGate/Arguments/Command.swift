/// A command, or a group of commands: the one description that parser, help, manual page and shell completions go by.
///
/// A new group is a file that makes such a value and one entry in `CommandTree.commands`.
struct Command: Sendable {
    typealias Action = @Sendable (Call) throws(CommandFailure) -> Void

    /// One word.
    let name: String
    /// What it does, in a few words that begin with a small letter.
    let summary: String
    /// Paragraphs. One that begins with blanks is shown as it stands.
    var details: [String] = []
    var operands: [Operand] = []
    /// In the order of the help text; `CommonOptions` come last.
    var options: [OptionSpec] = []
    /// Lines to type.
    var examples: [String] = []
    var sections: [HelpSection] = []
    /// Of a group.
    var commands: [Command] = []
    /// Of a command.
    var action: Action?
    /// What is said to an argument too many, which is not repeated then: it may be a secret.
    var surplusProblem: String?

    /// A command.
    init(
        _ name: String, _ summary: String, details: [String] = [], operands: [Operand] = [],
        options: [OptionSpec] = [], examples: [String] = [], sections: [HelpSection] = [], action: @escaping Action
    ) {
        self.name = name
        self.summary = summary
        self.details = details
        self.operands = operands
        self.options = options
        self.examples = examples
        self.sections = sections
        self.action = action
    }

    /// The command, with words of its own for an argument too many.
    func refusingMore(_ problem: String) -> Command {
        var command = self
        command.surplusProblem = problem
        return command
    }

    /// A group.
    init(
        group name: String, _ summary: String, details: [String] = [], examples: [String] = [],
        sections: [HelpSection] = [], _ commands: [Command]
    ) {
        self.name = name
        self.summary = summary
        self.details = details
        self.examples = examples
        self.sections = sections
        self.commands = commands
    }

    var isGroup: Bool { action == nil }
}

/// A titled part of a help text, such as SIGNALS.
struct HelpSection: Sendable {
    /// In capitals.
    let title: String
    /// As of `Command.details`.
    let paragraphs: [String]
    /// Terms and what they mean, after the paragraphs.
    var terms: [(term: String, meaning: String)] = []
}

/// What an option's value, or an operand, may be. The parser refuses anything else, completions offer it.
enum ValueKind: Sendable {
    case text
    case file
    case choice([String])
    case integer(ClosedRange<Int>)
    /// Decimal, not negative.
    case number
}

/// An argument that is not an option.
struct Operand: Sendable {
    /// As help shows it: `KEY_ID`.
    let name: String
    var kind = ValueKind.text
    var isRequired = true
    /// The last operand may be given several times.
    var isRepeatable = false

    init(_ name: String, _ kind: ValueKind = .text, isRequired: Bool = true, isRepeatable: Bool = false) {
        self.name = name
        self.kind = kind
        self.isRequired = isRequired
        self.isRepeatable = isRepeatable
    }
}

/// An option that a command takes.
struct OptionSpec: Sendable {
    /// Without the two dashes.
    let name: String
    /// Without the dash.
    let letter: Character?
    /// The value as help calls it; nil for a switch.
    let valueName: String?
    let kind: ValueKind
    /// May be given several times.
    let isRepeatable: Bool
    /// What it does; begins with a small letter.
    let help: String

    var takesValue: Bool { valueName != nil }

    /// With a value.
    init(
        _ name: String, _ letter: Character? = nil, _ valueName: String, _ kind: ValueKind = .text,
        isRepeatable: Bool = false, help: String
    ) {
        self.name = name
        self.letter = letter
        self.valueName = valueName
        self.kind = kind
        self.isRepeatable = isRepeatable
        self.help = help
    }

    /// A switch.
    init(flag name: String, _ letter: Character? = nil, help: String) {
        self.name = name
        self.letter = letter
        valueName = nil
        kind = .text
        isRepeatable = false
        self.help = help
    }
}
