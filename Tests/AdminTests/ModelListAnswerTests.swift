import Testing

@testable import Admin

@Suite struct ModelListAnswerTests {
    private typealias Answer = ModelListClient.Answer

    /// Whole, cut in two at every byte, and byte by byte.
    private func read(_ text: String, ends: Bool = false) -> [ModelListAnswer.Progress] {
        let bytes = Array(text.utf8)
        let cuts = [[], Array(1..<bytes.count)] + (1..<bytes.count).map { [$0] }
        return cuts.map { cuts in
            var answer = ModelListAnswer()
            var start = 0
            for end in cuts + [bytes.count] {
                let progress = answer.take(bytes[start..<end])
                if progress != .more { return progress }
                start = end
            }
            return ends ? answer.end() : .more
        }
    }

    private func expect(
        _ text: String, _ expected: ModelListAnswer.Progress, ends: Bool = false,
        _ location: SourceLocation = #_sourceLocation
    ) {
        for (cut, progress) in read(text, ends: ends).enumerated() {
            #expect(progress == expected, "cut \(cut)", sourceLocation: location)
        }
    }

    @Test func everyFramingIsReadHoweverItIsCut() {
        let body = Array("{\"data\":[]}".utf8)
        let whole = ModelListAnswer.Progress.whole(Answer(status: 200, body: body))
        expect("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"data\":[]}", whole)
        expect("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"data\":[]}", whole, ends: true)
        let chunks = "3;x=y\r\n{\"d\r\n8\r\nata\":[]}\r\n0\r\nx-a: b\r\n\r\n"
        expect("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\(chunks)", whole)
        expect("HTTP/1.1 204 No Content\r\n\r\n", .whole(Answer(status: 204, body: [])))
        expect(
            "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"data\":[]}",
            whole)
    }

    @Test func whatIsCutOrBrokenIsNoAnswer() {
        expect("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{}", .broken("the answer was cut short"), ends: true)
        expect("HTTP/1.1 200 OK\r\nConten", .broken("the answer was cut short"), ends: true)
        expect("SSH-2.0-x\r\n\r\n", .broken("the answer is not HTTP"))
        let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        expect(chunks + "zz\r\n", .broken("the answer's framing is broken"))
        expect(chunks + "2\r\nab\r\n", .broken("the answer was cut short"), ends: true)
    }
}
