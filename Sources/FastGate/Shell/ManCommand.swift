/// `fastgate man`
enum ManCommand {
    static let command = Command(
        "man", "print the manual page",
        details: ["Made from the same description as the help texts, in the format of man(7)."],
        examples: ["fastgate man | man -l -"],
        action: { call in call.console.print(ManualPage.text()) })
}

/// The manual page fastgate(1), as roff.
enum ManualPage {
    static func text() -> String {
        var page = Roff()
        page.line(".TH FASTGATE 1 \(fastGateVersionDate) \"FastGate \(fastGateVersion)\" \"User Commands\"")
        page.section("NAME")
        page.text("fastgate - \(CommandTree.program.summary)")
        page.section("SYNOPSIS")
        page.line(".B fastgate")
        page.text("COMMAND [OPTIONS]")
        page.section("DESCRIPTION")
        page.text("Each command explains itself with --help. Options that a command takes may also stand before it.")
        page.section("COMMANDS")
        for (path, command) in CommandTree.all where !command.isGroup {
            page.line(
                ".SS \(Roff.quoted("fastgate \(path.split(separator: " ").dropLast().map { $0 + " " }.joined())\(HelpText.synopsis(command))"))"
            )
            write(command, to: &page)
        }
        page.section("COMMON OPTIONS")
        for option in CommonOptions.all { page.term(flag(option), option.help) }
        write(CommonOptions.access, to: &page)
        for section in CommandTree.program.sections { write(section, to: &page) }
        page.section("EXAMPLES")
        page.literal(CommandTree.program.examples.joined(separator: "\n"))
        return page.lines.joined(separator: "\n")
    }

    private static func write(_ command: Command, to page: inout Roff) {
        page.text(command.summary.prefix(1).uppercased() + command.summary.dropFirst() + ".")
        for paragraph in command.details { page.paragraph(paragraph) }
        for option in command.options where !CommonOptions.contains(option.name) {
            page.term(flag(option), option.help)
        }
        let common = command.options.filter { CommonOptions.contains($0.name) }
        if !common.isEmpty { page.paragraph("Also: " + common.map { "--\($0.name)" }.joined(separator: ", ") + ".") }
        for section in command.sections where section.title == "SIGNALS" || section.title == "FORMAT" {
            page.paragraph(section.title.prefix(1) + section.title.dropFirst().lowercased() + ":")
            for paragraph in section.paragraphs { page.paragraph(paragraph) }
            for (term, meaning) in section.terms { page.term(term, meaning) }
        }
        if !command.examples.isEmpty {
            page.paragraph(command.examples.count == 1 ? "Example:" : "Examples:")
            page.literal(command.examples.joined(separator: "\n"))
        }
    }

    private static func write(_ section: HelpSection, to page: inout Roff) {
        page.section(section.title)
        for (index, paragraph) in section.paragraphs.enumerated() {
            if index == 0 { page.text(paragraph) } else { page.paragraph(paragraph) }
        }
        for (term, meaning) in section.terms { page.term(term, meaning) }
    }

    private static func flag(_ option: OptionSpec) -> String {
        (option.letter.map { "-\($0), " } ?? "") + "--\(option.name)" + (option.valueName.map { " \($0)" } ?? "")
    }
}

/// Lines of roff with the macros of man(7).
private struct Roff {
    private(set) var lines: [String] = []

    mutating func line(_ line: String) { lines.append(line) }

    mutating func section(_ title: String) { lines.append(".SH \(Self.quoted(title))") }

    mutating func text(_ text: some StringProtocol) {
        for line in TextWrap.lines(String(text), width: 100) { lines.append(Self.escaped(line)) }
    }

    /// One that begins with blanks is shown as it stands.
    mutating func paragraph(_ text: some StringProtocol) {
        if text.hasPrefix(" ") { return literal(String(text)) }
        lines.append(".PP")
        self.text(text)
    }

    mutating func term(_ term: String, _ meaning: String) {
        lines.append(".TP")
        lines.append("\\fB\(Self.escaped(term))\\fR")
        text(meaning)
    }

    mutating func literal(_ text: String) {
        // A section begins a paragraph by itself.
        if lines.last?.hasPrefix(".SH") != true { lines.append(".PP") }
        lines += [".RS 4", ".nf"]
        lines += text.split(separator: "\n", omittingEmptySubsequences: false).map { Self.escaped(String($0)) }
        lines += [".fi", ".RE"]
    }

    static func quoted(_ text: String) -> String {
        "\"" + escaped(text).split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\\(dq") + "\""
    }

    /// Text that roff takes for nothing else. A hyphen is written as the minus that shells know.
    static func escaped(_ text: String) -> String {
        var out = text.hasPrefix(".") || text.hasPrefix("'") ? "\\&" : ""
        for character in text {
            switch character {
            case "\\": out += "\\e"
            case "-": out += "\\-"
            case "'": out += "\\(aq"
            case "`": out += "\\(ga"
            case "^": out += "\\(ha"
            case "~": out += "\\(ti"
            default: out.append(character)
            }
        }
        return out
    }
}
