import CScan

/// What a path must not hold, so that no two readers of it can disagree about which resource it names.
///
/// FastGate forwards a path byte for byte as it matched it and normalises nothing; therefore it refuses what an upstream
/// might normalise into another path.
public enum TargetPolicy {
    /// Judges a path as the parser delivered it (no query). nil: it may be routed.
    ///
    /// Refused: the segments "." and ".." in any spelling ("%2e", "..;x", behind an encoded "/" or "\"), backslashes,
    /// percent signs that begin no escape, an encoded NUL, and bytes that are no part of a target at all.
    public static func check(_ p: UnsafePointer<UInt8>, _ n: Int) -> HTTPFailure? {
        if fg_path_is_suspect(p, n) == 0 { return nil }
        return checkBytes(p, n)
    }

    @inline(never) private static func checkBytes(_ p: UnsafePointer<UInt8>, _ n: Int) -> HTTPFailure? {
        var index = 0
        // Dots of the segment so far; -1 once it holds anything else; parameters (";…") do not count.
        var dots = 0
        var inParameters = false
        while index < n {
            var byte = p[index]
            index += 1
            switch byte {
            case UInt8(ascii: "#"): return HTTPFailure(.fragmentInTarget)
            case UInt8(ascii: "\\"): return HTTPFailure(.backslashInPath)
            case 0x00...0x20, 0x7F...0xFF: return HTTPFailure(.invalidTarget)
            case UInt8(ascii: "%"):
                guard n - index >= 2 else { return HTTPFailure(.invalidPercentEncoding) }
                let high = fg_hex_value(p[index])
                let low = fg_hex_value(p[index + 1])
                guard high >= 0, low >= 0 else { return HTTPFailure(.invalidPercentEncoding) }
                byte = UInt8(truncatingIfNeeded: high << 4 | low)
                guard byte != 0 else { return HTTPFailure(.encodedNUL) }
                index += 2
            default: break
            }
            switch byte {
            case UInt8(ascii: "/"), UInt8(ascii: "\\"):
                if dots == 1 || dots == 2 { return HTTPFailure(.dotSegment) }
                (dots, inParameters) = (0, false)
            case UInt8(ascii: ";"): inParameters = true
            case UInt8(ascii: ".") where dots >= 0 && !inParameters: dots += 1
            default: if !inParameters { dots = -1 }
            }
        }
        return dots == 1 || dots == 2 ? HTTPFailure(.dotSegment) : nil
    }
}
