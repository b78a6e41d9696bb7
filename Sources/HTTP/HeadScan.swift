import CScan

/// Where the look for the end of a head stands, so that a head that arrives slowly is not read from its start each time.
/// One for each message; a parser resets it when the head is complete. Nothing in it points into the buffer: that may move.
@frozen public struct HeadScan: BitwiseCopyable, Sendable {
    /// Start of the first line that was not complete; 0 until the start line is.
    @usableFromInline var position: UInt32 = 0
    /// Bytes before it are known to hold no end of the value they belong to.
    @usableFromInline var resume: UInt32 = 0
    /// Complete field lines before `position`.
    @usableFromInline var fieldCount: UInt32 = 0

    @inlinable public init() {}
}

/// What both parsers do after the start line.
enum FieldSection {
    /// How far a head may be looked at, and whether reaching that without its end means it is too large.
    @inline(__always) static func window(_ n: Int, _ limits: MessageLimits) -> (count: Int, isWhole: Bool) {
        n < Int(limits.maxHeadBytes) ? (n, false) : (Int(limits.maxHeadBytes), true)
    }

    /// Goes on behind an incomplete line, only to find the end of the head or an error.
    /// - Returns: nil when the empty line has been found and the head can be parsed as a whole.
    static func resume(
        _ p: UnsafePointer<UInt8>, _ n: Int, _ limits: MessageLimits, _ fields: UnsafeMutablePointer<Field>,
        _ scan: inout HeadScan
    ) -> ParseOutcome? {
        var state = fg_field_scan()
        state.position = scan.position
        state.resume = scan.resume
        state.count = scan.fieldCount
        let outcome = advance(p, n, limits, fields, &state, &scan)
        return outcome == .complete ? nil : outcome
    }

    /// Scans field lines from `state.position` on and notes in `scan` where to resume.
    @inline(__always) static func advance(
        _ p: UnsafePointer<UInt8>, _ n: Int, _ limits: MessageLimits, _ fields: UnsafeMutablePointer<Field>,
        _ state: inout fg_field_scan, _ scan: inout HeadScan
    ) -> ParseOutcome {
        let window = window(n, limits)
        let entries = UnsafeMutableRawPointer(fields).assumingMemoryBound(to: fg_field.self)
        switch fg_scan_fields(p, window.count, entries, limits.maxFields, &state) {
        case Int32(FG_COMPLETE):
            scan = HeadScan()
            return .complete
        case Int32(FG_INCOMPLETE):
            guard !window.isWhole else { return .failed(HTTPFailure(.headTooLarge)) }
            scan.position = state.position
            scan.resume = state.resume
            scan.fieldCount = state.count
            return .incomplete
        default:
            return .failed(HTTPFailure(HTTPFailureCode(rawValue: UInt8(truncatingIfNeeded: state.failure))!))
        }
    }
}
