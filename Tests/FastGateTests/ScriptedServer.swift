import Glibc
import Reactor
import Synchronization

/// A server on the loopback that answers each connection with the next of its scripted answers, and remembers what it
/// was sent.
final class ScriptedServer: Sendable {
    let address: SocketAddress
    private let listener: Int32
    private let thread: WorkerThread
    private let box = RequestBox()

    /// - Parameter answers: raw bytes; one whose text begins with "byte by byte:" is sent so.
    init(_ answers: [String]) throws {
        listener = Socket.listen(SocketAddress(literal: "127.0.0.1", port: 0)!, reusePort: false, backlog: 16)
        let fd = listener
        address = SocketAddress.local(of: fd)!
        let box = box
        thread = try WorkerThread.start(name: "scripted", cpu: nil) {
            for answer in answers { Self.serveOne(fd, answer, box) }
        }
    }

    /// The requests, once all answers have been given.
    func requests() -> [String] {
        thread.join()
        Socket.close(listener)
        return box.requests.withLock { $0 }
    }

    private final class RequestBox: Sendable {
        let requests = Mutex<[String]>([])
    }

    private static func serveOne(_ listener: Int32, _ answer: String, _ box: RequestBox) {
        var peer = SocketAddress()
        var fd: Int32 = -1
        repeat {
            var entry = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, 10_000) > 0 else { return }
            fd = Socket.accept(listener, peer: &peer)
        } while fd < 0
        var text = ""
        while !isWhole(text) {
            var entry = pollfd(fd: fd, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, 10_000) > 0 else { break }
            var chunk = [UInt8](repeating: 0, count: 4096)
            let count = Socket.receive(fd, &chunk, chunk.count)
            guard count > 0 else { break }
            text += String(decoding: chunk[..<count], as: UTF8.self)
        }
        box.requests.withLock { $0.append(text) }
        let slowly = "byte by byte:"
        let bytes = Array((answer.hasPrefix(slowly) ? String(answer.dropFirst(slowly.count)) : answer).utf8)
        var sent = 0
        while sent < bytes.count {
            let count = answer.hasPrefix(slowly) ? 1 : bytes.count - sent
            let done = bytes.withUnsafeBufferPointer { Socket.send(fd, $0.baseAddress! + sent, count) }
            if done > 0 {
                sent += done
            } else if done == -Int(EAGAIN) {
                var entry = pollfd(fd: fd, events: Int16(POLLOUT), revents: 0)
                guard poll(&entry, 1, 10_000) > 0 else { break }
            } else {
                break
            }
        }
        Socket.close(fd)
    }

    /// Whether head and body are there.
    private static func isWhole(_ text: String) -> Bool {
        // A CRLF is one Character: bytes are what counts.
        let bytes = Array(text.utf8)
        let blank = Array("\r\n\r\n".utf8)
        guard let end = bytes.indices.first(where: { bytes[$0...].starts(with: blank) }) else { return false }
        for line in String(decoding: bytes[..<end], as: UTF8.self).split(separator: "\r\n") {
            let halves = line.split(separator: ":", maxSplits: 1)
            if halves.count == 2, halves[0].lowercased() == "content-length",
                let length = Int(halves[1].drop { $0 == " " })
            {
                return bytes.count >= end + 4 + length
            }
        }
        return true
    }
}
