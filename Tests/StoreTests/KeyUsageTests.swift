import Reactor
import Testing

@testable import Store

@Suite struct KeyUsageTests {
    private let keeper = ByteKeeper()
    private let folder = TestFolder()

    private func bytes(_ text: String) -> Bytes { keeper.bytes(text.utf8) }

    /// What `usage` adds to a database that has these keys: their counts and times of last use.
    private func written(_ usage: borrowing KeyUsage, _ keys: [String]) throws -> [String: String] {
        let connection = try folder.open(offset: 0)
        let insert = try connection.statement(
            "INSERT INTO api_keys (key_id, key_value, source_path, created_at) VALUES (?1, ?1, '/', '')")
        for key in keys {
            insert.bind(1, key)
            try insert.run()
        }
        try usage.write(to: connection, timeZoneOffsetMinutes: 0)
        var found: [String: String] = [:]
        let rows = try connection.statement("SELECT key_id, usage_count, last_used_at FROM api_keys")
        while try rows.step() { found[rows.text(0)] = "\(rows.int(1)) \(rows.text(2))" }
        return found
    }

    @Test func countsAndLatestUse() throws {
        var usage = KeyUsage()
        let isEmpty = usage.isEmpty
        #expect(isEmpty)
        for (key, second) in [("a", 3), ("a", 1), ("b", 2), ("a", 2), ("", 9), ("b", 5)] {
            usage.fetch(bytes(key))
            usage.add(bytes(key), timeNanoseconds: UInt64(second) * 1_000_000_000)
        }
        let counted = usage.count
        #expect(counted == 2)
        let found = try written(usage, ["a", "b", "c"])
        #expect(found["a"]?.hasPrefix("3 1970-01-01") == true && found["a"]?.contains(":03") == true)
        #expect(found["b"]?.hasPrefix("2 1970-01-01") == true && found["b"]?.contains(":05") == true)
        #expect(found["c"]?.hasPrefix("0 ") == true)
    }

    /// Ids of every length, each beside ones that differ in one byte or in length only.
    @Test func idsOfEveryLength() throws {
        var usage = KeyUsage()
        var keys: [String] = []
        for n in 1...40 {
            let plain = [UInt8](repeating: UInt8(ascii: "k"), count: n)
            keys.append(String(decoding: plain, as: UTF8.self))
            for i in 0..<n {
                var other = plain
                other[i] = UInt8(ascii: "x")
                keys.append(String(decoding: other, as: UTF8.self))
            }
        }
        for _ in 0..<3 { for key in keys { usage.add(bytes(key), timeNanoseconds: 1) } }
        let counted = usage.count
        #expect(counted == keys.count)
        let found = try written(usage, keys)
        #expect(found.count == keys.count && found.values.allSatisfy { $0.hasPrefix("3 ") })
    }

    @Test func idsOfAnyBytes() {
        let texts = ["é", "日本語の鍵です", "a\0", "a\0\0", "a", String(repeating: "ß", count: 30)]
        for text in texts {
            #expect(KeyName(bytes(text)).string == text)
            for other in texts { #expect(KeyName(bytes(text)).equals(KeyName(bytes(other))) == (text == other)) }
        }
    }

    /// The table grows, is emptied and filled again, with what it had still in its places.
    @Test func manyKeysBatchAfterBatch() throws {
        var usage = KeyUsage()
        for batch in 0..<4 {
            usage.removeAll()
            let left = usage.count
            #expect(left == 0)
            for use in 0..<3 {
                for n in 0..<5000 where n % 4 != batch || use == 0 {
                    let key = bytes("key_\(n)")
                    usage.fetch(key)
                    usage.add(key, timeNanoseconds: 1)
                }
            }
            let counted = usage.count
            #expect(counted == 5000)
        }
        let keys = (0..<5000).map { "key_\($0)" }
        let found = try written(usage, keys)
        let wrong = (0..<5000).count { found["key_\($0)"]?.hasPrefix($0 % 4 == 3 ? "1 " : "3 ") != true }
        #expect(wrong == 0)
    }

    /// What another has counted is taken in, and its ids are needed no more.
    @Test(arguments: [10, 2000]) func sums(count: Int) throws {
        var sum = KeyUsage()
        var arena = Arena()
        let keys = (0..<count).map { "\($0)" + String(repeating: "-", count: $0 % 50) }
        for batch in 0..<3 {
            var usage = KeyUsage()
            let texts = keys.map { key in
                let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: key.utf8.count, alignment: 1)
                copy.copyBytes(from: key.utf8)
                return copy
            }
            for (n, text) in texts.enumerated() where n % 3 != batch {
                usage.add(Bytes(UnsafeRawBufferPointer(text)), timeNanoseconds: UInt64(batch))
            }
            sum.add(usage, keepingKeysIn: &arena)
            for text in texts {
                text.initializeMemory(as: UInt8.self, repeating: 0xFF)
                text.deallocate()
            }
        }
        let counted = sum.count
        #expect(counted == count)
        let found = try written(sum, keys)
        #expect(found.values.allSatisfy { $0.hasPrefix("2 ") })
    }

    /// Ids that are numbered differ in their last digits only, and must not crowd one part of a table.
    @Test func numberedKeysSpread() {
        let mask: UInt64 = (1 << 15) - 1
        var filled = Set<UInt64>()
        for n in 0..<10_000 {
            let id = Array("key_bench\(1_000_000 + n)".utf8)
            id.withUnsafeBytes { _ = filled.insert(KeyName(Bytes($0)).hash & mask) }
        }
        // As many as chance fills of 32,768 places with 10,000: 8,600.
        #expect(filled.count > 8000)
    }
}
