import Glibc
import JSON

/// `fastgate master-key …`
enum MasterKeyCommands {
    static let group = Command(
        group: "master-key", "manage the master key that providers' keys are sealed under",
        details: [
            """
            The master key is FASTGATE_MASTER_KEY or, where that is not set, the file master_key beside the database. It \
            is never an argument and never printed.
            """
        ],
        sections: [CommonOptions.access], [show, rotate, replaceLost])

    private static let show = Command(
        "show", "say where the master key is and whether it fits",
        details: ["Ends with 1 if keys of providers cannot be read."], options: CommonOptions.tool,
        sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            let found = try ProviderCommand.access(call).json(APIRequest("GET", "/admin/master-key"))
            print(call, found)
            if found["state"]?.stringValue != "ready" { throw CommandFailure(message: found.cell("reason")) }
        })

    private static let rotate = Command(
        "rotate", "seal all provider keys under another master key",
        details: [
            """
            All keys are sealed anew in one transaction; cut off at any moment, the next start finds the master key that \
            is valid. A key in a file is replaced by a random one. A key in the environment is yours to change: give the \
            new one with --stdin, and start the gateway with it next time.
            """
        ],
        options: [
            OptionSpec(flag: "stdin", help: "read the new master key, 32 bytes in hex or base64, from standard input")
        ]
            + CommonOptions.tool,
        examples: ["fastgate master-key rotate", "fastgate master-key rotate --stdin < new_key"],
        sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            var body = JSONObject()
            if call.options.has("stdin") {
                guard let line = Terminal.readSecret("New master key: "), !line.isEmpty else {
                    throw CommandFailure(message: "no key came on standard input")
                }
                body["new_key"] = .string(line)
            }
            let access = try ProviderCommand.access(call)
            let made = try access.json(APIRequest("POST", "/admin/master-key/rotate", body: .object(body)))
            print(call, made)
            if made["from_environment"]?.boolValue == true {
                call.console.complain("From now on start the gateway with \(made.cell("source")) set to the new key.")
            }
        })

    private static let replaceLost = Command(
        "replace-lost", "give up a master key that is lost for good",
        details: [
            """
            The master key that is there, or a new one, becomes the database's. Keys that were sealed under the lost one \
            stay in the list but cannot be read: give each anew, or remove it. If there is a chance to find the lost key, \
            put it back instead, and send SIGHUP to the gateway.
            """
        ],
        options: [OptionSpec(flag: "yes", help: "do not ask")] + CommonOptions.tool, sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            let access = try ProviderCommand.access(call)
            if !call.options.has("yes") { try confirm(call, access) }
            let made = try access.json(
                APIRequest("POST", "/admin/master-key/replace-lost", body: ["confirm": true]))
            print(call, made)
        })

    /// Asks a person; where there is none, nothing is done.
    private static func confirm(_ call: Call, _ access: any AdminAccess) throws(CommandFailure) {
        guard isatty(STDIN_FILENO) == 1 else {
            throw call.options.problem("without a terminal to ask on, --yes must say that you mean it")
        }
        let found = try access.json(APIRequest("GET", "/admin/master-key"))
        call.console.complain(
            "\(found.cell("unreadable_keys")) of \(found.cell("keys")) provider keys will stay unreadable for good. "
                + "Type \"yes\" to go on:")
        guard readLine(strippingNewline: true) == "yes" else { throw CommandFailure(message: "nothing was changed") }
    }

    private static func print(_ call: Call, _ found: JSONValue) {
        if call.asJSON { return call.print(found) }
        let isReady = found["state"]?.stringValue == "ready"
        let unreadable = found["unreadable_keys"]?.intValue ?? 0
        var pairs: [(String, Table.Cell)] = [
            ("State", .init(isReady ? "ready" : "locked", isReady ? .green : .red)),
            ("Source", .init(found.cell("source"))),
            ("Keys", .init("\(found.cell("keys")), \(unreadable) unreadable", unreadable > 0 ? .red : nil)),
        ]
        if let warning = found["warning"]?.stringValue { pairs.append(("Warning", .init(warning, .yellow))) }
        call.print(Table(pairs: pairs))
    }
}
