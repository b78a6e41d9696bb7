import Testing

@testable import Config

extension YAMLNode {
    var members: [YAMLMember]? {
        if case .mapping(let members) = content { members } else { nil }
    }
}

@Suite struct YAMLReaderTests {
    private func problem(_ text: String) -> String {
        do throws(YAMLError) {
            _ = try YAMLReader.read(Array(text.utf8))
            return "accepted"
        } catch {
            return "\(error.line): \(error.message)"
        }
    }

    @Test func keepsLinesAndOrder() throws {
        let root = try #require(try YAMLReader.read(Array("# c\nb: 1\na:\n  - x\n  - 'y z'\n".utf8)))
        let members = try #require(root.members)
        #expect(members.map(\.key) == ["b", "a"])
        #expect(members.map(\.line) == [2, 3])
        guard case .sequence(let elements) = members[1].value.content else {
            Issue.record("not a sequence")
            return
        }
        #expect(elements.map(\.line) == [4, 5])
        guard case .scalar("y z", isPlain: false) = elements[1].content else {
            Issue.record("not the quoted scalar")
            return
        }
    }

    @Test(arguments: [
        ("a: 1\nb: 2\na: 3\n", "3: the key \"a\" is there twice, first in line 1"),
        ("s:\n  a: 1\n  a: 1\n", "3: the key \"a\" is there twice, first in line 2"),
        ("a: &x 1\n", "1: anchors (&name) are not supported"),
        ("a: 1\nb: *x\n", "2: aliases (*name) are not supported"),
        ("a: !!python/object:os.system x\n", "1: tags (!name) are not supported"),
        ("a: 1\n---\nb: 1\n", "2: only one document is allowed in the file"),
        ("? [a, b]\n: 1\n", "1: a key must be a name, not a list"),
        ("a: [1\nb: 2\n", "2: not valid YAML: did not find expected ',' or ']'"),
        ("a: 'x\n", "2: not valid YAML: found unexpected end of stream"),
        ("a:\n\t- x\n", "2: not valid YAML: found character that cannot start any token (a tab; indent with spaces)"),
    ])
    func refuses(text: String, expected: String) {
        #expect(problem(text) == expected)
    }

    @Test func refusesWhatIsNotText() {
        #expect(throws: YAMLError.self) { try YAMLReader.read([0x61, 0x3A, 0x20, 0xFF, 0xFE]) }
        #expect(throws: YAMLError.self) { try YAMLReader.read([0xFF, 0xFE, 0x61, 0x00]) }
        #expect(throws: YAMLError.self) { try YAMLReader.read([0x61, 0x00]) }
    }

    @Test func everySizeIsBounded() {
        #expect(problem(String(repeating: "[", count: 200_000)).hasPrefix("1: nested deeper than 16 levels"))
        #expect(
            problem(String(repeating: "- x\n", count: 1001)) == "1001: more than 1000 entries in one list or section")
        #expect(problem(String(repeating: "#\n", count: 600_000)) == "0: the file is larger than 1024KB")
    }

    @Test func billionLaughsAreRefusedAtTheFirstAnchor() {
        var text = "a: &a [x, x]\n"
        for n in 1...30 { text += "a\(n): &a\(n) [*a, *a]\n" }
        #expect(problem(text) == "1: anchors (&name) are not supported")
    }

    /// Prefixes and damaged copies of a real file either read or are refused; nothing traps.
    @Test func damagedFilesNeverTrap() throws {
        let bytes = Array(try readText(packageRoot + "/config.yaml").utf8)
        for end in stride(from: 0, to: bytes.count, by: 17) { _ = try? YAMLReader.read(Array(bytes[..<end])) }
        for index in stride(from: 0, to: bytes.count, by: 11) {
            var damaged = bytes
            damaged[index] = [UInt8(ascii: "["), UInt8(ascii: "{"), UInt8(ascii: "\""), 0x80, 0][index % 5]
            _ = try? Settings.load(text: String(decoding: damaged, as: UTF8.self))
        }
    }
}
