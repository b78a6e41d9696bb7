import Config
import Proxy
import Reactor
import Store
import Synchronization

/// What all threads of the admin server share.
final class AdminShared: Sendable {
    let gateway: any GatewayControl
    let writer: any ChangeWriter
    /// Seals and opens the keys of providers; nil where nobody needs them.
    let vault: KeyVault?
    let version: String
    let startedNanoseconds = Clock.monotonicNanoseconds()
    private let currentSettings: Mutex<Settings>
    private let currentTLS: Mutex<TLSContext?>
    /// Told when providers have changed.
    private let providersChanged = Mutex<(@Sendable () -> Void)?>(nil)
    /// Held over a change of the database and its publication, so that an older state is never published over a
    /// newer one.
    let mutation = Mutex(())
    let gatekeeper: Mutex<Gatekeeper>
    /// The admin port is on a loopback address: nobody but this machine reaches it, and its browsers.
    let isLocal: Bool

    init(
        settings: Settings, tls: TLSContext? = nil, gateway: any GatewayControl, writer: any ChangeWriter,
        vault: KeyVault? = nil, version: String, gatekeeper: sending Gatekeeper = .closed(), isLocal: Bool = false
    ) {
        self.isLocal = isLocal
        self.gatekeeper = Mutex(gatekeeper)
        currentSettings = Mutex(settings)
        currentTLS = Mutex(tls)
        self.gateway = gateway
        self.writer = writer
        self.vault = vault
        self.version = version
    }

    func onProvidersChanged(_ body: (@Sendable () -> Void)?) { providersChanged.withLock { $0 = body } }
    func tellOfProviders() { providersChanged.withLock { $0 }?() }

    /// The settings in effect; a reload replaces them.
    var settings: Settings {
        get { currentSettings.withLock { $0 } }
        set { currentSettings.withLock { $0 = newValue } }
    }

    /// What new connections speak TLS with; nil for plain HTTP. A reload replaces it.
    var tls: TLSContext? {
        get { currentTLS.withLock { $0 } }
        set { currentTLS.withLock { $0 = newValue } }
    }

    /// Whether the providers' keys cannot be read.
    var isMasterKeyLocked: Bool {
        if case .locked? = vault?.state { true } else { false }
    }

    var uptimeSeconds: Double { Double(Clock.monotonicNanoseconds() - startedNanoseconds) / 1e9 }
}

/// What a handler works with: the shared state and its thread's own view of the database.
final class HandlerContext {
    let shared: AdminShared
    let reader: ReadConnection

    init(shared: AdminShared, reader: ReadConnection) {
        self.shared = shared
        self.reader = reader
    }

    var gateway: any GatewayControl { shared.gateway }
    var settings: Settings { shared.settings }
    var offsetMinutes: Int { shared.settings.app.timezone.minutes }

    /// Seals and opens providers' keys.
    func vault() throws(AdminFailure) -> KeyVault {
        guard let vault = shared.vault else {
            throw .server("master_key_locked", "there is no master key for the keys of providers", status: 503)
        }
        return vault
    }

    static func nowMilliseconds() -> Int64 { Int64(Clock.realtimeNanoseconds() / 1_000_000) }

    /// Runs a query; what goes wrong becomes an answer.
    func read<T>(_ query: (ReadConnection) throws(StoreError) -> T) throws(AdminFailure) -> T {
        do throws(StoreError) {
            return try query(reader)
        } catch {
            throw AdminFailure(error)
        }
    }

    /// Changes the database on the write thread; what goes wrong becomes an answer. Only inside `exclusively`.
    /// - Parameter flushingRings: see `StoreWriter.perform`.
    func write<T: Sendable>(
        flushingRings: Bool = false,
        _ change: @escaping @Sendable (borrowing WriteConnection) throws(StoreError) -> T
    ) throws(AdminFailure) -> T {
        do throws(StoreError) {
            return try shared.writer.perform(flushingRings: flushingRings, change)
        } catch {
            throw AdminFailure(error)
        }
    }

    /// Runs a change while no other runs, then makes what the database holds effective on all workers.
    func exclusively<T: Sendable>(_ change: () throws(AdminFailure) -> T) throws(AdminFailure) -> T {
        try shared.mutation.withLock { _ throws(AdminFailure) -> T in
            let result = try change()
            let keys = try read { reader throws(StoreError) in try reader.activeKeys() }
            let routes = try read { reader throws(StoreError) in try reader.activeRoutes() }
            do throws(GatewayError) {
                try gateway.publish(keys: keys, routes: routes)
            } catch {
                throw .server("not_published", "the change is stored, but could not be made effective: \(error)")
            }
            return result
        }
    }

    /// The same for a change of providers, their keys, aliases or prices.
    func exclusivelyProviders<T: Sendable>(_ change: () throws(AdminFailure) -> T) throws(AdminFailure) -> T {
        try shared.mutation.withLock { _ throws(AdminFailure) -> T in
            let result = try change()
            guard let vault = shared.vault else { return result }
            let providers = try read { reader throws(StoreError) in
                try ProviderSet.load(from: reader, vault: vault)
            }
            do throws(GatewayError) {
                try gateway.publish(providers: providers)
                shared.tellOfProviders()
            } catch {
                throw .server("not_published", "the change is stored, but could not be made effective: \(error)")
            }
            return result
        }
    }

    /// One change, made effective.
    func mutate<T: Sendable>(
        _ change: @escaping @Sendable (borrowing WriteConnection) throws(StoreError) -> T
    ) throws(AdminFailure) -> T {
        try exclusively { () throws(AdminFailure) in try write(change) }
    }
}

extension AdminFailure {
    init(_ error: StoreError) {
        switch error {
        case .invalid(let field, let message): self = .badField(field, message)
        case .conflict(let field, let message): self = .conflict(field, message)
        case .notFound(let what):
            self.init(status: 404, type: "not_found_error", code: "not_found", "\(what) does not exist")
        case .busy, .full, .stopped: self = .server("database_unavailable", error.description, status: 503)
        case .timedOut:
            self = .server(
                "query_timed_out",
                "the query took longer than it may (10 s; 2 s to look for a request_id); narrow the time range",
                status: 503)
        case .locked(let reason): self = .server("master_key_locked", reason, status: 503)
        case .sqlite, .refused, .system: self = .server("database_error", error.description)
        }
    }
}

/// The endpoints and how one is answered.
enum AdminAPI {
    static let endpoints: [Endpoint] =
        keyEndpoints + routeEndpoints + providerEndpoints + providerKeyEndpoints + masterKeyEndpoints + modelEndpoints
        + priceEndpoints
        + usageEndpoints + logEndpoints + metricsEndpoints + sessionEndpoints
        + systemEndpoints

    static let router = Router(endpoints)

    /// Runs a handler that may block; every failure becomes an answer.
    static func answer(_ endpoint: Endpoint, _ request: AdminRequest, _ context: HandlerContext) -> AdminResponse {
        answer(endpoint, request) { () throws(AdminFailure) -> AdminResponse in
            switch endpoint.handler {
            case .reactor(let handler): handler(context.shared, request)
            case .quick(let handler), .slow(let handler): try handler(context, request)
            }
        }
    }

    static func answer(
        _ endpoint: Endpoint, _ request: AdminRequest, _ handler: () throws(AdminFailure) -> AdminResponse
    ) -> AdminResponse {
        do throws(AdminFailure) {
            // Checks of health and scrapers add what they like to a URL; there is no filter to misspell there.
            if endpoint.access == .token { try QueryReader.check(request.query, against: endpoint.parameters) }
            return try handler()
        } catch {
            return error.response
        }
    }
}
