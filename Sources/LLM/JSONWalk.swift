import CScan
import JSON

/// Walks through JSON texts that arrive in pieces of any size and tells of what stands in the places that CScanLLM.h
/// lists; skips everything else. Texts may follow one another, and an array of root objects counts as those.
///
/// Keeps a bounded number of bytes and allocates nothing. Where nobody asks, only strings, brackets and the set of bytes
/// are checked, as `MemberScanner` does; UTF-8 is not validated. Member names compare after unescaping.
///
/// What is here to its end, which nearly everything is, is taken by `fg_walk_next`; what is cut, escaped where its text is
/// wanted, or a number that is wanted and more than digits, byte by byte here.
@usableFromInline struct JSONWalk: BitwiseCopyable, Sendable {
    /// As in CScanWalk.h: those before `string` are between tokens.
    enum Phase: UInt8, BitwiseCopyable, Sendable {
        case start, firstName, name, colon, value, firstElement, afterValue
        case string, nameByBytes, text, number, literal, nested, malformed
    }

    @usableFromInline var state = fg_walk()
    private var literal: UInt8 = 0
    private var tokenLength: UInt8 = 0
    private(set) var tokenIsCut = false
    private var codeUnit: UInt16 = 0
    private var highSurrogate: UInt16 = 0
    private var number = TokenNumber()
    private var nest = cscan_json_nest()
    /// The last member: what a walk that begins anew need not clear.
    private(set) var token: InlineArray<128, UInt8> = .init(repeating: 0)

    static var textOffset: Int { MemoryLayout<JSONWalk>.offset(of: \.token).unsafelyUnwrapped }

    /// The longest string that is kept when it comes in pieces; of a longer one its start.
    static var tokenCapacity: Int { 128 }
    private static var inside: UInt8 { 1 }
    private static var bad: UInt8 { 7 }

    init(root: Int) { state.root = UInt8(root) }

    /// The place that the texts are.
    var root: Int {
        get { Int(state.root) }
        set { state.root = UInt8(truncatingIfNeeded: newValue) }
    }

    @inline(__always)
    var phase: Phase {
        get { Phase(rawValue: state.phase).unsafelyUnwrapped }
        set { state.phase = newValue.rawValue }
    }
    @inline(__always)
    private var detail: UInt8 {
        get { state.detail }
        set { state.detail = newValue }
    }
    @inline(__always)
    private var place: UInt8 { state.place }
    @inline(__always)
    private var wants: UInt8 { state.wants }
    var depth: UInt8 { state.depth }
    /// This place is skipped although it is listed.
    var muted: UInt8 {
        get { state.muted }
        set { state.muted = newValue }
    }
    /// Bytes of the strings and containers that are to be counted.
    @inlinable
    var countedBytes: UInt64 {
        @inline(__always) get { state.counted }
        @inline(__always) set { state.counted = newValue }
    }
    /// Bytes of the strings that are to be counted apart.
    @inlinable
    var otherBytes: UInt64 {
        @inline(__always) get { state.other }
        @inline(__always) set { state.other = newValue }
    }
    /// Where the value that was begun last began.
    var valueStart: UInt64 { state.value_start }

    /// Forgets what is unfinished.
    @inline(__always)
    mutating func reset() {
        phase = .start
        state.depth = 0
    }

    /// Between texts: keeps bytes of something else where names and strings that are cut are kept, as many as fit.
    mutating func keep(_ p: UnsafePointer<UInt8>, _ n: Int, at start: Int) {
        var i = 0
        while i < n, start &+ i < Self.tokenCapacity {
            token[start &+ i] = p[i]
            i &+= 1
        }
    }

    /// Nothing is unfinished.
    @inlinable var isBetweenTexts: Bool { state.phase == UInt8(FG_WALK_START) && state.depth == 0 }

    /// Takes bytes from `p[0 ..< n]`, beginning at `i` and moving it on, up to the next event. To be called until it
    /// returns `.needMore` or `.malformed`. `base` is the offset of `p` in all that came.
    mutating func next(_ p: UnsafePointer<UInt8>, _ n: Int, _ i: inout Int, base: UInt64 = 0) -> WalkEvent {
        while i < n {
            if state.phase < UInt8(FG_WALK_WHOLE) {
                var found = fg_walk_found()
                fg_walk_next(&state, p, n, &i, base, &found)
                if let kind = WalkEvent.Kind(rawValue: found.kind) {
                    return WalkEvent(
                        kind: kind, place: found.place, start: Int(found.start), count: Int(found.count),
                        value: found.value)
                }
            }
            if let event = step(p, n, &i, base) { return event }
        }
        return WalkEvent(kind: .needMore)
    }

    /// Takes what `fg_walk_next` does not.
    @inline(never)
    private mutating func step(
        _ p: UnsafePointer<UInt8>, _ n: Int, _ i: inout Int, _ base: UInt64
    ) -> WalkEvent? {
        switch phase {
        case .string:
            let used = cscan_json_string_skip(&state.detail, p + i, n &- i)
            i &+= used
            if wants & UInt8(FG_WANT_COUNT) != 0 {
                countedBytes &+= UInt64(truncatingIfNeeded: detail == 0 ? used &- 1 : used)
            } else if wants & UInt8(FG_WANT_SIZE) != 0 {
                otherBytes &+= UInt64(truncatingIfNeeded: detail == 0 ? used &- 1 : used)
            }
            if detail != 0 { return detail == Self.bad ? fail() : nil }
            phase = .afterValue
            fg_walk_note_hole(
                &state, state.hole, UInt(bitPattern: p + (i &- 1)),
                wants & UInt8(FG_WANT_COUNT) != 0 ? UInt8(FG_HOLE_CONTENT) : UInt8(FG_HOLE_STRING))
        case .nested:
            let used = cscan_json_nest_skip(&nest, p + i, n &- i)
            i &+= used
            if wants & UInt8(FG_WANT_RAW) != 0 { countedBytes &+= UInt64(truncatingIfNeeded: used) }
            if wants & UInt8(FG_WANT_SIZE) != 0 { otherBytes &+= UInt64(truncatingIfNeeded: used) }
            if nest.depth != 0 { return nest.string_state == Self.bad ? fail() : nil }
            phase = .afterValue
        case .text:
            guard collect(p, n, &i) else { return detail == Self.bad ? fail() : nil }
            phase = .afterValue
            return WalkEvent(kind: .string, place: place, start: -1, count: Int(tokenLength))
        case .number:
            while i < n, number.step(p[i]) { i &+= 1 }
            if i == n { return nil }
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
            if detail != 0 { return nil }
            phase = .afterValue
            if wants & UInt8(FG_WANT_LITERAL) != 0, literal != UInt8(ascii: "n") {
                return WalkEvent(kind: .literal, place: place, value: literal == UInt8(ascii: "t") ? 1 : 0)
            }
        case .nameByBytes:
            guard collect(p, n, &i) else { return detail == Self.bad ? fail() : nil }
            let length = tokenIsCut ? Int(FG_LLM_LONGEST_NAME) &+ 1 : Int(tokenLength)
            let copy = token
            copy.span.withUnsafeBufferPointer { fg_walk_set_member(&state, $0.baseAddress!, length) }
            phase = .colon
        case .malformed:
            i = n
            return WalkEvent(kind: .malformed)
        case .name, .firstName:
            guard p[i] == UInt8(ascii: "\"") else { return fail() }
            i &+= 1
            phase = .nameByBytes
            beginToken()
        case .value:
            i &+= 1
            state.hole = UInt(bitPattern: p + i)
            return beginValue(p[i &- 1])
        case .start, .colon, .afterValue, .firstElement: return fail()
        }
        return nil
    }

    private mutating func fail() -> WalkEvent {
        phase = .malformed
        return WalkEvent(kind: .malformed)
    }

    /// A value begins with `c`, which is taken already.
    private mutating func beginValue(_ c: UInt8) -> WalkEvent? {
        let wanted: UInt8
        switch c {
        case UInt8(ascii: "\""):
            wanted = UInt8(FG_WANT_STRING | FG_WANT_COUNT | FG_WANT_SIZE)
            if wants & UInt8(FG_WANT_STRING) != 0 {
                phase = .text
                beginToken()
            } else {
                phase = .string
                detail = Self.inside
            }
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            wanted = UInt8(FG_WANT_DESCEND | FG_WANT_RAW)
            phase = .nested
            cscan_json_nest_open(&nest, c == UInt8(ascii: "{") ? 1 : 0)
            if wants & UInt8(FG_WANT_RAW | FG_WANT_EDGES) == UInt8(FG_WANT_RAW | FG_WANT_EDGES) {
                return WalkEvent(kind: .begin, place: place)
            }
        case UInt8(ascii: "t"), UInt8(ascii: "f"), UInt8(ascii: "n"):
            wanted = c == UInt8(ascii: "n") ? 0 : UInt8(FG_WANT_LITERAL)
            literal = c
            phase = .literal
            detail = 1
        default:
            wanted = UInt8(FG_WANT_NUMBER)
            guard let begun = TokenNumber(first: c) else { return fail() }
            number = begun
            phase = .number
        }
        return place != 0 && wants & wanted == 0 ? WalkEvent(kind: .cleared, place: place) : nil
    }

    /// What the number in this place counts: tokens, milliseconds, micro-units; -1 if it is no such count.
    @inline(__always)
    private var numberValue: Int64 {
        if place >= UInt8(FG_LLM_FIELD + FG_USAGE_SECONDS) {
            return number.scaled(place == UInt8(FG_LLM_FIELD + FG_USAGE_COST) ? 6 : 3) ?? -1
        }
        return (place == UInt8(FG_LLM_COST) ? number.scaled(6) : number.count) ?? -1
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
