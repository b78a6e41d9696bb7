import HTTP
import Testing

@testable import Admin

@Suite struct PercentCodingTests {
    @Test func decodesQueries() {
        #expect(
            PercentCoding.parseQuery("a=1&b=x%20y+z&c&=v&&d=%C3%A9")
                == [.init("a", "1"), .init("b", "x y z"), .init("c", ""), .init("", "v"), .init("d", "é")])
        #expect(PercentCoding.decode("a+b%2Fc", plusIsSpace: false) == "a+b/c")
    }

    @Test(arguments: ["%", "%4", "%zz", "a=%C3", "%FF"])
    func refusesBadEscapes(_ query: String) {
        #expect(PercentCoding.parseQuery(query) == nil)
    }
}

@Suite struct QueryReaderTests {
    @Test func timesAreDatesOrISO() throws {
        func time(_ text: String, _ bound: QueryReader.Bound) throws -> Int64? {
            try QueryReader([.init("t", text)]).time("t", bound, offsetMinutes: 480)
        }
        #expect(try time("2026-06-06", .start) == 1_780_675_200_000)
        #expect(try time("2026-06-06", .end) == 1_780_675_200_000 + 86_399_999)
        #expect(try time("2026-06-06T11:26:55.123+08:00", .start) == 1_780_716_415_123)
        // An unescaped + in a query has become a space.
        #expect(try time("2026-06-06T11:26:55.123 08:00", .start) == 1_780_716_415_123)
        #expect(try time("2026-06-06 11:26:55.123", .start) == 1_780_716_415_123)
        #expect(try time("2026-06-06T03:26:55.123Z", .start) == 1_780_716_415_123)
        #expect(throws: AdminFailure.self) { try time("yesterday", .start) }
        #expect(throws: AdminFailure.self) { try time("2026-02-30", .start) }
    }

    @Test func refusalsNameTheParameter() {
        let reader = QueryReader([.init("limit", "ten"), .init("flag", "maybe"), .init("order", "up")])
        let failures: [AdminFailure?] = [
            failure { () throws(AdminFailure) in _ = try reader.int("limit", in: 1...5) },
            failure { () throws(AdminFailure) in _ = try reader.bool("flag") },
            failure { () throws(AdminFailure) in _ = try reader.word("order", ["asc", "desc"]) },
        ]
        #expect(failures.map { $0?.param } == ["limit", "flag", "order"])
        #expect(failures.map { $0?.status } == [400, 400, 400])
        #expect(failures[0]?.message == "limit: must be an integer from 1 to 5")
    }

    private func failure(_ body: () throws(AdminFailure) -> Void) -> AdminFailure? {
        do throws(AdminFailure) {
            try body()
            return nil
        } catch {
            return error
        }
    }
}

@Suite struct RequestAssemblerTests {
    private func assembler() -> RequestAssembler { RequestAssembler(limits: MessageLimits()) }

    private func feed(_ assembler: inout RequestAssembler, _ text: String) {
        Array(text.utf8).withUnsafeBytes { assembler.append($0) }
    }

    @Test func putsTogetherByteByByte() throws {
        var assembler = assembler()
        let text =
            "POST /admin/keys?a=1 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\nContent-Type: application/json\r\n"
            + "X-Request-ID: r1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\nGET"
        var head: RequestAssembler.Head?
        var isComplete = false
        for byte in text.utf8 {
            [byte].withUnsafeBytes { assembler.append($0) }
            if head == nil { head = try assembler.takeHead() }
            if head != nil, !isComplete { isComplete = try assembler.takeBody() }
        }
        #expect(head?.method == "POST")
        #expect(head?.path == "/admin/keys")
        #expect(head?.query == "a=1")
        #expect(head?.headers["authorization"] == "Bearer t")
        #expect(head?.headers["content-type"] == "application/json")
        #expect(head?.headers["x-request-id"] == "r1")
        #expect(isComplete)
        #expect(assembler.body == Array("abcdefg".utf8))
        // What comes after the body belongs to the next request.
        #expect(assembler.hasStarted)
    }

    @Test func refusesLargeBodies() throws {
        var announced = assembler()
        feed(&announced, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n")
        _ = try announced.takeHead()
        #expect(refusal { () throws(RequestAssembler.Refusal) in _ = try announced.takeBody() }?.status == 413)

        var longer = assembler()
        feed(&longer, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n")
        _ = try longer.takeHead()
        longer.maxBodyBytes = 1_048_577
        #expect(try !longer.takeBody())

        var chunked = assembler()
        feed(&chunked, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        _ = try chunked.takeHead()
        let piece = "20000\r\n" + String(repeating: "a", count: 0x20000) + "\r\n"
        for _ in 0..<8 {
            feed(&chunked, piece)
            #expect(try !chunked.takeBody())
        }
        feed(&chunked, "1\r\na\r\n")
        #expect(refusal { () throws(RequestAssembler.Refusal) in _ = try chunked.takeBody() }?.status == 413)
    }

    @Test(arguments: [
        ("GET / HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
        ("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    ])
    func refusesMalformedHeads(_ text: String, _ status: UInt16) {
        var assembler = assembler()
        feed(&assembler, text)
        #expect(refusal { () throws(RequestAssembler.Refusal) in _ = try assembler.takeHead() }?.status == status)
    }

    private func refusal(_ body: () throws(RequestAssembler.Refusal) -> Void) -> RequestAssembler.Refusal? {
        do throws(RequestAssembler.Refusal) {
            try body()
            return nil
        } catch {
            return error
        }
    }
}

@Suite struct ResponseHeadTests {
    @Test func datesAreIMFFixdate() {
        #expect(ResponseHeadText.httpDate(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(ResponseHeadText.httpDate(1_709_164_800) == "Thu, 29 Feb 2024 00:00:00 GMT")
    }

    @Test func everyHeadHasTheCommonHeaders() {
        let head = ResponseHeadText.write(
            .json(.null), framing: .length(4), requestID: "req_1", close: true, unixSeconds: 0)
        #expect(
            String(decoding: head, as: UTF8.self) == """
                HTTP/1.1 200 OK\r
                date: Thu, 01 Jan 1970 00:00:00 GMT\r
                content-type: application/json\r
                content-length: 4\r
                x-request-id: req_1\r
                cache-control: no-store\r
                x-content-type-options: nosniff\r
                referrer-policy: no-referrer\r
                connection: close\r
                \r

                """)
    }

    @Test func requestIDsAreTakenOnlyIfHarmless() {
        #expect(RequestID.accept("abc-1.2_3") == "abc-1.2_3")
        for bad in ["", "a b", "a\"b", "é", String(repeating: "a", count: 129)] {
            let id = RequestID.accept(bad)
            #expect(id.hasPrefix("req_") && id.utf8.count == 16)
        }
    }
}
