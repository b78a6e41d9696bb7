import Glibc
import Reactor

/// Looking through bytes eight at a time.
enum ByteScan {
    /// Whether all bytes are ASCII other than NUL, which is text to everybody.
    @inline(__always)
    static func isPlainText(_ p: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        let raw = UnsafeRawPointer(p)
        let high: UInt64 = 0x8080_8080_8080_8080
        let ones: UInt64 = 0x0101_0101_0101_0101
        var marks: UInt64 = 0
        var i = 0
        while i &+ 8 <= count {
            let word = raw.loadUnaligned(fromByteOffset: i, as: UInt64.self)
            marks |= word | (word &- ones)
            i &+= 8
        }
        while i < count {
            let byte = UInt64(p[i])
            marks |= byte | ((byte &- 1) & 0x80)
            i &+= 1
        }
        return marks & high == 0
    }

    /// Whether the bytes are well-formed UTF-8 without NUL.
    static func isText(_ p: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        if isPlainText(p, count) { return true }
        if memchr(p, 0, count) != nil { return false }
        var i = 0
        while i < count {
            let length = sequenceLength(p + i, count - i)
            guard length > 0 else { return false }
            i += length
        }
        return true
    }

    /// Bytes of the well-formed UTF-8 sequence at `p` (RFC 3629 §4); 0 if there is none.
    static func sequenceLength(_ p: UnsafePointer<UInt8>, _ count: Int) -> Int {
        func continuation(_ i: Int, _ range: ClosedRange<UInt8> = 0x80...0xBF) -> Bool {
            i < count && range.contains(p[i])
        }
        switch p[0] {
        case 0x00...0x7F: return 1
        case 0xC2...0xDF: return continuation(1) ? 2 : 0
        case 0xE0: return continuation(1, 0xA0...0xBF) && continuation(2) ? 3 : 0
        case 0xED: return continuation(1, 0x80...0x9F) && continuation(2) ? 3 : 0
        case 0xE1...0xEF: return continuation(1) && continuation(2) ? 3 : 0
        case 0xF0: return continuation(1, 0x90...0xBF) && continuation(2) && continuation(3) ? 4 : 0
        case 0xF4: return continuation(1, 0x80...0x8F) && continuation(2) && continuation(3) ? 4 : 0
        case 0xF1...0xF3: return continuation(1) && continuation(2) && continuation(3) ? 4 : 0
        default: return 0
        }
    }

    /// `count` less what a cut has left of a UTF-8 sequence at the end.
    static func withoutCutSequence(_ p: UnsafePointer<UInt8>, _ count: Int) -> Int {
        var back = 1
        while back <= min(3, count) {
            let byte = p[count - back]
            if byte & 0xC0 != 0x80 {
                let length = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1
                return length > back ? count - back : count
            }
            back += 1
        }
        return count
    }

    /// The run without blanks and tabs at its ends.
    static func trimmed(_ p: UnsafePointer<UInt8>, _ count: Int) -> Bytes {
        var start = 0
        var end = count
        while start < end, p[start] == 0x20 || p[start] == 0x09 { start += 1 }
        while end > start, p[end - 1] == 0x20 || p[end - 1] == 0x09 || p[end - 1] == 0x0D { end -= 1 }
        return Bytes(p + start, end - start)
    }

    /// A–Z and a–z alike.
    static func equalsIgnoringCase(_ a: Bytes, _ b: Bytes) -> Bool {
        guard a.count == b.count else { return false }
        for i in 0..<a.count where lower(a.pointer![i]) != lower(b.pointer![i]) { return false }
        return true
    }

    @inline(__always)
    static func lower(_ byte: UInt8) -> UInt8 { byte &- 65 < 26 ? byte | 0x20 : byte }
}
