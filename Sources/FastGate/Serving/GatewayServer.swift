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
    private(set) var adminAddress = ""
    let workerCount: Int
    /// nil once a successor has it.
    private var lock: InstanceLock?
    private var sockets: ListeningSockets
    private let writer: StoreWriter
    private let accessLog: AccessLog
    private let vault: KeyVault
    private let gateway: Gateway
    private var admin: AdminServer?
    private let adminToken: String
    private let folder: String
    private let program = programPath()
    private let rings: AuditRings
    /// Processes whose rings this one takes over when they have ended.
    private var siblings: Int
    /// How often to look yet for what they have spent: the last of it is stored after they have ended.
    private var looksAtSpending = 0
    private static let looksAfterEnd = 3
    private var hasSuccessor = false

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// - Parameters:
    ///   - given: sockets that were opened for us; what is missing is bound as the settings say.
    ///   - predecessor: the process that this one is to succeed. It goes on until this one is ready.
    init(_ loaded: LoadedConfig, given: ListeningSockets, predecessor: Predecessor?) throws {
        let settings = loaded.settings
        var sockets = predecessor?.sockets ?? given
        let wanted = settings.app.workers > 0 ? settings.app.workers : Processors.usable
        // A socket that nobody accepts from would let its share of the clients hang.
        let workerCount = max(wanted, sockets.data.count)
        self.workerCount = workerCount
        let folder = settings.database.folder
        self.folder = folder
        lock = try predecessor.map { .inherited($0.lock, folder: folder) } ?? InstanceLock.take(folder: folder)
        let token = try AdminToken.resolve(settings)
        adminToken = token.value
        if case .created(let path) = token.origin {
            Logger.shared.info("made an admin token", [("file", .string(path))])
        }
        vault = try Self.openDatabase(settings, isShared: predecessor != nil)
        let bootNonce = Gateway.makeBootNonce()
        var rings = try AuditRings.open(
            folder: folder, workers: workerCount, capacity: settings.audit.ringBytes, bootNonce: bootNonce)
        for warning in rings.warnings { Logger.shared.error(warning) }
        accessLog = AccessLog(Logger.shared)
        accessLog.isOn = settings.logging.access
        let writer = try StoreWriter.start(
            databasePath: settings.database.path, rings: rings.rings, openUsage: rings.openUsage.compactMap { $0 },
            staleRings: rings.stale, staleOpenUsage: rings.staleOpenUsage, others: rings.others,
            options: Self.writerOptions(
                settings, workers: workerCount, sharesDatabase: !rings.others.isEmpty), accessLog: accessLog)
        rings.releaseStale()
        self.rings = rings
        self.writer = writer
        siblings = rings.others.count
        looksAtSpending = siblings > 0 ? Self.looksAfterEnd : 0
        let recovered = writer.statistics.recoveredInFlight
        if recovered > 0 {
            Logger.shared.warn("exchanges were in flight when the gateway stopped", [("count", .init(recovered))])
        }
        let routes: [RouteRecord]
        do {
            if let predecessor {
                predecessor.say(.prepared)
                guard predecessor.waitToProceed() else { throw Failure(description: "the running gateway stays") }
            }
            try sockets.bind(settings, workers: workerCount)
            let reader = try ReadConnection(
                path: settings.database.path, timeZoneOffsetMinutes: settings.app.timezone.minutes)
            routes = try reader.activeRoutes()
            let providers = try ProviderSet.load(from: reader, vault: vault)
            if vault.state == .ready { Self.logUnreadableKeys(providers) }
            gateway = try Gateway.start(
                settings: settings, rings: rings.rings, openUsage: rings.openUsage, keys: reader.activeKeys(),
                routes: routes, providers: providers, version: fastGateVersion,
                listeners: try sockets.data.map(ListeningSockets.duplicate), bootNonce: bootNonce,
                onPublish: { predecessor?.announceChange() }, onRingPressure: { writer.expedite() },
                onPressure: { Self.log($0) })
        } catch {
            writer.stop()
            throw error
        }
        self.sockets = sockets
        accessLog.setRouteLabels { [gateway] number in gateway.routeLabel(number) }
        if gateway.connectionLimit < settings.limits.maxConnections {
            Logger.shared.info(
                "the limit on open files allows fewer connections than limits.max_connections",
                [("connections", .init(gateway.connectionLimit))])
        }
        dataPort = gateway.boundPort
        for (routeID, problem) in gateway.routeProblems {
            Logger.shared.error(
                "a route or provider cannot be served: \(problem.field) \(problem.message)",
                [("name", .string(routeID))])
        }
        for route in routes {
            for former in RouteCheck.formerFields(route) {
                Logger.shared.warn(
                    "a route of an earlier version could not be stored today: \(former.field) \(former.message)",
                    [("name", .string(route.routeID))])
            }
        }
        do {
            try startAdmin(settings)
        } catch {
            gateway.stop()
            writer.stop()
            throw error
        }
        predecessor?.say(.serving)
    }

    /// Opens the admin port, at the start or after `stopAdmin`.
    func startAdmin(_ settings: Settings) throws {
        let admin = try AdminServer.start(
            settings: settings, gateway: gateway, writer: writer, vault: vault, databasePath: settings.database.path,
            adminToken: adminToken, version: fastGateVersion, listener: sockets.admin.map(ListeningSockets.duplicate))
        self.admin = admin
        let host = settings.admin.host.contains(":") ? "[\(settings.admin.host)]" : settings.admin.host
        adminAddress = "\(host):\(admin.boundPort)"
        publishAdminAddress(settings)
    }

    /// No more changes of keys and routes: what the database has now is what a successor may serve. Who connects waits
    /// in the socket's queue.
    func stopAdmin() {
        admin?.stop()
        admin = nil
    }

    private func updateWriter(_ settings: Settings) {
        writer.update(
            options: Self.writerOptions(
                settings, workers: workerCount, sharesDatabase: siblings > 0 || hasSuccessor))
    }

    /// Starts the process that is to take over.
    func startSuccessor(_ settings: Settings) throws(SystemError) -> Successor {
        guard let lock else { throw SystemError(errno: ESRCH, operation: "start a successor") }
        hasSuccessor = true
        updateWriter(settings)
        writer.expedite()
        return try Successor(program: program, sockets: sockets, lock: lock.descriptor)
    }

    var hasAdmin: Bool { admin != nil }
    var hasSiblings: Bool { siblings > 0 || looksAtSpending > 0 }

    /// Whether all threads that serve do.
    func isAlive(withinSeconds seconds: Double) -> Bool { gateway.isAlive(withinSeconds: seconds) }

    /// About once a second: nobody else's work on the machine may keep what is recorded from the database for long.
    func relieveWriter() { writer.relieve() }

    /// The successor has changed keys or routes: what is still open here is served by them too.
    func adoptChanges() {
        do {
            let reader = try ReadConnection(path: writer.databasePath, timeZoneOffsetMinutes: 0)
            try gateway.publish(keys: reader.activeKeys(), routes: reader.activeRoutes())
            _ = try vault.reread(reader)
            try gateway.publish(providers: ProviderSet.load(from: reader, vault: vault))
        } catch {
            Logger.shared.error("a change of the successor cannot be taken over: \(error)")
        }
    }

    /// There will be none after all.
    func forgetSuccessor(_ settings: Settings) {
        hasSuccessor = false
        updateWriter(settings)
        // It may have written itself in.
        publishAdminAddress(settings)
    }

    /// Takes over what processes that have ended meanwhile left in their rings.
    func adoptAbandonedRings(_ settings: Settings) {
        guard hasSiblings else { return }
        if siblings == 0 { looksAtSpending -= 1 }
        countSpending()
        guard siblings > 0 else { return }
        do throws(StoreError) {
            for abandoned in try AuditRings.abandoned(folder: folder) {
                for warning in abandoned.warnings { Logger.shared.error(warning) }
                writer.adopt(abandoned)
                siblings -= 1
            }
            if siblings == 0 { updateWriter(settings) }
        } catch {
            Logger.shared.error("the audit rings of an ended process cannot be read: \(error)")
        }
    }

    /// Budgets are spent in memory, and processes that still finish what they have open spend them, too: what they have come
    /// to is in the database.
    private func countSpending() {
        do throws(StoreError) {
            try writer.perform(flushingRings: true) { _ in }
            gateway.raiseSpending(
                try ReadConnection(path: writer.databasePath, timeZoneOffsetMinutes: 0).activeKeys())
        } catch {
            Logger.shared.error("what keys have spent through another process cannot be read: \(error)")
        }
    }

    /// Puts reloaded settings into effect, as far as they can change while the gateway runs.
    func apply(_ settings: Settings) throws {
        // Either all of it or nothing: what can be refused is tried first.
        _ = try AdminServer.tls(settings, tickets: TLSTickets())
        try gateway.publish(settings: settings)
        updateWriter(settings)
        accessLog.isOn = settings.logging.access
        try admin?.apply(settings: settings)
        publishAdminAddress(settings)
        let reader = try ReadConnection(path: writer.databasePath, timeZoneOffsetMinutes: 0)
        if let reason = admin?.rereadMasterKey(reader) {
            Logger.shared.error("the keys of providers cannot be read: \(reason)")
        }
    }

    /// Tells the command line where the admin API listens, and that it speaks TLS if it does.
    func publishAdminAddress(_ settings: Settings) {
        lock?.publish(adminAddress: (settings.admin.isTLS ? "https://" : "") + adminAddress)
    }

    /// Stops accepting and lets open exchanges finish; returns at once.
    ///
    /// - Returns: whether all are finished, after waiting for so many seconds.
    func drain(_ drain: Drain) -> (_ waitSeconds: Double) -> Bool {
        sockets.close()
        if drain.isHandingOver { lock = nil }
        return gateway.drain(drain)
    }

    /// Cuts off what is still open, stores what is in the rings and ends all threads.
    func stop() {
        gateway.stop()
        stopAdmin()
        writer.stop()
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
    private static func openDatabase(_ settings: Settings, isShared: Bool) throws -> KeyVault {
        let database = try Database.open(settings, isShared: isShared) {
            Logger.shared.warn(
                "another process has locked the database; waiting up to 10 s for it",
                [("database", .string(settings.database.path))])
        }
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

    /// The master key is the right one, and yet some row was changed by other hands, or brought from elsewhere.
    private static func logUnreadableKeys(_ providers: ProviderSet) {
        for key in providers.keys where key.secret == nil {
            Logger.shared.error(
                "a provider's key cannot be read, since it was not sealed with this master key as it stands in the "
                    + "database; delete it and add it anew",
                [("provider", .string(key.record.provider)), ("key", .string(key.record.keyID))])
        }
    }

    private static func writerOptions(_ settings: Settings, workers: Int, sharesDatabase: Bool) -> WriterOptions {
        WriterOptions(
            flushIntervalMilliseconds: settings.audit.flushIntervalMilliseconds,
            timeZoneOffsetMinutes: settings.app.timezone.minutes,
            auditBodyMaxBytes: settings.proxy.auditBodyMaxBytes, retentionDays: settings.audit.retentionDays,
            usageRetentionDays: settings.audit.usageRetentionDays, sharesDatabase: sharesDatabase,
            sharesCores: Processors.usable <= workers)
    }
}
