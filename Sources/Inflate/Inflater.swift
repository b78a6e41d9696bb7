import CZlib
import Reactor

/// Decompression of whole bodies, bounded whatever they claim to hold.
public enum Inflater {
    /// A content coding that can be undone.
    @frozen public enum Coding: UInt8, BitwiseCopyable, Sendable {
        case gzip
        case deflate

        /// The coding that a Content-Encoding names, if it is the only one beside `identity` and this type knows it
        /// (RFC 9110 §8.4.1).
        public init?(contentEncoding list: Bytes) {
            guard let value = Self.only(list) else { return nil }
            if Self.names(value, "gzip") || Self.names(value, "x-gzip") {
                self = .gzip
            } else if Self.names(value, "deflate") {
                self = .deflate
            } else {
                return nil
            }
        }

        /// The one element of a list that says anything; nil if there are more, or none.
        private static func only(_ list: Bytes) -> Bytes? {
            guard let p = list.pointer else { return nil }
            var found: Bytes?
            var i = 0
            while i < list.count {
                var start = i
                while i < list.count, p[i] != UInt8(ascii: ",") { i &+= 1 }
                var end = i
                i &+= 1
                while start < end, isBlank(p[start]) { start &+= 1 }
                while end > start, isBlank(p[end &- 1]) { end &-= 1 }
                let element = Bytes(p + start, end &- start)
                if element.isEmpty || names(element, "identity") { continue }
                if found != nil { return nil }
                found = element
            }
            return found
        }

        private static func isBlank(_ c: UInt8) -> Bool { c == 0x20 || c == 0x09 }

        private static func names(_ value: Bytes, _ lower: StaticString) -> Bool {
            guard let p = value.pointer, value.count == lower.utf8CodeUnitCount else { return false }
            var i = 0
            while i < value.count {
                // Letters and a hyphen, which has the bit already.
                if p[i] | 0x20 != lower.utf8Start[i] { return false }
                i &+= 1
            }
            return true
        }
    }

    /// The decoded start of `body`, at most `limit` bytes of it. A body that was cut off gives what there is of it;
    /// nil if it is not of that coding at all.
    ///
    /// "deflate" is zlib's format (RFC 1950); some servers send the bare one (RFC 1951).
    public static func decode(_ body: Bytes, _ coding: Coding, limit: Int) -> [UInt8]? {
        switch coding {
        case .gzip: inflate(body, windowBits: 15 + 16, limit: limit)
        case .deflate: inflate(body, windowBits: 15, limit: limit) ?? inflate(body, windowBits: -15, limit: limit)
        }
    }

    private static func inflate(_ body: Bytes, windowBits: Int32, limit: Int) -> [UInt8]? {
        guard let pointer = body.pointer, body.count > 0, body.count <= Int(UInt32.max), limit > 0 else { return nil }
        var stream = z_stream()
        guard fg_inflate_init(&stream, windowBits) == Z_OK else { return nil }
        defer { inflateEnd(&stream) }
        stream.next_in = UnsafeMutablePointer(mutating: pointer)
        stream.avail_in = UInt32(body.count)
        var output: [UInt8] = []
        var isSound = false
        let step = min(limit, 64 * 1024)
        var piece = [UInt8](repeating: 0, count: step)
        while output.count < limit {
            let room = min(step, limit - output.count)
            let code = piece.withUnsafeMutableBufferPointer { buffer in
                stream.next_out = buffer.baseAddress
                stream.avail_out = UInt32(room)
                return CZlib.inflate(&stream, Z_NO_FLUSH)
            }
            let produced = room - Int(stream.avail_out)
            output.append(contentsOf: piece[..<produced])
            if code == Z_STREAM_END {
                isSound = true
                // gzip allows members one after the other (RFC 1952 §2.2).
                guard windowBits > 15, stream.avail_in > 0, inflateReset(&stream) == Z_OK else { break }
                continue
            }
            if code == Z_BUF_ERROR || (code == Z_OK && produced == 0 && stream.avail_in == 0) {
                isSound = true
                break
            }
            guard code == Z_OK else { break }
        }
        return isSound || !output.isEmpty ? output : nil
    }
}
