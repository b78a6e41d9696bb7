import CScan
import Glibc
import Reactor

/// Recorded header lines (`Name: value\r\n`).
enum HeaderText {
    /// Lines beyond this are left out of the record: four times what the gateway accepts unless configured otherwise.
    static let maximumLines = 512

    /// Calls `body` with each line's name and value until it returns false.
    @inline(__always)
    fileprivate static func forEachLine(_ raw: Bytes, _ body: (Bytes, Bytes) -> Bool) {
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
}

/// Writes recorded header lines as JSON; keeps its working memory from one message to the next.
struct HeaderWriter: ~Copyable {
    private struct Line {
        var name: Bytes
        var value: Bytes
        /// Names that are equal have equal marks, others mostly do not: one bit of 64.
        var mark: UInt64
        /// Already written as part of an earlier line's array.
        var isTaken = false
    }

    private typealias Target = UnsafeMutablePointer<UInt8>

    private let lines: UnsafeMutablePointer<Line>

    init() { lines = .allocate(capacity: HeaderText.maximumLines) }

    deinit { lines.deallocate() }

    /// The lines as a JSON object, written into `arena`: name to value, or to an array of values where a name (upper
    /// and lower case alike) was repeated. Bytes that are not UTF-8 become U+FFFD. Nil for no lines.
    func json(_ raw: Bytes, _ arena: inout Arena) -> Bytes? {
        guard raw.count > 0 else { return nil }
        // An escaped byte takes six at most, a line seven around its two texts and four more within an array; copying
        // overshoots by fifteen.
        let start = arena.reserve(raw.count * 6 + HeaderText.maximumLines * 12 + 16)
        // The usual block in one pass, any other line by line.
        let length = cscan_json_header_lines(start, raw.pointer, raw.count)
        guard let end = length > 0 ? start + length : writeByLines(raw, start) else { return nil }
        arena.keep(end - start)
        return Bytes(UnsafePointer(start), end - start)
    }

    // MARK: Any block, line by line

    private func writeByLines(_ raw: Bytes, _ start: Target) -> Target? {
        var count = 0
        var seen: UInt64 = 0
        var repeated: UInt64 = 0
        HeaderText.forEachLine(raw) { name, value in
            let mark = Self.mark(name)
            (lines + count).initialize(to: Line(name: name, value: value, mark: mark))
            count += 1
            repeated |= seen & mark
            seen |= mark
            return count < HeaderText.maximumLines
        }
        guard count > 0 else { return nil }
        var out = start
        Self.put(0x7B, &out)
        for i in 0..<count where !lines[i].isTaken {
            if out - start > 1 { Self.put(0x2C, &out) }
            Self.writeString(lines[i].name, &out)
            Self.put(0x3A, &out)
            if lines[i].mark & repeated != 0, writeArray(i, count, &out) { continue }
            Self.writeString(lines[i].value, &out)
        }
        Self.put(0x7D, &out)
        return out
    }

    @inline(__always)
    private static func mark(_ name: Bytes) -> UInt64 {
        guard name.count > 0 else { return 1 }
        let first = Int(ByteScan.lower(name.pointer![0]))
        let last = Int(ByteScan.lower(name.pointer![name.count - 1]))
        return 1 << UInt64((name.count &* 7 &+ first &* 3 &+ last &* 13) & 63)
    }

    /// All values of line `i`'s name as an array; false if it has only one.
    private func writeArray(_ i: Int, _ count: Int, _ out: inout Target) -> Bool {
        var isArray = false
        for j in (i + 1)..<max(count, i + 1)
        where lines[j].mark == lines[i].mark && !lines[j].isTaken
            && ByteScan.equalsIgnoringCase(lines[i].name, lines[j].name)
        {
            if !isArray {
                isArray = true
                Self.put(0x5B, &out)
                Self.writeString(lines[i].value, &out)
            }
            Self.put(0x2C, &out)
            Self.writeString(lines[j].value, &out)
            lines[j].isTaken = true
        }
        if isArray { Self.put(0x5D, &out) }
        return isArray
    }

    @inline(__always)
    private static func put(_ byte: UInt8, _ out: inout Target) {
        out.pointee = byte
        out += 1
    }

    @inline(__always)
    private static func put(_ text: StaticString, _ out: inout Target) {
        memcpy(out, text.utf8Start, text.utf8CodeUnitCount)
        out += text.utf8CodeUnitCount
    }

    /// A JSON string with its quotes.
    @inline(__always)
    private static func writeString(_ text: Bytes, _ out: inout Target) {
        put(0x22, &out)
        if let p = text.pointer {
            var i = 0
            while true {
                let run = cscan_json_copy_plain(out, p + i, text.count - i, 0x22)
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
        _ p: UnsafePointer<UInt8>, _ count: Int, _ out: inout Target
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
