/// How the writer works. All of it may change while it runs, see `StoreWriter.update`.
public struct WriterOptions: Sendable, Equatable {
    /// How long events may wait in the rings.
    public var flushIntervalMilliseconds: Int
    /// Of written times.
    public var timeZoneOffsetMinutes: Int
    /// Stored bodies are cut to so many bytes.
    public var auditBodyMaxBytes: Int
    /// Audit rows older than so many days are deleted; 0 keeps them for ever.
    public var retentionDays: Int
    /// Usage records older than so many days are deleted, what has been summed up stays; 0 keeps them for ever.
    public var usageRetentionDays: Int
    /// Another process writes the database too: nothing that is counted may be put off.
    public var sharesDatabase: Bool
    /// Whether the writer gives way to the workers while the rings are quiet.
    public var yieldsToWorkers: Bool
    /// There are no more cores than workers: while all of them are busy, what the writer runs one of them waits.
    public var sharesCores: Bool
    /// How long one attempt waits for a lock that another connection holds.
    public var busyTimeoutMilliseconds: Int
    /// Failed flushes are retried after 50 ms, then twice that, up to this.
    public var maxRetryDelayMilliseconds: Int
    /// How long `start` tries to recover the rings before it gives up.
    public var startTimeoutMilliseconds: Int
    /// How long `stop` tries to empty the rings; what is left stays there for the next start.
    public var stopTimeoutMilliseconds: Int

    public init(
        flushIntervalMilliseconds: Int = 100, timeZoneOffsetMinutes: Int = 0, auditBodyMaxBytes: Int = 10_240,
        retentionDays: Int = 0, usageRetentionDays: Int = 0, sharesDatabase: Bool = false,
        yieldsToWorkers: Bool = true, sharesCores: Bool = false, busyTimeoutMilliseconds: Int = 1000,
        maxRetryDelayMilliseconds: Int = 2000, startTimeoutMilliseconds: Int = 30_000,
        stopTimeoutMilliseconds: Int = 10_000
    ) {
        self.flushIntervalMilliseconds = flushIntervalMilliseconds
        self.timeZoneOffsetMinutes = timeZoneOffsetMinutes
        self.auditBodyMaxBytes = auditBodyMaxBytes
        self.retentionDays = retentionDays
        self.usageRetentionDays = usageRetentionDays
        self.sharesDatabase = sharesDatabase
        self.yieldsToWorkers = yieldsToWorkers
        self.sharesCores = sharesCores
        self.busyTimeoutMilliseconds = busyTimeoutMilliseconds
        self.maxRetryDelayMilliseconds = maxRetryDelayMilliseconds
        self.startTimeoutMilliseconds = startTimeoutMilliseconds
        self.stopTimeoutMilliseconds = stopTimeoutMilliseconds
    }
}
