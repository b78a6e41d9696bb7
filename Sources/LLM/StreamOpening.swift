import CScan

/// What an event says that comes before anything was generated.
public enum OpeningEvent: UInt8, BitwiseCopyable, Sendable {
    /// Belongs to what follows it: a content block or an output item begins, or nobody knows what.
    case bound
    /// Means nothing to what follows, however often it comes: a comment, a ping, a chunk without content.
    case neutral
    /// An OpenAI chunk that says no more than who speaks.
    case role
    /// Anthropic's `message_start`.
    case messageStart
}

/// Cuts the beginning of an event stream into events, and says of each what it is. Up to the first content a client can be
/// given what two providers said in turn, if what both open with is told once.
public struct StreamOpening: BitwiseCopyable, Sendable {
    /// What came of the bytes given.
    public enum Step: BitwiseCopyable, Sendable, Equatable {
        /// All of them are taken, and end within an event.
        case needMore
        /// An event ends behind the first `count` of them; the others are not looked at.
        case event(OpeningEvent, count: Int)
    }

    private var lineIsEmpty = true
    private var afterReturn = false
    private var hasData = false
    private var documents: UInt32 = 0

    public init() {}

    /// Takes bytes of a body whose framing is `.sse` up to an event's end, and feeds them to its reader. Whether content,
    /// the end or an error has come the reader tells.
    public mutating func next(_ p: UnsafePointer<UInt8>, _ n: Int, _ reader: inout AnswerReader) -> Step {
        var i = 0
        while i < n {
            if afterReturn {
                afterReturn = false
                if p[i] == 0x0A {
                    i &+= 1
                    continue
                }
            }
            if lineIsEmpty, p[i] == UInt8(ascii: "d") { hasData = true }
            let end = fg_find_line_end(p, i, n)
            if end > i { lineIsEmpty = false }
            i = end
            if i == n { break }
            afterReturn = p[i] == 0x0D
            i &+= 1
            if !lineIsEmpty {
                lineIsEmpty = true
                continue
            }
            if afterReturn, i < n, p[i] == 0x0A {
                afterReturn = false
                i &+= 1
            }
            reader.feed(p, i)
            return .event(eventEnded(&reader), count: i)
        }
        reader.feed(p, n)
        return .needMore
    }

    private mutating func eventEnded(_ reader: inout AnswerReader) -> OpeningEvent {
        let new = reader.documents &- documents
        documents = reader.documents
        let hadData = hasData
        hasData = false
        if !hadData { return .neutral }
        return new == 1 && reader.framing == .sse ? reader.openingEvent : .bound
    }
}

extension AnswerReader {
    /// What the event that ended last is, given that no content has come yet.
    var openingEvent: OpeningEvent {
        switch endpoint {
        case .chatCompletions, .completions: lastIsReport ? .bound : lastHasRole ? .role : .neutral
        case .messages: lastEvent == .messageStart ? .messageStart : lastEvent == .ping ? .neutral : .bound
        case .geminiStream: .neutral
        // A response is kept at its provider under the id that its first event tells: nobody else can go on with it.
        default: .bound
        }
    }
}

/// A chunk that says who speaks and something besides, to a client that was told who speaks: SDKs put the parts of a
/// message together, and would make `assistantassistant` of it.
public enum RepeatedRole {
    /// Overwrites the `role` members in the first event of `p[0 ..< n]` with spaces. Within a JSON string no `"role"` can
    /// stand, for its quotes would be escaped.
    public static func blank(_ p: UnsafeMutablePointer<UInt8>, _ n: Int) {
        let name: StaticString = "\"role\""
        var i = 0
        while i &+ 6 <= n {
            if p[i] == 0x0A, p[i &+ 1] == 0x0A { return }
            guard p[i] == UInt8(ascii: "\""), matches(p + i, name) else {
                i &+= 1
                continue
            }
            i = blankMember(p, n, i)
        }
    }

    /// The name begins at `start`. Returns where to go on.
    private static func blankMember(_ p: UnsafeMutablePointer<UInt8>, _ n: Int, _ start: Int) -> Int {
        var i = skipSpace(p, n, start &+ 6)
        guard i < n, p[i] == UInt8(ascii: ":") else { return i }
        i = skipSpace(p, n, i &+ 1)
        guard i < n, p[i] == UInt8(ascii: "\"") else { return i }
        i &+= 1
        while i < n, p[i] != UInt8(ascii: "\"") { i &+= 1 }
        i = skipSpace(p, n, i &+ 1)
        guard i < n else { return n }
        var first = start
        if p[i] == UInt8(ascii: ",") {
            i &+= 1
        } else {
            // The last one: the comma before it goes with it. Where a line ends in between it stays as it is.
            guard p[i] == UInt8(ascii: "}") else { return i }
            while first > 0, isSpace(p[first &- 1]) { first &-= 1 }
            guard first > 0 else { return i }
            if p[first &- 1] == UInt8(ascii: ",") {
                first &-= 1
            } else if p[first &- 1] != UInt8(ascii: "{") {
                return i
            }
        }
        (p + first).update(repeating: 0x20, count: i &- first)
        return i
    }

    private static func skipSpace(_ p: UnsafeMutablePointer<UInt8>, _ n: Int, _ start: Int) -> Int {
        var i = start
        while i < n, isSpace(p[i]) { i &+= 1 }
        return i
    }

    private static func isSpace(_ c: UInt8) -> Bool { c == 0x20 || c == 0x09 }

    private static func matches(_ p: UnsafeMutablePointer<UInt8>, _ text: StaticString) -> Bool {
        var k = 0
        while k < text.utf8CodeUnitCount {
            if p[k] != text.utf8Start[k] { return false }
            k &+= 1
        }
        return true
    }
}
