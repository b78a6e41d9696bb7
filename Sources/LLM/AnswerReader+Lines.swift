import CScan

/// From the bytes of a body to the JSON texts in it.
extension AnswerReader {
    private static var dataColumn: UInt8 { 5 }
    private static var otherColumn: UInt8 { 6 }
    static var doneIsOver: UInt8 { 7 }
    /// `data` stands there without its colon: a line feed would make it an empty field.
    static var columnBeforeColon: UInt8 { 4 }

    /// Takes the next `n` bytes of the body. Of one that cannot be read they are counted as text is.
    public mutating func feed(_ p: UnsafePointer<UInt8>, _ n: Int) {
        var i = 0
        if framing == .eventStream { return feedFrames(p, n) }
        if !isSniffed { sniff(p, n, &i) }
        if i == n { return }
        switch framing {
        case .sse: feedEvents(p, n, from: i)
        case .json: read(p + i, n &- i)
        case .ndjson: feedLines(p, n, from: i)
        case .unreadable: walk.countedBytes &+= UInt64(n &- i)
        case .eventStream: break
        }
    }

    /// Looks at the first byte that is no white space: some call a stream JSON, or send an error as JSON under a stream's
    /// type. A byte order mark is skipped.
    private mutating func sniff(_ p: UnsafePointer<UInt8>, _ n: Int, _ i: inout Int) {
        while i < n {
            let c = p[i]
            if markBytes < 3, c == (markBytes == 0 ? 0xEF : markBytes == 1 ? 0xBB : 0xBF) {
                markBytes &+= 1
                i &+= 1
                continue
            }
            if c == 0x20 || c == 0x09 || c == 0x0A || c == 0x0D {
                i &+= 1
                continue
            }
            isSniffed = true
            // JSON in UTF-16 or UTF-32, by its mark or by its first character's other bytes.
            if c == 0xFE || c == 0xFF || c == 0 {
                framing = .unreadable
                return
            }
            switch c {
            case UInt8(ascii: "{"), UInt8(ascii: "["): if framing == .sse { framing = .json }
            case UInt8(ascii: ":"), UInt8(ascii: "d"), UInt8(ascii: "e"), UInt8(ascii: "i"), UInt8(ascii: "r"):
                framing = .sse
            default: break
            }
            return
        }
    }

    /// A line that is no JSON does not spoil the next.
    private mutating func feedLines(_ p: UnsafePointer<UInt8>, _ n: Int, from start: Int) {
        var i = start
        while i < n {
            let end = fg_find_line_feed(p, i, n)
            read(p + i, end &- i)
            if end < n, walk.phase == .malformed {
                walk.reset()
                beginDocument()
            }
            i = min(end &+ 1, n)
        }
    }

    /// WHATWG HTML §9.2.6: lines end in LF, CRLF or CR; an empty one ends an event; its `data` lines are its text.
    private mutating func feedEvents(_ p: UnsafePointer<UInt8>, _ n: Int, from start: Int) {
        var i = start
        while i < n {
            if afterCarriageReturn {
                afterCarriageReturn = false
                if p[i] == 0x0A {
                    i &+= 1
                    continue
                }
            }
            if column < Self.dataColumn {
                if column == 0, n &- i >= 5, p[i &+ 4] == UInt8(ascii: ":"),
                    UnsafeRawPointer(p + i).loadUnaligned(as: UInt32.self) == 0x61_74_61_64  // "data", lowest first
                {
                    i &+= 5
                    beginData()
                } else if !matchColumn(p[i]) {
                    i &+= 1
                    continue
                }
            }
            let end = fg_find_line_end(p, i, n)
            if column == Self.dataColumn { readData(p + i, end &- i) }
            i = end
            if i < n {
                if column == 0 { endEvent() }
                column = 0
                afterCarriageReturn = p[i] == 0x0D
                i &+= 1
            }
        }
    }

    /// Takes a byte of a field's name; false if the name goes on. At a line's end it leaves the byte to the caller.
    private mutating func matchColumn(_ c: UInt8) -> Bool {
        if c == 0x0A || c == 0x0D { return true }
        let expected: UInt8
        switch column {
        case 0: expected = UInt8(ascii: "d")
        case 1, 3: expected = UInt8(ascii: "a")
        case 2: expected = UInt8(ascii: "t")
        default: expected = UInt8(ascii: ":")
        }
        if c != expected {
            column = Self.otherColumn
            return true
        }
        if column == 4 { beginData() } else { column &+= 1 }
        return false
    }

    private mutating func beginData() {
        column = Self.dataColumn
        if hasData {
            // Lines of one event belong together.
            withUnsafePointer(to: UInt8(0x0A)) { read($0, 1) }
        } else {
            hasData = true
            doneMatched = 0
        }
    }

    /// Takes bytes of a data line: JSON, or `[DONE]`.
    private mutating func readData(_ p: UnsafePointer<UInt8>, _ n: Int) {
        var i = 0
        if doneMatched < Self.doneIsOver {
            let done: StaticString = "[DONE]"
            while i < n, doneMatched < 6 {
                if doneMatched == 0, p[i] == 0x20 {
                    i &+= 1
                } else if p[i] == done.utf8Start[Int(doneMatched)] {
                    doneMatched &+= 1
                    i &+= 1
                } else {
                    if doneMatched > 0 { read(done.utf8Start, Int(doneMatched)) }
                    doneMatched = Self.doneIsOver
                    break
                }
            }
            if doneMatched == 6 {
                (sawEnd, sawLastEvent) = (true, true)
                return
            }
        }
        if i < n { read(p + i, n &- i) }
    }

    private mutating func endEvent() {
        guard hasData else { return }
        hasData = false
        walk.reset()
        beginDocument()
    }
}
