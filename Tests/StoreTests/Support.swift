import Glibc
import Reactor
import Testing

@testable import Store

/// A folder of its own that goes away with the value.
final class TestFolder {
    let path: String

    init() {
        var template = Array("/tmp/fastgate-store-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { fatalError("mkdtemp: \(errno)") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { _ = system("rm -rf '\(path)'") }

    func file(_ name: String) -> String { path + "/" + name }
    var database: String { file("fastgate.db") }

    /// A database of the current version and a raw handle on it.
    func open(offset: Int = 480) throws -> Connection {
        _ = try Database.open(path: database, timeZoneOffsetMinutes: offset)
        return try raw()
    }

    func raw() throws -> Connection {
        try Connection(path: database, mode: .create, busyTimeoutMilliseconds: 2000)
    }

    func reader(offset: Int = 480) throws -> ReadConnection {
        try ReadConnection(path: database, timeZoneOffsetMinutes: offset)
    }

    func ring(_ name: String = "audit-0.ring", capacity: Int = 1 << 20) throws -> MappedRing {
        try MappedRing.open(path: file(name), capacity: capacity)
    }
}

/// The output of a shell command; nil if it failed.
func shell(_ command: String) -> [UInt8]? {
    guard let pipe = popen(command, "r") else { return nil }
    var output: [UInt8] = []
    var piece = [UInt8](repeating: 0, count: 65536)
    while true {
        let count = fread(&piece, 1, piece.count, pipe)
        if count == 0 { break }
        output.append(contentsOf: piece[..<count])
    }
    return pclose(pipe) == 0 ? output : nil
}

/// Texts turned into `Bytes` that live until the value goes away.
final class ByteKeeper {
    private var kept: [UnsafeMutableBufferPointer<UInt8>] = []

    func bytes(_ text: some Sequence<UInt8>) -> Bytes {
        let array = Array(text)
        let copy = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: array.count + 1)
        _ = copy.initialize(from: array + [0])
        kept.append(copy)
        return Bytes(UnsafePointer(copy.baseAddress), array.count)
    }

    func bytes(_ text: String) -> Bytes { bytes(text.utf8) }

    deinit { for buffer in kept { buffer.deallocate() } }
}

/// 2026-06-06T03:26:55.123Z
let sampleMilliseconds: UInt64 = 1_780_716_415_123

/// An exchange that tests put into rings.
struct Exchange {
    var id: AuditID
    var requestTime: UInt64
    var key = "key_1"
    var source = "/team/a"
    var method = "POST"
    var path = "/v1/chat/completions?x=1"
    var requestHeaders = ""
    var status: UInt16 = 200
    var responseHeaders = ""
    var requestBody: [UInt8] = []
    var responseBody: [UInt8] = []
    var error = ""
    var isStream = false
    var routeNumber: UInt32 = 0
    var durationNanoseconds: UInt64 = 1_500_000
    var userAgent = "test/1"

    /// Exchange number `n` of a worker, a millisecond after the one before.
    init(_ n: Int, worker: UInt16 = 0, nonce: UInt32 = 7) {
        let milliseconds = sampleMilliseconds + UInt64(n)
        id = AuditID(unixMilliseconds: milliseconds, worker: worker, bootNonce: nonce, sequence: UInt32(n))
        requestTime = milliseconds * 1_000_000
    }

    func accept(_ producer: inout RingProducer) -> Bool {
        let keeper = ByteKeeper()
        let fields = AcceptedFields(
            requestTimeNanoseconds: requestTime, requestID: keeper.bytes("req_\(id.low)"), keyID: keeper.bytes(key),
            sourcePath: keeper.bytes(source), method: keeper.bytes(method), userAgent: keeper.bytes(userAgent),
            ip: keeper.bytes("192.0.2.1"), path: keeper.bytes(path), requestHeaders: keeper.bytes(requestHeaders),
            isStream: isStream)
        guard let target = producer.reserve(AuditEncoder.acceptedSize(fields)) else { return false }
        AuditEncoder.encodeAccepted(id, fields, into: target)
        producer.commit()
        return withExtendedLifetime(keeper) { true }
    }

    func firstByte(_ producer: inout RingProducer) -> Bool {
        let keeper = ByteKeeper()
        let fields = FirstByteFields(
            firstResponseTimeNanoseconds: requestTime + 500_000, targetURL: keeper.bytes("http://upstream:1/v1"),
            responseHeaders: keeper.bytes(responseHeaders), isStream: isStream)
        guard let target = producer.reserve(AuditEncoder.firstByteSize(fields)) else { return false }
        AuditEncoder.encodeFirstByte(id, fields, into: target)
        producer.commit()
        return withExtendedLifetime(keeper) { true }
    }

    /// - Parameter isDescribed: the first byte's record has told the target's URL and the response's headers.
    func complete(_ producer: inout RingProducer, isDescribed: Bool = false) -> Bool {
        let keeper = ByteKeeper()
        let fields = CompletedFields(
            firstResponseTimeNanoseconds: requestTime + 700_000,
            responseTimeNanoseconds: requestTime + durationNanoseconds, requestSize: 10, responseSize: 20,
            streamChunks: isStream ? 3 : 0, status: status, isStream: isStream, routeNumber: routeNumber,
            targetURL: keeper.bytes(isDescribed ? "" : "http://upstream:1/v1"), errorMessage: keeper.bytes(error),
            responseHeaders: keeper.bytes(isDescribed ? "" : responseHeaders), requestBody: keeper.bytes(requestBody),
            responseBody: keeper.bytes(responseBody))
        guard let target = producer.reserve(AuditEncoder.completedSize(fields)) else { return false }
        AuditEncoder.encodeCompleted(id, fields, into: target)
        producer.commit()
        return withExtendedLifetime(keeper) { true }
    }
}

extension Connection {
    func int(_ sql: String) throws -> Int { try scalarInt(sql) }
    func text(_ sql: String) throws -> String? {
        if case .text(let text) = try scalar(sql) { return text }
        return nil
    }
}

/// What a call throws, as a StoreError.
func storeError(_ body: () throws -> Void) -> StoreError? {
    do {
        try body()
        return nil
    } catch {
        return error as? StoreError
    }
}
