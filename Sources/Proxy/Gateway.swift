import Config
import Glibc
import Reactor
import Store
import Synchronization

/// The running data plane: its workers, and what the control side may ask of them.
public final class Gateway: GatewayControl {
    private let workers: [RunningWorker]
    private let registry: Registry
    private let version: String
    private let rings: [MappedRing]
    private let tickets: TLSTickets
    private let onPublish: @Sendable () -> Void
    private let state: Mutex<State>
    private let draining = Atomic(false)
    private let isStopped = Atomic(false)
    private let routesAreServed: Atomic<Bool>
    private let providersAreServed: Atomic<Bool>
    /// The port the data plane listens on; of use where the settings ask for 0.
    public let boundPort: UInt16

    /// Client connections that are taken at most: `limits.max_connections`, or fewer where descriptors are short.
    public let connectionLimit: Int

    /// Descriptors that the gateway itself needs: database, rings, log, admin connections.
    private static let ownDescriptors = 64
    private static let descriptorsPerWorker = 8

    /// Every client may need an upstream connection; what is taken must also be served.
    static func connectionLimit(_ settings: Settings, descriptors: Int, workers: Int) -> Int {
        let forConnections = descriptors - ownDescriptors - descriptorsPerWorker * workers
        return max(min(settings.limits.maxConnections, forConnections / 2), 1)
    }

    /// How many descriptors the process may open.
    private static var descriptorLimit: Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1024 }
        return Int(clamping: limit.rlim_cur)
    }

    /// What a snapshot is made from.
    private struct State {
        var settings: Settings
        var tls: GatewayTLS
        var keys: [KeyRecord]
        var routes: [RouteRecord]
        var providers: ProviderSet
        var snapshot: Snapshot
    }

    private let limiter: ConnectionLimiter

    private struct RunningWorker: Sendable {
        let mailbox: Mailbox<WorkerMessage>
        let metrics: WorkerMetrics
        let providerMetrics: ProviderMetrics
        let thread: WorkerThread
    }

    /// Longer than any loop turn: a worker that does not answer within it is stuck.
    private static let publishSeconds = 10.0

    /// Binds the data plane's address and starts one worker a ring.
    ///
    /// - Parameter onRingPressure: called from a worker whose ring has filled by an eighth; must return at once.
    ///
    /// Every worker has a listening socket of its own (SO_REUSEPORT), so the kernel spreads connections over them.
    ///
    /// - Parameters:
    ///   - openUsage: one for each ring. Without them nothing is kept of exchanges with providers before they end.
    ///   - listeners: sockets to listen on, which are the gateway's from here on; without them it binds the settings'
    ///     address. If there are fewer than rings, workers share them.
    ///   - bootNonce: marks this start's audit ids.
    ///   - onPublish: called when a change has come to all workers, before whoever made it knows.
    public static func start(
        settings: Settings, rings: [MappedRing], openUsage: [MappedSlots?] = [], keys: [KeyRecord],
        routes: [RouteRecord], providers: ProviderSet = ProviderSet(), version: String,
        listeners: [Int32]? = nil, bootNonce: UInt32 = Gateway.makeBootNonce(),
        onPublish: @escaping @Sendable () -> Void = {},
        onRingPressure: @escaping @Sendable () -> Void = {},
        onPressure: @escaping @Sendable (PressureNotice) -> Void = { _ in }
    ) throws(GatewayError) -> Gateway {
        try Gateway(
            settings: settings, rings: rings, openUsage: openUsage, keys: keys, routes: routes, providers: providers,
            version: version, listeners: listeners, bootNonce: bootNonce, onPublish: onPublish,
            onRingPressure: onRingPressure, onPressure: onPressure)
    }

    /// A number that no other start is likely to have.
    public static func makeBootNonce() -> UInt32 {
        SecureRandom.bytes(4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    }

    private init(
        settings: Settings, rings: [MappedRing], openUsage: [MappedSlots?], keys: [KeyRecord], routes: [RouteRecord],
        providers: ProviderSet, version: String, listeners: [Int32]?, bootNonce: UInt32,
        onPublish: @escaping @Sendable () -> Void, onRingPressure: @escaping @Sendable () -> Void,
        onPressure: @escaping @Sendable (PressureNotice) -> Void
    ) throws(GatewayError) {
        let registry = Registry()
        let tickets = TLSTickets()
        let tls = try GatewayTLS(settings, tickets: tickets)
        let snapshot = Snapshot(
            keys: keys, routes: routes, providers: providers, settings: settings, tls: tls, version: version,
            registry: registry)
        let sockets: [Int32]
        if let listeners { sockets = listeners } else { sockets = try Self.listen(settings, count: rings.count) }
        let listeners = try Self.spread(sockets, over: rings.count)
        boundPort = SocketAddress.local(of: listeners[0].fd)?.port ?? settings.app.port
        let limiter = ConnectionLimiter(
            maximum: Self.connectionLimit(settings, descriptors: Self.descriptorLimit, workers: rings.count))
        self.limiter = limiter
        connectionLimit = limiter.maximum
        var workers: [RunningWorker] = []
        for (index, ring) in rings.enumerated() {
            do {
                let mailbox = try Mailbox<WorkerMessage>()
                let metrics = WorkerMetrics()
                let providerMetrics = ProviderMetrics()
                let configuration = WorkerConfiguration(
                    index: index, listener: listeners[index].fd, sharesListener: listeners[index].isShared, ring: ring,
                    openUsage: index < openUsage.count ? openUsage[index] : nil,
                    snapshot: snapshot, mailbox: mailbox, metrics: metrics, providerMetrics: providerMetrics,
                    limiter: limiter, workerCount: rings.count, resolvConf: settings.proxy.resolvConf,
                    bootNonce: bootNonce, onRingPressure: onRingPressure, onPressure: onPressure)
                let thread = try WorkerThread.start(name: "fg-worker-\(index)", cpu: nil) {
                    Self.runWorker(configuration)
                }
                workers.append(
                    RunningWorker(
                        mailbox: mailbox, metrics: metrics, providerMetrics: providerMetrics, thread: thread))
            } catch {
                throw GatewayError(message: "cannot start worker \(index): \(error)")
            }
        }
        self.workers = workers
        self.registry = registry
        self.version = version
        self.rings = rings
        self.tickets = tickets
        self.onPublish = onPublish
        routesAreServed = Atomic(snapshot.routeProblems.isEmpty)
        providersAreServed = Atomic(snapshot.providerProblems.isEmpty)
        state = Mutex(
            State(
                settings: settings, tls: tls, keys: keys, routes: routes, providers: providers, snapshot: snapshot))
    }

    private static func runWorker(_ configuration: WorkerConfiguration) {
        do {
            var worker = try Worker(configuration)
            worker.run()
        } catch {
            fatalError("worker \(configuration.index) has no event loop: \(error)")
        }
    }

    /// One descriptor for each worker: where there are fewer sockets, some are shared.
    private static func spread(
        _ listeners: [Int32], over count: Int
    ) throws(GatewayError) -> [(fd: Int32, isShared: Bool)] {
        var result: [(fd: Int32, isShared: Bool)] = []
        for index in 0..<count {
            let fd = index < listeners.count ? listeners[index] : Socket.duplicate(listeners[index % listeners.count])
            guard fd >= 0 else { throw GatewayError(message: "dup: \(String(cString: strerror(-fd)))") }
            result.append((fd, count > listeners.count))
        }
        return result
    }

    /// Binds the data plane's address `count` times.
    public static func listen(_ settings: Settings, count: Int) throws(GatewayError) -> [Int32] {
        guard var address = SocketAddress(literal: settings.app.host, port: settings.app.port) else {
            throw GatewayError(field: "app.host", message: "\"\(settings.app.host)\" is no IP address")
        }
        // Without SO_REUSEPORT first: two gateways that share a port by accident would each get half of the calls.
        let probe = Socket.listen(address, reusePort: false, backlog: 1)
        guard probe >= 0 else {
            throw GatewayError(
                field: "app.port", message: "cannot listen on \(address): \(String(cString: strerror(-probe)))")
        }
        Socket.close(probe)
        var listeners: [Int32] = []
        for _ in 0..<count {
            let fd = Socket.listen(address, reusePort: true, backlog: 4096)
            guard fd >= 0 else {
                for open in listeners { Socket.close(open) }
                throw GatewayError(
                    field: "app.port", message: "cannot listen on \(address): \(String(cString: strerror(-fd)))")
            }
            listeners.append(fd)
            if address.port == 0, let bound = SocketAddress.local(of: fd) { address = address.withPort(bound.port) }
        }
        return listeners
    }

    // MARK: Snapshots

    /// Serves from these keys and routes; returns when every worker does.
    public func publish(keys: [KeyRecord], routes: [RouteRecord]) throws(GatewayError) {
        try publish { state in
            state.keys = keys
            state.routes = routes
        }
    }

    /// Serves with these providers; returns when every worker does.
    public func publish(providers: ProviderSet) throws(GatewayError) {
        try publish { $0.providers = providers }
    }

    /// Serves with other settings, and reads certificates, keys and authorities again. What is bound to the start
    /// (addresses, workers, ring size) stays. If a file cannot be used nothing changes.
    public func publish(settings: Settings) throws(GatewayError) {
        let tls = try GatewayTLS(settings, tickets: tickets)
        try publish { state in
            state.settings = settings
            state.tls = tls
        }
    }

    /// Counts what keys have spent through other processes: at least as much as these records say.
    public func raiseSpending(_ keys: [KeyRecord]) {
        let now = Int64(Clock.realtimeNanoseconds() / 1_000_000)
        for key in keys { registry.providers.raiseSpending(key, now: now) }
    }

    /// Routes and providers that are active but cannot be served, and why.
    public var routeProblems: [(routeID: String, problem: RouteProblem)] {
        state.withLock { $0.snapshot.routeProblems + $0.snapshot.providerProblems }
    }

    public var servesAllRoutes: Bool { routesAreServed.load(ordering: .acquiring) }

    public var servesAllProviders: Bool { providersAreServed.load(ordering: .acquiring) }

    private func publish(_ change: (inout State) -> Void) throws(GatewayError) {
        // The lock is held until the workers have answered: changes take effect one after the other.
        let isServed = state.withLock { state in
            change(&state)
            state.snapshot = Snapshot(
                keys: state.keys, routes: state.routes, providers: state.providers, settings: state.settings,
                tls: state.tls, version: version, registry: registry)
            routesAreServed.store(state.snapshot.routeProblems.isEmpty, ordering: .releasing)
            providersAreServed.store(state.snapshot.providerProblems.isEmpty, ordering: .releasing)
            let latch = Latch(workers.count)
            for worker in workers { worker.mailbox.post(.serve(state.snapshot, latch)) }
            return latch.wait(seconds: Self.publishSeconds)
        }
        guard isServed else { throw GatewayError(message: "a worker does not answer") }
        onPublish()
    }

    public func validate(_ route: RouteRecord) -> RouteProblem? {
        let settings = state.withLock { $0.settings }
        var compiler = RouteCompiler(
            arena: Arena(), stripHeaders: settings.headersToStrip, defaultTimeoutMilliseconds: 1000,
            targetNumbers: StableNumbers(), isStrict: true)
        do {
            _ = try compiler.compile(route, metricID: 0)
            return nil
        } catch {
            return RouteProblem(field: error.field, message: error.message)
        }
    }

    /// What the store cannot know: whether the provider's address and headers can be used, in this environment.
    public func validate(_ provider: ProviderRecord) -> RouteProblem? {
        RouteCheck.problem(provider, settings: state.withLock { $0.settings }, takesVariablesAsSet: false)
    }

    public func providerStatus() -> [ProviderStatus] {
        let snapshot = state.withLock { $0.snapshot }
        return snapshot.view.pointee.providers.status(now: Clock.monotonicMilliseconds())
    }

    public func explain(
        method: String, path: String, headers: [(String, String)], body: [UInt8]?, keyID: String? = nil
    ) -> RouteExplanation {
        let (snapshot, routes) = state.withLock { ($0.snapshot, $0.routes) }
        return Explanation.make(
            snapshot: snapshot, routes: routes, method: method, path: path, headers: headers, body: body,
            keyID: keyID)
    }

    /// The label by which metrics and log name a route of this number (see `CompletedFields.routeNumber`).
    public func routeLabel(_ number: UInt32) -> String? {
        registry.routeLabels.all.first { $0.1 == Int32(truncatingIfNeeded: number) }?.0
    }

    public func metrics() -> GatewayMetrics {
        var labels: [Int32: String] = [:]
        for (label, number) in registry.routeLabels.all { labels[number] = label }
        var metrics = WorkerMetrics.collect(workers.map(\.metrics), labels: labels)
        metrics.models = ProviderMetrics.collect(
            workers.map(\.providerMetrics), labels: registry.providers.metricLabels.all)
        metrics.providers = providerStatus()
        metrics.connectionLimit = connectionLimit
        metrics.ringUsedBytes = rings.reduce(0) { $0 + UInt64($1.usedBytes) }
        return metrics
    }

    // MARK: The end

    public var isDraining: Bool { draining.load(ordering: .acquiring) }

    /// Stops accepting, lets what is open finish, and returns at once. Asked again it only closes idle connections
    /// sooner.
    ///
    /// - Returns: whether all is finished, after waiting for so many seconds.
    public func drain(_ drain: Drain) -> (_ waitSeconds: Double) -> Bool {
        if !drain.isHandingOver { draining.store(true, ordering: .releasing) }
        let latch = Latch(workers.count)
        for worker in workers { worker.mailbox.post(.drain(latch, drain)) }
        return { latch.wait(seconds: $0) }
    }

    /// Whether every worker's loop turns, asked within so many seconds.
    public func isAlive(withinSeconds seconds: Double) -> Bool {
        let latch = Latch(workers.count)
        for worker in workers { worker.mailbox.post(.ping(latch)) }
        return latch.wait(seconds: seconds)
    }

    /// Ends the workers, once. What is still open is recorded as cut off.
    public func stop() {
        for worker in workers { worker.mailbox.post(.stop) }
        for worker in workers { worker.thread.join() }
        limiter.deallocate()
        isStopped.store(true, ordering: .releasing)
    }

    /// Counters may be read after the end, until nobody has the gateway any more.
    deinit {
        guard isStopped.load(ordering: .acquiring) else { return }
        for worker in workers {
            worker.metrics.deallocate()
            worker.providerMetrics.deallocate()
        }
    }
}
