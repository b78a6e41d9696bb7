import CEpoll

/// Timers of one reactor: a hierarchical wheel, six levels of 64 slots, so that scheduling, cancelling and finding the
/// next deadline take constant time however many timers there are and however far off they lie.
///
/// A timer never fires early. It fires up to one tick late, plus the time until the wheel is asked.
@frozen
public struct TimerWheel: ~Copyable {
    @frozen
    @usableFromInline
    struct Entry: BitwiseCopyable {
        @usableFromInline var token: Token
        /// Ticks since the origin.
        @usableFromInline var deadline: UInt64
        @usableFromInline var next: UInt32
        @usableFromInline var previous: UInt32
        /// The list that it is in, or `freeList`.
        @usableFromInline var list: UInt16
        /// Part of the id, so that cancelling a timer that has fired hits nobody else.
        @usableFromInline var generation: UInt8
    }

    @inlinable static var levels: Int { 6 }
    @inlinable static var dueList: Int { levels * 64 }
    @inlinable static var freeList: UInt16 { .max }
    @inlinable static var none: UInt32 { .max }

    @usableFromInline let entries: UnsafeMutablePointer<Entry>
    /// First entries of all slots, level by level; the last is the list of timers that are due.
    @usableFromInline let heads: UnsafeMutablePointer<UInt32>
    /// Per level, which slots hold timers.
    @usableFromInline let occupied: UnsafeMutablePointer<UInt64>
    @usableFromInline var firstFree: UInt32
    @usableFromInline var highWater: Int
    /// All ticks up to here have been dealt with.
    @usableFromInline var elapsed: UInt64
    /// The tick of the turn that runs: what is scheduled now fires after it.
    @usableFromInline var turn: UInt64
    @usableFromInline let origin: UInt64
    @usableFromInline let tickMilliseconds: UInt64
    @usableFromInline var scheduled: Int
    public let capacity: Int

    /// - Parameters:
    ///   - capacity: the most timers at one time, below 2^24; costs address space only.
    ///   - nowMilliseconds: the monotonic clock; deadlines are on the same scale.
    @inlinable
    public init(capacity: Int, tickMilliseconds: UInt64 = 16, nowMilliseconds: UInt64) {
        precondition(capacity > 0 && capacity < 1 << 24)
        precondition(tickMilliseconds > 0)
        self.capacity = capacity
        self.tickMilliseconds = tickMilliseconds
        origin = nowMilliseconds
        elapsed = 0
        turn = 0
        scheduled = 0
        highWater = 0
        firstFree = Self.none
        guard let base = fg_reserve_memory(capacity * MemoryLayout<Entry>.stride) else {
            fatalError("no address space for timers")
        }
        entries = base.bindMemory(to: Entry.self, capacity: capacity)
        heads = .allocate(capacity: Self.dueList + 1)
        heads.initialize(repeating: Self.none, count: Self.dueList + 1)
        occupied = .allocate(capacity: Self.levels)
        occupied.initialize(repeating: 0, count: Self.levels)
    }

    @inlinable
    deinit {
        _ = fg_unmap(entries, capacity * MemoryLayout<Entry>.stride)
        heads.deallocate()
        occupied.deallocate()
    }

    /// How many timers are scheduled.
    @inlinable public var count: Int { scheduled }

    /// Starts a timer. One whose time has passed already fires in the next turn, never in the one that runs.
    ///
    /// There must be fewer than `capacity` timers: an owner that gives each slot a fixed number of timers cannot run out.
    ///
    /// - Returns: its id, never 0; valid until it has fired or is cancelled.
    @inlinable
    public mutating func schedule(_ token: Token, atMilliseconds: UInt64) -> UInt32 {
        let index: UInt32
        if firstFree != Self.none {
            index = firstFree
            firstFree = entries[Int(index)].next
        } else {
            precondition(highWater < capacity, "more timers than the wheel was made for")
            index = UInt32(truncatingIfNeeded: highWater)
            highWater &+= 1
            entries[Int(index)].generation = 0
        }
        // Rounded up: the tick must have begun after the deadline.
        let ahead = atMilliseconds > origin ? atMilliseconds &- origin : 0
        let whole = ahead / tickMilliseconds
        let tick = whole &* tickMilliseconds == ahead ? whole : whole &+ 1
        // 2^36 ticks of 16 ms after start are 34 years: whatever lies further off lies there.
        let entry = entries + Int(index)
        entry.pointee.token = token
        entry.pointee.deadline = min(max(tick, turn &+ 1), (1 << 36) - 1)
        insert(index)
        scheduled &+= 1
        return UInt32(entry.pointee.generation) << 24 | (index &+ 1)
    }

    /// Stops a timer. 0, and the id of a timer that is no longer scheduled, are no-ops.
    @inlinable
    public mutating func cancel(_ id: UInt32) {
        let number = id & 0x00ff_ffff
        guard number != 0, Int(number) <= highWater else { return }
        let index = number &- 1
        let entry = entries + Int(index)
        guard entry.pointee.list != Self.freeList, UInt32(entry.pointee.generation) == id >> 24 else { return }
        unlink(index)
        recycle(index)
    }

    /// The next timer that is due, or nil when none is left for this turn. A popped timer's id is free again.
    @inlinable
    public mutating func popExpired(nowMilliseconds: UInt64) -> Token? {
        if heads[Self.dueList] == Self.none {
            guard nowMilliseconds > origin else { return nil }
            let now = (nowMilliseconds &- origin) / tickMilliseconds
            if now > turn { turn = now }
            guard elapsed < now, advance(to: now) else { return nil }
        }
        let index = heads[Self.dueList]
        let token = entries[Int(index)].token
        unlink(index)
        recycle(index)
        return token
    }

    /// When to ask again: not after the earliest timer's moment, but maybe before it (a far timer is then only moved
    /// closer). nil = there is no timer.
    @inlinable
    public func nextDeadlineMilliseconds() -> UInt64? {
        if scheduled == 0 { return nil }
        if heads[Self.dueList] != Self.none { return origin &+ elapsed &* tickMilliseconds }
        return origin &+ nextTick() &* tickMilliseconds
    }

    // MARK: inside

    /// The tick at which the first occupied slot begins. A lower level's timers all come before a higher one's, and
    /// within a level all occupied slots lie after the current one, so the first bit is the answer.
    @inlinable
    func nextTick() -> UInt64 {
        var level = 0
        while level < Self.levels {
            let bits = occupied[level]
            if bits != 0 {
                let shift = UInt64(level &* 6)
                let slot = UInt64(bits.trailingZeroBitCount)
                return (elapsed >> (shift &+ 6)) << (shift &+ 6) | slot << shift
            }
            level &+= 1
        }
        return .max
    }

    /// Moves on to `now`, or to the first tick on the way that has timers due.
    @usableFromInline
    mutating func advance(to now: UInt64) -> Bool {
        while true {
            let next = nextTick()
            guard next <= now else {
                elapsed = now
                return false
            }
            elapsed = next
            var level = 0
            while occupied[level] == 0 { level &+= 1 }
            let slot = occupied[level].trailingZeroBitCount
            let list = level &* 64 &+ slot
            var index = heads[list]
            heads[list] = Self.none
            occupied[level] &= ~(1 << UInt64(slot))
            // On level 0 all are due now; above, each goes to a lower level or is due at the slot's very start.
            while index != Self.none {
                let following = entries[Int(index)].next
                insert(index)
                index = following
            }
            if heads[Self.dueList] != Self.none { return true }
        }
    }

    /// Puts an entry into the list where its deadline belongs, seen from `elapsed`.
    @inlinable
    mutating func insert(_ index: UInt32) {
        let entry = entries + Int(index)
        let deadline = entry.pointee.deadline
        var list = Self.dueList
        if deadline > elapsed {
            // The highest 6-bit digit in which it differs from now names the level; that digit is the slot.
            let level = (63 &- (deadline ^ elapsed).leadingZeroBitCount) / 6
            let slot = Int(truncatingIfNeeded: deadline >> UInt64(level &* 6)) & 63
            list = level &* 64 &+ slot
            occupied[level] |= 1 << UInt64(slot)
        }
        let head = heads[list]
        entry.pointee.list = UInt16(truncatingIfNeeded: list)
        entry.pointee.next = head
        entry.pointee.previous = Self.none
        if head != Self.none { entries[Int(head)].previous = index }
        heads[list] = index
    }

    @inlinable
    mutating func unlink(_ index: UInt32) {
        let entry = entries + Int(index)
        let list = Int(entry.pointee.list)
        let next = entry.pointee.next
        let previous = entry.pointee.previous
        if next != Self.none { entries[Int(next)].previous = previous }
        if previous != Self.none {
            entries[Int(previous)].next = next
        } else {
            heads[list] = next
            if next == Self.none && list < Self.dueList {
                occupied[list >> 6] &= ~(1 << UInt64(list & 63))
            }
        }
    }

    @inlinable
    mutating func recycle(_ index: UInt32) {
        let entry = entries + Int(index)
        entry.pointee.list = Self.freeList
        entry.pointee.generation &+= 1
        entry.pointee.next = firstFree
        firstFree = index
        scheduled &-= 1
    }
}
