import JSON

/// `fastgate logs export`
struct LogExporter {
    let call: Call

    func run() throws(CommandFailure) {
        let options = call.options
        let filter = try LogFilter(options).parameters
        var query = filter + [QueryParameter("format", try format())]
        for name in ["fields", "order"] {
            if let value = options.value(name) { query.append(QueryParameter(name, value)) }
        }
        let access = try call.access()
        let output = try Output(options.value("output"), call.console)
        let isMixed = output.isConsole && call.console.columns != nil
        // Counting the rows beforehand is worth a query only if somebody looks.
        let total = call.console.seesProgress && !isMixed ? try Self.total(filter, access) : nil
        let progress = Progress(call.console, "lines", total: total, isMixed: isMixed)
        defer { progress.finish() }
        var isWritten = true
        var lines = 0
        var bytes = 0
        let response = try access.send(APIRequest("GET", "/admin/logs/export", query: query)) { piece in
            isWritten = output.write(piece)
            lines += piece.reduce(0) { $0 + ($1 == 10 ? 1 : 0) }
            bytes += piece.count
            progress.update(lines, bytes: bytes)
            return isWritten
        }
        guard response.status == 200 else { throw response.refusal }
        guard isWritten else { throw output.failure }
        try output.finish()
    }

    /// `--json` asks for JSON where no format is named.
    private func format() throws(CommandFailure) -> String {
        guard let format = call.options.value("format") else { return call.asJSON ? "json" : "csv" }
        if call.asJSON, format == "csv" { throw call.options.problem("--json and --format csv exclude each other") }
        return format
    }

    private static func total(_ filter: [QueryParameter], _ access: any AdminAccess) throws(CommandFailure) -> Int? {
        let query = filter + [QueryParameter("limit", "1")]
        return try access.json(APIRequest("GET", "/admin/logs", query: query))["total"]?.intValue
    }
}
