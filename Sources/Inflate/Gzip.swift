import CZlib

/// Compression as RFC 1952 has it, for what is compressed once and served often.
public enum Gzip {
    /// The bytes at the highest level of compression; nil if there is no memory for it.
    public static func compress(_ bytes: [UInt8]) -> [UInt8]? {
        var stream = z_stream()
        guard bytes.count <= Int(UInt32.max), fg_deflate_init(&stream, 9, 15 + 16) == Z_OK else { return nil }
        defer { deflateEnd(&stream) }
        var output = [UInt8](repeating: 0, count: Int(deflateBound(&stream, UInt(bytes.count))))
        let isComplete = bytes.withUnsafeBufferPointer { input in
            output.withUnsafeMutableBufferPointer { room in
                stream.next_in = UnsafeMutablePointer(mutating: input.baseAddress)
                stream.avail_in = UInt32(input.count)
                stream.next_out = room.baseAddress
                stream.avail_out = UInt32(room.count)
                return deflate(&stream, Z_FINISH) == Z_STREAM_END
            }
        }
        guard isComplete else { return nil }
        output.removeLast(Int(stream.avail_out))
        return output
    }
}
