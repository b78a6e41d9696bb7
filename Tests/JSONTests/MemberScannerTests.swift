import Testing

@testable import JSON

@Suite struct MemberScannerTests {
    private let table: MemberNameTable

    init() throws {
        table = try #require(
            MemberNameTable([
                "model", "stream", "n", "", "a\"b", "😀",
                "a very long member name, longer than sixty-four bytes, to be sure",
            ]))
    }

    private func raw(_ body: String, _ name: String) -> String? {
        let bytes = Array(body.utf8)
        let result = ScanResult.scanning(bytes, table)
        guard let at = table.index(of: name), result.captures.indices.contains(at) else { return nil }
        let capture = result.captures[at]
        guard capture.isComplete else { return nil }
        return String(decoding: bytes[Int(capture.start)..<Int(capture.end)], as: UTF8.self)
    }

    @Test func findsMembers() {
        #expect(raw(#"{"model":"gpt-4o","stream":true,"n": -1.5e3 }"#, "model") == #""gpt-4o""#)
        #expect(raw(#"{"model":"gpt-4o","stream":true,"n": -1.5e3 }"#, "stream") == "true")
        #expect(raw(#"{"model":"gpt-4o","stream":true,"n": -1.5e3 }"#, "n") == "-1.5e3")
        #expect(raw(#"{"model":"gpt-4o","n":7}"#, "n") == "7")
        #expect(raw(#"{"mod\u0065l":"x"}"#, "model") == #""x""#)
        #expect(raw(#"{"\u006D\u006f\u0064\u0065\u006c" : [1,{"model":2}] }"#, "model") == #"[1,{"model":2}]"#)
        #expect(raw(#"{"":{}}"#, "") == "{}")
        #expect(raw(#"{"a\"b":null}"#, #"a"b"#) == "null")
        #expect(raw(#"{"a\u0022b":null}"#, #"a"b"#) == "null")
        #expect(raw(#"{"\ud83d\ude00":1}"#, "😀") == "1")
        #expect(raw(#"{"😀":1}"#, "😀") == "1")
        #expect(raw(#"{"x":{"model":"inner"},"y":["model"]}"#, "model") == nil)
        #expect(raw(#"{"x":"\"model\":","model":"\\"}"#, "model") == #""\\""#)
        #expect(raw(#"{"Model":1,"model ":2,"mode":3,"models":4}"#, "model") == nil)
        let long = "a very long member name, longer than sixty-four bytes, to be sure"
        #expect(raw("{\"\(long)\":1}", long) == "1")
        #expect(raw("{\"\(long)!\":1}", long) == nil)
        #expect(raw("{\"\(long.dropLast())E\":1}", long) == nil)
    }

    @Test func loneSurrogatesNameNothing() {
        for name in [
            #"\ud83d"#, #"\ude00"#, #"\ud83d\ud83d\ude00"#, #"\ude00\ud83d"#, #"\ud83dx"#, #"mod\ud800el"#,
            #"model\ud800"#,
        ] {
            let result = ScanResult.scanning(Array("{\"\(name)\":1}".utf8), table)
            #expect(result.captures.allSatisfy { $0.kind == .absent }, "\(name)")
        }
    }

    @Test func ofDuplicatesTheLastCounts() throws {
        let body = Array(#"{"model":"a","n":1,"mod\u0065l":"b","n":1}"#.utf8)
        let result = ScanResult.scanning(body, table)
        let model = result.captures[0]
        #expect(model.seenCount == 2 && model.disagrees && model.inline == Array(#""b""#.utf8))
        let n = result.captures[2]
        #expect(n.seenCount == 2 && !n.disagrees)
        func disagrees(_ a: String, _ b: String) -> Bool {
            ScanResult.scanning(Array("{\"n\":\(a),\"x\":0,\"n\":\(b)}".utf8), table).captures[2].disagrees
        }
        #expect(!disagrees("\"abc\"", "\"abc\""))
        #expect(disagrees("\"abc\"", "\"abd\""))
        #expect(disagrees("\"abc\"", "\"abcd\""))
        #expect(disagrees("\"abcd\"", "\"abc\""))
        #expect(disagrees("1", "1.0"))
        #expect(disagrees("true", "null"))
        #expect(!disagrees("[1,{}]", "[1,{}]"))
        let fits = "\"" + String(repeating: "x", count: 94) + "\""
        #expect(!disagrees(fits, fits))
        let tooLong = "\"" + String(repeating: "x", count: 95) + "\""
        #expect(disagrees(tooLong, tooLong))
        // Once they disagreed, agreeing again does not help.
        let three = ScanResult.scanning(Array(#"{"n":1,"n":2,"n":2}"#.utf8), table).captures[2]
        #expect(three.seenCount == 3 && three.disagrees)
    }

    @Test(arguments: [
        ("", MemberScanState.needMore), (" \n", .needMore), ("{", .needMore), ("{}", .finished),
        (" { } \r\n\t", .finished),
        ("[]", .notAnObject), ("\"{}\"", .notAnObject), ("1", .notAnObject), ("\u{feff}{}", .notAnObject),
        ("{} {}", .malformed), ("{}x", .malformed), ("{,}", .malformed), (#"{"a":1,}"#, .malformed),
        (#"{"a":1 "b":2}"#, .malformed), (#"{"a" 1}"#, .malformed), (#"{"a":}"#, .malformed), (#"{a:1}"#, .malformed),
        (#"{'a':1}"#, .malformed), (#"{"a":01}"#, .malformed), (#"{"a":-}"#, .malformed), (#"{"a":1.}"#, .malformed),
        (#"{"a":.5}"#, .malformed), (#"{"a":1e}"#, .malformed), (#"{"a":+1}"#, .malformed), (#"{"a":1-2}"#, .malformed),
        (#"{"a":tru}"#, .malformed), (#"{"a":truee}"#, .malformed), (#"{"a":nul"#, .needMore),
        (#"{"a":True}"#, .malformed),
        (#"{"a":NaN}"#, .malformed), ("{\"a\":\"\n\"}", .malformed), ("{\"a\n\":1}", .malformed),
        ("{\"a\":[\"\u{1}\"]}", .malformed),
        (#"{"a":"\x"}"#, .malformed), (#"{"a":["\u12g4"]}"#, .malformed), (#"{"\q":1}"#, .malformed),
        (#"{"\u00zz":1}"#, .malformed),
        (#"{"a":[}"#, .malformed), (#"{"a":{]}"#, .malformed), (#"{"a":[1}}"#, .malformed),
        (#"{"a":[/*"*/]}"#, .malformed),
        (#"{"a":['"']}"#, .malformed), (#"{"a":[]]}"#, .malformed), (#"{"a":[#]}"#, .malformed),
        ("{\"a\":1}\0", .malformed),
        (#"{"a":"\ud800"}"#, .finished), (#"{"a":1"#, .needMore), (#"{"a":"x"#, .needMore), (#"{"a":[{"#, .needMore),
    ])
    func states(_ text: String, _ expected: MemberScanState) {
        let body = Array(text.utf8)
        #expect(ScanResult.scanning(body, table).state == expected, "\(text)")
        #expect(ScanResult.scanning(body, table, cuts: Array(0..<body.count)).state == expected, "\(text)")
    }

    @Test func depthIsLimited() {
        func body(_ depth: Int) -> [UInt8] {
            Array(
                ("{\"x\":" + String(repeating: "[", count: depth - 1) + String(repeating: "]", count: depth - 1)
                    + ",\"n\":1}").utf8)
        }
        #expect(ScanResult.scanning(body(512), table).state == .finished)
        #expect((try? JSONValue(parsing: body(512))) != nil)
        #expect(ScanResult.scanning(body(513), table).state == .malformed)
        #expect((try? JSONValue(parsing: body(513))) == nil)
        // Brackets pair at every depth, across the words of the stack.
        for depth in [2, 63, 64, 65, 66, 128, 129, 500] {
            var wrong = body(depth)
            wrong[wrong.count - 7 - 1] = UInt8(ascii: "}")
            #expect(ScanResult.scanning(wrong, table).state == .malformed, "\(depth)")
            var mixed = body(depth)
            for k in 0..<(depth - 1) where k % 3 == 0 {
                mixed[5 + k] = UInt8(ascii: "{")
                mixed[5 + 2 * (depth - 1) - 1 - k] = UInt8(ascii: "}")
            }
            #expect(ScanResult.scanning(mixed, table).state == .finished, "\(depth)")
        }
    }

    static let tricky: [String] = [
        #"{"model":"gpt-4o","stream":true}"#,
        " \n{ \"mod\\u0065l\" : \"g\\\"p\\\\t\\u00e9\\ud83d\\ude00\" , \"stream\"\t:false,\"n\":-12.5E+10 } \r\n",
        #"{"x":{"model":[{"stream":"}]\"{["}]},"a\"b":[[],{}],"\ud83d\ude00":null,"":"","n":0}"#,
        #"{"model":"a","model":"b","m\u006fdel":"b","stream":1,"stream":1.0,"n":[1],"n":[1]}"#,
        #"{"model":""# + String(repeating: #"0123456789abcdef\n"#, count: 12) + #"","n":1e5}"#,
        #"{"a very long member name, longer than sixty-four bytes, to be sur\u0065":true,"n":"é漢😀"}"#,
        #"{"mode":1,"modelx":2,"mod\u0065":3,"m":4,"😀x":5,"\ud83d\ude01":6,"\\model":7,"model\u0000":8}"#,
        #"{"n":0,"n":-0.0,"stream":null,"stream":nulL}"#, #"{"n":1,"model":"\ud83d","mod\ud83d":1,"x":"bad \escape"}"#,
        #"{"x":[1,2,{"y":"\u00"}]}"#, #"[{"model":1}]"#, "{\"n\":[\"a\tb\"]}", #"{"n":{"a":[{}}]}"#,
    ]

    @Test(arguments: tricky)
    func cuttingChangesNothing(_ text: String) {
        let body = Array(text.utf8)
        let whole = ScanResult.scanning(body, table)
        for cut in 0...body.count {
            #expect(ScanResult.scanning(body, table, cuts: [cut]) == whole, "cut at \(cut)")
        }
        #expect(ScanResult.scanning(body, table, cuts: Array(0..<body.count)) == whole)
        if body.count < 120 {
            for first in 0..<body.count {
                for second in first..<body.count {
                    if ScanResult.scanning(body, table, cuts: [first, second]) != whole {
                        Issue.record("cut at \(first) and \(second)")
                    }
                }
            }
        }
    }

    @Test func longStringsAtEveryLength() {
        let guarded = GuardedBytes(capacity: 4096)
        var captures = [MemberCapture](repeating: MemberCapture(), count: table.names.count)
        for length in 0..<300 {
            for tail in ["", #"\""#, "\u{1f}", "é"] {
                let text = "{\"n\":\"" + String(repeating: "x", count: length) + tail + "\",\"model\":1}"
                let body = Array(text.utf8)
                let p = guarded.put(body)
                var scanner = MemberScanner()
                MemberCapture.reset(&captures, captures.count)
                let state = scanner.feed(p, body.count, table: table.pointer, captures: &captures)
                #expect(state == (tail == "\u{1f}" ? .malformed : .finished))
                if state == .finished {
                    #expect(captures[2].end == UInt64(6 + length + tail.utf8.count + 1))
                    #expect(captures[0].kind == .number)
                }
                // The same string cut off at the edge of the page.
                scanner = MemberScanner()
                let cut = guarded.put(body[..<(6 + length)])
                #expect(scanner.feed(cut, 6 + length, table: table.pointer, captures: &captures) == .needMore)
            }
        }
    }

    /// Blocks of a long string are looked at by wider instructions: what ends it may stand anywhere in one.
    @Test func veryLongStringsEndWhereTheyEnd() {
        let guarded = GuardedBytes(capacity: 16384)
        var captures = [MemberCapture](repeating: MemberCapture(), count: table.names.count)
        let rest = Array(#","model":1}"#.utf8)
        for at in Array(4000..<4400) + [8191, 8192, 8193] {
            for end: UInt8 in [0x22, 0x00, 0x1F, 0x5C] {
                // Neighbours of the bytes that matter, and all that is above ASCII.
                var body = Array(#"{"n":""#.utf8)
                let start = body.count
                for i in 0..<at { body.append([0x20, 0x21, 0x23, 0x5B, 0x5D, 0x7F, 0x80, 0xA2, 0xDC, 0xFF][i % 10]) }
                // A backslash escapes a quote, and the string ends behind that.
                body += end == 0x5C ? [0x5C, 0x22, 0x22] : [end]
                let count = body.count
                body += rest
                var scanner = MemberScanner()
                MemberCapture.reset(&captures, captures.count)
                let p = guarded.put(body)
                let state = scanner.feed(p, body.count, table: table.pointer, captures: &captures)
                #expect(state == (end < 0x20 ? .malformed : .finished))
                if state == .finished {
                    #expect(captures[2].end == UInt64(count) && captures[2].start == UInt64(start - 1))
                    #expect(captures[0].kind == .number)
                }
            }
        }
    }

    @Test func tableOfManyNames() throws {
        let names = (0..<64).map { "name\($0)" + String(repeating: "y", count: $0 * 2) }
        let table = try #require(MemberNameTable(names + names))
        #expect(table.names.count == 64)
        #expect(MemberNameTable(names + ["one more"]) == nil)
        for (at, name) in names.enumerated() {
            for body in ["{\"\(name)\":\(at)}", "{\"n\\u0061me\(name.dropFirst(4))\":\(at)}"] {
                let result = ScanResult.scanning(Array(body.utf8), table)
                #expect(result.captures.firstIndex { $0.kind == .number } == at)
                #expect(result.captures.count { $0.kind != .absent } == 1)
            }
        }
        let empty = try #require(MemberNameTable([]))
        #expect(ScanResult.scanning(Array(#"{"a\n":[1]}"#.utf8), empty).state == .finished)
    }

    @Test func captureLayout() {
        #expect(MemoryLayout<MemberCapture>.offset(of: \.storage) == MemberCapture.storageOffset)
        #expect(MemoryLayout<MemberCapture>.size == 128)
    }

    @Test func agreesWithTheParserOnTheParsingSuite() {
        guard let folder = SharedFiles.folder("json-parsing/test_parsing") else { return }
        for name in SharedFiles.names(in: folder) {
            let bytes = SharedFiles.bytes(folder + "/" + name)
            let state = ScanResult.scanning(bytes, table).state
            let value = try? JSONValue(parsing: bytes)
            if value?.objectValue != nil { #expect(state == .finished, "\(name)") }
            if value != nil && value?.objectValue == nil { #expect(state == .notAnObject, "\(name)") }
            #expect(ScanResult.scanning(bytes, table, cuts: Array(0..<bytes.count)).state == state, "\(name)")
        }
    }
}
