import Config
import Glibc
import HTTP
import JSON
import Store
import Testing

@testable import Proxy

@Suite struct RouteCompilerTests {
    private func compile(_ change: (inout RouteRecord) -> Void) throws(RouteFailure) -> CompiledRoute {
        var compiler = compiler()
        let route = try compiler.compile(.make("r", change), metricID: 7)
        retainedForGood(compiler)
        return route
    }

    private func compiler() -> RouteCompiler {
        RouteCompiler(
            arena: kept(Arena()), stripHeaders: ["host"], defaultTimeoutMilliseconds: 300_000,
            targetNumbers: StableNumbers())
    }

    private func retainedForGood(_ compiler: RouteCompiler) {
        for object in compiler.retained { _ = Unmanaged.passRetained(object) }
    }

    private func problem(_ change: (inout RouteRecord) -> Void) -> RouteProblem? {
        RouteCheck.problem(.make("r", change), settings: Settings())
    }

    // MARK: Problems

    struct Wrong: CustomTestStringConvertible, Sendable {
        let field: String
        let message: String
        let change: @Sendable (inout RouteRecord) -> Void

        init(_ field: String, _ message: String, _ change: @escaping @Sendable (inout RouteRecord) -> Void) {
            (self.field, self.message, self.change) = (field, message, change)
        }

        var testDescription: String { "\(field): \(message)" }
    }

    static let wrongs: [Wrong] = [
        Wrong("match_path", "must begin with \"/\" or \"*\"") { $0.matchPath = "v1" },
        Wrong("match_path", "\"{\" without \"}\"") { $0.matchPath = "/{id" },
        Wrong("target_path", "must begin with \"/\"") { $0.targetPath = "v1" },
        Wrong("target_path", "names {id}, which match_path has not") { $0.targetPath = "/{id}" },
        Wrong("target_path", "must be a literal path while strip_path_prefix is true") {
            $0.targetPath = "/*"
            $0.stripPathPrefix = true
        },
        Wrong("target_protocol", "must be http or https") { $0.targetProtocol = "ftp" },
        Wrong("target_host", "must be host:port, without scheme or path") { $0.targetHost = "" },
        Wrong("target_host", "must be host:port, without scheme or path") { $0.targetHost = "a b:80" },
        Wrong("target_host", "must be host:port, without scheme or path") { $0.targetHost = "http://a.example" },
        Wrong("target_host", "must be host:port, without scheme or path") { $0.targetHost = "https://a.example:443/" },
        Wrong("target_host", "must be host:port, without scheme or path") { $0.targetHost = "a:80/x" },
        Wrong("target_host", "the port must be 1…65535") { $0.targetHost = "a:0" },
        Wrong("target_host", "the port must be 1…65535") { $0.targetHost = "a:65536" },
        Wrong("target_host", "the port must be 1…65535") { $0.targetHost = "a:" },
        Wrong("target_host", "an IPv6 address stands in brackets: [::1]:8080") { $0.targetHost = "::1:80" },
        Wrong("target_host", "\"[\" without \"]\"") { $0.targetHost = "[::1" },
        Wrong("target_host", "must be host:port") { $0.targetHost = "[::1]80" },
        Wrong("target_host", "\"a\" is no IPv6 address") { $0.targetHost = "[a]:80" },
        Wrong("match_method", "must be ANY or a comma-separated list of methods") { $0.matchMethod = "" },
        Wrong("match_method", "must be ANY or a comma-separated list of methods") { $0.matchMethod = "GET," },
        Wrong("match_method", "must be ANY or a comma-separated list of methods") { $0.matchMethod = "GET POST" },
        Wrong("match_headers", "must be an object") { $0.matchHeaders = ["x"] },
        Wrong("match_headers", "\"x y\" is no header name") { $0.matchHeaders = ["x y": "1"] },
        Wrong("match_headers", "\"\" is no header name") { $0.matchHeaders = ["": "1"] },
        Wrong("match_headers", "\"x\" must be a string, true or false") { $0.matchHeaders = ["x": 1] },
        Wrong("match_headers", "\"x\" must be a string, true or false") { $0.matchHeaders = ["x": nil] },
        Wrong("add_headers", "must be an object") { $0.addHeaders = ["x"] },
        Wrong("add_headers", "must be an object") { $0.addHeaders = "authorization: x" },
        Wrong("add_headers", "\"x:\" is no header name") { $0.addHeaders = ["x:": "1"] },
        Wrong("add_headers", "\"x\" must be a string") { $0.addHeaders = ["x": 1] },
        Wrong("add_headers", "\"x\" holds control characters") { $0.addHeaders = ["x": "a\r\nevil: 1"] },
        Wrong("add_headers", "\"x\" holds control characters") { $0.addHeaders = ["x": "a\u{0}"] },
        Wrong("add_headers", "\"x\" holds control characters") { $0.addHeaders = ["x": "\u{7F}"] },
        Wrong("add_headers", "\"Content-Length\" is written by the gateway itself") {
            $0.addHeaders = ["Content-Length": "1"]
        },
        Wrong("add_headers", "\"transfer-encoding\" is written by the gateway itself") {
            $0.addHeaders = ["transfer-encoding": "chunked"]
        },
        Wrong("add_headers", "\"CONNECTION\" is written by the gateway itself") {
            $0.addHeaders = ["CONNECTION": "close"]
        },
        Wrong("add_headers", "\"${\" without \"}\"") { $0.addHeaders = ["x": "Bearer ${TOKEN"] },
        Wrong("remove_headers", "\"x y\" is no header name") { $0.removeHeaders = ["x-a", "x y"] },
        Wrong("add_body_fields", "must be an object") { $0.addBodyFields = [1] },
        Wrong("timeout", "must be 1…86400 seconds") { $0.timeoutSeconds = 0 },
        Wrong("timeout", "must be 1…86400 seconds") { $0.timeoutSeconds = 86_401 },
        Wrong("timeout", "must be 1…86400 seconds") { $0.timeoutSeconds = .min },
        Wrong("retry_count", "must be 0…100") { $0.retryCount = -1 },
        Wrong("retry_count", "must be 0…100") { $0.retryCount = 101 },
        Wrong("weight", "must be 0…1000000") { $0.weight = -1 },
        Wrong("weight", "must be 0…1000000") { $0.weight = 1_000_001 },
    ]

    @Test(arguments: wrongs) func everyProblemNamesItsField(_ wrong: Wrong) {
        #expect(problem(wrong.change) == RouteProblem(field: wrong.field, message: wrong.message))
    }

    @Test func aSchemaThatDoesNotCompile() {
        let schemas: [JSONValue] = [
            ["$ref": "https://example.com/other"], ["properties": ["a": ["pattern": "("]]], ["minimum": 1, "type": 5],
            ["$ref": "#/$defs/missing"],
        ]
        for schema in schemas { #expect(problem { $0.matchBodySchema = schema }?.field == "match_body_schema") }
    }

    // MARK: What earlier versions took

    @Test func pathsAreWrittenAsClientsSendThem() {
        #expect(problem { $0.matchPath = "/%C3%A4/*" } == nil)
        let wrong = problem { $0.matchPath = "/ä/{x}\\" }
        #expect(wrong?.field == "match_path" && wrong?.message.hasSuffix("mostly /%C3%A4/{x}%5C") == true)
        let target = problem { ($0.matchPath, $0.targetPath) = ("/{x}", "/ä/{x}") }
        #expect(target?.field == "target_path" && target?.message.hasSuffix("mostly /%C3%A4/{x}") == true)
        #expect(problem { ($0.matchPath, $0.targetPath) = ("/{x}", "/%C3%A4/{x}") } == nil)
        #expect(RouteCheck.problem(pattern: "/a/{x}/*") == nil && RouteCheck.problem(pattern: "/a/{") != nil)
        #expect(RouteCheck.problem(pattern: "/ä")?.contains("/%C3%A4") == true)
    }

    @Test func anIllFormedSchemaIsRefusedWithAWayOut() throws {
        let refused = try #require(problem { $0.matchBodySchema = ["model": "x", "type": "chat"] })
        #expect(refused.field == "match_body_schema" && refused.message.hasPrefix("/type: must be"))
        #expect(refused.message.hasSuffix(#"compared with {"properties":{"type":{"const":"x"}}}"#))
        // Who wrote a schema needs no such advice.
        #expect(problem { $0.matchBodySchema = ["minimum": 1, "type": 5] }?.message.contains("const") == false)
    }

    @Test func whatAnEarlierVersionStoredIsServedAsItDid() throws {
        let record = RouteRecord.make("r") {
            $0.matchBodySchema = ["model": "x", "type": "chat"]
            ($0.matchPath, $0.targetPath) = ("/ä", "/ö")
        }
        #expect(
            RouteCheck.formerFields(record).map(\.field) == ["match_path", "target_path", "match_body_schema"])
        #expect(RouteCheck.formerFields(.make("r") { $0.matchBodySchema = ["type": "object"] }).isEmpty)
        let served = snapshot([record])
        #expect(served.routeProblems.isEmpty)
        let route = served.view.pointee.table.routes[0]
        #expect(route.memberConditions.count == 2 && route.schema == nil)
    }

    @Test func whatIsRight() {
        #expect(problem { _ in } == nil)
        #expect(
            problem {
                $0.matchPath = "/{tenant}/v1*"
                $0.matchMethod = "get, POST ,purge"
                $0.matchHeaders = ["x-a": true, "x-b": "*"]
                $0.matchBodySchema = ["model": "m"]
                $0.targetHost = "[::1]:8080"
                $0.targetPath = "/{tenant}/*"
                $0.targetProtocol = "HTTPS"
                $0.addHeaders = ["authorization": "Bearer ${NO_SUCH_VARIABLE}", "x-tab": "a\tb", "x-empty": ""]
                $0.addBodyFields = ["user": "u"]
                $0.removeHeaders = ["x-c"]
                $0.timeoutSeconds = 86_400
                $0.retryCount = 100
                $0.weight = 1_000_000
                $0.priority = -5
            } == nil)
        // What a database may hold for "nothing".
        #expect(
            problem {
                $0.matchHeaders = .null
                $0.matchBodySchema = .null
                $0.addHeaders = .null
                $0.addBodyFields = .null
            } == nil)
    }

    // MARK: Results

    @Test func timeoutsAndNumbers() throws {
        let plain = try compile { _ in }
        #expect(plain.timeoutMilliseconds == 300_000)
        #expect(plain.metricID == 7)
        #expect(plain.bodyFields == nil)
        #expect(!plain.needsBody)
        let other = try compile {
            $0.timeoutSeconds = 3
            $0.retryCount = 2
            $0.priority = -1
            $0.weight = 5
        }
        #expect(other.timeoutMilliseconds == 3000)
        #expect(other.retryCount == 2)
        #expect(other.priority == -1)
        #expect(other.weight == 5)
    }

    @Test func bodyFieldsAreReadyToBeWritten() throws {
        let route = try compile { $0.addBodyFields = ["user": "a\"b", "n": 1.50, "o": ["x": [true, nil]]] }
        let fields = try #require(route.bodyFields).takeUnretainedValue().members
        #expect(fields.map(\.name) == ["user", "n", "o"])
        let values = fields.map { String(decoding: $0.value, as: UTF8.self) }
        #expect(values[0] == #""a\"b""#)
        #expect(values[2] == #"{"x":[true,null]}"#)
        #expect(try compile { $0.addBodyFields = [:] }.bodyFields == nil)
    }

    @Test(
        arguments: [
            ("a.example:8080", "http", "a.example", 8080, "a.example:8080"),
            ("A.Example", "http", "a.example", 80, "a.example"),
            ("a.example", "https", "a.example", 443, "a.example"),
            ("a.example:443", "https", "a.example", 443, "a.example"),
            ("a.example:80", "https", "a.example", 80, "a.example:80"),
            ("10.0.0.1:9000", "http", "10.0.0.1", 9000, "10.0.0.1:9000"),
            ("[::1]", "http", "::1", 80, "[::1]"),
            ("[2001:DB8::1]:8443", "https", "2001:db8::1", 8443, "[2001:db8::1]:8443"),
        ] as [(String, String, String, UInt16, String)]) func targets(
            _ text: String, _ scheme: String, _ host: String, _ port: UInt16, _ authority: String
        ) throws
    {
        let view = snapshot([.make("r", host: text) { $0.targetProtocol = scheme }]).view
        let target = view.pointee.targets[0]
        #expect(target.host.string == host)
        #expect(String(cString: target.serverName) == host)
        #expect(target.port == port)
        #expect(target.isTLS == (scheme == "https"))
        #expect(target.authority.string == authority)
        #expect((target.literal != nil) == !host.contains("example"))
        if let literal = target.literal { #expect(literal.port == port) }
    }

    @Test func memberNamesAreSharedAndLimited() throws {
        var compiler = compiler()
        for n in 0..<62 {
            _ = try compiler.compile(.make("r\(n)") { $0.matchBodySchema = ["m\(n)": 1, "model": "x"] }, metricID: 0)
        }
        #expect(compiler.memberNames.count == RouteCompiler.maxMemberNames)
        #expect(compiler.memberNames.prefix(3) == ["stream", "model", "m0"])
        _ = try compiler.compile(.make("again") { $0.matchBodySchema = ["m5": 1, "stream": true] }, metricID: 0)
        do {
            _ = try compiler.compile(.make("more") { $0.matchBodySchema = ["one-too-many": 1] }, metricID: 0)
            Issue.record("compiled")
        } catch {
            #expect(error.field == "match_body_schema")
        }
        // A schema does not depend on the scanner: it goes without.
        let schema = try compiler.compile(
            .make("schema") { $0.matchBodySchema = ["required": ["another"]] }, metricID: 0)
        #expect(schema.decidingMembers == 0)
        #expect(schema.schema != nil)
        retainedForGood(compiler)
    }

    // MARK: Variables

    @Test func variablesComeFromTheEnvironment() throws {
        setenv("PROXY_TESTS_TOKEN", "s3cret", 1)
        setenv("PROXY_TESTS_EMPTY", "", 1)
        setenv("PROXY_TESTS_EVIL", "a\r\nb: c", 1)
        func expand(_ text: String) throws -> String {
            try RouteCompiler.expandEnvironment(text, field: "add_headers")
        }
        #expect(try expand("Bearer ${PROXY_TESTS_TOKEN}") == "Bearer s3cret")
        #expect(try expand("${PROXY_TESTS_TOKEN}${PROXY_TESTS_TOKEN}!") == "s3crets3cret!")
        #expect(try expand("[${PROXY_TESTS_EMPTY}]") == "[]")
        #expect(try expand("$ $$ $x {y} }") == "$ $$ $x {y} }")
        #expect(try expand("costs 5$") == "costs 5$")
        #expect(try expand("$${PROXY_TESTS_TOKEN}") == "$s3cret")
        #expect(try expand("") == "")

        let route = try compile { $0.addHeaders = ["Authorization": "Bearer ${PROXY_TESTS_TOKEN}"] }
        #expect(route.rewrite.added.string == "Authorization: Bearer s3cret\r\n")

        func message(_ value: JSONValue) -> String? {
            do {
                _ = try compile { $0.addHeaders = ["x": value] }
                return nil
            } catch {
                #expect(error.field == "add_headers")
                return error.message
            }
        }
        #expect(
            message("${PROXY_TESTS_NO_SUCH}")
                == "the environment has no PROXY_TESTS_NO_SUCH; the gateway has to be started with it")
        #expect(message("${}")?.hasPrefix("the environment has no ;") == true)
        #expect(message("${PROXY_TESTS_TOKEN") == "\"${\" without \"}\"")
        // A secret must not be able to add fields of its own.
        #expect(message("${PROXY_TESTS_EVIL}") == "\"x\" holds control characters")
    }
}
