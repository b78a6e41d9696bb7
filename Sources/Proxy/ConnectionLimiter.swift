import Reactor
import Synchronization

/// How many client connections there are, over all workers: in all, and by address. Shared by the workers; asked once
/// per connection, never per request.
///
/// Addresses are counted in two rows of cells by two hashes, and the smaller count holds: no memory grows with the number
/// of addresses, and one address is taken for crowded by mistake only if others crowd both of its cells. The hashes are
/// keyed, so nobody can aim.
struct ConnectionLimiter: BitwiseCopyable, @unchecked Sendable {
    private static let cells = 1 << 16

    /// Connections of the whole process.
    let maximum: Int
    private let total: UnsafeMutablePointer<Atomic<Int>>
    private let counts: UnsafeMutablePointer<Atomic<Int32>>
    private let seed: UInt64

    /// Memory until ``deallocate()``.
    init(maximum: Int) {
        self.maximum = maximum
        // All workers change it: on its line there is nothing that one only reads.
        total = UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64).bindMemory(
            to: Atomic<Int>.self, capacity: 1)
        total.initialize(to: Atomic(0))
        counts = .allocate(capacity: Self.cells * 2)
        for i in 0..<Self.cells * 2 { (counts + i).initialize(to: Atomic(0)) }
        var seed: UInt64 = 0
        SecureRandom.fill(&seed, 8)
        self.seed = seed
    }

    /// Once no worker is left that could ask.
    func deallocate() {
        total.deallocate()
        counts.deallocate()
    }

    var isFull: Bool { total.pointee.load(ordering: .relaxed) >= maximum }

    /// Counts a connection. False, and not counted, if its address has `perAddress` (0 = no limit) already.
    func admit(_ address: SocketAddress, perAddress: Int32) -> Bool {
        let (first, second) = cellsOf(address)
        let before = min(
            first.pointee.wrappingAdd(1, ordering: .relaxed).oldValue,
            second.pointee.wrappingAdd(1, ordering: .relaxed).oldValue)
        _ = total.pointee.wrappingAdd(1, ordering: .relaxed)
        if perAddress == 0 || before < perAddress { return true }
        leave(address)
        return false
    }

    /// A counted connection is closed.
    func leave(_ address: SocketAddress) {
        let (first, second) = cellsOf(address)
        _ = first.pointee.wrappingSubtract(1, ordering: .relaxed)
        _ = second.pointee.wrappingSubtract(1, ordering: .relaxed)
        _ = total.pointee.wrappingSubtract(1, ordering: .relaxed)
    }

    private typealias Cell = UnsafeMutablePointer<Atomic<Int32>>

    private func cellsOf(_ address: SocketAddress) -> (Cell, Cell) {
        var hash = (address.networkPrefix ^ seed) &* 0x9E37_79B9_7F4A_7C15
        hash ^= hash >> 32
        hash = (hash ^ seed.byteSwapped) &* 0xD6E8_FEB8_6659_FD93
        hash ^= hash >> 32
        let first = Int(truncatingIfNeeded: hash & UInt64(Self.cells - 1))
        let second = Self.cells + Int(truncatingIfNeeded: hash >> 40 & UInt64(Self.cells - 1))
        return (counts + first, counts + second)
    }
}
