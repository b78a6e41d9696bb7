import CEpoll
import Glibc

/// An IPv4 or IPv6 address with a port, by value.
///
/// IPv4 addresses mapped into IPv6 are held as IPv4, so a client has one spelling whatever the listener is.
@frozen
public struct SocketAddress: BitwiseCopyable, Equatable, Hashable, Sendable, CustomStringConvertible {
    /// The address in network byte order: 16 bytes, of which IPv4 uses the first 4.
    @usableFromInline var word0: UInt64
    @usableFromInline var word1: UInt64
    @usableFromInline var scope: UInt32
    public var port: UInt16
    @usableFromInline var shortFamily: UInt16

    /// No address (family 0); something to fill.
    @inlinable
    public init() {
        word0 = 0
        word1 = 0
        scope = 0
        port = 0
        shortFamily = 0
    }

    @inlinable
    init(_ address: fg_address) {
        word0 = address.word0
        word1 = address.word1
        scope = address.scope
        port = address.port
        shortFamily = address.family
    }

    @inlinable
    var c: fg_address { fg_address(word0: word0, word1: word1, scope: scope, port: port, family: shortFamily) }

    /// An address literal (`127.0.0.1`, `::1`, `[::1]`); nil if `host` is anything else, such as a name.
    public init?(literal host: String, port: UInt16) {
        var text = host
        if text.hasPrefix("[") {
            guard text.hasSuffix("]"), text.contains(":") else { return nil }
            text = String(text.dropFirst().dropLast())
        }
        guard !text.utf8.contains(0) else { return nil }
        var address = fg_address()
        guard fg_address_parse(text, &address) == 1 else { return nil }
        self.init(address)
        self.port = port
    }

    /// From the C library's form; nil for other families.
    init?(_ sockaddr: UnsafePointer<sockaddr>) {
        var address = fg_address()
        fg_address_decode(sockaddr, &address)
        guard address.family != 0 else { return nil }
        self.init(address)
    }

    /// `AF_INET` or `AF_INET6`; 0 for no address.
    @inlinable public var family: Int32 { Int32(shortFamily) }
    @inlinable public var isIPv6: Bool { family == AF_INET6 }

    /// What one network has in common, as a number to count by: an IPv4 address, an IPv6 /64.
    @inlinable public var networkPrefix: UInt64 { word0 }

    /// The same as text: `192.0.2.1`, `2001:db8::/64`.
    public var network: String {
        guard isIPv6 else { return host }
        var prefix = self
        prefix.word1 = 0
        prefix.scope = 0
        return prefix.host + "/64"
    }

    /// 127.0.0.0/8 or ::1: what is sent there never leaves the machine.
    @inlinable public var isLoopback: Bool {
        var address = c
        return fg_address_is_loopback(&address) != 0
    }

    /// The same address with another port.
    @inlinable
    public func withPort(_ port: UInt16) -> SocketAddress {
        var copy = self
        copy.port = port
        return copy
    }

    /// Writes the address's text without port, brackets or NUL.
    ///
    /// - Parameter p: room for 46 bytes.
    /// - Returns: the length.
    @inlinable
    public func write(into p: UnsafeMutablePointer<UInt8>) -> Int {
        var address = c
        return p.withMemoryRebound(to: CChar.self, capacity: 46) { fg_address_write(&address, $0) }
    }

    /// The address's text without port: `127.0.0.1`, `::1`.
    public var host: String {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 46) { buffer in
            let n = write(into: buffer.baseAddress!)
            return String(decoding: buffer[..<n], as: UTF8.self)
        }
    }

    /// `127.0.0.1:80` or `[::1]:80`.
    public var description: String { isIPv6 ? "[\(host)]:\(port)" : "\(host):\(port)" }

    /// The other end of a connected socket.
    public static func peer(of fd: Int32) -> SocketAddress? {
        var address = fg_address()
        guard fg_peer_address(fd, &address) == 0, address.family != 0 else { return nil }
        return SocketAddress(address)
    }

    /// This end of a socket; for a listener on port 0 it tells which port the kernel chose.
    public static func local(of fd: Int32) -> SocketAddress? {
        var address = fg_address()
        guard fg_local_address(fd, &address) == 0, address.family != 0 else { return nil }
        return SocketAddress(address)
    }
}
