/// The completion script for zsh, made from the commands' description.
enum ZshCompletion {
    static func script() -> String {
        var functions: [String] = []
        for (path, command) in CommandTree.all {
            functions.append(command.isGroup ? group(path, command) : leaf(path, command))
        }
        return """
            #compdef fastgate
            # zsh completion of fastgate; made by: fastgate completions zsh

            \(functions.joined(separator: "\n\n"))

            if [ "$funcstack[1]" = "_fastgate" ]; then
                _fastgate "$@"
            else
                compdef _fastgate fastgate
            fi
            """
    }

    private static func name(_ path: String) -> String {
        "_fastgate" + path.split(separator: " ").map { "_\($0)" }.joined()
    }

    private static func group(_ path: String, _ command: Command) -> String {
        let items = command.commands.map { "        \(singleQuoted("\($0.name):\(escaped($0.summary, ":"))"))" }
        let cases = command.commands.map { child in
            "            \(child.name)) \(name(path.isEmpty ? child.name : "\(path) \(child.name)")) ;;"
        }
        return """
            \(name(path))() {
                local context state state_descr line curcontext="$curcontext"
                typeset -A opt_args
                local -a commands
                commands=(
            \(items.joined(separator: "\n"))
                )
                _arguments -C '(-h --help)'{-h,--help}'[explain the command]' '1: :->command' '*:: :->rest'
                case $state in
                    command) _describe command commands ;;
                    rest)
                        case $line[1] in
            \(cases.joined(separator: "\n"))
                        esac ;;
                esac
            }
            """
    }

    private static func leaf(_ path: String, _ command: Command) -> String {
        var arguments = command.allOptions.map(option)
        for (index, operand) in command.operands.enumerated() {
            let position = operand.isRepeatable ? "*" : "\(index + 1)"
            arguments.append(singleQuoted("\(position):\(operand.name):\(action(operand.kind))"))
        }
        return """
            \(name(path))() {
                _arguments -s \\
            \(arguments.map { "        \($0)" }.joined(separator: " \\\n"))
            }
            """
    }

    private static func option(_ spec: OptionSpec) -> String {
        let help = "[\(escaped(spec.help, "[]:"))]"
        let value = spec.valueName.map { ":\(escaped($0, ":")):\(action(spec.kind))" } ?? ""
        let long = "--\(spec.name)" + (spec.takesValue ? "=" : "")
        guard let letter = spec.letter else {
            return singleQuoted((spec.isRepeatable ? "*" : "") + long + help + value)
        }
        let short = "-\(letter)" + (spec.takesValue ? "+" : "")
        let prefix = spec.isRepeatable ? "'*'" : singleQuoted("(-\(letter) --\(spec.name))")
        return "\(prefix){\(short),\(long)}\(singleQuoted(help + value))"
    }

    private static func action(_ kind: ValueKind) -> String {
        switch kind {
        case .file: "_files"
        case .choice(let words): "(\(words.joined(separator: " ")))"
        default: " "
        }
    }

    private static func escaped(_ text: String, _ special: String) -> String {
        text.map { special.contains($0) || $0 == "\\" ? "\\\($0)" : "\($0)" }.joined()
    }
}
