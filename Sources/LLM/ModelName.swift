import Glibc
import Reactor

/// How models are named.
public enum ModelName {
    /// The part before the first slash and what follows it; nil if there is no slash or one part is empty. The first part
    /// names a provider only if one is called so: `qwen/qwen3-30b-a3b:free` may as well be a model's whole name.
    public static func split(_ name: Bytes) -> (provider: Bytes, model: Bytes)? {
        guard let p = name.pointer, let slash = memchr(p, 0x2F, name.count) else { return nil }
        let at = UnsafeRawPointer(slash) - UnsafeRawPointer(p)
        guard at > 0, at + 1 < name.count else { return nil }
        return (Bytes(p, at), Bytes(p + at + 1, name.count - at - 1))
    }

    /// Without the `models/` that Gemini's names may begin with.
    public static func withoutCollection(_ name: Bytes) -> Bytes {
        let prefix: StaticString = "models/"
        let n = prefix.utf8CodeUnitCount
        guard let p = name.pointer, name.count > n, memcmp(p, prefix.utf8Start, n) == 0 else { return name }
        return Bytes(p + n, name.count - n)
    }

    /// Undoes percent-encoding, as a model's name in a path needs it.
    /// - Parameter out: has room for `name.count` bytes.
    /// - Returns: bytes written; -1 if an encoding is malformed or stands for a control byte.
    public static func decode(_ name: Bytes, into out: UnsafeMutablePointer<UInt8>) -> Int {
        guard let p = name.pointer else { return 0 }
        var i = 0
        var count = 0
        while i < name.count {
            var c = p[i]
            if c == UInt8(ascii: "%") {
                guard name.count &- i >= 3 else { return -1 }
                let (high, low) = (hex(p[i &+ 1]), hex(p[i &+ 2]))
                guard high >= 0, low >= 0 else { return -1 }
                c = UInt8(high << 4 | low)
                i &+= 2
            }
            if c < 0x20 || c == 0x7F { return -1 }
            out[count] = c
            count &+= 1
            i &+= 1
        }
        return count
    }

    private static func hex(_ c: UInt8) -> Int {
        if c &- UInt8(ascii: "0") < 10 { return Int(c &- UInt8(ascii: "0")) }
        let letter = (c | 0x20) &- UInt8(ascii: "a")
        return letter < 6 ? Int(letter) + 10 : -1
    }
}
