import Reactor
import Store

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

/// All keys by hash: open addressing with linear probing over an immutable table at most half full. The keys lie in the
/// table itself, so that a hash alone tells which lines will be looked at.
///
/// What is looked up is the digest of what the client sent, so neither the probe sequence nor a comparison's length
/// tells anything about the keys that exist.
struct KeyTable: BitwiseCopyable, @unchecked Sendable {
    private let places: List<CompiledKey>
    /// How many keys there are.
    let count: Int

    /// Where the key with this digest is, unless another took the place. Digests are spread evenly.
    @inline(__always)
    private func home(_ hash: KeyHash) -> Int { Self.home(hash, places.count) }

    @inline(__always)
    private static func home(_ hash: KeyHash, _ size: Int) -> Int {
        Int(truncatingIfNeeded: hash.words.x.multipliedFullWidth(by: UInt64(truncatingIfNeeded: size)).high)
    }

    /// Has the lines of the key that `find` will look at first, mostly the right one, come into the caches without waiting
    /// for them.
    @inline(__always)
    func fetch(_ hash: KeyHash) {
        let key = UnsafeRawPointer(places.pointer(home(hash)))
        Prefetch.read(key)
        // The audit will ask for the second one.
        Prefetch.read(key + 64)
    }

    /// The place of the key with this digest; -1 if there is none.
    @inline(__always)
    func find(_ hash: KeyHash) -> Int32 {
        var place = home(hash)
        while true {
            let key = places.pointer(place)
            if key.pointee.hash.equals(hash) && key.pointee.isTaken {
                Prefetch.write(key.pointee.rateCell.address)
                return Int32(truncatingIfNeeded: place)
            }
            if !key.pointee.isTaken { return -1 }
            place += 1
            if place == places.count { place = 0 }
        }
    }

    /// The key at a place that `find` has told.
    @inline(__always)
    func pointer(_ place: Int32) -> UnsafePointer<CompiledKey> { places.pointer(Int(place)) }

    /// The key with this id; looks at all of them.
    func key(withID keyID: String) -> UnsafePointer<CompiledKey>? {
        (0..<places.count).lazy.map(places.pointer).first { $0.pointee.isTaken && $0.pointee.keyID.string == keyID }
    }

    /// Compiles `records`; a permission that does not compile grants nothing.
    static func compile(
        _ records: [KeyRecord], defaultRequestsPerMinute: Int, limiter: RateLimiter, in arena: Arena
    ) -> KeyTable {
        let served = records.filter { $0.keyHash.count == 32 }
        let stride = MemoryLayout<CompiledKey>.stride
        let bytes = LargeMemory.filled(max(served.count * 2, 4) * stride)
        let size = bytes / stride
        let memory = arena.allocate(bytes, ownLines: true)
        memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
        let places = memory.bindMemory(to: CompiledKey.self, capacity: size)
        let compiler = KeyCompiler(
            defaultRequestsPerMinute: defaultRequestsPerMinute, limiter: limiter, arena: arena)
        // First those whose own place is free, so that few are in another.
        var others: [Int] = []
        for (ordinal, record) in served.enumerated() {
            let home = home(KeyHash(record.keyHash), size)
            if places[home].isTaken {
                others.append(ordinal)
            } else {
                compiler.compile(record, ordinal: ordinal, at: places + home)
            }
        }
        for ordinal in others {
            var place = home(KeyHash(served[ordinal].keyHash), size)
            while places[place].isTaken { place = (place + 1) % size }
            compiler.compile(served[ordinal], ordinal: ordinal, at: places + place)
        }
        return KeyTable(places: List(base: UnsafePointer(places), count: size), count: served.count)
    }
}
