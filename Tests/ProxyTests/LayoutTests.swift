import Reactor
import Store
import Testing

@testable import Proxy

/// Sizes that memory per open stream and cache misses per request hang on; docs/performance.md has the sums.
@Suite struct LayoutTests {
    @Test func whatAnOpenStreamHolds() {
        #expect(MemoryLayout<ClientConnection>.stride <= 360)
        #expect(MemoryLayout<Exchange>.size <= 208)
        // Two cache lines.
        #expect(MemoryLayout<UpstreamConnection>.stride == 128)
    }

    @Test func aKeysFirstLineHasWhatAdmissionAsks() throws {
        let last = try #require(MemoryLayout<CompiledKey>.offset(of: \.families))
        #expect(last + MemoryLayout<EndpointFamilies>.size <= 64)
        #expect(MemoryLayout<CompiledKey>.stride == 128)
    }

    /// `begin` copies what stands before the parts that few exchanges need.
    @Test func whatAnExchangeWithAProviderBeginsWith() throws {
        let form = try #require(MemoryLayout<ProviderExchange>.offset(of: \.form))
        let rare = try [
            #require(MemoryLayout<ProviderExchange>.offset(of: \.filter)),
            #require(MemoryLayout<ProviderExchange>.offset(of: \.inflater)),
        ]
        #expect(rare.allSatisfy { $0 > form })
        let needed = try #require(MemoryLayout<ProviderExchange>.offset(of: \.workspace))
        #expect(needed < form && form <= 2448)
    }

    @Test func aRouteTakesFourLines() { #expect(MemoryLayout<CompiledRoute>.stride == 256) }

    private struct Line: BitwiseCopyable {
        var words: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (0, 0, 0, 0, 0, 0, 0, 0)
    }

    @Test func elementsAsLongAsALineBeginOnOne() {
        let arena = Arena()
        for n in 1..<40 {
            _ = arena.allocate(n * 24)
            #expect(Int(bitPattern: arena.store([Line](repeating: Line(), count: n)).pointer(0)) & 63 == 0)
            _ = arena.allocate(n)
            let bytes = arena.store([UInt8](repeating: 7, count: n), ownLines: true)
            #expect(Int(bitPattern: bytes.pointer) & 63 == 0)
            #expect(bytes.buffer.allSatisfy { $0 == 7 } && bytes.count == n)
        }
        // Larger than a block, and what is left of one.
        for count in [64 * 1024 - 16, 16, 200_000, 64, 65_000, 4096] {
            #expect(Int(bitPattern: arena.allocate(count, ownLines: true)) & 63 == 0)
        }
    }

    @Test func aKeysTextsLieTogether() {
        let arena = Arena()
        let records = ["a", "b"].map { KeyRecord.make($0) }
        let table = KeyTable.compile(records, defaultRequestsPerMinute: 0, limiter: kept(RateLimiter()), in: arena)
        for i in 0..<2 {
            let key = table.keys[i]
            #expect(key.keyID.string == records[i].keyID && key.sourcePath.string == records[i].sourcePath)
            #expect(key.keyID.pointer.map { $0 + key.keyID.count } == key.sourcePath.pointer)
            #expect(Int(bitPattern: table.keys.pointer(i)) & 63 == 0)
        }
        withExtendedLifetime(arena) {}
    }
}
