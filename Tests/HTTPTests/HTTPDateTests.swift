import Testing

@testable import HTTP

@Suite struct HTTPDateTests {
    private let memory = GuardedMemory(capacity: 64)

    private func written(_ unixSeconds: UInt64) -> String {
        let p = memory.placeAtEnd([UInt8](repeating: 0xAA, count: HTTPDate.length)[...])
        HTTPDate.write(unixSeconds: unixSeconds, into: p)
        return String(decoding: UnsafeBufferPointer(start: p, count: HTTPDate.length), as: UTF8.self)
    }

    private func seconds(_ text: String) -> Int64? {
        let p = memory.placeAtEnd(Array(text.utf8)[...])
        return HTTPDate.seconds(p, text.utf8.count)
    }

    @Test(
        arguments: [
            ("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777),
            ("Tue, 29 Feb 2000 23:59:59 GMT", 951_868_799), ("Wed, 01 Mar 2000 00:00:00 GMT", 951_868_800),
            ("Thu, 29 Feb 2024 00:00:00 GMT", 1_709_164_800), ("Sat, 21 Nov 2026 15:00:00 GMT", 1_795_273_200),
            ("Fri, 31 Dec 2027 23:59:59 GMT", 1_830_297_599), ("Mon, 01 Mar 2100 00:00:00 GMT", 4_107_542_400),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
        ] as [(String, UInt64)]) func bothWays(_ text: String, _ unixSeconds: UInt64)
    {
        #expect(written(unixSeconds) == text)
        #expect(seconds(text) == Int64(unixSeconds))
    }

    /// RFC 9110 §5.6.7: recipients take the obsolete forms, too.
    @Test(
        arguments: [
            ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777), ("Sun Nov  6 08:49:37 1994", 784_111_777),
            ("Wednesday, 01-Mar-00 00:00:00 GMT", 951_868_800), ("Sat Nov 21 15:00:00 2026", 1_795_273_200),
            ("Saturday, 21-Nov-26 15:00:00 GMT", 1_795_273_200), ("Thursday, 01-Jan-70 00:00:00 GMT", 0),
            ("Tue Feb 29 23:59:59 2000", 951_868_799),
        ] as [(String, Int64)]) func obsoleteForms(_ text: String, _ unixSeconds: Int64)
    {
        #expect(seconds(text) == unixSeconds)
    }

    /// Each day of four centuries and more, at another time each.
    @Test func everyDayComesBack() {
        let p = UnsafeMutablePointer<UInt8>.allocate(capacity: HTTPDate.length)
        defer { p.deallocate() }
        for day in 0..<UInt64(160_000) {
            let time = day * 86_400 + day * 7919 % 86_400
            HTTPDate.write(unixSeconds: time, into: p)
            guard HTTPDate.seconds(p, HTTPDate.length) != Int64(time) else { continue }
            Issue.record("\(time)")
        }
    }

    @Test(
        arguments: [
            "", "Sun", "Sun, 06 Nov 1994 08:49:37 GM", "Sun, 06 Nov 1994 08:49:37 GMT ",
            "Sun, 06 Nov 1994 08:49:37 UTX",
            "Sunday, 06-Nox-94 08:49:37 GMT", "Sunday, 06 Nov 94 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 UTX",
            "Sunday, 06-Nov-9x 08:49:37 GMT", "Wednesdays, 06-Nov-94 08:49:37 GMT", "Sun, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  x 08:49:37 1994", "Sun Nov  6 08:4x:37 1994", "Sun Nov  6 08:49:37 94",
            "Sun, 06 Nox 1994 08:49:37 GMT",
            "Sun, 00 Nov 1994 08:49:37 GMT", "Sun, 32 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT", "Sun, 06 Nov 1969 08:49:37 GMT",
            "Sun, 06 Nov -994 08:49:37 GMT", "Sun, +6 Nov 1994 08:49:37 GMT",
        ]) func isNone(_ text: String)
    {
        #expect(seconds(text) == nil)
    }
}
