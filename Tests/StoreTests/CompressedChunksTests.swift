import Reactor
import Testing

@testable import Store

/// How many events a compressed stream had.
struct CompressedChunksTests {
    private func count(_ body: [UInt8], type: String, coding: String = "gzip") -> Int? {
        let keeper = ByteKeeper()
        return withExtendedLifetime(keeper) {
            BodyText.streamChunks(
                keeper.bytes(body),
                BodyContent(headers: keeper.bytes("content-type: \(type)\r\ncontent-encoding: \(coding)\r\n")))
        }
    }

    @Test func eventsAndLinesAreCountedInTheDecodedBody() throws {
        let events = try #require(
            shell("printf 'data: 1\n\nevent: x\ndata: 2\n\n: ping\n\ndata: [DONE]\n\n' | gzip -c"))
        #expect(count(events, type: "text/event-stream") == 3)
        let lines = try #require(shell("printf '{}\n\n{}\n{}' | gzip -c"))
        #expect(count(lines, type: "application/x-ndjson") == 3)
        #expect(count(events, type: "text/event-stream", coding: "br") == nil)
        #expect(count(Array("no gzip".utf8), type: "text/event-stream") == nil)
        #expect(count([], type: "text/event-stream") == nil)
    }

    private func stored(_ body: [UInt8], flags: UInt16 = 0, nullable: Bool = true) throws -> SQLValue {
        let folder = TestFolder()
        let connection = try folder.open()
        if !nullable {
            // As databases of before have it.
            let column = "stream_chunks INTEGER"
            let halves = Schema.auditLogs.sql.split(separator: column, maxSplits: 1)
            try connection.execute("DROP TABLE audit_logs; " + halves.joined(separator: column + " NOT NULL"))
        }
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        let exchange = Exchange(1)
        let isAccepted = exchange.accept(&producer)
        #expect(isAccepted)
        let keeper = ByteKeeper()
        let fields = CompletedFields(
            firstResponseTimeNanoseconds: 0, responseTimeNanoseconds: exchange.requestTime + 1, requestSize: 0,
            responseSize: UInt64(body.count), streamChunks: AuditEvent.unknownChunks, status: 200, isStream: true,
            flags: flags, targetURL: .empty, errorMessage: .empty,
            responseHeaders: keeper.bytes("content-type: text/event-stream\r\ncontent-encoding: gzip\r\n"),
            requestBody: .empty, responseBody: keeper.bytes(body))
        let room = producer.reserve(AuditEncoder.completedSize(fields))
        AuditEncoder.encodeCompleted(exchange.id, fields, into: try #require(room))
        producer.commit()
        let flusher = AuditFlusher(connection: try folder.raw(), rings: [ring])
        flusher.configure(WriterOptions())
        #expect(try flusher.flush() == .drained)
        return withExtendedLifetime(keeper) {
            (try? connection.scalar("SELECT stream_chunks FROM audit_logs")) ?? .null
        }
    }

    @Test func whatIsNotThereWholeIsNull() throws {
        let events = try #require(shell("printf 'data: 1\n\ndata: 2\n\n' | gzip -c"))
        #expect(try stored(events) == .integer(2))
        #expect(try stored(events, flags: AuditEvent.Flags.bodyTruncated) == .null)
        #expect(try stored([]) == .null)
        #expect(try stored([], nullable: false) == .integer(0))
    }
}
