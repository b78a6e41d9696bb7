import Reactor

/// What is known when a request's head has been accepted.
@frozen public struct AcceptedFields: BitwiseCopyable {
    /// Unix time.
    public var requestTimeNanoseconds: UInt64
    public var requestID: Bytes
    /// Empty: none.
    public var keyID: Bytes
    public var sourcePath: Bytes
    public var method: Bytes
    public var userAgent: Bytes
    public var ip: Bytes
    /// With the query, `key=` already taken out.
    public var path: Bytes
    /// Raw `Name: value\r\n` lines, secrets already masked.
    public var requestHeaders: Bytes
    /// The head says already that a stream is asked for.
    public var isStream: Bool

    @inlinable
    public init(
        requestTimeNanoseconds: UInt64, requestID: Bytes, keyID: Bytes, sourcePath: Bytes, method: Bytes,
        userAgent: Bytes, ip: Bytes, path: Bytes, requestHeaders: Bytes, isStream: Bool = false
    ) {
        self.requestTimeNanoseconds = requestTimeNanoseconds
        self.requestID = requestID
        self.keyID = keyID
        self.sourcePath = sourcePath
        self.method = method
        self.userAgent = userAgent
        self.ip = ip
        self.path = path
        self.requestHeaders = requestHeaders
        self.isStream = isStream
    }
}

/// What is known when the response has begun of an exchange that goes on beyond that moment.
@frozen public struct FirstByteFields: BitwiseCopyable {
    /// Unix time.
    public var firstResponseTimeNanoseconds: UInt64
    public var targetURL: Bytes
    /// Raw `Name: value\r\n` lines, secrets already masked.
    public var responseHeaders: Bytes
    public var isStream: Bool

    @inlinable
    public init(
        firstResponseTimeNanoseconds: UInt64, targetURL: Bytes = .empty, responseHeaders: Bytes = .empty,
        isStream: Bool = false
    ) {
        self.firstResponseTimeNanoseconds = firstResponseTimeNanoseconds
        self.targetURL = targetURL
        self.responseHeaders = responseHeaders
        self.isStream = isStream
    }
}

/// What is known when an exchange has ended. The target's URL and the response's headers are empty if the first byte's
/// record has told them.
@frozen public struct CompletedFields: BitwiseCopyable {
    /// Unix time; 0: no byte came.
    public var firstResponseTimeNanoseconds: UInt64
    /// Unix time.
    public var responseTimeNanoseconds: UInt64
    /// Body bytes.
    public var requestSize: UInt64
    /// Body bytes.
    public var responseSize: UInt64
    /// Events or lines; `unknownChunks`: the worker saw only compressed bytes.
    public var streamChunks: UInt32
    /// 0: none.
    public var status: UInt16
    public var isStream: Bool
    /// Bits of `AuditEvent.Flags`.
    public var flags: UInt16
    /// The number by which this process's metrics know the route; 0: none. Not stored: another process counts anew.
    public var routeNumber: UInt32
    public var targetURL: Bytes
    public var errorMessage: Bytes
    /// Raw `Name: value\r\n` lines, secrets already masked.
    public var responseHeaders: Bytes
    /// The captured start of the body as it was on the wire, framing removed.
    public var requestBody: Bytes
    public var responseBody: Bytes

    @inlinable
    public init(
        firstResponseTimeNanoseconds: UInt64, responseTimeNanoseconds: UInt64, requestSize: UInt64,
        responseSize: UInt64, streamChunks: UInt32, status: UInt16, isStream: Bool, flags: UInt16 = 0,
        routeNumber: UInt32 = 0,
        targetURL: Bytes, errorMessage: Bytes, responseHeaders: Bytes, requestBody: Bytes, responseBody: Bytes
    ) {
        self.firstResponseTimeNanoseconds = firstResponseTimeNanoseconds
        self.responseTimeNanoseconds = responseTimeNanoseconds
        self.requestSize = requestSize
        self.responseSize = responseSize
        self.streamChunks = streamChunks
        self.status = status
        self.isStream = isStream
        self.flags = flags
        self.routeNumber = routeNumber
        self.targetURL = targetURL
        self.errorMessage = errorMessage
        self.responseHeaders = responseHeaders
        self.requestBody = requestBody
        self.responseBody = responseBody
    }
}

/// One record of an audit ring. Little-endian, unaligned, version 1:
///
///     common     u8 kind, u8 version, u16 flags, u32 route, u64 idHigh, u64 idLow                       24 bytes
///     accepted   u64 requestTime; u16-counted requestID, keyID, sourcePath, method, userAgent, ip;
///                u32-counted path, requestHeaders
///     firstByte  u64 firstResponseTime; u32-counted targetURL, responseHeaders (absent in rings of FastGate 0.1)
///     completed  u64 firstResponseTime, u64 responseTime, u64 requestSize, u64 responseSize, u32 streamChunks,
///                u16 status, u8 isStream, u8 0; u32-counted targetURL, errorMessage, responseHeaders,
///                requestBody, responseBody
///     usage, providerKeyState   see `AuditEncoder`'s extension for usage
public enum AuditEvent {
    case accepted(AuditID, AcceptedFields)
    case firstByte(AuditID, FirstByteFields)
    case completed(AuditID, CompletedFields)
    /// What `UsageFields.init(decoding:)` reads; left undecoded, so that the common events stay small.
    case usage(AuditID, Bytes)
    /// What `ProviderKeyStateFields.init(decoding:)` reads.
    case providerKeyState(AuditID, Bytes)

    public enum Kind {
        public static let accepted: UInt8 = 1
        public static let firstByte: UInt8 = 2
        public static let completed: UInt8 = 3
        public static let usage: UInt8 = 4
        public static let providerKeyState: UInt8 = 5
    }

    /// Bits of the common header.
    public enum Flags {
        /// Of a completed record: a captured body is only the start of the whole.
        @inlinable public static var bodyTruncated: UInt16 { 1 << 0 }
        /// Of a completed record: the bits that follow say what the response's body is. Where it is not set, a version
        /// has written the record that left that to the recorded headers.
        @inlinable public static var bodyIsDescribed: UInt16 { 1 << 1 }
        @inlinable public static var gzip: UInt16 { 1 << 2 }
        @inlinable public static var deflate: UInt16 { 1 << 3 }
        @inlinable public static var eventStream: UInt16 { 1 << 4 }
        /// The captured response body is only the start of the whole.
        @inlinable public static var responseTruncated: UInt16 { 1 << 5 }
        /// Of an accepted or a first-byte record: the exchange is known to be a stream. Not set by FastGate 0.1.
        @inlinable public static var stream: UInt16 { 1 << 6 }
    }

    public static let version: UInt8 = 1
    /// In `CompletedFields.streamChunks`.
    public static let unknownChunks = UInt32.max
    /// Bytes of the common header.
    public static let headerSize = 24

    /// Reads a record; its fields point into `payload`. Nil if it is not one that this version wrote.
    @inline(__always)
    public init?(decoding payload: UnsafeRawBufferPointer) {
        guard payload.count >= Self.headerSize, let base = payload.baseAddress,
            base.load(fromByteOffset: 1, as: UInt8.self) == Self.version
        else { return nil }
        let id = AuditID(
            high: UInt64(littleEndian: base.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
            low: UInt64(littleEndian: base.loadUnaligned(fromByteOffset: 16, as: UInt64.self)))
        let flags = UInt16(littleEndian: base.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
        var reader = FieldReader(base: base, position: Self.headerSize, end: payload.count)
        switch base.load(as: UInt8.self) {
        case Kind.accepted:
            let fields = AcceptedFields(
                requestTimeNanoseconds: reader.integer(), requestID: reader.short(), keyID: reader.short(),
                sourcePath: reader.short(), method: reader.short(), userAgent: reader.short(), ip: reader.short(),
                path: reader.long(), requestHeaders: reader.long(), isStream: flags & Flags.stream != 0)
            guard !reader.failed else { return nil }
            self = .accepted(id, fields)
        case Kind.firstByte:
            var fields = FirstByteFields(
                firstResponseTimeNanoseconds: reader.integer(), isStream: flags & Flags.stream != 0)
            if !reader.isAtEnd {
                fields.targetURL = reader.long()
                fields.responseHeaders = reader.long()
            }
            guard !reader.failed else { return nil }
            self = .firstByte(id, fields)
        case Kind.completed:
            var fields = CompletedFields(
                firstResponseTimeNanoseconds: reader.integer(), responseTimeNanoseconds: reader.integer(),
                requestSize: reader.integer(), responseSize: reader.integer(), streamChunks: reader.integer(),
                status: reader.integer(), isStream: (reader.integer() as UInt16) & 1 != 0, targetURL: reader.long(),
                errorMessage: reader.long(), responseHeaders: reader.long(), requestBody: reader.long(),
                responseBody: reader.long())
            guard !reader.failed else { return nil }
            fields.flags = flags
            fields.routeNumber = UInt32(littleEndian: base.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
            self = .completed(id, fields)
        case Kind.usage: self = .usage(id, reader.rest())
        case Kind.providerKeyState: self = .providerKeyState(id, reader.rest())
        default:
            return nil
        }
    }
}

/// Reads counted fields with every bound checked; after a failure all else reads as empty.
struct FieldReader {
    let base: UnsafeRawPointer
    var position: Int
    let end: Int
    var failed = false
    var isAtEnd: Bool { position == end }

    @inline(__always)
    mutating func integer<T: FixedWidthInteger & BitwiseCopyable>() -> T {
        guard end - position >= MemoryLayout<T>.size else {
            failed = true
            return 0
        }
        defer { position += MemoryLayout<T>.size }
        return T(littleEndian: base.loadUnaligned(fromByteOffset: position, as: T.self))
    }

    @inline(__always)
    private mutating func bytes(_ count: Int) -> Bytes {
        guard !failed, count <= end - position else {
            failed = true
            return .empty
        }
        defer { position += count }
        return Bytes((base + position).assumingMemoryBound(to: UInt8.self), count)
    }

    @inline(__always)
    mutating func short() -> Bytes { bytes(Int(integer() as UInt16)) }

    @inline(__always)
    mutating func long() -> Bytes { bytes(Int(integer() as UInt32)) }

    /// All that has not been read.
    @inline(__always)
    mutating func rest() -> Bytes { bytes(end - position) }
}
