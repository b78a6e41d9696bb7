import Admin
import Config
import Glibc
import JSON
import Proxy
import Store
import Testing

@testable import FastGate

/// The commands against a real admin port: what they send is what it understands.
@Suite struct RunningGatewayTests {
    private let program = Program()

    private final class Gateway {
        let lock: InstanceLock
        let writer: StoreWriter
        let admin: AdminServer

        init(_ settings: Settings) throws {
            lock = try InstanceLock.take(folder: settings.database.folder)
            let token = try AdminToken.resolve(settings)
            let database = try Database.open(
                path: settings.database.path, timeZoneOffsetMinutes: settings.app.timezone.minutes)
            let vault = try KeyVault.open(database, environment: nil)
            writer = try StoreWriter.start(databasePath: settings.database.path, rings: [], options: WriterOptions())
            admin = try AdminServer.start(
                settings: settings, gateway: IdleGateway(settings: settings, vault: vault), writer: writer,
                databasePath: settings.database.path, adminToken: token.value, version: fastGateVersion)
            lock.publish(adminAddress: "127.0.0.1:\(admin.boundPort)")
        }

        deinit {
            admin.stop()
            writer.stop()
        }
    }

    @Test func everyCommandReachesIt() throws {
        let settings = try Settings.load(path: nil, environment: program.environment).settings
        let gateway = try Gateway(settings)

        let key = try program.json("keys", "create", "team-a", "-p", "chat", "--expires-days", "3", "--json")
        let id = try #require(key["key_id"]?.stringValue)
        #expect(program.run("keys", "list").console.output.contains(id))
        #expect(program.run("keys", "revoke", id).console.output == "revoked \(id) (team-a)\n")
        let refused = program.run("keys", "create", " ")
        #expect(refused.code == 1)
        #expect(refused.console.complaints == ["fastgate: source_path: must not be empty"])

        try program.folder.write(
            "routes.json", #"[{"route_id":"a.b","match_path":"/"}]"#)
        let path = program.folder.path + "/routes.json"
        #expect(program.run("routes", "import", path).console.complaints.first?.contains("target_host") == true)
        try program.folder.write("routes.json", #"[{"route_id":"a.b","match_path":"/","target_host":"h:1"}]"#)
        #expect(program.run("routes", "import", path).console.output == "created a.b\n")
        #expect(program.run("routes", "import", path).console.output == "replaced a.b\n")
        #expect(try program.json("routes", "export")[0]?["target_host"] == "h:1")

        let rows = 3000
        try gateway.writer.perform { connection throws(StoreError) in
            for _ in 0..<rows { _ = try connection.createKey(NewKey(sourcePath: "many"), keyPrefix: "fg_") }
        }
        #expect(try program.json("keys", "list", "--source", "many", "--json").arrayValue?.count == rows)

        #expect(program.run("logs", "export", "--fields", "id").console.output == "id\r\n")
        #expect(program.run("logs", "tail", "--status", "4xx").code == 0)
        #expect(
            program.run("logs", "export", "--start", "yesterday").console.complaints.first?.contains("start_time")
                == true)

        // A second one on the same database does not start.
        #expect(throws: InstanceLock.Failure.self) {
            try InstanceLock.take(folder: settings.database.folder, patienceMilliseconds: 0)
        }
        var stranger = program
        stranger.environment["ADMIN_TOKEN"] = "not-the-right-token"
        #expect(
            stranger.run("keys", "list").console.complaints.first?.contains("does not accept the admin token") == true)
        // Named, the token is taken from a file that others may read.
        try program.folder.write("token", try AdminToken.resolve(settings).value + "\n", mode: 0o644)
        #expect(stranger.run("keys", "list", "--token-file", program.folder.path + "/token").code == 0)
        stranger.environment["FASTGATE_TOKEN_FILE"] = program.folder.path + "/token"
        #expect(stranger.run("keys", "list").code == 0)
        #expect(stranger.run("keys", "list", "--token-file", "/nonexistent").code == 1)

        // From elsewhere, by its address.
        let url = "http://127.0.0.1:\(gateway.admin.boundPort)"
        var elsewhere = Program()
        elsewhere.environment["FASTGATE_URL"] = url
        #expect(elsewhere.run("keys", "list").console.complaints.first == "fastgate: there is no admin token")
        elsewhere.environment["FASTGATE_ADMIN_TOKEN"] = try AdminToken.resolve(settings).value
        #expect(try elsewhere.json("keys", "list", "--source", "team-a", "--json").arrayValue?.count == 1)

        #expect(program.run("status").code == 0)
        #expect(try program.json("status", "--json")["status"] == "ok")
        let top = program.run("top", "-i", "0.1", "-n", "2")
        #expect(top.code == 0 && top.console.output.contains("ROUTES AND UPSTREAMS"))
        #expect(try program.json("top", "-i", "0.1", "--json")["requests"] == 0)
        #expect(program.run("top", "-i", "0").code == 2)
        withExtendedLifetime(gateway) {}
    }
}
