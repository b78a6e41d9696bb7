import Testing

@testable import HTTP

@Suite struct HeadWriterTests {
    func written(_ capacity: Int = 256, _ body: (inout HeadWriter) -> Void) -> (text: String, overflowed: Bool) {
        let memory = GuardedMemory(capacity: capacity)
        let p = memory.placeAtEnd([UInt8](repeating: 0xAA, count: capacity)[...])
        var writer = HeadWriter(p, capacity: capacity)
        body(&writer)
        return (String(decoding: UnsafeBufferPointer(start: p, count: writer.count), as: UTF8.self), writer.overflowed)
    }

    @Test func appends() {
        let result = written {
            $0.append(status: 200)
            $0.append("Content-Type", "application/json")
            $0.append("Content-Length", decimal: 1234)
            $0.append(byte: UInt8(ascii: "X"))
            $0.append(": ")
            $0.append(Array("yz".utf8), 2)
            $0.append("\r\n\r\n")
        }
        #expect(
            result.text
                == "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1234\r\nX: yz\r\n\r\n")
        #expect(!result.overflowed)
    }

    @Test func numbers() {
        for value in [0, 1, 9, 10, 99, 100, 65535, 1 << 32, UInt64.max - 1, UInt64.max] {
            #expect(written { $0.append(decimal: value) }.text == String(value))
            #expect(written { $0.append(hex: value) }.text == String(value, radix: 16))
        }
    }

    @Test func overflowIsNotedAndNothingIsWrittenBehind() {
        let full = written(4) { $0.append("abcd") }
        #expect(full.text == "abcd" && !full.overflowed)
        #expect(written(4) { $0.append("abcde") }.overflowed)
        #expect(written(0) { $0.append(byte: 1) }.overflowed)
        #expect(written(3) { $0.append(decimal: 1000) }.overflowed)
        #expect(written(3) { $0.append(hex: 0x1000) }.overflowed)
        // After one piece is dropped, so is everything else: no head with a hole in it.
        let torn = written(4) {
            $0.append("abc")
            $0.append("de")
            $0.append("f")
        }
        #expect(torn.text == "abc" && torn.overflowed)
    }

    @Test func reasonPhrases() {
        #expect(String(describing: reasonPhrase(200)) == "OK")
        #expect(String(describing: reasonPhrase(413)) == "Content Too Large")
        #expect(String(describing: reasonPhrase(429)) == "Too Many Requests")
        #expect(reasonPhrase(799).utf8CodeUnitCount == 0)
        #expect(written { $0.append(status: 799) }.text == "HTTP/1.1 799 \r\n")
    }
}

@Suite struct FieldListTokensTests {
    func tokens(_ value: String) -> (members: [String], skippedEmpty: Bool) {
        let memory = GuardedMemory(capacity: 256)
        let bytes = latin1(value)
        let p = memory.placeAtEnd(bytes[...])
        var list = FieldListTokens(p, bytes.count)
        var members: [String] = []
        while let token = list.next() {
            members.append(
                String(decoding: UnsafeBufferPointer(start: p + token.offset, count: token.count), as: UTF8.self))
        }
        return (members, list.skippedEmpty)
    }

    @Test func members() {
        #expect(tokens("close") == (["close"], false))
        #expect(tokens("close, x-secret ,\tte\t") == (["close", "x-secret", "te"], false))
        #expect(
            tokens("keep-alive, a-name-longer-than-a-vector, b") == (
                ["keep-alive", "a-name-longer-than-a-vector", "b"], false
            ))
        #expect(tokens("") == ([], true))
        #expect(tokens(",") == ([], true))
        #expect(tokens(" , a,, b,") == (["a", "b"], true))
        #expect(tokens("\"a, b\"") == (["\"a", "b\""], false))
    }

    @Test func equality() {
        let bytes = latin1("Keep-ALIVE")
        #expect(equalsIgnoringCase(bytes, bytes.count, "keep-alive"))
        #expect(!equalsIgnoringCase(bytes, bytes.count, "keep-alivf"))
        #expect(!equalsIgnoringCase(bytes, bytes.count - 1, "keep-alive"))
        #expect(equalsIgnoringCase(bytes, bytes.count, latin1("keep-alive"), 10))
        #expect(!equalsIgnoringCase(latin1("keep\ralive"), 10, "keep-alive"))
        #expect(!equalsIgnoringCase(latin1("["), 1, "{"))
    }
}
