import JSON

/// Filters over the audit, as the query parameters of the admin API have them.
struct LogFilter: Equatable {
    /// Names and values in the order of the command's options.
    var parameters: [QueryParameter] = []

    /// An option of the command line and the query parameter that it becomes.
    private static let names: [(option: String, parameter: String)] = [
        ("start", "start_time"), ("end", "end_time"), ("status", "status_code"), ("key", "api_key"),
        ("source", "source_path"), ("method", "method"), ("path", "path"), ("min-ms", "min_ms"),
    ]

    static let start = OptionSpec(
        "start", nil, "TIME", help: "only from TIME on: a date, or ISO-8601 (without an offset: app.timezone)")
    static let end = OptionSpec("end", nil, "TIME", help: "only up to and including TIME; a date is its whole day")
    static let options: [OptionSpec] = [
        OptionSpec(
            "status", nil, "S", help: "200, a class (4xx), a range (400-499), none (in flight), or several with commas"),
        OptionSpec(flag: "errors", help: "only failures: a status from 400 up, or an error message"),
        OptionSpec("error", nil, "TEXT", help: "only rows with TEXT in the error message"),
        OptionSpec("key", nil, "KEY_ID", help: "only requests with this key"),
        OptionSpec("source", nil, "SOURCE", help: "only requests of this source"),
        OptionSpec("method", nil, "M", help: "only this method"),
        OptionSpec("path", nil, "P", help: "only paths that begin with P, or match it if it holds a \"*\""),
        OptionSpec("min-ms", nil, "N", .number, help: "only what took at least N milliseconds"),
        OptionSpec(flag: "stream", help: "only streams"),
        OptionSpec(flag: "no-stream", help: "no streams"),
    ]

    init(parameters: [QueryParameter] = []) { self.parameters = parameters }

    init(_ options: ParsedOptions) throws(CommandFailure) {
        for (option, parameter) in Self.names {
            if let value = options.value(option) { parameters.append(QueryParameter(parameter, value)) }
        }
        switch try options.one(of: "errors", "error") {
        case "errors": parameters.append(QueryParameter("error", "true"))
        case "error": parameters.append(QueryParameter("error", options.value("error") ?? ""))
        default: break
        }
        if let kind = try options.one(of: "stream", "no-stream") {
            parameters.append(QueryParameter("is_stream", "\(kind == "stream")"))
        }
    }

    /// Parameters that only a finished exchange can be judged by.
    private static let endNames = ["status_code", "error", "min_ms", "is_stream"]

    /// Whether a row in flight is left out by the filter and may be let through once it is finished.
    var concernsTheEnd: Bool { parameters.contains { Self.endNames.contains($0.name) } }

    /// What rows in flight can be judged by.
    var beforeTheEnd: [QueryParameter] { parameters.filter { !Self.endNames.contains($0.name) } }
}
