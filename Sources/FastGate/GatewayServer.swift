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
    private let accessLog: AccessLog
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
        let vault = try Self.openDatabase(settings)
        rings = try AuditRings.open(
            folder: settings.database.folder, workers: workerCount, capacity: settings.audit.ringBytes)
        for warning in rings.warnings { Logger.shared.error(warning) }
        accessLog = AccessLog(Logger.shared)
        accessLog.isOn = settings.logging.access
        let writer = try StoreWriter.start(
            databasePath: settings.database.path, rings: rings.rings, staleRings: rings.stale,
            options: Self.writerOptions(settings), accessLog: accessLog)
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
                routes: reader.activeRoutes(), providers: ProviderSet.load(from: reader, vault: vault),
                version: fastGateVersion, onRingPressure: { writer.expedite() }, onPressure: { Self.log($0) })
        } catch {
            writer.stop()
            throw error
        }
        accessLog.setRouteLabels { [gateway] number in gateway.routeLabel(number) }
        if gateway.connectionLimit < settings.limits.maxConnections {
            Logger.shared.info(
                "the limit on open files allows fewer connections than limits.max_connections",
                [("connections", .init(gateway.connectionLimit))])
        }
        for (routeID, problem) in gateway.routeProblems {
            Logger.shared.error(
                "a route or provider cannot be served: \(problem.field) \(problem.message)",
                [("name", .string(routeID))])
        }
        do {
            admin = try AdminServer.start(
                settings: settings, gateway: gateway, writer: writer, vault: vault,
                databasePath: settings.database.path,
                adminToken: token.value, version: fastGateVersion)
        } catch {
            gateway.stop()
            writer.stop()
            throw error
        }
        dataPort = gateway.boundPort
        let host = settings.admin.host.contains(":") ? "[\(settings.admin.host)]" : settings.admin.host
        adminAddress = "\(host):\(admin.boundPort)"
        lock.publish(adminAddress: adminAddress)
    }

    /// Puts reloaded settings into effect, as far as they can change while the gateway runs.
    func apply(_ settings: Settings) throws(GatewayError) {
        try gateway.publish(settings: settings)
        writer.update(options: Self.writerOptions(settings))
        accessLog.isOn = settings.logging.access
        admin.apply(settings: settings)
    }

    /// Lets open exchanges finish, stores what they left and ends all threads. False if some had to be cut off.
    func stop(drainTimeoutSeconds: Double) -> Bool {
        let isDone = gateway.drain(timeoutSeconds: drainTimeoutSeconds)
        gateway.stop()
        admin.stop()
        writer.stop()
        return isDone
    }

    private static func log(_ notice: PressureNotice) {
        switch notice {
        case .descriptors: Logger.shared.warn("no file descriptor is left: what is open is served, newcomers wait")
        case .connections: Logger.shared.warn("there are as many connections as may be: newcomers wait")
        case .memory: Logger.shared.warn("limits.max_buffered_bytes are in use: new requests are answered with 503")
        }
    }

    /// Creates or migrates the database, and says so: a backup of an old one holds what the old one held. Then finds the
    /// master key of the providers' keys; without it the gateway starts all the same.
    private static func openDatabase(_ settings: Settings) throws -> KeyVault {
        let database = try Database.open(
            path: settings.database.path, timeZoneOffsetMinutes: settings.app.timezone.minutes)
        if let backup = database.backupPath {
            if database.migratedFromVersion == 0 {
                Logger.shared.warn(
                    "the database was migrated; its backup may hold keys in plain text: keep it safe or delete it",
                    [("backup", .string(backup))])
            } else {
                Logger.shared.info(
                    "the database was migrated; a backup of it as it was lies beside it",
                    [("backup", .string(backup))])
            }
        }
        let vault = try KeyVault.open(database, environment: processEnvironment()[MasterKey.environmentName])
        if let warning = vault.warning { Logger.shared.warn(warning) }
        if case .locked(let reason) = vault.state {
            Logger.shared.error("the keys of providers cannot be read: \(reason)")
        }
        return vault
    }

    private static func writerOptions(_ settings: Settings) -> WriterOptions {
        WriterOptions(
            flushIntervalMilliseconds: settings.audit.flushIntervalMilliseconds,
            timeZoneOffsetMinutes: settings.app.timezone.minutes,
            auditBodyMaxBytes: settings.proxy.auditBodyMaxBytes, retentionDays: settings.audit.retentionDays,
            usageRetentionDays: settings.audit.usageRetentionDays)
    }
}
