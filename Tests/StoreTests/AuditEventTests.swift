import Reactor
import Testing

@testable import Store

struct AuditIDTests {
    @Test func textGoesThereAndBack() {
        let id = AuditID(high: 0x0123_4567_89AB_CDEF, low: 0xFEDC_BA98_7654_3210)
        #expect(id.text == "0123456789abcdeffedcba9876543210")
        #expect(AuditID(id.text) == id)
        #expect(AuditID(id.text.uppercased()) == id)
        for value in [UInt64(0), .max, 0x9A09_A990_0A0A_F0F0] {
            let id = AuditID(high: value, low: ~value)
            #expect(AuditID(id.text) == id)
        }
        #expect(AuditID("0123456789abcdeffedcba987654321") == nil)
        #expect(AuditID("0123456789abcdeffedcba987654321g") == nil)
        #expect(AuditID("0123456789abcdeffedcba98765432100") == nil)
    }

    @Test func idsSortByTime() {
        let early = AuditID(unixMilliseconds: 1000, worker: 65535, bootNonce: .max, sequence: .max)
        let late = AuditID(unixMilliseconds: 1001, worker: 0, bootNonce: 0, sequence: 0)
        #expect(early.text < late.text)
        #expect(late.unixMilliseconds == 1001)
    }
}

struct AuditEventTests {
    private let keeper = ByteKeeper()

    private func accepted(path: String = "/v1/x", headers: String = "A: b\r\n") -> AcceptedFields {
        AcceptedFields(
            requestTimeNanoseconds: 123, requestID: keeper.bytes("req_1"), keyID: keeper.bytes("key_1"),
            sourcePath: keeper.bytes("/s"), method: keeper.bytes("GET"), userAgent: keeper.bytes("ua"),
            ip: keeper.bytes("::1"), path: keeper.bytes(path), requestHeaders: keeper.bytes(headers))
    }

    private func completed() -> CompletedFields {
        CompletedFields(
            firstResponseTimeNanoseconds: 1, responseTimeNanoseconds: 2, requestSize: 3, responseSize: 4,
            streamChunks: 5, status: 206, isStream: true, flags: AuditEvent.Flags.bodyTruncated,
            targetURL: keeper.bytes("http://t"), errorMessage: keeper.bytes("e"), responseHeaders: keeper.bytes("H: v"),
            requestBody: keeper.bytes("in"), responseBody: keeper.bytes("out"))
    }

    private let id = AuditID(high: 1, low: 2)

    private func encoded(_ size: Int, _ write: (UnsafeMutableRawPointer) -> Void) -> [UInt8] {
        var memory = [UInt8](repeating: 0xEE, count: size + 8)
        memory.withUnsafeMutableBytes { write($0.baseAddress!) }
        #expect(memory.suffix(8) == ArraySlice(repeating: 0xEE, count: 8))
        return Array(memory.dropLast(8))
    }

    @Test func acceptedGoesThereAndBack() throws {
        let fields = accepted()
        let record = encoded(AuditEncoder.acceptedSize(fields)) { AuditEncoder.encodeAccepted(id, fields, into: $0) }
        record.withUnsafeBytes { payload in
            guard case .accepted(let id, let read) = AuditEvent(decoding: payload) else {
                Issue.record("not an accepted record")
                return
            }
            #expect(id == self.id)
            #expect(read.requestTimeNanoseconds == 123)
            #expect(read.requestID.string == "req_1")
            #expect(read.keyID.string == "key_1")
            #expect(read.sourcePath.string == "/s")
            #expect(read.method.string == "GET")
            #expect(read.userAgent.string == "ua")
            #expect(read.ip.string == "::1")
            #expect(read.path.string == "/v1/x")
            #expect(read.requestHeaders.string == "A: b\r\n")
            let offset = AuditEncoder.acceptedHeadersOffset(fields)
            #expect(String(decoding: payload[offset..<offset + 6], as: UTF8.self) == "A: b\r\n")
        }
    }

    @Test func completedGoesThereAndBack() {
        let fields = completed()
        let record = encoded(AuditEncoder.completedSize(fields)) { AuditEncoder.encodeCompleted(id, fields, into: $0) }
        record.withUnsafeBytes { payload in
            guard case .completed(let id, let read) = AuditEvent(decoding: payload) else {
                Issue.record("not a completed record")
                return
            }
            #expect(id == self.id)
            #expect(read.firstResponseTimeNanoseconds == 1 && read.responseTimeNanoseconds == 2)
            #expect(read.requestSize == 3 && read.responseSize == 4 && read.streamChunks == 5)
            #expect(read.status == 206 && read.isStream && read.flags == AuditEvent.Flags.bodyTruncated)
            #expect(read.targetURL.string == "http://t")
            #expect(read.errorMessage.string == "e")
            #expect(read.responseHeaders.string == "H: v")
            #expect(read.requestBody.string == "in")
            #expect(read.responseBody.string == "out")
            let offset = AuditEncoder.completedHeadersOffset(fields)
            #expect(String(decoding: payload[offset..<offset + 4], as: UTF8.self) == "H: v")
        }
    }

    /// Rings that an earlier version left have no such bit.
    @Test(arguments: [false, true]) func theFirstRecordsKnowWhetherItIsAStream(isStream: Bool) {
        var head = accepted()
        head.isStream = isStream
        var begun = firstByte()
        begun.isStream = isStream
        let records = [
            encoded(AuditEncoder.acceptedSize(head)) { AuditEncoder.encodeAccepted(id, head, into: $0) },
            encoded(AuditEncoder.firstByteSize(begun)) { AuditEncoder.encodeFirstByte(id, begun, into: $0) },
        ]
        for var record in records {
            #expect(decodedIsStream(record) == isStream)
            (record[2], record[3]) = (0, 0)
            #expect(decodedIsStream(record) == false)
        }
    }

    private func decodedIsStream(_ record: [UInt8]) -> Bool? {
        record.withUnsafeBytes { payload in
            switch AuditEvent(decoding: payload) {
            case .accepted(_, let read): read.isStream
            case .firstByte(_, let read): read.isStream
            default: nil
            }
        }
    }

    private func firstByte() -> FirstByteFields {
        FirstByteFields(
            firstResponseTimeNanoseconds: 77, targetURL: keeper.bytes("http://t"), responseHeaders: keeper.bytes("H: v")
        )
    }

    @Test func firstByteGoesThereAndBack() {
        let fields = firstByte()
        let record = encoded(AuditEncoder.firstByteSize(fields)) {
            AuditEncoder.encodeFirstByte(id, fields, into: $0)
        }
        record.withUnsafeBytes { payload in
            guard case .firstByte(let id, let read) = AuditEvent(decoding: payload) else {
                Issue.record("not a first-byte record")
                return
            }
            #expect(id == self.id && read.firstResponseTimeNanoseconds == 77)
            #expect(read.targetURL.string == "http://t" && read.responseHeaders.string == "H: v")
        }
    }

    /// Rings that an earlier version left have the time alone.
    @Test func firstByteWithoutADescriptionIsRead() {
        let record = encoded(AuditEncoder.firstByteSize(firstByte())) {
            AuditEncoder.encodeFirstByte(id, firstByte(), into: $0)
        }
        record[..<(AuditEvent.headerSize + 8)].withUnsafeBytes { payload in
            guard case .firstByte(_, let read) = AuditEvent(decoding: payload) else {
                Issue.record("not a first-byte record")
                return
            }
            #expect(read.firstResponseTimeNanoseconds == 77 && read.targetURL.count == 0)
        }
    }

    @Test func anyCutIsRefused() {
        let fields = accepted()
        let ended = completed()
        for record in [
            encoded(AuditEncoder.acceptedSize(fields)) { AuditEncoder.encodeAccepted(id, fields, into: $0) },
            encoded(AuditEncoder.completedSize(ended)) { AuditEncoder.encodeCompleted(id, ended, into: $0) },
            encoded(AuditEncoder.firstByteSize(firstByte())) {
                AuditEncoder.encodeFirstByte(id, firstByte(), into: $0)
            },
        ] {
            let isFirstByte = record[0] == AuditEvent.Kind.firstByte
            for length in 0..<record.count where !(isFirstByte && length == AuditEvent.headerSize + 8) {
                record[..<length].withUnsafeBytes { #expect(AuditEvent(decoding: $0) == nil, "cut to \(length)") }
            }
            var other = record
            other[1] = 2
            other.withUnsafeBytes { #expect(AuditEvent(decoding: $0) == nil) }
            other = record
            other[0] = 9
            other.withUnsafeBytes { #expect(AuditEvent(decoding: $0) == nil) }
        }
    }

    @Test func damagedRecordsNeverReadOutside() {
        let ended = completed()
        let record = encoded(AuditEncoder.completedSize(ended)) { AuditEncoder.encodeCompleted(id, ended, into: $0) }
        for position in AuditEvent.headerSize..<record.count {
            for value: UInt8 in [0, 1, 0x7F, 0x80, 0xFF] {
                var damaged = record
                damaged[position] = value
                damaged.withUnsafeBytes { payload in
                    guard case .completed(_, let read) = AuditEvent(decoding: payload) else { return }
                    for field in [
                        read.targetURL, read.errorMessage, read.responseHeaders, read.requestBody, read.responseBody,
                    ] where field.count > 0 {
                        let start = UnsafeRawPointer(field.pointer!) - payload.baseAddress!
                        #expect(start >= 0 && start + field.count <= payload.count)
                    }
                }
            }
        }
    }

    @Test func longFieldsAreCutAndGapsAreLeftForTheCaller() {
        var fields = accepted()
        fields.userAgent = keeper.bytes(repeatElement(UInt8(ascii: "u"), count: 70_000))
        fields.requestHeaders = Bytes(nil, 5)
        let record = encoded(AuditEncoder.acceptedSize(fields)) { memory in
            AuditEncoder.encodeAccepted(id, fields, into: memory)
            let gap = memory + AuditEncoder.acceptedHeadersOffset(fields)
            gap.copyMemory(from: "X: y\n", byteCount: 5)
        }
        record.withUnsafeBytes { payload in
            guard case .accepted(_, let read) = AuditEvent(decoding: payload) else {
                Issue.record("not an accepted record")
                return
            }
            #expect(read.userAgent.count == 65_535)
            #expect(read.ip.string == "::1")
            #expect(read.requestHeaders.string == "X: y\n")
        }
    }
}
