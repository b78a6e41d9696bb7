import JSON

/// What the command line can say of a route.
enum RouteOptions {
    static let secrets = """
        Values of headers are stored as they are given, and whoever lists processes sees them: name secrets as \
        '${NAME}', in single quotes, and the gateway fills them in from its environment.
        """

    static let all: [OptionSpec] = [
        OptionSpec(
            "path", nil, "PATTERN", help: "which paths: * and ** match any characters, {name} one segment"),
        OptionSpec("method", "X", "METHODS", help: "which methods: one, several with commas, or ANY"),
        OptionSpec(
            "match-header", nil, "NAME=VALUE", isRepeatable: true,
            help: "a header that must be there; VALUE may use *, true asks for presence, false for absence"),
        OptionSpec(
            "match-body", nil, "JSON",
            help: "members that the body must have ('{\"model\": \"gpt-4o\"}'), or a JSON Schema"),
        OptionSpec(
            "target", "t", "URL",
            help: "where to: http://HOST:PORT or https://HOST, with a path if the request's is not to be kept"),
        OptionSpec(flag: "strip-prefix", help: "take the literal start of the pattern off the path"),
        OptionSpec("header", "H", "NAME=VALUE", isRepeatable: true, help: "a header to set"),
        OptionSpec("remove-header", nil, "NAME", isRepeatable: true, help: "a header that is not forwarded"),
        OptionSpec("body-field", nil, "NAME=JSON", isRepeatable: true, help: "a member to set in a JSON body"),
        OptionSpec(
            "timeout", nil, "SECONDS", .integer(1...86_400), help: "how long to wait for the target's next byte"),
        OptionSpec("retries", nil, "N", .integer(0...100), help: "further attempts"),
        OptionSpec(
            "priority", nil, "N", .integer(-1_000_000...1_000_000), help: "smaller goes first; 100 unless given"),
        OptionSpec(
            "weight", nil, "N", .integer(0...1_000_000), help: "share of the load among routes of equal priority"),
        OptionSpec("description", nil, "TEXT", help: "for people"),
        OptionSpec(flag: "active", help: "let it take requests"),
        OptionSpec(flag: "inactive", help: "keep it off"),
        BodyMembers.set,
    ]

    private static let texts = [("path", "match_path"), ("method", "match_method"), ("description", "description")]
    private static let integers = [
        ("timeout", "timeout"), ("retries", "retry_count"), ("priority", "priority"), ("weight", "weight"),
    ]

    /// What was given, as members of the admin API's object.
    static func body(_ options: ParsedOptions) throws(CommandFailure) -> JSONObject {
        var body = JSONObject()
        for (option, member) in texts {
            if let text = options.value(option) { body[member] = .string(text) }
        }
        for (option, member) in integers {
            if let number = options.integer(option) { body[member] = .integer(number) }
        }
        if let target = options.value("target") { try add(target: target, options, &body) }
        if options.has("strip-prefix") { body["strip_path_prefix"] = true }
        if let state = try options.one(of: "active", "inactive") { body["is_active"] = .bool(state == "active") }
        if let text = options.value("match-body") {
            body["match_body_schema"] = try BodyMembers.json(text, "--match-body", options)
        }
        try add(pairs: "match-header", "match_headers", options, &body) { value in
            value == "true" ? true : value == "false" ? false : .string(value)
        }
        try add(pairs: "header", "add_headers", options, &body) { .string($0) }
        try add(pairs: "body-field", "add_body_fields", options, &body) { (try? JSONValue(parsing: $0)) ?? .string($0) }
        if options.has("remove-header") {
            body["remove_headers"] = .array(options.all("remove-header").map { .string($0) })
        }
        try BodyMembers.apply(options, to: &body)
        return body
    }

    private static func add(
        pairs option: String, _ member: String, _ options: ParsedOptions, _ body: inout JSONObject,
        _ value: (String) -> JSONValue
    ) throws(CommandFailure) {
        guard options.has(option) else { return }
        var object = JSONObject()
        for text in options.all(option) {
            let (name, content) =
                try option == "body-field"
                ? BodyMembers.pair(text, "--\(option)", options) : BodyMembers.header(text, "--\(option)", options)
            object[name] = value(content)
        }
        body[member] = .object(object)
    }

    /// `https://host:port/path` into the three members that say it.
    private static func add(
        target: String, _ options: ParsedOptions, _ body: inout JSONObject
    ) throws(CommandFailure) {
        let scheme = ["https", "http"].first { target.hasPrefix("\($0)://") }
        guard let scheme else {
            throw options.problem("--target must be http://HOST:PORT or https://HOST, not \"\(target)\"")
        }
        let rest = target.dropFirst(scheme.count + 3)
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        let path = String(rest[slash...])
        guard !rest[..<slash].isEmpty, !rest[..<slash].contains("@"), !path.contains("?"), !path.contains("#") else {
            throw options.problem("--target must be a host, a port and a path, not \"\(target)\"")
        }
        body["target_protocol"] = .string(scheme)
        body["target_host"] = .string(String(rest[..<slash]))
        body["target_path"] = .string(path == "/" ? "" : path)
    }
}
