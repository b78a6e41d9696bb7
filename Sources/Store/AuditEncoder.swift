import Reactor

/// Writes ring records. Meant for workers: no allocation, nothing but copying into memory the caller reserved.
///
///     let size = AuditEncoder.acceptedSize(fields)
///     guard let p = producer.reserve(size) else { … }
///     AuditEncoder.encodeAccepted(id, fields, into: p)
///     producer.commit()
///
/// A field whose `Bytes` has a count but no pointer gets its room and is left for the caller to fill in
/// (see `acceptedHeadersOffset` and `completedHeadersOffset`, which also serve masking in place).
public enum AuditEncoder {
    /// Short fields hold up to 65,535 bytes, what is longer is cut.
    public static let shortFieldLimit = Int(UInt16.max)
    /// Long fields hold up to 1 GiB, what is longer is cut.
    public static let longFieldLimit = 1 << 30

    @inlinable
    public static func acceptedSize(_ fields: AcceptedFields) -> Int {
        acceptedHeadersOffset(fields) + min(fields.requestHeaders.count, longFieldLimit)
    }

    /// Where the request headers' bytes start in the record.
    @inlinable
    public static func acceptedHeadersOffset(_ fields: AcceptedFields) -> Int {
        AuditEvent.headerSize + 8 + 6 * 2 + 2 * 4
            + min(fields.requestID.count, shortFieldLimit) + min(fields.keyID.count, shortFieldLimit)
            + min(fields.sourcePath.count, shortFieldLimit) + min(fields.method.count, shortFieldLimit)
            + min(fields.userAgent.count, shortFieldLimit) + min(fields.ip.count, shortFieldLimit)
            + min(fields.path.count, longFieldLimit)
    }

    /// Writes `acceptedSize(fields)` bytes at `p`, which needs no alignment.
    @inlinable
    public static func encodeAccepted(_ id: AuditID, _ fields: AcceptedFields, into p: UnsafeMutableRawPointer) {
        writeHeader(AuditEvent.Kind.accepted, fields.isStream ? AuditEvent.Flags.stream : 0, id, p)
        var at = p + AuditEvent.headerSize
        store(fields.requestTimeNanoseconds, &at)
        short(fields.requestID, &at)
        short(fields.keyID, &at)
        short(fields.sourcePath, &at)
        short(fields.method, &at)
        short(fields.userAgent, &at)
        short(fields.ip, &at)
        long(fields.path, &at)
        long(fields.requestHeaders, &at)
    }

    @inlinable
    public static func firstByteSize(_ fields: FirstByteFields) -> Int {
        AuditEvent.headerSize + 8 + 2 * 4 + min(fields.targetURL.count, longFieldLimit)
            + min(fields.responseHeaders.count, longFieldLimit)
    }

    /// Writes `firstByteSize(fields)` bytes at `p`.
    @inlinable
    public static func encodeFirstByte(_ id: AuditID, _ fields: FirstByteFields, into p: UnsafeMutableRawPointer) {
        writeHeader(AuditEvent.Kind.firstByte, fields.isStream ? AuditEvent.Flags.stream : 0, id, p)
        var at = p + AuditEvent.headerSize
        store(fields.firstResponseTimeNanoseconds, &at)
        long(fields.targetURL, &at)
        long(fields.responseHeaders, &at)
    }

    @inlinable
    public static func completedSize(_ fields: CompletedFields) -> Int {
        completedHeadersOffset(fields) + min(fields.responseHeaders.count, longFieldLimit)
            + 2 * 4 + min(fields.requestBody.count, longFieldLimit) + min(fields.responseBody.count, longFieldLimit)
    }

    /// Where the response headers' bytes start in the record.
    @inlinable
    public static func completedHeadersOffset(_ fields: CompletedFields) -> Int {
        AuditEvent.headerSize + 4 * 8 + 4 + 2 + 2 + 3 * 4
            + min(fields.targetURL.count, longFieldLimit) + min(fields.errorMessage.count, longFieldLimit)
    }

    /// Writes `completedSize(fields)` bytes at `p`.
    @inlinable
    public static func encodeCompleted(_ id: AuditID, _ fields: CompletedFields, into p: UnsafeMutableRawPointer) {
        writeHeader(AuditEvent.Kind.completed, fields.flags, id, p, route: fields.routeNumber)
        var at = p + AuditEvent.headerSize
        store(fields.firstResponseTimeNanoseconds, &at)
        store(fields.responseTimeNanoseconds, &at)
        store(fields.requestSize, &at)
        store(fields.responseSize, &at)
        store(fields.streamChunks, &at)
        store(fields.status, &at)
        store(UInt16(fields.isStream ? 1 : 0), &at)
        long(fields.targetURL, &at)
        long(fields.errorMessage, &at)
        long(fields.responseHeaders, &at)
        long(fields.requestBody, &at)
        long(fields.responseBody, &at)
    }

    // MARK: Pieces

    @inlinable @inline(__always)
    static func writeHeader(
        _ kind: UInt8, _ flags: UInt16, _ id: AuditID, _ p: UnsafeMutableRawPointer, route: UInt32 = 0
    ) {
        var at = p
        store(UInt64(kind) | UInt64(AuditEvent.version) << 8 | UInt64(flags) << 16 | UInt64(route) << 32, &at)
        store(id.high, &at)
        store(id.low, &at)
    }

    @inlinable @inline(__always)
    static func store<T: FixedWidthInteger & BitwiseCopyable>(_ value: T, _ at: inout UnsafeMutableRawPointer) {
        at.storeBytes(of: value.littleEndian, as: T.self)
        at += MemoryLayout<T>.size
    }

    @inlinable @inline(__always)
    static func short(_ bytes: Bytes, _ at: inout UnsafeMutableRawPointer) {
        let count = min(bytes.count, shortFieldLimit)
        store(UInt16(truncatingIfNeeded: count), &at)
        if let pointer = bytes.pointer { at.copyMemory(from: pointer, byteCount: count) }
        at += count
    }

    @inlinable @inline(__always)
    static func long(_ bytes: Bytes, _ at: inout UnsafeMutableRawPointer) {
        let count = min(bytes.count, longFieldLimit)
        store(UInt32(truncatingIfNeeded: count), &at)
        if let pointer = bytes.pointer { at.copyMemory(from: pointer, byteCount: count) }
        at += count
    }
}
