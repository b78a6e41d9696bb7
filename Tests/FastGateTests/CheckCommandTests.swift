import Config
import Glibc
import JSON
import Testing

@testable import FastGate

@Suite struct CheckCommandTests {
    private let program = Program()

    private func check(_ yaml: String, _ arguments: String...) throws -> (code: Int32, console: CatchingConsole) {
        try program.folder.write("config.yaml", yaml)
        let console = CatchingConsole()
        let code = FastGateCommand(console: console, environment: program.environment)
            .run(["check", "--config", path] + arguments)
        return (code, console)
    }

    private var path: String { program.folder.path + "/config.yaml" }

    @Test func aGoodFileIsOK() throws {
        let (code, console) = try check("app: { port: 80 }")
        #expect(code == 0 && console.complaints.isEmpty)
        #expect(console.output == "\(path): ok\n")
    }

    @Test func aBadFileEndsWith78() throws {
        let (code, console) = try check("app:\n  prot: 80")
        #expect(code == 78 && console.output.isEmpty)
        #expect(console.complaints == ["fastgate: \(path):2: app.prot: unknown key; did you mean app.port?"])
    }

    /// As serve would, but without a word of the value.
    @Test func aMasterKeyThatIsNoneIsNamed() throws {
        try program.folder.write("config.yaml", "")
        for (text, isGood) in [("", true), (String(repeating: "ab", count: 32), true), ("hunter2", false)] {
            let console = CatchingConsole()
            let environment = program.environment.merging(["FASTGATE_MASTER_KEY": text]) { $1 }
            let code = FastGateCommand(console: console, environment: environment).run(["check", "--config", path])
            #expect(code == (isGood ? 0 : 78))
            #expect(!console.complaints.joined().contains("hunter2"))
            if !isGood {
                #expect(console.complaints.first == "fastgate: FASTGATE_MASTER_KEY: must be 32 bytes in hex or base64")
            }
        }
    }

    @Test func allErrorsAreNamed() throws {
        let yaml = "app:\n  prot: 80\n  port: x\nnonsense: {}\nproxy:\n  max_retries: 1000\n"
        let (code, console) = try check(yaml)
        #expect(code == 78)
        let expected = [
            "\(path):2: app.prot: unknown key; did you mean app.port?",
            "\(path):3: app.port: must be a port from 0 to 65535 (0 = any free one), not \"x\"",
            "\(path):4: nonsense: unknown section; the sections are app, admin, ",
            "\(path):6: proxy.max_retries: must be an integer from 0 to 100, not \"1000\"", "4 errors",
        ]
        #expect(console.complaints.count == expected.count)
        for (said, wanted) in zip(console.complaints, expected) { #expect(said.hasPrefix("fastgate: " + wanted)) }
        let report = try JSONValue(parsing: try check(yaml, "--json").console.output)
        #expect(report["ok"] == false && report["errors"]?.arrayValue?.count == 4)
        // Every other command names them too.
        #expect(program.run("keys", "list", "-c", path).console.complaints.count == 4)
    }

    @Test func theReportIsJSONToo() throws {
        let report = try JSONValue(parsing: try check("database: { echo: true }", "--json", "--show").console.output)
        #expect(report["ok"] == true && report["warnings"]?.arrayValue?.count == 1)
        #expect(report["settings"]?["app"]?["port"]?.intValue == 8514)
    }

    @Test func aMissingFileEndsWith78() {
        let (code, console) = program.run("check", "-c", "/nonexistent.yaml")
        #expect(code == 78)
        #expect(console.complaints == ["fastgate: /nonexistent.yaml: cannot be read: No such file or directory"])
        #expect(program.run("keys", "list", "-c", "/nonexistent.yaml").code == 78)
        #expect(program.run("serve", "-c", "/nonexistent.yaml").code == 78)
    }

    @Test func warningsAreNoErrors() throws {
        let (code, console) = try check("database: { echo: true }")
        #expect(code == 0)
        #expect(console.complaints.count == 1 && console.complaints[0].hasPrefix("warning: \(path):1: database.echo: "))
    }

    @Test func filesThatCannotBeUsedAreNamed() throws {
        let folder = program.folder.path
        let (code, console) = try check(
            """
            tls: { cert: /nonexistent/cert.pem, key: \(folder) }
            upstream_tls: { ca_file: /nonexistent/ca.pem }
            logging: { file: /nonexistent/log }
            """)
        #expect(code == 78)
        #expect(
            console.complaints == [
                "fastgate: \(path):1: tls.cert: /nonexistent/cert.pem: No such file or directory",
                "fastgate: \(path):1: tls.key: \(folder): Is a directory",
                "fastgate: \(path):2: upstream_tls.ca_file: /nonexistent/ca.pem: No such file or directory",
                "fastgate: \(path):3: logging.file: /nonexistent/log: its folder: No such file or directory",
                "fastgate: \(path) is not good: 4 of what goes with it cannot be used",
            ])
        #expect(access(folder + "/state", F_OK) != 0, "check makes nothing")
    }

    @Test func exposedSecretsAreWarnedOf() throws {
        let yaml = "security: { admin_token: 0123456789abcdef }"
        for (mode, isExposed) in [(UInt32(0o644), true), (0o600, false)] {
            try program.folder.write("config.yaml", yaml)
            #expect(chmod(path, mode) == 0)
            var other = program
            let console = other.run("check", "-c", path).console
            #expect(console.complaints.isEmpty != isExposed, "\(mode)")
            #expect(!console.complaints.joined().contains("0123456789abcdef"))
            // It is not the file that holds it.
            other.environment["FASTGATE_ADMIN_TOKEN"] = "0123456789abcdef"
            #expect(other.run("check", "-c", path).console.complaints.isEmpty)
        }
    }

    @Test func certificatesAreLookedInto() throws {
        let folder = program.folder.path
        try program.folder.write("cert.pem", "no certificate")
        try program.folder.write("key.pem", "no key")
        let (code, console) = try check("tls: { cert: \(folder)/cert.pem, key: \(folder)/key.pem }")
        #expect(code == 78)
        #expect(console.complaints.count == 2 && console.complaints[0].hasPrefix("fastgate: tls: "))
    }

    @Test func aDatabaseBelowAFileIsNoGood() throws {
        try program.folder.write("file", "")
        var settings = Settings()
        settings.database.url = "sqlite:///\(program.folder.path)/file/x/fastgate.db"
        #expect(CheckCommand.problems(settings).map(\.key) == ["database.url"])
    }

    @Test func showPrintsWhatCanBeReadAgain() throws {
        let yaml = "app: { name: \"a \\\"b\\\" \\\\ $${X}\" }\nsecurity: { admin_token: hunter2-hunter2-hunter2 }"
        let (code, console) = try check(yaml, "--show")
        #expect(code == 0)
        #expect(!console.output.contains("hunter2"))
        #expect(console.output.contains("  admin_token: \"********\"\n"))
        let again = try Settings.load(text: console.output)
        #expect(again.settings.app.name == "a \"b\" \\ ${X}")
        var expected = try Settings.load(path: path, environment: program.environment).settings
        expected.security.adminToken = "********"
        #expect(again.settings == expected)
    }
}
