import JSON

/// `fastgate aliases …`
enum AliasesCommands {
    static let group = Command(
        group: "aliases", "manage other names of models", sections: [CommonOptions.access], [list, set, remove])

    private static let list = Command(
        "list", "list aliases", options: CommonOptions.tool, sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            let items = try ProviderCommand.access(call).items("/admin/aliases")
            ProviderCommand.print(call, items, ["name", "targets", "enabled"])
        })

    private static let set = Command(
        "set", "let a name stand for models",
        details: ["TARGET is provider/model or a model's name; of several, each is tried when those before it fail."],
        operands: [Operand("NAME"), Operand("TARGET", isRepeatable: true)], options: CommonOptions.quiet,
        examples: ["fastgate aliases set gpt-4 openai/gpt-4o azure/gpt-4o"], sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            let words = call.options.operands
            let targets = JSONValue.array(words.dropFirst().map { .string($0) })
            let access = try ProviderCommand.access(call)
            let change = JSONValue.object(JSONObject([("targets", targets), ("enabled", .bool(true))]))
            let path = ProviderCommand.path("aliases", words[0])
            if try access.jsonIfThere(APIRequest("PATCH", path, body: change)) == nil {
                let new = JSONValue.object(JSONObject([("name", .string(words[0])), ("targets", targets)]))
                _ = try access.json(APIRequest("POST", "/admin/aliases", body: new))
            }
            call.console.print(printable("\(words[0]) stands for \(words.dropFirst().joined(separator: ", "))"))
        })

    private static let remove = Command(
        "remove", "remove an alias", operands: [Operand("NAME")], options: CommonOptions.quiet,
        sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            let path = ProviderCommand.path("aliases", call.options.operands[0])
            _ = try ProviderCommand.access(call).json(APIRequest("DELETE", path))
            call.console.print(printable("removed \(call.options.operands[0])"))
        })
}
