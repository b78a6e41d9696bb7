import CEpoll
import Glibc
import Testing

@testable import Reactor

/// A folder that vanishes with its owner.
final class TemporaryFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/fastgate-reactor-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw SystemError(errno: errno, operation: "mkdtemp") }
        path = template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    deinit {
        if let folder = opendir(path) {
            while let entry = readdir(folder) {
                withUnsafeBytes(of: &entry.pointee.d_name) {
                    _ = unlink(path + "/" + String(cString: $0.bindMemory(to: CChar.self).baseAddress!))
                }
            }
            closedir(folder)
        }
        rmdir(path)
    }

    func file(_ name: String) -> String { path + "/" + name }
}

/// The beginning of a small file.
func firstLines(_ path: String) throws -> String {
    let fd = open(path, O_RDONLY)
    guard fd >= 0 else { throw SystemError(errno: errno, operation: "open \(path)") }
    defer { close(fd) }
    var text = [UInt8](repeating: 0, count: 8192)
    let n = read(fd, &text, text.count)
    return String(decoding: text[..<max(n, 0)], as: UTF8.self)
}

/// Memory pages that this process holds.
func residentPages() throws -> Int {
    let fields = try firstLines("/proc/self/statm").split(separator: " ")
    return try #require(Int(fields[1]))
}

/// Waits until a descriptor has one of the events; the test's own limit, so that a failure is no hang.
@discardableResult
func waitFor(_ fd: Int32, _ events: Int32, milliseconds: Int32 = 10_000) -> Bool {
    var entry = pollfd(fd: fd, events: Int16(events), revents: 0)
    while true {
        let n = poll(&entry, 1, milliseconds)
        if n < 0 && errno == EINTR { continue }
        return n > 0
    }
}

extension SocketAddress {
    static func loopback(_ port: UInt16 = 0) -> SocketAddress { SocketAddress(literal: "127.0.0.1", port: port)! }
}

/// A connected pair of non-blocking TCP sockets over loopback.
struct SocketPair {
    let client: Int32
    let server: Int32

    init() throws {
        let listener = Socket.listen(.loopback(), reusePort: false, backlog: 4)
        guard listener >= 0 else { throw SystemError(errno: listener, operation: "listen") }
        defer { Socket.close(listener) }
        client = Socket.connect(try #require(SocketAddress.local(of: listener)))
        guard client >= 0 else { throw SystemError(errno: client, operation: "connect") }
        waitFor(listener, POLLIN)
        var peer = SocketAddress()
        server = Socket.accept(listener, peer: &peer)
        guard server >= 0 else { throw SystemError(errno: server, operation: "accept") }
        waitFor(client, POLLOUT)
    }

    func close() {
        Socket.close(client)
        Socket.close(server)
    }
}
