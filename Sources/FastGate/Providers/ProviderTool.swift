import Config
import Glibc
import JSON
import LLM
import Proxy
import Store

/// `fastgate providers …`, `fastgate aliases …`, `fastgate prices …`: providers are set up on the database itself, while
/// no gateway runs on it.
struct ProviderTool {
    static let names = ["providers", "aliases", "prices"]

    let console: any Console
    let environment: [String: String]

    static let usage = """
        fastgate providers list [--json]
        fastgate providers add NAME --base-url URL [--type openai|anthropic|gemini|azure] [--models A,B]
                               [--priority N] [--weight N] [--key-strategy S] [--timeout SECONDS]
                               [--header "Name: value"]…
        fastgate providers remove NAME
        fastgate providers keys add NAME [--label TEXT] [--weight N]     the key is read from standard input
        fastgate providers keys list NAME [--json]
        fastgate providers keys remove KEY-ID
        fastgate aliases set NAME TARGET…         a target is provider/model or a model's name
        fastgate aliases list [--json]
        fastgate aliases remove NAME
        fastgate prices import FILE               LiteLLM's model_prices_and_context_window.json
        fastgate prices list [--json]

        Every command takes --config FILE. They work on the database, so the gateway must not be running.
        """

    func run(_ arguments: [String]) -> Int32 {
        if arguments.contains("--help") || arguments.contains("-h") || arguments.count < 2 {
            console.print(Self.usage)
            return arguments.count < 2 ? ExitCode.usage : ExitCode.ok
        }
        do throws(CommandFailure) {
            var words = try ToolWords(arguments)
            let settings = try load(words.option("--config"))
            let session = try ProviderSession(settings, environment: environment)
            try perform(&words, session)
            return ExitCode.ok
        } catch {
            console.complain("fastgate: \(printable(error.message))")
            return error.exitCode
        }
    }

    private func load(_ path: String?) throws(CommandFailure) -> Settings {
        do throws(ConfigError) {
            return try Settings.load(path: path, environment: environment).settings
        } catch {
            throw CommandFailure(message: error.description, exitCode: ExitCode.configuration)
        }
    }

    private func perform(_ words: inout ToolWords, _ session: ProviderSession) throws(CommandFailure) {
        let command = words.next() ?? ""
        var action = words.next() ?? ""
        if command == "providers" && action == "keys" { action = "keys " + (words.next() ?? "") }
        switch (command, action) {
        case ("providers", "list"): try list(words, session.providers())
        case ("providers", "add"): try addProvider(&words, session)
        case ("providers", "remove"):
            try session.removeProvider(try words.required("NAME"))
        case ("providers", "keys add"): try addKey(&words, session)
        case ("providers", "keys list"): try list(words, session.keys(of: try words.required("NAME")))
        case ("providers", "keys remove"): try session.removeKey(try words.required("KEY-ID"))
        case ("aliases", "set"):
            let name = try words.required("NAME")
            var targets: [String] = []
            while let target = words.next() { targets.append(target) }
            try session.setAlias(AliasRecord(name: name, targets: targets))
        case ("aliases", "list"): try list(words, session.aliases())
        case ("aliases", "remove"): try session.removeAlias(try words.required("NAME"))
        case ("prices", "list"): try list(words, session.prices())
        case ("prices", "import"): console.print(try session.importPrices(try words.required("FILE")))
        default: throw CommandFailure(message: "unknown command\n\(Self.usage)", exitCode: ExitCode.usage)
        }
        try words.finish()
    }

    private func list(_ words: ToolWords, _ items: [JSONValue]) throws(CommandFailure) {
        if words.has("--json") { return console.print(JSONValue.array(items).serialized(pretty: true)) }
        guard let first = items.first?.objectValue else { return }
        var table = Table(first.members.map { Table.Column($0.name, shrinks: true) })
        for item in items {
            table.add(
                (item.objectValue?.members ?? []).map { Table.Cell($0.value.stringValue ?? $0.value.serialized()) })
        }
        for line in table.lines(width: console.columns) { console.print(line) }
    }

    private func addProvider(_ words: inout ToolWords, _ session: ProviderSession) throws(CommandFailure) {
        guard let url = words.option("--base-url") else {
            throw CommandFailure(message: "--base-url is missing", exitCode: ExitCode.usage)
        }
        var record = ProviderRecord(name: try words.required("NAME"), baseURL: url)
        if let type = words.option("--type") { record.apiType = type }
        if let models = words.option("--models") { record.models = models.split(separator: ",").map(String.init) }
        if let priority = try words.number("--priority") { record.priority = priority }
        if let weight = try words.number("--weight") { record.weight = weight }
        if let strategy = words.option("--key-strategy") { record.keyStrategy = strategy }
        record.timeoutSeconds = try words.number("--timeout")
        var headers: [(String, JSONValue)] = []
        for text in words.options("--header") {
            guard let colon = text.firstIndex(of: ":") else {
                throw CommandFailure(message: "--header takes \"Name: value\"", exitCode: ExitCode.usage)
            }
            let value = text[text.index(after: colon)...].drop { $0 == " " }
            headers.append((String(text[..<colon]), .string(String(value))))
        }
        if !headers.isEmpty { record.headers = .object(JSONObject(headers)) }
        try session.add(record)
    }

    /// The key comes from standard input: an argument would be there for every user of the machine to see.
    private func addKey(_ words: inout ToolWords, _ session: ProviderSession) throws(CommandFailure) {
        let name = try words.required("NAME")
        guard let line = readLine(strippingNewline: true), !line.isEmpty else {
            throw CommandFailure(message: "no key came on standard input")
        }
        let key = NewProviderKey(
            provider: name, key: ProviderSecret(line), label: words.option("--label") ?? "",
            weight: try words.number("--weight") ?? 1)
        console.print(try session.add(key))
    }
}

/// The words of a command line, taken one after the other; options from anywhere among them.
struct ToolWords {
    private var plain: [String] = []
    private var pairs: [(name: String, value: String)] = []
    private var flags: Set<String> = []
    private static let withValue: Set<String> = [
        "--config", "--base-url", "--type", "--models", "--priority", "--weight", "--key-strategy", "--timeout",
        "--header", "--label",
    ]

    init(_ arguments: [String]) throws(CommandFailure) {
        var rest = arguments[...]
        while let word = rest.popFirst() {
            if Self.withValue.contains(word) {
                guard let value = rest.popFirst() else {
                    throw CommandFailure(message: "\(word) needs a value", exitCode: ExitCode.usage)
                }
                pairs.append((word, value))
            } else if word == "--json" {
                flags.insert(word)
            } else if word.hasPrefix("-") {
                throw CommandFailure(message: "unknown option \(word)", exitCode: ExitCode.usage)
            } else {
                plain.append(word)
            }
        }
        plain.reverse()
    }

    mutating func next() -> String? { plain.popLast() }

    mutating func required(_ name: String) throws(CommandFailure) -> String {
        guard let word = next() else { throw CommandFailure(message: "\(name) is missing", exitCode: ExitCode.usage) }
        return word
    }

    func option(_ name: String) -> String? { pairs.last { $0.name == name }?.value }
    func options(_ name: String) -> [String] { pairs.filter { $0.name == name }.map(\.value) }
    func has(_ flag: String) -> Bool { flags.contains(flag) }

    func number(_ name: String) throws(CommandFailure) -> Int? {
        guard let text = option(name) else { return nil }
        guard let number = Int(text) else {
            throw CommandFailure(message: "\(name) takes a number", exitCode: ExitCode.usage)
        }
        return number
    }

    func finish() throws(CommandFailure) {
        if let word = plain.last { throw CommandFailure(message: "unexpected \(word)", exitCode: ExitCode.usage) }
    }
}
