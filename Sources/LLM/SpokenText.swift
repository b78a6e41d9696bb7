import CScan

/// A text that is paid for by the character.
///
/// A character is a Unicode code point after unescaping, blanks included: `\u00e9`, two escapes that are a surrogate pair,
/// and the up to four bytes of UTF-8 are one each.
enum SpokenText {
    /// Characters of the JSON string that begins at `p[start]`; 0 if there is none, or it does not end in `p[0 ..< n]`. What is
    /// no UTF-8, and half a surrogate pair, counts as many as it has bytes and halves, as whoever replaces it by U+FFFD would
    /// make of it at most.
    static func characters(_ p: UnsafePointer<UInt8>, _ n: Int, from start: Int) -> Int64 {
        guard start < n, p[start] == UInt8(ascii: "\"") else { return 0 }
        var i = start &+ 1
        var count: Int64 = 0
        while i < n {
            let run = cscan_json_plain_run(p + i, n &- i)
            count &+= codePoints(p + i, run)
            i &+= run
            guard i < n, p[i] != UInt8(ascii: "\"") else { break }
            // A backslash: the text was read before, so there is nothing else.
            guard i &+ 1 < n, p[i &+ 1] == UInt8(ascii: "u") else {
                count &+= 1
                i &+= 2
                continue
            }
            let unit = codeUnit(p, n, i)
            let isPair = unit & 0xFC00 == 0xD800 && codeUnit(p, n, i &+ 6) & 0xFC00 == 0xDC00
            count &+= 1
            i &+= isPair ? 12 : 6
        }
        return i < n ? count : 0
    }

    /// What an escape `\uXXXX` at `p[i]` stands for; -1 if there is none.
    private static func codeUnit(_ p: UnsafePointer<UInt8>, _ n: Int, _ i: Int) -> Int {
        guard i &+ 6 <= n, p[i] == UInt8(ascii: "\\"), p[i &+ 1] == UInt8(ascii: "u") else { return -1 }
        var unit = 0
        for k in 2..<6 {
            let digit = Int(fg_hex_value(p[i &+ k]))
            if digit < 0 { return -1 }
            unit = unit << 4 | digit
        }
        return unit
    }

    private static func codePoints(_ p: UnsafePointer<UInt8>, _ n: Int) -> Int64 {
        var count: Int64 = 0
        // Bytes of the character at hand that are still to come.
        var rest = 0
        for i in 0..<n {
            let c = p[i]
            if c & 0xC0 == 0x80, rest > 0 {
                rest &-= 1
                continue
            }
            count &+= 1
            rest = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : c >= 0xC0 ? 1 : 0
        }
        return count
    }
}
