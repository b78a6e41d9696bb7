import Testing

@testable import JSON

@Suite struct JSONParserTests {
    /// The well-known collection: y_ must parse, n_ must not, i_ is ours to choose.
    @Test func parsingSuite() throws {
        guard let folder = SharedFiles.folder("json-parsing/test_parsing") else { return }
        var accepted = 0
        var refused = 0
        var free = 0
        for name in SharedFiles.names(in: folder) {
            let bytes = SharedFiles.bytes(folder + "/" + name)
            let value = try? JSONValue(parsing: bytes)
            switch name.first {
            case "y":
                #expect(value != nil, "\(name)")
                accepted += 1
                if let value {
                    #expect(try JSONValue(parsing: value.serializedBytes()) == value, "\(name)")
                    #expect(try JSONValue(parsing: value.serialized(pretty: true)) == value, "\(name)")
                }
            case "n":
                #expect(value == nil, "\(name)")
                refused += 1
            default: free += 1
            }
        }
        print("JSON parsing suite: \(accepted) accepted, \(refused) refused, \(free) free")
        #expect(accepted + refused > 250)
    }

    @Test func valuesAndOrder() throws {
        let value = try JSONValue(
            parsing: #" {"b":[1,-0.5e+2,true,false,null,"x\u00e9\ud83d\ude00\/\n"],"a":{},"c":[]} "#)
        #expect(value.objectValue?.names == ["b", "a", "c"])
        #expect(value["b"]?[0]?.intValue == 1)
        #expect(value["b"]?[1] == -50)
        #expect(value["b"]?[1]?.numberValue?.literal == "-0.5e+2")
        #expect(value["b"]?[5]?.stringValue == "xé😀/\n")
        #expect(value.serialized() == #"{"b":[1,-0.5e+2,true,false,null,"xé😀/\n"],"a":{},"c":[]}"#)
        #expect(
            (["a": [1, [:]], "b": []] as JSONValue).serialized(pretty: true)
                == "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}")
    }

    @Test func ofDuplicatesTheLastCounts() throws {
        let value = try JSONValue(parsing: #"{"a":1,"b":2,"\u0061":3}"#)
        #expect(value == ["b": 2, "a": 3])
        #expect(value.objectValue?.names == ["a", "b"])
    }

    @Test func namesCompareByCodePoints() throws {
        let value = try JSONValue(parsing: #"{"\u00e9":1,"e\u0301":2}"#)
        #expect(value.objectValue?.count == 2)
        #expect(value["\u{e9}"] == 1)
        #expect(value["e\u{301}"] == 2)
        #expect(JSONValue.string("\u{e9}") != JSONValue.string("e\u{301}"))
    }

    @Test func errorsNameThePlace() {
        func error(_ text: String) -> JSONParseError? {
            do {
                _ = try JSONValue(parsing: text)
                return nil
            } catch {
                return error
            }
        }
        #expect(
            error("{\n  \"a\": 1,\n  x}")?.description
                == "line 3, column 3: a member name in double quotes was expected")
        #expect(error("[1,]")?.offset == 3)
        #expect(error("")?.message == "the text ends where a value was expected")
        #expect(error("[01]")?.message == "a number has a leading zero")
        #expect(error(#""\ud800""#)?.message == "a surrogate escape stands alone")
        #expect(error("\"a\nb\"")?.message == "a control character stands in a string unescaped")
        #expect(error("1 2")?.message == "there is more after the value")
        #expect(error("{\"a\":1,}")?.offset == 7)
        #expect(error("\"abc")?.message == "a string does not end")
    }

    @Test func invalidUTF8IsRefused() {
        let sequences: [[UInt8]] = [
            [0xC0, 0x80], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xFF], [0xC3], [0x80],
        ]
        for bytes in sequences {
            #expect((try? JSONValue(parsing: [0x22] + bytes + [0x22])) == nil)
            #expect((try? JSONValue(parsing: [0x22, 0x5C, 0x6E] + bytes + [0x22])) == nil)
        }
    }

    @Test func depthIsLimited() throws {
        func nested(_ depth: Int) -> String {
            String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
        }
        _ = try JSONValue(parsing: nested(512))
        #expect((try? JSONValue(parsing: nested(513))) == nil)
        #expect((try? JSONValue(parsing: "{\"a\":" + nested(512) + "}")) == nil)
        #expect((try? JSONValue(parsing: nested(3), maxDepth: 2)) == nil)
        _ = try JSONValue(parsing: nested(2), maxDepth: 2)
    }

    @Test func manyMembers() throws {
        let text = "{" + (0..<2000).map { "\"k\($0)\":\($0)" }.joined(separator: ",") + "}"
        var object = try #require(try JSONValue(parsing: text).objectValue)
        #expect(object.count == 2000)
        #expect(object["k1999"] == 1999)
        object["k0"] = nil
        #expect(object.count == 1999)
        #expect(object["k1999"] == 1999)
        #expect(object["k0"] == nil)
    }

    @Test(arguments: [
        (##"{"a":1,"a":2}"##, true), (##"{"a":1,"\u0061":2}"##, true), (##"{"a":1,"a":2,"a":1}"##, true),
        (##"[{"x":[{"a":{},"a":[]}]}]"##, true), (##"{"a":{"b":1,"b":2},"a":{"b":2}}"##, true),
        (##"{"a":1,"a":1.0}"##, false), (##"{"a":"x","a":"\u0078"}"##, false),
        (##"{"a":{"b":1,"c":2},"a":{"c":2,"b":1}}"##, false),
        (##"{"a":1,"b":{"a":2}}"##, false), (##"{"a":1,"a":2"##, false), ("1", false), ("", false),
    ])
    func duplicatesThatDisagree(text: String, expected: Bool) {
        #expect(Array(text.utf8).withUnsafeBytes { JSONValue.disagrees(in: $0) } == expected)
        // Reading such a text is as ever: the last counts.
        if expected { #expect((try? JSONValue(parsing: text)) != nil) }
    }

    @Test func duplicatesAmongManyMembersDisagree() {
        let many = (0..<2000).map { "\"k\($0)\":\($0)" }.joined(separator: ",")
        for (last, expected) in [("\"k7\":8", true), ("\"k7\":7", false)] {
            let text = Array("{\(many),\(last)}".utf8)
            #expect(text.withUnsafeBytes { JSONValue.disagrees(in: $0) } == expected)
        }
    }
}
