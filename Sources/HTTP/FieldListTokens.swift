import CScan

/// The members of a comma-separated list of tokens (RFC 9110 §5.6.1), without the whitespace around them; empty members
/// are passed over. Every comma separates, one inside quotes too: for lists that hold no quoted strings.
@frozen public struct FieldListTokens {
    @usableFromInline let base: UnsafePointer<UInt8>
    @usableFromInline let count: Int
    @usableFromInline var position: Int
    /// Whether the list had an empty member, or none at all, in what has been walked over.
    public private(set) var skippedEmpty: Bool

    public init(_ p: UnsafePointer<UInt8>, _ n: Int) {
        base = p
        count = n
        position = 0
        skippedEmpty = false
    }

    /// The next member, as a range of the value; nil after the last.
    public mutating func next() -> (offset: Int, count: Int)? {
        while position <= count {
            var start = position
            var end = fg_find_comma(base, start, count)
            position = end + 1
            while start < end, isWhitespace(base[start]) { start += 1 }
            while end > start, isWhitespace(base[end - 1]) { end -= 1 }
            if end > start { return (start, end - start) }
            skippedEmpty = true
        }
        return nil
    }

    private func isWhitespace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}

/// Whether p[0 ..< n] is `lowercased`, ASCII letters compared without case.
public func equalsIgnoringCase(_ p: UnsafePointer<UInt8>, _ n: Int, _ lowercased: StaticString) -> Bool {
    n == lowercased.utf8CodeUnitCount && fg_equals_ignoring_case(p, lowercased.utf8Start, n) != 0
}

/// Whether p[0 ..< n] is q[0 ..< m], which is in lower case, ASCII letters compared without case.
public func equalsIgnoringCase(
    _ p: UnsafePointer<UInt8>, _ n: Int, _ q: UnsafePointer<UInt8>, _ m: Int
) -> Bool {
    n == m && fg_equals_ignoring_case(p, q, n) != 0
}
