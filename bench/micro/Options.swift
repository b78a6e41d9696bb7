import Glibc

/// What the command line asks for.
struct Options {
    /// Nil: all cases.
    var name: String?
    /// Nil: as many as it takes to time a case.
    var iterations: Int?

    static let usage = """
        usage: micro [--case NAME] [--iterations N] [--list]
          --case NAME      only this case
          --iterations N   run exactly N operations, once, and print nothing: for callgrind
          --list           the names of all cases
        """

    static func read() -> Options {
        var options = Options()
        var rest = CommandLine.arguments.dropFirst()
        while let argument = rest.popFirst() {
            switch argument {
            case "--case":
                guard let value = rest.popFirst() else { fail(usage) }
                options.name = value
            case "--iterations":
                guard let value = rest.popFirst().flatMap({ Int($0) }), value >= 0 else { fail(usage) }
                options.iterations = value
            case "--list":
                for each in cases { print(each.name) }
                exit(0)
            case "--help":
                print(usage)
                exit(0)
            default: fail(usage)
            }
        }
        return options
    }
}

func fail(_ message: String) -> Never {
    let line = message + "\n"
    _ = write(2, line, line.utf8.count)
    exit(2)
}
