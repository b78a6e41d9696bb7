import Glibc
import JSON
import Log
import Reactor
import Testing

@testable import Store

struct AccessLogTests {
    private let folder = TestFolder()
    private let connection: Connection
    private let log: AccessLog

    init() throws {
        connection = try folder.open()
        let logger = Logger()
        // Lines of the access log have a switch of their own.
        try logger.configure(level: .error, format: .json, file: folder.file("log"), timeZoneOffsetMinutes: 480)
        log = AccessLog(logger)
        log.isOn = true
        log.setRouteLabels { $0 == 3 ? "gpt" : nil }
    }

    private func lines() throws -> [JSONValue] {
        let bytes = try #require(shell("cat '\(folder.file("log"))'"))
        return try bytes.split(separator: 10).map { try JSONValue(parsing: Array($0)) }
    }

    private func flusher(_ ring: MappedRing) -> AuditFlusher {
        let flusher = AuditFlusher(connection: connection, rings: [ring])
        flusher.configure(WriterOptions())
        flusher.accessLog = log
        return flusher
    }

    @Test func anExchangeIsALine() throws {
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        var exchange = Exchange(0)
        exchange.isStream = true
        exchange.error = "cut\nshort"
        exchange.routeNumber = 3
        let isWritten =
            exchange.accept(&producer) && exchange.firstByte(&producer)
            && exchange.complete(&producer, isDescribed: true)
        #expect(isWritten)
        #expect(try flusher(ring).flush() == .drained)
        let line = try #require(try lines().first)
        #expect(try lines().count == 1)
        let expected: JSONValue = [
            "time": "2026-06-06T11:26:55.124+08:00", "level": "info", "message": "POST /v1/chat/completions?x=1",
            "request_id": .string("req_\(exchange.id.low)"), "route": "gpt", "key_id": "key_1", "source": "/team/a",
            "upstream": "http://upstream:1", "status": 200, "ms": 1.5, "first_byte_ms": 0.7, "bytes_in": 10,
            "bytes_out": 20, "stream": true, "chunks": 3, "error": "cut\nshort",
        ]
        #expect(line == expected)
    }

    @Test func aLateEndKnowsHowItBegan() throws {
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        var exchange = Exchange(0)
        exchange.key = ""
        exchange.status = 0
        let flusher = flusher(ring)
        let isAccepted = exchange.accept(&producer)
        #expect(isAccepted)
        #expect(try flusher.flush() == .drained)
        #expect(try lines().isEmpty, "it has not ended")
        let isCompleted = exchange.complete(&producer)
        #expect(isCompleted)
        #expect(try flusher.flush() == .drained)
        let line = try #require(try lines().first)
        #expect(line["message"] == "POST /v1/chat/completions?x=1" && line["source"] == "/team/a")
        #expect(line["key_id"] == nil && line["route"] == nil && line["status"] == nil)
    }

    @Test func nothingIsSaidWhileItIsOff() throws {
        log.isOn = false
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        let exchange = Exchange(0)
        let isWritten = exchange.accept(&producer) && exchange.complete(&producer)
        #expect(isWritten)
        #expect(try flusher(ring).flush() == .drained)
        #expect(try lines().isEmpty)
    }

    /// What a failed transaction held comes again, and is told once.
    @Test func aFailedFlushSaysNothing() throws {
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        let exchange = Exchange(0)
        let isWritten = exchange.accept(&producer) && exchange.complete(&producer)
        #expect(isWritten)
        let flusher = flusher(ring)
        try connection.execute("ALTER TABLE audit_logs RENAME TO elsewhere")
        #expect(throws: StoreError.self) { try flusher.flush() }
        #expect(try lines().isEmpty)
        try connection.execute("ALTER TABLE elsewhere RENAME TO audit_logs")
        #expect(try flusher.flush() == .drained)
        #expect(try lines().count == 1)
    }
}
