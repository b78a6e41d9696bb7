import JSON
import LLM

/// `fastgate prices …`
enum PricesCommands {
    static let group = Command(
        group: "prices", "manage prices of models", sections: [CommonOptions.access], [list, set, remove, importFile])

    private static let model = Operand("MODEL")
    private static let provider = OptionSpec(
        "provider", nil, "NAME", help: "the price of this provider, or of all of its type; of any provider unless given"
    )

    private static let list = Command(
        "list", "list prices", details: ["For a million tokens, in units of the currency."],
        options: [
            OptionSpec("provider", nil, "NAME", help: "only those of this provider; * for those of any"),
            OptionSpec("model", nil, "PART", help: "only models whose name contains PART"),
        ] + CommonOptions.tool, sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            var query: [QueryParameter] = []
            for name in ["provider", "model"] {
                if let value = call.options.value(name) { query.append(QueryParameter(name, value)) }
            }
            let items = try ProviderCommand.access(call).items("/admin/prices", query: query)
            ProviderCommand.print(
                call, items, ["provider", "model", "input", "output", "cached_input", "currency", "imported"])
        })

    private static let set = Command(
        "set", "set the price of a model",
        details: ["Prices are for a million tokens. One that is set by hand is not overwritten by an import."],
        operands: [model],
        options: [
            OptionSpec("input", nil, "AMOUNT", help: "of tokens that go in"),
            OptionSpec("output", nil, "AMOUNT", help: "of tokens that come out"),
            OptionSpec("cached-input", nil, "AMOUNT", help: "of tokens read from a cache; as --input unless given"),
            OptionSpec("cache-write", nil, "AMOUNT", help: "of tokens written to a cache; as --input unless given"),
            OptionSpec("reasoning", nil, "AMOUNT", help: "of reasoning tokens; as --output unless given"),
            OptionSpec("currency", nil, "CODE", help: "three letters; USD unless given"),
            OptionSpec(
                "rates", nil, "JSON",
                help: "what else has a price: tiers, long prompts, sound, characters, as in the admin API"),
            provider,
        ] + CommonOptions.quiet,
        examples: ["fastgate prices set gpt-4o --provider openai --input 2.5 --output 10"],
        sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            var body = JSONObject()
            for name in ["input", "output", "cached-input", "cache-write", "reasoning", "currency"] {
                guard let value = call.options.value(name) else { continue }
                body[String(name.map { $0 == "-" ? "_" : $0 })] = .string(value)
            }
            if let rates = call.options.value("rates") {
                do { body["rates"] = try JSONValue(parsing: rates) } catch {
                    throw call.options.problem("--rates is not JSON: \(error)")
                }
            }
            for name in ["input", "output"] where body[name] == nil {
                throw call.options.problem("--\(name) is missing")
            }
            _ = try ProviderCommand.access(call).json(APIRequest("PUT", path(call.options), body: .object(body)))
            call.console.print(printable("set the price of \(name(call.options))"))
        })

    private static let remove = Command(
        "remove", "remove the price of a model", operands: [model], options: [provider] + CommonOptions.quiet,
        sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            _ = try ProviderCommand.access(call).json(APIRequest("DELETE", path(call.options)))
            call.console.print(printable("removed the price of \(name(call.options))"))
        })

    /// `gpt-4o`, or `openai/gpt-4o` for one provider.
    private static func name(_ options: ParsedOptions) -> String {
        options.value("provider").map { "\($0)/\(options.operands[0])" } ?? options.operands[0]
    }

    private static func path(_ options: ParsedOptions) -> String {
        ProviderCommand.path("prices", options.value("provider") ?? "*", options.operands[0])
    }

    private static let importFile = Command(
        "import", "take prices from a file, or those built in",
        details: [
            "FILE is LiteLLM's model_prices_and_context_window.json.",
            "Without it: list prices of common models as of \(DefaultPrices.date), as a new database has them.",
        ],
        operands: [Operand("FILE", .file, isRequired: false)],
        options: [OptionSpec(flag: "replace", help: "replace prices that were set by hand too")] + CommonOptions.tool,
        sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            let query = call.options.has("replace") ? [QueryParameter("replace_manual", "true")] : []
            var request = APIRequest("POST", "/admin/prices/import-built-in", query: query)
            if let file = call.options.operands.first {
                let bytes: [UInt8]
                do { bytes = try readFile(file, limit: 32 << 20) } catch { throw CommandFailure(message: "\(error)") }
                do {
                    request = APIRequest(
                        "POST", "/admin/prices/import", query: query, body: try JSONValue(parsing: bytes))
                } catch {
                    throw CommandFailure(message: "\(file): \(error)")
                }
            }
            let done = try ProviderCommand.access(call).json(request)
            if call.asJSON { return call.print(done) }
            func count(_ name: String) -> Int { done[name]?.intValue ?? 0 }
            call.console.print(
                "\(count("added")) added, \(count("changed")) changed, \(count("unchanged")) unchanged, "
                    + "\(count("kept")) set by hand and kept, \(count("skipped")) without a price that can be reckoned with"
            )
        })
}
