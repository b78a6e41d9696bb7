import Testing

@testable import HTTP

@Suite struct ChunkedDecoderTests {
    let harness = Harness()

    /// Body, data, trailers.
    static let accepted: [(String, String, String)] = [
        ("0\r\n\r\n", "", ""), ("000\r\n\r\n", "", ""), ("5\r\nhello\r\n0\r\n\r\n", "hello", ""),
        ("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789", ""),
        ("0000000000000003\r\nabc\r\n0000000000000000\r\n\r\n", "abc", ""),
        ("3;a=b\r\nabc\r\n0;x\r\n\r\n", "abc", ""), ("3;a=\"b;\\\"c\"\r\nabc\r\n0\r\n\r\n", "abc", ""),
        ("3 ; a = b ; c ; d=\"\u{e9}\\\t\" ;e\r\nabc\r\n0\r\n\r\n", "abc", ""),
        ("3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n", "abc", "X-T: 1\r\n"),
        (
            "3\r\nabc\r\n0\r\nVary: *\r\nContent-Type: text/plain\r\nx:\r\n\r\n", "abc",
            "Vary: *\r\nContent-Type: text/plain\r\nx:\r\n"
        ),
        ("3\r\n\r\n0\r\n0\r\n\r\n", "\r\n0", ""),
    ]

    @Test func trailersFieldByField() {
        let section = latin1("X-T: 1\r\nvary:\t*  \r\nX_Odd:\r\n")
        section.withUnsafeBufferPointer { buffer in
            let p = buffer.baseAddress!
            var found: [String] = []
            var fields = TrailerFields(p, buffer.count)
            while let field = fields.next() {
                let name = buffer[Int(field.nameOffset)..<Int(field.nameOffset) + Int(field.nameLength)]
                let value = buffer[Int(field.valueOffset)..<Int(field.valueOffset) + Int(field.valueLength)]
                found.append(String(decoding: name, as: UTF8.self) + "=" + String(decoding: value, as: UTF8.self))
                #expect((field.id == .vary) == (found.count == 2))
            }
            #expect(found == ["X-T=1", "vary=*", "X_Odd="])
            var none = TrailerFields(p, 0)
            let first = none.next()
            #expect(first == nil)
        }
    }

    @Test func decodesAtEverySplit() {
        for (body, data, trailers) in Self.accepted {
            let bytes = latin1(body)
            let expected = Decoded(data: latin1(data), trailers: latin1(trailers), isFinished: true, used: bytes.count)
            #expect(harness.decode(bytes) == expected, "\(body)")
            for first in 0..<bytes.count {
                #expect(harness.decode(bytes, cuts: [first]) == expected, "\(body) cut at \(first)")
                for second in stride(from: first + 1, to: bytes.count, by: 3) {
                    #expect(harness.decode(bytes, cuts: [first, second]) == expected)
                }
                let incomplete = harness.decode(Array(bytes.prefix(first)))
                #expect(!incomplete.isFinished && incomplete.failure == nil)
            }
            #expect(harness.decode(bytes, cuts: Array(0..<bytes.count)) == expected)
            #expect(harness.decode(bytes + latin1("\0GET")) == expected)
        }
    }

    @Test(arguments: [
        ("\r\n", HTTPFailureCode.invalidChunkSize), ("g\r\n", .invalidChunkSize), ("0x3\r\n", .invalidChunkSize),
        ("+3\r\n", .invalidChunkSize), ("-3\r\n", .invalidChunkSize), ("3_\r\n", .invalidChunkSize),
        (" 3\r\n", .invalidChunkSize),
        ("\t3\r\n", .invalidChunkSize), ("\0", .invalidChunkSize), ("3\0\r\n", .invalidChunkSize),
        ("3\u{b}\r\n", .invalidChunkSize),
        ("3h\r\n", .invalidChunkSize), ("3\nabc", .invalidChunkSize), ("\u{b3}\r\n", .invalidChunkSize),
        ("10000000000000003\r\n", .invalidChunkSize), ("00000000000000003\r\n", .invalidChunkSize),
        ("ffffffffffffffff\r\n", .chunkTooLarge), ("8000000000000000\r\n", .chunkTooLarge),
        ("3\r\r\n", .bareCarriageReturn), ("3\rabc", .bareCarriageReturn),
        ("3 \r\nabc", .invalidChunkExtension), ("3\t\r\nabc", .invalidChunkExtension),
        ("2 erf\r\naa", .invalidChunkExtension),
        ("2;\r\naa", .invalidChunkExtension), ("2; \r\naa", .invalidChunkExtension),
        ("2;;a\r\n", .invalidChunkExtension),
        ("2;a=\r\naa", .invalidChunkExtension), ("2;a=;b\r\naa", .invalidChunkExtension),
        ("2;=b\r\naa", .invalidChunkExtension),
        ("2;a \r\naa", .invalidChunkExtension), ("2;a=b \r\naa", .invalidChunkExtension),
        ("2;a b\r\naa", .invalidChunkExtension),
        ("2;a=\"b\r\naa", .invalidChunkExtension), ("2;a=\"b\"c\r\naa", .invalidChunkExtension),
        ("2;\naa", .invalidChunkExtension),
        ("2;a\naa", .invalidChunkExtension), ("2;a\0", .invalidChunkExtension), ("2;a=\"\0", .invalidChunkExtension),
        ("2;a=\"\\\n", .invalidChunkExtension), ("2;a=\"\u{7f}", .invalidChunkExtension),
        ("2;a\rb", .bareCarriageReturn),
        ("3\r\nabcd\r\n", .invalidChunkTerminator), ("3\r\nabc\n0\r\n", .invalidChunkTerminator),
        ("3\r\nabcXX0", .invalidChunkTerminator), ("3\r\nabc\rX", .invalidChunkTerminator),
        ("5\r\nabc\r\n0\r\n\r\n", .invalidChunkTerminator), ("3\r\nfoo\r\n\r\n", .invalidChunkSize),
        ("0\r\nX : 1\r\n\r\n", .whitespaceInFieldName), ("0\r\nX: 1\n\r\n", .bareLineFeed),
        ("0\r\n X: 1\r\n\r\n", .obsoleteLineFolding),
        ("0\r\nX: 1\r\n 2\r\n\r\n", .obsoleteLineFolding), ("0\r\nX: \0\r\n\r\n", .invalidFieldValue),
        ("0\r\nX\r\n\r\n", .missingColon),
        ("0\r\n\n", .bareLineFeed), ("0\r\n\rX", .bareCarriageReturn),
        ("0\r\nGET / HTTP/1.1\r\n\r\n", .whitespaceInFieldName),
        ("0\r\nX: 1\r\nContent-Length: 5\r\n\r\n", .forbiddenTrailer),
        ("0\r\ntransfer-encoding: chunked\r\n", .forbiddenTrailer),
        ("0\r\nHost: evil\r\n\r\n", .forbiddenTrailer), ("0\r\nAuthorization: x\r\n", .forbiddenTrailer),
        ("0\r\nX-Api-Key: x\r\n", .forbiddenTrailer), ("0\r\nConnection: close\r\n", .forbiddenTrailer),
        ("0\r\nTrailer: x\r\n", .forbiddenTrailer), ("0\r\nCookie: x\r\n", .forbiddenTrailer),
        ("0\r\nExpect: x\r\n", .forbiddenTrailer),
    ])
    func refuses(_ body: String, _ code: HTTPFailureCode) {
        let bytes = latin1(body)
        #expect(harness.decode(bytes).failure == code)
        for cut in 0..<bytes.count { #expect(harness.decode(bytes, cuts: [cut]).failure == code, "cut at \(cut)") }
        #expect(harness.decode(bytes, cuts: Array(0..<bytes.count)).failure == code)
    }

    @Test func extensionsAreBounded() {
        let small = Harness(limits: MessageLimits(maxChunkExtensionBytes: 10))
        #expect(small.decode(latin1("1;a=3456789\r\nx\r\n0\r\n\r\n")).isFinished)
        #expect(small.decode(latin1("1;a=34567890\r\nx\r\n0\r\n\r\n")).failure == .chunkExtensionTooLong)
        // An announced size is no excuse for a long header.
        #expect(small.decode(latin1("ffffffff;a=345678901")).failure == .chunkExtensionTooLong)
        // Together: each chunk here costs 4 and brings 1.
        #expect(small.decode(latin1(String(repeating: "1;a=b\r\nx\r\n", count: 3) + "0\r\n\r\n")).isFinished)
        #expect(small.decode(latin1(String(repeating: "1;a=b\r\nx\r\n", count: 4))).failure == .chunkExtensionTooLong)
        // Data pays for them: signed chunks may go on for ever.
        #expect(small.decode(latin1(String(repeating: "8;a=b\r\n12345678\r\n", count: 99) + "0\r\n\r\n")).isFinished)
        #expect(
            small.decode(latin1(String(repeating: "1;a=b\r\nx\r\n9\r\n123456789\r\n", count: 99) + "0\r\n\r\n"))
                .isFinished)
    }

    @Test func trailersAreBounded() {
        let small = Harness(limits: MessageLimits(maxFields: 3, maxTrailerBytes: 32))
        let fits = latin1("0\r\nX: 6789012345678901234567890\r\n\r\n")
        #expect(fits.count == 3 + 32)
        #expect(small.decode(fits).isFinished)
        for bytes in ["0\r\nX: 67890123456789012345678901\r\n\r\n", "0\r\nX: 6789012345678901234567890123456789"].map(
            latin1)
        {
            #expect(small.decode(bytes).failure == .trailerTooLarge)
            #expect(small.decode(bytes, cuts: Array(0..<bytes.count)).failure == .trailerTooLarge)
        }
        #expect(small.decode(latin1("0\r\na:\r\nb:\r\nc:\r\n\r\n")).isFinished)
        #expect(small.decode(latin1("0\r\na:\r\nb:\r\nc:\r\nd:\r\n\r\n")).failure == .tooManyFields)
        let bytes = latin1("0\r\na:\r\nb:\r\nc:\r\nd:\r\n\r\n")
        #expect(small.decode(bytes, cuts: Array(0..<bytes.count)).failure == .tooManyFields)
    }

    @Test func eventsOfOneBuffer() {
        var decoder = ChunkedDecoder()
        let bytes = latin1("5\r\nhello\r\n3\r\nab")
        let p = harness.memory.placeAtEnd(bytes[...])
        var consumed = 0
        #expect(decoder.next(p, bytes.count, consumed: &consumed, limits: harness.limits) == .data(offset: 3, count: 5))
        #expect(consumed == 10)
        #expect(
            decoder.next(p, bytes.count, consumed: &consumed, limits: harness.limits) == .data(offset: 13, count: 2))
        #expect(decoder.next(p, bytes.count, consumed: &consumed, limits: harness.limits) == .needMore)
        #expect(consumed == bytes.count && !decoder.isFinished)
        let rest = latin1("c\r\n0\r\nX: y\r\n\r\nGET")
        let q = harness.memory.placeAtEnd(rest[...])
        consumed = 0
        #expect(decoder.next(q, rest.count, consumed: &consumed, limits: harness.limits) == .data(offset: 0, count: 1))
        #expect(
            decoder.next(q, rest.count, consumed: &consumed, limits: harness.limits) == .trailers(offset: 6, count: 6))
        #expect(decoder.isFinished && consumed == rest.count - 3)
        #expect(decoder.next(q, rest.count, consumed: &consumed, limits: harness.limits) == .end)
        #expect(consumed == rest.count - 3)
    }
}
