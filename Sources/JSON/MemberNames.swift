import CScan
import Glibc

/// The member names a `MemberScanner` looks for: an immutable table in plain memory, owned by a `MemberNameTable`.
@frozen public struct MemberNames: BitwiseCopyable {
    /// How many names there are (at most 64); a name's position is its index into the captures.
    public let count: Int
    /// For each length 0…63, and at 64 for all that is longer: a bit for each name of that length.
    let byLength: UnsafePointer<UInt64>
    /// The first eight bytes of each name, as they lie in memory, padded with zeros.
    let heads: UnsafePointer<UInt64>
    let lengths: UnsafePointer<Int>
    let texts: UnsafePointer<UnsafePointer<UInt8>>

    static let longLength = 64

    /// A bit for each name.
    var all: UInt64 { count == 64 ? ~0 : (1 << UInt64(count)) &- 1 }

    /// The name that is `p[0 ..< n]`, or -1.
    /// - Parameter readable: how many bytes may be read at `p`, at least `n`.
    @inline(__always)
    func find(_ p: UnsafePointer<UInt8>, _ n: Int, readable: Int) -> Int {
        var candidates = byLength[min(n, Self.longLength)]
        if candidates == 0 { return -1 }
        var head: UInt64 = 0
        if readable >= 8 {
            head = UnsafeRawPointer(p).loadUnaligned(as: UInt64.self)
            if n < 8 { head &= n == 0 ? 0 : ~0 >> UInt64(64 &- 8 &* n) }
        } else {
            memcpy(&head, p, n)
        }
        while candidates != 0 {
            let k = candidates.trailingZeroBitCount
            candidates &= candidates &- 1
            if heads[k] == head, lengths[k] == n, n <= 8 || memcmp(texts[k] + 8, p + 8, n &- 8) == 0 { return k }
        }
        return -1
    }

    /// Of `candidates`, those with `byte` at `offset`.
    func narrowed(_ candidates: UInt64, _ byte: UInt8, at offset: Int) -> UInt64 {
        var rest = candidates
        var kept: UInt64 = 0
        while rest != 0 {
            let k = rest.trailingZeroBitCount
            let bit = rest & (0 &- rest)
            rest ^= bit
            if lengths[k] > offset, texts[k][offset] == byte { kept |= bit }
        }
        return kept
    }

    /// Of `candidates`, the one of that length, or -1.
    func exact(_ candidates: UInt64, length: Int) -> Int8 {
        let found = candidates & byLength[min(length, Self.longLength)]
        var rest = found
        while rest != 0 {
            let k = rest.trailingZeroBitCount
            if lengths[k] == length { return Int8(truncatingIfNeeded: k) }
            rest &= rest &- 1
        }
        return -1
    }
}

/// Owns a `MemberNames` table. Build it once, off the hot path, and keep it for as long as anything uses `pointer`.
public final class MemberNameTable: @unchecked Sendable {  // immutable after init
    public static let maxNames = 64

    /// The table; valid while this object lives.
    public let pointer: UnsafePointer<MemberNames>
    /// The names in the order of their captures, each once.
    public let names: [String]
    private let block: UnsafeMutableRawPointer

    /// - Parameter wanted: unescaped names; repeated ones are taken once.
    /// - Returns: nil if there are more than `maxNames` of them.
    public init?(_ wanted: some Sequence<String>) {
        var seen: Set<JSONName> = []
        let names = wanted.filter { seen.insert(JSONName(text: $0)).inserted }
        guard names.count <= Self.maxNames else { return nil }
        self.names = names

        let count = names.count
        let lengthBytes = (MemberNames.longLength + 1) * 8
        let textBytes = names.reduce(0) { $0 + $1.utf8.count }
        let headsAt = (MemoryLayout<MemberNames>.size + 7) & ~7
        let lengthsAt = headsAt + 8 * count
        let textsAt = lengthsAt + 8 * count
        let byLengthAt = textsAt + 8 * count
        let bytesAt = byLengthAt + lengthBytes
        block = UnsafeMutableRawPointer.allocate(byteCount: bytesAt + textBytes, alignment: 16)
        block.initializeMemory(as: UInt8.self, repeating: 0, count: bytesAt + textBytes)

        let heads = (block + headsAt).bindMemory(to: UInt64.self, capacity: count)
        let lengths = (block + lengthsAt).bindMemory(to: Int.self, capacity: count)
        let texts = (block + textsAt).bindMemory(to: UnsafePointer<UInt8>.self, capacity: count)
        let byLength = (block + byLengthAt).bindMemory(to: UInt64.self, capacity: MemberNames.longLength + 1)
        var next = (block + bytesAt).bindMemory(to: UInt8.self, capacity: textBytes)
        for (k, name) in names.enumerated() {
            let utf8 = Array(name.utf8)
            next.update(from: utf8, count: utf8.count)
            heads[k] = 0
            memcpy(heads + k, utf8, min(8, utf8.count))
            lengths[k] = utf8.count
            texts[k] = UnsafePointer(next)
            byLength[min(utf8.count, MemberNames.longLength)] |= 1 << UInt64(k)
            next += utf8.count
        }
        let table = block.bindMemory(to: MemberNames.self, capacity: 1)
        table.initialize(
            to: MemberNames(
                count: count, byLength: UnsafePointer(byLength), heads: UnsafePointer(heads),
                lengths: UnsafePointer(lengths), texts: UnsafePointer(texts)))
        pointer = UnsafePointer(table)
    }

    deinit { block.deallocate() }

    /// The capture index of a name.
    public func index(of name: String) -> Int? {
        let wanted = JSONName(text: name)
        return names.firstIndex { JSONName(text: $0) == wanted }
    }
}
