import Glibc
import Reactor

/// Sums up the usage of one batch by what its rows have in common, so that texts are made and databases asked once for
/// each group instead of for each row.
struct UsageGroups: ~Copyable {
    /// What the rows of a group share. The bytes lie where the batch has them.
    struct Key: BitwiseCopyable {
        /// Of the hour, see `UsageRollupTable`.
        var bucket: Int64
        var keyID: Bytes
        var sourcePath: Bytes
        var provider: Bytes
        var providerKeyID: Bytes
        var model: Bytes
        var currency: Bytes
    }

    struct Group {
        let key: Key
        var sums = UsageSums()
        /// Of the rows, Unix time.
        var lastAcceptedMilliseconds: Int64 = 0
        /// Where the key's budget is among the settlement's; -1: it has none.
        var budget: Int = -1
        /// The budget counts what the rows cost.
        var paysCost = false
    }

    private(set) var groups: [Group] = []
    /// Open addressing, index + 1 of the group; a power of two at least twice the groups.
    private var table = [Int32](repeating: 0, count: 64)
    /// Neighbouring rows mostly fall together.
    private var last = -1

    mutating func removeAll() {
        guard !groups.isEmpty else { return }
        groups.removeAll(keepingCapacity: true)
        table.withUnsafeMutableBufferPointer { $0.update(repeating: 0) }
        last = -1
    }

    /// The group of a key, and whether it is a new one.
    mutating func find(_ key: Key) -> (index: Int, isNew: Bool) {
        if last >= 0, Self.isEqual(groups[last].key, key) { return (last, false) }
        let mask = table.count - 1
        var slot = Self.hash(key) & mask
        while table[slot] != 0 {
            let index = Int(table[slot]) - 1
            if Self.isEqual(groups[index].key, key) {
                last = index
                return (index, false)
            }
            slot = (slot + 1) & mask
        }
        groups.append(Group(key: key))
        last = groups.count - 1
        if groups.count * 2 > table.count { grow() } else { table[slot] = Int32(groups.count) }
        return (last, true)
    }

    mutating func add(_ row: UsageSums, acceptedMilliseconds: Int64, to index: Int) {
        groups[index].sums.add(row)
        groups[index].lastAcceptedMilliseconds = max(groups[index].lastAcceptedMilliseconds, acceptedMilliseconds)
    }

    mutating func setBudget(_ budget: Int, paysCost: Bool, of index: Int) {
        groups[index].budget = budget
        groups[index].paysCost = paysCost
    }

    private mutating func grow() {
        table = [Int32](repeating: 0, count: table.count * 2)
        let mask = table.count - 1
        for index in groups.indices {
            var slot = Self.hash(groups[index].key) & mask
            while table[slot] != 0 { slot = (slot + 1) & mask }
            table[slot] = Int32(index + 1)
        }
    }

    private static func isEqual(_ a: Key, _ b: Key) -> Bool {
        a.bucket == b.bucket && a.keyID.elementsEqual(b.keyID) && a.model.elementsEqual(b.model)
            && a.provider.elementsEqual(b.provider) && a.providerKeyID.elementsEqual(b.providerKeyID)
            && a.sourcePath.elementsEqual(b.sourcePath) && a.currency.elementsEqual(b.currency)
    }

    /// Of the texts that differ most. A model is named by the provider, a key by us: nobody else can aim at collisions.
    private static func hash(_ key: Key) -> Int {
        var hash = UInt64(bitPattern: key.bucket)
        mix(key.keyID, &hash)
        mix(key.model, &hash)
        mix(key.providerKeyID, &hash)
        return Int(truncatingIfNeeded: hash >> 20)
    }

    @inline(__always)
    private static func mix(_ text: Bytes, _ hash: inout UInt64) {
        guard let pointer = text.pointer else { return }
        let raw = UnsafeRawPointer(pointer)
        var i = 0
        while i &+ 8 <= text.count {
            add(raw.loadUnaligned(fromByteOffset: i, as: UInt64.self), &hash)
            i &+= 8
        }
        var rest: UInt64 = 0
        while i < text.count {
            rest = rest << 8 | UInt64(pointer[i])
            i &+= 1
        }
        add(rest ^ UInt64(truncatingIfNeeded: text.count) << 56, &hash)
    }

    @inline(__always)
    private static func add(_ word: UInt64, _ hash: inout UInt64) {
        hash = (hash ^ word) &* 0x9E37_79B9_7F4A_7C15
        hash ^= hash >> 29
    }
}
