import Admin
import Config
import Glibc
import Log
import Proxy
import Reactor
import Store

/// The parts of a running gateway, started in the order in which they need each other and stopped in the other.
final class GatewayServer {
    let dataPort: UInt16
    let adminAddress: String
    let workerCount: Int
    private let lock: InstanceLock
    private let rings: AuditRings
    private let writer: StoreWriter
    private let gateway: Gateway
    private let admin: AdminServer

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    init(_ loaded: LoadedConfig) throws {
        let settings = loaded.settings
        workerCount = settings.app.workers > 0 ? settings.app.workers : max(sysconf(Int32(_SC_NPROCESSORS_ONLN)), 1)
        lock = try InstanceLock.take(folder: settings.database.folder)
        let token = try AdminToken.resolve(settings)
        if case .created(let path) = token.origin {
            Logger.shared.info("made an admin token", [("file", .string(path))])
        }
        try Self.openDatabase(settings)
        rings = try AuditRings.open(
            folder: settings.database.folder, workers: workerCount, capacity: settings.audit.ringBytes)
        for warning in rings.warnings { Logger.shared.error(warning) }
        let writer = try StoreWriter.start(
            databasePath: settings.database.path, rings: rings.rings, staleRings: rings.stale,
            options: Self.writerOptions(settings))
        self.writer = writer
        let recovered = writer.statistics.recoveredInFlight
        if recovered > 0 {
            Logger.shared.warn("exchanges were in flight when the gateway stopped", [("count", .init(recovered))])
        }
        do {
            let reader = try ReadConnection(
                path: settings.database.path, timeZoneOffsetMinutes: settings.app.timezone.minutes)
            gateway = try Gateway.start(
                settings: settings, rings: rings.rings, keys: reader.activeKeys(),
                routes: reader.activeRoutes(), version: fastGateVersion, onRingPressure: { writer.expedite() })
        } catch {
            writer.stop()
            throw error
        }
        for (routeID, problem) in gateway.routeProblems {
            Logger.shared.error(
                "a route cannot be served: \(problem.field) \(problem.message)", [("route", .string(routeID))])
        }
        do {
            admin = try AdminServer.start(
                settings: settings, gateway: gateway, writer: writer, databasePath: settings.database.path,
                adminToken: token.value, version: fastGateVersion)
        } catch {
            gateway.stop()
            writer.stop()
            throw error
        }
        dataPort = gateway.boundPort
        let host = settings.admin.host.contains(":") ? "[\(settings.admin.host)]" : settings.admin.host
        adminAddress = "\(host):\(admin.boundPort)"
        publishAdminAddress(settings)
    }

    /// Puts reloaded settings into effect, as far as they can change while the gateway runs.
    func apply(_ settings: Settings) throws {
        // Either all of it or nothing: what can be refused is tried first.
        _ = try AdminServer.tls(settings, tickets: TLSTickets())
        try gateway.publish(settings: settings)
        writer.update(options: Self.writerOptions(settings))
        try admin.apply(settings: settings)
        publishAdminAddress(settings)
    }

    /// Tells the command line where the admin API listens, and that it speaks TLS if it does.
    private func publishAdminAddress(_ settings: Settings) {
        lock.publish(adminAddress: (settings.admin.isTLS ? "https://" : "") + adminAddress)
    }

    /// Lets open exchanges finish, stores what they left and ends all threads. False if some had to be cut off.
    func stop(drainTimeoutSeconds: Double) -> Bool {
        let isDone = gateway.drain(timeoutSeconds: drainTimeoutSeconds)
        gateway.stop()
        admin.stop()
        writer.stop()
        return isDone
    }

    /// Creates or migrates the database, and says so: a backup of an old one holds what the old one held.
    private static func openDatabase(_ settings: Settings) throws {
        let database = try Database.open(
            path: settings.database.path, timeZoneOffsetMinutes: settings.app.timezone.minutes)
        if let backup = database.backupPath {
            Logger.shared.warn(
                "the database was migrated; its backup may hold keys in plain text: keep it safe or delete it",
                [("backup", .string(backup))])
        }
    }

    private static func writerOptions(_ settings: Settings) -> WriterOptions {
        WriterOptions(
            flushIntervalMilliseconds: settings.audit.flushIntervalMilliseconds,
            timeZoneOffsetMinutes: settings.app.timezone.minutes,
            auditBodyMaxBytes: settings.proxy.auditBodyMaxBytes, retentionDays: settings.audit.retentionDays)
    }
}
