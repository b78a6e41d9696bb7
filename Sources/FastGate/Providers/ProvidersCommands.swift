import JSON
import LLM
import Store

/// `fastgate providers …`
enum ProvidersCommands {
    static let group = Command(
        group: "providers", "manage providers of models", sections: [CommonOptions.access],
        [list, show, add, update, toggle, test, remove, keys])

    private static let name = Operand("NAME")
    private static let weight = OptionSpec(
        "weight", nil, "N", .integer(0...1_000_000), help: "share of the load among equals; 1 unless given")

    private static let list = Command(
        "list", "list providers", options: CommonOptions.tool, sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            let items = try ProviderCommand.access(call).items("/admin/providers")
            if call.asJSON { return call.print(JSONValue.array(items)) }
            var table = Table([
                .init("NAME"), .init("TYPE"), .init("BASE URL", shrinks: true), .init("STATE"), .init("KEYS", .right),
                .init("MODELS", .right), .init("PRIORITY", .right), .init("WEIGHT", .right),
            ])
            for item in items {
                let named = item["models"]?.arrayValue?.count ?? 0
                let models = named > 0 ? named : item["discovered_models"]?.arrayValue?.count ?? 0
                let keys = item["keys"]
                table.add([
                    .init(item.cell("name")), .init(item.cell("api_type")), .init(item.cell("base_url")), state(item),
                    .init("\(keys?["usable"]?.intValue ?? 0)/\(keys?["total"]?.intValue ?? 0)"), .init("\(models)"),
                    .init(item.cell("priority")), .init(item.cell("weight")),
                ])
            }
            call.print(table)
        })

    /// Whether it takes requests; while no gateway runs only what the operator wants is known.
    private static func state(_ provider: JSONValue) -> Table.Cell {
        guard provider["enabled"]?.boolValue == true else { return .init("off", .dim) }
        guard let isUp = provider["health"]?["is_up"]?.boolValue else { return "on" }
        return isUp ? .init("up", .green) : .init("down", .red)
    }

    private static let toggle = Command(
        "toggle", "turn a provider on or off", details: ["On if it is off, and off if it is on."], operands: [name],
        options: CommonOptions.quiet, sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            let path = ProviderCommand.path("providers", call.options.operands[0], "toggle")
            let made = try ProviderCommand.access(call).json(APIRequest("POST", path))
            call.console.print(made["enabled"]?.boolValue == true ? "on" : "off")
        })

    private static let show = Command(
        "show", "show a provider and how it fares", operands: [name], options: CommonOptions.tool,
        sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            let path = ProviderCommand.path("providers", call.options.operands[0])
            let found = try ProviderCommand.access(call).json(APIRequest("GET", path))
            if call.asJSON { call.print(found) } else { call.print(found.details()) }
        })

    private static let test = Command(
        "test", "try a provider",
        details: [
            """
            Asks the provider for its models, with a key that works as far as is known, or without one if it has none. \
            Fails if it does not answer with a list.
            """
        ],
        operands: [name], options: CommonOptions.tool, sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            let path = ProviderCommand.path("providers", call.options.operands[0], "test")
            try showTest(call, try ProviderCommand.access(call).json(APIRequest("POST", path)), "the provider")
        })

    private static func showTest(_ call: Call, _ result: JSONValue, _ what: String) throws(CommandFailure) {
        if call.asJSON { call.print(result) } else { call.print(result.details()) }
        guard result["ok"]?.boolValue == true else {
            throw CommandFailure(message: "\(what) does not work: \(result.cell("fault"))")
        }
    }

    /// What a provider is described by.
    private static let description = [
        OptionSpec("base-url", nil, "URL", help: "where its API is, with or without its version (/v1)"),
        OptionSpec(
            "type", nil, "TYPE", .choice(APIType.allCases.map(\.name)),
            help: "whose format it speaks; openai unless given"),
        OptionSpec("models", nil, "LIST", help: "its models, with commas; it is asked for them unless given"),
        OptionSpec(
            "priority", nil, "N", .integer(-1_000_000...1_000_000), help: "smaller goes first; 100 unless given"),
        weight,
        OptionSpec(
            "key-strategy", nil, "S", .choice(ProviderRecord.strategies),
            help: "which of its keys a request takes"),
        OptionSpec(
            "timeout", nil, "SECONDS", .integer(1...86_400), help: "how long to wait for its next byte"),
        OptionSpec("header", "H", "NAME=VALUE", isRepeatable: true, help: "a header to set"),
    ]

    private static let update = Command(
        "update", "change a provider",
        details: [
            "Changes what is given. --models '' has it asked for its models; --header replaces all its headers."
        ],
        operands: [name], options: description + CommonOptions.quiet,
        examples: ["fastgate providers update openai --priority 50 --key-strategy least_busy"],
        sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            var body = try describe(call.options)
            body["name"] = nil
            if body.isEmpty { throw call.options.problem("nothing to change is given") }
            let path = ProviderCommand.path("providers", call.options.operands[0])
            _ = try ProviderCommand.access(call).json(APIRequest("PATCH", path, body: .object(body)))
            call.console.print(printable("changed \(call.options.operands[0])"))
        })

    private static let add = Command(
        "add", "add a provider", operands: [name], options: description + CommonOptions.quiet,
        examples: ["fastgate providers add openai --base-url https://api.openai.com"],
        sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            let body = try describe(call.options)
            if body["base_url"] == nil { throw call.options.problem("--base-url is missing") }
            _ = try ProviderCommand.access(call).json(APIRequest("POST", "/admin/providers", body: .object(body)))
            call.console.print(printable("added \(call.options.operands[0])"))
        })

    private static let remove = Command(
        "remove", "remove a provider and its keys", operands: [name], options: CommonOptions.quiet,
        sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            let path = ProviderCommand.path("providers", call.options.operands[0])
            _ = try ProviderCommand.access(call).json(APIRequest("DELETE", path))
            call.console.print(printable("removed \(call.options.operands[0])"))
        })

    // MARK: - Keys

    private static let keyID = Operand("KEY_ID")

    private static let keys = Command(
        group: "keys", "manage the keys that providers gave us", sections: [CommonOptions.access],
        [
            Command(
                "add", "add a key",
                details: [
                    """
                    Reads the key from standard input, or asks for it on a terminal: an argument would be there for \
                    every user to see.
                    """
                ],
                operands: [name],
                options: [OptionSpec("label", nil, "TEXT", help: "for people"), weight]
                    + CommonOptions.quiet,
                examples: ["fastgate providers keys add openai < key.txt"], sections: [CommonOptions.access],
                action: addKey
            ).refusingMore("the key is no argument, which others could read: give it on standard input"),
            Command(
                "list", "list a provider's keys, masked", operands: [name], options: CommonOptions.tool,
                sections: [CommonOptions.access],
                action: { (call) throws(CommandFailure) in
                    let path = ProviderCommand.path("providers", call.options.operands[0], "keys")
                    let list = try ProviderCommand.access(call).json(APIRequest("GET", path))
                    ProviderCommand.print(
                        call, list["items"]?.arrayValue ?? [],
                        [
                            "key_id", "key_hint", "label", "weight", "enabled", "state", "state_reason", "requests",
                            "failures",
                        ])
                }),
            Command(
                "test", "try a key at its provider",
                details: ["Asks the provider for its models with the key. Fails if the provider does not take it."],
                operands: [keyID], options: CommonOptions.tool, sections: [CommonOptions.access],
                action: { (call) throws(CommandFailure) in
                    let access = try ProviderCommand.access(call)
                    let result = try access.json(
                        APIRequest("POST", try keyPath(call.options.operands[0], access) + "/test"))
                    try showTest(call, result, "the key")
                }),
            Command(
                "toggle", "turn a key on or off", details: ["Turned on, it gets another try if it was refused."],
                operands: [keyID], options: CommonOptions.quiet, sections: [CommonOptions.access],
                action: { (call) throws(CommandFailure) in
                    let access = try ProviderCommand.access(call)
                    let made = try access.json(
                        APIRequest("POST", try keyPath(call.options.operands[0], access) + "/toggle"))
                    call.console.print(made["enabled"]?.boolValue == true ? "on" : "off")
                }),
            Command(
                "remove", "remove a key", operands: [keyID], options: CommonOptions.quiet,
                sections: [CommonOptions.access],
                action: { (call) throws(CommandFailure) in
                    let access = try ProviderCommand.access(call)
                    _ = try access.json(APIRequest("DELETE", try keyPath(call.options.operands[0], access)))
                    call.console.print(printable("removed \(call.options.operands[0])"))
                }),
        ])

    private static func addKey(_ call: Call) throws(CommandFailure) {
        let options = call.options
        guard let line = Terminal.readSecret("Key of \(printable(options.operands[0])): "), !line.isEmpty else {
            throw CommandFailure(message: "no key came on standard input")
        }
        var body = JSONObject([("key", .string(line))])
        if let label = options.value("label") { body["label"] = .string(label) }
        if let weight = options.integer("weight") { body["weight"] = .integer(weight) }
        let path = ProviderCommand.path("providers", options.operands[0], "keys")
        let made = try ProviderCommand.access(call).json(APIRequest("POST", path, body: .object(body)))
        call.console.print(made.cell("key_id"))
    }

    /// A key's id names its provider to nobody but the database.
    private static func keyPath(_ id: String, _ access: any AdminAccess) throws(CommandFailure) -> String {
        for provider in try access.items("/admin/providers") {
            let path = ProviderCommand.path("providers", provider.cell("name"), "keys", id)
            if try access.jsonIfThere(APIRequest("GET", path)) != nil { return path }
        }
        throw CommandFailure(message: "there is no key \(id)")
    }

    private static func describe(_ options: ParsedOptions) throws(CommandFailure) -> JSONObject {
        var body = JSONObject([("name", .string(options.operands[0]))])
        if let url = options.value("base-url") { body["base_url"] = .string(url) }
        if let type = options.value("type") { body["api_type"] = .string(type) }
        if let models = options.value("models") {
            body["models"] = .array(models.split(separator: ",").map { .string(String($0)) })
        }
        if let strategy = options.value("key-strategy") { body["key_strategy"] = .string(strategy) }
        for name in ["priority", "weight", "timeout"] {
            if let number = options.integer(name) { body[name] = .integer(number) }
        }
        var headers = JSONObject()
        for text in options.all("header") {
            let (name, value) = try BodyMembers.header(text, "--header", options)
            headers[name] = .string(value)
        }
        if !headers.isEmpty { body["headers"] = .object(headers) }
        return body
    }
}
