import Config

extension Invocation {
    private static let config = OptionSpec(name: "config", letter: "c")
    private static let json = OptionSpec(name: "json", takesValue: false)

    /// Understands the arguments after the program's name.
    init(_ arguments: [String]) throws(UsageError) {
        // `fastgate -h keys` and `fastgate --version` come before any command.
        guard let first = arguments.first else {
            throw UsageError(message: "a command is missing", topic: .program)
        }
        let rest = arguments.dropFirst()
        switch first {
        case "--help", "-h", "help": self = .help(try HelpTopic(words: rest.filter { !$0.hasPrefix("-") }))
        case "--version", "-V", "version": self = try Self.version(rest)
        case "serve": self = try Self.serve(rest)
        case "check": self = try Self.check(rest)
        case "keys", "routes", "logs": self = try Self.group(first, rest)
        default:
            let near = Suggestion.nearest(to: first, among: HelpTopic.commands)
            let what = first.hasPrefix("-") ? "option before the command" : "command"
            throw UsageError(
                message: "there is no \(what) \"\(first)\"" + (near.map { "; did you mean \($0)?" } ?? ""),
                topic: .program)
        }
    }

    private static func version(_ arguments: ArraySlice<String>) throws(UsageError) -> Invocation {
        let options = try ParsedOptions(arguments, [json], topic: .version)
        try options.requireOperands(0, 0, "")
        return options.asksForHelp ? .help(.version) : .version(asJSON: options.has("json"))
    }

    private static func serve(_ arguments: ArraySlice<String>) throws(UsageError) -> Invocation {
        let options = try ParsedOptions(arguments, [config], topic: .serve)
        try options.requireOperands(0, 0, "")
        return options.asksForHelp ? .help(.serve) : .serve(configPath: options.value("config"))
    }

    private static func check(_ arguments: ArraySlice<String>) throws(UsageError) -> Invocation {
        let show = OptionSpec(name: "show", takesValue: false)
        let options = try ParsedOptions(arguments, [config, show], topic: .check)
        try options.requireOperands(0, 0, "")
        return options.asksForHelp
            ? .help(.check) : .check(CheckOptions(configPath: options.value("config"), shows: options.has("show")))
    }

    private static func group(_ name: String, _ arguments: ArraySlice<String>) throws(UsageError) -> Invocation {
        let groupTopic = try HelpTopic(words: [name])
        guard let command = arguments.first else {
            throw UsageError(
                message: "\(name) needs one of \(groupTopic.subcommands.joined(separator: ", "))", topic: groupTopic)
        }
        if command == "--help" || command == "-h" { return .help(groupTopic) }
        let rest = arguments.dropFirst()
        switch (name, command) {
        case ("keys", "create"): return try keysCreate(rest)
        case ("keys", "list"): return try keysList(rest)
        case ("keys", "revoke"): return try keysRevoke(rest)
        case ("routes", "list"): return try routesList(rest)
        case ("routes", "import"): return try routesImport(rest)
        case ("routes", "export"): return try routesExport(rest)
        case ("logs", "tail"): return try logsTail(rest)
        case ("logs", "export"): return try logsExport(rest)
        default:
            let near = Suggestion.nearest(to: command, among: groupTopic.subcommands)
            throw UsageError(
                message: "there is no command \"\(name) \(command)\""
                    + (near.map { "; did you mean \(name) \($0)?" } ?? ""), topic: groupTopic)
        }
    }

    private static func tool(_ options: ParsedOptions) -> ToolOptions {
        ToolOptions(configPath: options.value("config"), asJSON: options.has("json"))
    }

    // MARK: - keys

    private static func keysCreate(_ arguments: ArraySlice<String>) throws(UsageError) -> Invocation {
        let options = try ParsedOptions(
            arguments,
            [
                config, json, OptionSpec(name: "permission", letter: "p", isRepeatable: true),
                OptionSpec(name: "rate-limit"), OptionSpec(name: "expires-days"), OptionSpec(name: "expires-at"),
                OptionSpec(name: "never-expires", takesValue: false),
            ], topic: .keysCreate)
        try options.requireOperands(1, 1, "SOURCE")
        if options.asksForHelp { return .help(.keysCreate) }
        var new = NewKeyOptions(sourcePath: options.operands[0])
        new.permissions = options.all("permission").flatMap { $0.split(separator: ",").map(String.init) }
        new.rateLimitPerMinute = try options.integer("rate-limit", 0...1_000_000_000)
        let expiries = ["expires-days", "expires-at", "never-expires"].filter { options.has($0) }
        if expiries.count > 1 { throw options.problem("--\(expiries[0]) and --\(expiries[1]) exclude each other") }
        if let days = try options.integer("expires-days", 1...36500) { new.expiry = .days(days) }
        if let time = options.value("expires-at") { new.expiry = .at(time) }
        if options.has("never-expires") { new.expiry = .never }
        return .keysCreate(tool(options), new)
    }

    private static func keysList(_ arguments: ArraySlice<String>) throws(UsageError) -> Invocation {
        let options = try ParsedOptions(
            arguments,
            [
                config, json, OptionSpec(name: "source"), OptionSpec(name: "active", takesValue: false),
                OptionSpec(name: "inactive", takesValue: false),
            ], topic: .keysList)
        try options.requireOperands(0, 0, "")
        if options.asksForHelp { return .help(.keysList) }
        if options.has("active"), options.has("inactive") {
            throw options.problem("--active and --inactive exclude each other")
        }
        let isActive = options.has("active") ? true : options.has("inactive") ? false : nil
        return .keysList(tool(options), KeyListOptions(sourcePath: options.value("source"), isActive: isActive))
    }

    private static func keysRevoke(_ arguments: ArraySlice<String>) throws(UsageError) -> Invocation {
        let options = try ParsedOptions(
            arguments, [config, json, OptionSpec(name: "delete", takesValue: false)], topic: .keysRevoke)
        try options.requireOperands(1, 1000, "KEY_ID")
        if options.asksForHelp { return .help(.keysRevoke) }
        for id in options.operands where id.isEmpty { throw options.problem("KEY_ID must not be empty") }
        return .keysRevoke(tool(options), keyIDs: options.operands, deletes: options.has("delete"))
    }

    // MARK: - routes

    private static func routesList(_ arguments: ArraySlice<String>) throws(UsageError) -> Invocation {
        let options = try ParsedOptions(arguments, [config, json], topic: .routesList)
        try options.requireOperands(0, 0, "")
        return options.asksForHelp ? .help(.routesList) : .routesList(tool(options))
    }

    private static func routesImport(_ arguments: ArraySlice<String>) throws(UsageError) -> Invocation {
        let options = try ParsedOptions(
            arguments,
            [
                config, json, OptionSpec(name: "replace", takesValue: false),
                OptionSpec(name: "dry-run", letter: "n", takesValue: false),
            ], topic: .routesImport)
        try options.requireOperands(1, 1, "FILE")
        if options.asksForHelp { return .help(.routesImport) }
        return .routesImport(
            tool(options),
            RouteImportOptions(
                path: options.operands[0], replaces: options.has("replace"), isDryRun: options.has("dry-run")))
    }

    private static func routesExport(_ arguments: ArraySlice<String>) throws(UsageError) -> Invocation {
        let options = try ParsedOptions(
            arguments, [config, json, OptionSpec(name: "output", letter: "o")], topic: .routesExport)
        try options.requireOperands(0, 0, "")
        return options.asksForHelp
            ? .help(.routesExport) : .routesExport(tool(options), outputPath: options.value("output"))
    }

    // MARK: - logs

    /// An option of the command line and the query parameter that it becomes.
    private static let filters: [(option: String, parameter: String)] = [
        ("start", "start_time"), ("end", "end_time"), ("status", "status_code"), ("key", "api_key"),
        ("source", "source_path"), ("method", "method"), ("path", "path"), ("min-ms", "min_ms"),
    ]

    private static let filterSpecs =
        filters.map { OptionSpec(name: $0.option) } + [
            OptionSpec(name: "errors", takesValue: false), OptionSpec(name: "error"),
            OptionSpec(name: "stream", takesValue: false), OptionSpec(name: "no-stream", takesValue: false),
        ]

    private static func filter(_ options: ParsedOptions) throws(UsageError) -> LogFilter {
        var filter = LogFilter()
        for (option, parameter) in filters {
            if let value = options.value(option) { filter.parameters.append(QueryParameter(parameter, value)) }
        }
        if let text = options.value("min-ms"), (Double(text).map { $0 >= 0 && $0.isFinite }) != true {
            throw options.problem("--min-ms must be a number, not negative, not \"\(text)\"")
        }
        if options.has("errors"), options.has("error") {
            throw options.problem("--errors and --error exclude each other")
        }
        if options.has("errors") { filter.parameters.append(QueryParameter("error", "true")) }
        if let text = options.value("error") { filter.parameters.append(QueryParameter("error", text)) }
        if options.has("stream"), options.has("no-stream") {
            throw options.problem("--stream and --no-stream exclude each other")
        }
        if options.has("stream") { filter.parameters.append(QueryParameter("is_stream", "true")) }
        if options.has("no-stream") { filter.parameters.append(QueryParameter("is_stream", "false")) }
        return filter
    }

    private static func logsTail(_ arguments: ArraySlice<String>) throws(UsageError) -> Invocation {
        let specs = filterSpecs.filter { $0.name != "end" }
        let options = try ParsedOptions(
            arguments,
            [
                config, json, OptionSpec(name: "lines", letter: "n"),
                OptionSpec(name: "follow", letter: "f", takesValue: false),
            ] + specs, topic: .logsTail)
        try options.requireOperands(0, 0, "")
        if options.asksForHelp { return .help(.logsTail) }
        var tail = LogTailOptions(filter: try filter(options))
        tail.count = try options.integer("lines", 0...1000) ?? tail.count
        tail.follows = options.has("follow")
        return .logsTail(tool(options), tail)
    }

    private static func logsExport(_ arguments: ArraySlice<String>) throws(UsageError) -> Invocation {
        let options = try ParsedOptions(
            arguments,
            [
                config, OptionSpec(name: "format"), OptionSpec(name: "fields"),
                OptionSpec(name: "output", letter: "o"), OptionSpec(name: "order"),
            ] + filterSpecs, topic: .logsExport)
        try options.requireOperands(0, 0, "")
        if options.asksForHelp { return .help(.logsExport) }
        var export = LogExportOptions(filter: try filter(options))
        if let format = options.value("format") {
            guard ["csv", "json", "ndjson"].contains(format) else {
                throw options.problem("--format must be csv, json or ndjson, not \"\(format)\"")
            }
            export.format = format
        }
        if let order = options.value("order") {
            guard ["asc", "desc"].contains(order) else {
                throw options.problem("--order must be asc or desc, not \"\(order)\"")
            }
            export.filter.parameters.append(QueryParameter("order", order))
        }
        export.fields = options.value("fields")
        export.outputPath = options.value("output")
        return .logsExport(tool(options), export)
    }
}
