import Testing

@testable import Config

@Suite struct WarningTests {
    @Test func oldKeysAreAcceptedWithOneWarningEach() throws {
        let loaded = try load(
            """
            app: { version: "0.3.0" }
            database: { echo: false, pool_size: 5 }
            security: { rate_limit_enabled: true }
            logging: { format: "%(asctime)s - %(message)s" }
            proxy:
              stream_chunk_size: 1024
              audit_async: true
              async_audit: true
              enable_streaming: true
              timeout: 30
              audit_full_request: true
              audit_full_response: true
            """)
        #expect(loaded.warnings.count == 12)
        #expect(
            loaded.warnings.first
                == "config.yaml:1: app.version: no longer means anything and is ignored:"
                + " the version is the program's own")
        #expect(loaded.warnings.contains("config.yaml:10: proxy.timeout: is an old name of proxy.default_timeout"))
        #expect(loaded.settings.proxy.defaultTimeoutSeconds == 30)
        #expect(loaded.settings.logging.format == .text)
    }

    @Test func theNewNameWinsOverTheOld() throws {
        for text in ["proxy: { timeout: 30, default_timeout: 60 }", "proxy: { default_timeout: 60, timeout: 30 }"] {
            let loaded = try load(text)
            #expect(loaded.settings.proxy.defaultTimeoutSeconds == 60)
            #expect(loaded.warnings.count == 1)
        }
        // By the name that stands in the file.
        #expect(refusal("proxy:\n  timeout: soon").hasPrefix("config.yaml:2: proxy.timeout: must be a time"))
        #expect(refusal("proxy: { timeout: \"${NOBODY}\" }").hasPrefix("config.yaml:1: proxy.timeout: the environment"))
    }

    @Test(arguments: [
        ("security: { admin_token: short }", "security.admin_token: is easy to guess"),
        ("security: { admin_token: admin_secret_token_prod }", "security.admin_token: is easy to guess"),
        ("security: { require_api_key: false }", "security.require_api_key: is false"),
        ("upstream_tls: { verify: false }", "upstream_tls.verify: is false"),
        ("cors: { allow_credentials: true }", "cors.allow_credentials: with any origin allowed"),
    ])
    func whatIsHardlyMeantIsWarnedOf(text: String, part: String) throws {
        let warnings = try load(text).warnings
        #expect(warnings.count == 1)
        #expect(warnings.first?.hasPrefix("config.yaml:1: \(part)") == true)
    }
}
