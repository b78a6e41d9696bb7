import HTTP
import Reactor

/// Protocols that an Upgrade field may name.
enum UpgradeToken {
    /// `h2c`, `HTTP/2.0` and the like, anywhere in the list.
    static func isHTTP(_ value: Bytes) -> Bool {
        guard let p = value.pointer else { return true }
        var tokens = FieldListTokens(p, value.count)
        while let token = tokens.next() {
            if token.count >= 2 && p[token.offset] | 0x20 == UInt8(ascii: "h")
                && (p[token.offset + 1] == UInt8(ascii: "2")
                    || equalsIgnoringCase(p + token.offset, min(token.count, 4), "http"))
            {
                return true
            }
        }
        return false
    }
}
