import Glibc
import Reactor

/// Recorded header lines (`Name: value\r\n`).
enum HeaderText {
    /// Lines beyond this are left out; the gateway lets no such message in.
    static let maximumLines = 512

    private struct Line {
        var name: Bytes
        var value: Bytes
        /// Already written as part of an earlier line's array.
        var isTaken = false
    }

    /// Calls `body` with each line's name and value until it returns false.
    @inline(__always)
    private static func forEachLine(_ raw: Bytes, _ body: (Bytes, Bytes) -> Bool) {
        guard let base = raw.pointer else { return }
        var position = 0
        while position < raw.count {
            let start = base + position
            let left = raw.count - position
            let newline = memchr(start, 0x0A, left).map { $0.assumingMemoryBound(to: UInt8.self) }
            let length = newline.map { UnsafePointer($0) - start } ?? left
            position += length + 1
            guard let colon = memchr(start, 0x3A, length).map({ UnsafePointer($0.assumingMemoryBound(to: UInt8.self)) })
            else { continue }
            let nameLength = colon - start
            if !body(Bytes(start, nameLength), ByteScan.trimmed(colon + 1, length - nameLength - 1)) { return }
        }
    }

    /// The value of the first line called `name` (lower case).
    static func value(of name: StaticString, in raw: Bytes) -> Bytes? {
        let wanted = Bytes(name)
        var found: Bytes?
        forEachLine(raw) { name, value in
            if ByteScan.equalsIgnoringCase(name, wanted) { found = value }
            return found == nil
        }
        return found
    }

    /// The lines as a JSON object, written into `arena`: name to value, or to an array of values where a name (upper
    /// and lower case alike) was repeated. Bytes that are not UTF-8 become U+FFFD. Nil for no lines.
    static func json(_ raw: Bytes, _ arena: inout Arena) -> Bytes? {
        guard raw.count > 0 else { return nil }
        return withUnsafeTemporaryAllocation(of: Line.self, capacity: maximumLines) { lines in
            var count = 0
            // A bit for each name seen: names rarely share one, so that most lines need no search.
            var seen: UInt64 = 0
            var mayRepeat = false
            forEachLine(raw) { name, value in
                lines.initializeElement(at: count, to: Line(name: name, value: value))
                count += 1
                let bit: UInt64 = 1 << UInt64(mark(name))
                if seen & bit != 0 { mayRepeat = true }
                seen |= bit
                return count < maximumLines
            }
            guard count > 0 else { return nil }
            // An escaped byte takes six at most, a line seven around its two texts and four more within an array.
            let start = arena.reserve(raw.count * 6 + count * 12 + 2)
            var out = start
            put(0x7B, &out)
            for i in 0..<count where !lines[i].isTaken {
                if out - start > 1 { put(0x2C, &out) }
                writeString(lines[i].name, &out)
                put(0x3A, &out)
                if mayRepeat, writeArray(lines, i, count, &out) { continue }
                writeString(lines[i].value, &out)
            }
            put(0x7D, &out)
            arena.keep(out - start)
            return Bytes(UnsafePointer(start), out - start)
        }
    }

    @inline(__always)
    private static func mark(_ name: Bytes) -> Int {
        guard name.count > 0 else { return 0 }
        let first = Int(ByteScan.lower(name.pointer![0]))
        let last = Int(ByteScan.lower(name.pointer![name.count - 1]))
        return (name.count &* 7 &+ first &* 3 &+ last &* 13) & 63
    }

    /// All values of line `i`'s name as an array; false if it has only one.
    private static func writeArray(
        _ lines: UnsafeMutableBufferPointer<Line>, _ i: Int, _ count: Int, _ out: inout UnsafeMutablePointer<UInt8>
    ) -> Bool {
        var isArray = false
        for j in (i + 1)..<max(count, i + 1)
        where !lines[j].isTaken && ByteScan.equalsIgnoringCase(lines[i].name, lines[j].name) {
            if !isArray {
                isArray = true
                put(0x5B, &out)
                writeString(lines[i].value, &out)
            }
            put(0x2C, &out)
            writeString(lines[j].value, &out)
            lines[j].isTaken = true
        }
        if isArray { put(0x5D, &out) }
        return isArray
    }

    @inline(__always)
    private static func put(_ byte: UInt8, _ out: inout UnsafeMutablePointer<UInt8>) {
        out.pointee = byte
        out += 1
    }

    /// A JSON string with its quotes.
    @inline(__always)
    private static func writeString(_ text: Bytes, _ out: inout UnsafeMutablePointer<UInt8>) {
        put(0x22, &out)
        if let p = text.pointer {
            var i = 0
            while true {
                let run = ByteScan.plainRun(p + i, text.count - i)
                memcpy(out, p + i, run)
                out += run
                i += run
                if i == text.count { break }
                i += writeSpecial(p + i, text.count - i, &out)
            }
        }
        put(0x22, &out)
    }

    /// One character that is not plain ASCII; returns the bytes it took.
    private static func writeSpecial(
        _ p: UnsafePointer<UInt8>, _ count: Int, _ out: inout UnsafeMutablePointer<UInt8>
    ) -> Int {
        let byte = p[0]
        if byte == 0x22 || byte == 0x5C {
            put(0x5C, &out)
            put(byte, &out)
            return 1
        }
        if byte < 0x20 || byte == 0x7F {
            for character in "\\u00".utf8 { put(character, &out) }
            for nibble in [byte >> 4, byte & 15] { put(nibble < 10 ? 0x30 + nibble : 0x57 + nibble, &out) }
            return 1
        }
        let length = ByteScan.sequenceLength(p, count)
        if length == 0 {
            for replacement in "\u{FFFD}".utf8 { put(replacement, &out) }
            return 1
        }
        memcpy(out, p, length)
        out += length
        return length
    }
}
