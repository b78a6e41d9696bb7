import Reactor
import Store
import Testing

@testable import Proxy

@Suite struct KeyTableTests {
    private func table(_ records: [KeyRecord], defaultLimit: Int = 0) -> KeyTable {
        KeyTable.compile(
            records, defaultRequestsPerMinute: defaultLimit, limiter: kept(RateLimiter()), in: kept(Arena()))
    }

    private func key(_ change: (inout KeyRecord) -> Void) -> CompiledKey { table([.make("k", change)]).keys[0] }

    @Test func tenThousandKeys() {
        let table = table((0..<10_000).map { KeyRecord.make("key-\($0)") })
        #expect(table.keys.count == 10_000)
        var misses = 0
        for i in 0..<10_000 {
            let found = table.find(KeyHash(of: kept("key-\(i)")))
            guard found >= 0, table.keys[Int(found)].keyID.string == "id-key-\(i)" else {
                misses += 1
                continue
            }
        }
        #expect(misses == 0)
        let strangers = (10_000..<20_000).count { table.find(KeyHash(of: kept("key-\($0)"))) >= 0 }
        #expect(strangers == 0)
    }

    @Test func noKeysAtAll() {
        let table = table([])
        #expect(table.find(KeyHash(of: kept("x"))) == -1)
        #expect(table.find(KeyHash(of: .empty)) == -1)
    }

    /// All in one probe sequence, which wraps around the table's end.
    @Test func digestsThatBeginAlike() {
        let digests = (0..<40).map { n in [UInt8](repeating: 0xFF, count: 31) + [UInt8(n)] }
        let table = table(digests.enumerated().map { n, digest in KeyRecord.make("\(n)") { $0.keyHash = digest } })
        for (n, digest) in digests.enumerated() { #expect(table.find(KeyHash(digest)) == Int32(n)) }
        #expect(table.find(KeyHash([UInt8](repeating: 0xFF, count: 32))) == -1)
    }

    @Test func aDigestIsComparedWhole() {
        let digest = SHA256.digest(Array("secret".utf8))
        let hash = KeyHash(of: kept("secret"))
        #expect(hash.equals(KeyHash(digest)))
        for at in 0..<32 {
            var other = digest
            other[at] ^= 1
            #expect(!hash.equals(KeyHash(other)))
        }
    }

    /// A row that holds no SHA-256 cannot be a key, and takes none of the others with it.
    @Test func brokenDigestsAreLeftOut() {
        let table = table([.make("a") { $0.keyHash = [] }, .make("b"), .make("c") { $0.keyHash.removeLast() }])
        #expect(table.keys.count == 1)
        #expect(table.find(KeyHash(of: kept("b"))) == 0)
    }

    @Test func stateAndLimit() {
        let plain = key { _ in }
        #expect(plain.isActive)
        #expect(plain.expiresAtMilliseconds == .max)
        #expect(plain.requestsPerMinute == 0)
        #expect(plain.sourcePath.string == "team/k")
        let other = key {
            $0.isActive = false
            $0.expiresAtMilliseconds = 1_700_000_000_000
            $0.rateLimitPerMinute = 30
        }
        #expect(!other.isActive)
        #expect(other.expiresAtMilliseconds == 1_700_000_000_000)
        #expect(other.requestsPerMinute == 30)
    }

    @Test func theDefaultLimitIsForKeysWithoutTheirOwn() {
        let table = table([.make("a"), .make("b") { $0.rateLimitPerMinute = 0 }], defaultLimit: 60)
        #expect(table.keys[0].requestsPerMinute == 60)
        #expect(table.keys[1].requestsPerMinute == 0)
    }

    @Test(
        arguments: [
            ([], "/anything", true),
            (["*"], "/anything", true),
            (["chat", "*"], "/v1/embeddings", true),
            (["chat"], "/v1/chat/completions", true),
            (["chat"], "/v1/embeddings", false),
            (["chat", "embeddings"], "/v1/embeddings", true),
            (["models"], "/v1beta/models/gemini:generateContent", false),
            (["/v1/chat/*"], "/v1/chat/completions", true),
            (["/v1/chat/*"], "/v1/files", false),
            (["/exact"], "/exact/more", false),
            (["/user/{id}/files"], "/user/7/files", true),
            (["models", "/v1/files*"], "/v1/files/x", true),
            (["models", "/v1/files*"], "/v1/models", true),
            // What is no permission grants nothing, and above all not everything.
            (["nonsense"], "/v1/chat/completions", false),
            (["/{broken"], "/v1/chat/completions", false),
            ([""], "/v1/chat/completions", false),
            (["CHAT"], "/v1/chat/completions", false),
            (["**"], "/v1/chat/completions", false),
        ] as [([String], String, Bool)]) func permissions(_ permissions: [String], _ path: String, _ isAllowed: Bool)
    {
        let scratch = PatternScratch()
        let key = key { $0.permissions = permissions }
        #expect(key.allows(path: kept(path), scratch: scratch.bytes) == isAllowed)
    }

    /// A budget belongs to the key, not to a snapshot of it.
    @Test func theBudgetOutlivesTheTable() {
        let limiter = kept(RateLimiter())
        let records = [KeyRecord.make("k") { $0.rateLimitPerMinute = 2 }]
        func take() -> Bool {
            let table = KeyTable.compile(records, defaultRequestsPerMinute: 0, limiter: limiter, in: kept(Arena()))
            return table.keys[0].rateCell.take(limit: 2, nowNanoseconds: 1_000_000_000).isAllowed
        }
        #expect([take(), take(), take()] == [true, true, false])
    }
}
