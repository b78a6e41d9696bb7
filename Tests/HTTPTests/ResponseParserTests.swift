import Testing

@testable import HTTP

@Suite struct ResponseParserTests {
    let harness = Harness()

    @Test(arguments: [
        ("", "HTP/1.1 200 OK\r\n", HTTPFailureCode.invalidVersion),
        ("", "<html>", .invalidVersion), ("", "\r\nHTTP/1.1 200 OK\r\n", .invalidVersion),
        ("", "ICY 200 OK\r\n", .invalidVersion),
        ("", "HTTP/1.01 200 OK\r\n", .invalidVersion), ("", "HTTP/01.1 200 OK\r\n", .invalidVersion),
        ("", "HTTP/1.1\t200 OK\r\n", .invalidVersion), ("", "HTTP/2.0 200 OK\r\n", .unsupportedVersion),
        ("", "HTTP/1.1\r\n", .invalidStatusLine), ("", "HTTP/1.1  200 OK\r\n", .invalidStatusCode),
        ("", "HTTP/1.1 20 OK\r\n", .invalidStatusCode), ("", "HTTP/1.1 2000 OK\r\n", .invalidStatusCode),
        ("", "HTTP/1.1 099 OK\r\n", .invalidStatusCode), ("", "HTTP/1.1 abc\r\n", .invalidStatusCode),
        ("", "HTTP/1.1 200OK\r\n", .invalidStatusCode), ("", "HTTP/1.1 200 O\0K\r\n", .invalidStatusLine),
        ("", "HTTP/1.1 200 OK\n\n", .bareLineFeed), ("", "HTTP/1.1 200\n\n", .bareLineFeed),
        ("", "HTTP/1.1 200 OK\rX: y\r\n\r\n", .bareCarriageReturn), ("", "HTTP/1.1 200\rX", .bareCarriageReturn),
        ("f", "X : y", .whitespaceInFieldName), ("f", "X: a\r\n b", .obsoleteLineFolding),
        ("f", "X: a\0", .invalidFieldValue),
        ("f", "nocolon", .missingColon), ("f", ": y", .emptyFieldName), ("f", "en-US X: y", .whitespaceInFieldName),
        ("f", "Content-Length: 5\r\nContent-Length: 5", .duplicateContentLength),
        ("f", "Content-Length: 5,6", .invalidContentLength), ("f", "Content-Length: ", .invalidContentLength),
        ("f", "Content-Length: 99999999999999999999", .contentLengthTooLarge),
        ("f", "Content-Length: 3\r\nTransfer-Encoding: chunked", .contentLengthWithTransferEncoding),
        ("f", "Transfer-Encoding: gzip, chunked", .unsupportedTransferCoding),
        ("f", "Transfer-Encoding: chunked, chunked", .invalidTransferEncoding),
        ("0", "Transfer-Encoding: chunked", .transferEncodingInHTTP10),
    ])
    func refuses(_ kind: String, _ text: String, _ code: HTTPFailureCode) {
        let bytes =
            switch kind {
            case "f": latin1("HTTP/1.1 200 OK\r\n\(text)\r\n\r\n")
            case "0": latin1("HTTP/1.0 200 OK\r\n\(text)\r\n\r\n")
            default: latin1(text)
            }
        let expected = ParseOutcome.failed(HTTPFailure(code, status: 502))
        #expect(harness.response(bytes).outcome == expected)
        for cut in 1..<bytes.count {
            #expect(harness.response(bytes, cuts: [cut]).outcome == expected, "cut at \(cut)")
        }
        #expect(harness.response(bytes, cuts: Array(1..<bytes.count)).outcome == expected)
    }

    @Test func statusLines() {
        for (line, status, reason, minor) in [
            ("HTTP/1.1 200 OK", 200, "OK", 1), ("HTTP/1.1 200", 200, "", 1), ("HTTP/1.1 200 ", 200, "", 1),
            ("HTTP/1.0 404 Not  Found ", 404, "Not  Found ", 0), ("HTTP/1.1 200  OK", 200, " OK", 1),
            ("HTTP/1.1 529 \tSite is overloaded", 529, "\tSite is overloaded", 1), ("HTTP/1.1 999 x", 999, "x", 1),
            ("HTTP/1.1 100 Continue", 100, "Continue", 1),
        ] {
            let bytes = latin1(line + "\r\nX: y\r\n\r\n")
            let head = harness.response(bytes).head
            #expect(head?.status == UInt16(status), "\(line)")
            #expect(head.map { text(bytes, $0.reasonOffset, $0.reasonLength) } == reason)
            #expect(head?.versionMinor == UInt8(minor))
            #expect(head?.headLength == UInt32(bytes.count))
        }
        #expect(harness.response(latin1("HTTP/1.1 500 Ori\u{eb}ntatie\r\n\r\n")).outcome == .complete)
    }

    /// Status, fields, the request's method; what follows and whether the connection survives it.
    @Test(arguments: [
        (200, "Content-Length: 5", HTTP.Method.get, BodyFraming.contentLength(5), true),
        (200, "Transfer-Encoding: chunked", .get, .chunked, true),
        (200, "", .get, .untilClose, false),
        (200, "Content-Length: 5\r\nConnection: close", .get, .contentLength(5), false),
        (200, "Content-Length: 5", .head, .none, true), (200, "Transfer-Encoding: chunked", .head, .none, true),
        (200, "", .head, .none, true), (304, "Content-Length: 5", .get, .none, true),
        (304, "Transfer-Encoding: chunked", .get, .none, true), (204, "", .get, .none, true),
        (204, "Content-Length: 0", .get, .none, true), (204, "Content-Length: 5", .get, .none, false),
        (204, "Transfer-Encoding: chunked", .get, .none, false),
        (205, "Content-Length: 0", .get, .contentLength(0), true),
        (100, "", .get, .none, true), (103, "Link: </a>", .get, .none, true),
        (100, "Content-Length: 5", .get, .none, false),
        (101, "Connection: upgrade\r\nUpgrade: x", .get, .tunnel, false), (200, "", .connect, .tunnel, false),
        (299, "Transfer-Encoding: chunked", .connect, .tunnel, false),
        (403, "Content-Length: 2", .connect, .contentLength(2), true),
    ])
    func framing(_ status: Int, _ fields: String, _ method: HTTP.Method, _ framing: BodyFraming, _ keepAlive: Bool) {
        let bytes = latin1("HTTP/1.1 \(status) X\r\n\(fields)\(fields.isEmpty ? "" : "\r\n")\r\n")
        let head = harness.response(bytes, to: method).head
        #expect(head?.framing == framing)
        #expect(head?.keepAlive == keepAlive)
        #expect(head?.isInterim == (status == 100 || status == 103))
    }

    @Test func http10() {
        #expect(harness.response(latin1("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n")).head?.keepAlive == false)
        let kept = harness.response(latin1("HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive, x\r\n\r\n"))
            .head
        #expect(kept?.keepAlive == true && kept?.connectionNamesOther == true)
        // Malformed framing is refused even where no body can follow.
        #expect(
            harness.response(latin1("HTTP/1.1 304 X\r\nContent-Length: x\r\n\r\n")).failure == .invalidContentLength)
    }

    @Test func everySplitGivesTheSame() {
        for message in [
            "HTTP/1.1 200 OK\r\nDate: Thu, 31 Dec 2026 20:55:48 GMT\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
                + "Transfer-Encoding: chunked\r\nConnection: keep-alive\r\nopenai-processing-ms: 123\r\n"
                + "x-ratelimit-remaining-requests: 99\r\naccess-control-allow-credentials: true\r\nx: y\r\n\r\n",
            "HTTP/1.0 200\r\n\r\n", "HTTP/1.1 404 Not Found\r\nA:\tb\tc\r\n\r\n",
        ].map(latin1) {
            let whole = harness.response(message)
            #expect(whole.outcome == .complete)
            for cut in 1..<message.count {
                #expect(harness.response(Array(message.prefix(cut))).outcome == .incomplete)
                #expect(harness.response(message, cuts: [cut]) == whole, "cut at \(cut)")
            }
            #expect(harness.response(message, cuts: Array(1..<message.count)) == whole)
        }
    }

    @Test func limits() {
        let small = Harness(limits: MessageLimits(maxHeadBytes: 48, maxFields: 1))
        #expect(small.response(latin1("HTTP/1.1 200 " + String(repeating: "x", count: 40))).failure == .headTooLarge)
        #expect(
            small.response(latin1("HTTP/1.1 200 OK\r\nX: " + String(repeating: "x", count: 40))).failure
                == .headTooLarge)
        #expect(small.response(latin1("HTTP/1.1 200 OK\r\nX: y\r\nY: z\r\n\r\n")).failure == .tooManyFields)
        #expect(small.response(latin1("HTTP/1.1 200 OK\r\nX: y\r\n\r\n")).outcome == .complete)
    }
}
