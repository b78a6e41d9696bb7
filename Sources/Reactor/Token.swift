/// A reference to a slot: what it is, which slot, and the slot's generation when the reference was made.
///
/// It fits epoll's 64-bit user data, so a stale event (one for a slot that was released meanwhile) falls away when
/// the token is resolved. Layout: kind (8 bits), generation (24), index (32).
@frozen
public struct Token: BitwiseCopyable, Equatable, Hashable, Sendable {
    public var rawValue: UInt64

    @inlinable
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// - Parameter generation: only its low 24 bits count.
    @inlinable
    public init(kind: UInt8, generation: UInt32, index: UInt32) {
        rawValue = UInt64(kind) << 56 | UInt64(generation & 0x00ff_ffff) << 32 | UInt64(index)
    }

    @inlinable public var kind: UInt8 { UInt8(truncatingIfNeeded: rawValue >> 56) }
    @inlinable public var generation: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 32) & 0x00ff_ffff }
    @inlinable public var index: UInt32 { UInt32(truncatingIfNeeded: rawValue) }
}
