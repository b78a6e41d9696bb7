import Testing

@testable import FastGate

@Suite struct HelpTextTests {
    @Test(arguments: HelpTopic.allCases)
    func textsFitATerminal(topic: HelpTopic) {
        let lines = topic.text.split(separator: "\n", omittingEmptySubsequences: false)
        for line in lines {
            #expect(line.count <= 90, "\(line)")
            #expect(line.last != " ", "\(line)")
        }
        #expect(lines[0].hasPrefix("fastgate"))
        #expect(topic.text.contains("\nUSAGE\n  fastgate"))
    }

    /// Each option of a help text is taken by its command.
    @Test(arguments: HelpTopic.allCases.filter { $0.subcommands.isEmpty && $0 != .program })
    func documentedOptionsExist(topic: HelpTopic) {
        let operands = [HelpTopic.keysCreate, .keysRevoke, .routesImport].contains(topic) ? ["x"] : []
        for line in topic.text.split(separator: "\n") where line.hasPrefix("  ") {
            let words = line.split(separator: " ")
            guard let option = words.first(where: { $0.hasPrefix("--") }), words[0].hasPrefix("-") else { continue }
            let name = option.split(separator: ",")[0]
            let command = topic.rawValue.split(separator: " ").map(String.init) + operands + [String(name)]
            let accepted = [[], ["5"], ["csv"], ["asc"]].contains { (try? Invocation(command + $0)) != nil }
            #expect(accepted, "\(topic.rawValue) \(name)")
        }
    }

    @Test func groupsNameTheirCommands() {
        #expect(HelpTopic.keys.subcommands == ["create", "list", "revoke"])
        #expect(HelpTopic.routes.subcommands == ["list", "import", "export"])
        #expect(HelpTopic.logs.subcommands == ["tail", "export"])
        #expect(HelpTopic.program.command == "fastgate --help")
        #expect(HelpTopic.keysList.command == "fastgate keys list --help")
    }
}
