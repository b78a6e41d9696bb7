import JSON
import Reactor
import Testing

@testable import Store

struct HeaderTextTests {
    private let keeper = ByteKeeper()

    private func json(_ raw: some Sequence<UInt8>) -> String? {
        var arena = Arena()
        return HeaderWriter().json(keeper.bytes(raw), &arena)?.string
    }

    private func json(_ raw: String) -> String? { json(raw.utf8) }

    @Test func linesBecomeAnObject() {
        #expect(json("Host: a\r\nX-B:  two words \r\n") == #"{"Host":"a","X-B":"two words"}"#)
        #expect(json("A:\r\n") == #"{"A":""}"#)
        #expect(json("A: b") == #"{"A":"b"}"#)
        #expect(json("") == nil)
        #expect(json("no colon\r\n") == nil)
        #expect(json("T: 12:30:01\r\n") == #"{"T":"12:30:01"}"#)
    }

    @Test func repeatedNamesBecomeArraysAtThePlaceOfTheFirst() {
        #expect(
            json("Set-Cookie: a\r\nX: 1\r\nset-cookie: b\r\nSET-COOKIE: c\r\n")
                == #"{"Set-Cookie":["a","b","c"],"X":"1"}"#)
    }

    @Test func namesThatShareAMarkAreToldApart() {
        var raw = ""
        for n in 0..<200 { raw += "x-\(n): \(n)\r\n" }
        raw += "X-7: again\r\n"
        let object = (try? JSONValue(parsing: json(raw)!))?.objectValue
        #expect(object?.count == 200)
        #expect(object?["x-7"] == ["7", "again"])
        #expect(object?["x-199"] == "199")
    }

    @Test func everyByteIsEscapedAsItMustBe() throws {
        for byte in UInt8(0)...255 where byte != 0x0A && byte != 0x0D && byte != 0x20 && byte != 0x09 {
            for padding in [0, 3, 8, 20] {
                let fill = Array(repeating: UInt8(ascii: "p"), count: padding)
                let text = try #require(json(Array("N: ".utf8) + fill + [byte] + fill + Array("\r\n".utf8)))
                let value = try JSONValue(parsing: text)["N"]?.stringValue
                let expected = String(decoding: fill + [byte] + fill, as: UTF8.self)
                #expect(value == expected, "byte \(byte)")
            }
        }
        #expect(json("N: é漢😀\r\n") == #"{"N":"é漢😀"}"#)
    }

    /// A line without a colon is left out, and makes the rest go line by line.
    @Test func onePassGivesWhatGoingLineByLineDoes() throws {
        var random = SystemRandomNumberGenerator()
        let names = [
            "Host", "X-A", "x-b", "Content-Type", "A-Name-That-Is-Longer-Than-Sixteen", "é", "q\"", "Set-Cookie",
        ]
        let pieces = [
            "", " ", "\t", "a", "two words", "0123456789abcdef", "\"", "\\", "é", "漢", "😀", ":", "\u{7F}", "\r",
            "\u{1}",
            String(repeating: "long ", count: 9),
        ]
        for _ in 0..<3000 {
            var raw: [UInt8] = []
            for _ in 0..<Int.random(in: 1...5, using: &random) {
                raw += names.randomElement(using: &random)!.utf8
                raw += [0x3A]
                for _ in 0..<Int.random(in: 0...4, using: &random) {
                    // Mostly plain values, or the one pass would seldom come to its end.
                    let isPlain = Int.random(in: 0..<4, using: &random) > 0
                    raw += (isPlain ? pieces[..<12] : pieces[...]).randomElement(using: &random)!.utf8
                    if Int.random(in: 0..<40, using: &random) == 0 {
                        raw += [UInt8.random(in: 0x80...0xFF, using: &random)]
                    }
                }
                raw += Bool.random(using: &random) ? [0x0D, 0x0A] : [0x0A]
            }
            if Bool.random(using: &random) { raw.removeLast() }
            let text = try #require(json(raw))
            #expect(text == json(Array("no colon\r\n".utf8) + raw), "\(raw)")
            #expect((try? JSONValue(parsing: text)) != nil, "\(raw)")
        }
    }

    @Test func valuesAreFoundWhateverTheCase() {
        let raw = keeper.bytes("A: 1\r\nContent-TYPE: text/plain\r\ncontent-type: other\r\n")
        #expect(HeaderText.value(of: "content-type", in: raw)?.string == "text/plain")
        #expect(HeaderText.value(of: "content", in: raw) == nil)
        #expect(HeaderText.value(of: "content-type", in: .empty) == nil)
    }

    @Test func noMoreThanTheLimitOfLinesIsKept() {
        let raw = String(repeating: "a: b\r\n", count: 3000)
        let value = try? JSONValue(parsing: json(raw)!)
        #expect(value?["a"]?.arrayValue?.count == HeaderText.maximumLines)
    }

    @Test func arenaBlocksStayPut() {
        var arena = Arena()
        var kept: [(UnsafePointer<UInt8>, Int, UInt8)] = []
        for n in 0..<600 {
            let size = n % 50 == 49 ? 300_000 : n * 7 % 2000
            let copy = arena.copy(Array(repeating: UInt8(n & 255), count: size))
            kept.append((copy.pointer, copy.count, UInt8(n & 255)))
        }
        for (pointer, count, value) in kept {
            #expect(UnsafeBufferPointer(start: pointer, count: count).allSatisfy { $0 == value })
        }
        arena.reset()
        #expect(arena.copy([1, 2, 3]).count == 3)
    }
}

struct ByteScanTests {
    @Test func utf8IsJudgedAsSwiftDoes() {
        let keeper = ByteKeeper()
        var random = SystemRandomNumberGenerator()
        let pieces: [[UInt8]] = [
            [0x41], [0xC3, 0xA9], [0xE6, 0xBC, 0xA2], [0xF0, 0x9F, 0x98, 0x80], [0xC0, 0x80], [0xED, 0xA0, 0x80],
            [0xF4, 0x90, 0x80, 0x80], [0x80], [0xFF], [0xE0, 0x80, 0x80], [0xF0, 0x80, 0x80, 0x80], [0xE1], [0x7F],
        ]
        for _ in 0..<3000 {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 0...6, using: &random) { bytes += pieces.randomElement(using: &random)! }
            let kept = keeper.bytes(bytes)
            let isValid = String(validating: bytes, as: UTF8.self) != nil
            #expect(ByteScan.isText(kept.pointer!, kept.count) == isValid, "\(bytes)")
        }
        let nul = keeper.bytes([0x41, 0x00, 0x42])
        #expect(!ByteScan.isText(nul.pointer!, 3))
    }

    @Test func aCutCharacterIsLeftOut() {
        let keeper = ByteKeeper()
        let text = Array("aé漢😀".utf8)
        for cut in 0...text.count {
            let kept = keeper.bytes(text[..<cut])
            let whole = ByteScan.withoutCutSequence(kept.pointer!, cut)
            #expect(String(validating: text[..<whole], as: UTF8.self) != nil, "cut at \(cut)")
            #expect(cut - whole < 4)
        }
    }
}

struct BodyTextTests {
    private let keeper = ByteKeeper()

    private func stored(_ body: [UInt8], headers: String, limit: Int = 10_240) -> BodyText.Stored {
        var arena = Arena()
        let result = BodyText.response(
            keeper.bytes(body), BodyContent(headers: keeper.bytes(headers)), limit: limit, arena: &arena)
        // What lies in the arena goes with it.
        switch result {
        case .none: return .none
        case .text(let bytes): return .text(keeper.bytes(Array(bytes.buffer)))
        case .blob(let bytes): return .blob(keeper.bytes(Array(bytes.buffer)))
        }
    }

    private func text(_ body: [UInt8], headers: String, limit: Int = 10_240) -> String? {
        if case .text(let bytes) = stored(body, headers: headers, limit: limit) { return bytes.string }
        return nil
    }

    private func gzip(_ command: String) throws -> [UInt8] {
        try #require(shell("\(command) | gzip -9"), "gzip is needed")
    }

    /// A bare deflate stream of one stored block (RFC 1951 §3.2.4).
    private func deflated(_ bytes: [UInt8]) -> [UInt8] {
        let count = UInt16(bytes.count)
        return [1, UInt8(count & 255), UInt8(count >> 8), UInt8(~count & 255), UInt8(~count >> 8)] + bytes
    }

    /// The same as zlib has it (RFC 1950).
    private func zlib(_ bytes: [UInt8]) -> [UInt8] {
        var a: UInt32 = 1
        var b: UInt32 = 0
        for byte in bytes {
            a = (a + UInt32(byte)) % 65521
            b = (b + a) % 65521
        }
        let sum = b << 16 | a
        return [0x78, 0x01] + deflated(bytes) + [24, 16, 8, 0].map { UInt8(sum >> $0 & 255) }
    }

    @Test func compressedBodiesAreStoredDecoded() throws {
        let hello = try gzip("printf hello")
        #expect(text(hello, headers: "Content-Encoding: gzip\r\n") == "hello")
        #expect(text(hello, headers: "content-encoding: X-GZIP\r\n") == "hello")
        #expect(text(hello + hello, headers: "Content-Encoding: gzip\r\n") == "hellohello")
        #expect(text(zlib(Array("hello".utf8)), headers: "Content-Encoding: deflate\r\n") == "hello")
        #expect(text(deflated(Array("hello".utf8)), headers: "Content-Encoding: deflate\r\n") == "hello")
        #expect(text(Array("plain".utf8), headers: "Content-Encoding: gzip\r\n") == "plain")
    }

    @Test func aCutBodyGivesWhatThereIsOfIt() throws {
        let whole = try gzip("seq 1 20000")
        let start = try #require(text(Array(whole.prefix(4000)), headers: "Content-Encoding: gzip\r\n", limit: 100_000))
        #expect(start.hasPrefix("1\n2\n3\n") && start.utf8.count > 4000)
    }

    @Test func aBombIsCutAtTheLimit() throws {
        let bomb = try gzip("head -c 50000000 /dev/zero | tr '\\0' a")
        #expect(bomb.count < 100_000)
        #expect(text(bomb, headers: "Content-Encoding: gzip\r\n", limit: 1000) == String(repeating: "a", count: 1000))
        // As a stream it may be decoded further, but not far.
        let stream = text(bomb, headers: "Content-Encoding: gzip\r\nContent-Type: text/event-stream\r\n", limit: 1000)
        #expect(stream?.utf8.count == 1000)
    }

    @Test func whatIsNoTextIsKeptAsItIs() {
        guard case .blob(let bytes) = stored([0xFF, 0xFE, 0, 1], headers: "") else {
            Issue.record("not a blob")
            return
        }
        #expect(Array(bytes.buffer) == [0xFF, 0xFE, 0, 1])
        #expect(text(Array("aé".utf8).dropLast(), headers: "") == "a")
        #expect(text(Array("ééé".utf8), headers: "", limit: 3) == "é")
        if case .none = stored([], headers: "") {} else { Issue.record("nothing became something") }
        if case .none = stored([65], headers: "", limit: 0) {} else { Issue.record("a limit of 0 stored something") }
    }

    @Test func openAIStreamsAreMerged() throws {
        let body = """
            : comment\r
            data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":\
            {"role":"assistant","content":""}}]}\r
            \r
            data: {"id":"c1","choices":[{"index":0,"delta":{"content":"Hel"}}]}\r
            \r
            data: {"id":"c1","choices":[{"index":0,"delta":{"content":"lo","reasoning_content":"hm"}}]}\r
            \r
            data: {"id":"c1","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"t1","type":"function",\
            "function":{"name":"f","arguments":"{\\"a\\""}}]}}]}\r
            \r
            data: {"id":"c1","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}}]}\r
            \r
            data: {"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}],"usage":null}\r
            \r
            data: {"id":"c1","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}\r
            \r
            data: [DONE]\r
            \r

            """
        let merged = try #require(text(Array(body.utf8), headers: "Content-Type: text/event-stream; charset=utf-8\r\n"))
        let value = try JSONValue(parsing: merged)
        #expect(
            value == [
                "id": "c1", "object": "chat.completion", "created": 1, "model": "m",
                "choices": [
                    [
                        "index": 0,
                        "message": [
                            "role": "assistant", "content": "Hello", "reasoning_content": "hm",
                            "tool_calls": [
                                ["id": "t1", "type": "function", "function": ["name": "f", "arguments": #"{"a":1}"#]]
                            ],
                        ], "finish_reason": "tool_calls",
                    ]
                ], "usage": ["prompt_tokens": 3, "completion_tokens": 4],
            ])
    }

    @Test func otherStreamsStayAsTheyAre() throws {
        let ticks = "data: tick\n\ndata: tock\n\n"
        #expect(text(Array(ticks.utf8), headers: "Content-Type: text/event-stream\r\n") == ticks)
        let anthropic = "event: message_start\ndata: {\"type\":\"message_start\"}\n\n"
        #expect(text(Array(anthropic.utf8), headers: "Content-Type: text/event-stream\r\n") == anthropic)
        let chunk = "data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\n\n"
        #expect(text(Array(chunk.utf8), headers: "Content-Type: text/event-streamer\r\n") == chunk)
    }

    @Test func ofAResponsesStreamTheWholeResponseIsTaken() throws {
        let body = """
            data: {"type":"response.created","response":{"id":"r","output":[]}}

            data: {"type":"response.output_text.delta","delta":"Hi"}

            data: {"type":"response.completed","response":{"id":"r","output":["Hi"],"usage":{"total_tokens":2}}}


            """
        let merged = try #require(text(Array(body.utf8), headers: "Content-Type: text/event-stream\r\n"))
        #expect(try JSONValue(parsing: merged) == ["id": "r", "output": ["Hi"], "usage": ["total_tokens": 2]])
    }
}
