import Reactor

/// Finds names in an immutable table by their bytes: open addressing, at most half full.
struct NameIndex: BitwiseCopyable, @unchecked Sendable {
    let names: List<Bytes>
    private let slots: List<Int32>
    private let mask: Int

    static func compile(_ names: [Bytes], in arena: Arena) -> NameIndex {
        var size = 16
        while size < names.count * 2 { size *= 2 }
        var slots = [Int32](repeating: -1, count: size)
        for (index, name) in names.enumerated() {
            var slot = Int(truncatingIfNeeded: hash(name)) & (size - 1)
            var isKnown = false
            while slots[slot] >= 0 && !isKnown {
                isKnown = names[Int(slots[slot])].elementsEqual(name)
                if !isKnown { slot = (slot + 1) & (size - 1) }
            }
            if !isKnown { slots[slot] = Int32(index) }
        }
        return NameIndex(names: arena.store(names), slots: arena.store(slots), mask: size - 1)
    }

    /// The index of a name; -1 if it is not there. Of repeated names the first is found.
    func find(_ name: Bytes) -> Int { find(Self.hash(name), name, .empty) }

    /// The same for `first/second`, which need not stand together.
    func find(_ first: Bytes, _ second: Bytes) -> Int {
        find(Self.hash(second, Self.hash(Bytes("/"), Self.hash(first))), first, second)
    }

    private func find(_ hash: UInt64, _ first: Bytes, _ second: Bytes) -> Int {
        var slot = Int(truncatingIfNeeded: hash) & mask
        while true {
            let index = slots[slot]
            if index < 0 { return -1 }
            if Self.isEqual(names[Int(index)], first, second) { return Int(index) }
            slot = (slot + 1) & mask
        }
    }

    private static func isEqual(_ name: Bytes, _ first: Bytes, _ second: Bytes) -> Bool {
        if second.isEmpty { return name.elementsEqual(first) }
        guard name.count == first.count + 1 + second.count, let p = name.pointer else { return false }
        return bytesEqual(p, first.pointer, first.count) && p[first.count] == UInt8(ascii: "/")
            && bytesEqual(p + first.count + 1, second.pointer, second.count)
    }

    /// FNV-1a. Names come from the operator, so nobody can fill one slot on purpose; what clients ask for only reads.
    private static func hash(_ bytes: Bytes, _ start: UInt64 = 0xCBF2_9CE4_8422_2325) -> UInt64 {
        var hash = start
        var i = 0
        while i < bytes.count {
            hash = (hash ^ UInt64(bytes.pointer.unsafelyUnwrapped[i])) &* 0x100_0000_01B3
            i &+= 1
        }
        return hash
    }
}
