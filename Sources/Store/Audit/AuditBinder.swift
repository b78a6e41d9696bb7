import CSQLite
import Reactor

/// Binds ring records to statements. Texts are bound where they lie in the ring; what has to be written anew goes
/// into the arena, which must not be reset before the statement has run.
struct AuditBinder: ~Copyable {
    var arena = Arena()
    var repeated = RepeatedValues()
    private var time = TimeText()
    private let headers = HeaderWriter()
    var timeZoneOffsetMinutes = 0
    var bodyLimit = 0
    /// False in databases whose column `stream_chunks` takes no NULL.
    var unknownChunksAreNull = true

    /// Nothing that was bound before waits for its statement to run.
    mutating func beginStatement() {
        arena.reset()
        repeated.beginStatement()
    }

    /// The parameters of `AuditStatements.Shape.open`; `base` is the first.
    mutating func bindOpen(_ row: borrowing AuditBatch.Row, _ parameters: Parameters, _ base: Int32) {
        let statement = parameters.statement
        bindRequest(row, parameters, base)
        bindTime(row.accepted.requestTimeNanoseconds, statement, base + 6)
        bindTime(row.firstByte.firstResponseTimeNanoseconds, statement, base + 7)
        bindClient(row, parameters, base + 8)
        bindHeaders(row.accepted.requestHeaders, statement, base + 10)
        bindRepeated(row.firstByte.targetURL, .targetURL, parameters, base + 11)
        bindHeaders(row.firstByte.responseHeaders, statement, base + 12)
        let isStream = row.accepted.isStream ? true : row.firstByte.isStream
        repeated.bind(isStream ? 1 : 0, parameters, base + 13)
    }

    /// The parameters of `AuditStatements.Shape.brief`, with which those of `.full` begin; `base` is the first.
    @inline(__always)
    mutating func bindBrief(
        _ row: borrowing AuditBatch.Row, _ fields: borrowing CompletedFields, _ parameters: Parameters, _ base: Int32
    ) {
        bindRequest(row, parameters, base)
        bindTarget(fields, parameters, base + 6)
        bindTime(row.accepted.requestTimeNanoseconds, parameters.statement, base + 8)
        bindResponse(
            fields, requestTimeNanoseconds: row.accepted.requestTimeNanoseconds,
            firstResponseTimeNanoseconds: row.firstByte.firstResponseTimeNanoseconds, parameters, base + 9)
        bindClient(row, parameters, base + 14)
        bindEnd(fields, parameters, base + 16)
    }

    /// `AuditStatements.completionColumns`; `base` is the first one's parameter.
    mutating func bindCompletion(
        _ fields: borrowing CompletedFields, requestTimeNanoseconds: UInt64, _ parameters: Parameters, _ base: Int32
    ) {
        bindTarget(fields, parameters, base)
        bindResponse(
            fields, requestTimeNanoseconds: requestTimeNanoseconds, firstResponseTimeNanoseconds: 0, parameters,
            base + 2)
        bindEnd(fields, parameters, base + 7)
    }

    /// `AuditStatements.recordedColumns`; `base` is the first one's parameter.
    mutating func bindRecorded(_ fields: borrowing CompletedFields, _ statement: OpaquePointer, _ base: Int32) {
        bindBody(BodyText.request(fields.requestBody, limit: bodyLimit), statement, base)
        bindHeaders(fields.responseHeaders, statement, base + 1)
        // What a body is may have to be searched for in the headers.
        let response =
            fields.responseBody.count == 0
            ? .none : BodyText.response(fields.responseBody, BodyContent(of: fields), limit: bodyLimit, arena: &arena)
        bindBody(response, statement, base + 2)
    }

    // MARK: Columns that stand together in the table

    /// From `id` to `path`.
    @inline(__always)
    private mutating func bindRequest(_ row: borrowing AuditBatch.Row, _ parameters: Parameters, _ base: Int32) {
        bindID(row.id, parameters.statement, base)
        bindText(row.accepted.requestID, parameters.statement, base + 1)
        bindRepeated(row.accepted.keyID, .key, parameters, base + 2)
        bindRepeated(row.accepted.sourcePath, .sourcePath, parameters, base + 3)
        bindRepeated(row.accepted.method, .method, parameters, base + 4, isOptional: false)
        bindRepeated(row.accepted.path, .path, parameters, base + 5, isOptional: false)
    }

    /// `target_url` and `status_code`.
    @inline(__always)
    private mutating func bindTarget(
        _ fields: borrowing CompletedFields, _ parameters: Parameters, _ base: Int32
    ) {
        bindRepeated(fields.targetURL, .targetURL, parameters, base)
        if fields.status != 0 {
            repeated.bind(Int64(fields.status), parameters, base + 1)
        } else {
            repeated.bindNull(parameters, base + 1)
        }
    }

    /// From `first_response_time` to `response_size`.
    @inline(__always)
    private mutating func bindResponse(
        _ fields: borrowing CompletedFields, requestTimeNanoseconds: UInt64, firstResponseTimeNanoseconds: UInt64,
        _ parameters: Parameters, _ base: Int32
    ) {
        let first =
            fields.firstResponseTimeNanoseconds != 0
            ? fields.firstResponseTimeNanoseconds : firstResponseTimeNanoseconds
        bindTime(first, parameters.statement, base)
        bindTime(max(1, fields.responseTimeNanoseconds), parameters.statement, base + 1)
        let duration = Self.milliseconds(from: requestTimeNanoseconds, to: fields.responseTimeNanoseconds)
        sqlite3_bind_double(parameters.statement, base + 2, duration)
        repeated.bind(Int64(clamping: fields.requestSize), parameters, base + 3)
        repeated.bind(Int64(clamping: fields.responseSize), parameters, base + 4)
    }

    /// `user_agent` and `ip_address`.
    @inline(__always)
    private mutating func bindClient(_ row: borrowing AuditBatch.Row, _ parameters: Parameters, _ base: Int32) {
        bindRepeated(row.accepted.userAgent, .userAgent, parameters, base)
        bindRepeated(row.accepted.ip, .ip, parameters, base + 1)
    }

    /// From `is_stream` to `error_message`.
    @inline(__always)
    private mutating func bindEnd(_ fields: borrowing CompletedFields, _ parameters: Parameters, _ base: Int32) {
        repeated.bind(fields.isStream ? 1 : 0, parameters, base)
        if fields.streamChunks == AuditEvent.unknownChunks {
            bindCompressedChunks(fields, parameters, base + 1)
        } else {
            repeated.bind(Int64(fields.streamChunks), parameters, base + 1)
        }
        bindRepeated(fields.errorMessage, .error, parameters, base + 2)
    }

    /// The chunks of a compressed stream, counted in its recorded body if that is there whole; else NULL.
    @inline(never)
    private func bindCompressedChunks(
        _ fields: borrowing CompletedFields, _ parameters: Parameters, _ parameter: Int32
    ) {
        let content = BodyContent(of: fields)
        if !content.isCut, let count = BodyText.streamChunks(fields.responseBody, content) {
            repeated.bind(Int64(count), parameters, parameter)
        } else if unknownChunksAreNull {
            repeated.bindNull(parameters, parameter)
        } else {
            repeated.bind(0, parameters, parameter)
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

    /// A text that is mostly the same as in the rows before. Empty is NULL if it may be.
    @inline(__always)
    mutating func bindRepeated(
        _ text: Bytes, _ column: RepeatedValues.Column, _ parameters: Parameters, _ number: Int32,
        isOptional: Bool = true
    ) {
        if text.count == 0 && !isOptional {
            parameters.bound[Int(number)] = 0
            sqlite3_bind_text(parameters.statement, number, "", 0, nil)
        } else if !repeated.bind(text, column, parameters, number) {
            bindText(text, parameters.statement, number)
        }
    }

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
