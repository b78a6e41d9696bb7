import CScan
import Glibc

/// Takes the chunk with the usage out of an OpenAI-style event stream, for a client that did not ask for it: the event
/// whose `choices` is an empty array and whose `usage` is an object with numbers. All other bytes pass as they are.
///
/// Bytes are held back only as long as their event may still be that one: an ordinary chunk is known by the first element
/// of its `choices`, most often in the same piece. What is held lies in the caller's buffer; an event that does not fit is
/// none of these and passes. Comments pass at once.
public struct UsageChunkFilter: BitwiseCopyable, Sendable {
    /// Bytes of the buffer that `next` is given.
    public static let holdCapacity = 8192

    public enum Piece: BitwiseCopyable, Sendable, Equatable {
        /// Nothing more in this piece.
        case end
        /// These bytes of the piece go to the client.
        case pass(start: Int, count: Int)
        /// The first bytes of the buffer go to the client, before anything else.
        case passHeld(count: Int)
    }

    /// Nothing is begun and nothing held: what comes next is an event's beginning.
    @inlinable public var isBetweenEvents: Bool { held == 0 && !hasLines && column == 0 && lineFeed == .none }

    private enum Verdict: UInt8, BitwiseCopyable, Sendable {
        case open, pass
    }

    /// What a line feed after the carriage return just seen belongs to.
    @usableFromInline enum LineFeed: UInt8, BitwiseCopyable, Sendable {
        case none, line, event, removedEvent
    }

    /// Events taken out.
    public private(set) var removed: UInt32 = 0
    /// Bytes in the buffer.
    public private(set) var held = 0

    private var walk = JSONWalk(root: FG_LLM_ROOT)
    private var fields = UsageFields()
    private var verdict = Verdict.open
    private var hasEmptyChoices = false
    private var documents: UInt8 = 0
    /// Bytes matched of "data:" at a line's start; 5 in a data line, then `other` or `comment`.
    @usableFromInline var column: UInt8 = 0
    /// The event has begun, with more than comments.
    @usableFromInline var hasLines = false
    private var hasData = false
    @usableFromInline var lineFeed = LineFeed.none
    // Offsets in the piece: looked at, dealt with, and where the event began.
    private var looked = 0
    private var settled = 0
    private var eventStart = 0

    private static var dataColumn: UInt8 { 5 }
    private static var other: UInt8 { 6 }
    private static var comment: UInt8 { 7 }

    public init() {}

    /// What goes to the client of `p[0 ..< n]`: to be called, doing what it says each time, until it returns `.end`. The
    /// buffer's first `held` bytes are kept until the next piece.
    /// - Parameter hold: `holdCapacity` bytes, the same for all of a stream.
    public mutating func next(
        _ p: UnsafePointer<UInt8>, _ n: Int, hold: UnsafeMutablePointer<UInt8>
    ) -> Piece {
        while looked < n {
            if let piece = look(p, n) { return piece }
            if verdict == .pass, let piece = release() { return piece }
        }
        if settled < n {
            if hasLines && verdict == .open {
                let from = max(eventStart, settled)
                if held &+ n &- from <= Self.holdCapacity {
                    memcpy(hold + held, p + from, n &- from)
                    held &+= n &- from
                    let start = settled
                    settled = n
                    if from > start { return .pass(start: start, count: from &- start) }
                } else {
                    verdict = .pass
                    if let piece = release() { return piece }
                }
            }
            if settled < n {
                let start = settled
                settled = n
                return .pass(start: start, count: n &- start)
            }
        }
        (looked, settled, eventStart) = (0, 0, 0)
        return .end
    }

    /// The stream has ended: what is held passes, but for a whole usage chunk that only lacks its empty line.
    public mutating func finish() -> Piece {
        let isUsage = endsAsUsage
        let count = held
        held = 0
        if isUsage && count > 0 {
            removed &+= 1
            return .end
        }
        return count > 0 ? .passHeld(count: count) : .end
    }

    /// Looks at a line or the part of it that is here.
    private mutating func look(_ p: UnsafePointer<UInt8>, _ n: Int) -> Piece? {
        if lineFeed != .none {
            let after = lineFeed
            lineFeed = .none
            if p[looked] == 0x0A {
                looked &+= 1
                if after != .line { eventStart = looked }
                if after == .removedEvent { settled = looked }
                return nil
            }
        }
        if column < Self.dataColumn, !matchColumn(p, n) { return nil }
        let end = fg_find_line_end(p, looked, n)
        if column == Self.dataColumn, verdict == .open, end > looked { judge(p + looked, end &- looked) }
        looked = end
        guard looked < n else { return nil }
        let isReturn = p[looked] == 0x0D
        looked &+= 1
        lineFeed = isReturn ? .line : .none
        let wasEmpty = column == 0
        let wasComment = column == Self.comment
        column = 0
        if wasComment, !hasLines {
            eventStart = looked
            if isReturn { lineFeed = .event }
            return nil
        }
        return wasEmpty ? endEvent(isReturn) : nil
    }

    /// Takes bytes of a field's name; false if it goes on in the next piece or the line needs to be looked at again.
    private mutating func matchColumn(_ p: UnsafePointer<UInt8>, _ n: Int) -> Bool {
        let name: StaticString = "data:"
        while looked < n {
            let c = p[looked]
            if c == 0x0A || c == 0x0D { return true }
            if column == 0, c == UInt8(ascii: ":") {
                column = Self.comment
                return true
            }
            hasLines = true
            if c != name.utf8Start[Int(column)] {
                column = Self.other
                return true
            }
            column &+= 1
            looked &+= 1
            if column == Self.dataColumn {
                if hasData, verdict == .open { withUnsafePointer(to: UInt8(0x0A)) { judge($0, 1) } }
                hasData = true
                return true
            }
        }
        return false
    }

    /// Reads data as far as it takes to know that this is no usage chunk.
    private mutating func judge(_ p: UnsafePointer<UInt8>, _ n: Int) {
        var i = 0
        while true {
            let found = walk.next(p, n, &i)
            switch found.kind {
            case .needMore: return
            case .array where found.place == UInt8(FG_LLM_CHOICE): hasEmptyChoices = true
            case .begin where found.place == UInt8(FG_LLM_CHOICE) || found.place == UInt8(FG_LLM_ERROR):
                verdict = .pass
                return
            case .malformed:
                verdict = .pass
                return
            case .number:
                let field = Int(found.place) &- FG_LLM_FIELD
                if field >= 0 { fields.set(field, found.value) }
            case .begin where found.place == UInt8(FG_LLM_USAGE): fields.removeAll()
            case .cleared where found.place == UInt8(FG_LLM_USAGE): fields.removeAll()
            case .document: documents = min(documents, 2) &+ 1
            default: break
            }
        }
    }

    private var endsAsUsage: Bool {
        hasData && verdict == .open && documents == 1 && walk.isBetweenTexts && hasEmptyChoices && fields.isReport
    }

    private mutating func endEvent(_ isReturn: Bool) -> Piece? {
        let isUsage = endsAsUsage
        walk.reset()
        fields.removeAll()
        verdict = .open
        hasEmptyChoices = false
        documents = 0
        (hasLines, hasData) = (false, false)
        let start = settled
        let began = max(eventStart, settled)
        eventStart = looked
        guard isUsage else {
            if isReturn { lineFeed = .event }
            return release()
        }
        removed &+= 1
        held = 0
        settled = looked
        if isReturn { lineFeed = .removedEvent }
        return began > start ? .pass(start: start, count: began &- start) : nil
    }

    private mutating func release() -> Piece? {
        let count = held
        held = 0
        return count > 0 ? .passHeld(count: count) : nil
    }
}
