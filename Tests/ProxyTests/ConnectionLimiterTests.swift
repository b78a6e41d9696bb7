import Config
import Reactor
import Testing

@testable import Proxy

@Suite struct ConnectionLimiterTests {
    private func address(_ text: String) throws -> SocketAddress { try #require(SocketAddress(literal: text, port: 1)) }

    @Test func countsByAddress() throws {
        let limiter = ConnectionLimiter(maximum: 100)
        let (a, b) = (try address("10.0.0.1"), try address("10.0.0.2"))
        for _ in 0..<3 { #expect(limiter.admit(a, perAddress: 3)) }
        #expect(!limiter.admit(a, perAddress: 3))
        #expect(limiter.admit(b, perAddress: 3))
        limiter.leave(a)
        #expect(limiter.admit(a, perAddress: 3))
        #expect(limiter.admit(a, perAddress: 0), "0 is no limit")
    }

    @Test func anIPv6NetworkIsOne() throws {
        let limiter = ConnectionLimiter(maximum: 100)
        #expect(limiter.admit(try address("2001:db8:1:2::1"), perAddress: 1))
        #expect(!limiter.admit(try address("2001:db8:1:2:ffff::9"), perAddress: 1))
        #expect(limiter.admit(try address("2001:db8:1:3::1"), perAddress: 1))
    }

    @Test func countsInAll() throws {
        let limiter = ConnectionLimiter(maximum: 2)
        let a = try address("10.0.0.1")
        #expect(!limiter.isFull)
        #expect(limiter.admit(a, perAddress: 0) && !limiter.isFull)
        #expect(limiter.admit(a, perAddress: 0) && limiter.isFull)
        #expect(!limiter.admit(a, perAddress: 1))
        limiter.leave(a)
        #expect(!limiter.isFull)
    }

    /// Thousands of addresses crowd nobody out.
    @Test func strangersShareCellsHarmlessly() throws {
        let limiter = ConnectionLimiter(maximum: 1_000_000)
        var refused = 0
        for i in 0..<20_000 {
            let text = "10.\(i >> 16).\(i >> 8 & 255).\(i & 255)"
            if !limiter.admit(try address(text), perAddress: 8) { refused += 1 }
        }
        #expect(refused == 0)
    }

    @Test func descriptorsBoundConnections() {
        var settings = Settings()
        #expect(Gateway.connectionLimit(settings, descriptors: 1024, workers: 2) == (1024 - 64 - 16) / 2)
        #expect(Gateway.connectionLimit(settings, descriptors: 1 << 20, workers: 2) == 65536)
        #expect(Gateway.connectionLimit(settings, descriptors: 10, workers: 2) == 1)
        settings.limits.maxConnections = 100
        #expect(Gateway.connectionLimit(settings, descriptors: 1024, workers: 2) == 100)
    }
}
