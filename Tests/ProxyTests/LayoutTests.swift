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
        let last = try #require(MemoryLayout<CompiledKey>.offset(of: \.restrictsModels))
        #expect(last + MemoryLayout<Bool>.size <= 64)
        #expect(MemoryLayout<CompiledKey>.stride == 128)
        #expect(MemoryLayout<CompiledKey.ShortText>.size >= "key_0123456789abcdef/team/app".utf8.count)
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
        #expect(needed < form && form <= 2640)
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

    @Test func aKeyWithItsTextsIsTwoLines() throws {
        let arena = Arena()
        let records = ["a", "b", String(repeating: "long", count: 20)].map { KeyRecord.make($0) }
        let table = KeyTable.compile(records, defaultRequestsPerMinute: 0, limiter: kept(RateLimiter()), in: arena)
        for (i, record) in records.enumerated() {
            let key = try #require(table.key(withID: record.keyID))
            #expect(key.pointee.sourcePath.string == record.sourcePath)
            #expect(key.pointee.keyID.pointer.map { $0 + key.pointee.keyID.count } == key.pointee.sourcePath.pointer)
            #expect(Int(bitPattern: key) & 63 == 0)
            let offset = Int(bitPattern: key.pointee.text) - Int(bitPattern: key)
            #expect((64..<128).contains(offset) == (i < 2))
        }
        withExtendedLifetime(arena) {}
    }
}
