import CScan
import JSON

/// Walks through JSON texts that arrive in pieces of any size and tells of what stands in the places that CScanLLM.h
/// lists; skips everything else. Texts may follow one another, and an array of root objects counts as those.
///
/// Keeps a bounded number of bytes and allocates nothing. Where nobody asks, only strings, brackets and the set of bytes
/// are checked, as `MemberScanner` does; UTF-8 is not validated. Member names compare after unescaping.
@usableFromInline struct JSONWalk: BitwiseCopyable, Sendable {
    @usableFromInline enum Phase: UInt8, BitwiseCopyable, Sendable {
        case start, firstName, name, nameByBytes, colon, value, firstElement, afterValue
        case string, text, number, literal, nested, malformed
    }

    @usableFromInline private(set) var phase: Phase = .start
    /// Within a string its CSCAN_JSON_… state; within a literal the position.
    private var detail: UInt8 = 0
    private var place: UInt8 = 0
    private var wants: UInt8 = 0
    @usableFromInline private(set) var depth: UInt8 = 0
    private let root: UInt8
    /// This place is skipped although it is listed.
    var muted: UInt8 = 0
    private var literal: UInt8 = 0
    private var tokenLength: UInt8 = 0
    private(set) var tokenIsCut = false
    private var codeUnit: UInt16 = 0
    private var highSurrogate: UInt16 = 0
    private var number = TokenNumber()
    /// Bytes of the strings and containers that are to be counted.
    @usableFromInline var countedBytes: UInt64 = 0
    /// Address of the draft of an `EventShape` that is told of values nobody asks about; 0: none.
    private var draft: UInt = 0
    private var draftBase: UInt = 0
    /// Where the string or number that was begun last began.
    private var holeStart: UInt = 0
    /// Where the value that was begun last began.
    private(set) var valueStart: UInt64 = 0
    /// The open containers: their places, and `objectBit` for an object.
    private var stack: InlineArray<16, UInt8> = .init(repeating: 0)
    private var nest = cscan_json_nest()
    private(set) var token: InlineArray<128, UInt8> = .init(repeating: 0)

    /// The longest string that is kept when it comes in pieces; of a longer one its start.
    static var tokenCapacity: Int { 128 }
    private static var objectBit: UInt8 { 0x80 }
    private static var maxDepth: UInt8 { 16 }
    private static var inside: UInt8 { 1 }
    private static var bad: UInt8 { 7 }

    init(root: Int) { self.root = UInt8(root) }

    /// Forgets what is unfinished.
    @inline(__always)
    mutating func reset() {
        phase = .start
        depth = 0
    }

    /// Nothing is unfinished.
    @inlinable var isBetweenTexts: Bool { phase == .start && depth == 0 }

    /// Takes bytes from `p[0 ..< n]`, beginning at `i` and moving it on, up to the next event. To be called until it
    /// returns `.needMore` or `.malformed`. `base` is the offset of `p` in all that came.
    mutating func next(_ p: UnsafePointer<UInt8>, _ n: Int, _ i: inout Int, base: UInt64 = 0) -> WalkEvent {
        while i < n {
            switch phase {
            case .string:
                let used = cscan_json_string_skip(&detail, p + i, n &- i)
                i &+= used
                if wants & UInt8(FG_WANT_COUNT) != 0 {
                    countedBytes &+= UInt64(truncatingIfNeeded: detail == 0 ? used &- 1 : used)
                }
                if detail != 0 {
                    if detail == Self.bad { return fail() }
                    continue
                }
                phase = .afterValue
                if draft != 0 {
                    noteHole(
                        end: p + (i &- 1),
                        wants & UInt8(FG_WANT_COUNT) != 0 ? UInt8(FG_HOLE_CONTENT) : UInt8(FG_HOLE_STRING))
                }
            case .nested:
                let used = cscan_json_nest_skip(&nest, p + i, n &- i)
                i &+= used
                if wants & UInt8(FG_WANT_RAW) != 0 { countedBytes &+= UInt64(truncatingIfNeeded: used) }
                if nest.depth != 0 {
                    if nest.string_state == Self.bad { return fail() }
                    continue
                }
                phase = .afterValue
            case .text:
                guard collect(p, n, &i) else {
                    if detail == Self.bad { return fail() }
                    continue
                }
                phase = .afterValue
                return WalkEvent(kind: .string, place: place, start: -1, count: Int(tokenLength))
            case .number:
                while i < n, number.step(p[i]) { i &+= 1 }
                if i == n { continue }
                if !number.isComplete { return fail() }
                phase = .afterValue
                if wants & UInt8(FG_WANT_NUMBER) != 0 {
                    return WalkEvent(kind: .number, place: place, value: numberValue)
                }
            case .literal:
                repeat {
                    guard stepLiteral(p[i]) else { return fail() }
                    i &+= 1
                } while detail != 0 && i < n
                if detail != 0 { continue }
                phase = .afterValue
                if wants & UInt8(FG_WANT_LITERAL) != 0, literal != UInt8(ascii: "n") {
                    return WalkEvent(kind: .literal, place: place, value: literal == UInt8(ascii: "t") ? 1 : 0)
                }
            case .nameByBytes:
                guard collect(p, n, &i) else {
                    if detail == Self.bad { return fail() }
                    continue
                }
                let length = tokenIsCut ? Int(FG_LLM_LONGEST_NAME) &+ 1 : Int(tokenLength)
                let copy = token
                setMember(copy.span.withUnsafeBufferPointer { member($0.baseAddress!, length) })
                phase = .colon
            case .malformed:
                i = n
                return WalkEvent(kind: .malformed)
            default:
                let c = p[i]
                if c <= 0x20, c == 0x20 || c == 0x0A || c == 0x0D || c == 0x09 {
                    i &+= 1
                    continue
                }
                i &+= 1
                switch phase {
                case .value:
                    valueStart = base &+ UInt64(truncatingIfNeeded: i &- 1)
                    if let event = beginValue(c, p, n, &i) { return event }
                case .name, .firstName:
                    if c == UInt8(ascii: "\"") {
                        beginName(p, n, &i)
                    } else if c == UInt8(ascii: "}"), phase == .firstName {
                        if let event = pop() { return event }
                    } else {
                        return fail()
                    }
                case .colon:
                    if c != UInt8(ascii: ":") { return fail() }
                    phase = .value
                case .afterValue:
                    let top = stack[Int(depth &- 1)]
                    let isObject = top & Self.objectBit != 0
                    if c == UInt8(ascii: ",") {
                        if isObject { phase = .name } else { beginElement(top) }
                    } else if c == (isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
                        if let event = pop() { return event }
                    } else {
                        return fail()
                    }
                case .firstElement:
                    if c == UInt8(ascii: "]") {
                        if let event = pop() { return event }
                    } else {
                        beginElement(stack[Int(depth &- 1)])
                        i &-= 1
                    }
                case .start:
                    setMember(root)
                    guard c == UInt8(ascii: "{") || c == UInt8(ascii: "[") else { return fail() }
                    if let event = beginValue(c, p, n, &i) { return event }
                default: return fail()
                }
            }
        }
        return WalkEvent(kind: .needMore)
    }

    private mutating func fail() -> WalkEvent {
        phase = .malformed
        return WalkEvent(kind: .malformed)
    }

    /// The value that follows is in `place`.
    @inline(__always)
    private mutating func setMember(_ place: UInt8) {
        self.place = place == muted ? 0 : place
        wants = fg_llm_wants(self.place)
    }

    @inline(__always)
    private func member(_ p: UnsafePointer<UInt8>, _ n: Int) -> UInt8 {
        fg_llm_member(stack[Int(depth &- 1)] & ~Self.objectBit, p, n)
    }

    @inline(__always)
    private mutating func beginElement(_ container: UInt8) {
        setMember(container)
        phase = .value
    }

    /// A name begins behind its quote. Nearly always it is plain and here to its end, and the colon with it.
    @inline(__always)
    private mutating func beginName(_ p: UnsafePointer<UInt8>, _ n: Int, _ i: inout Int) {
        let length = cscan_json_plain_run(p + i, n &- i)
        guard i &+ length < n, p[i &+ length] == UInt8(ascii: "\"") else {
            phase = .nameByBytes
            beginToken()
            return
        }
        setMember(member(p + i, length))
        i &+= length &+ 1
        phase = .colon
        if i < n, p[i] == UInt8(ascii: ":") {
            i &+= 1
            phase = .value
        }
    }

    /// A value begins with `c`, which is taken already.
    @inline(__always)
    private mutating func beginValue(
        _ c: UInt8, _ p: UnsafePointer<UInt8>, _ n: Int, _ i: inout Int
    ) -> WalkEvent? {
        let wanted: UInt8
        switch c {
        case UInt8(ascii: "\""):
            wanted = UInt8(FG_WANT_STRING | FG_WANT_COUNT)
            if wants & UInt8(FG_WANT_STRING) != 0 {
                let length = cscan_json_plain_run(p + i, n &- i)
                if i &+ length < n, p[i &+ length] == UInt8(ascii: "\"") {
                    let start = i
                    i &+= length &+ 1
                    phase = .afterValue
                    return WalkEvent(kind: .string, place: place, start: start, count: length)
                }
                phase = .text
                beginToken()
            } else {
                phase = .string
                detail = Self.inside
                if draft != 0 { holeStart = UInt(bitPattern: p + i) }
                if wants & UInt8(FG_WANT_COUNT | FG_WANT_EDGES) == UInt8(FG_WANT_COUNT | FG_WANT_EDGES) {
                    return WalkEvent(kind: .begin, place: place)
                }
            }
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            let isObject = c == UInt8(ascii: "{")
            wanted = UInt8(FG_WANT_DESCEND | FG_WANT_RAW)
            if wants & UInt8(FG_WANT_DESCEND) != 0, depth < Self.maxDepth {
                stack[Int(depth)] = isObject ? place | Self.objectBit : place
                depth &+= 1
                phase = isObject ? .firstName : .firstElement
                if wants & UInt8(FG_WANT_EDGES) == 0 { return nil }
                return WalkEvent(kind: isObject ? .begin : .array, place: place)
            }
            phase = .nested
            cscan_json_nest_open(&nest, isObject ? 1 : 0)
            if wants & UInt8(FG_WANT_RAW | FG_WANT_EDGES) == UInt8(FG_WANT_RAW | FG_WANT_EDGES) {
                return WalkEvent(kind: .begin, place: place)
            }
        case UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "n"):
            wanted = c == UInt8(ascii: "n") ? 0 : UInt8(FG_WANT_LITERAL)
            literal = c
            if takeLiteral(c, p, n, &i) {
                phase = .afterValue
                if place != 0, wants & UInt8(FG_WANT_LITERAL) != 0, c != UInt8(ascii: "n") {
                    return WalkEvent(kind: .literal, place: place, value: c == UInt8(ascii: "t") ? 1 : 0)
                }
            } else {
                phase = .literal
                detail = 1
            }
        default:
            wanted = UInt8(FG_WANT_NUMBER)
            // Seconds and money have a scale of their own.
            let isPlain =
                wants & wanted == 0
                || (place >= UInt8(FG_LLM_FIELD) && place < UInt8(FG_LLM_FIELD + FG_USAGE_SECONDS))
            let digits = isPlain && c != UInt8(ascii: "0") && c &- UInt8(ascii: "0") < 10 ? plainDigits(c, p, n, i) : 0
            if digits > 0 {
                if draft != 0, wants & wanted == 0 {
                    holeStart = UInt(bitPattern: p + (i &- 1))
                    noteHole(end: p + (i &+ digits &- 1), UInt8(FG_HOLE_NUMBER))
                }
                let value = wants & wanted == 0 ? 0 : Self.value(p + (i &- 1), digits)
                i &+= digits &- 1
                phase = .afterValue
                if wants & wanted != 0 { return WalkEvent(kind: .number, place: place, value: value) }
            } else {
                guard let begun = TokenNumber(first: c) else { return fail() }
                number = begun
                phase = .number
            }
        }
        if place != 0, wants & wanted == 0 { return WalkEvent(kind: .cleared, place: place) }
        return nil
    }

    /// The digits of a whole number that begins with `c`, which is taken already, if it is a short one and ends here.
    @inline(__always)
    private func plainDigits(_ c: UInt8, _ p: UnsafePointer<UInt8>, _ n: Int, _ i: Int) -> Int {
        var k = i
        while k < n, p[k] &- UInt8(ascii: "0") < 10 { k &+= 1 }
        guard k < n, k &- i < 12 else { return 0 }
        switch p[k] {
        case UInt8(ascii: ","), UInt8(ascii: "}"), UInt8(ascii: "]"), 0x20, 0x0A, 0x0D: return k &- i &+ 1
        default: return 0
        }
    }

    /// The count in so many digits, or -1: `TokenNumber.count`.
    private static func value(_ p: UnsafePointer<UInt8>, _ digits: Int) -> Int64 {
        var value: Int64 = 0
        var k = 0
        while k < digits {
            value = value &* 10 &+ Int64(p[k] &- UInt8(ascii: "0"))
            k &+= 1
        }
        return value > TokenUsage.limit ? -1 : value
    }

    /// `true`, `false` or `null` that begins with `c`, which is taken already, and is here as a whole.
    @inline(__always)
    private func takeLiteral(_ c: UInt8, _ p: UnsafePointer<UInt8>, _ n: Int, _ i: inout Int) -> Bool {
        guard n &- i >= 4 else { return false }
        // The first letter lowest.
        let word = UnsafeRawPointer(p + (i &- 1)).loadUnaligned(as: UInt32.self)
        switch c {
        case UInt8(ascii: "n"):
            guard word == 0x6C_6C_75_6E else { return false }
            i &+= 3
        case UInt8(ascii: "t"):
            guard word == 0x65_75_72_74 else { return false }
            i &+= 3
        default:
            guard word == 0x73_6C_61_66, p[i &+ 3] == UInt8(ascii: "e") else { return false }
            i &+= 4
        }
        return true
    }

    /// What the number in this place counts: tokens, milliseconds, micro-units; -1 if it is no such count.
    @inline(__always)
    private var numberValue: Int64 {
        if place >= UInt8(FG_LLM_FIELD + FG_USAGE_SECONDS) {
            return number.scaled(place == UInt8(FG_LLM_FIELD + FG_USAGE_COST) ? 6 : 3) ?? -1
        }
        return (place == UInt8(FG_LLM_COST) ? number.scaled(6) : number.count) ?? -1
    }

    /// The innermost container ends.
    @inline(__always)
    private mutating func pop() -> WalkEvent? {
        depth &-= 1
        let top = stack[Int(depth)]
        phase = depth == 0 ? .start : .afterValue
        guard top & Self.objectBit != 0 else { return nil }
        let closed = top & ~Self.objectBit
        if closed == root { return WalkEvent(kind: .document) }
        if fg_llm_wants(closed) & UInt8(FG_WANT_EDGES) != 0 { return WalkEvent(kind: .end, place: closed) }
        return nil
    }

    /// Takes a byte of `true`, `false` or `null`; false if it does not belong. `detail` counts, and is 0 at the end.
    @inline(__always)
    private mutating func stepLiteral(_ c: UInt8) -> Bool {
        let word: UInt64  // the first letter lowest
        switch literal {
        case UInt8(ascii: "t"): word = 0x65_75_72_74
        case UInt8(ascii: "f"): word = 0x65_73_6C_61_66
        default: word = 0x6C_6C_75_6E
        }
        let rest = word >> UInt64(8 &* detail)
        guard c == UInt8(truncatingIfNeeded: rest) else { return false }
        detail = rest >> 8 == 0 ? 0 : detail &+ 1
        return true
    }
}

// MARK: Strings that are cut or escaped

extension JSONWalk {
    private mutating func beginToken() {
        detail = Self.inside
        tokenLength = 0
        tokenIsCut = false
        highSurrogate = 0
    }

    private mutating func push(_ byte: UInt8) {
        if Int(tokenLength) == Self.tokenCapacity {
            tokenIsCut = true
        } else {
            token[Int(tokenLength)] = byte
            tokenLength &+= 1
        }
    }

    /// Takes bytes of a string into `token`, unescaped; true once its quote has closed it.
    private mutating func collect(_ p: UnsafePointer<UInt8>, _ n: Int, _ i: inout Int) -> Bool {
        while i < n {
            let c = p[i]
            i &+= 1
            switch detail {
            case Self.inside:
                if c == UInt8(ascii: "\"") {
                    flushSurrogate()
                    detail = 0
                    return true
                }
                if c == UInt8(ascii: "\\") {
                    detail = 2
                } else if c < 0x20 {
                    detail = Self.bad
                    return false
                } else {
                    flushSurrogate()
                    push(c)
                }
            case 2:
                detail = Self.inside
                let byte: UInt8
                switch c {
                case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): byte = c
                case UInt8(ascii: "b"): byte = 0x08
                case UInt8(ascii: "f"): byte = 0x0C
                case UInt8(ascii: "n"): byte = 0x0A
                case UInt8(ascii: "r"): byte = 0x0D
                case UInt8(ascii: "t"): byte = 0x09
                case UInt8(ascii: "u"):
                    detail = 6
                    codeUnit = 0
                    continue
                default:
                    detail = Self.bad
                    return false
                }
                flushSurrogate()
                push(byte)
            default:
                let digit = fg_hex_value(c)
                guard digit >= 0 else {
                    detail = Self.bad
                    return false
                }
                codeUnit = codeUnit << 4 | UInt16(truncatingIfNeeded: digit)
                detail = detail == 3 ? Self.inside : detail &- 1
                if detail == Self.inside { pushCodeUnit() }
            }
        }
        return false
    }

    /// A surrogate without its other half is no character: it stands as U+FFFD, which equals no name.
    private mutating func flushSurrogate() {
        guard highSurrogate != 0 else { return }
        highSurrogate = 0
        pushScalar(0xFFFD)
    }

    private mutating func pushCodeUnit() {
        switch codeUnit & 0xFC00 {
        case 0xD800:
            flushSurrogate()
            highSurrogate = codeUnit
        case 0xDC00:
            if highSurrogate == 0 {
                pushScalar(0xFFFD)
            } else {
                pushScalar(0x10000 &+ (UInt32(highSurrogate & 0x3FF) << 10) &+ UInt32(codeUnit & 0x3FF))
                highSurrogate = 0
            }
        default:
            flushSurrogate()
            pushScalar(UInt32(codeUnit))
        }
    }

    private mutating func pushScalar(_ scalar: UInt32) {
        if scalar < 0x80 {
            push(UInt8(scalar))
        } else if scalar < 0x800 {
            push(UInt8(0xC0 | scalar >> 6))
            push(UInt8(0x80 | scalar & 0x3F))
        } else {
            if scalar < 0x10000 {
                push(UInt8(0xE0 | scalar >> 12))
            } else {
                push(UInt8(0xF0 | scalar >> 18))
                push(UInt8(0x80 | scalar >> 12 & 0x3F))
            }
            push(UInt8(0x80 | scalar >> 6 & 0x3F))
            push(UInt8(0x80 | scalar & 0x3F))
        }
    }
}

// MARK: Shapes

extension JSONWalk {
    /// From now on values that nobody asks about are noted as holes in what begins at `start`.
    mutating func trace(_ draft: UnsafeMutableRawPointer, from start: UnsafePointer<UInt8>) {
        self.draft = UInt(bitPattern: draft)
        draftBase = UInt(bitPattern: start)
    }

    mutating func endTrace() { draft = 0 }

    private func noteHole(end: UnsafePointer<UInt8>, _ kind: UInt8) {
        guard let draft = UnsafeMutableRawPointer(bitPattern: draft) else { return }
        fg_shape_add(draft, Int(holeStart &- draftBase), Int(UInt(bitPattern: end) &- draftBase), kind)
    }
}
