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
/// - a row is completed once, when it had no response_time, and goes into the rollups then;
/// - a row of usage is inserted once, and is settled then.
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
    /// Read between two calls of `onProgress`.
    private static let recordsAtOnce = 256
    /// Bytes of a ring that are kept ready for its worker, see `RingConsumer.prepare`: as many as the last batch had, for
    /// the next one may be like it.
    private static let leastPrepared = 256 << 10
    private static let mostPrepared = 8 << 20

    let connection: Connection
    private(set) var readers: [RingReader]
    /// Whether events may come a second time.
    private(set) var isCareful = true
    /// Told of each exchange that has ended, once it is stored.
    var accessLog: AccessLog?
    /// Called every few records or rows of a batch.
    var onProgress: () -> Void = {}

    /// What has been committed.
    private(set) var committedRows = 0
    private(set) var committedEvents = 0
    private(set) var committedUsageRecords = 0
    private(set) var unreadableRecords = 0
    private(set) var rejectedRecords = 0
    private(set) var orphanedCompletions = 0

    /// Records in slots that are none.
    private var damagedOpenUsage = 0
    private var transaction: AuditTransaction

    init(connection: Connection, rings: [MappedRing]) {
        self.connection = connection
        readers = rings.map(RingReader.init)
        for reader in readers { reader.consumer.prepare(ahead: Self.leastPrepared) }
        transaction = AuditTransaction(connection: connection)
    }

    func configure(_ options: WriterOptions) {
        transaction.binder.timeZoneOffsetMinutes = options.timeZoneOffsetMinutes
        transaction.binder.bodyLimit = options.auditBodyMaxBytes
        transaction.sharesDatabase = options.sharesDatabase
    }

    /// Reads these rings too; what is in them may have been stored before.
    func add(_ rings: [MappedRing]) {
        readers += rings.map(RingReader.init)
        isCareful = true
    }

    /// Records that were released without being in the database.
    var refusedEvents: Int { unreadableRecords + rejectedRecords }

    /// Makes good what a crash has left undone beside the rings.
    func recover() throws(StoreError) {
        try connection.transaction { () throws(StoreError) in try KeyUsageLedger.recover(connection) }
    }

    /// Stores and settles the usage of exchanges that a process had under way when it ended, then clears what it is read from.
    /// That process's rings must have been emptied: an exchange that has its record there, or had it before, gets no second.
    ///
    /// - Returns: records that were new.
    func settle(_ open: [MappedSlots]) throws(StoreError) -> Int {
        var left = OpenUsage(open)
        var settled = 0
        while true {
            transaction.batch.removeAll()
            let isLast = left.take(Self.maximumRows) { transaction.batch.add($0) }
            if !transaction.batch.isEmpty {
                try connection.transaction { () throws(StoreError) in
                    try transaction.write(isCareful: true, onProgress: onProgress)
                }
                transaction.committed()
                settled += transaction.insertedUsage
                committedUsageRecords += transaction.insertedUsage
                damagedOpenUsage += transaction.batch.unreadable
                rejectedRecords += transaction.rejected
            }
            if isLast { break }
        }
        for slots in open { slots.removeAll() }
        // Only now: until then all of it may have to be done again.
        damagedOpenUsage += left.damaged
        return settled
    }

    /// Forgets rings that have been drained for good.
    func removeReaders(of rings: [MappedRing]) {
        readers.removeAll { reader in rings.contains { $0 === reader.ring } }
    }

    var corruptRecords: Int { readers.reduce(unreadableRecords + damagedOpenUsage) { $0 + $1.consumer.corruptRecords } }

    /// The fullest ring, of 1.
    var ringFill: Double {
        readers.reduce(0) { max($0, Double($1.ring.usedBytes) / Double($1.ring.capacity)) }
    }

    /// Reads what is there (up to a limit), writes it in one transaction, and releases it.
    ///
    /// - Parameter releasing: false leaves the rings as a crash right after the commit would, for tests.
    func flush(releasing: Bool = true) throws(StoreError) -> Outcome {
        let isDrained = read()
        guard !transaction.batch.isEmpty || transaction.hasPending else {
            // Damaged records may have been passed over.
            for reader in readers { reader.consumer.release() }
            isCareful = false
            return .idle
        }
        do throws(StoreError) {
            try connection.transaction { () throws(StoreError) in
                try transaction.write(isCareful: isCareful, onProgress: onProgress)
            }
        } catch {
            for reader in readers { reader.consumer.rewind() }
            let wasCareful = isCareful
            isCareful = true
            // Ids that were not new after all: look closer, at once.
            if !wasCareful && error.isAboutData { return .more }
            throw error
        }
        transaction.committed()
        committedRows += transaction.inserted
        committedEvents += transaction.batch.records - transaction.batch.unreadable - transaction.rejected
        committedUsageRecords += transaction.insertedUsage
        unreadableRecords += transaction.batch.unreadable
        rejectedRecords += transaction.rejected
        orphanedCompletions += transaction.orphaned
        // What it points to lies in the rings until they are released.
        if let accessLog, accessLog.isOn { accessLog.write(transaction.batch, connection) }
        guard releasing else { return .more }
        for reader in readers {
            reader.consumer.release()
            let ahead = min(max(Self.leastPrepared, transaction.batch.bytes), Self.mostPrepared)
            while !reader.consumer.prepare(ahead: ahead, atMost: Self.leastPrepared) { onProgress() }
        }
        if isDrained { isCareful = false }
        return isDrained ? .drained : .more
    }

    /// Gives up what a rush has made grow: room for batches, the database's cached pages, the rings' pages. Between two
    /// flushes.
    func giveBackMemory() {
        transaction.batch = AuditBatch()
        connection.giveBackMemory()
        for reader in readers { reader.ring.giveBackPages() }
    }

    /// True if the rings hold no more than was read.
    private func read() -> Bool {
        transaction.batch.removeAll()
        var isDrained = true
        // Each ring gets its share: no worker's events wait for another's.
        let share = max(256, Self.maximumRows / max(1, readers.count))
        let byteShare = max(1 << 20, Self.maximumBytes / max(1, readers.count))
        for reader in readers {
            let records = transaction.batch.records + share * 2
            let bytes = transaction.batch.bytes + byteShare
            var isEmpty = false
            while !isEmpty, transaction.batch.records < records, transaction.batch.bytes < bytes {
                isEmpty = transaction.batch.read(
                    &reader.consumer, records: min(Self.recordsAtOnce, records - transaction.batch.records),
                    bytes: bytes - transaction.batch.bytes)
                onProgress()
            }
            if !isEmpty { isDrained = false }
        }
        return isDrained
    }
}
