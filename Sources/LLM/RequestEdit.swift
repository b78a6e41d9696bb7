import CScan
import Glibc
import JSON
import Reactor

/// Sets the model of a request and asks a stream for its usage, without touching any other byte.
public enum RequestEdit {
    /// Room that `apply` needs for a body of `bodyCount` bytes and a model of `modelCount`.
    public static func capacity(bodyCount: Int, modelCount: Int) -> Int { bodyCount + 6 * modelCount + 64 }

    /// Writes the body with its changes.
    ///
    /// `stream_options` is added if it is missing or null, `include_usage` added to it or set, whatever it is. A `stream_options` of
    /// another kind stays as it is, for the upstream to refuse.
    /// - Parameters:
    ///   - body: the whole body that `request` has read, and found whole and not malformed.
    ///   - model: the name to set, unescaped; nil leaves it.
    ///   - out: has room for `capacity`; does not overlap the body.
    /// - Returns: bytes written.
    public static func apply(
        _ body: Bytes, _ request: UnsafePointer<RequestReader>, model: Bytes?, includeUsage: Bool,
        into out: UnsafeMutablePointer<UInt8>
    ) -> Int {
        guard let p = body.pointer else { return 0 }
        var writer = Writer(body: p, count: body.count, out: out)
        // The two changes in the order in which they stand.
        let usageAt = includeUsage ? usagePosition(request) : nil
        let modelSpan = model == nil ? nil : request.pointee.modelSpan
        if let usageAt, modelSpan.map({ usageAt <= $0.start }) ?? true {
            writeUsage(&writer, request)
            if let model, let modelSpan { writer.replace(modelSpan, model) }
        } else {
            if let model, let modelSpan { writer.replace(modelSpan, model) }
            if usageAt != nil { writeUsage(&writer, request) }
        }
        writer.copy(to: body.count)
        return writer.written
    }

    private static func usagePosition(_ request: UnsafePointer<RequestReader>) -> UInt64? {
        if let span = request.pointee.includeUsageSpan { return span.start }
        return request.pointee.optionsOpening ?? request.pointee.optionsValue ?? request.pointee.opening
    }

    private static func writeUsage(_ writer: inout Writer, _ request: UnsafePointer<RequestReader>) {
        if let span = request.pointee.includeUsageSpan {
            writer.copy(to: Int(span.start))
            writer.append("true")
            writer.skip(to: span.end > 0 ? Int(span.end) : writer.valueEnd)
        } else if let opening = request.pointee.optionsOpening {
            writer.copy(to: Int(opening))
            writer.append("\"include_usage\":true")
            if !writer.nextCloses { writer.append(",") }
        } else if let value = request.pointee.optionsValue {
            writer.copy(to: Int(value))
            guard writer.nextIsNull else { return }
            writer.append("{\"include_usage\":true}")
            writer.skip(to: Int(value) + 4)
        } else if let opening = request.pointee.opening {
            writer.copy(to: Int(opening))
            writer.append("\"stream_options\":{\"include_usage\":true}")
            if !writer.nextCloses { writer.append(",") }
        }
    }

    private struct Writer {
        let body: UnsafePointer<UInt8>
        let count: Int
        let out: UnsafeMutablePointer<UInt8>
        var read = 0
        var written = 0

        mutating func copy(to end: Int) {
            let n = min(end, count) - read
            guard n > 0 else { return }
            memcpy(out + written, body + read, n)
            read += n
            written += n
        }

        mutating func skip(to end: Int) { read = min(max(read, end), count) }

        mutating func append(_ text: StaticString) {
            memcpy(out + written, text.utf8Start, text.utf8CodeUnitCount)
            written += text.utf8CodeUnitCount
        }

        mutating func append(_ byte: UInt8) {
            out[written] = byte
            written += 1
        }

        mutating func replace(_ span: RequestReader.Span, _ model: Bytes) {
            copy(to: Int(span.start))
            append(UInt8(ascii: "\""))
            var i = 0
            while i < model.count, let p = model.pointer {
                let c = p[i]
                if c == UInt8(ascii: "\"") || c == UInt8(ascii: "\\") {
                    append(UInt8(ascii: "\\"))
                    append(c)
                } else if c < 0x20 {
                    append("\\u00")
                    append(c < 0x10 ? UInt8(ascii: "0") : UInt8(ascii: "1"))
                    append(c & 15 < 10 ? UInt8(ascii: "0") + (c & 15) : UInt8(ascii: "a") + (c & 15) - 10)
                } else {
                    append(c)
                }
                i += 1
            }
            append(UInt8(ascii: "\""))
            skip(to: Int(span.end))
        }

        /// Where the value ends that is next.
        var valueEnd: Int {
            var i = read
            switch body[read] {
            case UInt8(ascii: "\""):
                var state: UInt8 = 1
                return read + 1 + cscan_json_string_skip(&state, body + read + 1, count - read - 1)
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                var nest = cscan_json_nest()
                cscan_json_nest_open(&nest, body[read] == UInt8(ascii: "{") ? 1 : 0)
                return read + 1 + cscan_json_nest_skip(&nest, body + read + 1, count - read - 1)
            default:
                while i < count, body[i] > 0x20, body[i] != UInt8(ascii: ","), body[i] != UInt8(ascii: "}") { i += 1 }
                return i
            }
        }

        /// The next byte that is no white space closes the object.
        var nextCloses: Bool {
            var i = read
            while i < count, body[i] == 0x20 || body[i] == 0x0A || body[i] == 0x0D || body[i] == 0x09 { i += 1 }
            return i < count && body[i] == UInt8(ascii: "}")
        }

        var nextIsNull: Bool { count - read >= 4 && memcmp(body + read, "null", 4) == 0 }
    }
}
