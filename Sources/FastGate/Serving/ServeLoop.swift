import Config
import Glibc
import Log
import Proxy
import Reactor

/// The main thread while the gateway serves: signals, renewed certificates, the service manager, a successor.
final class ServeLoop {
    /// How often rings of ended processes are looked for while there may be some.
    private static let siblingsMilliseconds: UInt64 = 500
    private static let reliefMilliseconds: UInt64 = 1000

    private let server: GatewayServer
    private let loaded: LoadedConfig
    private let signals: SignalSource
    private let manager: ServiceManager
    private let log = Logger.shared
    private var settings: Settings
    private var certificates: CertificateWatch
    private var nextCertificates: UInt64
    private var nextWatchdog: UInt64 = 0
    private var nextSiblings: UInt64 = 0
    private var nextRelief: UInt64 = 0
    private var successor: Successor?
    /// It has ended, or has a successor itself.
    private var isSuccessorSilent = false

    init(_ server: GatewayServer, _ loaded: LoadedConfig, _ signals: SignalSource, _ manager: ServiceManager) {
        self.server = server
        self.loaded = loaded
        self.signals = signals
        self.manager = manager
        settings = loaded.settings
        certificates = CertificateWatch(settings)
        nextCertificates = Clock.monotonicMilliseconds() + UInt64(settings.tls.checkIntervalSeconds * 1000)
    }

    /// Runs until the gateway has ended.
    func run() {
        manager.notify("READY=1", "MAINPID=\(getpid())", "STATUS=serving on port \(server.dataPort)")
        while true {
            wait(untilMilliseconds: doWhatIsDue())
            while let signal = signals.next() {
                switch signal {
                case SIGHUP: reload()
                case SIGUSR1: reopenLog()
                case SIGUSR2: startSuccessor()
                default:
                    endSuccessor(because: nil)
                    log.info("draining", [("signal", signal == SIGTERM ? "SIGTERM" : "SIGINT")])
                    manager.notify("STOPPING=1", "STATUS=finishing open exchanges")
                    return finish(.stopping, seconds: settings.app.drainTimeoutSeconds)
                }
            }
            if hearSuccessor() { return finish(.handingOver, seconds: settings.app.replaceTimeoutSeconds) }
        }
    }

    // MARK: Time

    /// Sleeps until there is a signal, a word of the successor, or the time has come.
    private func wait(untilMilliseconds deadline: UInt64) {
        var waiting = [pollfd(fd: signals.fd, events: Int16(POLLIN), revents: 0)]
        if let successor { waiting.append(pollfd(fd: successor.control, events: Int16(POLLIN), revents: 0)) }
        let now = Clock.monotonicMilliseconds()
        let timeout = deadline == .max ? -1 : Int32(min(deadline > now ? deadline - now : 0, 60_000))
        _ = poll(&waiting, nfds_t(waiting.count), timeout)
    }

    /// - Returns: when there is something to do again.
    private func doWhatIsDue() -> UInt64 {
        let now = Clock.monotonicMilliseconds()
        if now >= nextRelief {
            server.relieveWriter()
            nextRelief = now + Self.reliefMilliseconds
        }
        var next = nextRelief
        if let interval = manager.watchdogMicroseconds.map({ max($0 / 2000, 1) }) {
            if now >= nextWatchdog {
                if server.isAlive(withinSeconds: Double(interval) / 2000) { manager.notify("WATCHDOG=1") }
                nextWatchdog = now + interval
            }
            next = nextWatchdog
        }
        let check = UInt64(settings.tls.checkIntervalSeconds * 1000)
        if check > 0 {
            if now >= nextCertificates {
                if certificates.hasChanged(settings) { renew() }
                nextCertificates = now + check
            }
            next = min(next, nextCertificates)
        }
        if server.hasSiblings {
            if now >= nextSiblings {
                server.adoptAbandonedRings(settings)
                nextSiblings = now + Self.siblingsMilliseconds
            }
            next = min(next, nextSiblings)
        }
        if let successor {
            if now >= successor.deadline { endSuccessor(because: "it does not answer") }
            next = min(next, successor.deadline)
        }
        return next
    }

    // MARK: Settings

    /// Reads the configuration file again. A bad one is refused and changes nothing.
    private func reload() {
        manager.notify("RELOADING=1", "MONOTONIC_USEC=\(ServiceManager.monotonicMicroseconds)")
        defer { manager.notify("READY=1") }
        do {
            let fresh = try Settings.load(path: loaded.sourcePath, environment: processEnvironment())
            for warning in fresh.warnings { log.warn(warning) }
            // What does not count yet is not shown as if it did, nor gone by.
            let effective = fresh.settings.keepingStartValues(of: settings)
            try log.configure(effective)
            try server.apply(effective)
            for name in fresh.settings.keysNeedingRestart(comparedTo: settings) {
                log.warn("\(name) has changed; it takes effect with the next start")
            }
            settings = effective
            certificates = CertificateWatch(settings)
            log.info("the configuration was reloaded")
        } catch {
            log.error("the configuration was not reloaded, the old settings stay: \(error)")
        }
    }

    /// Serves with the certificates that lie there now. Ones that cannot be used (a key that is not there yet, say) are
    /// named in the log, and the old ones stay.
    private func renew() {
        do {
            try server.apply(settings)
            log.info("the certificates were read again")
        } catch {
            log.error("renewed certificates cannot be used, the old ones stay: \(error)")
        }
    }

    private func reopenLog() {
        do throws(LogFileError) { try log.reopen() } catch { log.error("cannot reopen the log: \(error)") }
    }

    // MARK: Succession

    private func startSuccessor() {
        guard successor == nil else { return log.warn("a successor is being started already") }
        guard getpid() != 1 else {
            return log.error("no successor is started: process 1 cannot end without ending all others")
        }
        do throws(SystemError) {
            let started = try server.startSuccessor(settings)
            successor = started
            log.info("started a successor", [("process", .init(Int(started.processID)))])
        } catch {
            server.forgetSuccessor(settings)
            log.error("no successor could be started: \(error)")
        }
    }

    /// True once the successor serves.
    private func hearSuccessor() -> Bool {
        guard let successor else { return false }
        var waiting = pollfd(fd: successor.control, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, 0) > 0 else { return false }
        switch successor.listen() {
        case .prepared:
            server.stopAdmin()
            successor.say(.proceed)
        case .serving:
            log.info("the successor serves; draining", [("process", .init(Int(successor.processID)))])
            manager.notify("MAINPID=\(successor.processID)")
            return true
        case .proceed, .changed, .adopted, nil:
            endSuccessor(because: "it has failed; its reason is in the log")
        }
        return false
    }

    /// What the successor changes holds for what is still open here.
    private func hearChanges() {
        guard let successor, !isSuccessorSilent else { return }
        var waiting = pollfd(fd: successor.control, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, 0) > 0 else { return }
        switch successor.listen() {
        case .changed:
            server.adoptChanges()
            successor.say(.adopted)
        default: isSuccessorSilent = true
        }
    }

    /// This process goes on instead.
    private func endSuccessor(because reason: String?) {
        guard let successor else { return }
        successor.giveUp()
        self.successor = nil
        if let reason { log.error("the successor was given up: \(reason)") }
        server.forgetSuccessor(settings)
        guard !server.hasAdmin else { return }
        do {
            try server.startAdmin(settings)
        } catch {
            log.error("the admin port cannot be opened again: \(error)")
        }
    }

    // MARK: The end

    /// Lets open exchanges finish for so many seconds. A signal to end makes it `app.drain_timeout` at the most, a
    /// second one ends it at once.
    private func finish(_ drain: Drain, seconds: Double) {
        var isDone = server.drain(drain)
        var deadline = Clock.monotonicMilliseconds() + UInt64(seconds * 1000)
        var isHandingOver = drain.isHandingOver
        var isFinished = isDone(0)
        while !isFinished, Clock.monotonicMilliseconds() < deadline {
            isFinished = isDone(0.02)
            if isHandingOver { hearChanges() }
            if let interval = manager.watchdogMicroseconds, Clock.monotonicMilliseconds() >= nextWatchdog {
                if server.isAlive(withinSeconds: Double(interval) / 4_000_000) { manager.notify("WATCHDOG=1") }
                nextWatchdog = Clock.monotonicMilliseconds() + max(interval / 2000, 1)
            }
            while let signal = signals.next() {
                switch signal {
                case SIGUSR1: reopenLog()
                case SIGTERM, SIGINT:
                    guard isHandingOver else {
                        deadline = 0
                        break
                    }
                    isHandingOver = false
                    isDone = server.drain(.stopping)
                    let limit = Clock.monotonicMilliseconds() + UInt64(settings.app.drainTimeoutSeconds * 1000)
                    deadline = min(deadline, limit)
                default: break
                }
            }
        }
        if !isFinished { log.warn("some exchanges were still open and were cut off") }
        server.stop()
        log.info("stopped")
    }
}
