import JSON

/// `fastgate logs …`
enum LogsCommands {
    static let group = Command(
        group: "logs", "read the audit", sections: [CommonOptions.access], [tail, list, show, export])

    private static let tail = Command(
        "tail", "show the last exchanges, and go on with --follow",
        details: [
            """
            One line for each exchange: when it began, status, method and path, how long it took, bytes of the answer, \
            whose key it was, and what went wrong. Oldest first.
            """
        ],
        options: [
            OptionSpec("lines", "n", "N", .integer(0...1000), help: "how many to begin with; 20 unless given"),
            OptionSpec(flag: "follow", "f", help: "go on showing exchanges as they end, until interrupted"),
            LogFilter.start,
        ] + LogFilter.options + CommonOptions.tool,
        examples: ["fastgate logs tail -f --errors"], sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            let filter = try LogFilter(call.options)
            try LogTailer(access: call.access(), console: call.console, asJSON: call.asJSON, style: call.style)
                .tail(filter, count: call.options.integer("lines") ?? 20, follows: call.options.has("follow"))
        })

    private static let list = Command(
        "list", "list exchanges as a table", details: ["The newest first, unless --order asc is given."],
        options: [
            OptionSpec("limit", "n", "N", .integer(1...1000), help: "how many; 50 unless given"),
            OptionSpec(
                "order", nil, "O", .choice(["asc", "desc"]), help: "desc, the newest first (unless given), or asc"),
            OptionSpec("cursor", nil, "CURSOR", help: "go on after a page: its next_cursor, which the last line names"),
            LogFilter.start, LogFilter.end,
        ] + LogFilter.options + CommonOptions.tool,
        examples: ["fastgate logs list --status 5xx --start 2026-06-01"], sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            var query = try LogFilter(call.options).parameters
            for name in ["order", "cursor"] {
                if let value = call.options.value(name) { query.append(QueryParameter(name, value)) }
            }
            let limit = call.options.integer("limit") ?? 50
            let (items, page) = try LogPages.first(limit, query, try call.access())
            if call.asJSON { return call.print(.object(page)) }
            call.print(table(items))
            if let cursor = page["next_cursor"]?.stringValue {
                let about = page["total_is_exact"]?.boolValue == false ? "at least " : ""
                call.console.complain(
                    "\(about)\(Quantity.count(page["total"]?.intValue ?? 0)) in all; more with --cursor \(printable(cursor))"
                )
            }
        })

    private static let show = Command(
        "show", "show an exchange whole",
        details: [
            """
            All that the audit has of it, headers and bodies too if they are kept (proxy.audit_include_body). ID is the \
            one that logs list shows, or the request id (x-request-id).
            """
        ],
        operands: [Operand("ID")], options: CommonOptions.tool, sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            let id = call.options.operands[0]
            let row = try call.access().jsonIfThere(APIRequest("GET", "/admin/logs/\(APIRequest.encoded(id))"))
            guard let row else {
                throw CommandFailure(
                    message: "there is no exchange \(id)",
                    hint: "\"fastgate logs list\" shows the ids; a request id serves as well.")
            }
            if call.asJSON { call.print(row) } else { call.print(row.details()) }
        })

    private static let export = Command(
        "export", "write all that match as CSV or JSON",
        details: ["Writes every row that matches, of any number. An export that breaks off ends with exit code 1."],
        options: [
            OptionSpec(
                "format", nil, "F", .choice(["csv", "json", "ndjson"]),
                help: "csv (unless given), json (an array) or ndjson (an object a line)"),
            OptionSpec("fields", nil, "LIST", help: "columns with commas, in this order; all unless given"),
            OptionSpec(
                "order", nil, "O", .choice(["asc", "desc"]), help: "desc, the newest first (unless given), or asc"),
            OptionSpec("output", "o", "FILE", .file, help: "write to FILE (mode 0600) instead of standard output"),
            LogFilter.start, LogFilter.end,
        ] + LogFilter.options + CommonOptions.tool,
        examples: [
            "fastgate logs export --start 2026-06-01 --end 2026-06-30 \\",
            "  --fields request_time,source_path,path,status_code -o june.csv",
        ],
        sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in try LogExporter(call: call).run() })

    private static func table(_ rows: [JSONValue]) -> Table {
        var table = Table([
            .init("TIME"), .init("STATUS", .right), .init("METHOD"), .init("PATH", shrinks: true),
            .init("TOOK", .right),
            .init("BYTES", .right), .init("SOURCE", shrinks: true), .init("ERROR", shrinks: true), .init("ID"),
        ])
        for row in rows {
            let status = row["status_code"]?.intValue
            table.add([
                .init(row.time("request_time"), .dim),
                .init(status.map { "\($0)" } ?? "-", Style.look(status: status)), .init(row.cell("method")),
                .init(row.cell("path")),
                .init(row["response_time_ms"]?.doubleValue.map { Quantity.duration(milliseconds: $0) } ?? "-"),
                .init(Quantity.bytes(row["response_size"]?.intValue ?? 0)), .init(row.cell("source_path"), .cyan),
                .init(row.cell("error_message"), .red), .init(row.cell("id"), .dim),
            ])
        }
        return table
    }
}
