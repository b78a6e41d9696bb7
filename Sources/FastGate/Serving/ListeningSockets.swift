import Admin
import Config
import Glibc
import Proxy
import Reactor

/// A socket that was handed to the process cannot be used.
struct SocketFailure: Error, Equatable, CustomStringConvertible {
    let description: String
}

/// The sockets that the gateway listens on, as long as it serves: what its threads work with are duplicates, so that
/// another process can be given these.
struct ListeningSockets: Sendable {
    private(set) var data: [Int32] = []
    private(set) var admin: Int32?

    /// Takes over a socket that another process has opened.
    mutating func add(_ fd: Int32, isAdmin: Bool) throws(SocketFailure) {
        let status = Socket.adoptListener(fd)
        guard status == 0 else {
            let reason = status == -EINVAL ? "does not listen" : String(cString: strerror(-status))
            throw SocketFailure(description: "descriptor \(fd), which was handed over, \(reason)")
        }
        if !isAdmin {
            data.append(fd)
        } else if admin == nil {
            admin = fd
        } else {
            throw SocketFailure(description: "descriptor \(fd), which was handed over, is a second admin socket")
        }
    }

    /// Binds what nobody has handed over, as the settings say.
    mutating func bind(_ settings: Settings, workers: Int) throws {
        if data.isEmpty { data = try Gateway.listen(settings, count: workers) }
        if admin == nil { admin = try AdminServer.listen(settings) }
    }

    static func duplicate(_ fd: Int32) throws(SocketFailure) -> Int32 {
        let copy = Socket.duplicate(fd)
        guard copy >= 0 else { throw SocketFailure(description: "dup: \(String(cString: strerror(-copy)))") }
        return copy
    }

    /// Closed here; who has duplicates goes on.
    mutating func close() {
        for fd in data { Socket.close(fd) }
        if let admin { Socket.close(admin) }
        data = []
        admin = nil
    }
}
