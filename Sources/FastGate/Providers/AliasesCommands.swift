import Store

/// `fastgate aliases …`
enum AliasesCommands {
    static let group = Command(
        group: "aliases", "manage other names of models", details: [ProviderCommand.offline], [list, set, remove])

    private static let list = Command(
        "list", "list aliases", details: [ProviderCommand.offline], options: ProviderCommand.options,
        action: { (call) throws(CommandFailure) in
            try ProviderCommand.print(call, try ProviderCommand.session(call).aliases())
        })

    private static let set = Command(
        "set", "let a name stand for models",
        details: [
            "TARGET is provider/model or a model's name; of several, each is tried when those before it fail.",
            ProviderCommand.offline,
        ],
        operands: [Operand("NAME"), Operand("TARGET", isRepeatable: true)], options: ProviderCommand.options,
        examples: ["fastgate aliases set gpt-4 openai/gpt-4o azure/gpt-4o"],
        action: { (call) throws(CommandFailure) in
            let words = call.options.operands
            try ProviderCommand.session(call).setAlias(AliasRecord(name: words[0], targets: Array(words.dropFirst())))
        })

    private static let remove = Command(
        "remove", "remove an alias", details: [ProviderCommand.offline], operands: [Operand("NAME")],
        options: ProviderCommand.options,
        action: { (call) throws(CommandFailure) in
            try ProviderCommand.session(call).removeAlias(call.options.operands[0])
        })
}
