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
        guard let end = writeAtOnce(raw, start) ?? writeByLines(raw, start) else { return nil }
        arena.keep(end - start)
        return Bytes(UnsafePointer(start), end - start)
    }

    // MARK: The usual block, in one pass

    /// Nil, and nothing of use at `start`, if a line is no `name: value`, a name occurs twice or is not plain ASCII,
    /// or a control byte stands somewhere.
    private func writeAtOnce(_ raw: Bytes, _ start: Target) -> Target? {
        guard var p = raw.pointer else { return nil }
        let end = p + raw.count
        var out = start
        var count = 0
        var seen: UInt64 = 0
        while p < end {
            Self.put(",\"", &out)
            let nameLength = cscan_json_copy_plain(out, p, end - p, 0x3A)
            guard nameLength > 0, nameLength < end - p, p[nameLength] == 0x3A, count < HeaderText.maximumLines
            else { return nil }
            let line = Line(name: Bytes(p, nameLength), value: .empty, mark: Self.mark(Bytes(p, nameLength)))
            if seen & line.mark != 0 && isRepeated(line, count) { return nil }
            seen |= line.mark
            (lines + count).initialize(to: line)
            count += 1
            out += nameLength
            Self.put("\":\"", &out)
            guard let next = Self.writeValue(p + nameLength + 1, end, &out) else { return nil }
            p = next
            Self.put(0x22, &out)
        }
        // In place of the first comma.
        start.pointee = 0x7B
        Self.put(0x7D, &out)
        return out
    }

    private func isRepeated(_ line: Line, _ count: Int) -> Bool {
        for i in 0..<count where lines[i].mark == line.mark {
            if ByteScan.equalsIgnoringCase(lines[i].name, line.name) { return true }
        }
        return false
    }

    /// What stands between a colon and the end of the line, without blanks at its ends; returns where the next line
    /// begins. Nil for a control byte that is no part of the line's end.
    @inline(__always)
    private static func writeValue(
        _ start: UnsafePointer<UInt8>, _ end: UnsafePointer<UInt8>, _ out: inout Target
    ) -> UnsafePointer<UInt8>? {
        var p = start
        while p < end, p[0] == 0x20 || p[0] == 0x09 { p += 1 }
        let first = out
        while true {
            let run = cscan_json_copy_plain(out, p, end - p, 0x22)
            out += run
            p += run
            if p == end { break }
            if p[0] == 0x0D && p + 1 < end && p[1] == 0x0A {
                p += 2
                break
            }
            if p[0] == 0x0A {
                p += 1
                break
            }
            if p[0] < 0x20 { return nil }
            p += writeSpecial(p, end - p, &out)
        }
        while out > first, out[-1] == 0x20 { out -= 1 }
        return p
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
