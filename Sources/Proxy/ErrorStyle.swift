import HTTP
import Reactor

extension ErrorBody.Style {
    /// Requests on Anthropic's paths get Anthropic's shape of errors.
    /// - Parameter path: without its query.
    init(path: Bytes) {
        let messages: StaticString = "/v1/messages"
        let n = messages.utf8CodeUnitCount
        guard let p = path.pointer, path.count >= n, bytesEqual(p, messages.utf8Start, n),
            path.count == n || p[n] == UInt8(ascii: "/")
        else {
            self = .openAI
            return
        }
        self = .anthropic
    }

    /// The same for a head that is not valid or not whole, as far as its request line tells the path.
    /// - Parameter head: from the head's beginning, whatever follows.
    init(malformed head: Bytes) {
        self = .openAI
        guard let p = head.pointer else { return }
        let n = head.count
        var i = 0
        // Empty lines before the request line (RFC 9112 §2.2).
        while i < n, p[i] == 0x0D || p[i] == 0x0A { i += 1 }
        while i < n, p[i] > 0x20 { i += 1 }
        guard i < n, p[i] == 0x20 else { return }
        i += 1
        let target = i
        var end = target
        while end < n, p[end] > 0x20, p[end] != UInt8(ascii: "?") { end += 1 }
        if i < end, p[i] != UInt8(ascii: "/") {
            // Absolute form: the path begins with the first slash behind "://" and the authority.
            while i < end, p[i] != UInt8(ascii: ":") { i += 1 }
            guard i + 2 < end, p[i + 1] == UInt8(ascii: "/"), p[i + 2] == UInt8(ascii: "/") else { return }
            i += 3
            while i < end, p[i] != UInt8(ascii: "/") { i += 1 }
        }
        self.init(path: Bytes(p + i, end - i))
    }
}
