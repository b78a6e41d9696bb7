import JSON
import Store

extension AdminAPI {
    private static let statusPart = "([1-5][0-9]{2}(-[1-5][0-9]{2})?|[1-5]xx|none|null)"

    private static let filters: [Endpoint.Parameter] = [
        .init(
            "start_time", Endpoint.Parameter.timeSchema,
            "From here on: a date, or ISO-8601 (without offset: app.timezone)."),
        .init(
            "end_time", Endpoint.Parameter.timeSchema,
            "Up to and including this: a date alone is its whole day, a time without milliseconds or seconds its whole "
                + "second or minute."),
        .init(
            "status_code",
            #"{"type":"string","pattern":"^(\#(statusPart)(,\#(statusPart)){0,31})?$"}"#,
            "A status (100 to 599), a class (4xx), a range (400-499), none (no status yet), or several with commas."),
        .init("is_stream", #"{"type":"boolean"}"#, "Only streams, or none."),
        .init("api_key", #"{"type":"string"}"#, "The key_id."),
        .init("source_path", #"{"type":"string"}"#, "The source of the key."),
        .init("method", #"{"type":"string"}"#, "The request's method."),
        .init("path", #"{"type":"string"}"#, "What the path begins with, or a pattern for all of it if it holds a *."),
        .init("min_ms", #"{"type":"number","minimum":0}"#, "Only what took at least so many milliseconds."),
        .init(
            "error", #"{"type":"string"}"#,
            "true: a status of 400 and up or an error message; false: neither; else a part of the message."),
        .init("order", #"{"type":"string","enum":["asc","desc"],"default":"desc"}"#, "By time."),
    ]

    private static let csvDescription =
        "CSV as RFC 4180 has it, with a header line. Text that a spreadsheet would take "
        + "for a formula has an apostrophe in front."

    /// Names with commas. That none may be there twice is more than a pattern can say.
    private static let fieldsSchema: String = {
        let names = LogField.allCases.map(\.rawValue).joined(separator: "|")
        return #"{"type":"string","pattern":"^((\#(names))(,(\#(names)))*)?$"}"#
    }()

    static let logEndpoints: [Endpoint] = [
        Endpoint(
            method: "GET", path: "/admin/logs", operationID: "listLogs", tag: "logs",
            summary: "Lists the audit, newest first, without bodies.",
            parameters: filters + [
                .limit(default: 100, max: LogQuery.maximumLimit),
                .init(
                    "offset", #"{"type":"integer","minimum":0,"maximum":\#(LogQuery.maximumOffset),"default":0}"#,
                    "How many matching rows to skip; a cursor goes further and costs less."),
                .init(
                    "cursor", #"{"type":"string","pattern":"^([0-9a-f]{32})?$"}"#, "The next_cursor of the page before."
                ),
            ],
            answers: [.json("A page of the audit.", schema: Endpoint.reference("LogList"))],
            failures: [400], handler: .quick(listLogs)),
        Endpoint(
            method: "GET", path: "/admin/logs/export", operationID: "exportLogs", tag: "logs",
            summary:
                "Streams all rows that match. If it breaks off, the transfer is cut short, never made to look whole.",
            parameters: filters + [
                .init("format", #"{"type":"string","enum":["csv","json","ndjson"],"default":"csv"}"#, csvDescription),
                .init("fields", fieldsSchema, "Columns with commas, in this order; all if left out."),
            ],
            answers: [
                Endpoint.Answer(
                    status: 200, description: "The rows.",
                    content: [
                        ("text/csv", #"{"type":"string"}"#),
                        ("application/json", "{\"type\":\"array\",\"items\":\(Endpoint.reference("Log"))}"),
                        ("application/x-ndjson", #"{"type":"string"}"#),
                    ])
            ], failures: [400], handler: .slow(exportLogs)),
        Endpoint(
            method: "GET", path: "/admin/logs/{log_id}", operationID: "getLog", tag: "logs",
            summary: "Shows one row whole; the id may be a request_id too.",
            answers: [.json("The row.", schema: Endpoint.reference("LogDetail"))], failures: [404],
            handler: .quick { (context, request) throws(AdminFailure) in
                let id = request.pathValues[0]
                let row = try context.read { reader throws(StoreError) -> AuditRow? in
                    // Some clients' request ids look like the ids of rows.
                    if let row = try reader.log(id) { return row }
                    return try reader.log(requestID: id)
                }
                guard let row else { throw .notFound("log", id) }
                var body: [UInt8] = []
                let writer = LogRowWriter(fields: LogField.allCases, offsetMinutes: context.offsetMinutes)
                writer.appendJSON(row, to: &body)
                let usage = try context.read { reader throws(StoreError) in try reader.usageRecord(row.id) }
                body.removeLast()
                body += #","usage_url":"#.utf8
                JSONValue.optional(usage.map { "/admin/usage/records/\($0.id)" }).write(into: &body)
                body.append(UInt8(ascii: "}"))
                return jsonResponse(body)
            }),
    ]

    private static func jsonResponse(_ body: [UInt8]) -> AdminResponse {
        AdminResponse(headers: [HeaderLine("content-type", "application/json")], body: .bytes(body))
    }

    private static func query(_ request: AdminRequest, _ context: HandlerContext) throws(AdminFailure) -> LogQuery {
        let reader = QueryReader(request.query)
        var query = LogQuery()
        query.startTimeMilliseconds = try reader.time("start_time", .start, offsetMinutes: context.offsetMinutes)
        query.endTimeMilliseconds = try reader.time("end_time", .end, offsetMinutes: context.offsetMinutes)
        if let start = query.startTimeMilliseconds, let end = query.endTimeMilliseconds, end < start {
            throw .badParameter("end_time", "must not be before start_time")
        }
        if let text = reader.string("status_code") {
            guard let filter = StatusFilter(parsing: text) else {
                throw .badParameter(
                    "status_code", "must be statuses from 100 to 599, classes (4xx), ranges (400-499) or none")
            }
            query.status = filter
        }
        query.isStream = try reader.bool("is_stream")
        query.apiKey = reader.string("api_key")
        query.sourcePath = reader.string("source_path")
        query.method = reader.string("method")
        query.path = reader.string("path")
        if let problem = query.path.flatMap(LogQuery.problem(path:)) { throw .badParameter("path", problem) }
        if let text = reader.string("min_ms") {
            // `Double` reads hexadecimal digits, too.
            let isDecimal = !text.utf8.contains { $0 | 32 == UInt8(ascii: "x") }
            guard isDecimal, let value = Double(text), value.isFinite, value >= 0 else {
                throw .badParameter("min_ms", "must be a number, not negative")
            }
            query.minMilliseconds = value
        }
        query.error = reader.string("error").map { LogQuery.ErrorFilter(parsing: $0) }
        if try reader.word("order", ["asc", "desc"]) == "asc" { query.order = .ascending }
        return query
    }

    private static func listLogs(_ context: HandlerContext, _ request: AdminRequest) throws(AdminFailure)
        -> AdminResponse
    {
        let reader = QueryReader(request.query)
        var query = try query(request, context)
        query.limit = try reader.int("limit", in: 1...LogQuery.maximumLimit) ?? 100
        query.offset = try reader.int("offset", in: 0...LogQuery.maximumOffset) ?? 0
        if let cursor = reader.string("cursor") {
            guard AuditID(cursor) != nil else {
                throw .badParameter("cursor", "must be the next_cursor of a page before")
            }
            query.cursor = cursor
        }
        let asked = query
        let page = try context.read { reader throws(StoreError) in try reader.logs(asked) }
        let writer = LogRowWriter(fields: LogField.withoutBodies, offsetMinutes: context.offsetMinutes)
        var body = Array(#"{"items":["#.utf8)
        for (index, row) in page.items.enumerated() {
            if index > 0 { body.append(UInt8(ascii: ",")) }
            writer.appendJSON(row, to: &body)
        }
        body +=
            #"],"total":\#(page.total),"total_is_exact":\#(page.totalIsExact),"limit":\#(query.limit),"offset":\#(query.offset),"next_cursor":"#
            .utf8
        JSONValue.optional(page.nextCursor).write(into: &body)
        body += #","searched_up_to":"#.utf8
        JSONValue.time(page.searchedUpToMilliseconds, offsetMinutes: context.offsetMinutes).write(into: &body)
        body.append(UInt8(ascii: "}"))
        return jsonResponse(body)
    }

    private static func exportLogs(_ context: HandlerContext, _ request: AdminRequest) throws(AdminFailure)
        -> AdminResponse
    {
        let query = try query(request, context)
        let reader = QueryReader(request.query)
        let name = try reader.word("format", LogExport.Format.allCases.map(\.rawValue))
        let format = name.flatMap(LogExport.Format.init) ?? .csv
        var fields = LogField.allCases
        if let list = reader.string("fields") {
            fields = []
            for name in list.split(separator: ",", omittingEmptySubsequences: false) {
                guard let field = LogField(rawValue: String(name.filter { $0 != " " })), !fields.contains(field) else {
                    throw .badParameter(
                        "fields",
                        "\"\(name)\" is no column or is named twice; columns are "
                            + LogField.allCases.map(\.rawValue).joined(separator: ", "))
                }
                fields.append(field)
            }
        }
        let export = LogExport(
            query: query, format: format,
            writer: LogRowWriter(fields: fields, offsetMinutes: context.offsetMinutes))
        return AdminResponse(
            headers: [
                HeaderLine("content-type", format.contentType),
                HeaderLine("content-disposition", "attachment; filename=\"fastgate-logs.\(format.rawValue)\""),
            ], body: .stream { (context, sink) throws(AdminFailure) in try export.run(context, sink) })
    }
}

/// One export: rows from the database to the client, a piece at a time.
struct LogExport: Sendable {
    enum Format: String, CaseIterable, Sendable {
        case csv, json, ndjson

        var contentType: String {
            switch self {
            case .csv: "text/csv; charset=utf-8"
            case .json: "application/json"
            case .ndjson: "application/x-ndjson"
            }
        }
    }

    static let pieceBytes = 64 << 10

    let query: LogQuery
    let format: Format
    let writer: LogRowWriter

    func run(_ context: HandlerContext, _ sink: any ByteSink) throws(AdminFailure) {
        var piece: [UInt8] = []
        piece.reserveCapacity(Self.pieceBytes + (8 << 10))
        switch format {
        case .csv: writer.appendCSVHeader(to: &piece)
        case .json: piece.append(UInt8(ascii: "["))
        case .ndjson: break
        }
        var isFirst = true
        var isWanted = true
        try context.read { reader throws(StoreError) in
            let includesBodies = writer.fields.contains(where: \.isBody)
            try reader.exportLogs(query, includesBodies: includesBodies) { row throws(StoreError) in
                switch format {
                case .csv: writer.appendCSV(row, to: &piece)
                case .json:
                    if !isFirst { piece += [UInt8(ascii: ","), 10] }
                    writer.appendJSON(row, to: &piece)
                case .ndjson:
                    writer.appendJSON(row, to: &piece)
                    piece.append(10)
                }
                isFirst = false
                guard piece.count >= Self.pieceBytes else { return true }
                isWanted = sink.write(piece)
                piece.removeAll(keepingCapacity: true)
                return isWanted
            }
        }
        if format == .json { piece += [UInt8(ascii: "]"), 10] }
        if isWanted { _ = sink.write(piece) }
    }
}
