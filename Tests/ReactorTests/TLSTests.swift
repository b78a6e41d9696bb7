import Glibc
import Synchronization
import Testing

@testable import Reactor

/// Both ends of a TLS connection over loopback, driven by one thread.
private struct TLSPair {
    let sockets: SocketPair
    let client: TLSSession
    let server: TLSSession

    init(
        _ clientContext: TLSContext, _ serverContext: TLSContext, name: String = "good.test",
        resume: TLSResumption? = nil
    ) throws {
        sockets = try SocketPair()
        client = try #require(
            TLSSession.client(clientContext, fd: sockets.client, serverName: name, resume: resume))
        server = try #require(TLSSession.server(serverContext, fd: sockets.server))
    }

    func close() {
        client.free()
        server.free()
        sockets.close()
    }

    /// Runs both handshakes to their end; one that fails lets the other see the connection's end.
    func handshake() -> (client: TLSProgress, server: TLSProgress) {
        var progress: (client: TLSProgress, server: TLSProgress) = (.wantRead, .wantRead)
        for _ in 0..<1000 {
            if progress.client != .done && progress.client != .failed { progress.client = client.handshake() }
            if progress.client == .failed { Socket.shutdownWrite(sockets.client) }
            if progress.server != .done && progress.server != .failed { progress.server = server.handshake() }
            if progress.server == .failed { Socket.shutdownWrite(sockets.server) }
            let isOver = [progress.client, progress.server].allSatisfy { $0 == .done || $0 == .failed }
            if isOver { return progress }
            // Loopback delivers within the system call; a moment's wait covers what does not.
            let waiting = progress.client == .wantRead ? sockets.client : sockets.server
            waitFor(waiting, POLLIN, milliseconds: 10)
        }
        return progress
    }

    func send(_ bytes: [UInt8], from session: TLSSession, to other: TLSSession, _ fd: Int32) -> [UInt8] {
        var received: [UInt8] = []
        var sent = 0
        var scratch = [UInt8](repeating: 0, count: 65_536)
        while received.count < bytes.count {
            if sent < bytes.count {
                let n = bytes.withUnsafeBufferPointer { session.write($0.baseAddress! + sent, bytes.count - sent) }
                if n > 0 { sent += n } else if n != -Int(EAGAIN) { break }
            }
            let n = other.read(&scratch, scratch.count)
            if n > 0 {
                received += scratch[..<n]
            } else if n == -Int(EAGAIN) {
                if !other.hasPending { waitFor(fd, POLLIN, milliseconds: 100) }
            } else {
                break
            }
        }
        return received
    }
}

@Suite(.enabled(if: Certificates.shared != nil, "needs the openssl command"))
struct TLSTests {
    let certificates: Certificates

    init() throws {
        certificates = try #require(Certificates.shared)
    }

    @Test func aGoodCertificateIsTaken() throws {
        for name in ["good.test", "GOOD.test", "good.test.", "any.wild.test", "127.0.0.1"] {
            let pair = try TLSPair(certificates.client(), certificates.server("good"), name: name)
            #expect(pair.handshake() == (.done, .done), "\(name): \(pair.client.failureText())")
            #expect(pair.client.version == "TLSv1.3")
            #expect(!pair.client.isResumed)
            #expect(pair.client.failureReason() == .other)
            pair.close()
        }
    }

    @Test(arguments: [
        ("expired", "good.test", TLSFailure.expired), ("future", "good.test", .notYetValid),
        ("good", "bad.test", .wrongName), ("good", "wild.test", .wrongName), ("good", "a.b.wild.test", .wrongName),
        ("good", "127.0.0.2", .wrongName), ("good", "::1", .wrongName), ("stranger", "good.test", .unknownCA),
    ])
    func aBadCertificateIsRefused(certificate: String, name: String, reason: TLSFailure) throws {
        let pair = try TLSPair(certificates.client(), certificates.server(certificate), name: name)
        defer { pair.close() }
        #expect(pair.handshake() == (.failed, .failed))
        #expect(pair.client.failureReason() == reason)
        #expect(!pair.client.failureText().isEmpty)
        #expect(reason.code.hasPrefix("tls_certificate_"))
        // The client's alert has ended it for the server; that is not the end of a whole message.
        #expect(pair.server.failureReason() == .refused)
        var byte: UInt8 = 0
        #expect(pair.server.read(&byte, 1) == -Int(EPROTO))
        #expect(pair.client.read(&byte, 1) == -Int(EPROTO))
    }

    @Test func withoutVerificationAnythingGoes() throws {
        for certificate in ["expired", "stranger"] {
            let pair = try TLSPair(
                certificates.client(verify: false), certificates.server(certificate), name: "bad.test")
            #expect(pair.handshake() == (.done, .done))
            pair.close()
        }
    }

    @Test func bytesArriveWhole() throws {
        let pair = try TLSPair(certificates.client(), certificates.server("good"))
        defer { pair.close() }
        #expect(pair.handshake() == (.done, .done))
        for count in [1, 100, 16_384, 16_385, 1_000_000] {
            let bytes = SecureRandom.bytes(count)
            let there = pair.send(bytes, from: pair.client, to: pair.server, pair.sockets.server)
            #expect(there == bytes, "\(count) bytes to the server")
            let back = pair.send(bytes, from: pair.server, to: pair.client, pair.sockets.client)
            #expect(back == bytes, "\(count) bytes to the client")
        }
    }

    @Test func oneReadAheadServesManyReads() throws {
        let pair = try TLSPair(certificates.client(), certificates.server("good"))
        defer { pair.close() }
        #expect(pair.handshake() == (.done, .done))
        var bytes = [UInt8](repeating: 0, count: 100)
        // Take the ticket first, so that only data is in flight.
        #expect(pair.client.read(&bytes, 100) == -Int(EAGAIN))
        for _ in 0..<3 { #expect(pair.server.write(Array("abcdef".utf8), 6) == 6) }
        waitFor(pair.sockets.client, POLLIN)
        #expect(pair.client.read(&bytes, 4) == 4)
        #expect(pair.client.hasPending)
        #expect(!waitFor(pair.sockets.client, POLLIN, milliseconds: 0))
        var count = 4
        while true {
            let n = pair.client.read(&bytes, 100)
            guard n > 0 else {
                #expect(n == -Int(EAGAIN))
                break
            }
            count += n
        }
        #expect(count == 18)
        #expect(!pair.client.hasPending)
    }

    @Test func whatCameSinceTheSocketWasAskedIsNotForgotten() throws {
        let pair = try TLSPair(certificates.client(), certificates.server("good"))
        defer { pair.close() }
        #expect(pair.handshake() == (.done, .done))
        var bytes = [UInt8](repeating: 0, count: 100)
        #expect(pair.client.read(&bytes, 100) == -Int(EAGAIN))
        #expect(pair.server.write(Array("first".utf8), 5) == 5)
        #expect(pair.server.write(Array("second".utf8), 6) == 6)
        waitFor(pair.sockets.client, POLLIN)
        // One recv takes both; the third is announced before the second is read.
        #expect(pair.client.read(&bytes, 100) == 5)
        #expect(!pair.client.isDrained)
        #expect(pair.server.write(Array("third".utf8), 5) == 5)
        #expect(waitFor(pair.sockets.client, POLLIN))
        #expect(pair.client.read(&bytes, 100) == 6)
        #expect(!pair.client.hasPending)
        #expect(!pair.client.isDrained, "the third would be waited for forever")
        #expect(pair.client.read(&bytes, 100) == 5)
        #expect(pair.client.isDrained)
    }

    @Test func aFullSocketAsksToWait() throws {
        let pair = try TLSPair(certificates.client(), certificates.server("good"))
        defer { pair.close() }
        #expect(pair.handshake() == (.done, .done))
        let piece = [UInt8](repeating: 7, count: 65_536)
        var sent = 0
        while true {
            let n = pair.client.write(piece, piece.count)
            guard n > 0 else {
                #expect(n == -Int(EAGAIN))
                #expect(pair.client.wantsWrite)
                break
            }
            sent += n
        }
        var scratch = piece
        var received = 0
        var isFlushed = false
        while received < sent || !isFlushed {
            let n = pair.server.read(&scratch, scratch.count)
            if n > 0 { received += n } else { #expect(n == -Int(EAGAIN)) }
            if !isFlushed {
                // The same bytes from another address.
                let copy = Array(piece)
                let n = pair.client.write(copy, copy.count)
                if n > 0 {
                    sent += n
                    isFlushed = true
                }
            } else if n < 0 {
                waitFor(pair.sockets.server, POLLIN, milliseconds: 100)
            }
        }
        #expect(received == sent)
    }

    @Test func closeNotifyIsTheEnd() throws {
        let pair = try TLSPair(certificates.client(), certificates.server("good"))
        defer { pair.close() }
        #expect(pair.handshake() == (.done, .done))
        #expect(pair.server.write([1, 2, 3], 3) == 3)
        pair.server.closeNotify()
        Socket.shutdownWrite(pair.sockets.server)
        var bytes = [UInt8](repeating: 0, count: 16)
        waitFor(pair.sockets.client, POLLIN)
        #expect(pair.client.read(&bytes, 16) == 3)
        #expect(pair.client.read(&bytes, 16) == 0)
        #expect(pair.client.read(&bytes, 16) == 0)
    }

    @Test func aCutConnectionIsNotAnEnd() throws {
        let pair = try TLSPair(certificates.client(), certificates.server("good"))
        defer { pair.close() }
        #expect(pair.handshake() == (.done, .done))
        #expect(pair.server.write([1, 2, 3], 3) == 3)
        Socket.shutdownWrite(pair.sockets.server)
        var bytes = [UInt8](repeating: 0, count: 16)
        waitFor(pair.sockets.client, POLLIN)
        #expect(pair.client.read(&bytes, 16) == 3)
        #expect(pair.client.read(&bytes, 16) == -Int(EPROTO))
        #expect(pair.client.failureReason() == .connectionClosed)
    }

    @Test func writingToTheDeadDoesNotKill() throws {
        let pair = try TLSPair(certificates.client(), certificates.server("good"))
        #expect(pair.handshake() == (.done, .done))
        pair.server.free()
        Socket.closeWithReset(pair.sockets.server)
        waitFor(pair.sockets.client, POLLIN)
        var results: [Int] = []
        for _ in 0..<3 { results.append(pair.client.write([1], 1)) }
        #expect(results.allSatisfy { $0 < 0 && $0 != -Int(EAGAIN) })
        #expect(results[0] == -Int(ECONNRESET))
        #expect(pair.client.failureReason() == .connectionClosed)
        pair.client.closeNotify()
        pair.client.free()
        Socket.close(pair.sockets.client)
    }

    @Test(arguments: ["1.3", "1.2"])
    func sessionsResume(version: String) throws {
        let clientContext = try certificates.client()
        let serverContext = try certificates.server("good")
        if version == "1.2" { serverContext.limitToTLS12() }
        let first = try TLSPair(clientContext, serverContext)
        #expect(first.handshake() == (.done, .done))
        #expect(first.client.version == "TLSv" + version)
        #expect(first.send([1], from: first.server, to: first.client, first.sockets.client) == [1])
        let session = try #require(first.client.takeResumption())
        // Ends without close_notify, as an idle connection that is dropped does.
        first.close()
        for _ in 0..<2 {
            let next = try TLSPair(clientContext, serverContext, resume: session)
            #expect(next.handshake() == (.done, .done))
            #expect(next.client.isResumed)
            #expect(next.server.isResumed)
            #expect(next.send([2], from: next.client, to: next.server, next.sockets.server) == [2])
            next.close()
        }
        session.free()
    }

    @Test func sessionsResumeWithAnotherContextOfTheSameTickets() throws {
        let clientContext = try certificates.client()
        let clock = Mutex<UInt64>(0)
        let tickets = TLSTickets { clock.withLock { $0 } }
        let first = try TLSPair(clientContext, certificates.server("good", tickets: tickets))
        #expect(first.handshake() == (.done, .done))
        #expect(first.send([1], from: first.server, to: first.client, first.sockets.client) == [1])
        let session = try #require(first.client.takeResumption())
        first.close()
        // In the hour of the key, after its rotation, and when the key is forgotten.
        for (seconds, resumes) in [(0, true), (5000, true), (10_800, false)] as [(UInt64, Bool)] {
            clock.withLock { $0 = seconds }
            let next = try TLSPair(clientContext, certificates.server("good", tickets: tickets), resume: session)
            #expect(next.handshake() == (.done, .done))
            #expect(next.server.isResumed == resumes, "\(seconds) s")
            next.close()
        }
        session.free()
    }

    @Test func theNameChoosesTheCertificate() throws {
        let names = TLSServerNames(tickets: TLSTickets())
        let (a, b, c) = (OpaquePointer(bitPattern: 1), OpaquePointer(bitPattern: 2), OpaquePointer(bitPattern: 3))
        names.serve("A.test", by: a!)
        names.serve("*.wild.test", by: b!)
        names.serve("a.test", by: c!)
        names.serve("one.wild.test", by: c!)
        #expect(names.context(for: "a.TEST") == a)
        #expect(names.context(for: "a.test.") == a)
        #expect(names.context(for: "two.wild.test") == b)
        #expect(names.context(for: "one.wild.test") == c)
        for none in ["", ".", "wild.test", ".wild.test", "x.y.wild.test", "b.test"] {
            #expect(names.context(for: none) == nil, "\(none)")
        }
    }

    @Test func sessionsOutliveTheContextTheyBeganWith() throws {
        let pair = try TLSPair(certificates.client(), certificates.server("good", further: ["stranger"]))
        defer { pair.close() }
        #expect(pair.handshake() == (.done, .done))
        #expect(pair.send([1], from: pair.server, to: pair.client, pair.sockets.client) == [1])
    }

    @Test func clientsShowTheirCertificates() throws {
        let certificate = TLSCertificate(
            certificateFile: certificates.file("good.pem"), keyFile: certificates.file("good.key"))
        for (mode, shown, ends) in [
            (TLSClientAuthentication.required, true, true), (.required, false, false), (.optional, true, true),
            (.optional, false, true), (.none, true, true),
        ] {
            let options = TLSServerOptions(
                certificates: [certificate], clientAuthorityFile: certificates.file("ca.pem"),
                clientAuthentication: mode)
            let client = try TLSContext.client(
                verify: true, caFile: certificates.file("ca.pem"), certificate: shown ? certificate : nil)
            let pair = try TLSPair(client, TLSContext.server(options, tickets: TLSTickets()), name: "good.test")
            let outcome = pair.handshake()
            #expect((outcome.server == .done) == ends, "\(mode) \(shown)")
            let subject = [UInt8](unsafeUninitializedCapacity: 64) { $1 = pair.server.peerSubject($0.baseAddress!, 64) }
            #expect(String(decoding: subject, as: UTF8.self) == (mode != .none && shown ? "CN=good" : ""))
            pair.close()
        }
    }

    @Test func oneCertificateAloneIsTrusted() throws {
        for (name, progress) in [("stranger", TLSProgress.failed), ("good", .done)] {
            let context = try TLSContext.client(trustingOnly: certificates.file("good.pem"))
            let pair = try TLSPair(context, certificates.server(name), name: "10.1.2.3")
            #expect(pair.handshake().client == progress)
            pair.close()
        }
    }

    @Test func aSessionOfAnotherServerIsNoHindrance() throws {
        let clientContext = try certificates.client()
        let first = try TLSPair(clientContext, certificates.server("good"))
        #expect(first.handshake() == (.done, .done))
        #expect(first.send([1], from: first.server, to: first.client, first.sockets.client) == [1])
        let session = try #require(first.client.takeResumption())
        first.close()
        let next = try TLSPair(clientContext, certificates.server("good"), resume: session)
        #expect(next.handshake() == (.done, .done))
        #expect(!next.client.isResumed)
        next.close()
        session.free()
    }

    @Test func noTicketNoResumption() throws {
        let pair = try TLSPair(certificates.client(), certificates.server("good"))
        defer { pair.close() }
        #expect(pair.client.takeResumption() == nil)
        #expect(pair.handshake() == (.done, .done))
    }

    @Test func theServersMinimumHolds() throws {
        let clientContext = try certificates.client()
        clientContext.limitToTLS12()
        let pair = try TLSPair(clientContext, certificates.server("good", minimumVersion: "1.3"))
        defer { pair.close() }
        #expect(pair.handshake() == (.failed, .failed))
        #expect(pair.client.failureReason() == .versionMismatch)
    }

    @Test(arguments: [("GET / HTTP/1.1\r\n", true), ("CONNECT a:1 HTTP/1.1\r\n", true), ("SSH-2.0-x\r\n", false)])
    func plainHTTPIsRecognised(text: String, isHTTP: Bool) throws {
        let sockets = try SocketPair()
        defer { sockets.close() }
        let server = try #require(TLSSession.server(certificates.server("good"), fd: sockets.server))
        defer { server.free() }
        #expect(!server.metPlainHTTP)
        let bytes = Array(text.utf8)
        #expect(Socket.send(sockets.client, bytes, bytes.count) == bytes.count)
        #expect(server.handshake() == .failed)
        #expect(server.metPlainHTTP == isHTTP)
    }

    @Test func nonsenseIsAProtocolError() throws {
        let sockets = try SocketPair()
        defer { sockets.close() }
        let server = try #require(TLSSession.server(certificates.server("good"), fd: sockets.server))
        defer { server.free() }
        #expect(server.handshake() == .wantRead)
        let request = Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8)
        #expect(Socket.send(sockets.client, request, request.count) == request.count)
        waitFor(sockets.server, POLLIN)
        #expect(server.handshake() == .failed)
        #expect(server.failureReason() == .versionMismatch)
        #expect(server.failureText().contains("http request"))
        #expect(server.failureReason().code == "tls_version_mismatch")
    }

    @Test func aPeerThatLeavesDuringTheHandshake() throws {
        let sockets = try SocketPair()
        let client = try #require(
            TLSSession.client(certificates.client(), fd: sockets.client, serverName: "good.test", resume: nil))
        #expect(client.handshake() == .wantRead)
        Socket.close(sockets.server)
        waitFor(sockets.client, POLLIN)
        #expect(client.handshake() == .failed)
        #expect(client.failureReason() == .connectionClosed)
        client.free()
        Socket.close(sockets.client)
    }

    @Test func impossibleNamesAreRefused() throws {
        let context = try certificates.client()
        #expect(TLSSession.client(context, fd: 0, serverName: "", resume: nil) == nil)
        let long = String(repeating: "x", count: 300)
        #expect(TLSSession.client(context, fd: 0, serverName: long, resume: nil) == nil)
    }

    @Test func contextsSayWhatIsWrong() throws {
        let (pem, key) = (certificates.file("good.pem"), certificates.file("good.key"))
        let none = certificates.file("none.pem")
        func failure(_ body: () throws -> TLSContext) -> String {
            do {
                _ = try body()
                return ""
            } catch {
                return "\(error)"
            }
        }
        func server(_ pem: String, _ key: String, _ version: String = "1.2") throws -> TLSContext {
            let certificate = TLSCertificate(certificateFile: pem, keyFile: key)
            let options = TLSServerOptions(certificates: [certificate], minimumVersion: version)
            return try TLSContext.server(options, tickets: TLSTickets())
        }
        #expect(failure { try TLSContext.client(verify: true, caFile: none) }.contains(none))
        #expect(failure { try TLSContext.client(verify: true, caFile: key) }.contains(key))
        #expect(failure { try server(none, key) }.contains(none))
        #expect(failure { try server(pem, none) }.contains(none))
        #expect(failure { try server(pem, certificates.file("stranger.key")) }.contains("stranger.key"))
        #expect(failure { try server(pem, certificates.file("locked.key")) }.contains("locked.key"))
        #expect(failure { try server(pem, key, "1.1") }.contains("1.1"))
        #expect(failure { try TLSContext.client(verify: true, caFile: "") } == "")
    }
}
