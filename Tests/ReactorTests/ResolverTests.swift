import CEpoll
import Glibc
import Synchronization
import Testing

@testable import Reactor

/// A name server on loopback that knows a handful of names and counts what it is asked.
private final class NameServer: Sendable {
    let address: String
    private let fd: Int32
    private let stopFD: Int32
    private let questions = Mutex<[String: Int]>([:])
    private let thread = Mutex<WorkerThread?>(nil)

    init() throws {
        let fd = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(fd, $0, size) }
        }
        guard fd >= 0, bound == 0, let local = SocketAddress.local(of: fd) else {
            throw SystemError(errno: errno, operation: "bind udp")
        }
        self.fd = fd
        address = local.description
        stopFD = fg_eventfd()
        let started = try WorkerThread.start(name: "nameserver", cpu: nil) { [self] in serve() }
        thread.withLock { $0 = started }
    }

    func stop() {
        fg_eventfd_signal(stopFD)
        thread.withLock { $0 }?.join()
        close(fd)
        close(stopFD)
    }

    /// How often a name was asked for, all types together.
    func count(_ name: String) -> Int { questions.withLock { $0[name] ?? 0 } }

    private func serve() {
        var packet = [UInt8](repeating: 0, count: 1500)
        while true {
            var entries = [fd, stopFD].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
            guard poll(&entries, 2, -1) > 0 else { continue }
            // What has arrived is answered first, so that counts are exact after a stop.
            if entries[0].revents == 0 { return }
            var peer = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let n = withUnsafeMutablePointer(to: &peer) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { recvfrom(fd, &packet, 1500, 0, $0, &length) }
            }
            guard n > 12, let reply = answer(Array(packet[..<n])) else { continue }
            withUnsafePointer(to: &peer) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    _ = sendto(fd, reply, reply.count, 0, $0, length)
                }
            }
        }
    }

    private func answer(_ query: [UInt8]) -> [UInt8]? {
        var labels: [String] = []
        var at = 12
        while query[at] != 0 {
            let end = at + 1 + Int(query[at])
            labels.append(String(decoding: query[at + 1..<end], as: UTF8.self))
            at = end
        }
        let name = labels.joined(separator: ".").lowercased()
        let isV6 = query[at + 2] == 28
        let question = Array(query[12..<at + 5])
        questions.withLock { $0[name, default: 0] += 1 }

        var code: UInt8 = 0
        var records: [(type: UInt8, ttl: UInt32, data: [UInt8])] = []
        let real = [4] + Array("real".utf8) + [4] + Array("test".utf8) + [0]
        let v6: [UInt8] = [0xfd] + Array(repeating: 0, count: 14) + [1]
        switch name {
        case "both.test", "cased.test":
            if isV6 { records = [(28, 60, v6)] } else { records = [(1, 60, [10, 0, 0, 1]), (1, 30, [10, 0, 0, 2])] }
        case "v4.test": if !isV6 { records = [(1, 60, [10, 0, 0, 3])] }
        case "zero.test": if !isV6 { records = [(1, 0, [10, 0, 0, 4])] }
        case "ages.test": if !isV6 { records = [(1, 86_400, [10, 0, 0, 5])] }
        case "alias.test":
            records = [(5, 7, real)]
        case "empty.test": break
        case "missing.test": code = 3
        case "broken.test": code = 2
        case "silent.test": return nil
        default: code = 3
        }
        var reply = Array(query[0..<2]) + [0x85, 0x80 | code, 0, 1, 0, UInt8(records.count), 0, 0, 0, 0] + question
        if name == "alias.test" && !isV6 { reply[7] = 2 }
        for record in records {
            reply += [0xc0, 12, 0, record.type, 0, 1]
            withUnsafeBytes(of: record.ttl.bigEndian) { reply += $0 }
            reply += [0, UInt8(record.data.count)] + record.data
        }
        if name == "alias.test" && !isV6 {
            reply += real + [0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, 6]
        }
        return reply
    }
}

@Suite struct ResolverTests {
    private let kind: UInt8 = 9

    private func asker(_ n: Int) -> Token { Token(kind: 1, generation: 1, index: UInt32(n)) }

    /// Runs the loop that a reactor runs, until `count` lookups have ended.
    private func run(_ resolver: Resolver, _ poller: inout Poller, _ count: Int) -> [ResolverCompletion] {
        var ended: [ResolverCompletion] = []
        let deadline = Clock.monotonicMilliseconds() + 15_000
        while true {
            while let completion = resolver.popCompletion() { ended.append(completion) }
            let now = Clock.monotonicMilliseconds()
            if ended.count >= count || now > deadline { return ended }
            let n = poller.wait(timeoutMilliseconds: Int32(resolver.timeoutMilliseconds(now: now) ?? 100))
            for index in 0..<n {
                let token = poller.token(at: index)
                if token.kind == kind { resolver.handle(token, events: poller.events(at: index)) }
            }
            resolver.processTimeouts(now: Clock.monotonicMilliseconds())
        }
    }

    private func lookUp(_ name: String, timeout: Int32 = 2000) throws -> (ResolverCompletion, Resolver, Int) {
        let server = try NameServer()
        var poller = try Poller()
        let resolver: Resolver
        do {
            resolver = try Resolver(
                pollerFD: poller.fd, tokenKind: kind, nameServers: server.address, queryTimeoutMilliseconds: timeout,
                tries: 2)
        } catch {
            server.stop()
            throw error
        }
        resolver.resolve(name, requestToken: asker(1), nowMilliseconds: Clock.monotonicMilliseconds())
        let ended = run(resolver, &poller, 1)
        server.stop()
        #expect(ended.count == 1)
        return (try #require(ended.first), resolver, server.count(name))
    }

    private func hosts(_ addresses: [SocketAddress]?) -> [String]? { addresses?.map { $0.host } }

    @Test func bothFamiliesTakeTurns() throws {
        let (completion, _, _) = try lookUp("both.test")
        #expect(completion.requestToken == asker(1))
        #expect(completion.error == nil)
        #expect(hosts(completion.addresses) == ["fd00::1", "10.0.0.1", "10.0.0.2"])
        #expect(completion.addresses.allSatisfy { $0.port == 0 })
    }

    @Test func oneFamilyIsEnough() throws {
        let (completion, _, _) = try lookUp("v4.test")
        #expect(hosts(completion.addresses) == ["10.0.0.3"])
    }

    @Test func answersLiveAsLongAsTheySay() throws {
        for (name, seconds) in [("both.test", 30), ("zero.test", 1), ("ages.test", 300)] as [(String, UInt64)] {
            let (completion, resolver, _) = try lookUp(name)
            let now = Clock.monotonicMilliseconds()
            #expect(resolver.cached(name, nowMilliseconds: now + seconds * 1000 + 1) == nil, "\(name)")
            if seconds > 1 {
                let before = now + seconds * 1000 - 20_000
                #expect(resolver.cached(name, nowMilliseconds: before) == completion.addresses, "\(name)")
            }
        }
    }

    @Test func aliasesBoundTheTimeToLive() throws {
        let (completion, resolver, _) = try lookUp("alias.test")
        #expect(hosts(completion.addresses) == ["10.0.0.6"])
        let now = Clock.monotonicMilliseconds()
        #expect(resolver.cached("alias.test", nowMilliseconds: now) != nil)
        #expect(resolver.cached("alias.test", nowMilliseconds: now + 7001) == nil)
    }

    @Test func failuresHaveNames() throws {
        for (name, error, isTemporary) in [
            ("missing.test", "NXDOMAIN", false), ("empty.test", "NODATA", false), ("broken.test", "NOSERVER", true),
        ] {
            let (completion, _, _) = try lookUp(name)
            #expect(completion.error == error)
            #expect(completion.isTemporary == isTemporary, "\(name)")
            #expect(completion.addresses.isEmpty)
        }
    }

    @Test func silenceIsATimeout() throws {
        let (completion, _, asked) = try lookUp("silent.test", timeout: 30)
        #expect(completion.error == "TIMEOUT")
        #expect(completion.isTemporary)
        #expect(asked >= 2)
    }

    @Test func failuresAreCachedForASecond() throws {
        let server = try NameServer()
        defer { server.stop() }
        var poller = try Poller()
        let resolver = try Resolver(pollerFD: poller.fd, tokenKind: kind, nameServers: server.address)
        let before = Clock.monotonicMilliseconds()
        resolver.resolve("missing.test", requestToken: asker(1), nowMilliseconds: before)
        #expect(run(resolver, &poller, 1).count == 1)
        let after = Clock.monotonicMilliseconds()
        let asked = server.count("missing.test")
        #expect(resolver.cached("missing.test", nowMilliseconds: before) == nil)
        resolver.resolve("missing.test", requestToken: asker(2), nowMilliseconds: before)
        // Known already: no turn of the loop is needed.
        #expect(resolver.popCompletion()?.error == "NXDOMAIN")
        #expect(server.count("missing.test") == asked)
        resolver.resolve("missing.test", requestToken: asker(3), nowMilliseconds: after + 1000)
        #expect(run(resolver, &poller, 1).first?.error == "NXDOMAIN")
        #expect(server.count("missing.test") == asked * 2)
    }

    @Test func thoseWhoAskTogetherShareAQuery() throws {
        let server = try NameServer()
        defer { server.stop() }
        var poller = try Poller()
        let resolver = try Resolver(pollerFD: poller.fd, tokenKind: kind, nameServers: server.address)
        let now = Clock.monotonicMilliseconds()
        for n in 1...5 {
            resolver.resolve(n % 2 == 0 ? "CASED.Test" : "cased.test", requestToken: asker(n), nowMilliseconds: now)
        }
        resolver.cancel(requestToken: asker(3))
        let ended = run(resolver, &poller, 4)
        #expect(ended.map { $0.requestToken } == [asker(1), asker(2), asker(4), asker(5)])
        #expect(ended.allSatisfy { $0.addresses.count == 3 })
        #expect(server.count("cased.test") == 2)  // A and AAAA
        #expect(resolver.cached("Cased.TEST", nowMilliseconds: Clock.monotonicMilliseconds())?.count == 3)
        #expect(resolver.popCompletion() == nil)
    }

    @Test func cancelledBeforeItIsPopped() throws {
        let poller = try Poller()
        let resolver = try Resolver(pollerFD: poller.fd, tokenKind: kind, nameServers: "127.0.0.1:9")
        resolver.resolve("127.0.0.1", requestToken: asker(1), nowMilliseconds: 0)
        resolver.resolve("::1", requestToken: asker(2), nowMilliseconds: 0)
        resolver.cancel(requestToken: asker(1))
        #expect(resolver.popCompletion()?.requestToken == asker(2))
        #expect(resolver.popCompletion() == nil)
    }

    @Test func literalsNeedNoServer() throws {
        let poller = try Poller()
        let resolver = try Resolver(pollerFD: poller.fd, tokenKind: kind, nameServers: "127.0.0.1:9")
        for (name, host) in [("192.0.2.7", "192.0.2.7"), ("2001:db8::7", "2001:db8::7"), ("[::1]", "::1")] {
            resolver.resolve(name, requestToken: asker(1), nowMilliseconds: 0)
            let completion = try #require(resolver.popCompletion())
            #expect(completion.addresses.map { $0.host } == [host])
        }
        #expect(resolver.timeoutMilliseconds(now: 0) == nil)
    }

    @Test func localhostIsInTheHostsFile() throws {
        var poller = try Poller()
        let resolver = try Resolver(pollerFD: poller.fd, tokenKind: kind, nameServers: "127.0.0.1:9")
        resolver.resolve("localhost", requestToken: asker(1), nowMilliseconds: Clock.monotonicMilliseconds())
        let completion = try #require(run(resolver, &poller, 1).first)
        #expect(completion.error == nil)
        #expect(hosts(completion.addresses)!.contains("127.0.0.1"))
        #expect(hosts(completion.addresses)!.allSatisfy { $0 == "127.0.0.1" || $0 == "::1" })
    }

    @Test func impossibleNamesAreRefused() throws {
        var poller = try Poller()
        let resolver = try Resolver(pollerFD: poller.fd, tokenKind: kind, nameServers: "127.0.0.1:9")
        for name in ["", "a\0b", String(repeating: "x", count: 300), String(repeating: "y", count: 64) + ".test"] {
            resolver.resolve(name, requestToken: asker(1), nowMilliseconds: 0)
            let completion = try #require(run(resolver, &poller, 1).first)
            #expect(completion.error == "BADNAME", "\(name)")
            #expect(!completion.isTemporary)
        }
    }

    @Test func mayGoWhileQueriesAreOpen() throws {
        let server = try NameServer()
        defer { server.stop() }
        let poller = try Poller()
        var resolver: Resolver? = try Resolver(pollerFD: poller.fd, tokenKind: kind, nameServers: server.address)
        resolver!.resolve("silent.test", requestToken: asker(1), nowMilliseconds: 0)
        #expect(resolver!.timeoutMilliseconds(now: 0) != nil)
        resolver = nil
    }

    @Test func badServersAreRefused() throws {
        let poller = try Poller()
        #expect(throws: SystemError.self) {
            try Resolver(pollerFD: poller.fd, tokenKind: kind, nameServers: "nonsense")
        }
    }

    @Test func interleavingStopsAtTheLimit() {
        let v4 = (0..<40).map { SocketAddress(literal: "10.0.1.\($0)", port: 0)! }
        let v6 = (0..<2).map { SocketAddress(literal: "fd00::\($0)", port: 0)! }
        let mixed = Resolver.interleave(v6, v4)
        #expect(mixed.count == Resolver.addressLimit)
        #expect(Array(mixed[..<5]) == [v6[0], v4[0], v6[1], v4[1], v4[2]])
        #expect(Resolver.interleave([], [v4[0], v4[0], v4[1]]) == [v4[0], v4[1]])
    }

    @Test func theCacheHasALimit() {
        var cache = ResolverCache()
        for n in 0..<ResolverCache.capacity { cache.insert("\(n)", .found([]), seconds: n < 100 ? 1 : 60, 0) }
        #expect(cache.count == ResolverCache.capacity)
        cache.insert("more", .found([]), seconds: 60, 1500)
        #expect(cache.count == ResolverCache.capacity - 99)
        for n in 0..<200 { cache.insert("again \(n)", .found([]), seconds: 60, 1500) }
        #expect(cache.count == ResolverCache.capacity)
        #expect(cache.find("again 199", 1500) == .found([]))
    }

    @Test func nobodyWaitsLongerThanTheySaid() throws {
        let server = try NameServer()
        defer { server.stop() }
        var poller = try Poller()
        let resolver = try Resolver(pollerFD: poller.fd, tokenKind: kind, nameServers: server.address)
        let now = Clock.monotonicMilliseconds()
        resolver.resolve("silent.test", requestToken: asker(1), nowMilliseconds: now, timeoutMilliseconds: 20)
        resolver.resolve("silent.test", requestToken: asker(2), nowMilliseconds: now, timeoutMilliseconds: 60_000)
        let ended = run(resolver, &poller, 1)
        #expect(ended.map(\.requestToken) == [asker(1)])
        #expect(ended.first?.isTimeout == true && ended.first?.isTemporary == true)
        // The query goes on for the other.
        #expect(run(resolver, &poller, 1).map(\.requestToken) == [asker(2)])
    }

    @Test func aChangedFileIsReadAgain() throws {
        let path = "/tmp/fastgate-resolv-\(getpid())"
        defer { unlink(path) }
        func write(_ text: String) {
            let file = fopen(path, "w")
            fputs(text, file)
            fclose(file)
        }
        // Nobody listens there; /etc/hosts knows the name that is asked for afterwards.
        write("nameserver 127.254.254.254\noptions timeout:1\n")
        var poller = try Poller()
        let resolver = try Resolver(pollerFD: poller.fd, tokenKind: kind, resolvConf: path)
        let now = Clock.monotonicMilliseconds()
        resolver.resolve("silent.test", requestToken: asker(1), nowMilliseconds: now)
        write("nameserver 127.254.254.253\nnameserver 127.254.254.252\n")
        resolver.resolve("localhost", requestToken: asker(2), nowMilliseconds: now + 2000)
        let ended = run(resolver, &poller, 2)
        // What was under way is asked again: nothing is lost.
        #expect(Set(ended.map { $0.requestToken.index }) == [1, 2])
        #expect(ended.first { $0.requestToken == asker(2) }?.addresses.isEmpty == false)
    }
}
