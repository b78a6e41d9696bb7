import CScan
import Glibc
import Reactor

/// Reads the fields of a `multipart/form-data` body (RFC 7578) that matter: audio to be transcribed and pictures to be edited
/// come with their model in such a form. The whole body has to be there; nothing is copied.
public struct FormReader: BitwiseCopyable, Sendable {
    /// Where the last `model` stands.
    public private(set) var model: RequestReader.Span?
    /// It is there more than once with different values.
    public private(set) var modelsDisagree = false
    public private(set) var streams = false
    /// How many are asked for.
    public private(set) var count: Int64 = 1
    /// Parts that are files.
    public private(set) var files: Int64 = 0
    /// The body is a form from its first boundary to its last.
    public private(set) var isWhole = false

    /// More parts than any of these requests has are not looked at.
    static let maxParts = 256
    private static let longestBoundary = 70

    public init() {}

    /// True for `multipart/form-data`.
    public static func isForm(contentType: Bytes) -> Bool {
        let name: StaticString = "multipart/form-data"
        let n = name.utf8CodeUnitCount
        guard let p = contentType.pointer, contentType.count > n else { return false }
        return strncasecmp(
            UnsafeRawPointer(p).assumingMemoryBound(to: CChar.self),
            UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self), n) == 0
            && (p[n] == UInt8(ascii: ";") || p[n] == 0x20 || p[n] == 0x09)
    }

    public mutating func read(_ body: Bytes, contentType: Bytes) {
        let boundary = Self.parameter("boundary", of: contentType)
        guard let p = body.pointer, let mark = boundary.pointer, boundary.count > 0,
            boundary.count <= Self.longestBoundary
        else { return }
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: boundary.count + 4) { line in
            // CRLF, two hyphens, the boundary.
            line[0] = 0x0D
            line[1] = 0x0A
            line[2] = UInt8(ascii: "-")
            line[3] = UInt8(ascii: "-")
            memcpy(line.baseAddress! + 4, mark, boundary.count)
            readParts(p, body.count, Bytes(UnsafePointer(line.baseAddress!), boundary.count + 4))
        }
    }

    private mutating func readParts(_ p: UnsafePointer<UInt8>, _ n: Int, _ delimiter: Bytes) {
        let first = delimiter.count - 2
        guard n >= first else { return }
        // The first boundary has no line before it, or a preamble.
        var at = memcmp(p, delimiter.pointer! + 2, first) == 0 ? first : Self.find(p, n, 0, delimiter) + delimiter.count
        guard at >= first else { return }
        for _ in 0..<Self.maxParts {
            if n - at >= 2, p[at] == UInt8(ascii: "-"), p[at + 1] == UInt8(ascii: "-") {
                isWhole = true
                return
            }
            while at < n, p[at] == 0x20 || p[at] == 0x09 { at += 1 }
            guard n - at >= 2, p[at] == 0x0D, p[at + 1] == 0x0A else { return }
            let end = Self.find(p, n, at, delimiter)
            guard end >= 0 else { return }
            readPart(p, at + 2, end)
            at = end + delimiter.count
        }
    }

    private static func find(_ p: UnsafePointer<UInt8>, _ n: Int, _ from: Int, _ text: Bytes) -> Int {
        guard let found = fg_find_bytes(p + from, n - from, text.pointer!, text.count) else { return -text.count - 1 }
        return UnsafeRawPointer(found) - UnsafeRawPointer(p)
    }

    private mutating func readPart(_ p: UnsafePointer<UInt8>, _ start: Int, _ end: Int) {
        var line = start
        var name = Bytes.empty
        while line < end {
            var stop = line
            while stop < end, p[stop] != 0x0D { stop += 1 }
            guard stop + 1 < end, p[stop + 1] == 0x0A else { return }
            if stop == line { break }
            let field = Bytes(p + line, stop - line)
            if Self.begins(field, "content-disposition:") {
                name = Self.parameter("name", of: field)
                if Self.parameter("filename", of: field).pointer != nil { files += 1 }
            }
            line = stop + 2
        }
        guard line + 2 <= end || line == end else { return }
        let value = Bytes(p + min(line + 2, end), max(0, end - line - 2))
        if name.elementsEqual(Bytes("model")) {
            if let model {
                let old = Bytes(p + Int(model.start), Int(model.end - model.start))
                if !old.elementsEqual(value) { modelsDisagree = true }
            }
            model = .init(start: UInt64(end - value.count), end: UInt64(end))
        } else if name.elementsEqual(Bytes("stream")) {
            streams = value.elementsEqual(Bytes("true"))
        } else if name.elementsEqual(Bytes("n")), value.count > 0, value.count <= 4 {
            var number: Int64 = 0
            for i in 0..<value.count {
                let digit = value.pointer![i] &- 0x30
                number = number * 10 + Int64(min(digit, 9))
            }
            count = max(1, number)
        }
    }

    private static func begins(_ text: Bytes, _ lower: StaticString) -> Bool {
        let n = lower.utf8CodeUnitCount
        guard let p = text.pointer, text.count >= n else { return false }
        return strncasecmp(
            UnsafeRawPointer(p).assumingMemoryBound(to: CChar.self),
            UnsafeRawPointer(lower.utf8Start).assumingMemoryBound(to: CChar.self), n) == 0
    }

    /// The value of `; name=value` or `; name="value"`; without a pointer if there is none.
    static func parameter(_ name: StaticString, of field: Bytes) -> Bytes {
        guard let p = field.pointer else { return .empty }
        let n = name.utf8CodeUnitCount
        var i = 0
        var isQuoted = false
        while i < field.count {
            let c = p[i]
            i += 1
            if isQuoted {
                if c == UInt8(ascii: "\\") { i += 1 } else if c == UInt8(ascii: "\"") { isQuoted = false }
                continue
            }
            if c == UInt8(ascii: "\"") { isQuoted = true }
            guard c == UInt8(ascii: ";") else { continue }
            while i < field.count, p[i] == 0x20 || p[i] == 0x09 { i += 1 }
            guard field.count - i > n, p[i + n] == UInt8(ascii: "="), begins(Bytes(p + i, n), name) else { continue }
            var start = i + n + 1
            var end = start
            if start < field.count, p[start] == UInt8(ascii: "\"") {
                start += 1
                end = start
                while end < field.count, p[end] != UInt8(ascii: "\"") { end += 1 }
            } else {
                while end < field.count, p[end] != UInt8(ascii: ";"), p[end] != 0x20 { end += 1 }
            }
            return Bytes(p + start, end - start)
        }
        return .empty
    }
}
