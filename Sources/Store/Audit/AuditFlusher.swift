import CSQLite
import Reactor

/// The reading end of a ring, where several can be kept together.
final class RingReader {
    let ring: MappedRing
    var consumer: RingConsumer

    init(_ ring: MappedRing) {
        self.ring = ring
        consumer = RingConsumer(ring)
    }
}

/// Moves audit events from the rings into the database, a transaction at a time. A batch is released from the rings
/// only after its transaction is durable, so a crash in between makes it come again; that is why everything here may
/// be done twice:
/// - a row is inserted once, by its id, and its key is counted then;
/// - a row is completed once, when it had no response_time, and goes into the rollups then.
///
/// Asking SQLite about every row is slow, and needed only when events may come again: at the start, and after a
/// failed flush. Such batches are written carefully, row by row; otherwise 32 rows at a time, on the understanding
/// that their ids are new, which SQLite checks anyway.
final class AuditFlusher {
    enum Outcome: Equatable {
        /// The rings were empty.
        case idle
        /// The rings are empty now.
        case drained
        /// There is more to do.
        case more
    }

    /// Of one transaction.
    static let maximumRows = 8192
    static let maximumBytes = 32 << 20

    let connection: Connection
    private(set) var readers: [RingReader]
    /// Whether events may come a second time.
    private(set) var isCareful = true
    /// Called every few hundred rows of a batch.
    var onProgress: () -> Void = {}

    /// What has been committed.
    private(set) var committedRows = 0
    private(set) var committedEvents = 0
    private(set) var unreadableRecords = 0
    private(set) var rejectedRecords = 0
    private(set) var orphanedCompletions = 0

    private var batch = AuditBatch()
    private var binder = AuditBinder()
    private var usage = KeyUsage()
    private var rollups = RollupTable()
    private var inserted = 0
    private var rejected = 0
    private var orphaned = 0
    private var statements: AuditStatementCache

    init(connection: Connection, rings: [MappedRing]) {
        self.connection = connection
        readers = rings.map(RingReader.init)
        statements = AuditStatementCache(connection: connection)
    }

    func configure(_ options: WriterOptions) {
        binder.timeZoneOffsetMinutes = options.timeZoneOffsetMinutes
        binder.bodyLimit = options.auditBodyMaxBytes
    }

    /// Forgets rings that have been drained for good.
    func removeReaders(of rings: [MappedRing]) {
        readers.removeAll { reader in rings.contains { $0 === reader.ring } }
    }

    var corruptRecords: Int { readers.reduce(unreadableRecords) { $0 + $1.consumer.corruptRecords } }

    /// The fullest ring, of 1.
    var ringFill: Double {
        readers.reduce(0) { max($0, Double($1.ring.usedBytes) / Double($1.ring.capacity)) }
    }

    /// Reads what is there (up to a limit), writes it in one transaction, and releases it.
    ///
    /// - Parameter releasing: false leaves the rings as a crash right after the commit would, for tests.
    func flush(releasing: Bool = true) throws(StoreError) -> Outcome {
        let isDrained = read()
        guard !batch.isEmpty else {
            // Damaged records may have been passed over.
            for reader in readers { reader.consumer.release() }
            isCareful = false
            return .idle
        }
        do throws(StoreError) {
            try connection.transaction { () throws(StoreError) in try write() }
        } catch {
            for reader in readers { reader.consumer.rewind() }
            let wasCareful = isCareful
            isCareful = true
            // Ids that were not new after all: look closer, at once.
            if !wasCareful && Self.isAboutData(error) { return .more }
            throw error
        }
        committedRows += inserted
        committedEvents += batch.records - batch.unreadable - rejected
        unreadableRecords += batch.unreadable
        rejectedRecords += rejected
        orphanedCompletions += orphaned
        guard releasing else { return .more }
        for reader in readers { reader.consumer.release() }
        if isDrained { isCareful = false }
        return isDrained ? .drained : .more
    }

    /// True if the rings hold no more than was read.
    private func read() -> Bool {
        batch.removeAll()
        var isDrained = true
        // Each ring gets its share: no worker's events wait for another's.
        let share = max(256, Self.maximumRows / max(1, readers.count))
        let byteShare = max(1 << 20, Self.maximumBytes / max(1, readers.count))
        for reader in readers {
            let limit = batch.records + share * 2
            let byteLimit = batch.bytes + byteShare
            while true {
                guard batch.records < limit, batch.bytes < byteLimit else {
                    isDrained = false
                    break
                }
                guard let payload = reader.consumer.next() else { break }
                batch.add(payload)
            }
        }
        return isDrained
    }

    // MARK: Writing

    private func write() throws(StoreError) {
        usage.removeAll()
        rollups.removeAll()
        inserted = 0
        rejected = 0
        orphaned = 0
        if isCareful {
            for index in batch.rows.indices { try writeCarefully(index) }
        } else {
            try writeFast()
        }
        for late in batch.lateFirstBytes { try writeFirstByte(late.id, late.timeNanoseconds) }
        for index in batch.lateCompletions {
            try reject { () throws(StoreError) in try writeLate(batch.completions[Int(index)]) }
        }
        try usage.write(to: connection, timeZoneOffsetMinutes: binder.timeZoneOffsetMinutes)
        try rollups.write(to: connection)
        if inserted > 0 {
            let count = try connection.statement(
                "UPDATE store_counters SET value = value + ?1 WHERE name = 'audit_rows'")
            count.bind(1, inserted)
            try count.run()
        }
    }

    private func writeFast() throws(StoreError) {
        var open: [Int32] = []
        var brief: [Int32] = []
        var full: [Int32] = []
        for (index, row) in batch.rows.enumerated() {
            switch shape(of: row) {
            case .open: open.append(Int32(index))
            case .brief: brief.append(Int32(index))
            case .full: full.append(Int32(index))
            }
        }
        try insert(.brief, brief)
        try insert(.full, full)
        try insert(.open, open)
        inserted = batch.rows.count
        for row in batch.rows {
            usage.add(row.accepted.keyID, timeNanoseconds: row.accepted.requestTimeNanoseconds)
            if row.completion >= 0 { addToRollups(row) }
        }
    }

    private func shape(of row: AuditBatch.Row) -> AuditStatements.Shape {
        guard row.completion >= 0 else { return .open }
        let fields = batch.completions[Int(row.completion)].fields
        let recorded =
            row.accepted.requestHeaders.count | fields.responseHeaders.count | fields.requestBody.count
            | fields.responseBody.count
        return recorded == 0 ? .brief : .full
    }

    /// Inserts rows of one shape, 32 at a time, then the rest in powers of two, so that few statements are needed.
    private func insert(_ shape: AuditStatements.Shape, _ indexes: [Int32]) throws(StoreError) {
        var position = 0
        var size = AuditStatements.rowsPerInsert
        while position < indexes.count {
            while size > indexes.count - position { size /= 2 }
            let statement = try statements.insert(shape, rows: size)
            binder.arena.reset()
            binder.bindTime(Clock.realtimeNanoseconds(), statement.handle, 1)
            for n in 0..<size {
                bind(batch.rows[Int(indexes[position + n])], shape, statement.handle, 2 + Int32(n) * shape.columnCount)
            }
            try statement.run()
            position += size
            if position & 511 == 0 { onProgress() }
        }
    }

    @inline(__always)
    private func bind(
        _ row: AuditBatch.Row, _ shape: AuditStatements.Shape, _ statement: OpaquePointer, _ base: Int32
    ) {
        binder.bindAccepted(row, statement, base)
        if row.completion < 0 {
            binder.bindTime(row.firstResponseTimeNanoseconds, statement, base + 9)
            binder.bindHeaders(row.accepted.requestHeaders, statement, base + 10)
            return
        }
        let completion = batch.completions[Int(row.completion)]
        binder.bindCompletion(
            completion.fields, requestTimeNanoseconds: row.accepted.requestTimeNanoseconds,
            firstResponseTimeNanoseconds: row.firstResponseTimeNanoseconds, statement, base + 9)
        if shape == .full {
            binder.bindHeaders(row.accepted.requestHeaders, statement, base + 19)
            binder.bindRecorded(completion.fields, statement, base + 20)
        }
    }

    /// One row that may be there already, in part or whole.
    private func writeCarefully(_ index: Int) throws(StoreError) {
        let row = batch.rows[index]
        try reject { () throws(StoreError) in
            let shape = shape(of: row)
            let statement = try statements.insertUnlessThere(shape)
            binder.arena.reset()
            binder.bindTime(Clock.realtimeNanoseconds(), statement.handle, 1)
            bind(row, shape, statement.handle, 2)
            try statement.run()
            if connection.changes == 1 {
                inserted += 1
                usage.add(row.accepted.keyID, timeNanoseconds: row.accepted.requestTimeNanoseconds)
                if row.completion >= 0 { addToRollups(row) }
                return
            }
            if row.firstResponseTimeNanoseconds != 0 {
                try writeFirstByte(row.id, row.firstResponseTimeNanoseconds)
            }
            if row.completion >= 0 { try writeLate(batch.completions[Int(row.completion)]) }
        }
        if index & 255 == 255 { onProgress() }
    }

    private func writeFirstByte(_ id: AuditID, _ timeNanoseconds: UInt64) throws(StoreError) {
        let update = try statements.firstByte()
        binder.arena.reset()
        binder.bindID(id, update.handle, 1)
        binder.bindTime(timeNanoseconds, update.handle, 2)
        try update.run()
    }

    /// The end of an exchange whose row is there.
    private func writeLate(_ completion: AuditBatch.Completion) throws(StoreError) {
        // The head's own time is in the row, cut to milliseconds as in the id.
        let requested = completion.id.unixMilliseconds &* 1_000_000
        if try update(completion, requested) {
            addToRollups(completion.fields, requestTimeNanoseconds: requested, firstResponseTimeNanoseconds: 0)
            return
        }
        // Completed before, or never accepted.
        let orphan = try connection.statement(AuditStatements.orphan)
        binder.arena.reset()
        binder.bindID(completion.id, orphan.handle, 1)
        binder.bindTime(max(1, requested), orphan.handle, 2)
        binder.bindTime(Clock.realtimeNanoseconds(), orphan.handle, 3)
        try orphan.run()
        guard connection.changes == 1 else { return }
        inserted += 1
        orphaned += 1
        if try update(completion, requested) {
            addToRollups(completion.fields, requestTimeNanoseconds: requested, firstResponseTimeNanoseconds: 0)
        }
    }

    /// False if no row waits for this.
    private func update(_ completion: AuditBatch.Completion, _ requested: UInt64) throws(StoreError) -> Bool {
        let update = try statements.complete()
        binder.arena.reset()
        binder.bindID(completion.id, update.handle, 1)
        binder.bindCompletion(
            completion.fields, requestTimeNanoseconds: requested, firstResponseTimeNanoseconds: 0, update.handle, 2)
        binder.bindRecorded(completion.fields, update.handle, 12)
        try update.run()
        return connection.changes == 1
    }

    /// Runs `body`; a value that SQLite will never take is counted and left out, for it must not hold up all others.
    private func reject(_ body: () throws(StoreError) -> Void) throws(StoreError) {
        do throws(StoreError) {
            try body()
        } catch {
            guard isCareful, Self.isAboutData(error) else { throw error }
            rejected += 1
        }
    }

    private static func isAboutData(_ error: StoreError) -> Bool {
        guard case .sqlite(let code, _) = error else { return false }
        return [SQLITE_CONSTRAINT, SQLITE_TOOBIG, SQLITE_MISMATCH, SQLITE_RANGE].contains(code & 0xFF)
    }

    // MARK: Rollups

    private func addToRollups(_ row: AuditBatch.Row) {
        addToRollups(
            batch.completions[Int(row.completion)].fields,
            requestTimeNanoseconds: row.accepted.requestTimeNanoseconds,
            firstResponseTimeNanoseconds: row.firstResponseTimeNanoseconds)
    }

    private func addToRollups(
        _ fields: CompletedFields, requestTimeNanoseconds requested: UInt64, firstResponseTimeNanoseconds: UInt64
    ) {
        let first =
            fields.firstResponseTimeNanoseconds != 0
            ? fields.firstResponseTimeNanoseconds : firstResponseTimeNanoseconds
        rollups.add(
            requestTimeMilliseconds: Int64(requested / 1_000_000), status: Int(fields.status),
            durationMilliseconds: AuditBinder.milliseconds(from: requested, to: fields.responseTimeNanoseconds),
            firstByteMilliseconds: first == 0 ? nil : AuditBinder.milliseconds(from: requested, to: first),
            isError: fields.status == 0 || fields.status >= 400 || fields.errorMessage.count > 0,
            isStream: fields.isStream, requestBytes: Int(clamping: fields.requestSize),
            responseBytes: Int(clamping: fields.responseSize))
    }
}
