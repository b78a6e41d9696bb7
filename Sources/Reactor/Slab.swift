import CEpoll

/// A fixed number of slots of one type, in memory that never moves and is committed page by page as it is used.
///
/// A slot is referred to by its index, or by a `Token`, which goes stale when the slot is released. Allocation is
/// last in, first out, so that the slots in use stay few pages wide and warm. Nothing but the allocated element and
/// the slot's own bookkeeping is touched, neither when allocating nor when releasing.
@frozen
public struct Slab<Element: BitwiseCopyable>: ~Copyable {
    @usableFromInline let elements: UnsafeMutablePointer<Element>
    /// Per slot: generation (24 bits, never 0 once used) and, in the top bit, whether it is live.
    @usableFromInline let states: UnsafeMutablePointer<UInt32>
    /// A stack of released indices.
    @usableFromInline let freeIndices: UnsafeMutablePointer<UInt32>
    @usableFromInline var freeCount: Int
    /// Slots at and above this index have never been used.
    @usableFromInline var highWater: Int
    @usableFromInline var liveSlots: Int
    /// The most slots that were live at once since memory was last given back.
    @usableFromInline var peak: Int
    public let capacity: Int

    @inlinable static var live: UInt32 { 0x8000_0000 }

    /// - Parameter capacity: how many slots; 1 to 2^31. Costs address space only.
    @inlinable
    public init(capacity: Int) {
        precondition(capacity > 0 && capacity <= 1 << 31)
        self.capacity = capacity
        elements = Slab.reserve(Element.self, capacity)
        states = Slab.reserve(UInt32.self, capacity)
        freeIndices = Slab.reserve(UInt32.self, capacity)
        freeCount = 0
        highWater = 0
        liveSlots = 0
        peak = 0
    }

    @inlinable
    deinit {
        _ = fg_unmap(elements, capacity * MemoryLayout<Element>.stride)
        _ = fg_unmap(states, capacity * 4)
        _ = fg_unmap(freeIndices, capacity * 4)
    }

    @inlinable
    static func reserve<T>(_ type: T.Type, _ count: Int) -> UnsafeMutablePointer<T> {
        guard let base = fg_reserve_memory(count * MemoryLayout<T>.stride) else {
            fatalError("no address space for a slab")
        }
        return base.bindMemory(to: type, capacity: count)
    }

    /// How many slots are in use.
    @inlinable public var liveCount: Int { liveSlots }
    /// Every slot that was ever used has an index below this.
    @inlinable public var usedBound: Int { highWater }

    /// Takes a slot. Its element is **not** initialised: it holds zeros or what the last owner left.
    ///
    /// - Returns: the index, or nil if every slot is live.
    @inlinable
    public mutating func allocate() -> UInt32? {
        let index: UInt32
        if freeCount > 0 {
            freeCount &-= 1
            index = freeIndices[freeCount]
            states[Int(index)] |= Self.live
        } else {
            guard highWater < capacity else { return nil }
            index = UInt32(truncatingIfNeeded: highWater)
            highWater &+= 1
            states[Int(index)] = Self.live | 1
        }
        liveSlots &+= 1
        if liveSlots > peak { peak = liveSlots }
        return index
    }

    /// Gives a live slot back; all tokens for it are stale from now on.
    @inlinable
    public mutating func release(_ index: UInt32) {
        precondition(isLive(index), "releasing a slot that is not live")
        let next = (states[Int(index)] &+ 1) & 0x00ff_ffff
        states[Int(index)] = next == 0 ? 1 : next
        freeIndices[freeCount] = index
        freeCount &+= 1
        liveSlots &-= 1
    }

    /// Gives memory back to the kernel once few slots are left of many. To be called where nobody looks at a slot that has
    /// just been released.
    @inlinable
    public mutating func trimIfSparse() {
        if peak >= 1024 && liveSlots < peak / 8 { trim() }
    }

    /// Gives back the pages on which no slot is live. Generations stay, so old tokens stay stale; the lowest free slots
    /// are taken first from now on, which keeps the pages given back out of use.
    @inlinable @inline(never)
    mutating func trim() {
        peak = liveSlots
        freeCount = 0
        let stride = MemoryLayout<Element>.stride
        var runEnd = highWater
        var index = highWater - 1
        while index >= -1 {
            if index >= 0 && states[index] & Self.live == 0 {
                freeIndices[freeCount] = UInt32(truncatingIfNeeded: index)
                freeCount &+= 1
            } else {
                discard(from: (index + 1) * stride, to: runEnd * stride)
                runEnd = index
            }
            index -= 1
        }
    }

    /// Whole pages within a range of bytes; a few are not worth a system call.
    @inlinable
    func discard(from start: Int, to end: Int) {
        let page = 4096
        let first = (start + page - 1) / page * page
        let last = end / page * page
        guard last - first >= 16 * page else { return }
        _ = fg_discard_memory(UnsafeMutableRawPointer(elements) + first, last - first)
    }

    /// The slot's memory; the same address for the slab's whole life.
    @inlinable
    public func pointer(_ index: UInt32) -> UnsafeMutablePointer<Element> {
        assert(Int(index) < capacity)
        return elements + Int(index)
    }

    /// The index of the slot whose memory this is.
    @inlinable
    public func index(of pointer: UnsafeMutablePointer<Element>) -> UInt32 {
        assert(pointer >= elements && pointer < elements + highWater)
        return UInt32(truncatingIfNeeded: pointer - elements)
    }

    /// The slot's current generation: 1 to 2^24 - 1, or 0 if it has never been used.
    @inlinable
    public func generation(_ index: UInt32) -> UInt32 {
        precondition(Int(index) < capacity)
        return states[Int(index)] & 0x00ff_ffff
    }

    /// The slot that the token was made for, or nil if it has been released since (or never existed).
    @inlinable
    public func resolve(_ token: Token) -> UnsafeMutablePointer<Element>? {
        let index = Int(token.index)
        guard index < capacity, states[index] == Self.live | token.generation else { return nil }
        return elements + index
    }

    /// A token for a live slot.
    @inlinable
    public func token(kind: UInt8, _ index: UInt32) -> Token {
        Token(kind: kind, generation: generation(index), index: index)
    }

    @inlinable
    public func isLive(_ index: UInt32) -> Bool {
        Int(index) < capacity && states[Int(index)] & Self.live != 0
    }
}
