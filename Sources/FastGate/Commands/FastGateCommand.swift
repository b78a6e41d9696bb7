/// The program: arguments in, exit code out.
struct FastGateCommand {
    let console: any Console
    let environment: [String: String]

    func run(_ arguments: [String]) -> Int32 {
        do throws(CommandFailure) {
            switch try CommandTree.parse(arguments) {
            case .help(let command, let path):
                let style = Style(choice: nil, environment: environment, isTerminal: console.columns != nil)
                console.print(HelpText.text(command, path: path, style: style))
            case .run(let command, let options):
                try command.action?(Call(options: options, console: console, environment: environment))
            }
            // What was to be shown once, or kept in a file, is lost.
            guard console.outputError == 0 else {
                throw CommandFailure(message: "\(FileError(path: "standard output", errno: console.outputError))")
            }
            return ExitCode.ok
        } catch {
            if !error.message.isEmpty { console.complain("fastgate: \(printable(error.message))") }
            for other in error.others { console.complain("fastgate: \(printable(other))") }
            if let hint = error.hint { console.complain(printable(hint)) }
            return error.exitCode
        }
    }
}
