import Reactor

/// Memory that lives exactly as long as one snapshot: bytes and plain structs are copied in while the snapshot is
/// built and never change afterwards, so that workers may read them through raw pointers without reference counts.
final class Arena: @unchecked Sendable {
    private var blocks: [UnsafeMutableRawPointer] = []
    private var next: UnsafeMutableRawPointer
    private var left: Int
    private static let blockBytes = 64 * 1024

    /// Of the processor's cache.
    static let lineBytes = 64

    init() {
        next = .allocate(byteCount: Self.blockBytes, alignment: Self.lineBytes)
        left = Self.blockBytes
        blocks.append(next)
    }

    deinit {
        for block in blocks { block.deallocate() }
    }

    /// Raw memory of `count` bytes, aligned to 16; with `ownLines` it begins on a cache line.
    func allocate(_ count: Int, ownLines: Bool = false) -> UnsafeMutableRawPointer {
        let rounded = (max(count, 1) + 15) & ~15
        if ownLines {
            // Blocks begin on a line and what was taken is a multiple of 16: so is what is left out.
            let skipped = -Int(bitPattern: next) & (Self.lineBytes - 1)
            next += min(skipped, left)
            left -= min(skipped, left)
        }
        if rounded > left {
            let size = max(rounded, Self.blockBytes)
            next =
                size < LargeMemory.pageBytes
                ? .allocate(byteCount: size, alignment: Self.lineBytes) : LargeMemory.allocate(size)
            left = size
            blocks.append(next)
        }
        defer {
            next += rounded
            left -= rounded
        }
        return next
    }

    /// A copy of `bytes`.
    func store(_ bytes: [UInt8], ownLines: Bool = false) -> Bytes {
        guard !bytes.isEmpty else { return .empty }
        let p = allocate(bytes.count, ownLines: ownLines)
        bytes.withUnsafeBytes { p.copyMemory(from: $0.baseAddress!, byteCount: bytes.count) }
        return Bytes(UnsafePointer(p.assumingMemoryBound(to: UInt8.self)), bytes.count)
    }

    /// A copy of `text` as UTF-8.
    func store(_ text: String) -> Bytes { store(Array(text.utf8)) }

    /// A copy of `elements` as a plain array. Elements as long as a cache line begin on one, so that none touches more
    /// lines than it must.
    func store<Element: BitwiseCopyable>(_ elements: [Element]) -> List<Element> {
        let stride = MemoryLayout<Element>.stride
        let p = allocate(elements.count * stride, ownLines: stride >= Self.lineBytes).bindMemory(
            to: Element.self, capacity: max(elements.count, 1))
        for (i, element) in elements.enumerated() { p[i] = element }
        return List(base: UnsafePointer(p), count: elements.count)
    }
}

/// An immutable array in an `Arena`: a pointer and a count, free to copy.
@frozen
public struct List<Element: BitwiseCopyable>: BitwiseCopyable, @unchecked Sendable {
    @usableFromInline let base: UnsafePointer<Element>
    public let count: Int

    @usableFromInline init(base: UnsafePointer<Element>, count: Int) {
        self.base = base
        self.count = count
    }

    @inlinable @inline(__always) public subscript(index: Int) -> Element {
        unsafeAddress { base + index }
    }

    @inlinable @inline(__always) func pointer(_ index: Int) -> UnsafePointer<Element> { base + index }
    public var isEmpty: Bool { count == 0 }

    /// The first `n` elements; the others stay where they are.
    func first(_ n: Int) -> List<Element> {
        precondition(n <= count)
        return List(base: base, count: n)
    }
}
