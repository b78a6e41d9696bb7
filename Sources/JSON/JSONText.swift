import CScan
import Glibc

/// One escape sequence of a JSON string, decoded (RFC 8259 §7).
@usableFromInline
struct JSONEscape: BitwiseCopyable {
    /// UTF-8 of the character: the first `count` bytes, lowest byte first.
    @usableFromInline var utf8: UInt32 = 0
    @usableFromInline var count: Int = 0

    @usableFromInline init() {}

    /// Reads the escape at `p`, whose first byte is a backslash.
    /// - Returns: the bytes it takes (a surrogate pair is one escape of 12), 0 if it is cut off or unknown, -1 if a
    ///   surrogate stands alone.
    @usableFromInline
    mutating func read(_ p: UnsafePointer<UInt8>, _ n: Int) -> Int {
        guard n >= 2 else { return 0 }
        count = 1
        switch p[1] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): utf8 = UInt32(p[1])
        case UInt8(ascii: "b"): utf8 = 0x08
        case UInt8(ascii: "f"): utf8 = 0x0C
        case UInt8(ascii: "n"): utf8 = 0x0A
        case UInt8(ascii: "r"): utf8 = 0x0D
        case UInt8(ascii: "t"): utf8 = 0x09
        case UInt8(ascii: "u"):
            let unit = Self.hex4(p + 2, n - 2)
            guard unit >= 0 else { return 0 }
            guard unit & 0xF800 == 0xD800 else {
                encode(UInt32(unit))
                return 6
            }
            guard unit < 0xDC00 else { return -1 }
            guard n >= 12, p[6] == UInt8(ascii: "\\"), p[7] == UInt8(ascii: "u") else { return -1 }
            let low = Self.hex4(p + 8, n - 8)
            guard low >= 0 else { return 0 }
            guard low & 0xFC00 == 0xDC00 else { return -1 }
            encode(0x10000 + (UInt32(unit & 0x3FF) << 10 | UInt32(low & 0x3FF)))
            return 12
        default: return 0
        }
        return 2
    }

    /// Sets the UTF-8 of a scalar value.
    @usableFromInline
    mutating func encode(_ scalar: UInt32) {
        if scalar < 0x80 {
            utf8 = scalar
            count = 1
        } else if scalar < 0x800 {
            utf8 = 0xC0 | scalar >> 6 | (0x80 | scalar & 0x3F) << 8
            count = 2
        } else if scalar < 0x10000 {
            utf8 = 0xE0 | scalar >> 12 | (0x80 | scalar >> 6 & 0x3F) << 8 | (0x80 | scalar & 0x3F) << 16
            count = 3
        } else {
            utf8 = 0xF0 | scalar >> 18 | (0x80 | scalar >> 12 & 0x3F) << 8
            utf8 |= (0x80 | scalar >> 6 & 0x3F) << 16 | (0x80 | scalar & 0x3F) << 24
            count = 4
        }
    }

    @usableFromInline
    func byte(_ k: Int) -> UInt8 { UInt8(truncatingIfNeeded: utf8 >> UInt32(8 &* k)) }

    func append(to out: inout [UInt8]) {
        for k in 0..<count { out.append(byte(k)) }
    }

    /// The value of one hex digit, or -1.
    @usableFromInline
    static func hexDigit(_ c: UInt8) -> Int32 {
        if c &- UInt8(ascii: "0") < 10 { return Int32(c &- UInt8(ascii: "0")) }
        let letter = (c | 0x20) &- UInt8(ascii: "a")
        return letter < 6 ? Int32(letter) + 10 : -1
    }

    @usableFromInline
    static func hex4(_ p: UnsafePointer<UInt8>, _ n: Int) -> Int32 {
        guard n >= 4 else { return -1 }
        let a = hexDigit(p[0])
        let b = hexDigit(p[1])
        let c = hexDigit(p[2])
        let d = hexDigit(p[3])
        return a | b | c | d < 0 ? -1 : a << 12 | b << 8 | c << 4 | d
    }
}

/// The bytes of JSON strings, escaped and not. What takes pointers allocates nothing.
public enum JSONText {
    /// Whether the string with raw contents `p[0 ..< n]` (between its quotes, escapes as written) is `q[0 ..< m]`.
    /// A malformed escape or a raw control byte equals nothing.
    public static func equalsUnescaped(
        _ p: UnsafePointer<UInt8>, _ n: Int, _ q: UnsafePointer<UInt8>, _ m: Int
    ) -> Bool {
        guard n >= m else { return false }  // an escape is never shorter than what it stands for
        var i = 0
        var j = 0
        while true {
            let run = cscan_json_plain_run(p + i, n &- i)
            guard run <= m &- j, memcmp(p + i, q + j, run) == 0 else { return false }
            i &+= run
            j &+= run
            if i == n { return j == m }
            guard p[i] == UInt8(ascii: "\\") else { return false }
            var escape = JSONEscape()
            let used = escape.read(p + i, n &- i)
            guard used > 0, escape.count <= m &- j else { return false }
            var k = 0
            while k < escape.count {
                if q[j &+ k] != escape.byte(k) { return false }
                k &+= 1
            }
            i &+= used
            j &+= escape.count
        }
    }

    /// Unescapes the raw contents of a string into `out`, which must have room for `n` bytes (the result is never
    /// longer; it may be `p` itself).
    /// - Returns: the bytes written, or -1 if an escape is malformed or a control byte stands unescaped.
    public static func unescape(
        _ p: UnsafePointer<UInt8>, _ n: Int, into out: UnsafeMutablePointer<UInt8>
    ) -> Int {
        var i = 0
        var j = 0
        while true {
            let run = cscan_json_plain_run(p + i, n &- i)
            memmove(out + j, p + i, run)
            i &+= run
            j &+= run
            if i == n { return j }
            guard p[i] == UInt8(ascii: "\\") else { return -1 }
            var escape = JSONEscape()
            let used = escape.read(p + i, n &- i)
            guard used > 0 else { return -1 }
            var k = 0
            while k < escape.count {
                out[j &+ k] = escape.byte(k)
                k &+= 1
            }
            i &+= used
            j &+= escape.count
        }
    }

    /// The raw contents of a string unescaped, or nil if malformed.
    public static func unescape(_ p: UnsafePointer<UInt8>, _ n: Int) -> [UInt8]? {
        var written = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: n) { buffer, count in
            guard let base = buffer.baseAddress else { return }
            written = unescape(p, n, into: base)
            count = max(written, 0)
        }
        return written < 0 ? nil : bytes
    }

    /// Appends `utf8` escaped for the inside of a JSON string (without quotes).
    public static func escape(_ utf8: UnsafeBufferPointer<UInt8>, into out: inout [UInt8]) {
        guard let base = utf8.baseAddress else { return }
        var i = 0
        while true {
            let run = cscan_json_plain_run(base + i, utf8.count - i)
            out.append(contentsOf: UnsafeBufferPointer(start: base + i, count: run))
            i += run
            if i == utf8.count { return }
            out.append(UInt8(ascii: "\\"))
            switch base[i] {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): out.append(base[i])
            case 0x08: out.append(UInt8(ascii: "b"))
            case 0x09: out.append(UInt8(ascii: "t"))
            case 0x0A: out.append(UInt8(ascii: "n"))
            case 0x0C: out.append(UInt8(ascii: "f"))
            case 0x0D: out.append(UInt8(ascii: "r"))
            default:
                out.append(contentsOf: "u00".utf8)
                for nibble in [base[i] >> 4, base[i] & 15] {
                    out.append(nibble < 10 ? UInt8(ascii: "0") + nibble : UInt8(ascii: "a") + nibble - 10)
                }
            }
            i += 1
        }
    }

    /// Appends `text` as a JSON string, quotes included.
    public static func escape(_ text: String, into out: inout [UInt8]) {
        var copy = text
        out.append(UInt8(ascii: "\""))
        copy.withUTF8 { escape($0, into: &out) }
        out.append(UInt8(ascii: "\""))
    }
}
