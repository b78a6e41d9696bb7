import CScan

/// What a path must not hold, so that no two readers of it can disagree about which resource it names.
///
/// FastGate forwards a path byte for byte as it matched it and normalises nothing; therefore it refuses what an upstream
/// might normalise into a path outside. What is left that can be read in two ways (doubled slashes, parameters, escapes)
/// has a ``normalForm(_:_:into:)``: both readings have to lead to the same route.
public enum TargetPolicy {
    /// Judges a path as the parser delivered it (no query). nil: it may be routed.
    ///
    /// Refused: the segments "." and ".." in any spelling ("%2e", "..;x", behind an encoded "/" or "\"), backslashes,
    /// percent signs that begin no escape, an encoded NUL, and bytes that are no part of a target at all.
    public static func check(_ p: UnsafePointer<UInt8>, _ n: Int) -> HTTPFailure? {
        if fg_path_is_suspect(p, n) == 0 { return nil }
        return checkBytes(p, n, refusesLonePercent: true)
    }

    /// - Parameter refusesLonePercent: false passes over percent signs that begin no escape, to what is behind them.
    @inline(never) private static func checkBytes(
        _ p: UnsafePointer<UInt8>, _ n: Int, refusesLonePercent: Bool
    ) -> HTTPFailure? {
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
                let high = n - index >= 2 ? fg_hex_value(p[index]) : -1
                let low = n - index >= 2 ? fg_hex_value(p[index + 1]) : -1
                guard high >= 0, low >= 0 else {
                    if refusesLonePercent { return HTTPFailure(.invalidPercentEncoding) }
                    break
                }
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

    /// Whether somebody might read another path than the one that is written: only then is there need of a normal form.
    @inline(__always)
    public static func isPlain(_ p: UnsafePointer<UInt8>, _ n: Int) -> Bool { fg_path_is_suspect(p, n) == 0 }

    /// How the most willing reader takes a path: escapes of unreserved characters, of separators and of escapes undone
    /// (again and again), "\" for "/", parameters (";…") taken off, empty segments left out.
    ///
    /// - Parameter out: room for `n` bytes.
    /// - Returns: its length; nil if it holds what ``check(_:_:)`` refuses (then the path hid it behind two escapes).
    public static func normalForm(
        _ p: UnsafePointer<UInt8>, _ n: Int, into out: UnsafeMutablePointer<UInt8>
    ) -> Int? {
        var count = 0
        var index = 0
        var inParameters = false
        while index < n {
            var byte = p[index]
            index += 1
            var wasEscaped = false
            // "%25" gives a percent sign, with which the next two bytes may make an escape again.
            while byte == UInt8(ascii: "%"), n - index >= 2 {
                let high = fg_hex_value(p[index])
                let low = fg_hex_value(p[index + 1])
                guard high >= 0, low >= 0 else { break }
                let decoded = UInt8(truncatingIfNeeded: high << 4 | low)
                guard isTransparent(decoded) else { break }
                index += 2
                byte = decoded
                wasEscaped = true
            }
            if byte == 0x5C { byte = UInt8(ascii: "/") }
            if byte == UInt8(ascii: "/") {
                inParameters = false
                if count > 0, out[count - 1] == UInt8(ascii: "/") { continue }
            } else if byte == UInt8(ascii: ";"), !wasEscaped {
                inParameters = true
            }
            if inParameters { continue }
            out[count] = byte
            count += 1
        }
        // A lone percent sign, once "%25", is no escape and no harm; what stands behind it may be.
        return checkBytes(out, count, refusesLonePercent: false) == nil ? count : nil
    }

    /// Bytes whose escapes are undone: unreserved ones (RFC 3986 §2.3), separators and the percent sign.
    private static func isTransparent(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"), UInt8(ascii: "/"), 0x5C, UInt8(ascii: "%"):
            true
        default: false
        }
    }
}
