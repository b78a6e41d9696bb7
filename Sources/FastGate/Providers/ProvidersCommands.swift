import Glibc
import JSON
import LLM
import Store

/// `fastgate providers …`
enum ProvidersCommands {
    static let group = Command(
        group: "providers", "manage providers of models", details: [ProviderCommand.offline], [list, add, remove, keys])

    private static let name = Operand("NAME")
    private static let weight = OptionSpec(
        "weight", nil, "N", .integer(0...1_000_000), help: "share of the load among equals; 1 unless given")

    private static let list = Command(
        "list", "list providers", details: [ProviderCommand.offline], options: ProviderCommand.options,
        action: { (call) throws(CommandFailure) in
            try ProviderCommand.print(call, try ProviderCommand.session(call).providers())
        })

    private static let add = Command(
        "add", "add a provider", details: [ProviderCommand.offline], operands: [name],
        options: [
            OptionSpec("base-url", nil, "URL", help: "where its API is, with or without its version (/v1)"),
            OptionSpec(
                "type", nil, "TYPE", .choice(APIType.allCases.map(\.name)),
                help: "whose format it speaks; openai unless given"),
            OptionSpec("models", nil, "LIST", help: "its models, with commas; it is asked for them unless given"),
            OptionSpec(
                "priority", nil, "N", .integer(-1_000_000...1_000_000), help: "smaller goes first; 100 unless given"),
            weight,
            OptionSpec(
                "key-strategy", nil, "S", .choice(ProviderRecord.strategies), help: "which of its keys a request takes"),
            OptionSpec(
                "timeout", nil, "SECONDS", .integer(1...86_400), help: "how long to wait for its next byte"),
            OptionSpec("header", "H", "NAME:VALUE", isRepeatable: true, help: "a header to set"),
        ] + ProviderCommand.options,
        examples: ["fastgate providers add openai --base-url https://api.openai.com"],
        action: { (call) throws(CommandFailure) in
            let record = try describe(call.options)
            try ProviderCommand.session(call).add(record)
        })

    private static let remove = Command(
        "remove", "remove a provider and its keys", details: [ProviderCommand.offline], operands: [name],
        options: ProviderCommand.options,
        action: { (call) throws(CommandFailure) in
            try ProviderCommand.session(call).removeProvider(call.options.operands[0])
        })

    // MARK: - Keys

    private static let keys = Command(
        group: "keys", "manage the keys that providers gave us", details: [ProviderCommand.offline],
        [
            Command(
                "add", "add a key",
                details: [
                    "Reads the key from standard input: an argument would be there for every user of the machine to see.",
                    ProviderCommand.offline,
                ],
                operands: [name],
                options: [OptionSpec("label", nil, "TEXT", help: "for people"), weight]
                    + ProviderCommand.options,
                examples: ["fastgate providers keys add openai < key.txt"],
                action: { (call) throws(CommandFailure) in
                    let options = call.options
                    guard let line = readLine(strippingNewline: true), !line.isEmpty else {
                        throw CommandFailure(message: "no key came on standard input")
                    }
                    let key = NewProviderKey(
                        provider: options.operands[0], key: ProviderSecret(line), label: options.value("label") ?? "",
                        weight: options.integer("weight") ?? 1)
                    call.console.print(try ProviderCommand.session(call).add(key))
                }),
            Command(
                "list", "list a provider's keys, masked", details: [ProviderCommand.offline], operands: [name],
                options: ProviderCommand.options,
                action: { (call) throws(CommandFailure) in
                    try ProviderCommand.print(
                        call, try ProviderCommand.session(call).keys(of: call.options.operands[0]))
                }),
            Command(
                "remove", "remove a key", details: [ProviderCommand.offline], operands: [Operand("KEY_ID")],
                options: ProviderCommand.options,
                action: { (call) throws(CommandFailure) in
                    try ProviderCommand.session(call).removeKey(call.options.operands[0])
                }),
        ])

    private static func describe(_ options: ParsedOptions) throws(CommandFailure) -> ProviderRecord {
        guard let url = options.value("base-url") else { throw options.problem("--base-url is missing") }
        var record = ProviderRecord(name: options.operands[0], baseURL: url)
        if let type = options.value("type") { record.apiType = type }
        if let models = options.value("models") { record.models = models.split(separator: ",").map(String.init) }
        if let priority = options.integer("priority") { record.priority = priority }
        if let weight = options.integer("weight") { record.weight = weight }
        if let strategy = options.value("key-strategy") { record.keyStrategy = strategy }
        record.timeoutSeconds = options.integer("timeout")
        var headers = JSONObject()
        for text in options.all("header") {
            guard let colon = text.firstIndex(of: ":"), colon != text.startIndex else {
                throw options.problem("--header must be NAME:VALUE, not \"\(text)\"")
            }
            headers[String(text[..<colon])] = .string(String(text[text.index(after: colon)...].drop { $0 == " " }))
        }
        if !headers.isEmpty { record.headers = .object(headers) }
        return record
    }
}

/// What the commands about providers share.
enum ProviderCommand {
    static let offline = "Works on the database itself, so the gateway must not be running."
    static let options = [CommonOptions.json, CommonOptions.config, CommonOptions.color]

    static func session(_ call: Call) throws(CommandFailure) -> ProviderSession {
        try ProviderSession(try call.load().settings, environment: call.environment)
    }

    /// A list: as JSON, or as a table of the members of its objects.
    static func print(_ call: Call, _ items: [JSONValue]) throws(CommandFailure) {
        if call.asJSON { return call.print(JSONValue.array(items)) }
        guard let first = items.first?.objectValue else { return }
        var table = Table(first.members.map { Table.Column($0.name.uppercased(), shrinks: true) })
        for item in items { table.add((item.objectValue?.members ?? []).map { Table.Cell($0.value.shown) }) }
        call.print(table)
    }
}
