import JSON

/// `fastgate keys …`
enum KeysCommands {
    static let group = Command(
        group: "keys", "manage API keys", sections: [CommonOptions.access],
        [create, list, show, update, toggle, rotate, revoke])

    // MARK: - Options

    private static let id = Operand("KEY_ID")
    private static let expiries = [
        OptionSpec("expires-days", nil, "N", .integer(1...36500), help: "days until it expires"),
        OptionSpec("expires-at", nil, "TIME", help: "when it expires: a date (its last moment) or ISO-8601"),
        OptionSpec(flag: "never-expires", help: "it does not expire"),
    ]
    private static let permission = OptionSpec(
        "permission", "p", "P", isRepeatable: true,
        help: "what the key may do; repeat it, or separate by commas. A family (chat, completions, embeddings, models, "
            + "responses, messages, images, audio, files, moderations), a path pattern that begins with \"/\" "
            + "(\"/v1/*\"), or \"*\". Without any: everything")
    /// What a key may ask of providers. Each may be `none` to take a limit away.
    private static let limits = [
        OptionSpec(
            "model", nil, "PATTERN", isRepeatable: true, help: "models that may be asked for, with *; repeat it"),
        OptionSpec("max-tokens", nil, "N", help: "tokens that may be used in a budget period, or none"),
        OptionSpec(
            "max-amount", nil, "AMOUNT", help: "money that may be spent in a budget period, as in 12.50, or none"),
        OptionSpec("currency", nil, "CODE", help: "of --max-amount: three letters; USD unless given"),
        OptionSpec(
            "budget-period", nil, "PERIOD", .choice(["total", "daily", "monthly"]),
            help: "when counting starts anew; total is never"),
        OptionSpec("max-concurrent", nil, "N", help: "exchanges with providers that may be open at a time, or none"),
    ]
    private static let shownOnce = "This is the only time it can be seen: the database holds its hash."

    // MARK: - Commands

    private static let create = Command(
        "create", "make an API key",
        details: [
            "Makes a key for SOURCE (a team, a service: whoever uses it; the audit names it) and prints it. \(shownOnce)",
            "Without an expiry it expires after security.default_expiry_days.",
        ],
        operands: [Operand("SOURCE")],
        options: [
            permission,
            OptionSpec(
                "rate-limit", nil, "N", .integer(0...1_000_000_000),
                help: "requests per minute; 0 is unlimited. Without it the gateway's default counts "
                    + "(rate_limiting.default_requests_per_minute)"),
        ] + expiries + limits + [BodyMembers.set] + CommonOptions.tool,
        examples: [
            "fastgate keys create team-a",
            "fastgate keys create ci -p chat,models --rate-limit 60 --expires-days 30",
            "KEY=$(fastgate keys create bot --json | jq -r .key_value)",
        ],
        sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            var body = JSONObject([("source_path", .string(call.options.operands[0]))])
            try describe(call.options, &body)
            let access = try call.access(createsDatabase: true)
            printSecret(try access.json(APIRequest("POST", "/admin/keys", body: .object(body))), call)
        })

    private static let list = Command(
        "list", "list API keys",
        details: ["Newest first. Keys themselves are not shown, only their prefix and last four characters."],
        options: [
            OptionSpec("source", nil, "SOURCE", help: "only the keys of SOURCE"),
            OptionSpec("search", nil, "PART", help: "only keys whose source, id or hint contains PART"),
            OptionSpec(flag: "active", help: "only keys that are accepted"),
            OptionSpec(flag: "inactive", help: "only keys that were revoked"),
        ] + CommonOptions.tool,
        sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            var query: [QueryParameter] = []
            if let source = call.options.value("source") { query.append(QueryParameter("source_path", source)) }
            if let part = call.options.value("search") { query.append(QueryParameter("search", part)) }
            if let state = try call.options.one(of: "active", "inactive") {
                query.append(QueryParameter("is_active", "\(state == "active")"))
            }
            let keys = try call.access().items("/admin/keys", query: query)
            if call.asJSON { call.print(JSONValue.array(keys)) } else { call.print(table(keys)) }
        })

    private static let show = Command(
        "show", "show an API key", details: ["All that is known of it, but not the key itself."], operands: [id],
        options: CommonOptions.tool, sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            printKey(try call.access().json(APIRequest("GET", path(call.options.operands[0]))), call)
        })

    private static let update = Command(
        "update", "change an API key",
        details: ["Changes what is given and leaves the rest. The key itself stays; see rotate."], operands: [id],
        options: [
            OptionSpec("source", nil, "SOURCE", help: "whose key it is"), permission,
            OptionSpec(
                "rate-limit", nil, "N", help: "requests per minute; 0 is unlimited, default the gateway's default"),
        ] + expiries + limits + [
            OptionSpec(flag: "active", help: "accept it (again)"),
            OptionSpec(flag: "inactive", help: "accept it no more"),
            BodyMembers.set,
        ] + CommonOptions.tool,
        examples: ["fastgate keys update KEY_ID --rate-limit 600 -p chat,embeddings"],
        sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            var body = JSONObject()
            if let source = call.options.value("source") { body["source_path"] = .string(source) }
            if let state = try call.options.one(of: "active", "inactive") {
                body["is_active"] = .bool(state == "active")
            }
            try describe(call.options, &body)
            guard !body.isEmpty else { throw call.options.problem("there is nothing to change") }
            let request = APIRequest("PATCH", path(call.options.operands[0]), body: .object(body))
            printKey(try call.access().json(request), call)
        })

    private static let toggle = Command(
        "toggle", "turn API keys on or off", details: ["On if it is off, and off if it is on."],
        operands: [Operand("KEY_ID", isRepeatable: true)], options: CommonOptions.tool,
        sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            try each(call) { (access, id) throws(CommandFailure) in
                guard let key = try access.jsonIfThere(APIRequest("POST", path(id) + "/toggle")) else { return nil }
                return (key, key["is_active"]?.boolValue == true ? "turned on" : "turned off")
            }
        })

    private static let rotate = Command(
        "rotate", "give an API key a new value",
        details: ["The old value stops working at once; everything else stays. \(shownOnce)"], operands: [id],
        options: CommonOptions.tool, sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            printSecret(try call.access().json(APIRequest("POST", path(call.options.operands[0]) + "/rotate")), call)
        })

    private static let revoke = Command(
        "revoke", "make API keys invalid",
        details: [
            """
            From then on requests with these keys are refused (401). A revoked key stays in the list, so that the audit \
            can be read; requests that are already under way are finished.
            """
        ],
        operands: [Operand("KEY_ID", isRepeatable: true)],
        options: [OptionSpec(flag: "delete", help: "delete the keys instead; the audit keeps their ids")]
            + CommonOptions.tool,
        sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            let deletes = call.options.has("delete")
            try each(call) { (access, id) throws(CommandFailure) in
                // Read first: what a deletion answers with is nothing.
                guard let key = try access.jsonIfThere(APIRequest("GET", path(id))) else { return nil }
                if deletes {
                    _ = try access.jsonIfThere(APIRequest("DELETE", path(id)))
                    return (key, "deleted")
                }
                return (try access.json(APIRequest("PATCH", path(id), body: ["is_active": false])), "revoked")
            }
        })

    // MARK: - Doing

    private static func path(_ id: String) -> String { "/admin/keys/\(APIRequest.encoded(id))" }

    /// What the options say of a key, as members of the API's object.
    static func describe(_ options: ParsedOptions, _ body: inout JSONObject) throws(CommandFailure) {
        let permissions = options.all("permission").flatMap { $0.split(separator: ",").map(String.init) }
        // What a variable that is not set leaves behind must not become a key that may do everything.
        if options.has("permission"), permissions.isEmpty {
            throw options.problem("--permission must not be empty; \"*\" is everything")
        }
        if options.has("permission") { body["permissions"] = .array(permissions.map { .string($0) }) }
        if let text = options.value("rate-limit") {
            guard text == "default" || Int(text).map({ $0 >= 0 }) == true else {
                throw options.problem("--rate-limit must be a number, not negative, or default, not \"\(text)\"")
            }
            body["rate_limit"] = Int(text).map { .integer($0) } ?? .null
        }
        switch try options.one(of: "expires-days", "expires-at", "never-expires") {
        case "expires-days": body["expires_days"] = .integer(options.integer("expires-days") ?? 0)
        case "expires-at": body["expires_at"] = .string(options.value("expires-at") ?? "")
        case "never-expires": body["expires_at"] = .null
        default: break
        }
        if options.has("model") {
            body["allowed_models"] = .array(options.all("model").filter { $0 != "none" }.map { .string($0) })
        }
        for (option, member) in [("max-tokens", "max_tokens"), ("max-concurrent", "max_concurrent")] {
            guard let text = options.value(option) else { continue }
            guard text == "none" || Int(text).map({ $0 >= 0 }) == true else {
                throw options.problem("--\(option) must be a number, not negative, or none, not \"\(text)\"")
            }
            body[member] = Int(text).map { .integer($0) } ?? .null
        }
        if let text = options.value("max-amount") { body["max_amount"] = text == "none" ? .null : .string(text) }
        if let text = options.value("currency") { body["currency"] = .string(text) }
        if let text = options.value("budget-period") { body["budget_period"] = .string(text) }
        try BodyMembers.apply(options, to: &body)
    }

    /// Does something to each key that is named; says what became of it, and which are missing.
    private static func each(
        _ call: Call, _ change: (any AdminAccess, String) throws(CommandFailure) -> (JSONValue, String)?
    ) throws(CommandFailure) {
        let access = try call.access()
        var changed: [JSONValue] = []
        var missing: [String] = []
        for id in call.options.operands {
            guard let (key, verb) = try change(access, id) else {
                missing.append(id)
                continue
            }
            changed.append(key)
            if !call.asJSON {
                call.console.print(printable("\(verb) \(key.cell("key_id")) (\(key.cell("source_path")))"))
            }
        }
        if call.asJSON { call.print(JSONValue.array(changed)) }
        if !missing.isEmpty {
            throw CommandFailure(
                message: "there is no key \(missing.joined(separator: ", "))",
                hint: "\"fastgate keys list\" shows the ids of all keys.")
        }
    }

    // MARK: - Showing

    private static func printKey(_ key: JSONValue, _ call: Call) {
        if call.asJSON { call.print(key) } else { call.print(details(key)) }
    }

    /// A key with its value, which is shown this once.
    private static func printSecret(_ key: JSONValue, _ call: Call) {
        printKey(key, call)
        if !call.asJSON {
            call.console.complain("The key is shown this once: the database holds only its hash.")
        }
    }

    private static func details(_ key: JSONValue) -> Table {
        var shown = JSONObject()
        for member in key.objectValue?.members ?? [] {
            switch member.name {
            case "permissions": shown[member.name] = .string(permissions(key))
            case "rate_limit": shown[member.name] = .string(rateLimit(key))
            case "expires_at": shown[member.name] = .string(expiry(key))
            default: shown[member.name] = member.value
            }
        }
        return JSONValue.object(shown).details([
            "key_id": "Id", "key_value": "Key", "key_hint": "Key (hint)", "source_path": "Source", "permissions": "May",
            "rate_limit": "Per minute", "is_active": "Active", "usage_count": "Used", "created_at": "Made",
            "expires_at": "Expires", "last_used_at": "Last used", "allowed_models": "Models",
            "max_tokens": "Most tokens", "max_amount": "Most spent", "currency": "Currency",
            "budget_period": "Period", "max_concurrent": "At once", "tokens_spent": "Tokens spent",
            "amount_spent": "Amount spent", "budget_since": "Spent since", "budget_resets_at": "Begins anew",
        ])
    }

    static func table(_ keys: [JSONValue]) -> Table {
        var table = Table([
            .init("ID"), .init("KEY"), .init("SOURCE", shrinks: true), .init("STATE"), .init("MAY", shrinks: true),
            .init("PER MINUTE", .right), .init("USED", .right), .init("LAST USED"), .init("EXPIRES"),
        ])
        for key in keys {
            let isActive = key["is_active"]?.boolValue == true
            table.add([
                .init(key.cell("key_id")), .init(key.cell("key_hint"), .dim), .init(key.cell("source_path"), .cyan),
                isActive ? .init("active", .green) : .init("revoked", .red), .init(permissions(key)),
                .init(rateLimit(key)), .init(key.cell("usage_count")), .init(key.time("last_used_at")),
                .init(expiry(key)),
            ])
        }
        return table
    }

    private static func permissions(_ key: JSONValue) -> String {
        let names = key["permissions"]?.arrayValue?.compactMap(\.stringValue) ?? []
        return names.isEmpty || names == ["*"] ? "all" : names.joined(separator: ",")
    }

    private static func rateLimit(_ key: JSONValue) -> String {
        guard let limit = key["rate_limit"]?.intValue else { return "default" }
        return limit == 0 ? "unlimited" : "\(limit)"
    }

    private static func expiry(_ key: JSONValue) -> String {
        key["expires_at"]?.stringValue == nil ? "never" : key.time("expires_at")
    }
}
