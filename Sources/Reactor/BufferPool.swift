import Glibc

/// Buffers in powers of two from 1 KiB to 256 KiB, recycled last in, first out; larger ones come from malloc.
///
/// One pool belongs to one thread. What is cached stays under a limit; the rest goes back to malloc.
@frozen
public struct BufferPool: ~Copyable {
    /// Heads of the free lists; a free buffer's first word points to the next.
    @usableFromInline let freeLists: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    public let cacheLimitBytes: Int
    @usableFromInline var inUse: Int
    @usableFromInline var cached: Int

    @inlinable static var smallestShift: Int { 10 }
    @inlinable static var largestShift: Int { 18 }
    @inlinable static var classCount: Int { largestShift - smallestShift + 1 }
    /// No buffer is larger, so that its bookkeeping fits 32 bits.
    @inlinable public static var maximumCapacity: Int { 1 << 31 }

    public init(cacheLimitBytes: Int) {
        self.cacheLimitBytes = cacheLimitBytes
        freeLists = .allocate(capacity: BufferPool.classCount)
        freeLists.initialize(repeating: nil, count: BufferPool.classCount)
        inUse = 0
        cached = 0
    }

    deinit {
        for index in 0..<BufferPool.classCount {
            while let block = freeLists[index] {
                freeLists[index] = block.load(as: UnsafeMutableRawPointer?.self)
                free(block)
            }
        }
        freeLists.deallocate()
    }

    /// Capacity of all buffers that are out.
    @inlinable public var bytesInUse: Int { inUse }

    /// Capacity of all buffers that wait for reuse; at most `cacheLimitBytes`.
    @inlinable public var bytesCached: Int { cached }

    /// The free list for a size, or `classCount` and above if it is too large for any.
    @inlinable
    static func classIndex(_ n: Int) -> Int {
        // Bits needed for n - 1: 1024 and below are class 0, 1025...2048 class 1, and so on.
        let bits = Int.bitWidth - (n - 1).leadingZeroBitCount
        return max(bits - smallestShift, 0)
    }

    /// An empty buffer with room for at least `n` bytes (0 counts as 1).
    @inlinable
    public mutating func take(atLeast n: Int) -> Buffer {
        let index = BufferPool.classIndex(max(n, 1))
        guard index < BufferPool.classCount else { return takeLarge(n) }
        let capacity = 1 << (index + BufferPool.smallestShift)
        inUse &+= capacity
        guard let block = freeLists[index] else { return BufferPool.allocate(capacity) }
        freeLists[index] = block.load(as: UnsafeMutableRawPointer?.self)
        cached &-= capacity
        return Buffer(base: block.assumingMemoryBound(to: UInt8.self), capacity: UInt32(truncatingIfNeeded: capacity))
    }

    @usableFromInline
    mutating func takeLarge(_ n: Int) -> Buffer {
        precondition(n <= BufferPool.maximumCapacity, "limits keep bodies below the largest buffer")
        let capacity = (n + 4095) & ~4095
        inUse &+= capacity
        return BufferPool.allocate(capacity)
    }

    @usableFromInline
    static func allocate(_ capacity: Int) -> Buffer {
        guard let block = malloc(capacity) else { fatalError("out of memory") }
        return Buffer(base: block.assumingMemoryBound(to: UInt8.self), capacity: UInt32(truncatingIfNeeded: capacity))
    }

    /// Takes the buffer back and leaves `.empty` in its place; nothing happens if it is that already.
    @inlinable
    public mutating func give(_ buffer: inout Buffer) {
        guard let base = buffer.base else { return }
        let capacity = Int(buffer.capacity)
        buffer = .empty
        inUse &-= capacity
        let block = UnsafeMutableRawPointer(base)
        let index = BufferPool.classIndex(capacity)
        guard index < BufferPool.classCount, cached &+ capacity <= cacheLimitBytes else {
            free(block)
            return
        }
        block.storeBytes(of: freeLists[index], as: UnsafeMutableRawPointer?.self)
        freeLists[index] = block
        cached &+= capacity
    }

    /// Adds a copy of `n` bytes behind the unread ones.
    @inlinable
    public mutating func append(_ buffer: inout Buffer, _ bytes: UnsafePointer<UInt8>, _ n: Int) {
        guard n > 0 else { return }
        reserve(&buffer, writable: n)
        memcpy(buffer.writePointer, bytes, n)
        buffer.end &+= UInt32(truncatingIfNeeded: n)
    }

    /// Makes room for `n` bytes behind the unread ones: by moving these to the front if that is enough, else by moving
    /// to a larger buffer.
    @inlinable
    public mutating func reserve(_ buffer: inout Buffer, writable n: Int) {
        if buffer.base != nil && buffer.writableCount >= n { return }
        makeRoom(&buffer, n)
    }

    @usableFromInline
    mutating func makeRoom(_ buffer: inout Buffer, _ n: Int) {
        guard let base = buffer.base else {
            buffer = take(atLeast: n)
            return
        }
        let unread = buffer.count
        if Int(buffer.capacity) - unread >= n {
            memmove(base, buffer.readPointer, unread)
        } else {
            // Beyond the classes sizes are exact: grow by half at least, or appending would be quadratic.
            let needed = unread + n
            let isLarge = BufferPool.classIndex(needed) >= BufferPool.classCount
            let wanted = isLarge ? max(needed, Int(buffer.capacity) + Int(buffer.capacity) / 2) : needed
            var larger = take(atLeast: max(needed, min(wanted, BufferPool.maximumCapacity)))
            memcpy(larger.base!, buffer.readPointer, unread)
            give(&buffer)
            swap(&buffer, &larger)
        }
        buffer.start = 0
        buffer.end = UInt32(truncatingIfNeeded: unread)
    }
}
