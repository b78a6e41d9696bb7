/// The completion script for fish, made from the commands' description.
enum FishCompletion {
    static func script() -> String {
        var lines = [
            "# fish completion of fastgate; made by: fastgate completions fish",
            "complete -c fastgate -e",
            "complete -c fastgate -f",
            "",
            "# The words before the cursor that are no options begin with these, and no more of them name a command.",
            "function __fastgate_at",
            "    set -l words (commandline -opc)[2..-1]",
            "    set -l path (string match -v -- '-*' $words)",
            "    test (count $path) -ge (count $argv); or return 1",
            "    test (count $argv) -eq 0; or test \"$path[1..\"(count $argv)\"]\" = \"$argv\"",
            "end",
            "",
            "function __fastgate_exactly",
            "    set -l words (commandline -opc)[2..-1]",
            "    set -l path (string match -v -- '-*' $words)",
            "    test (count $path) -eq (count $argv); and test \"$path\" = \"$argv\"",
            "end",
            "",
        ]
        for (path, command) in CommandTree.all {
            if command.isGroup {
                for child in command.commands { lines.append(line("exactly", path, "-a \(child.name)", child.summary)) }
                lines.append(line("exactly", path, "-s h -l help", "explain the command"))
                continue
            }
            for operand in command.operands {
                switch operand.kind {
                case .file: lines.append("complete -c fastgate -n '__fastgate_at \(path)' -F")
                case .choice(let words):
                    lines.append(line("at", path, "-a \(singleQuoted(words.joined(separator: " ")))", operand.name))
                default: break
                }
            }
            for option in command.allOptions { lines.append(line("at", path, flags(option), option.help)) }
        }
        return lines.joined(separator: "\n")
    }

    private static func line(_ test: String, _ path: String, _ what: String, _ summary: String) -> String {
        let condition = path.isEmpty ? "__fastgate_\(test)" : "__fastgate_\(test) \(path)"
        return "complete -c fastgate -n \(quoted(condition)) \(what) -d \(quoted(summary))"
    }

    private static func flags(_ option: OptionSpec) -> String {
        var text = option.letter.map { "-s \($0) " } ?? ""
        text += "-l \(option.name)"
        guard option.takesValue else { return text }
        switch option.kind {
        case .file: return text + " -r -F"
        case .choice(let words): return text + " -x -a \(quoted(words.joined(separator: " ")))"
        default: return text + " -x"
        }
    }

    /// Within single quotes fish takes a backslash before a quote or a backslash.
    private static func quoted(_ text: String) -> String {
        "'" + text.map { $0 == "'" || $0 == "\\" ? "\\\($0)" : "\($0)" }.joined() + "'"
    }
}
