import CScan
import Reactor

/// How an answer's body is cut into JSON values.
@frozen public enum Framing: UInt8, BitwiseCopyable, Sendable {
    /// One JSON value; also Gemini's stream as one JSON array of answers.
    case json
    /// Server-sent events.
    case sse
    /// A JSON value a line.
    case ndjson
    /// Amazon's frames, a JSON value each.
    case eventStream
    /// In a coding that nobody here undoes: only its size is known.
    case unreadable

    /// The framing that a Content-Type names; JSON if it names none that is known. A reader looks at the first byte as
    /// well, since some name the wrong one.
    public static func of(contentType: Bytes) -> Framing {
        guard let p = contentType.pointer else { return .json }
        var n = 0
        while n < contentType.count, p[n] != UInt8(ascii: ";"), p[n] != 0x20, p[n] != 0x09 { n &+= 1 }
        if equalsIgnoringCase(p, n, "text/event-stream") { return .sse }
        if equalsIgnoringCase(p, n, "application/x-ndjson") || equalsIgnoringCase(p, n, "application/jsonl")
            || equalsIgnoringCase(p, n, "application/x-jsonl") || equalsIgnoringCase(p, n, "application/stream+json")
            || equalsIgnoringCase(p, n, "application/ndjson")
        {
            return .ndjson
        }
        return equalsIgnoringCase(p, n, "application/vnd.amazon.eventstream") ? .eventStream : .json
    }

    private static func equalsIgnoringCase(_ p: UnsafePointer<UInt8>, _ n: Int, _ lower: StaticString) -> Bool {
        guard n == lower.utf8CodeUnitCount else { return false }
        var i = 0
        while i < n {
            let c = p[i]
            let folded = c &- UInt8(ascii: "A") < 26 ? c | 0x20 : c
            if folded != lower.utf8Start[i] { return false }
            i &+= 1
        }
        return true
    }
}
