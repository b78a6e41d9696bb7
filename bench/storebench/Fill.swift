import Glibc
import Reactor
import Store

/// Exchanges as a gateway has them in a week: some paths, teams and keys, now and then an error, rarely a teapot.
struct History {
    let rows: Int
    let startNanoseconds: UInt64
    let stepNanoseconds: UInt64

    static let paths: [StaticString] = [
        "/v1/chat/completions", "/v1/chat/completions", "/v1/chat/completions", "/v1/embeddings", "/v1/models",
        "/v1/responses?stream=1",
    ]
    /// One row in so many has this status; what is left has 200. Ten teapots, however many rows there are.
    private var statuses: [(every: Int, status: UInt16)] {
        [(max(rows / 10, 2), 418), (5003, 503), (1009, 500), (97, 404)]
    }

    init(rows: Int, spanDays: Int) {
        self.rows = rows
        let span = UInt64(spanDays) * 86_400_000_000_000
        stepNanoseconds = span / UInt64(rows)
        startNanoseconds = Clock.realtimeNanoseconds() - span
    }

    private func mixed(_ n: Int) -> UInt64 {
        var x = UInt64(n) &+ 0x9E37_79B9_7F4A_7C15
        x = (x ^ x >> 30) &* 0xBF58_476D_1CE4_E5B9
        x = (x ^ x >> 27) &* 0x94D0_49BB_1331_11EB
        return x ^ x >> 31
    }

    /// Puts the n-th exchange into the ring.
    func write(_ n: Int, _ producer: inout RingProducer) {
        let time = startNanoseconds + UInt64(n) * stepNanoseconds
        let random = mixed(n)
        let id = AuditID(unixMilliseconds: time / 1_000_000, worker: 0, bootNonce: 7, sequence: UInt32(n))
        let number = RequestNumber.make(unixSeconds: time / 1_000_000_000, worker: 0, sequence: UInt32(n))
        var requestID = Array(RequestNumber.prefix.utf8)
        for digit in 0..<RequestNumber.digits { requestID.append(Self.hexDigit(number >> UInt64(digit * 4))) }
        let key = Array("key_00000000000000".utf8) + [Self.hexDigit(random >> 4), Self.hexDigit(random)]
        let source = Array("/team/".utf8) + [Self.hexDigit(random)]
        let status = statuses.first { n % $0.every == $0.every / 2 }?.status ?? 200
        let duration = 5_000_000 + (random >> 32) * (random & 15 == 0 ? 1 : 0) + (random >> 40)
        let path = Self.paths[Int(random >> 8) % Self.paths.count]
        let accepted = AcceptedFields(
            requestTimeNanoseconds: time, requestID: bytes(requestID), keyID: bytes(key), sourcePath: bytes(source),
            method: Bytes("POST"), userAgent: Bytes("OpenAI/Python 1.30.1"), ip: Bytes("192.168.1.10"),
            path: Bytes(path), requestHeaders: .empty)
        let completed = CompletedFields(
            firstResponseTimeNanoseconds: time + duration / 2, responseTimeNanoseconds: time + duration,
            requestSize: 1000, responseSize: 600, streamChunks: 0, status: status, isStream: false,
            targetURL: Bytes("http://10.0.0.1:8000/v1/chat/completions"), errorMessage: .empty,
            responseHeaders: .empty, requestBody: .empty, responseBody: .empty)
        guard let first = producer.reserve(AuditEncoder.acceptedSize(accepted)) else { fail("the ring is full") }
        AuditEncoder.encodeAccepted(id, accepted, into: first)
        producer.commit()
        guard let second = producer.reserve(AuditEncoder.completedSize(completed)) else { fail("the ring is full") }
        AuditEncoder.encodeCompleted(id, completed, into: second)
        producer.commit()
        withExtendedLifetime((requestID, key, source)) {}
    }

    private static func hexDigit(_ value: UInt64) -> UInt8 {
        let digit = UInt8(value & 15)
        return digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
    }
}

/// Writes a database through the gateway's own writer, a ring of rows at a time.
func fill(_ database: String, rows: Int, spanDays: Int) throws {
    let ringPath = database + ".fill.ring"
    let ring = try MappedRing.open(path: ringPath, capacity: 256 << 20)
    defer { unlink(ringPath) }
    let writer = try StoreWriter.start(
        databasePath: database, rings: [ring],
        options: WriterOptions(
            flushIntervalMilliseconds: 3_600_000, timeZoneOffsetMinutes: 480, yieldsToWorkers: false))
    defer { writer.stop() }
    var producer = RingProducer(ring)
    let history = History(rows: rows, spanDays: spanDays)
    var next = 0
    while next < rows {
        let end = min(next + 300_000, rows)
        for n in next..<end { history.write(n, &producer) }
        next = end
        writer.expedite()
        while writer.statistics.committedEvents < next * 2 {
            usleep(2000)
            if let error = writer.statistics.lastError { fail(error) }
        }
    }
}
