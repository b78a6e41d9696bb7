import CSQLite
import Reactor

/// One batch on its way into the database: its rows, and what they add to keys, rollups and counters.
///
/// Asking SQLite about every row is slow, and needed only when events may come again: at the start, and after a
/// failed flush. Such batches are written carefully, row by row; otherwise 32 rows at a time, on the understanding
/// that their ids are new, which SQLite checks anyway.
struct AuditTransaction: ~Copyable {
    var batch = AuditBatch()
    var binder = AuditBinder()
    /// Of the last `write`.
    private(set) var inserted = 0
    private(set) var rejected = 0
    private(set) var orphaned = 0
    private(set) var insertedUsage = 0

    /// Another process writes too, and what it has counted cannot be told from what is put off here.
    var sharesDatabase = false

    private let connection: Connection
    private var statements: AuditStatementCache
    private var usage: KeyUsageLedger
    private var rollups = RollupTable()
    private var settlement: UsageSettlement
    private var isCareful = true

    init(connection: Connection) {
        self.connection = connection
        usage = KeyUsageLedger(connection)
        settlement = UsageSettlement(connection: connection)
        statements = AuditStatementCache(connection: connection)
        let isRequired = try? connection.scalarInt(
            "SELECT \"notnull\" FROM pragma_table_info('audit_logs') WHERE name = 'stream_chunks'")
        binder.unknownChunksAreNull = isRequired == 0
    }

    /// Writes the batch; the caller has begun a transaction.
    ///
    /// - Parameters:
    ///   - isCareful: whether events may come a second time.
    ///   - onProgress: called every few rows.
    mutating func write(isCareful: Bool, onProgress: () -> Void) throws(StoreError) {
        usage.batch.removeAll()
        rollups.removeAll()
        inserted = 0
        rejected = 0
        orphaned = 0
        insertedUsage = 0
        self.isCareful = isCareful
        binder.repeated.beginBatch()
        if isCareful {
            for index in batch.rows.indices {
                do throws(StoreError) { try writeCarefully(index) } catch { try reject(error) }
                if index & 15 == 15 { onProgress() }
            }
        } else {
            try writeFast(onProgress)
        }
        for late in batch.lateFirstBytes { try writeFirstByte(late.id, late.fields) }
        for index in batch.lateCompletions {
            do throws(StoreError) { try writeLate(batch.completions[Int(index)]) } catch { try reject(error) }
            if index & 15 == 15 { onProgress() }
        }
        try usage.write(
            to: connection, timeZoneOffsetMinutes: binder.timeZoneOffsetMinutes,
            isUrgent: isCareful || sharesDatabase || batch.isEmpty)
        try rollups.write(to: connection)
        if !batch.usage.isEmpty || !batch.providerKeyStates.isEmpty {
            try settlement.write(batch, &binder, isCareful: isCareful, onProgress: onProgress)
            insertedUsage = settlement.inserted
            rejected += settlement.rejected
        }
        if inserted > 0 {
            let count = try connection.statement(
                "UPDATE store_counters SET value = value + ?1 WHERE name = 'audit_rows'")
            count.bind(1, inserted)
            try count.run()
        }
    }

    /// The transaction is durable.
    mutating func committed() { usage.committed() }

    /// Something is left to write although no events came.
    var hasPending: Bool { usage.hasPending }

    private mutating func writeFast(_ onProgress: () -> Void) throws(StoreError) {
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
        try insert(.brief, brief, onProgress)
        try insert(.full, full, onProgress)
        try insert(.open, open, onProgress)
        inserted = batch.rows.count
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
    private mutating func insert(
        _ shape: AuditStatements.Shape, _ indexes: [Int32], _ onProgress: () -> Void
    ) throws(StoreError) {
        var position = 0
        var size = AuditStatements.rowsPerInsert
        while position < indexes.count {
            while size > indexes.count - position { size /= 2 }
            let statement = try statements.insert(shape, rows: size)
            let parameters = statement.parameters
            binder.beginStatement()
            binder.bindTime(Clock.realtimeNanoseconds(), statement.handle, 1)
            for n in 0..<size { usage.batch.fetch(batch.rows[Int(indexes[position + n])].accepted.keyID) }
            for n in 0..<size {
                let row = batch.rows[Int(indexes[position + n])]
                bind(row, shape, parameters, 2 + Int32(n) * shape.columnCount)
                addToSums(row)
            }
            try statement.run()
            position += size
            onProgress()
        }
    }

    @inline(__always)
    private mutating func bind(
        _ row: AuditBatch.Row, _ shape: AuditStatements.Shape, _ parameters: Parameters, _ base: Int32
    ) {
        guard row.completion >= 0 else {
            binder.bindOpen(row, parameters, base)
            return
        }
        let fields = batch.completions[Int(row.completion)].fields
        binder.bindBrief(row, fields, parameters, base)
        if shape == .full {
            binder.bindHeaders(row.accepted.requestHeaders, parameters.statement, base + 19)
            binder.bindRecorded(fields, parameters.statement, base + 20)
        }
    }

    /// One row that may be there already, in part or whole.
    private mutating func writeCarefully(_ index: Int) throws(StoreError) {
        let row = batch.rows[index]
        let shape = shape(of: row)
        let statement = try statements.insertUnlessThere(shape)
        binder.beginStatement()
        binder.bindTime(Clock.realtimeNanoseconds(), statement.handle, 1)
        bind(row, shape, statement.parameters, 2)
        try statement.run()
        if connection.changes == 1 {
            inserted += 1
            addToSums(row)
            return
        }
        if row.firstByte.firstResponseTimeNanoseconds != 0 { try writeFirstByte(row.id, row.firstByte) }
        if row.completion >= 0 { try writeLate(batch.completions[Int(row.completion)]) }
    }

    private mutating func writeFirstByte(_ id: AuditID, _ fields: FirstByteFields) throws(StoreError) {
        let update = try statements.firstByte()
        binder.beginStatement()
        binder.bindID(id, update.handle, 1)
        binder.bindTime(fields.firstResponseTimeNanoseconds, update.handle, 2)
        binder.bindOptionalText(fields.targetURL, update.handle, 3)
        binder.bindHeaders(fields.responseHeaders, update.handle, 4)
        try update.run()
    }

    /// The end of an exchange whose row is there.
    private mutating func writeLate(_ completion: AuditBatch.Completion) throws(StoreError) {
        // The head's own time is in the row, cut to milliseconds as in the id.
        let requested = completion.id.unixMilliseconds &* 1_000_000
        if try update(completion, requested) {
            addToRollups(completion.fields, requestTimeNanoseconds: requested, firstResponseTimeNanoseconds: 0)
            return
        }
        // Completed before, or never accepted.
        let orphan = try connection.statement(AuditStatements.orphan)
        binder.beginStatement()
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
    private mutating func update(_ completion: AuditBatch.Completion, _ requested: UInt64) throws(StoreError) -> Bool {
        let update = try statements.complete()
        binder.beginStatement()
        binder.bindID(completion.id, update.handle, 1)
        binder.bindCompletion(completion.fields, requestTimeNanoseconds: requested, update.parameters, 2)
        binder.bindRecorded(completion.fields, update.handle, 12)
        try update.run()
        return connection.changes == 1
    }

    /// A value that SQLite will never take is counted and left out, for it must not hold up all others.
    private mutating func reject(_ error: StoreError) throws(StoreError) {
        guard isCareful, error.isAboutData else { throw error }
        rejected += 1
    }

    // MARK: Sums

    /// Counts a new row's key, and its end if it has come to one.
    @inline(__always)
    private mutating func addToSums(_ row: AuditBatch.Row) {
        usage.batch.add(row.accepted.keyID, timeNanoseconds: row.accepted.requestTimeNanoseconds)
        guard row.completion >= 0 else { return }
        addToRollups(
            batch.completions[Int(row.completion)].fields,
            requestTimeNanoseconds: row.accepted.requestTimeNanoseconds,
            firstResponseTimeNanoseconds: row.firstByte.firstResponseTimeNanoseconds)
    }

    private mutating func addToRollups(
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

extension StoreError {
    /// Whether the row is to blame, not the database.
    var isAboutData: Bool {
        guard case .sqlite(let code, _) = self else { return false }
        return [SQLITE_CONSTRAINT, SQLITE_TOOBIG, SQLITE_MISMATCH, SQLITE_RANGE].contains(code & 0xFF)
    }
}
