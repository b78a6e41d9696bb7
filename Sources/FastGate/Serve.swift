import Config
import Glibc
import Log
import Reactor

/// Runs the gateway until a signal ends it.
///
/// - Returns: the exit code.
func serve(_ loaded: LoadedConfig) -> Int32 {
    let log = Logger.shared
    do throws(LogFileError) {
        try log.configure(loaded.settings)
    } catch {
        log.error("the log file cannot be opened", [("error", "\(error)")])
        return ExitCode.configuration
    }
    for warning in loaded.warnings { log.warn(warning) }
    signal(SIGPIPE, SIG_IGN)
    raiseDescriptorLimit()
    disableCoreDumps()
    do {
        // Before any thread: every one of them inherits the blocked signals.
        let signals = try SignalSource([SIGTERM, SIGINT, SIGHUP, SIGUSR1])
        let server = try GatewayServer(loaded)
        log.info(
            "FastGate \(fastGateVersion) serves",
            [
                ("address", .string("\(loaded.settings.app.host):\(server.dataPort)")),
                ("admin", .string(server.adminAddress)), ("workers", .init(server.workerCount)),
            ])
        return run(server, loaded, signals)
    } catch {
        log.error("cannot start: \(error)")
        return ExitCode.failed
    }
}

/// Waits for signals until one of them ends the gateway.
private func run(_ server: GatewayServer, _ loaded: LoadedConfig, _ signals: SignalSource) -> Int32 {
    let log = Logger.shared
    var settings = loaded.settings
    while true {
        var waiting = pollfd(fd: signals.fd, events: Int16(POLLIN), revents: 0)
        guard poll(&waiting, 1, -1) > 0 else { continue }
        while let signal = signals.next() {
            switch signal {
            case SIGHUP:
                settings = reload(server, loaded, settings)
            case SIGUSR1:
                do throws(LogFileError) { try log.reopen() } catch { log.error("cannot reopen the log: \(error)") }
            default:
                log.info("draining", [("signal", signal == SIGTERM ? "SIGTERM" : "SIGINT")])
                let isDone = server.stop(drainTimeoutSeconds: settings.app.drainTimeoutSeconds)
                if !isDone { log.warn("some exchanges were still open and were cut off") }
                log.info("stopped")
                return ExitCode.ok
            }
        }
    }
}

/// Reads the configuration file again. A bad one is refused and changes nothing.
private func reload(_ server: GatewayServer, _ loaded: LoadedConfig, _ current: Settings) -> Settings {
    let log = Logger.shared
    do {
        let fresh = try Settings.load(path: loaded.sourcePath, environment: processEnvironment())
        for warning in fresh.warnings { log.warn(warning) }
        try log.configure(fresh.settings)
        try server.apply(fresh.settings)
        for name in fresh.settings.keysNeedingRestart(comparedTo: current) {
            log.warn("\(name) has changed; it takes effect with the next start")
        }
        log.info("the configuration was reloaded")
        return fresh.settings
    } catch {
        log.error("the configuration was not reloaded, the old settings stay: \(error)")
        return current
    }
}

/// Lets the process open as many descriptors as it may: every exchange takes two.
private func raiseDescriptorLimit() {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_cur < limit.rlim_max else {
        return
    }
    limit.rlim_cur = limit.rlim_max
    _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
}

/// Keys and answers are in this memory: a crash must not leave them in a file. A limit of one byte is the one that also
/// holds where the kernel hands dumps to a program (core(5)). Only the soft limit, so that who means to have a dump can
/// raise it with prlimit(1). The process stays dumpable otherwise: /proc tells its own user and the metrics how it is.
private func disableCoreDumps() {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = min(1, limit.rlim_max)
    _ = setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &limit)
}
