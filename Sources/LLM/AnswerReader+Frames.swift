/// Where in a row of frames (`application/vnd.amazon.eventstream`) a reader stands. A frame is its length and that of its
/// headers (four bytes each, most significant first), a check sum of those, headers, a payload, and a check sum of all.
struct EventFrame: BitwiseCopyable, Sendable {
    /// What the payload is: not known yet, JSON, JSON in Base64 as the member `bytes`, or of no interest.
    enum Payload: UInt8, BitwiseCopyable, Sendable { case begins, json, wrapped, over }
    /// What comes next of a header: the length of its name (a byte), that, its value's type (a byte), its length (two bytes,
    /// of strings and bytes), its value.
    enum Header: UInt8, BitwiseCopyable, Sendable { case nameLength, name, type, valueLength, valueLengthEnd, value }

    /// Bytes seen of the frame.
    var position: UInt32 = 0
    var length: UInt32 = 0
    var headersLength: UInt32 = 0
    /// Base64's digits so far. Before the payload: bytes of a header that are still to come.
    var bits: UInt32 = 0
    /// How many digits. Before the payload: how many bytes of a header's name or value came, as far as they are kept.
    var digits: UInt8 = 0
    /// The lengths contradict one another: there is no telling where the next frame begins.
    var isBroken = false
    var payload = Payload.begins
    var header = Header.nameLength
    /// The header that is being read names an error.
    var namesError = false
    /// One of its headers has told of an error, whatever its payload is.
    var tellsError = false
    /// Of `{"bytes":"`.
    var matched: UInt8 = 0

    static var preludeLength: UInt32 { 12 }
    static var checkLength: UInt32 { 4 }
    /// Bedrock's own limit is below this.
    static var maxLength: UInt32 { 1 << 25 }
}

/// From frames to the JSON texts in them. Check sums are not looked at: TCP and TLS have theirs.
extension AnswerReader {
    mutating func feedFrames(_ p: UnsafePointer<UInt8>, _ n: Int) {
        var i = 0
        while i < n, !frame.isBroken {
            if frame.position < EventFrame.preludeLength {
                takePrelude(p[i])
                i &+= 1
                continue
            }
            let payloadStart = EventFrame.preludeLength &+ frame.headersLength
            let payloadEnd = frame.length &- EventFrame.checkLength
            let limit =
                frame.position < payloadStart
                ? payloadStart : frame.position < payloadEnd ? payloadEnd : frame.length
            let count = min(n &- i, Int(limit &- frame.position))
            if frame.position < payloadStart {
                takeHeaders(p + i, count)
            } else if frame.position < payloadEnd {
                if frame.position == payloadStart { (frame.bits, frame.digits) = (0, 0) }
                takePayload(p + i, count)
            }
            i &+= count
            frame.position &+= UInt32(truncatingIfNeeded: count)
            if frame.position == frame.length { endFrame() }
        }
    }

    private mutating func takePrelude(_ c: UInt8) {
        if frame.position < 4 {
            frame.length = frame.length << 8 | UInt32(c)
        } else if frame.position < 8 {
            frame.headersLength = frame.headersLength << 8 | UInt32(c)
        }
        frame.position &+= 1
        guard frame.position == EventFrame.preludeLength else { return }
        let least = EventFrame.preludeLength &+ EventFrame.checkLength
        if frame.length < least || frame.length > EventFrame.maxLength || frame.headersLength > frame.length &- least {
            frame.isBroken = true
        }
    }

    /// An exception is told by its header's name (`:exception-type`, else `:error-code`); its payload says it in words only.
    private mutating func takeHeaders(_ p: UnsafePointer<UInt8>, _ n: Int) {
        var i = 0
        while i < n {
            let c = p[i]
            switch frame.header {
            case .nameLength:
                (frame.bits, frame.digits) = (UInt32(c), 0)
                frame.namesError = c == 15 || c == 11
                frame.header = c == 0 ? .type : .name
            case .name:
                if frame.namesError {
                    let isException = frame.bits &+ UInt32(frame.digits) == 15
                    let name: StaticString = isException ? ":exception-type" : ":error-code"
                    frame.namesError = c == name.utf8Start[Int(frame.digits)]
                }
                frame.bits &-= 1
                frame.digits &+= 1
                if frame.bits == 0 { frame.header = .type }
            case .type:
                frame.digits = 0
                frame.bits = Self.width(ofType: c)
                if c == 6 || c == 7 {
                    frame.header = .valueLength
                } else {
                    frame.header = frame.bits == 0 ? .nameLength : .value
                }
            case .valueLength:
                frame.bits = UInt32(c) << 8
                frame.header = .valueLengthEnd
            case .valueLengthEnd:
                frame.bits |= UInt32(c)
                frame.header = .value
                if frame.bits == 0 { endHeader() }
            case .value:
                let count = min(n &- i, Int(frame.bits))
                if frame.namesError { walk.keep(p + i, count, at: Int(frame.digits)) }
                frame.bits &-= UInt32(truncatingIfNeeded: count)
                frame.digits = UInt8(truncatingIfNeeded: min(Int(frame.digits) &+ count, JSONWalk.tokenCapacity))
                i &+= count
                if frame.bits == 0 { endHeader() }
                continue
            }
            i &+= 1
        }
    }

    /// Of what is neither a string nor bytes.
    private static func width(ofType type: UInt8) -> UInt32 {
        switch type {
        case 2: 1
        case 3: 2
        case 4: 4
        case 5, 8: 8
        case 9: 16
        default: 0
        }
    }

    private mutating func endHeader() {
        if frame.namesError {
            frame.tellsError = true
            let copy = walk.token
            let count = Int(frame.digits)
            copy.span.withUnsafeBufferPointer { takeException($0.baseAddress!, count) }
        }
        frame.header = .nameLength
        frame.namesError = false
        (frame.bits, frame.digits) = (0, 0)
    }

    private mutating func endFrame() {
        // Without a payload that is JSON nobody else would say it.
        if frame.tellsError, eventHasError {
            fields.removeAll()
            commit()
        }
        frame = EventFrame()
        walk.reset()
        beginDocument()
    }

    private mutating func takePayload(_ p: UnsafePointer<UInt8>, _ n: Int) {
        var i = 0
        while i < n {
            switch frame.payload {
            case .begins:
                let wrapping: StaticString = "{\"bytes\":\""
                if p[i] == wrapping.utf8Start[Int(frame.matched)] {
                    frame.matched &+= 1
                    i &+= 1
                    if Int(frame.matched) == wrapping.utf8CodeUnitCount { frame.payload = .wrapped }
                } else if p[i] == 0x20, frame.matched == 1 || frame.matched == 8 || frame.matched == 9 {
                    // Between the brace, the name, the colon and the value.
                    i &+= 1
                } else {
                    frame.payload = .json
                    read(wrapping.utf8Start, Int(frame.matched))
                }
            case .json:
                read(p + i, n &- i)
                return
            case .wrapped: takeWrapped(p, n, &i)
            case .over: return
            }
        }
    }

    /// RFC 4648 §4, up to the string's end.
    private mutating func takeWrapped(_ p: UnsafePointer<UInt8>, _ n: Int, _ i: inout Int) {
        var plain: InlineArray<96, UInt8> = .init(repeating: 0)
        var count = 0
        while i < n, count <= 93 {
            let digit = Self.base64(p[i])
            i &+= 1
            guard digit >= 0 else {
                // The rest of three bytes that are not full.
                if frame.digits >= 2 {
                    plain[count] = UInt8(truncatingIfNeeded: frame.bits >> (frame.digits == 2 ? 4 : 10))
                    count &+= 1
                }
                if frame.digits == 3 {
                    plain[count] = UInt8(truncatingIfNeeded: frame.bits >> 2)
                    count &+= 1
                }
                frame.payload = .over
                break
            }
            frame.bits = frame.bits << 6 | UInt32(digit)
            frame.digits &+= 1
            if frame.digits == 4 {
                plain[count] = UInt8(truncatingIfNeeded: frame.bits >> 16)
                plain[count &+ 1] = UInt8(truncatingIfNeeded: frame.bits >> 8)
                plain[count &+ 2] = UInt8(truncatingIfNeeded: frame.bits)
                count &+= 3
                (frame.bits, frame.digits) = (0, 0)
            }
        }
        let copy = plain
        copy.span.withUnsafeBufferPointer { read($0.baseAddress!, count) }
    }

    private static func base64(_ c: UInt8) -> Int32 {
        switch c {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): Int32(c) - 65
        case UInt8(ascii: "a")...UInt8(ascii: "z"): Int32(c) - 71
        case UInt8(ascii: "0")...UInt8(ascii: "9"): Int32(c) + 4
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: -1
        }
    }
}
