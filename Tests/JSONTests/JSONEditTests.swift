import Testing

@testable import JSON

@Suite struct JSONEditTests {
    private func edit(_ body: String, _ members: [(String, String)]) -> String? {
        var out = Array("before ".utf8)
        let isObject = Array(body.utf8).withUnsafeBytes { bytes in
            JSONEdit.setTopLevelMembers(bytes, members.map { ($0.0, Array($0.1.utf8)) }, into: &out)
        }
        let text = String(decoding: out, as: UTF8.self)
        #expect(text.hasPrefix("before "))
        guard isObject else {
            #expect(text == "before ")
            return nil
        }
        return String(text.dropFirst(7))
    }

    @Test func replacesAndAppends() {
        #expect(edit(#"{"a":1,"b":2}"#, [("a", "10")]) == #"{"a":10,"b":2}"#)
        #expect(edit(#"{"a":1,"b":2}"#, [("c", "[3]")]) == #"{"a":1,"b":2,"c":[3]}"#)
        #expect(edit("{}", [("c", "3"), ("d", "4")]) == #"{"c":3,"d":4}"#)
        #expect(edit(" { \n} ", [("c", "3")]) == " {\"c\":3 \n} ")
        #expect(
            edit("{ \"a\" : 1 ,\n \"b\" : {\"a\":2} \n}\n", [("b", "0"), ("a", "\"x\""), ("q\"", "null")])
                == "{ \"a\" : \"x\" ,\n \"b\" : 0,\"q\\\"\":null \n}\n")
        #expect(edit(#"{"\u0061":1.50}"#, [("a", "2")]) == #"{"\u0061":2}"#)
        #expect(edit(#"{"a":1}"#, []) == #"{"a":1}"#)
    }

    @Test func ofDuplicatesTheLastIsSet() {
        #expect(edit(#"{"a":1,"b":0,"\u0061":2}"#, [("a", "9")]) == #"{"a":1,"b":0,"\u0061":9}"#)
        #expect(edit(#"{"a":1}"#, [("b", "1"), ("b", "2"), ("a", "3"), ("a", "4")]) == #"{"a":4,"b":2}"#)
    }

    @Test func whatIsNoObjectStays() {
        for body in ["", "[]", "1", "{", #"{"a":}"#, #"{"a":1}x"#, "null"] {
            #expect(edit(body, [("a", "1")]) == nil, "\(body)")
            #expect(edit(body, []) == nil, "\(body)")
        }
    }

    @Test func moreMembersThanATableHolds() throws {
        let members = (0..<200).map { ("k\($0)", "\($0)") }
        let text = try #require(edit(#"{"k150":"old","x":true}"#, members))
        let object = try #require(try JSONValue(parsing: text).objectValue)
        #expect(object.count == 201)
        #expect(object["k150"] == 150 && object["k199"] == 199 && object["x"] == true)
        #expect(text.hasPrefix(#"{"k150":150,"x":true,"k0":0,"#))
    }

    /// Bytes outside of the members that are set are the same, in the same order.
    @Test func otherBytesAreUntouched() throws {
        var random = SplitMix(state: 3)
        let names = ["a", "b", "c", "d", "e"]
        for _ in 0..<500 {
            var object: [(String, String)] = []
            var body = random.pick(["{", " {\n", "{\t "])
            for k in 0..<random.below(5) {
                let name = random.pick(names)
                let value = random.pick(["1", "\"x,}\"", "[1, 2]", "{ \"a\" : 0 }", "null", "1.50e+1"])
                if k > 0 { body += random.pick([",", " , ", ",\n"]) }
                body += "\"" + name + "\"" + random.pick([":", " : "]) + value
                object.append((name, value))
            }
            body += random.pick(["}", "\n}", " } \n"])
            let set = [(random.pick(names), "777"), (random.pick(names), "[true]")]
            let edited = try #require(edit(body, set))
            var expected = try #require(try JSONValue(parsing: body).objectValue)
            for (name, value) in set { expected[name] = try JSONValue(parsing: value) }
            #expect(try JSONValue(parsing: edited) == .object(expected), "\(body) \(edited)")
            // Setting what is there to what it was gives the body back.
            var last: [String: String] = [:]
            for (name, value) in object { last[name] = value }
            #expect(edit(body, last.map { ($0.key, $0.value) }) == body)
        }
    }

    @Test func preparedEditsAgreeWithTheirSize() throws {
        let table = try #require(MemberNameTable(["model", "stream", "user"]))
        let members: [(name: String, value: [UInt8])] = [("user", Array(#""u""#.utf8)), ("model", Array(#""m""#.utf8))]
        let edits = try #require(JSONMemberEdits(members, table: table))
        #expect(JSONMemberEdits([(name: "absent", value: [])], table: table) == nil)
        for text in [#"{"model":"gpt","stream":true}"#, "{}", #"{"user":1,"user":2}"#, #"{ "x":[ ] , "model":0}"#] {
            let body = Array(text.utf8)
            var captures = [MemberCapture](repeating: MemberCapture(), count: 3)
            var scanner = MemberScanner()
            #expect(scanner.feed(body, body.count, table: table.pointer, captures: &captures) == .finished)
            let size = JSONEdit.editedCount(
                bodyCount: body.count, scanner: scanner, captures: captures, edits: edits.pointer, count: edits.count)
            var out = [UInt8](repeating: 0, count: size)
            let written = JSONEdit.apply(
                body: body, body.count, scanner: scanner, captures: captures, edits: edits.pointer, count: edits.count,
                into: &out)
            #expect(written == size)
            #expect(String(decoding: out, as: UTF8.self) == edit(text, [("user", #""u""#), ("model", #""m""#)]))
        }
    }
}
