import Testing

@testable import Config

@Suite struct SettingsValueTests {
    private func value(_ entries: [SettingsEntry], _ section: String, _ name: String) -> SettingsValue? {
        guard case .section(let members) = entries.first(where: { $0.name == section })?.value else { return nil }
        return members.first { $0.name == name }?.value
    }

    @Test func theTokenIsMasked() {
        var settings = Settings()
        #expect(value(settings.maskedEntries(), "security", "admin_token") == .text(""))
        settings.security.adminToken = "hunter2"
        #expect(value(settings.maskedEntries(), "security", "admin_token") == .text("********"))
        #expect(!"\(settings.maskedEntries())".contains("hunter2"))
    }

    @Test func valuesKeepTheirKinds() {
        let entries = Settings().maskedEntries()
        #expect(entries.map(\.name) == SettingKey.sections)
        #expect(value(entries, "app", "port") == .integer(8514))
        #expect(value(entries, "app", "timezone") == .text("+08:00"))
        #expect(value(entries, "proxy", "connect_timeout") == .number(5))
        #expect(value(entries, "proxy", "max_body_size") == .integer(67_108_864))
        #expect(value(entries, "cors", "allow_origins") == .list(["*"]))
        #expect(value(entries, "tls", "cert") == .text(""))
        #expect(value(entries, "audit", "on_full") == .text("wait"))
        #expect(value(entries, "upstream_tls", "verify") == .bool(true))
    }

    @Test func changesThatNeedARestartAreNamed() {
        var changed = Settings()
        changed.app.port = 1
        changed.proxy.maxRetries = 1
        changed.audit.ringBytes = 1 << 20
        #expect(changed.keysNeedingRestart(comparedTo: Settings()) == ["app.port", "audit.ring_size"])
        #expect(Settings().keysNeedingRestart(comparedTo: Settings()).isEmpty)
        let effective = changed.keepingStartValues(of: Settings())
        #expect(effective.keysNeedingRestart(comparedTo: Settings()).isEmpty)
        #expect(effective.app.port == Settings().app.port && effective.proxy.maxRetries == 1)
    }
}
