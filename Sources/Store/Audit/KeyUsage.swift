import Glibc
import Reactor

/// Counts how often keys were used, on the way into `api_keys`.
struct KeyUsage: ~Copyable {
    private struct Entry: BitwiseCopyable {
        var key: Bytes
        /// Of `key`: found again, and told from others, without another look at the bytes.
        var hash: Int
        var count: Int
        var lastUsedNanoseconds: UInt64
    }

    /// How many different keys were counted.
    var count: Int { entries.count }
    var isEmpty: Bool { entries.isEmpty }

    private var entries: [Entry] = []
    /// Index + 1 into `entries`; a power of two at least twice their number.
    private var table = [Int32](repeating: 0, count: 64)
    private var last = -1

    mutating func removeAll() {
        entries.removeAll(keepingCapacity: true)
        table.withUnsafeMutableBufferPointer { $0.update(repeating: 0) }
        last = -1
    }

    /// - Parameter key: must stay where it is until `write`.
    mutating func add(_ key: Bytes, timeNanoseconds: UInt64) {
        guard key.count > 0 else { return }
        if last < 0 || !entries[last].key.elementsEqual(key) { last = position(of: key, hash: Self.hash(key)) }
        entries[last].count += 1
        entries[last].lastUsedNanoseconds = max(entries[last].lastUsedNanoseconds, timeNanoseconds)
    }

    /// Takes in what another has counted.
    ///
    /// - Parameter arena: keeps the keys, which may go where they came from.
    mutating func add(_ other: borrowing KeyUsage, keepingKeysIn arena: inout Arena) {
        for entry in other.entries {
            let known = entries.count
            let position = position(of: entry.key, hash: entry.hash)
            if position == known {
                let copy = arena.copy(entry.key.buffer)
                entries[position].key = Bytes(copy.pointer, copy.count)
            }
            entries[position].count += entry.count
            entries[position].lastUsedNanoseconds = max(
                entries[position].lastUsedNanoseconds, entry.lastUsedNanoseconds)
        }
    }

    /// Adds the counts to the keys that (still) exist.
    func write(to connection: Connection, timeZoneOffsetMinutes: Int) throws(StoreError) {
        guard !entries.isEmpty else { return }
        let update = try connection.statement(
            "UPDATE api_keys SET usage_count = usage_count + ?2, last_used_at = ?3 WHERE key_id = ?1")
        for entry in entries {
            update.bind(1, entry.key.string).bind(2, entry.count)
            update.bind(
                3,
                Timestamp.text(
                    milliseconds: Int64(entry.lastUsedNanoseconds / 1_000_000), offsetMinutes: timeZoneOffsetMinutes))
            try update.run()
        }
    }

    private mutating func position(of key: Bytes, hash: Int) -> Int {
        let mask = table.count - 1
        var slot = hash & mask
        while table[slot] != 0 {
            let index = Int(table[slot]) - 1
            if entries[index].hash == hash && entries[index].key.elementsEqual(key) { return index }
            slot = (slot + 1) & mask
        }
        entries.append(Entry(key: key, hash: hash, count: 0, lastUsedNanoseconds: 0))
        if entries.count * 2 > table.count {
            table = [Int32](repeating: 0, count: table.count * 2)
            for index in entries.indices {
                var slot = entries[index].hash & (table.count - 1)
                while table[slot] != 0 { slot = (slot + 1) & (table.count - 1) }
                table[slot] = Int32(index + 1)
            }
        } else {
            table[slot] = Int32(entries.count)
        }
        return entries.count - 1
    }

    /// FNV-1a, and its bits mixed once more: what the last bytes change is at first in few of them, and ids that are
    /// numbered differ in the last ones only. Key ids are made by us, so nobody can aim at collisions.
    static func hash(_ key: Bytes) -> Int {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in key.buffer { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
        let product = hash.multipliedFullWidth(by: 0x9E37_79B9_7F4A_7C15)
        return Int(truncatingIfNeeded: product.high ^ product.low)
    }
}
