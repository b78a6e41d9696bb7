import HTTP
import Testing

@testable import Proxy

@Suite struct OwnDateTests {
    @Test func aLineThatFollowsTheClockWhicheverWayItIsSet() {
        var date = OwnDate()
        defer { date.deallocate() }
        var memory = [UInt8](repeating: 0, count: 256)
        let text = memory.withUnsafeMutableBufferPointer { buffer in
            var writer = HeadWriter(buffer.baseAddress!, capacity: buffer.count)
            for now in [784_111_777_999_999_999, 784_111_778_000_000_000, 784_111_778_500_000_000, 0] as [UInt64] {
                date.append(to: &writer, unixNanoseconds: now)
            }
            return String(decoding: buffer[..<writer.count], as: UTF8.self)
        }
        #expect(
            text == """
                date: Sun, 06 Nov 1994 08:49:37 GMT\r
                date: Sun, 06 Nov 1994 08:49:38 GMT\r
                date: Sun, 06 Nov 1994 08:49:38 GMT\r
                date: Thu, 01 Jan 1970 00:00:00 GMT\r\n
                """)
    }
}
