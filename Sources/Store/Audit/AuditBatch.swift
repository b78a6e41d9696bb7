import Reactor

/// What one flush has read from the rings, sorted by what has to be done. Everything points into ring memory, which
/// stays put until the rings are released.
struct AuditBatch: ~Copyable {
    /// An exchange that was accepted in this batch, and how far it has come.
    struct Row: BitwiseCopyable {
        var id: AuditID
        var accepted: AcceptedFields
        /// Of the first-byte event; its time is 0 if there was none.
        var firstByte = FirstByteFields(firstResponseTimeNanoseconds: 0)
        /// Index into `completions`, -1: still in flight.
        var completion: Int32 = -1
    }

    struct Completion: BitwiseCopyable {
        var id: AuditID
        var fields: CompletedFields
    }

    struct FirstByte: BitwiseCopyable {
        var id: AuditID
        var fields: FirstByteFields
    }

    struct Usage: BitwiseCopyable {
        var id: AuditID
        var fields: UsageFields
    }

    private(set) var rows: [Row] = []
    private(set) var completions: [Completion] = []
    /// Completions of exchanges that an earlier batch has stored: indexes into `completions`.
    private(set) var lateCompletions: [Int32] = []
    /// First bytes of exchanges that an earlier batch has stored.
    private(set) var lateFirstBytes: [FirstByte] = []
    /// Exchanges with providers that have ended.
    private(set) var usage: [Usage] = []
    private(set) var providerKeyStates: [ProviderKeyStateFields] = []
    /// Records read.
    private(set) var records = 0
    /// Records that no version has written.
    private(set) var unreadable = 0
    private(set) var bytes = 0

    /// Open addressing, index + 1 of the row; a power of two at least twice the rows.
    private var table: [Int32] = [Int32](repeating: 0, count: 1024)

    init() {
        rows.reserveCapacity(512)
        completions.reserveCapacity(512)
    }

    var isEmpty: Bool { records == 0 }

    mutating func removeAll() {
        rows.removeAll(keepingCapacity: true)
        completions.removeAll(keepingCapacity: true)
        lateCompletions.removeAll(keepingCapacity: true)
        lateFirstBytes.removeAll(keepingCapacity: true)
        usage.removeAll(keepingCapacity: true)
        providerKeyStates.removeAll(keepingCapacity: true)
        records = 0
        unreadable = 0
        bytes = 0
        table.withUnsafeMutableBufferPointer { $0.update(repeating: 0) }
    }

    /// Takes in what a ring holds, up to limits that one record may pass; false if there is more.
    mutating func read(_ consumer: inout RingConsumer, records most: Int, bytes mostBytes: Int) -> Bool {
        let limit = records + most
        let byteLimit = bytes + mostBytes
        while records < limit, bytes < byteLimit {
            guard let payload = consumer.next() else { return true }
            add(payload)
        }
        return false
    }

    /// Takes in one record of a ring.
    mutating func add(_ payload: UnsafeRawBufferPointer) {
        records += 1
        bytes += payload.count
        switch AuditEvent(decoding: payload) {
        case .accepted(let id, let fields):
            // A record that comes twice within a batch cannot be, but must not become two rows.
            if find(id) == nil { insert(Row(id: id, accepted: fields)) }
        case .firstByte(let id, let fields):
            if let row = find(id) {
                rows[row].firstByte = fields
            } else {
                lateFirstBytes.append(FirstByte(id: id, fields: fields))
            }
        case .completed(let id, var fields):
            let index = Int32(completions.count)
            if let row = find(id) {
                guard rows[row].completion < 0 else { return }
                if fields.targetURL.count == 0 { fields.targetURL = rows[row].firstByte.targetURL }
                if fields.responseHeaders.count == 0 { fields.responseHeaders = rows[row].firstByte.responseHeaders }
                completions.append(Completion(id: id, fields: fields))
                rows[row].completion = index
            } else {
                completions.append(Completion(id: id, fields: fields))
                lateCompletions.append(index)
            }
        case .usage(let id, let body):
            usage.append(Usage(id: id, fields: .empty))
            if !usage[usage.count - 1].fields.decode(body) {
                usage.removeLast()
                unreadable += 1
            }
        case .providerKeyState(_, let body):
            guard let fields = ProviderKeyStateFields(decoding: body) else {
                unreadable += 1
                return
            }
            providerKeyStates.append(fields)
        case nil:
            unreadable += 1
        }
    }

    // MARK: The table

    @inline(__always)
    private static func hash(_ id: AuditID) -> Int {
        Int(truncatingIfNeeded: ((id.low ^ id.high &* 0x9E37_79B9_7F4A_7C15) &* 0xD6E8_FEB8_6659_FD93) >> 32)
    }

    private func find(_ id: AuditID) -> Int? {
        let mask = table.count - 1
        var slot = Self.hash(id) & mask
        while table[slot] != 0 {
            let row = Int(table[slot]) - 1
            if rows[row].id == id { return row }
            slot = (slot + 1) & mask
        }
        return nil
    }

    private mutating func insert(_ row: Row) {
        rows.append(row)
        if rows.count * 2 > table.count {
            table = [Int32](repeating: 0, count: table.count * 2)
            for index in rows.indices { link(index) }
        } else {
            link(rows.count - 1)
        }
    }

    private mutating func link(_ index: Int) {
        let mask = table.count - 1
        var slot = Self.hash(rows[index].id) & mask
        while table[slot] != 0 { slot = (slot + 1) & mask }
        table[slot] = Int32(index + 1)
    }
}
