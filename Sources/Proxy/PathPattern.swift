import Glibc
import Reactor

/// A compiled path pattern. `*` and `**` match any run of characters, slashes included (also none); `{name}` matches
/// one path segment or a part of it (at least one character, no slash); all else is literal. A pattern matches the
/// whole path, byte for byte as the client sent it.
struct PathPattern: BitwiseCopyable, Sendable {
    /// One part of a pattern.
    struct Part: BitwiseCopyable, Sendable {
        enum Kind: UInt8 { case literal, any, segment }
        var kind: Kind
        var literal: Bytes
    }

    /// More wildcards than this have no use and would only cost.
    static let maxParts = 32
    /// Scratch memory that `match` and `captures` need: one bit row per part and one more, for the longest path.
    static let scratchBytes = (maxParts + 1) * (maxPathBytes / 8 + 8)
    static let maxPathBytes = 16384

    let parts: List<Part>
    /// The literal bytes before the first wildcard.
    let prefix: Bytes
    let shape: Shape

    /// Most patterns are a literal or a literal and one trailing wildcard: those are decided without a table.
    enum Shape: UInt8 { case literal, literalThenAny, general }

    /// True if the whole of `path` matches. `scratch` holds at least `scratchBytes`.
    @inline(__always)
    func matches(_ path: Bytes, scratch: UnsafeMutablePointer<UInt8>) -> Bool {
        guard path.count >= prefix.count, bytesEqual(path.pointer, prefix.pointer, prefix.count) else { return false }
        switch shape {
        case .literal: return path.count == prefix.count
        case .literalThenAny: return true
        case .general: return path.count <= Self.maxPathBytes && fillTable(path, scratch)
        }
    }

    /// Fills one bit row per part, from the last to the first: bit i of row t says that parts t… match path[i…].
    /// Work is bounded by parts × path bytes, whatever the pattern. Returns bit 0 of row 0.
    private func fillTable(_ path: Bytes, _ scratch: UnsafeMutablePointer<UInt8>) -> Bool {
        let n = path.count
        let stride = n / 8 + 1
        for i in 0..<((parts.count + 1) * stride) { scratch[i] = 0 }
        let last = scratch + parts.count * stride
        last[n >> 3] |= 1 << UInt8(n & 7)
        guard let p = path.pointer else { return false }
        var t = parts.count - 1
        while t >= 0 {
            let row = scratch + t * stride
            let below = row + stride
            let part = parts[t]
            var i = n
            while i >= 0 {
                let holds: Bool
                switch part.kind {
                case .literal:
                    let m = part.literal.count
                    holds = i + m <= n && Self.bit(below, i + m) && bytesEqual(p + i, part.literal.pointer, m)
                case .any:
                    holds = Self.bit(below, i) || (i < n && Self.bit(row, i + 1))
                case .segment:
                    holds =
                        i < n && p[i] != UInt8(ascii: "/")
                        && (Self.bit(below, i + 1) || Self.bit(row, i + 1))
                }
                if holds { row[i >> 3] |= 1 << UInt8(i & 7) }
                i -= 1
            }
            t -= 1
        }
        return Self.bit(scratch, 0)
    }

    private static func bit(_ row: UnsafeMutablePointer<UInt8>, _ i: Int) -> Bool {
        row[i >> 3] & (1 << UInt8(i & 7)) != 0
    }

    /// What each wildcard stood for, in order: an earlier wildcard takes as little as it can, the last takes the rest.
    /// Only for a path that matches. Returns the number of captures written to `out` (room for `maxParts`).
    func captures(
        _ path: Bytes, scratch: UnsafeMutablePointer<UInt8>, into out: UnsafeMutablePointer<Bytes>
    ) -> Int {
        guard let p = path.pointer, fillTable(path, scratch) else { return 0 }
        let stride = path.count / 8 + 1
        var found = 0
        var i = 0
        for t in 0..<parts.count {
            let part = parts[t]
            let below = scratch + (t + 1) * stride
            switch part.kind {
            case .literal: i += part.literal.count
            case .any, .segment:
                var end = part.kind == .segment ? i + 1 : i
                while end < path.count && !Self.bit(below, end) { end += 1 }
                out[found] = Bytes(p + i, end - i)
                found += 1
                i = end
            }
        }
        return found
    }
}

/// The readable side of a pattern: its parts by name, for compiling and for messages.
struct PathPatternSource {
    enum Part: Equatable {
        case literal([UInt8])
        case any
        case segment(String)
    }
    let parts: [Part]

    /// Throws a message fit for a person.
    init(_ text: String) throws(PatternError) {
        guard text.utf8.first == UInt8(ascii: "/") || text.utf8.first == UInt8(ascii: "*") else {
            throw PatternError("must begin with \"/\" or \"*\"")
        }
        var parts: [Part] = []
        var literal: [UInt8] = []
        let bytes = Array(text.utf8)
        var names: Set<String> = []
        var i = 0
        func flush(_ literal: inout [UInt8], _ parts: inout [Part]) {
            if !literal.isEmpty { parts.append(.literal(literal)) }
            literal = []
        }
        while i < bytes.count {
            switch bytes[i] {
            case UInt8(ascii: "*"):
                flush(&literal, &parts)
                while i < bytes.count && bytes[i] == UInt8(ascii: "*") { i += 1 }
                parts.append(.any)
            case UInt8(ascii: "{"):
                guard let end = bytes[i...].firstIndex(of: UInt8(ascii: "}")) else {
                    throw PatternError("\"{\" without \"}\"")
                }
                let name = String(decoding: bytes[(i + 1)..<end], as: UTF8.self)
                guard !name.isEmpty, name.utf8.allSatisfy(Self.isNameByte) else {
                    throw PatternError("\"{\(name)}\" is no name: letters, digits, \"_\" and \"-\" are")
                }
                guard names.insert(name).inserted else { throw PatternError("\"{\(name)}\" stands twice") }
                flush(&literal, &parts)
                parts.append(.segment(name))
                i = end + 1
            case UInt8(ascii: "}"):
                throw PatternError("\"}\" without \"{\"")
            case 0...0x20, 0x7F, UInt8(ascii: "?"), UInt8(ascii: "#"):
                throw PatternError("may not hold spaces, control characters, \"?\" or \"#\"")
            default:
                literal.append(bytes[i])
                i += 1
            }
        }
        flush(&literal, &parts)
        guard parts.count <= PathPattern.maxParts else {
            throw PatternError("has more than \(PathPattern.maxParts) parts")
        }
        self.parts = parts
    }

    /// Refuses bytes that no request's path can hold (RFC 3986 §3.3): patterns are compared with what clients send, byte for
    /// byte, and those send them percent-encoded.
    static func checkBytes(_ text: String) throws(PatternError) {
        guard text.utf8.contains(where: { $0 >= 0x80 || $0 == 0x5C }) else { return }
        let hex = Array("0123456789ABCDEF")
        let written = text.utf8.map { byte in
            byte < 0x80 && byte != 0x5C ? String(UnicodeScalar(byte)) : "%\(hex[Int(byte >> 4)])\(hex[Int(byte & 15)])"
        }
        throw PatternError(
            "holds characters that a request's path can only have percent-encoded; write it as clients send it, which is "
                + "mostly \(written.joined())")
    }

    static func isNameByte(_ c: UInt8) -> Bool {
        switch c {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"):
            return true
        default: return false
        }
    }

    func compile(in arena: Arena) -> PathPattern {
        var prefix: [UInt8] = []
        if case .literal(let bytes)? = parts.first { prefix = bytes }
        let shape: PathPattern.Shape
        switch parts.count {
        case 1 where !prefix.isEmpty: shape = .literal
        case 1 where parts[0] == .any: shape = .literalThenAny
        case 2 where !prefix.isEmpty && parts[1] == .any: shape = .literalThenAny
        default: shape = .general
        }
        let compiled = parts.map { part -> PathPattern.Part in
            switch part {
            case .literal(let bytes): PathPattern.Part(kind: .literal, literal: arena.store(bytes))
            case .any: PathPattern.Part(kind: .any, literal: .empty)
            case .segment: PathPattern.Part(kind: .segment, literal: .empty)
            }
        }
        return PathPattern(parts: arena.store(compiled), prefix: arena.store(prefix), shape: shape)
    }
}

struct PatternError: Error, Equatable {
    let message: String
    init(_ message: String) { self.message = message }
}

/// True if the two runs of `n` bytes are equal. Not for secrets: it stops at the first difference.
@inline(__always)
func bytesEqual(_ a: UnsafePointer<UInt8>?, _ b: UnsafePointer<UInt8>?, _ n: Int) -> Bool {
    if n == 0 { return true }
    guard let a, let b else { return false }
    return memcmp(a, b, n) == 0
}
