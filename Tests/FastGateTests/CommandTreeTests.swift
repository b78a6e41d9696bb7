import JSON
import Testing

@testable import FastGate

@Suite struct CommandTreeTests {
    private func parse(_ line: String) throws -> (path: String, options: ParsedOptions) {
        guard case .run(_, let options) = try CommandTree.parse(line.split(separator: " ").map(String.init)) else {
            Issue.record("no command: \(line)")
            throw CommandFailure(message: line)
        }
        return (options.path, options)
    }

    private func problem(_ arguments: [String]) -> String {
        do throws(CommandFailure) {
            _ = try CommandTree.parse(arguments)
            return "accepted"
        } catch {
            #expect(error.exitCode == ExitCode.usage)
            return "\(error.message) | \(error.hint ?? "")"
        }
    }

    @Test(arguments: [
        "serve --config a.yaml", "serve --config=a.yaml", "serve -ca.yaml", "-c a.yaml serve", "--config=a.yaml serve",
    ])
    func anOptionHasManyForms(line: String) throws {
        let (path, options) = try parse(line)
        #expect(path == "serve" && options.value("config") == "a.yaml")
    }

    @Test func optionsAndOperandsMix() throws {
        let (path, options) = try parse("keys revoke a --delete b --json -- -c")
        #expect(path == "keys revoke" && options.operands == ["a", "b", "-c"])
        #expect(options.has("delete") && options.has("json") && !options.has("config"))
        #expect(try parse("keys --json list").options.has("json"))
        #expect(try parse("--version").path == "version")
        #expect(try parse("logs tail -fn5").options.integer("lines") == 5)
        #expect(try parse("keys create a -p x -p y,z").options.all("permission") == ["x", "y,z"])
    }

    @Test(arguments: [
        ([], "a command is missing | Try \"fastgate --help\"."),
        (["srve"], "there is no command \"srve\"; did you mean serve? | Try \"fastgate --help\"."),
        (
            ["--confg", "x"],
            "there is no option \"--confg\" before the command; did you mean --config? | Try \"fastgate --help\"."
        ),
        (["--config"], "--config needs a value | Try \"fastgate --help\"."),
        (["serve", "now"], "\"now\" is one argument too many | Try \"fastgate serve --help\"."),
        (
            ["providers", "keys", "add", "openai", "sk-secret"],
            "the key is no argument, which others could read: give it on standard input"
                + " | Try \"fastgate providers keys add --help\"."
        ),
        (["--json", "serve"], "there is no option --json | Try \"fastgate serve --help\"."),
        (
            ["serve", "--confg", "x"],
            "there is no option --confg; did you mean --config? | Try \"fastgate serve --help\"."
        ),
        (["serve", "-c"], "-c needs a value | Try \"fastgate serve --help\"."),
        (["serve", "-x"], "there is no option -x | Try \"fastgate serve --help\"."),
        (["check", "--show=1"], "--show takes no value | Try \"fastgate check --help\"."),
        (["check", "-c", "a", "-c", "b"], "--config is there twice | Try \"fastgate check --help\"."),
        (
            ["keys"],
            "keys needs one of create, list, show, update, toggle, rotate, revoke | Try \"fastgate keys --help\"."
        ),
        (["keys", "lst"], "there is no command \"keys lst\"; did you mean keys list? | Try \"fastgate keys --help\"."),
        (["keys", "create"], "SOURCE is missing | Try \"fastgate keys create --help\"."),
        (["keys", "show", ""], "KEY_ID must not be empty | Try \"fastgate keys show --help\"."),
        (
            ["keys", "create", "a", "--rate-limit", "-1"],
            "--rate-limit must be an integer from 0 to 1000000000, not \"-1\" | Try \"fastgate keys create --help\"."
        ),
        (
            ["logs", "tail", "-n", "5000"],
            "--lines must be an integer from 0 to 1000, not \"5000\" | Try \"fastgate logs tail --help\"."
        ),
        (["logs", "tail", "--end", "x"], "there is no option --end | Try \"fastgate logs tail --help\"."),
        (
            ["logs", "tail", "--min-ms", "nan"],
            "--min-ms must be a number, not negative, not \"nan\" | Try \"fastgate logs tail --help\"."
        ),
        (
            ["logs", "export", "--format", "xml"],
            "--format must be csv, json or ndjson, not \"xml\" | Try \"fastgate logs export --help\"."
        ),
        (
            ["completions", "csh"],
            "SHELL must be bash, zsh or fish, not \"csh\" | Try \"fastgate completions --help\"."
        ),
        (["help", "kyes"], "there is no help for \"kyes\"; did you mean keys? | Try \"fastgate --help\"."),
    ])
    func whatIsWrongIsSaid(arguments: [String], expected: String) {
        #expect(problem(arguments) == expected)
    }

    @Test func helpIsEverywhere() throws {
        for (path, _) in CommandTree.all {
            for line in ["\(path) --help", "\(path) -h", "help \(path)"] {
                guard
                    case .help(let command, let found) = try CommandTree.parse(
                        line.split(separator: " ").map(String.init))
                else {
                    Issue.record("no help: \(line)")
                    continue
                }
                #expect(
                    found == path && command.name == (path.split(separator: " ").last.map(String.init) ?? "fastgate"))
            }
        }
    }

    /// What completions, help and the manual page rely on.
    @Test func descriptionsAreWhole() {
        for (path, command) in CommandTree.all {
            #expect(!command.summary.isEmpty && command.summary.last != ".", "\(path)")
            #expect(command.isGroup != command.commands.isEmpty || path.isEmpty, "\(path)")
            let names = command.options.map(\.name)
            #expect(Set(names).count == names.count, "\(path): an option is there twice")
            let letters = command.options.compactMap(\.letter)
            #expect(Set(letters).count == letters.count && !letters.contains("h"), "\(path): a letter is there twice")
            for option in command.options {
                #expect(!option.help.isEmpty && !option.help.contains("\n"), "\(path) \(option.name)")
            }
            let children = command.commands.map(\.name)
            #expect(Set(children).count == children.count, "\(path)")
        }
    }

    @Test func filtersBecomeQueryParameters() throws {
        let line =
            "logs export --start 2026-06-01 --end 2026-06-30 --status 4xx,500 --key k --source s --method GET"
            + " --path /v1 --min-ms 1.5 --error timeout --no-stream"
        #expect(
            try LogFilter(parse(line).options).parameters.map { "\($0.name)=\($0.value)" } == [
                "start_time=2026-06-01", "end_time=2026-06-30", "status_code=4xx,500", "api_key=k", "source_path=s",
                "method=GET", "path=/v1", "min_ms=1.5", "error=timeout", "is_stream=false",
            ])
        #expect(
            try LogFilter(parse("logs tail --errors --stream").options).parameters == [
                QueryParameter("error", "true"), QueryParameter("is_stream", "true"),
            ])
        #expect(throws: CommandFailure.usage("--errors and --error exclude each other", "logs tail")) {
            try LogFilter(parse("logs tail --errors --error x").options)
        }
    }

    @Test func aRouteIsDescribed() throws {
        let (_, options) = try parse(
            "routes update r --target https://h:1/base/ --header A=b=c --match-header x=true --body-field n=1 --body-field s=t"
                + " --retries 2 --inactive --strip-prefix --set weight=3 --set target_path=/{x}")
        #expect(
            try JSONValue.object(RouteOptions.body(options)).serialized() == """
                {"retry_count":2,"target_protocol":"https","target_host":"h:1","target_path":"/{x}",\
                "strip_path_prefix":true,"is_active":false,"match_headers":{"x":true},"add_headers":{"A":"b=c"},\
                "add_body_fields":{"n":1,"s":"t"},"weight":3}
                """)
        for bad in ["ftp://h", "h:1", "http://", "http://u@h", "https://h/p?q"] {
            #expect(throws: CommandFailure.self, "\(bad)") {
                try RouteOptions.body(parse("routes update r --target \(bad)").options)
            }
        }
    }
}
