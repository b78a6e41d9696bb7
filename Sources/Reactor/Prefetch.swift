import CEpoll

/// Asks the processor for a cache line that is wanted soon, so that it comes while something else is done. Any address
/// will do, also none.
public enum Prefetch {
    @inlinable @inline(__always)
    public static func read(_ address: UnsafeRawPointer?) { fg_prefetch(address) }

    /// The line will be changed.
    @inlinable @inline(__always)
    public static func write(_ address: UnsafeRawPointer?) { fg_prefetch_to_write(address) }
}
