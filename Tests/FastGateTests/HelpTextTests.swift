import Testing

@testable import FastGate

@Suite struct HelpTextTests {
    @Test(arguments: CommandTree.all.map(\.path))
    func textsFitATerminal(path: String) throws {
        let command = try #require(CommandTree.all.first { $0.path == path }).command
        let text = HelpText.text(command, path: path)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        for line in lines {
            #expect(line.count <= HelpText.width, "\(line)")
            #expect(line.last != " ", "\(line)")
        }
        #expect(lines[0].hasPrefix("fastgate"))
        #expect(text.contains("\nUSAGE\n  fastgate"))
        for option in command.options { #expect(text.contains("--\(option.name)"), "\(option.name)") }
        for child in command.commands { #expect(text.contains(child.summary)) }
    }

    @Test func titlesAreBoldOnATerminal() {
        #expect(
            HelpText.text(VersionCommand.command, path: "version", style: Style(isOn: true)).contains("\u{1B}[1mUSAGE"))
    }

    @Test func usageNamesOperands() throws {
        #expect(HelpText.synopsis(ServeCommand.command) == "serve [OPTIONS]")
        let revoke = try CommandTree.find(["keys", "revoke"], in: CommandTree.program, "")
        #expect(HelpText.synopsis(revoke) == "revoke KEY_ID... [OPTIONS]")
    }

    @Test func theManualPageHasEveryCommand() {
        let page = ManualPage.text()
        for (path, command) in CommandTree.all where !command.isGroup {
            let escaped = path.split(separator: "-", omittingEmptySubsequences: false).joined(separator: "\\-")
            #expect(page.contains(".SS \"fastgate \(escaped)"), "\(path)")
        }
        #expect(!page.contains("\n\n"), "an empty line is no roff")
    }

    @Test func completionsHaveEveryCommandAndOption() {
        for script in [BashCompletion.script(), ZshCompletion.script(), FishCompletion.script()] {
            for (path, command) in CommandTree.all where !path.isEmpty {
                #expect(script.contains(command.name), "\(path)")
                for option in command.options { #expect(script.contains(option.name), "\(path) \(option.name)") }
            }
        }
    }
}
