import Glibc
import Reactor

/// What the service manager (systemd) is told and tells: sd_notify(3)'s protocol, a datagram a message, and
/// sd_listen_fds(3)'s, sockets that it has opened for us. Without a service manager nothing of it does anything.
struct ServiceManager {
    /// Where messages go; empty if nobody wants any. An address that begins with `@` is in the abstract namespace.
    private let address: String
    /// How often it must hear of us, or it takes us for dead; nil if it does not watch.
    let watchdogMicroseconds: UInt64?

    init(environment: [String: String]) {
        let address = environment["NOTIFY_SOCKET"] ?? ""
        self.address = address.hasPrefix("/") || address.hasPrefix("@") ? address : ""
        // Set for another process: a child inherits the variables.
        let isOurs = environment["WATCHDOG_PID"].map { $0 == "\(getpid())" } ?? true
        let interval = environment["WATCHDOG_USEC"].flatMap { UInt64($0) } ?? 0
        watchdogMicroseconds = isOurs && interval > 0 && !self.address.isEmpty ? interval : nil
    }

    /// Sends assignments, a line each, such as `READY=1`. What fails is lost: there is nobody to tell.
    func notify(_ lines: String...) {
        guard !address.isEmpty else { return }
        var target = sockaddr_un()
        target.sun_family = sa_family_t(AF_UNIX)
        let path = Array(address.utf8)
        let room = MemoryLayout.size(ofValue: target.sun_path)
        guard path.count < room else { return }
        withUnsafeMutableBytes(of: &target.sun_path) { bytes in
            bytes.copyBytes(from: path)
            if path[0] == UInt8(ascii: "@") { bytes[0] = 0 }
        }
        let fd = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { return }
        defer { close(fd) }
        let message = Array(lines.joined(separator: "\n").utf8)
        let length = socklen_t(MemoryLayout<sa_family_t>.size + path.count)
        withUnsafePointer(to: &target) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                _ = sendto(fd, message, message.count, Int32(MSG_NOSIGNAL), address, length)
            }
        }
    }

    /// The time as `RELOADING=1` has to be sent with.
    static var monotonicMicroseconds: UInt64 { Clock.monotonicNanoseconds() / 1000 }

    /// The sockets it has opened for this process. One called `admin` is for the admin port, all others for the data
    /// plane.
    static func sockets(environment: [String: String]) throws(SocketFailure) -> ListeningSockets {
        var sockets = ListeningSockets()
        guard environment["LISTEN_PID"] == "\(getpid())", let count = environment["LISTEN_FDS"].flatMap({ Int32($0) }),
            count > 0
        else { return sockets }
        let names = (environment["LISTEN_FDNAMES"] ?? "").split(separator: ":", omittingEmptySubsequences: false)
        // From 3 on, behind standard input, output and error.
        for index in 0..<count {
            let isAdmin = Int(index) < names.count && names[Int(index)] == "admin"
            try sockets.add(3 + index, isAdmin: isAdmin)
        }
        return sockets
    }
}
