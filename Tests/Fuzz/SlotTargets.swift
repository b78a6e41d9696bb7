import Glibc

@testable import Reactor
@testable import Store

/// What is to be found of open usage, by a reader of its own.
private struct Expectation {
    var totals: [AuditID: Int64] = [:]
    /// Damaged records, and such as are none.
    var faulty = 0

    /// Of records in slots: of two about the same exchange the later counts.
    mutating func add(_ slots: (found: [SlotImage.Record], damaged: Int)) {
        faulty += slots.damaged
        var latest: [AuditID: SlotImage.Record] = [:]
        for record in slots.found {
            guard let id = record.payload.withUnsafeBytes({ Self.usage($0)?.id }) else {
                faulty += 1
                continue
            }
            if let known = latest[id], known.order >= record.order { continue }
            latest[id] = record
        }
        for (id, record) in latest {
            let total = record.payload.withUnsafeBytes { payload in
                Self.usage(payload).flatMap { UsageFields(decoding: $0.body)?.totalTokens }
            }
            guard let total else {
                faulty += 1
                continue
            }
            if totals[id] == nil { totals[id] = total }
        }
    }

    private static func usage(_ payload: UnsafeRawBufferPointer) -> (id: AuditID, body: Bytes)? {
        guard case .usage(let id, let body)? = AuditEvent(decoding: payload) else { return nil }
        return (id, body)
    }

    /// Of a ring that nobody writes any longer: what comes first counts.
    mutating func add(_ ring: MappedRing) {
        var consumer = RingConsumer(ring)
        var batch = AuditBatch()
        while let payload = consumer.next() { batch.add(payload) }
        faulty += consumer.corruptRecords + batch.unreadable
        for index in batch.usage.indices where totals[batch.usage[index].id] == nil {
            totals[batch.usage[index].id] = batch.usage[index].fields.totalTokens
        }
    }
}

/// A database with a caller's key and a provider's.
private final class Ledger {
    let connection: Connection

    init(_ name: String) {
        for suffix in ["", "-wal", "-shm"] { unlink("\(storeFolder)/\(name).db\(suffix)") }
        let path = "\(storeFolder)/\(name).db"
        do {
            _ = try Database.open(path: path)
            connection = try Connection(path: path, mode: .readWrite, busyTimeoutMilliseconds: 1000)
            try connection.execute(
                """
                INSERT INTO api_keys (key_id, key_value, source_path, created_at)
                    VALUES ('key_1', '\(String(repeating: "1", count: 64))', '/s', '2026-01-01T00:00:00.000+08:00');
                INSERT INTO providers (name, api_type, base_url, created_at, updated_at)
                    VALUES ('provider', 'openai', 'http://h', '', '');
                INSERT INTO provider_keys (key_id, provider, sealed_key, created_at, updated_at)
                    VALUES ('pk_1', 'provider', x'00', '', '')
                """)
        } catch { fatalError("\(error)") }
    }

    func total(_ id: AuditID) -> Int64? {
        do {
            let statement = try connection.statement("SELECT total_tokens FROM usage_records WHERE id = ?1")
            defer { statement.reset() }
            statement.bind(1, id.text)
            return try statement.step() ? Int64(statement.int(0)) : nil
        } catch { fatalError("\(error)") }
    }

    /// Settles, and looks whether what was expected has come of it, and nothing else.
    func settle(_ expected: Expectation, _ flusher: AuditFlusher, _ body: () throws(StoreError) -> Void) {
        let new = expected.totals.filter { total($0.key) == nil }
        let (faulty, rejected, before) =
            (flusher.corruptRecords, flusher.rejectedRecords, flusher.committedUsageRecords)
        do throws(StoreError) { try body() } catch { fatalError("not settled: \(error)") }
        check(flusher.rejectedRecords == rejected, "whole records were rejected")
        let settled = flusher.committedUsageRecords - before
        check(settled == new.count, "\(settled) records are new, not \(new.count)")
        check(
            flusher.corruptRecords - faulty == expected.faulty,
            "\(flusher.corruptRecords - faulty) records are damaged, not \(expected.faulty)")
        for (id, tokens) in new {
            let stored = min(max(0, tokens), UsageLimit.tokens)
            check(total(id) == stored, "\(id.text) has \(total(id) ?? -1) tokens, not \(stored)")
        }
    }

    /// Whatever was settled, every sum is that of the rows.
    func checkSums() {
        for (sum, rows) in [
            ("SELECT ifnull(sum(total_tokens), 0) FROM usage_hours", "ifnull(sum(total_tokens), 0)"),
            ("SELECT ifnull(sum(cost_micros), 0) FROM usage_days", "ifnull(sum(cost_micros), 0)"),
            ("SELECT ifnull(sum(requests), 0) FROM usage_hours", "count(*)"),
            ("SELECT ifnull(sum(requests), 0) FROM usage_days", "count(*)"),
            ("SELECT tokens_spent FROM api_keys", "ifnull(sum(total_tokens) FILTER (WHERE key_id = 'key_1'), 0)"),
            ("SELECT requests FROM provider_keys", "count(*) FILTER (WHERE provider_key_id = 'pk_1')"),
        ] {
            do {
                let (left, right) = (
                    try connection.scalarInt(sum), try connection.scalarInt("SELECT \(rows) FROM usage_records")
                )
                check(left == right, "\(sum) is \(left), and \(rows) \(right)")
            } catch { fatalError("\(error)") }
        }
    }
}

nonisolated(unsafe) private var ledger = Ledger("ledger")
nonisolated(unsafe) private var flusher = AuditFlusher(connection: ledger.connection, rings: [])
nonisolated(unsafe) private var uses = 0

private func renewLedger() {
    uses += 1
    if uses % 64 == 0 { ledger.checkSums() }
    if uses % 2048 == 0 {
        ledger = Ledger("ledger")
        flusher = AuditFlusher(connection: ledger.connection, rings: [])
    }
}

/// Whatever a file of slots holds: it is refused, or the records that are whole are found and settled once, the damaged ones
/// are counted, and the slots are free.
func fuzzSlots(_ input: Input) {
    renewLedger()
    let image = SlotImage(of: input)
    let path = storeFolder + "/audit.open"
    image.write(to: path)
    let slots: MappedSlots
    do throws(RingError) {
        slots = try MappedSlots.open(path: path)
    } catch {
        return check(error == .notARing && image.expected == nil, "not opened: \(error)")
    }
    guard let expected = image.expected else { fatalError("what is no slot file was opened") }
    let (found, damaged) = slots.records()
    check(damaged == expected.damaged, "\(damaged) slots are damaged, not \(expected.damaged)")
    check(
        found.elementsEqual(expected.found) { $0.order == $1.order && $0.payload.elementsEqual($1.payload) },
        "\(found.count) other records than the \(expected.found.count) that are whole")

    var expectation = Expectation()
    expectation.add(expected)
    ledger.settle(expectation, flusher) { () throws(StoreError) in _ = try flusher.settle([slots]) }
    ledger.settle(Expectation(), flusher) { () throws(StoreError) in _ = try flusher.settle([slots]) }
    checkEmpty(slots)
}

/// All slots are free, and can be used.
private func checkEmpty(_ slots: MappedSlots) {
    let left = slots.records()
    check(left.found.isEmpty && left.damaged == 0, "something is left")
    check(slots.count == MappedSlots.step, "the file has \(slots.count) slots")
    var producer = SlotProducer(slots)
    for n in 0..<3 {
        guard let slot = producer.reserve() else { fatalError("no slot") }
        memset(producer.payload(slot), Int32(n), MappedSlots.payloadBytes)
        producer.commit(slot, length: MappedSlots.payloadBytes - n)
        if n == 1 { producer.clear(slot) }
    }
    let (found, damaged) = slots.records()
    check(found.map(\.payload.count) == [MappedSlots.payloadBytes, MappedSlots.payloadBytes - 2], "other records")
    check(damaged == 0 && found.allSatisfy { $0.payload.allSatisfy { [0, 2].contains($0) } }, "damaged")
}

/// What a gateway that was killed has left, ring and slots alike: what the ring says of an exchange counts, then what its slot
/// says; all else is counted, and everything is empty.
func fuzzRecovery(_ input: Input) {
    renewLedger()
    let (ringPath, slotsPath) = (storeFolder + "/recovery.ring", storeFolder + "/recovery.open")
    let image = SlotImage(of: Input(bytes: [UInt8(input.choice), 0] + input.body.dropFirst(input.cut)))
    image.write(to: slotsPath)
    makeRing(ringPath, Array(input.body.prefix(input.cut)))
    // What is refused is set aside: there is nothing then to recover from.
    let ring = try? MappedRing.open(path: ringPath, capacity: MappedRing.smallestCapacity)
    let slots = try? MappedSlots.open(path: slotsPath)

    var expected = Expectation()
    if let ring { expected.add(ring) }
    if slots != nil, let found = image.expected { expected.add(found) }
    let flusher = AuditFlusher(connection: ledger.connection, rings: ring.map { [$0] } ?? [])
    ledger.settle(expected, flusher) { () throws(StoreError) in
        try flusher.recover()
        for _ in 0..<4 { if try flusher.flush() != .more { break } }
        _ = try flusher.settle(slots.map { [$0] } ?? [])
    }
    check(ring?.usedBytes ?? 0 == 0, "the ring is not empty")
    if let slots { checkEmpty(slots) }
}

/// A ring file with records as they are said to have been written, of which bits have changed since.
private func makeRing(_ path: String, _ says: [UInt8]) {
    var reader = ByteReader(says)
    unlink(path)
    do {
        guard let ring = try? MappedRing.open(path: path, capacity: MappedRing.smallestCapacity) else {
            fatalError("no ring at \(path)")
        }
        // So many as the ring has room for.
        var producer = RingProducer(ring)
        for _ in 0..<reader.byte() & 15 {
            let (number, tokens) = (Int(reader.byte()), Int64(reader.number()))
            let record = number & 0x80 == 0 ? openRecord(number, tokens: tokens) : reader.bytes(number & 0x7F)
            guard let p = producer.reserve(record.count) else { break }
            UnsafeMutableRawBufferPointer(start: p, count: record.count).copyBytes(from: record)
            producer.commit()
        }
    }
    var bytes = contents(of: path)
    while !reader.isAtEnd {
        let (what, at) = (Int(reader.byte()), reader.number())
        // The indices and the rest of the header lie in its first bytes.
        bytes[what & 8 == 0 ? at % bytes.count : at % 264] ^= 1 << (what & 7)
    }
    write(bytes, to: path)
}
