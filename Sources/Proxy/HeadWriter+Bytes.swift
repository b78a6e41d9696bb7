import HTTP
import Reactor

extension HeadWriter {
    @inline(__always)
    mutating func append(_ bytes: Bytes) {
        if let p = bytes.pointer { append(p, bytes.count) }
    }

    /// A field's line as it stands in the head that begins at `base`.
    @inline(__always)
    mutating func append(_ field: Field, of base: UnsafePointer<UInt8>) {
        let start = Int(field.nameOffset)
        append(base + start, Int(field.valueOffset) &+ Int(field.valueLength) &- start)
        append("\r\n")
    }
}
