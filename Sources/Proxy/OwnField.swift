import HTTP

/// Fields that only the gateway gives: `x-fastgate-…`. What an upstream says under such a name goes no further, or it could
/// say what an answer cost.
enum OwnField {
    private static var prefix: StaticString { "x-fastgate-" }

    @inline(__always)
    static func isOne(_ name: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        guard count >= prefix.utf8CodeUnitCount, name[0] | 0x20 == UInt8(ascii: "x") else { return false }
        return equalsIgnoringCase(name, prefix.utf8CodeUnitCount, prefix)
    }

    /// Whether field lines, each with its CRLF, hold one.
    static func isAmong(_ lines: UnsafePointer<UInt8>, _ count: Int) -> Bool {
        var start = 0
        while start < count {
            if isOne(lines + start, count - start) { return true }
            while start < count && lines[start] != 0x0A { start += 1 }
            start += 1
        }
        return false
    }
}
