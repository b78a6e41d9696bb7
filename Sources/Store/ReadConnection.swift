import Reactor

/// A read-only handle on the database. Use it from one thread at a time.
///
/// Every call sees one state of the database, and is cut off (`StoreError.timedOut`) when it takes too long.
public final class ReadConnection {
    private let connection: Connection
    /// For days, hours and times without an offset.
    public let timeZoneOffsetMinutes: Int
    public var queryTimeoutMilliseconds: UInt64

    /// - Parameter path: of a database that `Database.open` has prepared.
    public init(
        path: String, timeZoneOffsetMinutes: Int = 0, queryTimeoutMilliseconds: UInt64 = 10_000
    ) throws(StoreError) {
        connection = try Connection(path: path, mode: .readOnly, busyTimeoutMilliseconds: 5000)
        self.timeZoneOffsetMinutes = timeZoneOffsetMinutes
        self.queryTimeoutMilliseconds = queryTimeoutMilliseconds
        try connection.applySettings()
        try connection.execute("PRAGMA query_only = ON")
        connection.installDeadlines()
    }

    /// Runs `body` in one read transaction with the query timeout.
    func read<T>(_ body: (Connection) throws(StoreError) -> T) throws(StoreError) -> T {
        connection.limitTime(milliseconds: queryTimeoutMilliseconds)
        defer {
            connection.limitTime(milliseconds: nil)
            connection.rollback()
        }
        try connection.execute("BEGIN")
        return try body(connection)
    }

    /// Unix milliseconds, now.
    func now() -> Int64 { Int64(Clock.realtimeNanoseconds() / 1_000_000) }
}
