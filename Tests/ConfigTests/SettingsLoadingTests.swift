import Testing

@testable import Config

@Suite struct SettingsLoadingTests {
    @Test func theShippedFileIsTheDefaults() throws {
        let loaded = try Settings.load(path: packageRoot + "/config.yaml", environment: [:])
        #expect(loaded.settings == Settings())
        #expect(loaded.warnings.isEmpty)
        #expect(loaded.sourcePath == packageRoot + "/config.yaml")
    }

    @Test func theShippedFileAndTheManualHaveEveryKey() throws {
        let file = try #require(try YAMLReader.read(Array(try readText(packageRoot + "/config.yaml").utf8)))
        let sections = try #require(file.members)
        #expect(sections.map(\.key) == SettingKey.sections)
        let paths = try sections.flatMap { section in
            try #require(section.value.members).flatMap { member in
                // A section within a section: admin.tls.
                member.value.members.map { $0.map { "\(section.key).\(member.key).\($0.key)" } }
                    ?? ["\(section.key).\(member.key)"]
            }
        }
        #expect(paths == SettingKey.all.map(\.path))

        let manual = try readText(packageRoot + "/docs/configuration.md").split(separator: "\n")
        for key in SettingKey.all {
            let rows = manual.filter { $0.hasPrefix("| `\(key.path)` |") }
            #expect(rows.count == 1, "\(key.path)")
            #expect(rows.first?.contains("*start*") == key.needsRestart, "\(key.path)")
        }
    }

    @Test func theDefaultsAreTheContract() {
        let s = Settings()
        #expect(s.app.host == "0.0.0.0" && s.app.port == 8514 && s.app.timezone.text == "+08:00")
        #expect(s.admin.host == "127.0.0.1" && s.admin.port == 8515 && s.admin.allowQueryToken)
        #expect(s.database.path == "./data/fastgate.db" && s.database.folder == "./data")
        #expect(s.security.requireAPIKey && s.security.keyPrefix == "fg_" && s.security.defaultExpiryDays == 365)
        #expect(s.proxy.maxBodyBytes == 67_108_864 && s.audit.ringBytes == 67_108_864)
        #expect(s.logging.maxSizeBytes == 104_857_600 && s.logging.backupCount == 5)
        #expect(s.limits.maxHeaderBytes == 65536 && s.limits.keepaliveTimeoutSeconds == 75)
    }

    @Test func everyKeyIsReadFromItsPlace() throws {
        let text = """
            app: { name: Gate, host: "[::1]", port: 1, workers: 3, timezone: UTC, replace_timeout: 2h, drain_timeout: 0, debug: on }
            admin: { host: localhost, port: 2, allow_query_token: no, hosts: [Gate.example], tls: { cert: x.pem, key: y.pem } }
            database: { url: "sqlite:////var/lib/fastgate/x.db" }
            security: { admin_token: 0123456789abcdef, require_api_key: no, key_prefix: sk-, default_expiry_days: 0 }
            rate_limiting: { enabled: false, default_requests_per_minute: 60 }
            logging: { level: warn, format: JSON, file: /var/log/fastgate.log, max_size: 1GB, backup_count: 0 }
            proxy:
              connect_timeout: 500ms
              default_timeout: 5m
              tunnel_idle_timeout: 1m
              max_retries: 0
              max_body_size: 1KB
              max_idle_upstream: 0
              forward_client_ip: yes
              strip_headers: [Cookie, X-Secret, cookie]
              audit_include_headers: false
              audit_include_body: true
              audit_body_max_size: 0
            audit: { ring_size: 1MB, flush_interval_ms: 50, on_full: drop, retention_days: 30 }
            cors:
              allow_origins: ["https://a.example"]
              allow_methods: "GET, POST"
              allow_headers: [X-A]
              allow_credentials: true
            tls:
              cert: a.pem
              key: b.pem
              ocsp_response: b.der
              certificates:
                - { cert: c.pem, key: "${KEY:-d}.pem", names: [A.example, "*.b.example"] }
                - cert: e.pem
                  key: f.pem
                  ocsp_response: f.der
              min_version: 1.3
              client_ca: people.pem
              client_auth: Required
              forward_client_subject: true
              check_interval: 5m
            upstream_tls:
              verify: false
              ca_file: ca.pem
              hosts:
                - { host: API.example, ca_file: own.pem, cert: us.pem, key: us.key }
            limits:
              { max_connections: 10, max_header_bytes: 8KB, max_headers: 64, header_timeout: 0.5, body_timeout: 1,
                keepalive_timeout: 2, send_timeout: 3, max_connections_per_address: 4, max_buffered_bytes: 2MB,
                max_target_bytes: 512, max_chunk_extension_bytes: 5, max_trailer_bytes: 1KB, min_body_rate: 1KB,
                first_byte_timeout: 6, min_send_rate: 0, rate_grace: 8, idle_upstream_timeout: 7 }
            """
        var expected = Settings()
        expected.app.name = "Gate"
        expected.app.host = "::1"
        expected.app.port = 1
        expected.app.workers = 3
        expected.app.timezone = .utc
        expected.app.drainTimeoutSeconds = 0
        expected.app.replaceTimeoutSeconds = 7200
        expected.app.debug = true
        expected.admin = .init(
            host: "127.0.0.1", port: 2, allowQueryToken: false, hosts: ["gate.example"], certificateFile: "x.pem",
            keyFile: "y.pem")
        expected.database.url = "sqlite:////var/lib/fastgate/x.db"
        expected.security = .init(
            adminToken: "0123456789abcdef", requireAPIKey: false, keyPrefix: "sk-", defaultExpiryDays: 0)
        expected.rateLimiting = .init(enabled: false, defaultRequestsPerMinute: 60)
        // app.debug wins over the level.
        expected.logging = .init(
            level: .debug, format: .json, file: "/var/log/fastgate.log", maxSizeBytes: 1 << 30, backupCount: 0)
        expected.proxy = .init(
            connectTimeoutSeconds: 0.5, defaultTimeoutSeconds: 300, tunnelIdleTimeoutSeconds: 60, maxRetries: 0,
            maxBodyBytes: 1024,
            maxIdleUpstream: 0, forwardClientIP: true, stripHeaders: ["cookie", "x-secret"],
            auditIncludeHeaders: false, auditIncludeBody: true, auditBodyMaxBytes: 0)
        expected.audit = .init(ringBytes: 1 << 20, flushIntervalMilliseconds: 50, onFull: .drop, retentionDays: 30)
        expected.cors = .init(
            allowOrigins: ["https://a.example"], allowMethods: ["GET", "POST"], allowHeaders: ["X-A"],
            allowCredentials: true)
        expected.tls = .init(
            certificateFile: "a.pem", keyFile: "b.pem", ocspFile: "b.der",
            certificates: [
                .init(certificateFile: "c.pem", keyFile: "d.pem", names: ["a.example", "*.b.example"]),
                .init(certificateFile: "e.pem", keyFile: "f.pem", ocspFile: "f.der"),
            ], minimumVersion: "1.3", clientAuthorityFile: "people.pem", clientAuthentication: .required,
            forwardsClientSubject: true, checkIntervalSeconds: 300)
        expected.upstreamTLS = .init(
            verify: false, caFile: "ca.pem",
            hosts: [.init(host: "api.example", caFile: "own.pem", certificateFile: "us.pem", keyFile: "us.key")])
        expected.limits = .init(
            maxConnections: 10, maxConnectionsPerAddress: 4, maxBufferedBytes: 2 << 20, maxHeaderBytes: 8192,
            maxHeaders: 64, maxTargetBytes: 512, maxChunkExtensionBytes: 5, maxTrailerBytes: 1024,
            headerTimeoutSeconds: 0.5, bodyTimeoutSeconds: 1, minBodyRate: 1024, firstByteTimeoutSeconds: 6,
            keepaliveTimeoutSeconds: 2, sendTimeoutSeconds: 3, minSendRate: 0, rateGraceSeconds: 8,
            idleUpstreamTimeoutSeconds: 7)
        #expect(try load(text).settings == expected)
        #expect(expected.database.path == "/var/lib/fastgate/x.db")
        #expect(expected.database.folder == "/var/lib/fastgate")
        #expect(expected.tls.isEnabled && !Settings().tls.isEnabled)
    }

    @Test func theFolderIsThatOfThePath() {
        var database = Settings.Database()
        database.url = "sqlite:///x.db"
        #expect(database.path == "x.db" && database.folder == ".")
        database.url = "sqlite:////x.db"
        #expect(database.path == "/x.db" && database.folder == "/")
    }

    @Test(arguments: ["", "# nothing but a comment\n", "---\n", "~", "app:\nproxy: ~\n", "app: { port: , host: null }"])
    func whatSaysNothingIsTheDefaults(text: String) throws {
        #expect(try load(text).settings == Settings())
    }

    @Test func aNamedFileMustBeReadable() {
        func reason(_ path: String) -> String {
            do throws(ConfigError) {
                _ = try Settings.load(path: path, environment: [:])
                return "accepted"
            } catch {
                return error.description
            }
        }
        #expect(reason("/nonexistent/a.yaml") == "/nonexistent/a.yaml: cannot be read: No such file or directory")
        #expect(reason("/") == "/: cannot be read: Is a directory")
    }

    @Test func theEnvironmentOverridesTheFile() throws {
        let text = "app: { port: 1 }\nsecurity: { admin_token: from-the-file-0123 }\n"
        let s = try load(
            text,
            [
                "DATABASE_URL": "sqlite:///x/y.db", "ADMIN_TOKEN": "weaker-token-0123456", "APP_HOST": "::",
                "APP_PORT": "9000", "ADMIN_HOST": "0.0.0.0", "ADMIN_PORT": "9001", "LOG_LEVEL": "error",
                "FASTGATE_ADMIN_TOKEN": "stronger-token-0123456",
            ]
        ).settings
        #expect(s.database.path == "x/y.db" && s.database.folder == "x")
        #expect(s.security.adminToken == "stronger-token-0123456")
        #expect(s.app.host == "::" && s.app.port == 9000)
        #expect(s.admin.host == "0.0.0.0" && s.admin.port == 9001 && s.logging.level == .error)
        #expect(try load(text, ["APP_PORT": "", "ADMIN_TOKEN": ""]).settings.app.port == 1)
        #expect(
            refusal("", ["APP_PORT": "http"])
                == "environment: APP_PORT: must be a port from 0 to 65535 (0 = any free one), not \"http\"")
    }

    @Test func everyOverrideNamesAKey() {
        for (_, section, name) in SettingsLoader.overrides { #expect(SettingKey.find(section, name) != nil) }
    }
}
