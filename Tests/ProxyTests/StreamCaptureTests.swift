import Testing

@testable import Proxy

/// How much of an event stream is recorded for the audit.
@Suite struct StreamCaptureTests {
    private func bytes(_ limit: Int, head: Int = 65536, ring: Int = 64 << 20) -> Int {
        Worker.streamCaptureBytes(limit: limit, headBytes: head, ringCapacity: ring)
    }

    @Test func itIsManyTimesWhatIsStoredButNotMegabytesMore() {
        #expect(bytes(0) == 0)
        #expect(bytes(100) == 3200)
        #expect(bytes(10_240) == 327_680)
        #expect(bytes(100_000) == 100_000 + (512 << 10))
        #expect(bytes(16 << 20, ring: 1 << 30) == (16 << 20) + (512 << 10))
        #expect(bytes(10_240, ring: 1 << 20) == 128 << 10)
    }

    /// Whatever config.yaml may say, the record with the target's URL, both heads and both bodies fits into the ring.
    @Test func theRecordFitsIntoTheRing() {
        for shift in 16...30 {
            let ring = 1 << shift
            for head in [1024, 8192, 65536, 1 << 20] {
                for limit in [0, 1, 100, 1024, 10_240, 100_000, 1 << 20, 16 << 20] where ring >= 4 * (head + limit) {
                    let captured = bytes(limit, head: head, ring: ring)
                    #expect(captured >= limit)
                    if captured > limit { #expect(captured + limit + 2 * head + 1024 < ring / 2 - 8) }
                }
            }
        }
    }
}
