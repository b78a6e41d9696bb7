/// A region of memory from a `BufferPool`, with the unread bytes between `start` and `end`.
///
/// Plain data: copying it does not copy the bytes, and whoever holds it last gives it back to the pool exactly once.
@frozen
public struct Buffer: BitwiseCopyable {
    public var base: UnsafeMutablePointer<UInt8>?
    public var capacity: UInt32
    public var start: UInt32
    public var end: UInt32

    @inlinable
    public init(base: UnsafeMutablePointer<UInt8>?, capacity: UInt32) {
        self.base = base
        self.capacity = capacity
        start = 0
        end = 0
    }

    /// A buffer without memory.
    @inlinable public static var empty: Buffer { Buffer(base: nil, capacity: 0) }

    @inlinable public var isAllocated: Bool { base != nil }

    /// Unread bytes.
    @inlinable public var count: Int { Int(end &- start) }
    @inlinable public var isEmpty: Bool { end == start }

    /// The first unread byte. Only for an allocated buffer.
    @inlinable public var readPointer: UnsafeMutablePointer<UInt8> { base.unsafelyUnwrapped + Int(start) }

    /// Where the next byte goes. Only for an allocated buffer.
    @inlinable public var writePointer: UnsafeMutablePointer<UInt8> { base.unsafelyUnwrapped + Int(end) }

    /// Room behind `writePointer`.
    @inlinable public var writableCount: Int { Int(capacity &- end) }

    /// Drops `n` unread bytes from the front. When none is left the whole capacity is writable again.
    @inlinable
    public mutating func consume(_ n: Int) {
        precondition(n >= 0 && n <= count)
        start &+= UInt32(truncatingIfNeeded: n)
        if start == end {
            start = 0
            end = 0
        }
    }

    /// Says that `n` bytes were written at `writePointer`.
    @inlinable
    public mutating func produce(_ n: Int) {
        precondition(n >= 0 && n <= writableCount)
        end &+= UInt32(truncatingIfNeeded: n)
    }
}
