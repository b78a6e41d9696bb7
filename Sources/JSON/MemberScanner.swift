import CScan

/// Where a `MemberScanner` stands.
@frozen public enum MemberScanState: UInt8, BitwiseCopyable, Sendable {
    /// So far so good; the object is not closed yet.
    case needMore
    /// The object is closed; only white space may follow.
    case finished
    /// The body's first byte that is no white space does not open an object.
    case notAnObject
    /// The body is not JSON. Nothing captured may be used.
    case malformed
}

/// Finds the values of some top-level members of a JSON object while the body arrives, in pieces of any size, without
/// keeping any of it.
///
/// What it calls finished is one object whose top-level members are valid JSON but for this: in nested containers only
/// the strings, the pairing of brackets and the set of bytes outside strings are checked, not the grammar between them,
/// and UTF-8 is not validated. No text can move a byte from one top-level member to another by such a fault. Containers
/// nest at most 512 levels, the object included.
@frozen public struct MemberScanner: BitwiseCopyable, Sendable {
    /// Bytes fed so far.
    public private(set) var bytesSeen: UInt64 = 0
    /// Offset of the closing brace once finished.
    public private(set) var closingBraceOffset: UInt64 = 0
    /// Where a member may be inserted: after the last value, or after the opening brace if there is none yet.
    public private(set) var insertionOffset: UInt64 = 0
    /// Members seen so far, duplicates counted.
    public private(set) var memberCount: UInt32 = 0

    @usableFromInline var phase: Phase = .start
    /// Within a string its CSCAN_JSON_… state, within a number or a literal the position in its grammar.
    private var detail: UInt8 = 0
    /// Index of the capture that the value belongs to, or -1.
    private var matched: Int8 = -1
    private var literal: MemberKind = .absent
    /// A high surrogate that waits for its other half, and the code unit being read.
    private var highSurrogate: UInt16 = 0
    private var codeUnit: UInt16 = 0
    /// While a name is read byte by byte: the names it may still be, and its length so far.
    private var candidates: UInt64 = 0
    private var nameLength: Int = 0
    private var nest = cscan_json_nest()

    // The CSCAN_JSON_… states of a string as bytes.
    @inline(__always) private static var outside: UInt8 { 0 }
    @inline(__always) private static var inside: UInt8 { 1 }
    @inline(__always) private static var escape: UInt8 { 2 }
    @inline(__always) private static var lastHexDigit: UInt8 { 3 }
    @inline(__always) private static var firstHexDigit: UInt8 { 6 }
    @inline(__always) private static var bad: UInt8 { 7 }

    @usableFromInline enum Phase: UInt8, BitwiseCopyable, Sendable {
        case start, firstName, name, nameByBytes, colon, value, string, number, literal, nested, afterValue
        case finished, notAnObject, malformed
    }

    public init() {}

    public var state: MemberScanState {
        switch phase {
        case .finished: .finished
        case .notAnObject: .notAnObject
        case .malformed: .malformed
        default: .needMore
        }
    }

    /// Takes the next `n` bytes of the body.
    /// - Parameters:
    ///   - table: the names asked about; the same for all of one body.
    ///   - captures: as many as the table has names, fresh or reset before the first piece.
    public mutating func feed(
        _ p: UnsafePointer<UInt8>, _ n: Int, table: UnsafePointer<MemberNames>,
        captures: UnsafeMutablePointer<MemberCapture>
    ) -> MemberScanState {
        let base = bytesSeen
        bytesSeen = base &+ UInt64(truncatingIfNeeded: n)
        var i = 0
        /// Where in this piece the value being read begins (0 if in an earlier one).
        var valueStart = 0

        scan: do {
            while i < n {
                switch phase {
                case .string:
                    i &+= cscan_json_string_skip(&detail, p + i, n &- i)
                    if detail != Self.outside {
                        if detail == Self.bad { break scan }
                        continue
                    }
                case .nested:
                    i &+= cscan_json_nest_skip(&nest, p + i, n &- i)
                    if nest.depth != 0 {
                        if nest.string_state == Self.bad { break scan }
                        continue
                    }
                case .number:
                    while i < n, stepNumber(p[i]) { i &+= 1 }
                    if i == n { continue }
                    // 1, 2, 4 and 7 are where a number may end.
                    if 0b1001_0110 >> detail & 1 == 0 { break scan }
                case .literal:
                    repeat {
                        guard stepLiteral(p[i]) else { break scan }
                        i &+= 1
                    } while detail != 0 && i < n
                    if detail != 0 { continue }
                case .nameByBytes:
                    if candidates == 0 {
                        i &+= cscan_json_string_skip(&detail, p + i, n &- i)
                    } else {
                        stepName(p[i], table)
                        i &+= 1
                    }
                    if detail == Self.bad { break scan }
                    if detail == Self.outside { phase = .colon }
                    continue

                default:
                    let c = p[i]
                    if c <= 0x20, c == 0x20 || c == 0x0A || c == 0x0D || c == 0x09 {
                        i &+= 1
                        continue
                    }
                    switch phase {
                    case .value:
                        valueStart = i
                        switch c {
                        case UInt8(ascii: "\""): begin(.string, .string, Self.inside, base, i, captures)
                        case UInt8(ascii: "{"), UInt8(ascii: "["):
                            let isObject = c == UInt8(ascii: "{")
                            begin(.nested, isObject ? .object : .array, 0, base, i, captures)
                            cscan_json_nest_open(&nest, isObject ? 1 : 0)
                        case UInt8(ascii: "t"): begin(.literal, .true, 1, base, i, captures)
                        case UInt8(ascii: "f"): begin(.literal, .false, 1, base, i, captures)
                        case UInt8(ascii: "n"): begin(.literal, .null, 1, base, i, captures)
                        case UInt8(ascii: "-"): begin(.number, .number, 0, base, i, captures)
                        case UInt8(ascii: "0"): begin(.number, .number, 1, base, i, captures)
                        case UInt8(ascii: "1")...UInt8(ascii: "9"): begin(.number, .number, 2, base, i, captures)
                        default: break scan
                        }
                    case .name, .firstName:
                        guard c == UInt8(ascii: "\"") else {
                            guard c == UInt8(ascii: "}"), phase == .firstName else { break scan }
                            closingBraceOffset = base &+ UInt64(truncatingIfNeeded: i)
                            phase = .finished
                            break
                        }
                        i &+= 1
                        let length = cscan_json_plain_run(p + i, n &- i)
                        if i &+ length < n, p[i &+ length] == UInt8(ascii: "\"") {
                            matched = Int8(truncatingIfNeeded: table.pointee.find(p + i, length, readable: n &- i))
                            i &+= length &+ 1
                            // Nearly always the colon is next.
                            phase = .colon
                            if i < n, p[i] == UInt8(ascii: ":") {
                                i &+= 1
                                phase = .value
                            }
                            continue
                        } else {
                            // Escaped or cut: byte by byte.
                            phase = .nameByBytes
                            detail = Self.inside
                            candidates = table.pointee.all
                            nameLength = 0
                            highSurrogate = 0
                            matched = -1
                            continue
                        }
                    case .colon:
                        guard c == UInt8(ascii: ":") else { break scan }
                        phase = .value
                    case .afterValue:
                        if c == UInt8(ascii: ",") {
                            phase = .name
                        } else if c == UInt8(ascii: "}") {
                            closingBraceOffset = base &+ UInt64(truncatingIfNeeded: i)
                            phase = .finished
                        } else {
                            break scan
                        }
                    case .start:
                        guard c == UInt8(ascii: "{") else {
                            phase = .notAnObject
                            return .notAnObject
                        }
                        phase = .firstName
                        insertionOffset = base &+ UInt64(truncatingIfNeeded: i) &+ 1
                    case .notAnObject:
                        return .notAnObject
                    default:
                        break scan
                    }
                    i &+= 1
                    continue
                }
                // A value ends here.
                let end = base &+ UInt64(truncatingIfNeeded: i)
                if matched >= 0 {
                    let capture = captures + Int(matched)
                    MemberCapture.record(capture, p + valueStart, i &- valueStart)
                    capture.pointee.finish(at: end)
                }
                insertionOffset = end
                phase = .afterValue
                if i < n, p[i] == UInt8(ascii: ",") {
                    i &+= 1
                    phase = .name
                }
            }

            switch phase {
            case .string, .nested, .number, .literal:
                if matched >= 0 { MemberCapture.record(captures + Int(matched), p + valueStart, n &- valueStart) }
            default:
                break
            }
            return state
        }
        // Whatever broke out of the scan is a fault in the text.
        phase = .malformed
        return .malformed
    }

    @inline(__always)
    private mutating func begin(
        _ phase: Phase, _ kind: MemberKind, _ detail: UInt8, _ base: UInt64, _ i: Int,
        _ captures: UnsafeMutablePointer<MemberCapture>
    ) {
        self.phase = phase
        self.detail = detail
        literal = kind
        if memberCount < .max { memberCount &+= 1 }
        if matched >= 0 { captures[Int(matched)].begin(kind, at: base &+ UInt64(truncatingIfNeeded: i)) }
    }

    /// Takes a byte of a number; false if it is not part of it. `detail` is the position in RFC 8259's grammar: 0 after
    /// the sign, 1 after a leading zero, 2 in the integer, 3 after the point, 4 in the fraction, 5 after the `e`, 6 after
    /// its sign, 7 in the exponent.
    @inline(__always)
    private mutating func stepNumber(_ c: UInt8) -> Bool {
        if c &- UInt8(ascii: "0") < 10 {
            switch detail {
            case 0: detail = c == UInt8(ascii: "0") ? 1 : 2
            case 1: return false
            case 3: detail = 4
            case 5, 6: detail = 7
            default: break
            }
            return true
        }
        switch c {
        case UInt8(ascii: "."):
            guard detail == 1 || detail == 2 else { return false }
            detail = 3
        case UInt8(ascii: "e"), UInt8(ascii: "E"):
            guard detail == 1 || detail == 2 || detail == 4 else { return false }
            detail = 5
        case UInt8(ascii: "+"), UInt8(ascii: "-"):
            guard detail == 5 else { return false }
            detail = 6
        default:
            return false
        }
        return true
    }

    /// Takes a byte of `true`, `false` or `null`; false if it does not belong. `detail` counts, and is 0 at the end.
    @inline(__always)
    private mutating func stepLiteral(_ c: UInt8) -> Bool {
        // The word, first letter lowest.
        let word: UInt64
        switch literal {
        case .true: word = 0x65_75_72_74
        case .false: word = 0x65_73_6C_61_66
        default: word = 0x6C_6C_75_6E
        }
        let rest = word >> UInt64(8 &* detail)
        guard c == UInt8(truncatingIfNeeded: rest) else { return false }
        detail = rest >> 8 == 0 ? 0 : detail &+ 1
        return true
    }

    /// Takes a byte of an escaped or cut name, closing quote included.
    private mutating func stepName(_ c: UInt8, _ table: UnsafePointer<MemberNames>) {
        switch detail {
        case Self.inside:
            if c == UInt8(ascii: "\\") {
                detail = Self.escape
            } else if c == UInt8(ascii: "\"") {
                detail = Self.outside
                if highSurrogate == 0 { matched = table.pointee.exact(candidates, length: nameLength) }
            } else if c < 0x20 {
                detail = Self.bad
            } else {
                pushName(c, table)
            }
        case Self.escape:
            detail = Self.inside
            switch c {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): pushName(c, table)
            case UInt8(ascii: "b"): pushName(0x08, table)
            case UInt8(ascii: "f"): pushName(0x0C, table)
            case UInt8(ascii: "n"): pushName(0x0A, table)
            case UInt8(ascii: "r"): pushName(0x0D, table)
            case UInt8(ascii: "t"): pushName(0x09, table)
            case UInt8(ascii: "u"):
                detail = Self.firstHexDigit
                codeUnit = 0
            default: detail = Self.bad
            }
        default:
            let digit = JSONEscape.hexDigit(c)
            guard digit >= 0 else {
                detail = Self.bad
                return
            }
            codeUnit = codeUnit << 4 | UInt16(truncatingIfNeeded: digit)
            detail = detail == Self.lastHexDigit ? Self.inside : detail &- 1
            if detail == Self.inside { pushCodeUnit(table) }
        }
    }

    private mutating func pushName(_ byte: UInt8, _ table: UnsafePointer<MemberNames>) {
        // A high surrogate that no low one follows: not a character, so not a name anybody can ask for.
        candidates = highSurrogate == 0 ? table.pointee.narrowed(candidates, byte, at: nameLength) : 0
        nameLength &+= 1
    }

    private mutating func pushCodeUnit(_ table: UnsafePointer<MemberNames>) {
        var character = JSONEscape()
        switch codeUnit & 0xFC00 {
        case 0xD800:
            if highSurrogate != 0 { candidates = 0 }
            highSurrogate = codeUnit
            return
        case 0xDC00:
            guard highSurrogate != 0 else {
                candidates = 0
                return
            }
            character.encode(0x10000 + (UInt32(highSurrogate & 0x3FF) << 10 | UInt32(codeUnit & 0x3FF)))
            highSurrogate = 0
        default:
            character.encode(UInt32(codeUnit))
        }
        var k = 0
        while k < character.count {
            pushName(character.byte(k), table)
            k &+= 1
        }
    }
}
