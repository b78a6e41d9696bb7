import CEpoll

/// The reading end of a ring. One thread at a time.
///
/// Records are handed out in order and stay in place until `release`, so that a reader that dies (or whose
/// transaction fails) gets them again.
@frozen
public struct RingConsumer: ~Copyable {
    @usableFromInline let ring: MappedRing
    @usableFromInline let header: UnsafeMutableRawPointer
    @usableFromInline let area: UnsafeMutableRawPointer
    @usableFromInline let capacity: UInt64
    @usableFromInline var read: UInt64
    /// The producer's index when it was last looked at.
    @usableFromInline var writeSeen: UInt64
    @usableFromInline var corruptAtRelease: Int
    @usableFromInline var corrupt: Int
    /// See `prepare`.
    var preparedTo: UInt64

    public init(_ ring: MappedRing) {
        self.ring = ring
        header = ring.base
        area = ring.base + MappedRing.headerBytes
        capacity = UInt64(ring.capacity)
        read = fg_load_acquire(header + MappedRing.readIndexOffset)
        writeSeen = read
        corruptAtRelease = 0
        corrupt = 0
        preparedTo = 0
    }

    /// How many records were passed over because their bytes are damaged. If a record's length is damaged nothing
    /// behind it can be found: all that was written by then counts as one. What a rewind takes back is counted anew.
    @inlinable public var corruptRecords: Int { corrupt }

    /// The next record's payload, valid until `release`; nil if the producer has committed nothing more.
    @inlinable
    public mutating func next() -> UnsafeRawBufferPointer? {
        while true {
            if read == writeSeen {
                writeSeen = fg_load_acquire(header + MappedRing.writeIndexOffset)
                if read == writeSeen { return nil }
                guard writeSeen &- read <= 2 &* capacity else { return abandon() }
            }
            let available = writeSeen &- read
            let position = read & (capacity &- 1)
            let tail = capacity &- position
            let record = UnsafeRawPointer(area + Int(position))
            let length = record.load(as: UInt32.self)
            if length == MappedRing.skipMarker {
                guard tail < available else { return abandon() }
                read &+= tail
                continue
            }
            if length == MappedRing.leapMarker {
                let target = UInt64(record.load(fromByteOffset: 4, as: UInt32.self)) &* 8
                guard target > position, target < capacity, target &- position < available else { return abandon() }
                read &+= target &- position
                continue
            }
            let size = 8 &+ (UInt64(length) &+ 7) & ~7
            guard size <= available, size <= tail else { return abandon() }
            read &+= size
            guard fg_crc32c(record + 8, Int(length)) == record.load(fromByteOffset: 4, as: UInt32.self) else {
                corrupt &+= 1
                continue
            }
            return UnsafeRawBufferPointer(start: record + 8, count: Int(length))
        }
    }

    /// Frees all that `next` has handed out so far; it will not come again.
    @inlinable
    public mutating func release() {
        corruptAtRelease = corrupt
        fg_store_release(header + MappedRing.readIndexOffset, read)
    }

    /// Goes back to the last release: all that was handed out since comes again.
    @inlinable
    public mutating func rewind() {
        read = fg_load_acquire(header + MappedRing.readIndexOffset)
        writeSeen = read
        corrupt = corruptAtRelease
    }

    /// Has the pages ready that the producer will write next: it would otherwise stop at each one that was never
    /// touched or that the kernel has written to the disk since, for as long as the file system takes. For the thread
    /// that has time for that; what has been prepared in this lap is not again.
    ///
    /// - Parameters:
    ///   - ahead: bytes beyond what is written by now; less than half of the ring is prepared.
    ///   - most: bytes of this call.
    /// - Returns: whether all of it is ready.
    @discardableResult
    public mutating func prepare(ahead: Int, atMost most: Int = .max) -> Bool {
        let page: UInt64 = 4096
        let write = fg_load_acquire(header + MappedRing.writeIndexOffset)
        let lap = write & ~(capacity &- 1)
        let nextLap = lap &+ capacity
        // Most of the time the producer begins anew where a short lap ends.
        let lapEnd = lap &+ UInt64(ring.shortLapBytes)
        let endsEarly = write < lapEnd && lapEnd < nextLap
        var wanted = (write &+ UInt64(min(ahead, Int(capacity / 2)))) & ~(page &- 1)
        if endsEarly && wanted > lapEnd { wanted = nextLap &+ (wanted &- lapEnd) }
        // What lies beyond was prepared for a lap that has not ended early after all, and is no help now.
        var start = write & ~(page &- 1)
        if endsEarly || preparedTo <= wanted { start = max(start, preparedTo) }
        var left = UInt64(max(most, Int(page))) & ~(page &- 1)
        while start < wanted, left > 0 {
            if endsEarly && start >= lapEnd && start < nextLap { start = nextLap }
            let position = start & (capacity &- 1)
            let end = endsEarly && start < lapEnd ? lapEnd : start &+ capacity &- position
            let count = min(left, min(wanted, end) &- start)
            // Where it is refused the producer does without.
            _ = fg_populate_for_writing(area + Int(position), Int(count))
            start &+= count
            left &-= count
        }
        preparedTo = max(start, write & ~(page &- 1))
        return start >= wanted
    }

    /// A length that cannot be: goes on with what the producer commits from now on.
    @usableFromInline
    mutating func abandon() -> UnsafeRawBufferPointer? {
        corrupt &+= 1
        read = writeSeen
        return nil
    }
}
