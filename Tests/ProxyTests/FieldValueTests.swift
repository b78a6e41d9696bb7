import Reactor
import Testing

@testable import Proxy

@Suite struct MediaTypeTests {
    @Test(
        arguments: [
            ("text/event-stream", true, false),
            ("text/event-stream; charset=utf-8", true, false),
            ("text/event-stream;charset=utf-8", true, false),
            ("Text/Event-Stream", true, false),
            ("text/event-stream, application/json", true, false),
            ("text/event-streams", false, false),
            ("text/event", false, false),
            ("application/x-ndjson", false, true),
            ("APPLICATION/X-NDJSON; q=1", false, true),
            ("application/x-ndjson2", false, false),
            ("application/json", false, false),
            (" text/event-stream", false, false),
            ("*/*", false, false),
            ("", false, false),
        ] as [(String, Bool, Bool)]) func isStream(_ value: String, _ isEventStream: Bool, _ isNDJSON: Bool)
    {
        #expect(MediaType.isEventStream(kept(value)) == isEventStream)
        #expect(MediaType.isNDJSON(kept(value)) == isNDJSON)
    }
}

@Suite struct RetryAfterTests {
    @Test(
        arguments: [
            ("0", 0), ("1", 1000), ("10", 10_000), ("007", 7000), ("999999999", 999_999_999_000),
            ("1000000000", nil), ("", nil), ("-1", nil), ("+1", nil), ("1.5", 1500), ("1 ", nil), ("0x1", nil),
            ("Fri, 31 Dec 1999 23:59:59 GMT", nil), ("\u{FF11}", nil),
        ] as [(String, UInt64?)]) func withoutADateBeside(_ value: String, _ expected: UInt64?)
    {
        #expect(RetryAfter.milliseconds(kept(value), since: .empty, now: 1_000_000_000_000_000_000) == expected)
    }

    static let date = "Sun, 06 Nov 1994 08:49:37 GMT"
    static let dateNanoseconds: UInt64 = 784_111_777_000_000_000

    @Test func fractionsOfTheSecondInWhichItCame() {
        let value = kept("Sun, 06 Nov 1994 08:49:39 GMT")
        #expect(RetryAfter.milliseconds(value, since: .empty, now: Self.dateNanoseconds + 250_000_000) == 1750)
        #expect(RetryAfter.milliseconds(value, since: .empty, now: Self.dateNanoseconds + 2_000_000_000) == nil)
    }

    @Test(
        arguments: [
            ("7", 7000), ("7.66", 7660), ("0.0001", 1), ("1.", nil), (".5", nil), ("1.5s", nil), ("-1.5", nil),
            ("1e3", nil), ("Sun, 06 Nov 1994 08:50:07 GMT", 30_000), ("Sun, 06 Nov 1994 08:49:37 GMT", nil),
            ("Sat, 05 Nov 1994 08:49:37 GMT", nil), ("Mon, 07 Nov 1994 00:00:00 GMT", 54_623_000),
            ("Sun, 06 Nov 1994 08:50:07 UTX", nil), ("Sunday, 06-Nov-94 08:49:37 GMT", nil),
            ("Sunday, 06-Nov-94 08:49:47 GMT", 10_000), ("Sun Nov  6 08:49:40 1994", 3000),
            ("Sun, 06 Nox 1994 08:50:07 GMT", nil), ("Sun, 06 Nov 1994 25:50:07 GMT", nil), ("", nil),
        ] as [(String, UInt64?)]) func secondsOrADate(_ value: String, _ expected: UInt64?)
    {
        #expect(RetryAfter.milliseconds(kept(value), since: kept(Self.date), now: 0) == expected)
        if value.utf8.count > 20 {
            // Without a date beside it, from the moment it came.
            #expect(RetryAfter.milliseconds(kept(value), since: .empty, now: Self.dateNanoseconds) == expected)
            let odd = kept("yesterday")
            #expect(RetryAfter.milliseconds(kept(value), since: odd, now: Self.dateNanoseconds) == expected)
        }
    }
}

@Suite struct UpgradeTokenTests {
    @Test(
        arguments: [
            ("websocket", false),
            ("WebSocket", false),
            ("websocket, foo/2", false),
            ("connect-udp", false),
            ("h", false),
            ("hello", false),
            ("htt", false),
            ("h2c", true),
            ("H2C", true),
            ("h2", true),
            ("HTTP/2.0", true),
            ("http/3", true),
            ("websocket, h2c", true),
            ("websocket,HTTP/2.0", true),
            ("TLS/1.0, HTTP/1.1", true),
        ] as [(String, Bool)]) func isHTTP(_ value: String, _ expected: Bool)
    {
        #expect(UpgradeToken.isHTTP(kept(value)) == expected)
    }

    @Test func nothingAtAllIsNotTunnelled() { #expect(UpgradeToken.isHTTP(.empty)) }
}
