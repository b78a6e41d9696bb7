/// Memory for texts that must stay put until a statement has run. It is taken in blocks that never move, and given
/// back all at once.
struct Arena: ~Copyable {
    private static let blockSize = 256 * 1024

    private var blocks: [UnsafeMutableRawBufferPointer] = []
    /// Larger than a block, freed with every reset.
    private var large: [UnsafeMutableRawPointer] = []
    private var current = 0
    private var used = 0

    deinit {
        for block in blocks { block.deallocate() }
        for block in large { block.deallocate() }
    }

    /// Room for `count` bytes.
    @inline(__always)
    mutating func reserve(_ count: Int) -> UnsafeMutablePointer<UInt8> {
        if current < blocks.count, count <= Self.blockSize - used {
            return (blocks[current].baseAddress! + used).assumingMemoryBound(to: UInt8.self)
        }
        return reserveSlowly(count)
    }

    /// Keeps the first `count` bytes of what `reserve` gave last.
    @inline(__always)
    mutating func keep(_ count: Int) { used += count }

    private mutating func reserveSlowly(_ count: Int) -> UnsafeMutablePointer<UInt8> {
        if count > Self.blockSize {
            let block = UnsafeMutableRawPointer.allocate(byteCount: count, alignment: 16)
            large.append(block)
            // What is kept of it is counted on the current block: that much of it is wasted.
            used = Self.blockSize
            return block.assumingMemoryBound(to: UInt8.self)
        }
        if current < blocks.count { current += 1 }
        if current == blocks.count { blocks.append(.allocate(byteCount: Self.blockSize, alignment: 16)) }
        used = 0
        return blocks[current].baseAddress!.assumingMemoryBound(to: UInt8.self)
    }

    /// A copy of some bytes.
    mutating func copy(_ bytes: some Collection<UInt8>) -> (pointer: UnsafePointer<UInt8>, count: Int) {
        let count = bytes.count
        let target = reserve(count)
        _ = UnsafeMutableBufferPointer(start: target, count: count).initialize(from: bytes)
        keep(count)
        return (UnsafePointer(target), count)
    }

    mutating func reset() {
        for block in large { block.deallocate() }
        large.removeAll(keepingCapacity: true)
        current = 0
        used = 0
    }
}
