import Config
import Glibc
import Log
import Reactor
import Store

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
    // Swift's runtime handles these to print a backtrace, after which a process that was sent them goes on. They mean that
    // it has to end, as when a service manager's watchdog sends one.
    signal(SIGABRT, SIG_DFL)
    signal(SIGQUIT, SIG_DFL)
    raiseDescriptorLimit()
    disableCoreDumps()
    do {
        // Before any thread: every one of them inherits the blocked signals.
        let signals = try SignalSource([SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2])
        let environment = processEnvironment()
        let predecessor = try Predecessor(environment: environment)
        let given = try predecessor == nil ? ServiceManager.sockets(environment: environment) : ListeningSockets()
        let server = try GatewayServer(loaded, given: given, predecessor: predecessor)
        log.info(
            "FastGate \(fastGateVersion) serves",
            [
                ("address", .string("\(loaded.settings.app.host):\(server.dataPort)")),
                ("admin", .string(server.adminAddress)), ("workers", .init(server.workerCount)),
            ])
        let loop = ServeLoop(server, loaded, signals, ServiceManager(environment: environment))
        loop.run()
        return ExitCode.ok
    } catch StoreError.invalid(MasterKey.environmentName, let message) {
        log.error("cannot start: \(MasterKey.environmentName) \(message)")
        return ExitCode.configuration
    } catch {
        log.error("cannot start: \(error)")
        return ExitCode.failed
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
