import Glibc
import Reactor
import Synchronization

/// What a gateway and its successor say to each other, a byte each, while the one replaces the other.
enum SuccessionWord: UInt8 {
    /// From the successor: everything is ready but what depends on the last state of keys and routes.
    case prepared = 0x50
    /// To the successor: nothing changes any more; read it and serve.
    case proceed = 0x47
    /// From the successor: it serves.
    case serving = 0x53
    /// From the successor: keys or routes have changed.
    case changed = 0x43
    /// To the successor: what is still open here is served by the change too.
    case adopted = 0x41
}

/// The environment variable that tells a process whom it succeeds: the descriptors that it has inherited.
///
/// `control=8 lock=5 admin=9 data=10,11`
private let successionVariable = "FASTGATE_SUCCEEDS"

/// How long either side waits for the other's next word.
private let patienceMilliseconds: UInt64 = 60_000

/// The process that is started to take over, as the one before sees it.
final class Successor {
    private let process: DetachedProcess
    var processID: pid_t { process.id }
    /// Readable when it has said something, or is gone.
    let control: Int32
    /// Monotonic milliseconds; after that it is given up.
    private(set) var deadline: UInt64

    /// Starts the program that lies at our own program's path now, with our arguments and our sockets. It is no child of
    /// this process: to systemd a main process that is not its own child is one whose end it would not notice, and one
    /// that it therefore kills without waiting for what SIGTERM lets finish.
    ///
    /// - Parameter lock: the instance lock's descriptor: the lock is both processes' until one closes it.
    init(program: String, sockets: ListeningSockets, lock: Int32) throws(SystemError) {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw SystemError(errno: errno, operation: "socketpair")
        }
        defer { close(ends[1]) }
        var environment = processEnvironment()
        // Said to us alone: the successor's process id is another.
        for name in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"] { environment[name] = nil }
        let data = sockets.data.map { "\($0)" }.joined(separator: ",")
        environment[successionVariable] =
            "control=\(ends[1]) lock=\(lock) data=\(data)" + (sockets.admin.map { " admin=\($0)" } ?? "")
        do throws(SystemError) {
            process = try DetachedProcess(
                program: program, arguments: CommandLine.arguments, environment: environment,
                kept: sockets.data + [lock, ends[1]] + (sockets.admin.map { [$0] } ?? []))
        } catch {
            close(ends[0])
            throw error
        }
        control = ends[0]
        deadline = Clock.monotonicMilliseconds() + patienceMilliseconds
    }

    deinit { close(control) }

    /// What it has said; nil if it is gone. To be called when `control` is readable.
    func listen() -> SuccessionWord? {
        var byte: UInt8 = 0
        guard read(control, &byte, 1) == 1 else { return nil }
        deadline = Clock.monotonicMilliseconds() + patienceMilliseconds
        return SuccessionWord(rawValue: byte)
    }

    func say(_ word: SuccessionWord) {
        var byte = word.rawValue
        _ = send(control, &byte, 1, Int32(MSG_NOSIGNAL))
    }

    /// Ends it: it has failed, or does not answer. One that is ending by itself gets the time to say why in the log.
    func giveUp() {
        if process.hasEnded(withinMilliseconds: Self.partingMilliseconds) { return }
        process.signal(SIGKILL)
        _ = process.hasEnded(withinMilliseconds: -1)
    }

    private static let partingMilliseconds: Int32 = 500
}

/// The process that this one succeeds, as this one sees it.
final class Predecessor: Sendable {
    let sockets: ListeningSockets
    /// The instance lock, which both hold.
    let lock: Int32
    private let control: Int32

    /// nil unless another process has started this one to succeed it.
    init?(environment: [String: String]) throws(SocketFailure) {
        guard let text = environment[successionVariable] else { return nil }
        var numbers: [String: [Int32]] = [:]
        for word in text.split(separator: " ") {
            let parts = word.split(separator: "=", maxSplits: 1)
            guard parts.count == 2 else { continue }
            numbers[String(parts[0])] = parts[1].split(separator: ",").compactMap { Int32($0) }
        }
        guard let control = numbers["control"]?.first, let lock = numbers["lock"]?.first,
            fcntl(control, F_SETFD, FD_CLOEXEC) == 0, fcntl(lock, F_SETFD, FD_CLOEXEC) == 0
        else { throw SocketFailure(description: "\(successionVariable) is not what a gateway has written") }
        var sockets = ListeningSockets()
        for fd in numbers["data"] ?? [] { try sockets.add(fd, isAdmin: false) }
        if let admin = numbers["admin"]?.first { try sockets.add(admin, isAdmin: true) }
        self.control = control
        self.lock = lock
        self.sockets = sockets
    }

    deinit { close(control) }

    func say(_ word: SuccessionWord) {
        var byte = word.rawValue
        _ = send(control, &byte, 1, Int32(MSG_NOSIGNAL))
    }

    /// Waits until it lets us go on; false if it has changed its mind or is gone.
    func waitToProceed() -> Bool { wait(for: .proceed, milliseconds: patienceMilliseconds) }

    /// Tells it that keys or routes have changed, and waits until its last requests are served by that: a key that was
    /// revoked is revoked everywhere. One that has ended needs to know nothing.
    func announceChange() {
        isGone.withLock { isGone in
            if isGone { return }
            say(.changed)
            isGone = !wait(for: .adopted, milliseconds: Self.changeMilliseconds)
        }
    }

    private static let changeMilliseconds: UInt64 = 2000
    private let isGone = Mutex(false)

    private func wait(for word: SuccessionWord, milliseconds: UInt64) -> Bool {
        let deadline = Clock.monotonicMilliseconds() + milliseconds
        while true {
            let now = Clock.monotonicMilliseconds()
            guard now < deadline else { return false }
            var waiting = pollfd(fd: control, events: Int16(POLLIN), revents: 0)
            guard poll(&waiting, 1, Int32(deadline - now)) > 0 else { continue }
            var byte: UInt8 = 0
            return read(control, &byte, 1) == 1 && SuccessionWord(rawValue: byte) == word
        }
    }
}

/// The path of the program that runs. To be asked at the start: what lies there later is another, perhaps newer one.
func programPath() -> String {
    var bytes = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink("/proc/self/exe", &bytes, bytes.count - 1)
    return String(decoding: bytes.prefix(max(0, count)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
