import Testing

@testable import Config

@Suite struct ExpansionTests {
    private let environment = ["A": "one", "EMPTY": "", "_x9": "two"]

    @Test(arguments: [
        ("plain", "plain"), ("${A}", "one"), ("<${A}|${_x9}>", "<one|two>"), ("${B:-three}", "three"),
        ("${EMPTY:-three}", "three"), ("${EMPTY}", ""), ("${A:-three}", "one"), ("${B:-}", ""),
        ("${B:-a:-b}", "a:-b"), ("pa$$word$", "pa$$word$"), ("$A", "$A"), ("$${A}", "${A}"), ("$$${A}", "$${A}"),
        ("${A}}", "one}"), ("", ""),
    ])
    func expands(text: String, expected: String) throws {
        let result = try Expansion.expand(text, environment)
        #expect(result == .init(text: expected, unset: []))
    }

    @Test func valuesAreNotExpandedAgain() throws {
        #expect(try Expansion.expand("${X}", ["X": "${A}", "A": "no"]).text == "${A}")
    }

    @Test func unsetNamesAreReported() throws {
        #expect(try Expansion.expand("a${B}c${D}", environment) == .init(text: "ac", unset: ["B", "D"]))
    }

    @Test(arguments: ["${", "${A", "${}", "${1A}", "${A B}", "${A:b}", "${A:}", "${-x}", "${:-x}"])
    func refuses(text: String) {
        #expect(throws: Expansion.Problem.self) { try Expansion.expand(text, environment) }
    }

    @Test func worksInAnyValue() throws {
        let text = """
            app: { name: "Gate ${N}", port: "${P:-99}" }
            proxy:
              max_retries: ${R:-7}
              max_body_size: ${M:-}
              strip_headers: ["x-${N}", cookie]
            cors: { allow_origins: "${ORIGINS}" }
            """
        let s = try load(text, ["N": "a", "ORIGINS": "https://a.example, https://b.example"]).settings
        #expect(s.app.name == "Gate a" && s.app.port == 99 && s.proxy.maxRetries == 7)
        #expect(s.proxy.maxBodyBytes == 64 << 20)
        #expect(s.proxy.stripHeaders == ["x-a", "cookie"])
        #expect(s.cors.allowOrigins == ["https://a.example", "https://b.example"])
    }

    @Test func onlyTheAdminTokenMayBeUnset() throws {
        #expect(try load("security: { admin_token: \"${NOBODY}\" }").settings.security.adminToken == "")
        // What is left without the secret part is no token.
        #expect(try load("security: { admin_token: \"fastgate-${NOBODY}\" }").settings.security.adminToken == "")
        #expect(
            refusal("app:\n  name: ${NOBODY}")
                == "config.yaml:2: app.name: the environment variable NOBODY is not set"
                + " (${NOBODY:-default} gives a default)")
        #expect(refusal("app:\n  name: ${NOBODY").hasPrefix("config.yaml:2: app.name: \"${\" without a \"}\""))
    }
}
