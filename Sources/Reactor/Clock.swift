import CEpoll

/// The clocks that the gateway reads. None of these allocates or enters the kernel (vDSO).
public enum Clock {
    /// For timeouts: milliseconds since some fixed moment; never jumps.
    @inlinable
    public static func monotonicMilliseconds() -> UInt64 { fg_monotonic_milliseconds() }

    /// For measuring: nanoseconds since the same moment as `monotonicMilliseconds`.
    @inlinable
    public static func monotonicNanoseconds() -> UInt64 { fg_monotonic_nanoseconds() }

    /// For records: nanoseconds since 1970-01-01 UTC; jumps when the machine's clock is set.
    @inlinable
    public static func realtimeNanoseconds() -> UInt64 { fg_realtime_nanoseconds() }
}
