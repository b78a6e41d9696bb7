import Reactor

/// Carries the use of keys from the audit into `api_keys`. With few keys that happens with every batch. With many it is put
/// off for some seconds: a batch of a few thousand rows by as many keys would otherwise cost as much again for their
/// counts.
///
/// A crash loses nothing of what was put off: `store_counters` has the rowid up to which rows are counted, and the next
/// start counts the others.
struct KeyUsageLedger: ~Copyable {
    static let fewKeys = 64
    static let intervalMilliseconds: UInt64 = 5_000

    /// Of the batch that is being written.
    var batch = KeyUsage()
    /// Of committed batches.
    private var pending = KeyUsage()
    private var pendingKeys = Arena()
    private var isWritten = false
    private var lastWritten: UInt64 = 0
    /// Nothing can be put off in a table whose rows have no number (somebody made it so; it serves as well).
    private let hasRowIDs: Bool

    init(_ connection: Connection) { hasRowIDs = Self.hasRowIDs(connection) }

    var hasPending: Bool { !pending.isEmpty }

    /// Writes what is due; within the batch's transaction, once its rows are in.
    ///
    /// - Parameter isUrgent: nothing may be put off.
    mutating func write(
        to connection: Connection, timeZoneOffsetMinutes: Int, isUrgent: Bool
    ) throws(StoreError) {
        isWritten = false
        if batch.isEmpty && pending.isEmpty { return }
        let isDue = Clock.monotonicMilliseconds() - lastWritten >= Self.intervalMilliseconds
        guard isUrgent || isDue || !hasRowIDs || batch.count + pending.count <= Self.fewKeys else { return }
        try pending.write(to: connection, timeZoneOffsetMinutes: timeZoneOffsetMinutes)
        try batch.write(to: connection, timeZoneOffsetMinutes: timeZoneOffsetMinutes)
        if hasRowIDs { try Self.markCounted(connection) }
        isWritten = true
    }

    /// The transaction is durable.
    mutating func committed() {
        if isWritten {
            pending.removeAll()
            pendingKeys.reset()
            lastWritten = Clock.monotonicMilliseconds()
        } else {
            pending.add(batch, keepingKeysIn: &pendingKeys)
        }
        batch.removeAll()
    }

    /// Counts the rows that were put off when the gateway stopped without notice. Within a transaction.
    static func recover(_ connection: Connection) throws(StoreError) {
        guard hasRowIDs(connection) else { return }
        if try connection.scalarInt("SELECT count(*) FROM store_counters WHERE name = 'usage_counted_rowid'") == 1 {
            try connection.execute(
                """
                UPDATE api_keys SET usage_count = usage_count + missed.uses, last_used_at = missed.last_use
                FROM (
                    SELECT api_key, count(*) AS uses, max(request_time) AS last_use FROM audit_logs
                    WHERE api_key IS NOT NULL AND rowid >
                        (SELECT value FROM store_counters WHERE name = 'usage_counted_rowid')
                    GROUP BY api_key
                ) AS missed WHERE key_id = missed.api_key
                """)
        }
        try markCounted(connection)
    }

    private static func hasRowIDs(_ connection: Connection) -> Bool {
        (try? connection.scalarInt("SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = 'audit_logs'"))
            == 0
    }

    private static func markCounted(_ connection: Connection) throws(StoreError) {
        try connection.statement(
            """
            INSERT INTO store_counters (name, value)
            VALUES ('usage_counted_rowid', (SELECT ifnull(max(rowid), 0) FROM audit_logs))
            ON CONFLICT (name) DO UPDATE SET value = excluded.value
            """
        ).run()
    }
}
