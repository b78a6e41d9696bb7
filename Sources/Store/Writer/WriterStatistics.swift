/// What the writer has done so far, and how it is.
public struct WriterStatistics: Sendable, Equatable {
    /// Audit rows that this writer has inserted.
    public var committedRows = 0
    /// Usage records that this writer has inserted and settled.
    public var committedUsageRecords = 0
    /// Ring records that are in the database for good.
    public var committedEvents = 0
    /// Of those, the ones that a process before this one had left in the rings.
    public var recoveredEvents = 0
    /// Ring records that reached the writer but not the database: see `rejectedRecords` and what no version has written.
    public var refusedEvents = 0
    /// Ring records whose bytes were damaged, or that no version has written.
    public var corruptRecords = 0
    /// Records that SQLite will not take, whatever is tried (a value beyond its size limit).
    public var rejectedRecords = 0
    /// Ended exchanges whose acceptance was never seen: their rows hold only what their end tells.
    public var orphanedCompletions = 0
    /// Rows that were in flight when the process before this one stopped.
    public var recoveredInFlight = 0
    /// Usage records of exchanges that a process had under way with a provider when it died.
    public var recoveredUsageRecords = 0
    /// Rows that retention has deleted.
    public var expiredRows = 0
    public var expiredUsageRecords = 0
    /// Bytes in the rings that are not in the database yet.
    public var pendingBytes = 0
    /// The fullest ring, of 1.
    public var ringFill = 0.0
    /// Flushes that wrote something.
    public var flushes = 0
    public var lastFlushNanoseconds: UInt64 = 0
    public var totalFlushNanoseconds: UInt64 = 0
    /// Flushes that failed and were, or will be, tried again.
    public var failures = 0
    /// Of the last failed flush; stays when things are well again.
    public var lastError: String?
    /// False from a failed flush to the next one that succeeds.
    public var isHealthy = true
    /// Whether the writer runs at normal priority, see `WriterPriorityPolicy`.
    public var isRaised = false
    /// How often the writer has offered its core to others, see `WriterPace`.
    public var yields = 0

    public init() {}
}
