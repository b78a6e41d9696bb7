import CScan

/// Counts server-sent events as they pass (WHATWG HTML §9.2.6): one for each empty line that ends a block with a `data`
/// field. Lines may end in LF, CRLF or CR; the bytes may be cut anywhere.
@frozen public struct SSECounter: BitwiseCopyable, Sendable {
    public private(set) var events: UInt32 = 0
    @usableFromInline var column: UInt8 = 0
    @usableFromInline var hasData: UInt8 = 0
    @usableFromInline var afterCarriageReturn: UInt8 = 0
    @usableFromInline var mark: UInt8 = 0

    @inlinable public init() {}

    public mutating func feed(_ p: UnsafePointer<UInt8>, _ n: Int) {
        var state = fg_sse(
            events: events, column: column, has_data: hasData, after_cr: afterCarriageReturn, mark: mark)
        fg_sse_feed(&state, p, n)
        (events, column, hasData) = (state.events, state.column, state.has_data)
        (afterCarriageReturn, mark) = (state.after_cr, state.mark)
    }

    /// The stream has ended: a block without its empty line is no event, and is forgotten.
    @inlinable public mutating func finish() {
        (column, hasData, afterCarriageReturn, mark) = (0, 0, 0, 0)
    }
}

/// Counts the lines of an NDJSON stream that hold anything but whitespace.
@frozen public struct LineCounter: BitwiseCopyable, Sendable {
    public private(set) var lines: UInt32 = 0
    @usableFromInline var isOpen: UInt8 = 0

    @inlinable public init() {}

    public mutating func feed(_ p: UnsafePointer<UInt8>, _ n: Int) {
        lines &+= fg_count_lines(p, n, &isOpen)
    }

    /// The stream has ended: a last line without its line feed counts.
    public mutating func finish() {
        lines &+= UInt32(isOpen)
        isOpen = 0
    }
}
