import Testing

@testable import Reactor

@Suite struct BufferPoolTests {
    @Test func classesArePowersOfTwo() {
        var pool = BufferPool(cacheLimitBytes: 0)
        for (asked, given) in [
            (0, 1024), (1, 1024), (1024, 1024), (1025, 2048), (4096, 4096), (65_536, 65_536), (65_537, 131_072),
            (262_144, 262_144), (262_145, 266_240), (300_000, 303_104), (1_048_576, 1_048_576),
        ] {
            var buffer = pool.take(atLeast: asked)
            #expect(buffer.capacity == given, "\(asked)")
            #expect(buffer.count == 0)
            #expect(buffer.writableCount == given)
            pool.give(&buffer)
            #expect(!buffer.isAllocated)
        }
        let (inUse, cached) = (pool.bytesInUse, pool.bytesCached)
        #expect(inUse == 0)
        #expect(cached == 0)
    }

    @Test func lastInFirstOut() {
        var pool = BufferPool(cacheLimitBytes: 1 << 20)
        var a = pool.take(atLeast: 4000)
        var b = pool.take(atLeast: 4000)
        let (first, second) = (a.base, b.base)
        pool.give(&a)
        pool.give(&b)
        let cached = pool.bytesCached
        #expect(cached == 8192)
        var c = pool.take(atLeast: 4096)
        var d = pool.take(atLeast: 4096)
        #expect(c.base == second)
        #expect(d.base == first)
        let inUse = pool.bytesInUse
        #expect(inUse == 8192)
        pool.give(&c)
        pool.give(&d)
    }

    @Test func theCacheHasALimit() {
        var pool = BufferPool(cacheLimitBytes: 3000)
        var buffers = (0..<5).map { _ in pool.take(atLeast: 1024) }
        for index in buffers.indices { pool.give(&buffers[index]) }
        let cached = pool.bytesCached
        #expect(cached == 2048)
        var large = pool.take(atLeast: 500_000)
        pool.give(&large)
        let after = pool.bytesCached
        #expect(after == 2048)
    }

    @Test func givingNothingIsNothing() {
        var pool = BufferPool(cacheLimitBytes: 1024)
        var buffer = Buffer.empty
        pool.give(&buffer)
        let inUse = pool.bytesInUse
        #expect(inUse == 0)
    }

    @Test func appendCompactsThenGrows() {
        var pool = BufferPool(cacheLimitBytes: 1 << 20)
        var buffer = Buffer.empty
        let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
        pool.append(&buffer, bytes, 0)
        #expect(!buffer.isAllocated)
        pool.append(&buffer, bytes, 1000)
        #expect(buffer.capacity == 1024)
        buffer.consume(900)
        let base = buffer.base
        pool.append(&buffer, bytes, 900)
        #expect(buffer.base == base)
        #expect(buffer.start == 0)
        #expect(buffer.count == 1000)
        #expect(content(buffer) == Array(bytes[900...]) + Array(bytes[..<900]))
        pool.append(&buffer, bytes, 1000)
        #expect(buffer.capacity == 2048)
        #expect(content(buffer) == Array(bytes[900...]) + Array(bytes[..<900]) + bytes)
        buffer.consume(2000)
        #expect(buffer.start == 0 && buffer.end == 0)
        pool.give(&buffer)
        let inUse = pool.bytesInUse
        #expect(inUse == 0)
    }

    @Test func growsPastTheClasses() {
        var pool = BufferPool(cacheLimitBytes: 1 << 20)
        var buffer = Buffer.empty
        let piece = [UInt8](repeating: 7, count: 10_000)
        var moves = 0
        for _ in 0..<400 {
            let base = buffer.base
            pool.append(&buffer, piece, piece.count)
            if buffer.base != base { moves += 1 }
        }
        #expect(buffer.count == 4_000_000)
        #expect(moves < 20)
        #expect(content(buffer).allSatisfy { $0 == 7 })
        pool.give(&buffer)
    }

    @Test func reserveGuaranteesRoom() {
        var pool = BufferPool(cacheLimitBytes: 1 << 20)
        var buffer = Buffer.empty
        for n in [1, 1024, 1025, 5000, 262_144, 262_145, 1_000_000] {
            pool.reserve(&buffer, writable: n)
            #expect(buffer.writableCount >= n)
            buffer.writePointer.initialize(repeating: 1, count: n)
            buffer.produce(n)
        }
        pool.give(&buffer)
    }

    private func content(_ buffer: Buffer) -> [UInt8] {
        Array(UnsafeBufferPointer(start: buffer.readPointer, count: buffer.count))
    }
}
