import Testing

@testable import HTTP

@Suite struct RequestParserTests {
    let harness = Harness()

    @Test(arguments: RefusedRequest.all) func refuses(_ row: RefusedRequest) {
        let parsed = harness.request(row.bytes)
        #expect(parsed.outcome == .failed(HTTPFailure(row.code, status: row.status)))
        // However it is cut, and a byte at a time: the same failure.
        for cut in stride(from: 1, to: row.bytes.count, by: max(1, row.bytes.count / 300)) {
            #expect(harness.request(row.bytes, cuts: [cut]).outcome == parsed.outcome, "cut at \(cut)")
        }
        if row.bytes.count < 2000 {
            #expect(harness.request(row.bytes, cuts: Array(1..<row.bytes.count)).outcome == parsed.outcome)
        }
    }

    /// Names the scanner knows take a shorter way through it; they have to be judged like any other.
    @Test func knownNamesAreJudgedLikeOthers() {
        for id in HeaderIDTests.known where id != .host {
            for rest in ["", "X-Filler: so that whole vectors are there\r\n"] {
                func failure(_ line: String) -> HTTPFailureCode? {
                    harness.request(latin1("GET / HTTP/1.1\r\nHost: a\r\n\(line)\r\n\(rest)\r\n")).failure
                }
                #expect(failure("\(id.name) : chunked") == .whitespaceInFieldName)
                #expect(failure("\(id.name)\t: chunked") == .whitespaceInFieldName)
                #expect(failure("\(id.name) x: chunked") == .whitespaceInFieldName)
                #expect(failure("\(id.name)") == .missingColon)
                #expect(failure("\(id.name)\r: x") == .missingColon)
                #expect(failure("\(id.name);: x") == .invalidFieldName)
                #expect(failure("\(id.name)\0: x") == .invalidFieldName)
                #expect(failure("\(id.name): \u{1}") == .invalidFieldValue)
                if let dash = id.name.firstIndex(of: "-") {
                    let name = id.name.replacingCharacter(at: dash, with: "\r")
                    #expect(failure("\(name): x") == .missingColon)
                }
            }
        }
    }

    @Test func everyFailureHasAMessageAndAStatus() {
        for code in HTTPFailureCode.allCases {
            #expect(code.message.utf8CodeUnitCount > 10)
            #expect((400..<600).contains(code.requestStatus))
            #expect(reasonPhrase(code.requestStatus).utf8CodeUnitCount > 0)
        }
    }

    @Test func originForm() throws {
        let bytes = latin1(
            "POST /v1/chat/completions?key=a&b=?c HTTP/1.1\r\nHost: gw.example:8514\r\nContent-Type:application/json\r\n"
                + "X-Other: \t caf\u{e9} x \t\r\nAuthorization: Bearer k\r\nContent-Length: 0012\r\nEmpty:\r\n\r\n{}")
        let parsed = harness.request(bytes)
        let head = try #require(parsed.head)
        #expect(head.method == .post && head.versionMinor == 1)
        #expect(text(bytes, head.methodOffset, head.methodLength) == "POST")
        #expect(text(bytes, head.targetOffset, head.targetLength) == "/v1/chat/completions?key=a&b=?c")
        #expect(text(bytes, head.pathOffset, head.pathLength) == "/v1/chat/completions")
        #expect(text(bytes, head.queryOffset, head.queryLength) == "key=a&b=?c")
        #expect(text(bytes, head.authorityOffset, head.authorityLength) == "gw.example:8514")
        #expect(head.framing == .contentLength(12))
        #expect(head.keepAlive && !head.expectsContinue && !head.hasUpgrade && !head.connectionNamesOther)
        #expect(Int(head.headLength) == bytes.count - 2)
        #expect(head.fieldCount == 6)
        #expect(head.known.contains(.authorization) && head.known.contains(.other) && !head.known.contains(.cookie))
        let names = parsed.fields.map { text(bytes, $0.nameOffset, UInt32($0.nameLength)) }
        #expect(names == ["Host", "Content-Type", "X-Other", "Authorization", "Content-Length", "Empty"])
        let ids: [HeaderID] = [.host, .contentType, .other, .authorization, .contentLength, .other]
        #expect(parsed.fields.map(\.id) == ids)
        let values = parsed.fields.map { bytes[Int($0.valueOffset)..<Int($0.valueOffset + $0.valueLength)] }
        #expect(Array(values[2]) == latin1("caf\u{e9} x"))
        #expect(Array(values[1]) == latin1("application/json") && values[5].isEmpty)
    }

    @Test func otherForms() throws {
        func head(_ text: String) throws -> ([UInt8], RequestHead) {
            let bytes = latin1(text)
            let parsed = harness.request(bytes)
            #expect(parsed.outcome == .complete, "\(text)")
            return (bytes, try #require(parsed.head))
        }
        var (bytes, head1) = try head("GET http://A.example:80/x?y HTTP/1.1\r\nHost: a.EXAMPLE\r\n\r\n")
        #expect(text(bytes, head1.authorityOffset, head1.authorityLength) == "A.example:80")
        #expect(text(bytes, head1.pathOffset, head1.pathLength) == "/x")
        #expect(text(bytes, head1.queryOffset, head1.queryLength) == "y")
        (bytes, head1) = try head("GET HTTPS://a?y HTTP/1.1\r\nHost: a:443\r\n\r\n")
        #expect(text(bytes, head1.authorityOffset, head1.authorityLength) == "a")
        #expect(text(bytes, head1.pathOffset, head1.pathLength) == "/")
        #expect(text(bytes, head1.queryOffset, head1.queryLength) == "y")
        (bytes, head1) = try head("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(text(bytes, head1.pathOffset, head1.pathLength) == "*")
        (bytes, head1) = try head("CONNECT b.example:443 HTTP/1.1\r\nHost: b.example:443\r\n\r\n")
        #expect(head1.method == .connect && head1.pathLength == 0)
        #expect(text(bytes, head1.authorityOffset, head1.authorityLength) == "b.example:443")
        (bytes, head1) = try head("GET /? HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(head1.queryOffset > 0 && head1.queryLength == 0 && head1.pathLength == 1)
        (bytes, head1) = try head("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
        #expect(head1.methodOffset == 2 && Int(head1.headLength) == bytes.count)
        #expect(head1.queryOffset == 0)
        (bytes, head1) = try head("GET / HTTP/1.0\r\n\r\n")
        #expect(head1.versionMinor == 0 && head1.authorityLength == 0 && !head1.keepAlive)
    }

    @Test func methods() {
        let all: [(String, HTTP.Method)] = [
            ("GET", .get), ("HEAD", .head), ("POST", .post), ("PUT", .put), ("PATCH", .patch), ("DELETE", .delete),
            ("OPTIONS", .options), ("TRACE", .trace), ("get", .other), ("PURGE", .other), ("QUERY", .other),
            ("M-SEARCH", .other), ("A", .other), (String(repeating: "M", count: 64), .other),
        ]
        for (name, method) in all {
            let parsed = harness.request(latin1("\(name) / HTTP/1.1\r\nHost: a\r\n\r\n"))
            #expect(parsed.head?.method == method, "\(name)")
            #expect(parsed.head.map { Int($0.methodLength) } == name.utf8.count)
        }
    }

    @Test func headRequestsAreKnownBeforeTheyAreWhole() {
        let heads = ["HEAD ", "HEAD / HTTP/9.9\r\n", "\r\nHEAD / HTTP/1.1\r\nHost : a\r\n\r\n"]
        let others = ["", "H", "HEAD", "HEADS /", "head /", "GET / HTTP/1.1\r\n", "\r\n", "\r\nGET /", "\nHEAD /"]
        for (texts, isHead) in [(heads, true), (others, false)] {
            for text in texts {
                let bytes = latin1(text)
                let found = bytes.withUnsafeBufferPointer { buffer in
                    buffer.baseAddress.map { RequestParser.beginsHEAD($0, buffer.count) } ?? false
                }
                #expect(found == isHead, "\(text)")
            }
        }
    }

    @Test func hosts() {
        for host in [
            "a", "a.b-c.example", "a_b", "1.2.3.4", "1.2.3.4:0", "a:65535", "a:", "0.0.0.0=5000", "a%2Db", "[::1]:80",
            "[::]",
            "[1:2:3:4:5:6:7:8]", "[1::8]", "[1:2:3:4:5:6:7::]", "[::ffff:1.2.3.4]", "[1:2:3:4:5:6:1.2.3.4]",
            "a-very-long-host-name-that-is-longer-than-one-vector.example.com:12345",
        ] {
            #expect(harness.request(latin1("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n")).outcome == .complete, "\(host)")
        }
        for host in [
            "[:::]", "[1]", "[::1::]", "[1:2:3:4:5:6:7:8:9]", "[12345::]", "[::1.2.3]", "[::1.2.3.256]", "[::01.2.3.4]",
            "[1:2:3:4:5:6:7:1.2.3.4]", "[1:2:3:4:5:6:7:8::]", "[:1]", "[1:]", "[]", "[v1.a]", "[::1]]", "[::g]",
        ] {
            let parsed = harness.request(latin1("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n"))
            #expect(parsed.failure == .invalidHost, "\(host)")
        }
    }

    @Test func hostMismatchMayBeLeftToTheTarget() {
        let lenient = Harness(limits: MessageLimits(refusesHostMismatch: false))
        let bytes = latin1("GET http://a.example/x HTTP/1.1\r\nHost: b.example\r\n\r\n")
        let head = lenient.request(bytes).head
        #expect(head.map { text(bytes, $0.authorityOffset, $0.authorityLength) } == "a.example")
    }

    /// Version, Connection lines, then: keepAlive, hasUpgrade, connectionNamesOther.
    @Test(arguments: [
        ("1.1", [], true, false, false), ("1.1", ["close"], false, false, false),
        ("1.1", ["Close"], false, false, false),
        ("1.1", ["keep-alive"], true, false, false), ("1.1", ["keep-alive, close"], false, false, false),
        ("1.1", ["keep-alive", "CLOSE"], false, false, false), ("1.0", [], false, false, false),
        ("1.0", ["Keep-Alive"], true, false, false), ("1.0", ["keep-alive, close"], false, false, false),
        ("1.1", ["Upgrade"], true, true, false), ("1.1", ["keep-alive, Upgrade"], true, true, false),
        ("1.0", ["keep-alive, upgrade"], true, false, false), ("1.1", ["TE"], true, false, false),
        ("1.1", ["x-secret"], true, false, true), ("1.1", ["close, X-Secret"], false, false, true),
        ("1.1", ["keep-alivf"], true, false, true), ("1.1", ["Kfep-alive"], true, false, true),
        ("1.1", ["close;"], true, false, true), ("1.1", [", ,close,"], false, false, false),
        ("1.1", [""], true, false, false), ("1.1", ["upgrade, http2-settings"], true, true, true),
    ])
    func connection(_ version: String, _ lines: [String], _ keepAlive: Bool, _ upgrade: Bool, _ other: Bool) {
        let fields = lines.map { "Connection: \($0)\r\n" }.joined()
        let head = harness.request(latin1("GET / HTTP/\(version)\r\nHost: a\r\n\(fields)Upgrade: websocket\r\n\r\n"))
            .head
        #expect(head?.keepAlive == keepAlive)
        #expect(head?.hasUpgrade == upgrade)
        #expect(head?.connectionNamesOther == other)
    }

    @Test func upgradeNeedsBoth() {
        #expect(
            harness.request(latin1("GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\n\r\n")).head?.hasUpgrade
                == false)
        #expect(harness.request(latin1("GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\n\r\n")).head?.hasUpgrade == false)
    }

    @Test func expectations() {
        func expects(_ version: String, _ fields: String) -> Bool? {
            harness.request(latin1("POST / HTTP/\(version)\r\nHost: a\r\n\(fields)\r\n\r\n")).head?.expectsContinue
        }
        #expect(expects("1.1", "Expect: 100-Continue\r\nContent-Length: 3") == true)
        #expect(expects("1.1", "Transfer-Encoding: chunked\r\nExpect: 100-continue") == true)
        // Nothing can come, so nothing is waited for.
        #expect(expects("1.1", "Expect: 100-continue") == false)
        #expect(expects("1.1", "Expect: 100-continue\r\nContent-Length: 0") == false)
        // RFC 9110 §10.1.1: an HTTP/1.0 client cannot mean it.
        #expect(expects("1.0", "Expect: 100-continue\r\nContent-Length: 3") == false)
        #expect(expects("1.0", "Expect: banana") == false)
    }

    @Test func framing() {
        func framing(_ fields: String) -> BodyFraming? {
            harness.request(latin1("POST / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n")).head?.framing
        }
        #expect(framing("X: y") == BodyFraming.none)
        #expect(framing("Content-Length: 0") == .contentLength(0))
        #expect(framing("Content-Length: 9223372036854775807") == .contentLength(9_223_372_036_854_775_807))
        #expect(framing("Content-Length:\t42\t ") == .contentLength(42))
        #expect(framing("TRANSFER-ENCODING: ChunKeD") == .chunked)
        #expect(framing("Transfer-Encoding:\tchunked\t") == .chunked)
        #expect(framing("Transfer_Encoding: chunked\r\nContent-Length: 3") == .contentLength(3))
    }

    @Test func limitsAreExact() {
        let small = Harness(limits: MessageLimits(maxHeadBytes: 64, maxFields: 2, maxTargetBytes: 8))
        let fits = latin1("GET /1234567 HTTP/1.1\r\nHost: a\r\nX: yyyyyyyyyyyyyyyyyyyyyyyyy\r\n\r\n")
        #expect(fits.count == 64)
        #expect(small.request(fits).outcome == .complete)
        #expect(small.request(fits + latin1("more")).outcome == .complete)
        let long = latin1("GET /1234567 HTTP/1.1\r\nHost: a\r\nX: yyyyyyyyyyyyyyyyyyyyyyyyyy\r\n\r\n")
        #expect(small.request(long).failure == .headTooLarge)
        #expect(small.request(Array(long.prefix(63))).outcome == .incomplete)
        #expect(small.request(Array(long.prefix(64))).failure == .headTooLarge)
        #expect(small.request(latin1("GET /12345678")).failure == .targetTooLong)
        #expect(small.request(latin1("GET /1234567")).outcome == .incomplete)
        #expect(small.request(latin1("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n")).outcome == .complete)
        #expect(small.request(latin1("GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nY")).failure == .tooManyFields)
    }

    @Test func everySplitGivesTheSame() {
        let messages = [
            "POST /v1/chat/completions?x=1 HTTP/1.1\r\nHost: gateway.example.com:8514\r\nUser-Agent: OpenAI/Python 1.40.0\r\n"
                + "Authorization: Bearer fg_0123456789abcdef\r\nContent-Type: application/json\r\nAccept: */*\r\n"
                + "Connection: keep-alive\r\nContent-Length: 1000\r\n\r\n",
            "\r\nGET http://[::1]:80/a HTTP/1.0\r\nhost: [::1]\r\nx-ratelimit-remaining-requests: 1\r\n_: \t\t\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\nAccess-Control-Request-Headers:\tx, y\t\r\nA:b\r\nb:\r\n\r\n",
        ]
        for message in messages.map(latin1) {
            let whole = harness.request(message)
            #expect(whole.outcome == .complete)
            for cut in 1..<message.count {
                #expect(harness.request(Array(message.prefix(cut))).outcome == .incomplete)
                var split = harness.request(message, cuts: [cut])
                split.decidedAt = whole.decidedAt
                #expect(split == whole, "cut at \(cut)")
            }
            #expect(harness.request(message, cuts: Array(1..<message.count)) == whole)
            // What follows belongs to others.
            var followed = harness.request(message + latin1("\u{0}\u{ff}GET"))
            followed.decidedAt = whole.decidedAt
            #expect(followed == whole)
        }
    }

    /// A caller that presents less than before has made a mistake; nothing is read beyond what it presents now.
    @Test func lessThanBefore() {
        let bytes = latin1("GET / HTTP/1.1\r\nHost: a\r\nX: a value that goes on and on and on")
        for end in 1..<bytes.count {
            var scan = HeadScan()
            var head = RequestHead()
            let fields = UnsafeMutablePointer<Field>.allocate(capacity: 128)
            defer { fields.deallocate() }
            for size in [bytes.count, end] {
                let p = harness.memory.placeAtEnd(bytes[..<size])
                let outcome = RequestParser.parse(
                    p, size, scan: &scan, limits: harness.limits, fields: fields, head: &head)
                #expect(outcome == .incomplete)
            }
        }
    }

    @Test func limitsFitTheirTypes() {
        let limits = MessageLimits(maxHeadBytes: .max, maxFields: .max, maxChunkExtensionBytes: .max)
        #expect(limits.maxHeadBytes == 1 << 30 && limits.maxFields == 65535)
        #expect(limits.maxChunkExtensionBytes == 1 << 30)
    }

    /// A megabyte of header value, a few bytes at a time: linear, so this ends at once.
    @Test func slowHeadIsNotReadAgainAndAgain() {
        let large = Harness(limits: MessageLimits(maxHeadBytes: 1 << 20), capacity: 1 << 20)
        let bytes = latin1("GET / HTTP/1.1\r\nHost: a\r\nX: " + String(repeating: "y", count: 900_000) + "\r\n\r\n")
        let p = large.memory.placeAtEnd(bytes[...])
        let fields = UnsafeMutablePointer<Field>.allocate(capacity: 128)
        defer { fields.deallocate() }
        var scan = HeadScan()
        var head = RequestHead()
        var end = 0
        while end < bytes.count {
            end = min(end + 7, bytes.count)
            let outcome = RequestParser.parse(p, end, scan: &scan, limits: large.limits, fields: fields, head: &head)
            #expect(outcome == (end == bytes.count ? .complete : .incomplete))
        }
    }
}

extension String {
    fileprivate func replacingCharacter(at index: Index, with character: Character) -> String {
        String(self[..<index]) + String(character) + String(self[self.index(after: index)...])
    }
}
