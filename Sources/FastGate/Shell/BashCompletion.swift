/// The completion script for bash, made from the commands' description.
enum BashCompletion {
    static func script() -> String {
        var words: [String] = []
        var values: [String] = []
        var files: [String] = []
        for (path, command) in CommandTree.all {
            let key = path.split(separator: " ").joined(separator: " ")
            if command.isGroup {
                let names = command.commands.map(\.name) + (path.isEmpty ? ["help"] : [])
                let options = path.isEmpty ? ["--help", "--version"] : ["--help"]
                words.append(
                    "        \(singleQuoted(key))) words=\(singleQuoted((names + options).joined(separator: " "))) ;;")
                continue
            }
            let options = command.allOptions.map { "--\($0.name)" }
            let operands = command.operands.flatMap { Command.words($0.kind) }
            words.append(
                "        \(singleQuoted(key))) words=\(singleQuoted((operands + options).joined(separator: " "))) ;;")
            if command.operands.contains(where: { if case .file = $0.kind { true } else { false } }) {
                files.append(singleQuoted(key))
            }
        }
        for option in distinctOptions where option.takesValue {
            let names = ["--\(option.name)"] + (option.letter.map { ["-\($0)"] } ?? [])
            let pattern = names.map(singleQuoted).joined(separator: "|")
            switch option.kind {
            case .file: values.append("        \(pattern)) compopt -o default; COMPREPLY=(); return ;;")
            case .choice(let choices):
                values.append(
                    "        \(pattern)) COMPREPLY=($(compgen -W \(singleQuoted(choices.joined(separator: " "))) -- \"$current\")); return ;;"
                )
            default: values.append("        \(pattern)) COMPREPLY=(); return ;;")
            }
        }
        return """
            # bash completion of fastgate; made by: fastgate completions bash
            _fastgate() {
                local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} path= words= word i skip=
                # "--name=value" comes as three words.
                if [[ $current == = ]]; then current=; elif [[ $previous == = ]]; then previous=${COMP_WORDS[COMP_CWORD-2]}; fi
                case $previous in
            \(values.joined(separator: "\n"))
                esac
                for ((i = 1; i < COMP_CWORD; i++)); do
                    word=${COMP_WORDS[i]}
                    if [[ $skip ]]; then skip=; continue; fi
                    case $word in
                        \(valueOptions)) skip=1 ;;
                        -*|=) ;;
                        *) case "${path:+$path }$word" in
                            \(paths)) path="${path:+$path }$word" ;;
                        esac ;;
                    esac
                done
                case $path in
            \(words.joined(separator: "\n"))
                esac
                COMPREPLY=($(compgen -W "$words" -- "$current"))
            \(filePart(files))
            }
            complete -F _fastgate fastgate
            """
    }

    /// Options that mean the same wherever they are; a name that takes a file in one command may take text in another.
    private static var distinctOptions: [OptionSpec] {
        var seen: Set<String> = []
        return CommandTree.all.flatMap(\.command.options).filter { seen.insert($0.name).inserted }
    }

    private static var valueOptions: String {
        distinctOptions.filter(\.takesValue)
            .flatMap { ["--\($0.name)"] + ($0.letter.map { ["-\($0)"] } ?? []) }
            .reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
            .joined(separator: "|")
    }

    private static var paths: String {
        CommandTree.all.map(\.path).filter { !$0.isEmpty }.map(singleQuoted).joined(separator: "|")
    }

    private static func filePart(_ files: [String]) -> String {
        guard !files.isEmpty else { return "" }
        return """
                case $path in
                    \(files.joined(separator: "|"))) [[ $current == -* ]] || { compopt -o default; COMPREPLY=(); } ;;
                esac
            """
    }
}
