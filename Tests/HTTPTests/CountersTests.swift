import Testing

@testable import HTTP

@Suite struct CountersTests {
    let memory = GuardedMemory(capacity: 8192)

    func events(_ bytes: [UInt8], cuts: [Int] = []) -> UInt32 {
        var counter = SSECounter()
        var start = 0
        for end in cuts + [bytes.count] {
            counter.feed(memory.placeAtEnd(bytes[start..<end]), end - start)
            start = end
        }
        counter.finish()
        return counter.events
    }

    func lines(_ bytes: [UInt8], cuts: [Int] = []) -> UInt32 {
        var counter = LineCounter()
        var start = 0
        for end in cuts + [bytes.count] {
            counter.feed(memory.placeAtEnd(bytes[start..<end]), end - start)
            start = end
        }
        counter.finish()
        return counter.lines
    }

    static let streams: [(String, UInt32)] = [
        ("", 0), ("data: a\n\n", 1), ("data: a\n\ndata: b\n\n", 2), ("data: a\n", 0), ("data: a\n\n\n\n", 1),
        ("\n\n\n", 0),
        ("data\n\n", 1), ("data:\n\n", 1), ("data: a\ndata: b\n\n", 1), ("event: x\n\n", 0),
        ("event: x\ndata: {}\nid: 1\n\n", 1),
        (": comment\n\n", 0), (": comment\ndata: x\n\n", 1), ("dat: x\n\n", 0), ("datas: x\n\n", 0),
        (" data: x\n\n", 0), ("Data: x\n\n", 0),
        ("xdata: x\n\n", 0), ("event: message\ndata: data: \n\nid: 7\n\ndata: [DONE]\n\n", 2),
        ("\u{ef}\u{bb}\u{bf}data: x\n\n", 1),
        ("\u{ef}\u{bb}data: x\n\n", 0), ("\u{ef}data: x\n\ndata: y\n\n", 1),
        ("data: x\n\n\u{ef}\u{bb}\u{bf}data: x\n\n", 1),
        ("d\nda\ndat\n\n", 0), ("dat\ndata\n\n", 1), ("data: x\n\ndata: cut", 1),
        (
            "data: {\"id\":\"chatcmpl-123\",\"choices\":[{\"delta\":{\"content\":\"Hello, this is long\"}}]}\n\ndata: y\n\n",
            2
        ),
    ]

    @Test func eventsAtEverySplitWithEveryLineEnd() {
        for (stream, count) in Self.streams {
            for lineEnd in ["\n", "\r\n", "\r"] {
                let bytes = latin1(stream.replacing("\n", with: lineEnd))
                #expect(events(bytes) == count, "\(stream)")
                for first in 0...bytes.count {
                    #expect(events(bytes, cuts: [first]) == count, "\(stream) cut at \(first)")
                    #expect(events(bytes, cuts: [first, min(first + 1, bytes.count)]) == count)
                }
                #expect(events(bytes, cuts: Array(0...bytes.count)) == count)
            }
        }
    }

    @Test func mixedLineEnds() {
        #expect(events(latin1("data: a\r\n\rdata: b\n\r\ndata: c\r\r\n")) == 3)
        #expect(events(latin1("data: a\r\n\r\n")) == 1)
        #expect(events(latin1("data: a\r\r")) == 1)
        // CR LF is one line end, even cut in two: no empty line here.
        #expect(events(latin1("data: a\r\ndata: b\r\n"), cuts: [8]) == 0)
    }

    @Test func linesAtEverySplit() {
        for (stream, count) in [
            ("", 0), ("{}\n", 1), ("{}\n{}\n", 2), ("{}\n\n\n{}", 2), ("{}\r\n\r\n{}\r\n", 2), ("\n \t\r\n", 0),
            (" {}\n", 1), ("{}", 1),
            ("{\"a\": \"a long value that takes more than one vector\"}\n{\"b\": 1}\n", 2),
        ] as [(String, UInt32)] {
            let bytes = latin1(stream)
            #expect(lines(bytes) == count, "\(stream)")
            for cut in 0...bytes.count { #expect(lines(bytes, cuts: [cut]) == count, "\(stream) cut at \(cut)") }
            #expect(lines(bytes, cuts: Array(0...bytes.count)) == count)
        }
    }
}
