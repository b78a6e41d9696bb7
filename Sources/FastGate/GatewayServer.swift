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
        _ = try Database.open(
            path: settings.database.path, timeZoneOffsetMinutes: settings.app.timezone.minutes)
        let rings = try AuditRings.open(
            folder: settings.database.folder, count: workerCount, capacity: settings.audit.ringBytes)
        writer = try StoreWriter.start(
            databasePath: settings.database.path, rings: rings.current, staleRings: rings.stale,
            options: Self.writerOptions(settings))
        let recovered = writer.statistics.recoveredInFlight
        if recovered > 0 {
            Logger.shared.warn("exchanges were in flight when the gateway stopped", [("count", .init(recovered))])
        }
        do {
            let reader = try ReadConnection(
                path: settings.database.path, timeZoneOffsetMinutes: settings.app.timezone.minutes)
            gateway = try Gateway.start(
                settings: settings, rings: rings.current, keys: reader.activeKeys(),
                routes: reader.activeRoutes(), version: fastGateVersion)
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
        lock.publish(adminAddress: adminAddress)
    }

    /// Puts reloaded settings into effect, as far as they can change while the gateway runs.
    func apply(_ settings: Settings) throws(GatewayError) {
        try gateway.publish(settings: settings)
        writer.update(options: Self.writerOptions(settings))
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

    private static func writerOptions(_ settings: Settings) -> WriterOptions {
        WriterOptions(
            flushIntervalMilliseconds: settings.audit.flushIntervalMilliseconds,
            timeZoneOffsetMinutes: settings.app.timezone.minutes,
            auditBodyMaxBytes: settings.proxy.auditBodyMaxBytes, retentionDays: settings.audit.retentionDays)
    }
}

/// The ring files beside the database.
enum AuditRings {
    struct Opened {
        /// One for each worker.
        var current: [MappedRing] = []
        /// Left by a gateway with more workers or other sizes: to be emptied once.
        var stale: [MappedRing] = []
    }

    /// Maps `count` rings of `capacity` bytes in `folder`, and those that other settings have left there.
    static func open(folder: String, count: Int, capacity: Int) throws(GatewayServer.Failure) -> Opened {
        var opened = Opened()
        for index in 0..<count {
            let path = path(folder, index)
            var ring = try map(path, capacity)
            if ring.capacity != capacity {
                // Another size was set: what is in it is stored first, then its file goes.
                let old = "\(path).old"
                guard rename(path, old) == 0 else { throw failure(old, "cannot be renamed") }
                opened.stale.append(try map(old, capacity))
                ring = try map(path, capacity)
            }
            opened.current.append(ring)
        }
        var index = 0
        while index < maxRings {
            let path = path(folder, index)
            if index >= count, access(path, F_OK) == 0 { opened.stale.append(try map(path, capacity)) }
            let old = "\(path).old"
            if access(old, F_OK) == 0, !opened.stale.contains(where: { $0.path == old }) {
                opened.stale.append(try map(old, capacity))
            }
            index += 1
        }
        return opened
    }

    private static let maxRings = 1024

    private static func path(_ folder: String, _ index: Int) -> String { "\(folder)/audit-\(index).ring" }

    /// A file that is no sound ring is set aside, not deleted: somebody may want to look at it.
    private static func map(_ path: String, _ capacity: Int) throws(GatewayServer.Failure) -> MappedRing {
        do {
            return try MappedRing.open(path: path, capacity: capacity)
        } catch .system(let number) {
            throw failure(path, String(cString: strerror(number)))
        } catch {
            let aside = "\(path).damaged-\(Clock.realtimeNanoseconds() / 1_000_000_000)"
            guard rename(path, aside) == 0 else { throw failure(path, "\(error)") }
            Logger.shared.error(
                "an audit ring is damaged and was set aside: \(error)",
                [("ring", .string(path)), ("aside", .string(aside))])
            do { return try MappedRing.open(path: path, capacity: capacity) } catch {
                throw failure(path, "\(error)")
            }
        }
    }

    private static func failure(_ path: String, _ reason: String) -> GatewayServer.Failure {
        GatewayServer.Failure(description: "the audit ring \(path): \(reason)")
    }
}
