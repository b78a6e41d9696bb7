import CEpoll

/// The writing end of a ring. One thread at a time; goes on where the ring's last producer ended.
@frozen
public struct RingProducer: ~Copyable {
    @usableFromInline let ring: MappedRing
    @usableFromInline let header: UnsafeMutableRawPointer
    @usableFromInline let area: UnsafeMutableRawPointer
    @usableFromInline let capacity: UInt64
    @usableFromInline var write: UInt64
    /// The consumer's index when it was last looked at; the true one is never smaller.
    @usableFromInline var readSeen: UInt64
    /// Where the reserved record begins, and the payload's room; -1 = nothing is reserved.
    @usableFromInline var reservedAt: UInt64
    @usableFromInline var reservedCount: Int

    public init(_ ring: MappedRing) {
        self.ring = ring
        header = ring.base
        area = ring.base + MappedRing.headerBytes
        capacity = UInt64(ring.capacity)
        write = fg_load_acquire(header + MappedRing.writeIndexOffset)
        readSeen = fg_load_acquire(header + MappedRing.readIndexOffset)
        reservedAt = 0
        reservedCount = -1
    }

    /// Room for a payload of `n` contiguous bytes, 8-byte aligned, to be filled and then committed. Reserving again
    /// gives up what was reserved before.
    ///
    /// - Returns: nil if there is no room now, or never will be (see `MappedRing.maximumRecordBytes`).
    @inlinable
    public mutating func reserve(_ n: Int) -> UnsafeMutableRawPointer? {
        reservedCount = -1
        guard n >= 0, n <= Int(capacity / 2) - 8 else { return nil }
        let size = UInt64(8 + (n + 7) & ~7)
        let position = write & (capacity &- 1)
        let tail = capacity &- position
        let skipped = size <= tail ? 0 : tail
        if capacity &- (write &- readSeen) < skipped &+ size {
            readSeen = fg_load_acquire(header + MappedRing.readIndexOffset)
            guard capacity &- (write &- readSeen) >= skipped &+ size else { return nil }
        }
        if skipped != 0 {
            // Not published before the record behind it is.
            (area + Int(position)).storeBytes(of: MappedRing.skipMarker, as: UInt32.self)
        }
        reservedAt = write &+ skipped
        reservedCount = n
        return area + Int(reservedAt & (capacity &- 1)) + 8
    }

    /// Publishes the reserved record.
    @inlinable
    public mutating func commit() {
        commit(length: reservedCount)
    }

    /// Publishes only the first `length` of the reserved bytes.
    @inlinable
    public mutating func commit(length: Int) {
        precondition(length >= 0 && length <= reservedCount, "commit without reserve, or of more than that")
        let record = area + Int(reservedAt & (capacity &- 1))
        record.storeBytes(of: UInt32(truncatingIfNeeded: length), as: UInt32.self)
        record.storeBytes(of: fg_crc32c(record + 8, length), toByteOffset: 4, as: UInt32.self)
        write = reservedAt &+ UInt64(8 + (length + 7) & ~7)
        reservedCount = -1
        fg_store_release(header + MappedRing.writeIndexOffset, write)
        fetchNext()
    }

    /// The ring is larger than the caches: the lines of the next record come while other work is done. Those behind the area's
    /// end are nobody's, and asking for them does nothing.
    @inlinable @inline(__always)
    func fetchNext() {
        let next = area + Int(write & (capacity &- 1))
        var i = 0
        while i < Self.fetchedBytes {
            fg_prefetch_to_write(next + i)
            i &+= 64
        }
    }

    /// About what a record with headers has.
    @usableFromInline static var fetchedBytes: Int { 640 }

    /// Whether more than so many bytes wait for the consumer.
    @inlinable
    public mutating func isFuller(than bytes: Int) -> Bool {
        if write &- readSeen <= UInt64(bytes) { return false }
        // The consumer's cache line is fetched only when the last known state does not suffice.
        readSeen = fg_load_acquire(header + MappedRing.readIndexOffset)
        return write &- readSeen > UInt64(bytes)
    }

    /// A lower bound for the largest payload that `reserve` would take now.
    @inlinable
    public mutating func freeBytes() -> Int {
        let most = Int(capacity / 2) - 8
        let known = largestPayload()
        if known >= most { return most }
        // The consumer's cache line is fetched only when the last known state does not suffice.
        readSeen = fg_load_acquire(header + MappedRing.readIndexOffset)
        return min(most, largestPayload())
    }

    @inlinable
    func largestPayload() -> Int {
        let free = capacity &- (write &- readSeen)
        let tail = capacity &- (write & (capacity &- 1))
        // Either in one piece before the area's end, or behind a skip marker at its start.
        let best = free <= tail ? free : max(tail, free &- tail)
        return best < 8 ? 0 : Int(best) - 8
    }
}
