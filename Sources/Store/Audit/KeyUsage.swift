import Reactor

/// Counts how often keys were used, on the way into `api_keys`. With many keys nearly each use is of one whose count has
/// left the caches, so what is asked of it lies in one line, found by the hash alone.
struct KeyUsage: ~Copyable {
    /// One cache line.
    struct Entry: BitwiseCopyable {
        var key: KeyName
        var hash: UInt64
        var lastUsedNanoseconds: UInt64
        var count: UInt32
        /// The table's, or this place is free.
        var generation: UInt32
    }

    /// So many entries stay in the caches by themselves.
    private static let fewEntries = 64

    /// How many different keys were counted.
    var count: Int { used.count }
    var isEmpty: Bool { used.isEmpty }

    /// Open addressing; a power of two at least twice `count`.
    private var places: UnsafeMutablePointer<Entry>
    private var capacity = 2 * fewEntries
    /// The places in use, in the order in which they were taken.
    private var used: [Int32] = []
    private var generation: UInt32 = 1
    private var last = -1

    init() { places = Self.free(capacity) }

    deinit { places.deallocate() }

    mutating func removeAll() {
        used.removeAll(keepingCapacity: true)
        last = -1
        generation &+= 1
        guard generation == 0 else { return }
        // After four billion batches; what they left would seem to be of a coming one.
        places.deallocate()
        places = Self.free(capacity)
        generation = 1
    }

    /// Has the count that `add` will look for come into the caches, without waiting for it.
    func fetch(_ key: Bytes) {
        guard used.count >= Self.fewEntries, key.count > 0 else { return }
        Prefetch.write(places + home(KeyName(key).hash))
    }

    /// - Parameter key: must stay where it is until `write`.
    mutating func add(_ key: Bytes, timeNanoseconds: UInt64) {
        guard key.count > 0 else { return }
        let key = KeyName(key)
        if last < 0 || !places[last].key.equals(key) { last = place(of: key, hash: key.hash) }
        places[last].count += 1
        places[last].lastUsedNanoseconds = max(places[last].lastUsedNanoseconds, timeNanoseconds)
    }

    /// Takes in what another has counted.
    ///
    /// - Parameter arena: keeps the keys, which may go where they came from.
    mutating func add(_ other: borrowing KeyUsage, keepingKeysIn arena: inout Arena) {
        let ahead = 8
        for i in 0..<other.used.count {
            if i + ahead < other.used.count {
                Prefetch.write(places + home(other.places[Int(other.used[i + ahead])].hash))
            }
            let entry = other.places[Int(other.used[i])]
            let known = count
            let place = place(of: entry.key, hash: entry.hash)
            if count > known { places[place].key.keep(in: &arena) }
            places[place].count += entry.count
            places[place].lastUsedNanoseconds = max(places[place].lastUsedNanoseconds, entry.lastUsedNanoseconds)
        }
    }

    /// Adds the counts to the keys that (still) exist.
    func write(to connection: Connection, timeZoneOffsetMinutes: Int) throws(StoreError) {
        guard !isEmpty else { return }
        let update = try connection.statement(
            "UPDATE api_keys SET usage_count = usage_count + ?2, last_used_at = ?3 WHERE key_id = ?1")
        for place in used {
            let entry = places[Int(place)]
            update.bind(1, entry.key.string).bind(2, Int(entry.count))
            update.bind(
                3,
                Timestamp.text(
                    milliseconds: Int64(entry.lastUsedNanoseconds / 1_000_000), offsetMinutes: timeZoneOffsetMinutes))
            try update.run()
        }
    }

    // MARK: The table

    @inline(__always)
    private func home(_ hash: UInt64) -> Int { Int(truncatingIfNeeded: hash) & (capacity - 1) }

    private mutating func place(of key: KeyName, hash: UInt64) -> Int {
        var place = home(hash)
        while places[place].generation == generation {
            if places[place].hash == hash && places[place].key.equals(key) { return place }
            place = (place + 1) & (capacity - 1)
        }
        if used.count * 2 == capacity {
            grow()
            place = freePlace(hash)
        }
        places[place] = Entry(key: key, hash: hash, lastUsedNanoseconds: 0, count: 0, generation: generation)
        used.append(Int32(place))
        return place
    }

    private func freePlace(_ hash: UInt64) -> Int {
        var place = home(hash)
        while places[place].generation == generation { place = (place + 1) & (capacity - 1) }
        return place
    }

    private mutating func grow() {
        let old = places
        capacity *= 2
        places = Self.free(capacity)
        for i in used.indices {
            let entry = old[Int(used[i])]
            let place = freePlace(entry.hash)
            places[place] = entry
            used[i] = Int32(place)
        }
        old.deallocate()
        last = -1
    }

    /// Places that no generation has.
    private static func free(_ capacity: Int) -> UnsafeMutablePointer<Entry> {
        let bytes = capacity * MemoryLayout<Entry>.stride
        let memory =
            bytes < LargeMemory.pageBytes
            ? UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64) : LargeMemory.allocate(bytes)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
        return memory.bindMemory(to: Entry.self, capacity: capacity)
    }
}
