import Glibc

/// Memory between two pages that cannot be touched: a byte read before or behind what was placed in it is a crash.
final class GuardedMemory {
    private let mapping: UnsafeMutableRawPointer
    private let page = 4096
    private let usable: Int

    init(capacity: Int) {
        usable = (capacity + page - 1) / page * page + page
        mapping = mmap(nil, usable + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        precondition(mapping != MAP_FAILED)
        precondition(mprotect(mapping + page, usable, PROT_READ | PROT_WRITE) == 0)
    }

    deinit { munmap(mapping, usable + 2 * page) }

    /// Copies bytes so that the first one behind them is out of bounds.
    func placeAtEnd(_ bytes: ArraySlice<UInt8>) -> UnsafeMutablePointer<UInt8> {
        place(bytes, at: usable - bytes.count)
    }

    /// Copies bytes so that the one before them is out of bounds.
    func placeAtStart(_ bytes: ArraySlice<UInt8>) -> UnsafeMutablePointer<UInt8> { place(bytes, at: 0) }

    private func place(_ bytes: ArraySlice<UInt8>, at offset: Int) -> UnsafeMutablePointer<UInt8> {
        precondition(bytes.count <= usable)
        let target = (mapping + page + offset).assumingMemoryBound(to: UInt8.self)
        bytes.withUnsafeBufferPointer { source in
            if let base = source.baseAddress { target.update(from: base, count: source.count) }
        }
        return target
    }
}

/// Repeatable randomness (SplitMix64): a failing seed can be run again.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// Bytes of a string in which U+0080…U+00FF stand for single bytes.
func latin1(_ text: String) -> [UInt8] { text.unicodeScalars.map { UInt8($0.value) } }
