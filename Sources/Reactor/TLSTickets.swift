internal import COpenSSL
import Synchronization

/// The keys that session tickets are sealed with (RFC 8446, 4.6.1; RFC 5077 for TLS 1.2).
///
/// Shared by all contexts that are to resume each other's sessions, so that it makes no difference which worker a
/// client comes back to, nor whether the certificates were renewed in between. A key seals for an hour and opens for
/// as long as a ticket of it may be used; then it is forgotten, and with it what recorded tickets could betray.
public final class TLSTickets: Sendable {
    /// How long a ticket may be used.
    static let lifetimeSeconds: UInt64 = 7200
    static let rotationSeconds: UInt64 = 3600

    private struct Key {
        /// Says in the ticket which key it is.
        let name = SecureRandom.bytes(16)
        let cipher = SecureRandom.bytes(32)
        let mac = SecureRandom.bytes(32)
        let madeAt: UInt64
    }

    /// The newest first; the first seals.
    private let keys = Mutex<[Key]>([])
    private let nowSeconds: @Sendable () -> UInt64

    public convenience init() {
        self.init { Clock.monotonicMilliseconds() / 1000 }
    }

    init(nowSeconds: @escaping @Sendable () -> UInt64) {
        self.nowSeconds = nowSeconds
    }

    /// Readies OpenSSL's contexts for sealing a new ticket: writes the key's name and a fresh IV.
    fileprivate func seal(
        _ name: UnsafeMutablePointer<UInt8>, _ iv: UnsafeMutablePointer<UInt8>, _ cipher: OpaquePointer,
        _ mac: OpaquePointer
    ) -> Bool {
        let now = nowSeconds()
        SecureRandom.fill(iv, 16)
        return keys.withLock { keys in
            if keys.first.map({ now - $0.madeAt >= Self.rotationSeconds }) ?? true {
                keys.insert(Key(madeAt: now), at: 0)
                keys.removeAll { now - $0.madeAt >= Self.rotationSeconds + Self.lifetimeSeconds }
            }
            name.update(from: keys[0].name, count: 16)
            return fg_ticket_ready(cipher, mac, keys[0].cipher, keys[0].mac, iv, 1) == 1
        }
    }

    /// Readies them for opening a ticket.
    ///
    /// - Returns: what OpenSSL's callback does: 0 = the key is not known, 1 = it is, 2 = and another would seal now,
    ///   -1 = failed.
    fileprivate func open(
        _ name: UnsafePointer<UInt8>, _ iv: UnsafePointer<UInt8>, _ cipher: OpaquePointer, _ mac: OpaquePointer
    ) -> Int32 {
        let now = nowSeconds()
        return keys.withLock { keys in
            for (index, key) in keys.enumerated()
            where key.name.elementsEqual(UnsafeBufferPointer(start: name, count: 16)) {
                if now - key.madeAt >= Self.rotationSeconds + Self.lifetimeSeconds { return 0 }
                guard fg_ticket_ready(cipher, mac, key.cipher, key.mac, iv, 0) == 1 else { return -1 }
                return index == 0 && now - key.madeAt < Self.rotationSeconds ? 1 : 2
            }
            return 0
        }
    }
}

/// OpenSSL asks for a ticket's key.
func ticketKeyCallback(
    _ ssl: OpaquePointer?, _ name: UnsafeMutablePointer<UInt8>?, _ iv: UnsafeMutablePointer<UInt8>?,
    _ cipher: OpaquePointer?, _ mac: OpaquePointer?, _ sealing: Int32
) -> Int32 {
    guard let ssl, let name, let iv, let cipher, let mac, let server = TLSServerNames.of(ssl) else { return -1 }
    if sealing == 0 { return server.tickets.open(name, iv, cipher, mac) }
    return server.tickets.seal(name, iv, cipher, mac) ? 1 : -1
}
