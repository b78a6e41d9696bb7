import HTTP
import Reactor

/// Media types that make an exchange a stream.
enum MediaType {
    static func isEventStream(_ value: Bytes) -> Bool { begins(value, "text/event-stream") }
    static func isNDJSON(_ value: Bytes) -> Bool { begins(value, "application/x-ndjson") }

    static func isHTML(_ value: Bytes) -> Bool { begins(value, "text/html") }

    static func isJSON(_ value: Bytes) -> Bool { begins(value, "application/json") }

    /// True if `value` is this media type, with or without parameters.
    private static func begins(_ value: Bytes, _ type: StaticString) -> Bool {
        let n = type.utf8CodeUnitCount
        guard let p = value.pointer, value.count >= n, equalsIgnoringCase(p, n, type) else { return false }
        return value.count == n || p[n] == UInt8(ascii: ";") || p[n] == 0x20 || p[n] == UInt8(ascii: ",")
    }
}
