import CEpoll

/// The writing end of a ring. One thread at a time; goes on where the ring's last producer ended.
///
/// It does not walk through all of the area as long as the consumer follows closely: a lap ends early then, after an eighth,
/// and what is written next goes to memory that the caches still know and the process has already touched. Should the
/// consumer stop after such a lap, the rest of the area is used all the same: the lap that follows leaps over what is unread.
@frozen
public struct RingProducer: ~Copyable {
    @usableFromInline let ring: MappedRing
    @usableFromInline let header: UnsafeMutableRawPointer
    @usableFromInline let area: UnsafeMutableRawPointer
    @usableFromInline let capacity: UInt64
    @usableFromInline var write: UInt64
    /// Up to here records go without a look at anything else; within one lap.
    @usableFromInline var limit: UInt64
    /// The consumer's index when it was last looked at; the true one is never smaller.
    @usableFromInline var readSeen: UInt64
    /// Where a lap has ended early, as long as the consumer has not come past that; 0: nowhere. The lap that follows ends
    /// before what is unread, or has leapt over it.
    @usableFromInline var earlyEnd: UInt64
    /// The reserved payload's room; -1 = nothing is reserved.
    @usableFromInline var reservedCount: Int

    public init(_ ring: MappedRing) {
        self.ring = ring
        header = ring.base
        area = ring.base + MappedRing.headerBytes
        capacity = UInt64(ring.capacity)
        write = fg_load_acquire(header + MappedRing.writeIndexOffset)
        limit = write
        readSeen = fg_load_acquire(header + MappedRing.readIndexOffset)
        earlyEnd = ring.unreadEarlyEnd(read: readSeen, write: write)
        fg_store_release(header + MappedRing.earlyEndOffset, earlyEnd)
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
        if write &+ size > limit {
            guard makeRoom(size) else { return nil }
        }
        reservedCount = n
        return area + Int(write & (capacity &- 1)) + 8
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
        let record = area + Int(write & (capacity &- 1))
        record.storeBytes(of: UInt32(truncatingIfNeeded: length), as: UInt32.self)
        record.storeBytes(of: fg_crc32c(record + 8, length), toByteOffset: 4, as: UInt32.self)
        write &+= UInt64(8 + (length + 7) & ~7)
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
        // What an early end has skipped is reckoned in, and found to be too much below.
        if write &- readSeen <= UInt64(bytes) { return false }
        // The consumer's cache line is fetched only when the last known state does not suffice.
        lookAtConsumer()
        return write &- readSeen &- skipped > UInt64(bytes)
    }

    /// A lower bound for the largest payload that `reserve` would take now.
    @inlinable
    public mutating func freeBytes() -> Int {
        let most = Int(capacity / 2) - 8
        let known = largestPayload()
        if known >= most { return most }
        // The consumer's cache line is fetched only when the last known state does not suffice.
        lookAtConsumer()
        return min(most, largestPayload())
    }

    // MARK: Where the next record goes

    @inlinable var mask: UInt64 { capacity &- 1 }
    /// Where the lap of `write` has begun.
    @inlinable var lapStart: UInt64 { write & ~mask }
    /// Whether this lap has leapt over what is unread of the one before.
    @inlinable var hasLeapt: Bool { write & mask > earlyEnd & mask }
    /// Bytes between an early end that is unread and the next lap; they hold nothing.
    @inlinable var skipped: UInt64 { earlyEnd == 0 ? 0 : (earlyEnd | mask) &+ 1 &- earlyEnd }

    @inlinable
    mutating func lookAtConsumer() {
        readSeen = fg_load_acquire(header + MappedRing.readIndexOffset)
        if readSeen > earlyEnd { earlyEnd = 0 }
    }

    @inlinable
    func largestPayload() -> Int {
        let best: UInt64
        if earlyEnd == 0 {
            let free = capacity &- (write &- readSeen)
            let tail = capacity &- (write & mask)
            // Either in one piece before the area's end, or behind a skip marker at its start.
            best = free <= tail ? free : max(tail, free &- tail)
        } else if hasLeapt {
            best = roomOfLeaptLap
        } else {
            best = max(roomBeforeUnread, roomBehindEarlyEnd)
        }
        return best < 8 ? 0 : Int(best) - 8
    }

    // After an early end there is room before what is unread (a leap's marker always fits there as well), then behind the
    // early end's marker. The next lap is not begun before that has been read, so eight bytes of this one stay free.
    @inlinable var roomBeforeUnread: UInt64 { readSeen &+ capacity &- write &- 8 }
    @inlinable var roomBehindEarlyEnd: UInt64 {
        let taken = (earlyEnd & mask) &+ 16
        return taken < capacity ? capacity &- taken : 0
    }
    @inlinable var roomOfLeaptLap: UInt64 { lapStart &+ capacity &- write &- 8 }

    /// Moves `write` to where `size` bytes have room, and `limit` with it; false: nowhere, and nothing has moved.
    @usableFromInline @inline(never)
    mutating func makeRoom(_ size: UInt64) -> Bool {
        lookAtConsumer()
        let start = lapStart
        if earlyEnd != 0 {
            if hasLeapt {
                limit = write &+ roomOfLeaptLap
            } else if roomBeforeUnread >= size {
                limit = write &+ roomBeforeUnread
            } else if roomBehindEarlyEnd >= size {
                put(MappedRing.leapMarker, UInt32(truncatingIfNeeded: ((earlyEnd & mask) &+ 8) / 8))
                write = start &+ (earlyEnd & mask) &+ 8
                limit = write &+ roomOfLeaptLap
            } else {
                return false
            }
            return write &+ size <= limit
        }
        let shortLap = UInt64(ring.shortLapBytes)
        let position = write & mask
        let free = capacity &- (write &- readSeen)
        let tail = capacity &- position
        // Early only where at least half of the lap has been read by now.
        if position >= shortLap, readSeen >= start &+ position / 2, readSeen &- start >= size &+ 8 {
            put(MappedRing.skipMarker, 0)
            earlyEnd = write
            fg_store_release(header + MappedRing.earlyEndOffset, earlyEnd)
            write = start &+ capacity
            limit = write &+ roomBeforeUnread
        } else if size <= tail {
            guard size <= free else { return false }
            // Behind the short lap's end the consumer is looked at every so often: it may have come closer.
            let next = position < shortLap ? start &+ shortLap : write &+ shortLap / 64
            limit = max(write &+ size, min(next, write &+ min(free, tail)))
        } else {
            guard tail &+ size <= free else { return false }
            put(MappedRing.skipMarker, 0)
            write = start &+ capacity
            limit = write &+ size
        }
        return true
    }

    /// A marker where the next record would begin. It is not published before the record behind it is.
    private func put(_ marker: UInt32, _ target: UInt32) {
        let place = area + Int(write & mask)
        place.storeBytes(of: marker, as: UInt32.self)
        place.storeBytes(of: target, toByteOffset: 4, as: UInt32.self)
    }
}
