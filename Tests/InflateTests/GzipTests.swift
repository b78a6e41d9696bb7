import Reactor
import Testing

@testable import Inflate

@Suite struct GzipTests {
    @Test(arguments: [0, 1, 100, 100_000])
    func whatIsCompressedComesBack(count: Int) throws {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 / 7) }
        let packed = try #require(Gzip.compress(bytes))
        #expect(packed.prefix(2) == [0x1f, 0x8b])
        if count > 1000 { #expect(packed.count < count / 2) }
        let back = packed.withUnsafeBufferPointer { buffer in
            Inflater.decode(Bytes(buffer.baseAddress, buffer.count), .gzip, limit: count + 1)
        }
        #expect(back == bytes)
    }
}
