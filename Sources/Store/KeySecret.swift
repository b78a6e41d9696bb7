import Reactor

/// Making keys: the only place where a key's value exists outside its owner's hands.
enum KeySecret {
    /// Random characters after the prefix: 48 of 62, some 285 bits.
    static let randomCharacters = 48

    /// A new key: `prefix` and 48 random letters and digits.
    static func value(prefix: String) -> String {
        let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
        var text = prefix
        var count = 0
        while count < randomCharacters {
            // 248 is the largest multiple of 62 in a byte; what lies above would favour some letters.
            for byte in SecureRandom.bytes(64) where byte < 248 && count < randomCharacters {
                text.unicodeScalars.append(Unicode.Scalar(alphabet[Int(byte) % 62]))
                count += 1
            }
        }
        return text
    }

    /// What people recognise a key by: its prefix and last four characters, `fg_…abcd`. A key too short to be cut
    /// shows nothing of itself.
    static func hint(value: String, prefix: String) -> String {
        let start = value.hasPrefix(prefix) ? prefix : ""
        guard value.utf8.count >= start.utf8.count + 12 else { return start + "…" }
        return start + "…" + String(value.suffix(4))
    }

    static func hash(_ value: String) -> [UInt8] { SHA256.digest(Array(value.utf8)) }

    /// 32 bytes from 64 hex digits; nil for anything else.
    static func hash(hex: String) -> [UInt8]? {
        guard let halves = AuditID(hex.prefix(32)), let rest = AuditID(hex.dropFirst(32)) else { return nil }
        var bytes: [UInt8] = []
        for word in [halves.high, halves.low, rest.high, rest.low] {
            for shift in stride(from: 56, through: 0, by: -8) { bytes.append(UInt8(truncatingIfNeeded: word >> shift)) }
        }
        return bytes
    }
}
