import Reactor
import Testing

@testable import FastGate

@Suite struct HostLookupTests {
    @Test(arguments: [
        ("http://127.0.0.1:9000", "127.0.0.1:9000"), ("http://127.0.0.1", "127.0.0.1:8515"),
        ("HTTP://[::1]:1/", "[::1]:1"), ("127.0.0.1:7", "127.0.0.1:7"), ("[::1]", "[::1]:8515"),
        ("http://0.0.0.0:5", "127.0.0.1:5"),
    ])
    func urlsNameAddresses(url: String, address: String) throws {
        #expect(try HostLookup.place(url: url).address.description == address)
    }

    @Test func namesAreLookedUp() throws {
        #expect(try HostLookup.place(url: "http://localhost:1").address.isLoopback)
    }

    @Test func httpsIsToldFromHTTP() throws {
        for (url, isTLS) in [("https://localhost:1", true), ("HTTPS://[::1]", true), ("http://localhost", false)] {
            let place = try HostLookup.place(url: url)
            #expect(place.isTLS == isTLS)
            #expect(place.host == (url.contains("::1") ? "::1" : "localhost"))
        }
    }

    @Test(arguments: [
        "", "http://", "ftp://127.0.0.1:1", "http://u@127.0.0.1", "http://127.0.0.1:0", "http://127.0.0.1:x",
        "http://127.0.0.1/x",
    ])
    func othersAreRefused(url: String) {
        #expect {
            try HostLookup.place(url: url)
        } throws: { ($0 as? CommandFailure)?.exitCode == ExitCode.usage }
    }

    /// A token that the configuration holds was meant for this machine.
    @Test func otherMachinesAreNotToldOurToken() {
        var settings = settings(database: "/nonexistent", token: "0123456789abcdef")
        settings.admin.port = 1
        let choice = AccessChoice(settings: settings, url: "http://192.0.2.1:1")
        #expect {
            try choice.access(createsDatabase: false)
        } throws: { ($0 as? CommandFailure)?.message == "there is no admin token for http://192.0.2.1:1" }
    }
}
