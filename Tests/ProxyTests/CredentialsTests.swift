import Reactor
import Testing

@testable import Proxy

@Suite struct BearerTokenTests {
    @Test(
        arguments: [
            ("Bearer fg_abc", "fg_abc"),
            ("bearer fg_abc", "fg_abc"),
            ("BEARER fg_abc", "fg_abc"),
            ("bEaReR fg_abc", "fg_abc"),
            ("Bearer   fg_abc", "fg_abc"),
            ("Bearer a b", "a b"),
            ("Bearer x", "x"),
            ("Basic dXNlcjpwYXNz", nil),
            ("Bearer", nil),
            ("Bearer ", nil),
            ("Bearerfg_abc", nil),
            ("Bearer\tfg_abc", nil),
            ("fg_abc", nil),
            ("", nil),
            ("Bear\u{5}r fg_abc", nil),
            ("\"earer fg_abc", nil),
            ("BearE2 fg_abc", nil),
        ] as [(String, String?)]) func read(_ value: String, _ token: String?)
    {
        #expect(BearerToken.read(kept(value))?.string == token)
    }
}

@Suite struct QueryKeyTests {
    @Test(
        arguments: [
            ("", nil, ""),
            ("key=abc", "abc", ""),
            ("key=", "", ""),
            ("a=1&key=abc", "abc", "a=1"),
            ("key=abc&a=1", "abc", "a=1"),
            ("a=1&key=abc&b=2", "abc", "a=1&b=2"),
            ("key=abc&key=def&a=1", "abc", "a=1"),
            ("a=1&b=2", nil, "a=1&b=2"),
            ("key", nil, "key"),
            ("keys=1", nil, "keys=1"),
            ("KEY=1", nil, "KEY=1"),
            ("apikey=1", nil, "apikey=1"),
            ("a=key=1", nil, "a=key=1"),
            ("key=a%26b&c", "a%26b", "c"),
            ("a=1&&b=2", nil, "a=1&&b=2"),
            ("a=1&key=x&", "x", "a=1"),
            ("alt=sse&key=x", "x", "alt=sse"),
        ] as [(String, String?, String)]) func valueAndRest(_ query: String, _ key: String?, _ rest: String)
    {
        let bytes = kept(query)
        #expect(QueryKey.value(in: bytes)?.string == key)
        var left = ""
        QueryKey.without(bytes) { left += $0.string }
        #expect(left == rest)
        #expect(!left.split(separator: "&").contains { $0.hasPrefix("key=") })
    }
}

@Suite struct RequestIDTests {
    private func isValid(_ text: String) -> Bool {
        let bytes = kept(text)
        return bytes.pointer.map { RequestID.isValid($0, bytes.count) } ?? false
    }

    @Test func plainIDsAreValid() {
        for id in ["a", "req_0123456789ab", "A-Z.a_z:09", String(repeating: "x", count: 64)] { #expect(isValid(id)) }
    }

    @Test func othersAreNot() {
        for id in ["", String(repeating: "x", count: 65), "a b", "a\"b", "a\\b", "a/b", "a\nb", "\u{E9}", "a,b", "<a>"]
        {
            #expect(!isValid(id))
        }
        #expect(!RequestID.isValid(kept("x").pointer!, 0))
    }

    @Test func ours() {
        func id(_ number: UInt64) -> String {
            var bytes = [UInt8](repeating: 0, count: RequestID.ownLength)
            RequestID.write(number, into: &bytes)
            return String(decoding: bytes, as: UTF8.self)
        }
        #expect(id(0) == "req_000000000000")
        #expect(id(.max) == "req_ffffffffffff")
        #expect(id(0x123) != id(0x321))
        for number in [1, 0xDEAD_BEEF_CAFE, .max] as [UInt64] { #expect(isValid(id(number))) }
    }
}
