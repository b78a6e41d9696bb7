import Testing

@testable import Config

@Suite struct RefusalTests {
    @Test func unknownNamesAreRefusedWithTheNearest() {
        #expect(
            refusal("app:\n  port: 1\n  prot: 2\n") == "config.yaml:3: app.prot: unknown key; did you mean app.port?")
        #expect(refusal("apps: {}\n") == "config.yaml:1: apps: unknown section; did you mean app?")
        #expect(
            refusal("proxy: { retention_days: 1 }")
                == "config.yaml:1: proxy.retention_days: unknown key; did you mean audit.retention_days?")
        #expect(
            refusal("\nport: 1") == "config.yaml:2: port: unknown section; did you mean app.port or admin.port?")
        #expect(
            refusal("upstream_tls: { zzzzzz: 1 }")
                == "config.yaml:1: upstream_tls.zzzzzz: unknown key; upstream_tls has verify, ca_file, hosts")
        #expect(refusal("zzzzzzzz: 1").contains("unknown section; the sections are app, admin, database,"))
        #expect(refusal("app: { \"a\\e[31m\": 1 }").contains("app.a?[31m: unknown key"))
    }

    @Test(arguments: [
        ("app: { port: 65536 }", "app.port: must be a port from 0 to 65535 (0 = any free one), not \"65536\""),
        ("app: { port: -1 }", "app.port: must be a port from 0 to 65535 (0 = any free one), not \"-1\""),
        ("app: { port: [1] }", "app.port: must be a port from 0 to 65535 (0 = any free one), not a list"),
        ("app: { port: {} }", "app.port: must be a single value or a list, not a section"),
        ("app: { port: \"\" }", "app.port: must be a port from 0 to 65535 (0 = any free one), not \"\""),
        ("app: { debug: 1 }", "app.debug: must be true or false, not \"1\""),
        ("app: 5", "app: must be a section of keys, not a single value"),
        ("app: [1]", "app: must be a section of keys, not a list"),
        ("- app", "config.yaml:1: the file must consist of sections such as \"app:\", not a list"),
        ("app: { host: example.org }", "app.host: must be an IP address"),
        ("app: { timezone: Asia/Shanghai }", "app.timezone: must be an offset from UTC such as \"+08:00\", or UTC"),
        ("app: { workers: 1e3 }", "app.workers: must be an integer from 0 to 256, not \"1e3\""),
        ("proxy: { max_retries: x }", "proxy.max_retries: must be an integer from 0 to 100, not \"x\""),
        ("proxy: { max_body_size: 0 }", "must be a size from 1 to 1GB, such as 64MB, not \"0\""),
        ("proxy: { max_body_size: 5TB }", "must be a size from 1 to 1GB, such as 64MB, not \"5TB\""),
        ("proxy: { connect_timeout: 0 }", "must be a time from 0.01 to 3600 seconds, such as 30, 0.5, 500ms or 5m"),
        ("proxy: { connect_timeout: nan }", "must be a time from"),
        ("proxy: { strip_headers: [a b] }", "proxy.strip_headers: must be a list of header names, without \"a b\""),
        ("proxy: { strip_headers: [[a]] }", "must be a list of single values, without a list"),
        ("proxy: { strip_headers: [a, ~] }", "must be a list of single values, without empty ones"),
        ("audit: { ring_size: 65MB }", "audit.ring_size: must be a power of two from 64KB to 16GB"),
        ("audit: { on_full: block }", "audit.on_full: must be wait or drop, not \"block\""),
        ("logging: { level: LOUD }", "logging.level: must be DEBUG, INFO, WARNING or ERROR, not \"LOUD\""),
        ("logging: { format: xml }", "logging.format: must be text or json, not \"xml\""),
        ("database: { url: \"postgresql://x/y\" }", "database.url: must be sqlite:///PATH"),
        ("database: { url: \"sqlite:///:memory:\" }", "database.url: must be sqlite:///PATH"),
        ("database: { url: \"sqlite:///\" }", "database.url: must be sqlite:///PATH"),
        ("tls: { min_version: 1.1 }", "tls.min_version: must be \"1.2\" or \"1.3\", not \"1.1\""),
        ("cors: { allow_origins: example.org }", "cors.allow_origins: must be a list of origins"),
        ("security: { key_prefix: \"a b\" }", "security.key_prefix: must be at most 32 of the characters"),
    ])
    func valuesAreRefusedWithWhatIsAllowed(text: String, part: String) {
        #expect(refusal(text).contains(part), "\(refusal(text))")
    }

    @Test func secretsStayOutOfMessages() {
        #expect(
            refusal("security: { admin_token: \"hunter2 hunter2\" }")
                == "config.yaml:1: security.admin_token: must be printable ASCII characters without blanks")
        #expect(!refusal("security: { admin_token: \"hunter2${\" }").contains("hunter2"))
        #expect(!refusal("security: { admin_token: [\"hunter2\"] }").contains("hunter2"))
        #expect(!refusal("", ["ADMIN_TOKEN": "hunter2\u{7}"]).contains("hunter2"))
    }

    @Test func longAndControlCharactersAreShortened() {
        let message = refusal("app: { port: \"\\e\(String(repeating: "x", count: 500))\" }")
        #expect(message.utf8.count < 200)
        #expect(message.contains("not \"?xxx") && message.hasSuffix("x…\""))
    }

    @Test func contradictionsAreRefused() {
        #expect(
            refusal("app: { port: 80 }\nadmin:\n  port: 80\n")
                == "config.yaml:3: admin.port: is the same address as app.port; the two must differ")
        #expect(refusal("app: { host: 127.0.0.2, port: 80 }\nadmin: { port: 80 }") == "accepted")
        #expect(refusal("app: { port: 0 }\nadmin: { port: 0 }") == "accepted")
        #expect(refusal("tls: { cert: a.pem }") == "config.yaml:1: tls.cert: is set without tls.key; TLS needs both")
        #expect(refusal("tls: { key: a.pem }") == "config.yaml:1: tls.key: is set without tls.cert; TLS needs both")
    }

    @Test func listsOfSectionsAreChecked() {
        let certificates = "config.yaml:1: tls.certificates"
        for (text, message) in [
            ("x", ": must be a list of sections with cert, key, names, ocsp_response, not of single values"),
            ("[x]", ": must be a list of sections with cert, key, names, ocsp_response, not a single value"),
            ("[{ cert: a }]", ": must have key in each of its sections, not one without"),
            ("[{ cert: a, key: \"\" }]", ": key must be a file's path, not \"\""),
            ("[{ cert: a, key: b, name: c }]", ".name: unknown key; its sections have cert, key, names"),
            ("[{ cert: a, key: b, names: [\"x y\"] }]", ": must be a list of DNS names"),
            ("[{ cert: a, key: [b] }]", ": key must be a file's path, not a list"),
        ] {
            #expect(refusal("tls: { certificates: \(text) }").hasPrefix(certificates + message), "\(text)")
        }
        #expect(refusal("tls: { certificates: [] }") == "accepted")
        #expect(refusal("tls: { client_auth: optional }").contains("tls.client_auth: asks clients for certificates"))
        #expect(refusal("upstream_tls: { hosts: [{ host: a, cert: b }] }").contains("a has one of cert and key"))
        #expect(refusal("admin: { tls: { cert: a } }").contains("admin.tls.cert: is set without admin.tls.key"))
        #expect(refusal("admin: { tls: { ca: a } }").contains("admin.tls.ca: unknown key"))
        #expect(refusal("admin: { tls: a }").contains("admin.tls: must be a section of keys, not a single value"))
    }

    @Test func aRecordFitsIntoItsRing() {
        #expect(
            refusal("audit: { ring_size: 128KB }")
                == "config.yaml:1: audit.ring_size: must be at least 262144 bytes: four times limits.max_header_bytes")
        #expect(refusal("audit: { ring_size: 64KB }\nlimits: { max_header_bytes: 16KB }") == "accepted")
        #expect(
            refusal("audit: { ring_size: 1MB }\nproxy: { audit_include_body: true, audit_body_max_size: 1MB }")
                .contains("proxy.audit_body_max_size together"))
    }
}
