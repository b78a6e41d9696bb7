import Config
import HTTP
import JSON
import Reactor
import Store

/// The immutable view of keys, routes and settings that workers serve from. The object owns the memory; workers
/// read it through `view`, which is plain pointers, and keep the object alive by one reference each.
final class Snapshot: Sendable {
    nonisolated(unsafe) let view: UnsafePointer<SnapshotView>
    /// Routes that could not be compiled and are not served.
    let routeProblems: [(routeID: String, problem: RouteProblem)]
    /// The same for providers.
    let providerProblems: [(routeID: String, problem: RouteProblem)]
    private let arena: Arena
    nonisolated(unsafe) private let retained: [AnyObject]

    init(
        keys: [KeyRecord], routes: [RouteRecord], providers: ProviderSet = ProviderSet(), settings: Settings,
        tls: GatewayTLS? = nil, version: String, registry: Registry
    ) {
        let arena = Arena()
        var compiler = RouteCompiler(
            arena: arena, stripHeaders: settings.headersToStrip,
            defaultTimeoutMilliseconds: UInt64(settings.proxy.defaultTimeoutSeconds * 1000),
            targetNumbers: registry.targets)
        var problems: [(routeID: String, problem: RouteProblem)] = []
        var compiled: [CompiledRoute] = []
        for record in Self.inOrder(routes) {
            do {
                compiled.append(try compiler.compile(record, metricID: registry.metricID(of: record)))
            } catch {
                problems.append((record.routeID, RouteProblem(field: error.field, message: error.message)))
            }
        }
        for i in compiled.indices.reversed() {
            let isLast = i + 1 == compiled.count || compiled[i + 1].priority != compiled[i].priority
            compiled[i].groupEnd = isLast ? Int32(i + 1) : compiled[i + 1].groupEnd
        }
        // Behind the routes, where none is looked for, stand those that lead to providers.
        var providerCompiler = ProviderCompiler(arena: arena, settings: settings, registry: registry)
        // The same ones, in the same order, as the key table has.
        let served = keys.filter { $0.keyHash.count == 32 }
        let (providerTable, providerRoutes) = providerCompiler.compile(
            providers, callers: served, firstRoute: compiled.count, target: { compiler.target($0) })
        let allRoutes = arena.store(compiled + providerRoutes)
        let names = MemberNameTable(compiler.memberNames)!
        let limiter = settings.rateLimiting
        let keyTable = KeyTable.compile(
            served, defaultRequestsPerMinute: limiter.defaultRequestsPerMinute, limiter: registry.limiter, in: arena)
        let memory = arena.allocate(MemoryLayout<SnapshotView>.stride).bindMemory(to: SnapshotView.self, capacity: 1)
        memory.initialize(
            to: SnapshotView(
                keys: keyTable,
                table: RouteTable(
                    routes: allRoutes.first(compiled.count), bodyRouteCount: compiled.count { $0.needsBody },
                    index: RouteIndex.compile(compiled, in: arena), inner: arena.store(compiler.inner)),
                targets: arena.store(compiler.targets), memberNames: names.pointer,
                memberNameCount: compiler.memberNames.count,
                policy: Policy(settings), tls: TLSView(tls, in: arena),
                texts: FixedTexts(version: version, name: settings.app.name, in: arena),
                cors: CORSPolicy(settings.cors, in: arena), providers: providerTable))
        view = UnsafePointer(memory)
        self.arena = arena
        routeProblems = problems
        providerProblems = providerCompiler.problems
        // The registry's cells are what keys and providers are pointed at.
        retained = compiler.retained + [names, registry] + (tls.map { [$0] } ?? [])
    }

    /// The active ones of these routes, in the order in which they are tried.
    static func inOrder(_ routes: [RouteRecord]) -> [RouteRecord] {
        routes.filter(\.isActive).sorted { ($0.priority, $0.routeID) < ($1.priority, $1.routeID) }
    }
}

/// What a worker reads of a snapshot.
struct SnapshotView: BitwiseCopyable {
    let keys: KeyTable
    let table: RouteTable
    let targets: List<CompiledTarget>
    /// The members that the scanner looks for in a request body; index 0 is always `stream`, 1 `model`.
    let memberNames: UnsafePointer<MemberNames>
    let memberNameCount: Int
    let policy: Policy
    let tls: TLSView
    let texts: FixedTexts
    let cors: CORSPolicy
    let providers: ProviderTable

    static let streamMember = 0
    static let modelMember = 1
}

/// Bytes that many responses and requests share.
struct FixedTexts: BitwiseCopyable {
    /// `x-proxied-by: FastGate/<version>\r\n`.
    let proxiedBy: Bytes
    /// `user-agent: FastGate/<version>\r\n`.
    let userAgent: Bytes

    /// What `GET /health` says of the gateway's name: `,"name":"FastGate"}`.
    let healthName: Bytes

    init(version: String, name: String, in arena: Arena) {
        healthName = arena.store(",\"name\":\(JSONValue.string(name).serialized())}")
        proxiedBy = arena.store("x-proxied-by: FastGate/\(version)\r\n")
        userAgent = arena.store("user-agent: FastGate/\(version)\r\n")
    }
}

/// What outlives every snapshot.
final class Registry: Sendable {
    let targets = StableNumbers<TargetAddress>()
    let limiter = RateLimiter()
    let providers = ProviderRegistry()
    /// Labels of routes in the metrics; 0 is "none".
    let routeLabels = StableNumbers<String>()

    /// A route's metrics are kept apart for this many routes; further ones share the label "other".
    static let maxRouteLabels = 4096

    init() {
        _ = routeLabels.number(for: "none")
        _ = routeLabels.number(for: "other")
    }

    func metricID(of route: RouteRecord) -> Int32 {
        let label = route.routeName.isEmpty ? route.routeID : route.routeName
        return routeLabels.number(for: label, limit: Self.maxRouteLabels) ?? 1
    }
}
