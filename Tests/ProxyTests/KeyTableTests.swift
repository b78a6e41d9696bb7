import Reactor
import Store
import Testing

@testable import Proxy

@Suite struct KeyTableTests {
    private func table(_ records: [KeyRecord], defaultLimit: Int = 0) -> KeyTable {
        KeyTable.compile(
            records, defaultRequestsPerMinute: defaultLimit, limiter: kept(RateLimiter()), in: kept(Arena()))
    }

    /// The only key of a table.
    private func key(_ change: (inout KeyRecord) -> Void) throws -> CompiledKey {
        try #require(table([.make("k", change)]).key(withID: "id-k")).pointee
    }

    /// The id of the key that is found; nil if there is none.
    private func find(_ hash: KeyHash, in table: KeyTable) -> String? {
        let place = table.find(hash)
        return place < 0 ? nil : table.pointer(place).pointee.keyID.string
    }

    @Test func tenThousandKeys() {
        let table = table((0..<10_000).map { KeyRecord.make("key-\($0)") })
        #expect(table.count == 10_000)
        var misses = 0
        var places = Set<Int32>()
        for i in 0..<10_000 {
            let place = table.find(KeyHash(of: kept("key-\(i)")))
            if place < 0 || table.pointer(place).pointee.keyID.string != "id-key-\(i)"
                || table.pointer(place).pointee.ordinal != Int32(i) || !places.insert(place).inserted
            {
                misses += 1
            }
        }
        #expect(misses == 0)
        let strangers = (10_000..<20_000).count { table.find(KeyHash(of: kept("key-\($0)"))) >= 0 }
        #expect(strangers == 0)
    }

    @Test func noKeysAtAll() {
        let table = table([])
        #expect(table.count == 0)
        #expect(table.find(KeyHash(of: kept("x"))) == -1)
        #expect(table.find(KeyHash(of: .empty)) == -1)
        #expect(table.find(KeyHash([UInt8](repeating: 0, count: 32))) == -1)
        #expect(table.key(withID: "") == nil)
    }

    @Test func oneKey() {
        let table = table([.make("x")])
        #expect(table.count == 1)
        #expect(find(KeyHash(of: kept("x")), in: table) == "id-x")
        #expect(find(KeyHash(of: kept("y")), in: table) == nil)
        #expect(table.key(withID: "id-x")?.pointee.ordinal == 0 && table.key(withID: "id-y") == nil)
    }

    /// Free places are all zero, and a digest may be as well.
    @Test(arguments: [0, 1, 5]) func aDigestOfZeros(others: Int) {
        let zero = [UInt8](repeating: 0, count: 32)
        let rest = (0..<others).map { KeyRecord.make("\($0)") }
        #expect(find(KeyHash(zero), in: table(rest)) == nil)
        #expect(find(KeyHash(zero), in: table(rest + [.make("zero") { $0.keyHash = zero }])) == "id-zero")
    }

    /// A key that another's displaced ones would reach is in its own place all the same, and all are found.
    @Test(arguments: [2, 3, 7, 64]) func digestsThatShareAPlace(count: Int) {
        // By their first eight bytes all but the last belong into the first place, the last into one of the next.
        func digest(_ first: UInt64, _ n: Int) -> [UInt8] {
            withUnsafeBytes(of: first.littleEndian) { Array($0) } + [UInt8](repeating: 7, count: 23) + [UInt8(n)]
        }
        let size = UInt64(count * 2)
        let second = UInt64.max / size + 1
        var records = (0..<count - 1).map { n in KeyRecord.make("\(n)") { $0.keyHash = digest(UInt64(n), n) } }
        records.append(.make("last") { $0.keyHash = digest(second, 200) })
        let table = table(records)
        for record in records { #expect(find(KeyHash(record.keyHash), in: table) == record.keyID) }
        #expect(table.find(KeyHash(digest(0, 0))) == 0)
        #expect(table.find(KeyHash(digest(second, 200))) == 1)
        #expect(find(KeyHash(digest(0, 201)), in: table) == nil)
        #expect(find(KeyHash(digest(second, 201)), in: table) == nil)
    }

    /// Whatever their number, and wherever the table ends.
    @Test func everyNumberOfKeys() {
        let records = (0..<70).map { KeyRecord.make("\($0)") }
        for count in 0...records.count {
            let table = table(Array(records.prefix(count)))
            let found = records.count { find(KeyHash($0.keyHash), in: table) == $0.keyID }
            #expect(found == count && table.count == count)
        }
    }

    /// Within the key, if they are short, and anywhere else.
    @Test(arguments: [0, 1, 16, 30, 31, 32, 33, 200, 70_000]) func textsOfEveryLength(count: Int) {
        let path = String(repeating: "p", count: count)
        let records = (0..<3).map { n in
            KeyRecord.make("\(n)") {
                $0.sourcePath = path
                $0.keyID = "id-\(n)"
            }
        }
        let table = table(records)
        for record in records {
            let key = table.key(withID: record.keyID)
            #expect(key?.pointee.sourcePath.string == path)
            #expect(find(KeyHash(record.keyHash), in: table) == record.keyID)
        }
    }

    /// All in one probe sequence, which wraps around the table's end.
    @Test func digestsThatBeginAlike() {
        let digests = (0..<40).map { n in [UInt8](repeating: 0xFF, count: 31) + [UInt8(n)] }
        let table = table(digests.enumerated().map { n, digest in KeyRecord.make("\(n)") { $0.keyHash = digest } })
        for (n, digest) in digests.enumerated() { #expect(find(KeyHash(digest), in: table) == "id-\(n)") }
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
        #expect(table.count == 1)
        #expect(find(KeyHash(of: kept("b")), in: table) == "id-b")
        #expect(table.key(withID: "id-b")?.pointee.ordinal == 0)
    }

    @Test func stateAndLimit() throws {
        let plain = try key { _ in }
        #expect(plain.isActive)
        #expect(plain.expiresAtMilliseconds == .max)
        #expect(plain.requestsPerMinute == 0)
        #expect(plain.sourcePath.string == "team/k")
        let other = try key {
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
        #expect(table.key(withID: "id-a")?.pointee.requestsPerMinute == 60)
        #expect(table.key(withID: "id-b")?.pointee.requestsPerMinute == 0)
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
        throws
    {
        let scratch = PatternScratch()
        let key = try key { $0.permissions = permissions }
        #expect(key.allows(path: kept(path), scratch: scratch.bytes) == isAllowed)
    }

    /// A budget belongs to the key, not to a snapshot of it.
    @Test func theBudgetOutlivesTheTable() {
        let limiter = kept(RateLimiter())
        let records = [KeyRecord.make("k") { $0.rateLimitPerMinute = 2 }]
        func take() -> Bool? {
            let table = KeyTable.compile(records, defaultRequestsPerMinute: 0, limiter: limiter, in: kept(Arena()))
            return table.key(withID: "id-k")?.pointee.rateCell.take(limit: 2, nowNanoseconds: 1_000_000_000).isAllowed
        }
        #expect([take(), take(), take()] == [true, true, false])
    }

    /// A line for each key's budget, and none twice.
    @Test func everyKeyHasACellOfItsOwn() {
        let limiter = RateLimiter()
        let addresses = (0..<5000).map { Int(bitPattern: limiter.cell(for: "\($0)", limit: 1).address) }
        #expect(Set(addresses.map { $0 / 64 }).count == 5000 && addresses.allSatisfy { $0 % 64 == 0 })
        #expect(addresses[7] == Int(bitPattern: limiter.cell(for: "7", limit: 2).address))
        #expect(
            (0..<5000).allSatisfy { limiter.cell(for: "\($0)", limit: 2).take(limit: 1, nowNanoseconds: 1).isAllowed })
    }
}
