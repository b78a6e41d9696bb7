import Reactor
import Store

/// One caller's key as a worker sees it. What every request asks of it comes first, within one cache line: with many keys
/// each of them is a miss.
struct CompiledKey: BitwiseCopyable, @unchecked Sendable {
    /// SHA-256 of the key's value.
    var hash: KeyHash
    var rateCell: RateCell
    /// Unix milliseconds; `Int64.max` = never.
    var expiresAtMilliseconds: Int64
    /// Requests per minute; 0 = unlimited.
    var requestsPerMinute: Int
    var isActive: Bool
    /// True for `[]` and `["*"]`.
    var allowsAll: Bool
    /// It has limits that are kept beside the key (`CallerPolicy`): `maxConcurrent` or `restrictsModels`.
    var hasLimits: Bool
    var families: EndpointFamilies
    /// With `sourcePath` behind it in one piece of memory.
    var keyID: Bytes
    var sourcePath: Bytes
    /// Permissions that begin with "/".
    var pathPatterns: List<PathPattern>
    /// Requests that may be open at a time; 0 = unlimited.
    var maxConcurrent: Int64
    /// There are models that it may not use.
    var restrictsModels: Bool

    /// True if this key may ask for `path`.
    func allows(path: Bytes, scratch: UnsafeMutablePointer<UInt8>) -> Bool {
        if allowsAll { return true }
        if !families.isEmpty && !families.isDisjoint(with: EndpointFamilies.of(path: path)) { return true }
        for i in 0..<pathPatterns.count where pathPatterns[i].matches(path, scratch: scratch) { return true }
        return false
    }
}

/// A SHA-256 digest as a plain value.
struct KeyHash: BitwiseCopyable, Sendable {
    var words: SIMD4<UInt64> = .zero

    /// The digest of a presented key.
    @inline(__always)
    init(of key: Bytes) {
        guard let p = key.pointer else { return }
        withUnsafeMutableBytes(of: &words) {
            SHA256.digest(p, key.count, into: $0.baseAddress!.assumingMemoryBound(to: UInt8.self))
        }
    }

    init(_ digest: [UInt8]) {
        precondition(digest.count == 32)
        withUnsafeMutableBytes(of: &words) { $0.copyBytes(from: digest) }
    }

    /// Compares all of both digests whatever they hold, so that the time it takes tells nothing.
    @inline(__always)
    func equals(_ other: KeyHash) -> Bool {
        let difference = words ^ other.words
        return (difference.x | difference.y | difference.z | difference.w) == 0
    }
}

/// All keys by hash: open addressing with linear probing over an immutable table at most half full.
///
/// What is looked up is the digest of what the client sent, so neither the probe sequence nor a comparison's length
/// tells anything about the keys that exist.
struct KeyTable: BitwiseCopyable, @unchecked Sendable {
    let keys: List<CompiledKey>
    private let slots: List<Int32>
    private let mask: Int

    /// Has the line of the table that `fetchKey` looks at come into the caches, without waiting for it.
    @inline(__always)
    func fetchSlot(_ hash: KeyHash) {
        Prefetch.read(slots.pointer(Int(truncatingIfNeeded: hash.words.x) & mask))
    }

    /// The same for the lines of the key that `find` will look at first, mostly the right one.
    @inline(__always)
    func fetchKey(_ hash: KeyHash) {
        let index = slots[Int(truncatingIfNeeded: hash.words.x) & mask]
        if index < 0 { return }
        let key = UnsafeRawPointer(keys.pointer(Int(index)))
        Prefetch.read(key)
        // The audit will ask for the second one.
        Prefetch.read(key + 64)
    }

    /// The index of the key with this digest; -1 if there is none.
    @inline(__always)
    func find(_ hash: KeyHash) -> Int32 {
        var slot = Int(truncatingIfNeeded: hash.words.x) & mask
        while true {
            let index = slots[slot]
            if index < 0 { return -1 }
            let key = keys.pointer(Int(index))
            if key.pointee.hash.equals(hash) {
                Prefetch.write(key.pointee.rateCell.address)
                Prefetch.read(key.pointee.keyID.pointer)
                return index
            }
            slot = (slot + 1) & mask
        }
    }

    /// Compiles `records`; a permission that does not compile grants nothing.
    static func compile(
        _ records: [KeyRecord], defaultRequestsPerMinute: Int, limiter: RateLimiter, in arena: Arena
    ) -> KeyTable {
        var keys: [CompiledKey] = []
        keys.reserveCapacity(records.count)
        for record in records where record.keyHash.count == 32 {
            var families: EndpointFamilies = []
            var patterns: [PathPattern] = []
            for permission in record.permissions {
                if let family = EndpointFamilies.named(permission) {
                    families.insert(family)
                } else if permission.hasPrefix("/"), let source = try? PathPatternSource(permission) {
                    patterns.append(source.compile(in: arena))
                }
            }
            let limit = record.rateLimitPerMinute ?? defaultRequestsPerMinute
            let text = arena.store(Array((record.keyID + record.sourcePath).utf8), ownLines: true)
            let idCount = record.keyID.utf8.count
            let restrictsModels = !record.allowedModels.isEmpty
            keys.append(
                CompiledKey(
                    hash: KeyHash(record.keyHash), rateCell: limiter.cell(for: record.keyID, limit: limit),
                    expiresAtMilliseconds: record.expiresAtMilliseconds ?? .max, requestsPerMinute: limit,
                    isActive: record.isActive,
                    allowsAll: record.permissions.isEmpty || record.permissions.contains("*"),
                    hasLimits: record.maxConcurrent ?? 0 > 0 || restrictsModels, families: families,
                    keyID: Bytes(text.pointer, idCount),
                    sourcePath: Bytes(text.pointer.map { $0 + idCount }, text.count - idCount),
                    pathPatterns: arena.store(patterns), maxConcurrent: Int64(record.maxConcurrent ?? 0),
                    restrictsModels: restrictsModels))
        }
        var size = 16
        while size < keys.count * 2 { size *= 2 }
        var slots = [Int32](repeating: -1, count: size)
        for (index, key) in keys.enumerated() {
            var slot = Int(truncatingIfNeeded: key.hash.words.x) & (size - 1)
            while slots[slot] >= 0 { slot = (slot + 1) & (size - 1) }
            slots[slot] = Int32(index)
        }
        return KeyTable(keys: arena.store(keys), slots: arena.store(slots), mask: size - 1)
    }
}
