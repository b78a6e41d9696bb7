import Config
import HTTP
import Proxy
import Reactor
import Store

/// Why the admin port could not be opened.
public struct AdminServerError: Error, Sendable, CustomStringConvertible {
    public let description: String
}

/// The admin port: REST API, metrics, health. One reactor thread and four executor threads of its own; nothing here ever
/// runs on a thread that proxies.
public final class AdminServer: Sendable {
    /// The port that is listened on; it differs from the setting if that is 0.
    public let boundPort: UInt16

    private let shared: AdminShared
    private let mailbox: Mailbox<ReactorMessage>
    private let executors: ExecutorPool
    private let reactorThread: WorkerThread
    private let tickets: TLSTickets
    private let refresher: ModelRefresher

    /// Listens and starts the threads.
    /// - Parameters:
    ///   - databasePath: Of a database that has been opened (created, migrated) before.
    ///   - adminToken: What callers must present; not empty.
    ///   - listener: A socket to listen on, which is the server's from here on; without one it binds the settings'
    ///     address.
    ///   - version: Shown in /health, /openapi.json and the metrics.
    public static func start(
        settings: Settings, gateway: any GatewayControl, writer: StoreWriter, vault: KeyVault? = nil,
        databasePath: String, adminToken: String, version: String, listener: Int32? = nil
    ) throws(AdminServerError) -> AdminServer {
        guard !adminToken.isEmpty else { throw AdminServerError(description: "the admin token is empty") }
        let tickets = TLSTickets()
        let tls: TLSContext?
        do throws(TLSError) { tls = try Self.tls(settings, tickets: tickets) } catch {
            throw AdminServerError(description: "admin.tls: \(error)")
        }
        let socket: Int32
        if let listener { socket = listener } else { socket = try Self.listen(settings) }
        let port = SocketAddress.local(of: socket)?.port ?? settings.admin.port
        let shared = AdminShared(
            settings: settings, tls: tls, gateway: gateway, writer: writer, vault: vault, version: version,
            gatekeeper: Gatekeeper(
                access: AccessControl(token: adminToken), cookie: SessionCookie(port: port, isSecure: tls != nil)),
            isLocal: SocketAddress.local(of: socket)?.isLoopback ?? false)
        // Compressed now, not while somebody waits.
        _ = DashboardAssets.shared
        do throws(SystemError) {
            let mailbox = try Mailbox<ReactorMessage>()
            let executors = try ExecutorPool(shared: shared, mailbox: mailbox, databasePath: databasePath)
            do throws(SystemError) {
                // Made here, so that what fails is told to the caller; from then on only its thread touches it.
                nonisolated(unsafe) let reactor = try AdminReactor(
                    listener: socket, shared: shared, mailbox: mailbox, executors: executors)
                let thread = try WorkerThread.start(name: "admin", cpu: nil) { reactor.run() }
                let refresher = try ModelRefresher(shared: shared, databasePath: databasePath)
                shared.onProvidersChanged { refresher.wake() }
                try refresher.start()
                return AdminServer(
                    boundPort: port, shared: shared, mailbox: mailbox, executors: executors, reactorThread: thread,
                    refresher: refresher, tickets: tickets)
            } catch {
                executors.stop()
                throw error
            }
        } catch {
            Socket.close(socket)
            throw AdminServerError(
                description: "the admin port \(settings.admin.host):\(settings.admin.port): \(error)")
        }
    }

    private init(
        boundPort: UInt16, shared: AdminShared, mailbox: Mailbox<ReactorMessage>, executors: ExecutorPool,
        reactorThread: WorkerThread, refresher: ModelRefresher, tickets: TLSTickets
    ) {
        self.boundPort = boundPort
        self.shared = shared
        self.mailbox = mailbox
        self.executors = executors
        self.reactorThread = reactorThread
        self.tickets = tickets
        self.refresher = refresher
    }

    /// Binds the admin port's address.
    public static func listen(_ settings: Settings) throws(AdminServerError) -> Int32 {
        guard let address = SocketAddress(literal: settings.admin.host, port: settings.admin.port) else {
            throw AdminServerError(description: "admin.host: \(settings.admin.host) is no IP address")
        }
        let listener = Socket.listen(address, reusePort: false, backlog: 128)
        guard listener >= 0 else {
            let reason = SystemError(errno: listener, operation: "listen")
            throw AdminServerError(
                description: "the admin port \(settings.admin.host):\(settings.admin.port): \(reason)")
        }
        return listener
    }

    /// What the admin port speaks TLS with; nil if it speaks plain HTTP.
    public static func tls(_ settings: Settings, tickets: TLSTickets) throws(TLSError) -> TLSContext? {
        guard settings.admin.isTLS else { return nil }
        let certificate = TLSCertificate(
            certificateFile: settings.admin.certificateFile, keyFile: settings.admin.keyFile)
        let options = TLSServerOptions(certificates: [certificate], minimumVersion: settings.tls.minimumVersion)
        return try TLSContext.server(options, tickets: tickets)
    }

    /// Puts reloaded settings into effect, except the address, which needs a restart, and reads the certificate again.
    /// If that cannot be used nothing changes.
    public func apply(settings: Settings) throws(AdminServerError) {
        do throws(TLSError) {
            shared.tls = try Self.tls(settings, tickets: tickets)
        } catch {
            throw AdminServerError(description: "admin.tls: \(error)")
        }
        shared.settings = settings
    }

    /// Looks for the master key once more, and serves with the keys that it opens.
    ///
    /// - Returns: why the keys of providers cannot be read; nil if they can.
    public func rereadMasterKey(_ reader: ReadConnection) -> String? {
        guard let vault = shared.vault else { return nil }
        let context = HandlerContext(shared: shared, reader: reader)
        do throws(AdminFailure) {
            if try context.read({ reader throws(StoreError) in try vault.reread(reader) }) {
                try context.exclusivelyProviders { () throws(AdminFailure) in }
            }
        } catch {
            return error.message
        }
        if case .locked(let reason) = vault.state { return reason }
        return nil
    }

    /// Closes the port, lets what is open finish for up to two seconds, and joins all threads. Call it once.
    public func stop() {
        mailbox.post(.stop)
        // It holds what holds it.
        shared.onProvidersChanged(nil)
        refresher.stop()
        reactorThread.join()
        executors.stop()
    }
}
