import Config
import Glibc
import Testing

@testable import FastGate

@Suite struct ServingTests {
    @Test func theWatchdogIsFedByTheProcessThatItWatches() {
        let address = ["NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "30000000"]
        #expect(ServiceManager(environment: address).watchdogMicroseconds == 30_000_000)
        for (name, value) in [
            ("WATCHDOG_PID", "1"), ("WATCHDOG_USEC", "0"), ("WATCHDOG_USEC", "x"), ("NOTIFY_SOCKET", ""),
            ("NOTIFY_SOCKET", "vsock:2:1"),
        ] {
            var environment = address
            environment[name] = value
            #expect(ServiceManager(environment: environment).watchdogMicroseconds == nil, "\(name)=\(value)")
        }
        let ours = address.merging(["WATCHDOG_PID": "\(getpid())"]) { $1 }
        #expect(ServiceManager(environment: ours).watchdogMicroseconds == 30_000_000)
    }

    @Test func socketsForAnotherProcessAreNotTaken() throws {
        for environment in [
            [:], ["LISTEN_FDS": "2"], ["LISTEN_FDS": "2", "LISTEN_PID": "1"],
            ["LISTEN_FDS": "0", "LISTEN_PID": "\(getpid())"], ["LISTEN_FDS": "x", "LISTEN_PID": "\(getpid())"],
        ] {
            let sockets = try ServiceManager.sockets(environment: environment)
            #expect(sockets.data.isEmpty && sockets.admin == nil)
        }
    }

    @Test func onlyListeningSocketsAreTakenOver() throws {
        var sockets = ListeningSockets()
        let file = open("/dev/null", O_RDONLY)
        defer { close(file) }
        for fd in [file, -1] {
            #expect(throws: SocketFailure.self) {
                var none = ListeningSockets()
                try none.add(fd, isAdmin: false)
            }
        }
        var settings = Settings()
        settings.app.host = "127.0.0.1"
        settings.app.port = 0
        settings.admin.port = 0
        try sockets.bind(settings, workers: 2)
        defer { sockets.close() }
        #expect(sockets.data.count == 2)
        let admin = try #require(sockets.admin)
        #expect(throws: SocketFailure.self) {
            var second = sockets
            try second.add(admin, isAdmin: true)
        }
        // What is there is not bound again.
        let before = sockets.data
        try sockets.bind(settings, workers: 4)
        #expect(sockets.data == before)
    }

    @Test func aPredecessorIsTakenAtItsWordOnlyIfItMakesSense() throws {
        #expect(try Predecessor(environment: [:]) == nil)
        for text in ["", "control=x lock=y", "lock=1", "control=99999 lock=99998 data="] {
            #expect(throws: SocketFailure.self, "\(text)") {
                _ = try Predecessor(environment: ["FASTGATE_SUCCEEDS": text])
            }
        }
    }

    @Test func renewedFilesAreNoticedOnce() throws {
        let folder = TemporaryFolder()
        var settings = Settings()
        settings.tls.certificateFile = folder.path + "/a.pem"
        settings.tls.certificates = [.init(certificateFile: folder.path + "/b.pem", keyFile: folder.path + "/b.key")]
        var watch = CertificateWatch(settings)
        func hasChanged() -> Bool { watch.hasChanged(settings) }
        #expect(!hasChanged())
        for name in ["a.pem", "b.pem", "b.key"] {
            try folder.write(name, "x")
            #expect(hasChanged(), "\(name)")
            #expect(!hasChanged(), "\(name)")
        }
        // Replaced by another file of the same length.
        try folder.write("new", "y")
        rename(folder.path + "/new", folder.path + "/b.key")
        #expect(hasChanged())
        settings.admin.certificateFile = folder.path + "/c.pem"
        #expect(hasChanged())
        try folder.write("unrelated", "z")
        #expect(!hasChanged())
    }
}
