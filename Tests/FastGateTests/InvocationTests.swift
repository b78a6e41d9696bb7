import Testing

@testable import FastGate

@Suite struct InvocationTests {
    private func parse(_ line: String) throws -> Invocation {
        try Invocation(line.split(separator: " ").map(String.init))
    }

    private func problem(_ arguments: [String]) -> String {
        do throws(UsageError) {
            _ = try Invocation(arguments)
            return "accepted"
        } catch {
            return "\(error.topic.rawValue)| \(error.message)"
        }
    }

    @Test func everyCommandIsUnderstood() throws {
        #expect(try parse("version") == .version(asJSON: false))
        #expect(try parse("--version") == .version(asJSON: false))
        #expect(try parse("version --json") == .version(asJSON: true))
        #expect(try parse("serve") == .serve(configPath: nil))
        #expect(try parse("serve --config a.yaml") == .serve(configPath: "a.yaml"))
        #expect(try parse("serve --config=a.yaml") == .serve(configPath: "a.yaml"))
        #expect(try parse("serve -ca.yaml") == .serve(configPath: "a.yaml"))
        #expect(try parse("check -c a.yaml --show") == .check(CheckOptions(configPath: "a.yaml", shows: true)))
        #expect(
            try parse("keys list --inactive --source a --json")
                == .keysList(ToolOptions(asJSON: true), KeyListOptions(sourcePath: "a", isActive: false)))
        #expect(
            try parse("keys revoke a b --delete") == .keysRevoke(ToolOptions(), keyIDs: ["a", "b"], deletes: true))
        #expect(try parse("routes list") == .routesList(ToolOptions()))
        #expect(
            try parse("routes import - --dry-run --replace")
                == .routesImport(ToolOptions(), RouteImportOptions(path: "-", replaces: true, isDryRun: true)))
        #expect(try parse("routes export -o x.json") == .routesExport(ToolOptions(), outputPath: "x.json"))
    }

    @Test func aNewKeyIsDescribed() throws {
        let line = "keys create team-a -p chat,models --permission /v1/* --rate-limit 60 --expires-days 30"
        var options = NewKeyOptions(sourcePath: "team-a")
        options.permissions = ["chat", "models", "/v1/*"]
        options.rateLimitPerMinute = 60
        options.expiry = .days(30)
        #expect(try parse(line) == .keysCreate(ToolOptions(), options))
        options = NewKeyOptions(sourcePath: "-x")
        options.expiry = .never
        #expect(try parse("keys create --never-expires -- -x") == .keysCreate(ToolOptions(), options))
        options.expiry = .at("2030-01-01")
        #expect(try parse("keys create --expires-at 2030-01-01 -- -x") == .keysCreate(ToolOptions(), options))
    }

    @Test func filtersBecomeQueryParameters() throws {
        let line =
            "logs export --start 2026-06-01 --end 2026-06-30 --status 4xx,500 --key k --source s --method GET"
            + " --path /v1 --min-ms 1.5 --error timeout --no-stream --format ndjson --fields id,path --order asc -o f"
        guard case .logsExport(let tool, let options) = try parse(line) else {
            Issue.record("not an export")
            return
        }
        #expect(tool == ToolOptions())
        #expect(
            options.filter.parameters.map { "\($0.name)=\($0.value)" } == [
                "start_time=2026-06-01", "end_time=2026-06-30", "status_code=4xx,500", "api_key=k", "source_path=s",
                "method=GET", "path=/v1", "min_ms=1.5", "error=timeout", "is_stream=false", "order=asc",
            ])
        #expect(options.format == "ndjson" && options.fields == "id,path" && options.outputPath == "f")

        guard case .logsTail(_, let tail) = try parse("logs tail -fn5 --errors --stream") else {
            Issue.record("not a tail")
            return
        }
        #expect(tail.follows && tail.count == 5)
        #expect(tail.filter.parameters == [QueryParameter("error", "true"), QueryParameter("is_stream", "true")])
    }

    @Test(arguments: [
        ([], "| a command is missing"),
        (["srve"], "| there is no command \"srve\"; did you mean serve?"),
        (["--config", "x"], "| there is no option before the command \"--config\""),
        (["serve", "now"], "serve| \"now\" is one argument too many"),
        (["serve", "--confg", "x"], "serve| there is no option --confg; did you mean --config?"),
        (["serve", "--config"], "serve| --config needs a value"),
        (["serve", "-c"], "serve| -c needs a value"),
        (["serve", "-x"], "serve| there is no option -x"),
        (["check", "--show=1"], "check| --show takes no value"),
        (["check", "-c", "a", "-c", "b"], "check| --config is there twice"),
        (["keys"], "keys| keys needs one of create, list, revoke"),
        (["keys", "lst"], "keys| there is no command \"keys lst\"; did you mean keys list?"),
        (["keys", "create"], "keys create| SOURCE is missing"),
        (["keys", "create", "a", "b"], "keys create| \"b\" is one argument too many"),
        (
            ["keys", "create", "a", "--rate-limit", "-1"],
            "keys create| --rate-limit must be an integer from 0 to 1000000000, not \"-1\""
        ),
        (
            ["keys", "create", "a", "--expires-days", "1", "--never-expires"],
            "keys create| --expires-days and --never-expires exclude each other"
        ),
        (["keys", "list", "--active", "--inactive"], "keys list| --active and --inactive exclude each other"),
        (["keys", "revoke"], "keys revoke| KEY_ID is missing"),
        (["routes", "import"], "routes import| FILE is missing"),
        (["logs", "tail", "-n", "5000"], "logs tail| --lines must be an integer from 0 to 1000, not \"5000\""),
        (["logs", "tail", "--end", "x"], "logs tail| there is no option --end"),
        (["logs", "tail", "--min-ms", "nan"], "logs tail| --min-ms must be a number, not negative, not \"nan\""),
        (["logs", "export", "--format", "xml"], "logs export| --format must be csv, json or ndjson, not \"xml\""),
        (["help", "kyes"], "| there is no help for \"kyes\"; did you mean keys?"),
    ])
    func whatIsWrongIsSaid(arguments: [String], expected: String) {
        #expect(problem(arguments) == expected)
    }

    @Test func helpIsEverywhere() throws {
        #expect(try parse("--help") == .help(.program))
        #expect(try parse("-h") == .help(.program))
        #expect(try parse("help") == .help(.program))
        for topic in HelpTopic.allCases where topic != .program {
            #expect(try parse("\(topic.rawValue) --help") == .help(topic))
            #expect(try parse("\(topic.rawValue) -h") == .help(topic))
            #expect(try parse("help \(topic.rawValue)") == .help(topic))
        }
    }
}
