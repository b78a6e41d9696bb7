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
    private let refresher: ModelRefresher

    /// Listens and starts the threads.
    /// - Parameters:
    ///   - databasePath: Of a database that has been opened (created, migrated) before.
    ///   - adminToken: What callers must present; not empty.
    ///   - version: Shown in /health, /openapi.json and the metrics.
    public static func start(
        settings: Settings, gateway: any GatewayControl, writer: StoreWriter, vault: KeyVault? = nil,
        databasePath: String, adminToken: String, version: String
    ) throws(AdminServerError) -> AdminServer {
        guard !adminToken.isEmpty else { throw AdminServerError(description: "the admin token is empty") }
        let place = "\(settings.admin.host):\(settings.admin.port)"
        guard let address = SocketAddress(literal: settings.admin.host, port: settings.admin.port) else {
            throw AdminServerError(description: "admin.host: \(settings.admin.host) is no IP address")
        }
        let listener = Socket.listen(address, reusePort: false, backlog: 128)
        guard listener >= 0 else {
            throw AdminServerError(
                description: "the admin port \(place): \(SystemError(errno: listener, operation: "listen"))")
        }
        let port = SocketAddress.local(of: listener)?.port ?? settings.admin.port
        let shared = AdminShared(
            settings: settings, gateway: gateway, writer: writer, vault: vault, version: version,
            gatekeeper: Gatekeeper(access: AccessControl(token: adminToken), cookie: SessionCookie(port: port)))
        // Compressed now, not while somebody waits.
        _ = DashboardAssets.shared
        do throws(SystemError) {
            let mailbox = try Mailbox<ReactorMessage>()
            let executors = try ExecutorPool(shared: shared, mailbox: mailbox, databasePath: databasePath)
            do throws(SystemError) {
                // Made here, so that what fails is told to the caller; from then on only its thread touches it.
                nonisolated(unsafe) let reactor = try AdminReactor(
                    listener: listener, shared: shared, mailbox: mailbox, executors: executors)
                let thread = try WorkerThread.start(name: "admin", cpu: nil) { reactor.run() }
                let refresher = try ModelRefresher(shared: shared, databasePath: databasePath)
                shared.onProvidersChanged { refresher.wake() }
                try refresher.start()
                return AdminServer(
                    boundPort: port, shared: shared, mailbox: mailbox, executors: executors, reactorThread: thread,
                    refresher: refresher)
            } catch {
                executors.stop()
                throw error
            }
        } catch {
            Socket.close(listener)
            throw AdminServerError(description: "the admin port \(place): \(error)")
        }
    }

    private init(
        boundPort: UInt16, shared: AdminShared, mailbox: Mailbox<ReactorMessage>, executors: ExecutorPool,
        reactorThread: WorkerThread, refresher: ModelRefresher
    ) {
        self.boundPort = boundPort
        self.shared = shared
        self.mailbox = mailbox
        self.executors = executors
        self.reactorThread = reactorThread
        self.refresher = refresher
    }

    /// Puts reloaded settings into effect, except the address, which needs a restart.
    public func apply(settings: Settings) {
        shared.settings = settings
    }

    /// Closes the port, lets what is open finish for up to two seconds, and joins all threads. Call it once.
    public func stop() {
        mailbox.post(.stop)
        refresher.stop()
        reactorThread.join()
        executors.stop()
    }
}
