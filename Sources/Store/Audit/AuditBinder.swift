import CSQLite
import Reactor

/// Binds ring records to statements. Texts are bound where they lie in the ring; what has to be written anew goes
/// into the arena, which must not be reset before the statement has run.
struct AuditBinder: ~Copyable {
    var arena = Arena()
    private var time = TimeText()
    private let headers = HeaderWriter()
    var timeZoneOffsetMinutes = 0
    var bodyLimit = 0
    /// False in databases whose column `stream_chunks` takes no NULL.
    var unknownChunksAreNull = true

    /// The parameters of `AuditStatements.Shape.open`; `base` is the first.
    mutating func bindOpen(_ row: borrowing AuditBatch.Row, _ statement: OpaquePointer, _ base: Int32) {
        bindRequest(row, statement, base)
        bindTime(row.accepted.requestTimeNanoseconds, statement, base + 6)
        bindTime(row.firstByte.firstResponseTimeNanoseconds, statement, base + 7)
        bindClient(row, statement, base + 8)
        bindHeaders(row.accepted.requestHeaders, statement, base + 10)
        bindOptionalText(row.firstByte.targetURL, statement, base + 11)
        bindHeaders(row.firstByte.responseHeaders, statement, base + 12)
    }

    /// The parameters of `AuditStatements.Shape.brief`, with which those of `.full` begin; `base` is the first.
    @inline(__always)
    mutating func bindBrief(
        _ row: borrowing AuditBatch.Row, _ fields: borrowing CompletedFields, _ statement: OpaquePointer, _ base: Int32
    ) {
        bindRequest(row, statement, base)
        bindTarget(fields, statement, base + 6)
        bindTime(row.accepted.requestTimeNanoseconds, statement, base + 8)
        bindResponse(
            fields, requestTimeNanoseconds: row.accepted.requestTimeNanoseconds,
            firstResponseTimeNanoseconds: row.firstByte.firstResponseTimeNanoseconds, statement, base + 9)
        bindClient(row, statement, base + 14)
        bindEnd(fields, statement, base + 16)
    }

    /// `AuditStatements.completionColumns`; `base` is the first one's parameter.
    mutating func bindCompletion(
        _ fields: borrowing CompletedFields, requestTimeNanoseconds: UInt64, _ statement: OpaquePointer, _ base: Int32
    ) {
        bindTarget(fields, statement, base)
        bindResponse(
            fields, requestTimeNanoseconds: requestTimeNanoseconds, firstResponseTimeNanoseconds: 0, statement,
            base + 2)
        bindEnd(fields, statement, base + 7)
    }

    /// `AuditStatements.recordedColumns`; `base` is the first one's parameter.
    mutating func bindRecorded(_ fields: borrowing CompletedFields, _ statement: OpaquePointer, _ base: Int32) {
        bindBody(BodyText.request(fields.requestBody, limit: bodyLimit), statement, base)
        bindHeaders(fields.responseHeaders, statement, base + 1)
        let response = BodyText.response(
            fields.responseBody, headers: fields.responseHeaders, limit: bodyLimit, arena: &arena)
        bindBody(response, statement, base + 2)
    }

    // MARK: Columns that stand together in the table

    /// From `id` to `path`.
    @inline(__always)
    private mutating func bindRequest(_ row: borrowing AuditBatch.Row, _ statement: OpaquePointer, _ base: Int32) {
        bindID(row.id, statement, base)
        bindText(row.accepted.requestID, statement, base + 1)
        bindOptionalText(row.accepted.keyID, statement, base + 2)
        bindOptionalText(row.accepted.sourcePath, statement, base + 3)
        bindText(row.accepted.method, statement, base + 4)
        bindText(row.accepted.path, statement, base + 5)
    }

    /// `target_url` and `status_code`.
    @inline(__always)
    private mutating func bindTarget(
        _ fields: borrowing CompletedFields, _ statement: OpaquePointer, _ base: Int32
    ) {
        bindOptionalText(fields.targetURL, statement, base)
        if fields.status != 0 {
            sqlite3_bind_int(statement, base + 1, Int32(fields.status))
        } else {
            sqlite3_bind_null(statement, base + 1)
        }
    }

    /// From `first_response_time` to `response_size`.
    @inline(__always)
    private mutating func bindResponse(
        _ fields: borrowing CompletedFields, requestTimeNanoseconds: UInt64, firstResponseTimeNanoseconds: UInt64,
        _ statement: OpaquePointer, _ base: Int32
    ) {
        let first =
            fields.firstResponseTimeNanoseconds != 0
            ? fields.firstResponseTimeNanoseconds : firstResponseTimeNanoseconds
        bindTime(first, statement, base)
        bindTime(max(1, fields.responseTimeNanoseconds), statement, base + 1)
        let duration = Self.milliseconds(from: requestTimeNanoseconds, to: fields.responseTimeNanoseconds)
        sqlite3_bind_double(statement, base + 2, duration)
        sqlite3_bind_int64(statement, base + 3, Int64(clamping: fields.requestSize))
        sqlite3_bind_int64(statement, base + 4, Int64(clamping: fields.responseSize))
    }

    /// `user_agent` and `ip_address`.
    @inline(__always)
    private mutating func bindClient(_ row: borrowing AuditBatch.Row, _ statement: OpaquePointer, _ base: Int32) {
        bindOptionalText(row.accepted.userAgent, statement, base)
        bindOptionalText(row.accepted.ip, statement, base + 1)
    }

    /// From `is_stream` to `error_message`.
    @inline(__always)
    private mutating func bindEnd(_ fields: borrowing CompletedFields, _ statement: OpaquePointer, _ base: Int32) {
        sqlite3_bind_int(statement, base, fields.isStream ? 1 : 0)
        if fields.streamChunks == AuditEvent.unknownChunks {
            bindCompressedChunks(fields, statement, base + 1)
        } else {
            sqlite3_bind_int64(statement, base + 1, Int64(fields.streamChunks))
        }
        bindOptionalText(fields.errorMessage, statement, base + 2)
    }

    /// The chunks of a compressed stream, counted in its recorded body if that is there whole; else NULL.
    @inline(never)
    private func bindCompressedChunks(
        _ fields: borrowing CompletedFields, _ statement: OpaquePointer, _ parameter: Int32
    ) {
        let isWhole = fields.flags & AuditEvent.Flags.bodyTruncated == 0
        if isWhole, let count = BodyText.streamChunks(fields.responseBody, headers: fields.responseHeaders) {
            sqlite3_bind_int64(statement, parameter, Int64(count))
        } else if unknownChunksAreNull {
            sqlite3_bind_null(statement, parameter)
        } else {
            sqlite3_bind_int64(statement, parameter, 0)
        }
    }

    // MARK: Values

    mutating func bindHeaders(_ raw: Bytes, _ statement: OpaquePointer, _ parameter: Int32) {
        if let json = headers.json(raw, &arena), let pointer = json.pointer {
            bind(pointer, json.count, statement, parameter)
        } else {
            sqlite3_bind_null(statement, parameter)
        }
    }

    @inline(__always)
    mutating func bindID(_ id: AuditID, _ statement: OpaquePointer, _ parameter: Int32) {
        let text = arena.reserve(32)
        id.write(into: text)
        arena.keep(32)
        bind(UnsafePointer(text), 32, statement, parameter)
    }

    /// Nanoseconds since 1970; 0 is NULL.
    @inline(__always)
    mutating func bindTime(_ nanoseconds: UInt64, _ statement: OpaquePointer, _ parameter: Int32) {
        guard nanoseconds != 0 else {
            sqlite3_bind_null(statement, parameter)
            return
        }
        let text = arena.reserve(Timestamp.length)
        time.write(
            milliseconds: Int64(nanoseconds / 1_000_000), offsetMinutes: timeZoneOffsetMinutes, into: text)
        arena.keep(Timestamp.length)
        bind(UnsafePointer(text), Timestamp.length, statement, parameter)
    }

    /// Microseconds are what is worth keeping.
    static func milliseconds(from start: UInt64, to end: UInt64) -> Double {
        end > start ? Double((end - start) / 1000) / 1000 : 0
    }

    // MARK: Texts

    @inline(__always)
    private func bind(
        _ p: UnsafePointer<UInt8>, _ count: Int, _ statement: OpaquePointer, _ parameter: Int32
    ) {
        sqlite3_bind_text(
            statement, parameter, UnsafeRawPointer(p).assumingMemoryBound(to: CChar.self),
            Int32(truncatingIfNeeded: count), nil)
    }

    /// Empty is NULL.
    @inline(__always)
    mutating func bindOptionalText(_ text: Bytes, _ statement: OpaquePointer, _ parameter: Int32) {
        if text.count == 0 {
            sqlite3_bind_null(statement, parameter)
        } else {
            bindText(text, statement, parameter)
        }
    }

    @inline(__always)
    mutating func bindText(_ text: Bytes, _ statement: OpaquePointer, _ parameter: Int32) {
        guard let p = text.pointer, text.count > 0 else {
            sqlite3_bind_text(statement, parameter, "", 0, nil)
            return
        }
        if ByteScan.isPlainText(p, text.count) {
            bind(p, text.count, statement, parameter)
        } else {
            bindRepaired(text, statement, parameter)
        }
    }

    /// What a client sent need not be UTF-8, but what tools read as text has to be.
    private mutating func bindRepaired(_ text: Bytes, _ statement: OpaquePointer, _ parameter: Int32) {
        if let p = text.pointer, ByteScan.isText(p, text.count) {
            bind(p, text.count, statement, parameter)
            return
        }
        var repaired = text.string
        if repaired.utf8.contains(0) {
            repaired = String(String.UnicodeScalarView(repaired.unicodeScalars.map { $0 == "\0" ? "\u{FFFD}" : $0 }))
        }
        let copy = arena.copy(Array(repaired.utf8))
        bind(copy.pointer, copy.count, statement, parameter)
    }

    private func bindBody(_ body: BodyText.Stored, _ statement: OpaquePointer, _ parameter: Int32) {
        switch body {
        case .none: sqlite3_bind_null(statement, parameter)
        case .text(let text): bind(text.pointer!, text.count, statement, parameter)
        case .blob(let blob):
            sqlite3_bind_blob(statement, parameter, blob.pointer, Int32(truncatingIfNeeded: blob.count), nil)
        }
    }
}
