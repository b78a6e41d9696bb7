/// `fastgate completions`
enum CompletionsCommand {
    static let command = Command(
        "completions", "print the completions of a shell",
        details: ["Made from the same description as the help texts. To be loaded by the shell's start-up file."],
        operands: [Operand("SHELL", .choice(["bash", "zsh", "fish"]))], options: [],
        examples: [
            "source <(fastgate completions bash)",
            "fastgate completions zsh > \"${fpath[1]}/_fastgate\"",
            "fastgate completions fish > ~/.config/fish/completions/fastgate.fish",
        ],
        action: { (call) throws(CommandFailure) in
            switch call.options.operands[0] {
            case "bash": call.console.print(BashCompletion.script())
            case "zsh": call.console.print(ZshCompletion.script())
            default: call.console.print(FishCompletion.script())
            }
        })
}

extension Command {
    /// Words that an option or an operand of this kind may be.
    static func words(_ kind: ValueKind) -> [String] {
        if case .choice(let words) = kind { return words }
        return []
    }

    /// The options with `--help`.
    var allOptions: [OptionSpec] { options + [OptionSpec(flag: "help", "h", help: "explain the command")] }
}

/// Text within single quotes of a POSIX shell.
func singleQuoted(_ text: String) -> String {
    "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
}
