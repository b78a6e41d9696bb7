import Glibc
import JSON
import Testing

@testable import FastGate

/// The commands on a database that no gateway uses.
@Suite struct LocalCommandsTests {
    private let program = Program()

    @Test func keysAreMadeListedAndRevoked() throws {
        let key = try program.json(
            "keys", "create", "team-a", "-p", "chat,models", "--rate-limit", "60", "--expires-at", "2099-01-01",
            "--json")
        let value = try #require(key["key_value"]?.stringValue)
        let id = try #require(key["key_id"]?.stringValue)
        #expect(value.hasPrefix("fg_"))
        #expect(key["permissions"] == ["chat", "models"] && key["rate_limit"] == 60)

        let made = program.run("keys", "create", "team-b", "--never-expires")
        #expect(made.code == 0)
        #expect(
            made.console.lines.map { String($0.prefix(10)) } == [
                "Id        ", "Key       ", "Key (hint)", "Source    ", "May       ", "Per minute", "Active    ",
                "Used      ", "Made      ", "Expires   ", "Last used ", "Models    ", "Most token", "Most spent",
                "Currency  ", "Period    ", "At once   ", "Tokens spe", "Amount spe", "Spent sinc", "Begins ane",
            ])
        #expect(made.console.complaints == ["The key is shown this once: the database holds only its hash."])

        let listed = program.run("keys", "list")
        #expect(listed.console.lines.count == 3)
        #expect(listed.console.lines[0].hasPrefix("ID "))
        #expect(listed.console.output.contains("chat,models") && listed.console.output.contains("2099-01-01"))
        #expect(!listed.console.output.contains(value))

        let revoked = program.run("keys", "revoke", id)
        #expect(revoked.code == 0)
        #expect(revoked.console.output == "revoked \(id) (team-a)\n")
        #expect(try program.json("keys", "list", "--inactive", "--json").arrayValue?.count == 1)
        #expect(try program.json("keys", "list", "--active", "--json")[0]?["source_path"] == "team-b")

        let deleted = program.run("keys", "revoke", "--delete", id, "key_unknown")
        #expect(deleted.code == 1)
        #expect(deleted.console.output == "deleted \(id) (team-a)\n")
        #expect(deleted.console.complaints.first == "fastgate: there is no key key_unknown")
        #expect(try program.json("keys", "list", "--json").arrayValue?.count == 1)
    }

    @Test func keysAreShownAndChanged() throws {
        let made = try program.json("keys", "create", "team-a", "--set", "rate_limit=5", "--json")
        let id = try #require(made["key_id"]?.stringValue)
        let value = try #require(made["key_value"]?.stringValue)
        #expect(made["rate_limit"] == 5)
        let changed = try program.json(
            "keys", "update", id, "--source", "team-b", "--rate-limit", "default", "--never-expires", "-p", "chat",
            "--inactive", "--json")
        #expect(changed["source_path"] == "team-b" && changed["rate_limit"] == .null && changed["expires_at"] == .null)
        #expect(changed["permissions"] == ["chat"] && changed["is_active"] == false)
        let shown = program.run("keys", "show", id).console.output
        #expect(shown.contains("team-b") && !shown.contains(value))
        #expect(program.run("keys", "toggle", id).console.output == "turned on \(id) (team-b)\n")
        let rotated = try program.json("keys", "rotate", id, "--json")
        #expect(
            rotated["key_value"]?.stringValue?.hasPrefix("fg_") == true && rotated["key_value"] != made["key_value"])
        #expect(program.run("keys", "update", id).code == 2)
        #expect(program.run("keys", "update", id, "--rate-limit", "many").code == 2)
        #expect(program.run("keys", "update", id, "--set", "rate_limit").code == 2)
        #expect(program.run("keys", "show", "nope").code == 1)
    }

    @Test func routesAreMadeAndChanged() throws {
        let made = try program.json(
            "routes", "create", "one", "--path", "/v1/*", "--target", "https://h.example:444/base", "--id", "r1",
            "--header", "X-A=${B}", "--match-body", #"{"model": "m"}"#, "--json")
        #expect(made["route_id"] == "r1" && made["target_host"] == "h.example:444" && made["target_path"] == "/base")
        #expect(made["target_protocol"] == "https" && made["match_body_schema"] == ["model": "m"])
        // By name as well as by id.
        #expect(try program.json("routes", "update", "one", "--priority", "3", "--json")["priority"] == 3)
        #expect(program.run("routes", "show", "one").console.output.contains("h.example:444"))
        #expect(program.run("routes", "toggle", "r1").console.output == "turned off one\n")
        #expect(try program.json("routes", "list", "--active", "--json") == [])
        #expect(
            program.run("routes", "create", "two", "--path", "/v1/*").console.complaints[0].contains(
                "--target is missing"))
        #expect(program.run("routes", "update", "nope", "--priority", "1").code == 1)
        // One that is misspelt keeps all of them.
        #expect(program.run("routes", "delete", "one", "nope").code == 1)
        #expect(program.run("routes", "delete", "one").console.output == "deleted one\n")
        #expect(try program.json("routes", "list", "--json") == [])
    }

    @Test func aNameOfTwoRoutesIsNotGuessed() throws {
        for id in ["a", "b"] {
            #expect(
                program.run("routes", "create", "same", "--path", "/", "--target", "http://h:1", "--id", id).code == 0)
        }
        let complaints = program.run("routes", "toggle", "same").console.complaints
        #expect(complaints == ["fastgate: 2 routes are called same: a, b", "Name one of them by its id."])
    }

    @Test func matchingSaysWhy() throws {
        for (name, body) in [("gpt", #"{"model": "gpt-4o"}"#), ("llama", #"{"model": "llama"}"#)] {
            let target = "http://127.0.0.1:9"
            #expect(
                program.run(
                    "routes", "create", name, "--path", "/v1/*", "--target", target, "--match-body", body,
                    "--header", "Authorization=${NOT_SET_HERE}"
                ).code == 0)
        }
        let taken = program.run("routes", "match", "/v1/chat", "-d", #"{"model": "llama"}"#, "-H", "x: y")
        #expect(taken.code == 0)
        #expect(taken.console.lines[0] == "llama takes it, to http://127.0.0.1:9/v1/chat")
        #expect(taken.console.output.contains("the body's member model"))
        let free = program.run("routes", "match", "/v1/chat", "-X", "GET", "--json")
        #expect(free.code == 1 && free.console.complaints[0] == "fastgate: no route would take the request")
        try program.folder.write("body.json", #"{"model": "gpt-4o"}"#)
        let file = "@\(program.folder.path)/body.json"
        #expect(try program.json("routes", "match", "/v1/chat", "-d", file, "--json")["route_name"] == "gpt")
        #expect(program.run("routes", "match", "/v1/chat", "-d", "@/nonexistent").code == 1)
        #expect(program.run("routes", "match", "/v1/chat", "-H", "nonsense").code == 2)
        #expect(program.run("routes", "test", "gpt").code == 1, "nothing listens there")
    }

    @Test func withoutAGatewayThereIsNoStatus() throws {
        for command in ["status", "top"] {
            let (code, console) = program.run(command)
            #expect(code == 1 && console.complaints[0].contains("no gateway runs on"))
        }
        #expect(program.run("keys", "create", "a").code == 0)
        #expect(try program.json("metrics", "--json")["active_api_keys"] == 1)
        #expect(try program.json("metrics", "--days", "2", "--json")["items"]?.arrayValue?.count == 2)
        #expect(program.run("metrics", "--prometheus").console.output.contains("fastgate_build_info"))
        #expect(program.run("metrics", "--hours", "1", "--days", "1").code == 2)
        #expect(program.run("logs", "list").console.lines.count == 1)
        #expect(program.run("logs", "show", "x").code == 1)
    }

    @Test func theAPIsOwnWordsRefuse() {
        let (code, console) = program.run("keys", "create", "a", "-p", "walk")
        #expect(code == 1)
        #expect(console.complaints.first?.contains("\"walk\" is neither a family") == true)
    }

    @Test func readingMakesNoDatabase() {
        for line in ["keys list", "routes list", "routes export", "logs tail", "logs export"] {
            let console = CatchingConsole()
            let code = FastGateCommand(console: console, environment: program.environment)
                .run(line.split(separator: " ").map(String.init))
            #expect(code == 1)
            #expect(console.complaints.first?.contains("does not exist, and no gateway answers") == true)
        }
        #expect(access(program.folder.path + "/state", F_OK) != 0)
    }

    @Test func routesGoOutAndComeBack() throws {
        let routes = """
            {"items": [
              {"route_id": "one", "route_name": "first", "match_path": "/v1/*", "target_host": "127.0.0.1:9",
               "match_body_schema": {"model": "gpt-4o"}, "add_headers": {"Authorization": "Bearer ${NOT_SET_HERE}"}},
              {"route_name": "second", "match_path": "/v2*", "target_host": "127.0.0.1:9", "priority": 5}
            ]}
            """
        try program.folder.write("routes.json", routes)
        let path = program.folder.path + "/routes.json"
        #expect(program.run("routes", "import", path).console.output == "created first\ncreated second\n")
        // The id, or else the name, says which route is meant.
        #expect(program.run("routes", "import", path).console.output == "replaced first\nreplaced second\n")

        let listed = program.run("routes", "list").console.lines
        #expect(listed.count == 3 && listed[1].contains("second") && listed[2].contains("body"))

        let exported = program.folder.path + "/out.json"
        #expect(program.run("routes", "export", "-o", exported).code == 0)
        #expect(program.folder.mode("out.json") == 0o600)
        let before = try JSONValue(parsing: try program.folder.text("out.json"))
        #expect(before.arrayValue?.count == 2)
        #expect(before[0]?["created_at"] == nil && before[0]?["route_name"] == "second")
        #expect(program.run("routes", "import", exported).code == 0)
        #expect(try program.json("routes", "export") == before)
    }

    @Test func importsArePlannedAndReplace() throws {
        let both = """
            [{"route_id":"a","match_path":"/a","target_host":"h:1"},
             {"route_id":"b","match_path":"/b","target_host":"h:1"}]
            """
        try program.folder.write("both.json", both)
        let path = program.folder.path + "/both.json"
        #expect(program.run("routes", "import", path).code == 0)
        try program.folder.write("one.json", #"{"routes":[{"route_id":"b","match_path":"/c","target_host":"h:1"}]}"#)
        let one = program.folder.path + "/one.json"
        let plan = program.run("routes", "import", one, "--replace", "-n").console.output
        #expect(plan == "would replace b\nwould delete a\n")
        #expect(try program.json("routes", "list", "--json").arrayValue?.count == 2)
        let done = try program.json("routes", "import", one, "--replace", "--json")
        #expect(done.arrayValue?.map { $0["action"]?.stringValue } == ["replace", "delete"])
        let left = try program.json("routes", "list", "--json")
        #expect(left.arrayValue?.count == 1 && left[0]?["match_path"] == "/c")
    }

    @Test(arguments: [
        (
            #"[{"match_path":"/a","target_host":"h:1"},{"route_name":"x","match_path":"/a"}]"#,
            "routes[1] (x): target_host"
        ),
        (
            #"[{"match_path":"/a","target_host":"h:1","match_body_schema":{"$schema":"x","type":"nonsense"}}]"#,
            "routes[0]: match_body_schema"
        ),
        (#"[1]"#, "routes[0]: must be an object"),
        (#"{"a":1}"#, "must be a JSON array of routes"),
        (#"[{]"#, "line 1, column 3"),
        (#"[{"route_id":"a"},{"route_id":"a"}]"#, "routes[1]: has the same route_id as routes[0]"),
    ])
    func badImportsAreRefused(text: String, part: String) throws {
        try program.folder.write("routes.json", text)
        let (code, console) = program.run("routes", "import", program.folder.path + "/routes.json")
        #expect(code == 1)
        #expect(console.complaints.first?.contains(part) == true, "\(console.complaints)")
        if part.hasPrefix("routes[1] (x)") {
            #expect(console.complaints.first?.hasSuffix("(the 1 before it stay)") == true)
        }
    }

    @Test func anEmptyAuditIsExported() throws {
        #expect(program.run("keys", "create", "a").code == 0)
        let csv = program.run("logs", "export", "--fields", "id,path")
        #expect(csv.code == 0 && csv.console.output == "id,path\r\n")
        #expect(try program.json("logs", "export", "--format", "json") == [])
        #expect(program.run("logs", "tail").console.output.isEmpty)
        let bad = program.run("logs", "export", "--fields", "id,nonsense")
        #expect(bad.code == 1 && bad.console.complaints.first?.contains("\"nonsense\" is no column") == true)
        #expect(program.run("logs", "tail", "--status", "x").code == 1)
    }

    @Test func outputThatCannotBeWrittenFails() {
        #expect(program.run("keys", "create", "a").code == 0)
        let full = program.run("logs", "export", "-o", "/dev/full")
        #expect(full.code == 1 && full.console.complaints == ["fastgate: /dev/full: No space left on device"])
        #expect(program.run("logs", "export", "-o", "/nonexistent/x").code == 1)
    }

    @Test func aDatabaseInUseIsLeftAlone() throws {
        #expect(program.run("keys", "create", "a").code == 0)
        let lock = try InstanceLock.take(folder: program.folder.path + "/state")
        let settings = settings(database: program.folder.path + "/state", token: "0123456789abcdef")
        let choice = AccessChoice(settings: settings, patienceMilliseconds: 0)
        #expect {
            try choice.access(createsDatabase: false)
        } throws: { error in
            (error as? CommandFailure)?.message.contains("is in use by process \(getpid())") == true
        }
        withExtendedLifetime(lock) {}
    }

    @Test func aForeignDatabaseIsRefused() throws {
        try program.folder.write("other.db", "this is no database at all, but long enough to be looked at as one")
        var other = program
        other.environment["DATABASE_URL"] = "sqlite:///\(program.folder.path)/other.db"
        let (code, console) = other.run("keys", "list")
        #expect(code == 1)
        #expect(console.complaints.first?.contains("is not a SQLite database") == true)
    }
}
