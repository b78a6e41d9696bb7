import Reactor
import Synchronization

/// An upstream's address as routes name it.
struct TargetAddress: Hashable, Sendable {
    let isTLS: Bool
    /// A name or an IP literal, without brackets, lower-cased.
    let host: String
    let port: UInt16

    /// Reads `host`, `host:port` or `[v6]:port`; throws a message fit for a person.
    init(_ text: String, isTLS: Bool) throws(PatternError) {
        self.isTLS = isTLS
        guard !text.utf8.contains(UInt8(ascii: "/")) else {
            throw PatternError("must be host:port, without scheme or path")
        }
        var host = Substring(text)
        var port: Substring?
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { throw PatternError("\"[\" without \"]\"") }
            host = text[text.index(after: text.startIndex)..<end]
            let rest = text[text.index(after: end)...]
            if !rest.isEmpty {
                guard rest.hasPrefix(":") else { throw PatternError("must be host:port") }
                port = rest.dropFirst()
            }
        } else if let colon = text.lastIndex(of: ":") {
            host = text[..<colon]
            port = text[text.index(after: colon)...]
            guard !host.contains(":") else { throw PatternError("an IPv6 address stands in brackets: [::1]:8080") }
        }
        let isName = { (c: UInt8) -> Bool in PathPatternSource.isNameByte(c) || c == 0x2E || c == 0x3A }
        guard !host.isEmpty, host.utf8.count <= 253, host.utf8.allSatisfy(isName) else {
            throw PatternError("must be host:port, without scheme or path")
        }
        if text.hasPrefix("[") && SocketAddress(literal: String(host), port: 0) == nil {
            throw PatternError("\"\(host)\" is no IPv6 address")
        }
        self.host = host.lowercased()
        if let port {
            guard port.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let number = UInt16(port), number > 0 else {
                throw PatternError("the port must be 1…65535")
            }
            self.port = number
        } else {
            self.port = isTLS ? 443 : 80
        }
    }

    /// The Host field's value (RFC 9110 §7.2): the port is left out where it is the scheme's own.
    var authority: String {
        let name = host.contains(":") ? "[\(host)]" : host
        return port == (isTLS ? 443 : 80) ? name : "\(name):\(port)"
    }
}

/// One upstream as a worker sees it.
struct CompiledTarget: BitwiseCopyable, @unchecked Sendable {
    /// The same for one address in every snapshot: idle connections and health outlive a change of routes.
    var stableID: Int32
    var isTLS: Bool
    var port: UInt16
    /// Without brackets.
    var host: Bytes
    /// NUL-terminated, for OpenSSL.
    var serverName: UnsafePointer<CChar>
    /// The Host field's value.
    var authority: Bytes
    /// The address if `host` is an IP literal: no name is asked for then.
    var literal: SocketAddress?
}

/// Gives every upstream address and every route a small number that stays the same over snapshots.
final class StableNumbers<Key: Hashable & Sendable>: Sendable {
    private let numbers = Mutex<[Key: Int32]>([:])

    func number(for key: Key) -> Int32 {
        numbers.withLock { numbers in
            if let number = numbers[key] { return number }
            let number = Int32(numbers.count)
            numbers[key] = number
            return number
        }
    }

    /// The number for `key` unless `limit` keys have one already.
    func number(for key: Key, limit: Int) -> Int32? {
        numbers.withLock { numbers in
            if let number = numbers[key] { return number }
            guard numbers.count < limit else { return nil }
            let number = Int32(numbers.count)
            numbers[key] = number
            return number
        }
    }

    var all: [Key: Int32] { numbers.withLock { $0 } }
}
