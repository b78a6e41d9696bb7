import Inflate
import Reactor
import Testing

@testable import Store

/// What a recorded body is: as the worker has seen it, or as the recorded headers have it.
struct BodyContentTests {
    private typealias Flags = AuditEvent.Flags
    private let keeper = ByteKeeper()

    private func content(_ flags: UInt16, headers: String = "") -> BodyContent {
        BodyContent(
            of: CompletedFields(
                firstResponseTimeNanoseconds: 0, responseTimeNanoseconds: 1, requestSize: 0, responseSize: 0,
                streamChunks: 0, status: 200, isStream: false, flags: flags, targetURL: .empty, errorMessage: .empty,
                responseHeaders: keeper.bytes(headers), requestBody: .empty, responseBody: .empty))
    }

    @Test func theWorkersWordCounts() {
        let plain = content(
            Flags.bodyIsDescribed, headers: "Content-Encoding: gzip\r\nContent-Type: text/event-stream\r\n")
        #expect(plain.coding == nil && !plain.isEventStream && !plain.isCut)
        #expect(content(Flags.bodyIsDescribed | Flags.gzip).coding == .gzip)
        #expect(content(Flags.bodyIsDescribed | Flags.deflate).coding == .deflate)
        #expect(content(Flags.bodyIsDescribed | Flags.eventStream).isEventStream)
        #expect(content(Flags.bodyIsDescribed | Flags.responseTruncated).isCut)
        // The request's body, that is.
        #expect(!content(Flags.bodyIsDescribed | Flags.bodyTruncated).isCut)
    }

    /// Records that a process of an earlier version has left.
    @Test func whereItSaysNothingTheHeadersDo() {
        let stream = content(
            0, headers: "content-type: Text/Event-Stream; charset=utf-8\r\nContent-Encoding: X-GZip\r\n")
        #expect(stream.coding == .gzip && stream.isEventStream && !stream.isCut)
        #expect(content(Flags.bodyTruncated).isCut)
        let other = content(0, headers: "content-type: text/event-streamer\r\ncontent-encoding: br\r\n")
        #expect(other.coding == nil && !other.isEventStream)
        #expect(content(0).coding == nil)
    }

    @Test func codingsHaveTheirBits() {
        for (name, flag) in [
            ("gzip", Flags.gzip), ("X-GZIP", Flags.gzip), ("deflate", Flags.deflate), ("br", 0), ("gzip, gzip", 0),
            ("", 0),
        ] {
            #expect(Flags.coding(keeper.bytes(name)) == flag, "\(name)")
        }
    }

    @Test func aBodyIsDecodedAndMergedWithoutHeaders() throws {
        let event = #"data: {"id":"c","choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}"#
        let packed = try #require(shell("printf '\(event)\n\n' | gzip -c"))
        let described = content(Flags.bodyIsDescribed | Flags.gzip | Flags.eventStream)
        #expect(
            text(packed, described)
                == #"{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}"#
        )
        #expect(BodyText.streamChunks(keeper.bytes(packed), described) == 1)
        let cut = content(Flags.bodyIsDescribed | Flags.eventStream | Flags.responseTruncated)
        let merged = try #require(text(Array((event + "\n\ndata: {\"id\":").utf8), cut))
        #expect(merged.hasPrefix(#"{"truncated":true,"id":"c","choices""#))
    }

    private func text(_ body: [UInt8], _ content: BodyContent, limit: Int = 10_240) -> String? {
        var arena = Arena()
        guard case .text(let text) = BodyText.response(keeper.bytes(body), content, limit: limit, arena: &arena) else {
            return nil
        }
        return text.string
    }
}

/// Rows of exchanges that have not ended.
struct OpenStreamTests {
    /// The accepted record may know it, the first byte's may, and the end's does.
    @Test(arguments: [false, true], [false, true])
    func aRowSaysThatItIsAStreamAsSoonAsARecordDoes(flushesBetween: Bool, careful: Bool) throws {
        for (asked, answered) in [(false, false), (true, true), (false, true)] {
            let folder = TestFolder()
            _ = try folder.open()
            let ring = try folder.ring()
            var producer = RingProducer(ring)
            let flusher = AuditFlusher(connection: try folder.raw(), rings: [ring])
            flusher.configure(WriterOptions())
            if !careful { _ = try flusher.flush() }
            var exchange = Exchange(0)
            exchange.isStream = asked
            _ = exchange.accept(&producer)
            if flushesBetween {
                _ = try flusher.flush()
                #expect(try folder.reader().log(exchange.id.text)?.isStream == asked)
            }
            exchange.isStream = answered
            _ = exchange.firstByte(&producer)
            _ = try flusher.flush()
            #expect(try folder.reader().log(exchange.id.text)?.isStream == answered)
            _ = exchange.complete(&producer)
            _ = try flusher.flush()
            let row = try #require(try folder.reader().log(exchange.id.text))
            #expect(row.isStream == answered && row.statusCode == 200)
        }
    }
}
