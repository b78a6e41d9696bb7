import Reactor

/// What a process that has ended had under way with providers: for each exchange the record that it was to have in this case,
/// in the order of their ids.
///
/// A worker writes such a record into a slot before a request goes out, anew when something is known that changes it, and
/// clears the slot once the exchange's true record is in the ring. For a moment there may be two of one exchange: the later
/// counts.
struct OpenUsage {
    /// Records whose bytes are damaged, or that are none.
    private(set) var damaged = 0
    private var records: [(id: AuditID, record: MappedSlots.Record)] = []
    private var position = 0

    init(_ open: [MappedSlots]) {
        var latest: [AuditID: MappedSlots.Record] = [:]
        for slots in open {
            let (found, damaged) = slots.records()
            self.damaged += damaged
            for record in found {
                guard case .usage(let id, _)? = AuditEvent(decoding: record.payload) else {
                    self.damaged += 1
                    continue
                }
                if let known = latest[id], known.order >= record.order { continue }
                latest[id] = record
            }
        }
        records = latest.sorted { ($0.key.high, $0.key.low) < ($1.key.high, $1.key.low) }.map { ($0.key, $0.value) }
    }

    /// Hands out the next records, so many at the most; true if these were the last.
    mutating func take(_ most: Int, _ body: (UnsafeRawBufferPointer) -> Void) -> Bool {
        let end = min(records.count, position + most)
        while position < end {
            body(records[position].record.payload)
            position += 1
        }
        return position == records.count
    }
}
