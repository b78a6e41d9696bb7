import Synchronization

/// A word that all workers share, changed by pure functions of it: read, computed, compared and swapped.
struct SharedWord: BitwiseCopyable, @unchecked Sendable {
    let word: UnsafeMutablePointer<Atomic<UInt64>>

    var value: UInt64 { word.pointee.load(ordering: .relaxed) }

    func set(_ value: UInt64) { word.pointee.store(value, ordering: .relaxed) }

    /// Applies `change` until nobody came between; a change that changes nothing writes nothing.
    @inline(__always)
    func update<Result: BitwiseCopyable>(_ change: (inout UInt64) -> Result) -> Result {
        var seen = word.pointee.load(ordering: .relaxed)
        while true {
            var next = seen
            let result = change(&next)
            if next == seen { return result }
            let (isExchanged, current) = word.pointee.weakCompareExchange(
                expected: seen, desired: next, ordering: .relaxed)
            if isExchanged { return result }
            seen = current
        }
    }
}

/// A cache line of shared words. Made once and kept by the registry: snapshots come and go, what was learned stays.
enum SharedCell {
    static let words = 8

    /// So many cells in one piece.
    static func make(_ count: Int = 1) -> UnsafeMutablePointer<Atomic<UInt64>> {
        let raw = UnsafeMutableRawPointer.allocate(byteCount: count * words * 8, alignment: 64)
        let p = raw.bindMemory(to: Atomic<UInt64>.self, capacity: count * words)
        for i in 0..<count * words { (p + i).initialize(to: Atomic(0)) }
        return p
    }
}

/// Cells that are made one by one and given back all at once. They lie close together: the fewer pages many of them are
/// on, the more often the processor knows where a page is.
struct SharedCells {
    private static let maxBlockCells = 16_384

    private var blocks: [UnsafeMutablePointer<Atomic<UInt64>>] = []
    /// Of the last block.
    private var count = 0
    private var used = 0

    mutating func make() -> UnsafeMutablePointer<Atomic<UInt64>> {
        if used == count {
            count = min(max(count * 2, 16), Self.maxBlockCells)
            used = 0
            blocks.append(SharedCell.make(count))
        }
        defer { used += 1 }
        return blocks[blocks.count - 1] + used * SharedCell.words
    }

    func deallocate() {
        for block in blocks { block.deallocate() }
    }
}

/// What all workers know of one provider or of one of its keys: how it is and how busy, fast and reliable it has been.
struct LoadCell: BitwiseCopyable, @unchecked Sendable {
    private let words: UnsafeMutablePointer<Atomic<UInt64>>

    /// Memory until ``deallocate()``.
    init() { words = SharedCell.make() }

    /// Once no snapshot is left that has it.
    func deallocate() { words.deallocate() }

    /// What was learned is no longer true of it. Its turns go on, and what is open stays open.
    func forget() {
        state.set(0)
        firstByte.set(0)
        failures.set(0)
        unasked.set(0)
    }

    /// A provider's `Breaker` or a key's `KeyHealth`.
    var state: SharedWord { SharedWord(word: words) }
    /// Choices made so far.
    private var turns: SharedWord { SharedWord(word: words + 1) }
    private var open: SharedWord { SharedWord(word: words + 2) }
    private var firstByte: SharedWord { SharedWord(word: words + 3) }
    /// Failures' moving average, in 1/65536: what was never used has none.
    private var failures: SharedWord { SharedWord(word: words + 4) }

    func takeTurn() -> UInt64 { (words + 1).pointee.wrappingAdd(1, ordering: .relaxed).oldValue }
    var turn: UInt64 { turns.value }

    var openExchanges: UInt64 { open.value }
    func began() { (words + 2).pointee.wrappingAdd(1, ordering: .relaxed) }
    func ended() { (words + 2).pointee.wrappingSubtract(1, ordering: .relaxed) }

    var firstByteMicroseconds: UInt64 { firstByte.value }

    /// The first value counts as it is, each later one an eighth.
    func measured(firstByteMicroseconds sample: UInt64) {
        firstByte.update { $0 = $0 == 0 ? max(sample, 1) : max(($0 &* 7 &+ sample) / 8, 1) }
    }

    var successShare: UInt64 { 65536 - min(failures.value, 65536) }

    func noted(success: Bool) {
        failures.update { $0 = ($0 &* 7 &+ (success ? 0 : 65536)) / 8 }
    }

    var breaker: Breaker { Breaker(word: state.value) }
    var health: KeyHealth {
        var health = KeyHealth()
        health.word = state.value
        return health
    }

    @inline(__always)
    func updateBreaker<Result: BitwiseCopyable>(_ change: (inout Breaker) -> Result) -> Result {
        state.update { word in
            var breaker = Breaker(word: word)
            let result = change(&breaker)
            word = breaker.word
            return result
        }
    }

    @inline(__always)
    func updateHealth<Result: BitwiseCopyable>(_ change: (inout KeyHealth) -> Result) -> Result {
        state.update { word in
            var health = KeyHealth()
            health.word = word
            let result = change(&health)
            word = health.word
            return result
        }
    }

    /// Until when a provider is not asked for usage in streams, for it has refused that (monotonic milliseconds).
    private var unasked: SharedWord { SharedWord(word: words + 5) }
    func isAskedForUsage(nowMilliseconds now: UInt64) -> Bool { now >= unasked.value }
    func refusesUsage(untilMilliseconds until: UInt64) { unasked.set(until) }

    func option(index: Int, weight: Int32) -> BalancingOption {
        BalancingOption(
            index: Int32(truncatingIfNeeded: index), weight: weight,
            openExchanges: UInt32(clamping: openExchanges),
            firstByteMicroseconds: UInt32(clamping: firstByteMicroseconds),
            successShare: UInt32(clamping: successShare))
    }
}
