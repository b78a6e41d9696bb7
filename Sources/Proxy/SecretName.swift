import HTTP
import Reactor

/// Header names that say themselves that their value is a credential, whoever made them up; docs/security.md has the rule.
enum SecretName {
    /// Whether a name, in any case, ends or has in it what only names of credentials do.
    @inline(__always)
    static func isSecret(_ name: UnsafePointer<UInt8>, _ n: Int) -> Bool {
        guard n > 3 else { return n == 3 && isNamed(name, n) }
        // Most names have none of the letters that all of the words but a few have.
        return endsInOther(name, n) || hasRareLetter(name, n) && isNamed(name, n)
    }

    /// The words without a k, w or z: each ends in another letter.
    @inline(never)
    private static func endsInOther(_ name: UnsafePointer<UInt8>, _ n: Int) -> Bool {
        switch name[n &- 1] | 0x20 {
        case UInt8(ascii: "t"): ends(name, n, "secret")
        case UInt8(ascii: "h"): ends(name, n, "auth")
        case UInt8(ascii: "n"): ends(name, n, "authentication")
        case UInt8(ascii: "e"): ends(name, n, "passphrase")
        case UInt8(ascii: "s"): ends(name, n, "credentials")
        default: false
        }
    }

    @inline(never)
    private static func isNamed(_ name: UnsafePointer<UInt8>, _ n: Int) -> Bool {
        if ends(name, n, "token") { return true }
        if ends(name, n, "key") {
            return !(ends(name, n, "idempotency-key") || ends(name, n, "cache-key") || ends(name, n, "surrogate-key"))
        }
        var i = 0
        while i < n {
            let rest = name + i
            let left = n &- i
            i &+= 1
            switch rest[0] | 0x20 {
            case UInt8(ascii: "a"):
                if begins(rest, left, "authorization") || begins(rest, left, "api-key") { return true }
                if begins(rest, left, "apikey") || begins(rest, left, "api_key") { return true }
            case UInt8(ascii: "p"):
                if begins(rest, left, "password") || begins(rest, left, "passwd") { return true }
            case UInt8(ascii: "c"): if begins(rest, left, "cookie") { return true }
            case UInt8(ascii: "j"): if begins(rest, left, "jwt") { return true }
            default: break
            }
        }
        return false
    }

    /// Whether there is a k, a w or a z among at least four letters, eight looked at in one step.
    @inline(__always)
    private static func hasRareLetter(_ name: UnsafePointer<UInt8>, _ n: Int) -> Bool {
        let p = UnsafeRawPointer(name)
        if n < 8 {
            let word =
                UInt64(p.loadUnaligned(as: UInt32.self)) << 32
                | UInt64(p.loadUnaligned(fromByteOffset: n &- 4, as: UInt32.self))
            return hasRareLetter(word)
        }
        var i = 0
        while i &+ 8 < n {
            if hasRareLetter(p.loadUnaligned(fromByteOffset: i, as: UInt64.self)) { return true }
            i &+= 8
        }
        return hasRareLetter(p.loadUnaligned(fromByteOffset: n &- 8, as: UInt64.self))
    }

    @inline(__always)
    private static func hasRareLetter(_ word: UInt64) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let lower = word | ones &* 0x20
        let k = lower ^ ones &* 0x6B
        let w = lower ^ ones &* 0x77
        let z = lower ^ ones &* 0x7A
        // A byte that is zero borrows from its highest bit.
        let zeros = (k &- ones) & ~k | (w &- ones) & ~w | (z &- ones) & ~z
        return zeros & ones &* 0x80 != 0
    }

    @inline(__always)
    private static func ends(_ name: UnsafePointer<UInt8>, _ n: Int, _ suffix: StaticString) -> Bool {
        let m = suffix.utf8CodeUnitCount
        return n >= m && equalsIgnoringCase(name + (n - m), m, suffix)
    }

    @inline(__always)
    private static func begins(_ p: UnsafePointer<UInt8>, _ n: Int, _ word: StaticString) -> Bool {
        let m = word.utf8CodeUnitCount
        return n >= m && equalsIgnoringCase(p, m, word)
    }
}

/// `Sec-WebSocket-Protocol` (RFC 6455 section 11.3.4), in which browsers, which can send no other header, have keys: OpenAI's
/// clients send `realtime, openai-insecure-api-key.sk-…`.
enum Subprotocols {
    @inline(__always)
    static func isName(_ name: UnsafePointer<UInt8>, _ n: Int) -> Bool {
        n == 22 && equalsIgnoringCase(name, n, "sec-websocket-protocol")
    }

    /// The list as it is, but for what stands in a member behind the name of a credential and a dot.
    @inline(never)
    static func write(_ value: Bytes, _ writer: inout HeadWriter) {
        guard let p = value.pointer else { return }
        var start = 0
        while start < value.count {
            var end = start
            var mark = -1
            while end < value.count, p[end] != UInt8(ascii: ",") {
                if mark < 0, p[end] == UInt8(ascii: "."), announces(p + start, end &- start) { mark = end }
                end &+= 1
            }
            if mark < 0 {
                writer.append(p + start, end &- start)
            } else {
                writer.append(p + start, mark &+ 1 &- start)
                writer.append("***")
            }
            if end < value.count { writer.append(byte: UInt8(ascii: ",")) }
            start = end &+ 1
        }
    }

    private static func announces(_ p: UnsafePointer<UInt8>, _ n: Int) -> Bool {
        SecretName.isSecret(p, n) || n >= 6 && equalsIgnoringCase(p + (n - 6), 6, "bearer")
    }
}
