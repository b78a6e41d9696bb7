import Testing

@testable import Admin

@Suite struct HostCheckTests {
    @Test(arguments: [
        "127.0.0.1", "127.0.0.1:8515", "[::1]", "[::1]:8515", "[fe80::1]:1", "10.1.2.3", "localhost", "LocalHost:80",
        "a.localhost", "gateway", "gateway:8515", "Gate.example.org:443",
    ])
    func namesOfThisMachine(host: String) {
        #expect(HostCheck.allows(host, allowed: ["gate.example.org"]))
    }

    @Test(arguments: [
        "evil.example", "evil.example:8515", "127.0.0.1.evil.example", "localhost.", "evil.localhost.example",
        "xgate.example.org", "gate.example.org.evil.example", "1.2.3", "[::1.example]",
    ])
    func namesOfOthers(host: String) {
        #expect(!HostCheck.allows(host, allowed: ["gate.example.org"]))
    }

    @Test func withoutAHostThereIsNoBrowser() {
        #expect(HostCheck.allows(nil, allowed: []))
    }
}
