import Glibc

/// A run of bytes that somebody else keeps alive; the currency of the hot path.
///
/// `@unchecked Sendable`: it may be handed to another thread together with the promise that the bytes stay put.
@frozen
public struct Bytes: BitwiseCopyable, @unchecked Sendable {
    public var pointer: UnsafePointer<UInt8>?
    public var count: Int

    @inlinable
    public init(_ pointer: UnsafePointer<UInt8>?, _ count: Int) {
        self.pointer = pointer
        self.count = count
    }

    /// The literal's UTF-8 bytes, which live as long as the process.
    @inlinable
    public init(_ literal: StaticString) {
        precondition(literal.hasPointerRepresentation)
        pointer = literal.utf8Start
        count = literal.utf8CodeUnitCount
    }

    @inlinable
    public init(_ buffer: UnsafeRawBufferPointer) {
        pointer = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
        count = buffer.count
    }

    /// No bytes at all.
    @inlinable public static var empty: Bytes { Bytes(nil, 0) }

    @inlinable public var isEmpty: Bool { count == 0 }

    @inlinable
    public var buffer: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: pointer, count: count) }

    /// Whether both hold the same bytes. Not for secrets: see `ConstantTime`.
    @inlinable
    public func elementsEqual(_ other: Bytes) -> Bool {
        count == other.count && (count == 0 || memcmp(pointer!, other.pointer!, count) == 0)
    }

    /// A copy as text; ill-formed UTF-8 is repaired. Allocates: not for the hot path.
    public var string: String { String(decoding: buffer, as: UTF8.self) }
}
