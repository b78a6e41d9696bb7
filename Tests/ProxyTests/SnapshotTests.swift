import Config
import JSON
import Store
import Testing

@testable import Proxy

@Suite struct SnapshotTests {
    private func ids(_ snapshot: Snapshot) -> [String] {
        let routes = snapshot.view.pointee.table.routes
        return (0..<routes.count).map { routes[$0].routeID.string }
    }

    @Test func nothingAtAll() {
        let empty = snapshot([])
        #expect(empty.routeProblems.isEmpty)
        #expect(ids(empty).isEmpty)
        #expect(empty.view.pointee.memberNameCount == 2)
        #expect(empty.memberName(SnapshotView.streamMember) == "stream")
        #expect(empty.memberName(SnapshotView.modelMember) == "model")
    }

    @Test func whatDoesNotCompileIsToldAndNotServed() {
        let snapshot = snapshot([
            .make("good"), .make("pattern") { $0.matchPath = "x" }, .make("host") { $0.targetHost = "" },
            .make("asleep") {
                $0.isActive = false
                $0.matchPath = "x"
            },
        ])
        #expect(ids(snapshot) == ["good"])
        #expect(snapshot.routeProblems.map(\.routeID) == ["host", "pattern"])
        #expect(snapshot.routeProblems.map(\.problem.field) == ["target_host", "match_path"])
    }

    @Test func orderAndGroups() {
        let snapshot = snapshot([
            .make("d") { $0.priority = 2 }, .make("a") { $0.priority = 1 }, .make("c") { $0.priority = 2 },
            .make("b") { $0.priority = 2 }, .make("e") { $0.priority = 9 },
            .make("bad") {
                $0.priority = 2
                $0.matchPath = "x"
            },
            .make("off") {
                $0.priority = 1
                $0.isActive = false
            },
        ])
        #expect(ids(snapshot) == ["a", "b", "c", "d", "e"])
        let routes = snapshot.view.pointee.table.routes
        #expect((0..<5).map { routes[$0].groupEnd } == [1, 4, 4, 4, 5])
    }

    @Test func memberNamesInOrderOfFirstMention() {
        let snapshot = snapshot([
            .make("1") { $0.matchBodySchema = ["user": "x", "model": "m"] },
            .make("2") {
                $0.matchBodySchema = ["properties": ["tools": ["type": "array"]], "required": ["a", "user"]]
            },
        ])
        let view = snapshot.view.pointee
        #expect((0..<view.memberNameCount).map(snapshot.memberName) == ["stream", "model", "user", "tools", "a"])
        #expect(view.table.routes[0].decidingMembers == 0b00110)
        #expect(view.table.routes[1].decidingMembers == 0b11100)
        #expect(view.table.bodyRouteCount == 2)
        #expect(snapshot.routeProblems.isEmpty)
    }

    @Test func oneTargetForOneAddress() {
        let snapshot = snapshot([
            .make("a", host: "x.example:80"), .make("b", host: "X.example"), .make("c", host: "y.example"),
            .make("d", host: "x.example:80") { $0.targetProtocol = "https" },
        ])
        let view = snapshot.view.pointee
        #expect(view.targets.count == 3)
        #expect((0..<4).map { view.table.routes[$0].target } == [0, 0, 1, 2])
    }

    /// Idle connections and health go by these numbers: the same address keeps its own whatever else changes.
    @Test func targetsKeepTheirNumbers() {
        let registry = Registry()
        func numbers(_ hosts: [String]) -> [Int32] {
            let targets = snapshot(
                hosts.enumerated().map { .make("r\($0.offset)", host: $0.element) }, registry: registry
            ).view.pointee.targets
            return (0..<targets.count).map { targets[$0].stableID }
        }
        #expect(numbers(["a.example", "b.example"]) == [0, 1])
        #expect(numbers(["c.example", "b.example"]) == [2, 1])
        #expect(numbers(["b.example", "a.example", "c.example"]) == [1, 0, 2])
    }

    @Test func metricLabelsAreNamesElseIDs() {
        let registry = Registry()
        let snapshot = snapshot(
            [
                .make("1") { $0.routeName = "chat" }, .make("2") { $0.routeName = "chat" },
                .make("3") { $0.routeName = "" },
            ], registry: registry)
        let routes = snapshot.view.pointee.table.routes
        #expect((0..<3).map { routes[$0].metricID } == [2, 2, 3])
        #expect(registry.routeLabels.all == ["none": 0, "other": 1, "chat": 2, "3": 3])
    }

    @Test func metricLabelsAreLimited() {
        let registry = Registry()
        var ids: [Int32] = []
        for n in 0..<Registry.maxRouteLabels + 10 { ids.append(registry.metricID(of: .make("r\(n)"))) }
        #expect(registry.routeLabels.all.count == Registry.maxRouteLabels)
        #expect(ids.max() == Int32(Registry.maxRouteLabels - 1))
        #expect(ids.suffix(12) == [Int32](repeating: 1, count: 12))
        #expect(registry.metricID(of: .make("r0")) == 2)
    }

    @Test func keysTextsAndPolicy() {
        var settings = Settings()
        settings.rateLimiting.defaultRequestsPerMinute = 12
        settings.proxy.defaultTimeoutSeconds = 1.5
        settings.cors.allowOrigins = ["https://a.example"]
        let view = snapshot([.make("a")], keys: [.make("k"), .make("l")], settings: settings).view.pointee
        #expect(view.keys.count == 2)
        let found = view.keys.find(KeyHash(of: kept("l")))
        #expect(found >= 0 && view.keys.pointer(found).pointee.ordinal == 1)
        #expect(view.keys.key(withID: "id-k")?.pointee.requestsPerMinute == 12)
        #expect(view.table.routes[0].timeoutMilliseconds == 1500)
        #expect(view.texts.proxiedBy.string == "x-proxied-by: FastGate/1.2.3\r\n")
        #expect(view.texts.userAgent.string == "user-agent: FastGate/1.2.3\r\n")
        #expect(view.cors.allows(kept("https://a.example")))
        #expect(!view.cors.allows(kept("https://b.example")))
        #expect(view.policy.requiresKey)
    }

    @Test func anArenaTakesPiecesOfEverySize() {
        let arena = kept(Arena())
        for n in [0, 1, 15, 16, 17, 4096, 65_535, 65_536, 65_537, 300_000, 3] {
            let text = String(repeating: "x", count: n)
            let bytes = arena.store(text)
            #expect(bytes.string == text)
            if let p = bytes.pointer { #expect(UInt(bitPattern: p) % 16 == 0) }
        }
        let list = arena.store(Array(0..<20_000))
        #expect(list.count == 20_000)
        #expect((0..<20_000).allSatisfy { list[$0] == $0 })
        #expect(arena.store([Int]()).isEmpty)
        #expect(arena.store("").isEmpty)
    }
}
