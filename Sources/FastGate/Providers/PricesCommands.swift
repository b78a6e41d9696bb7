/// `fastgate prices …`
enum PricesCommands {
    static let group = Command(
        group: "prices", "manage prices of models", details: [ProviderCommand.offline], [list, importFile])

    private static let list = Command(
        "list", "list prices", details: [ProviderCommand.offline], options: ProviderCommand.options,
        action: { (call) throws(CommandFailure) in
            try ProviderCommand.print(call, try ProviderCommand.session(call).prices())
        })

    private static let importFile = Command(
        "import", "take prices from a file",
        details: ["FILE is LiteLLM's model_prices_and_context_window.json. \(ProviderCommand.offline)"],
        operands: [Operand("FILE", .file)], options: ProviderCommand.options,
        action: { (call) throws(CommandFailure) in
            call.console.print(try ProviderCommand.session(call).importPrices(call.options.operands[0]))
        })
}
