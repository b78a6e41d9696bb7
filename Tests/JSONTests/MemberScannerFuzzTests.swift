import Testing

@testable import JSON

/// The scanner against the parser, on generated bodies and on damaged ones.
@Suite struct MemberScannerFuzzTests {
    private static let names = ["model", "stream", "n", "", "é", "😀", "a\"b", "messages"]

    struct Generated {
        var text = ""
        /// The values given to each name, as written, in order.
        var values: [String: [String]] = [:]
    }

    private static func space(_ random: inout SplitMix) -> String {
        random.oneIn(3) ? String(repeating: random.pick([" ", "\n", "\t", "\r"]), count: random.below(3)) : ""
    }

    private static func string(_ text: String, _ random: inout SplitMix) -> String {
        var out = "\""
        for c in text.unicodeScalars {
            if random.oneIn(4) || c == "\"" || c == "\\" || c.value < 0x20 {
                for unit in String(c).utf16 {
                    let hex = String(unit, radix: 16, uppercase: random.oneIn(2))
                    out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
                }
            } else {
                out.unicodeScalars.append(c)
            }
        }
        return out + "\""
    }

    private static func value(_ random: inout SplitMix, depth: Int = 0) -> String {
        switch random.below(depth > 3 ? 6 : 9) {
        case 0: return random.pick(["true", "false", "null"])
        case 1: return random.pick(["0", "-0", "1", "1.0", "-12.5e3", "1E-2", "123456789012345678901234567890"])
        case 2, 3: return string(random.pick(["", "gpt-4o", "a\\b\"c", "{\"model\":1}", "]}", "\n\t", "漢字😀"]), &random)
        case 4: return "\"" + String(repeating: "long text ", count: random.below(20)) + "\""
        case 5: return random.pick(["[]", "{}"])
        case 6:
            let count = random.below(4)
            return "["
                + (0..<count).map { _ in space(&random) + value(&random, depth: depth + 1) }.joined(separator: ",")
                + space(&random) + "]"
        default:
            let count = random.below(4)
            return "{"
                + (0..<count).map { _ in member(random.pick(names), value(&random, depth: depth + 1), &random) }
                .joined(separator: ",") + "}"
        }
    }

    private static func member(_ name: String, _ value: String, _ random: inout SplitMix) -> String {
        space(&random) + string(name, &random) + space(&random) + ":" + space(&random) + value + space(&random)
    }

    private static func body(_ random: inout SplitMix) -> Generated {
        var generated = Generated()
        var parts: [String] = []
        for _ in 0..<random.below(7) {
            let name = random.pick(names + ["other", "mode"])
            // Some duplicates agree.
            let known = generated.values[name]?.last
            let text = known != nil && random.oneIn(2) ? known ?? "" : value(&random)
            generated.values[name, default: []].append(text)
            parts.append(member(name, text, &random))
        }
        generated.text = space(&random) + "{" + parts.joined(separator: ",") + "}" + space(&random)
        return generated
    }

    private static func cuts(_ n: Int, _ random: inout SplitMix) -> [Int] {
        (0..<random.below(4)).map { _ in random.below(n + 1) }.sorted()
    }

    @Test func generatedBodies() throws {
        let table = try #require(MemberNameTable(Self.names))
        var random = SplitMix(state: 1)
        for round in 0..<1500 {
            let generated = Self.body(&random)
            let bytes = Array(generated.text.utf8)
            let result = ScanResult.scanning(bytes, table, cuts: Self.cuts(bytes.count, &random))
            guard result.state == .finished else {
                Issue.record("round \(round): \(result.state) \(generated.text)")
                continue
            }
            #expect(result.memberCount == generated.values.values.reduce(0) { $0 + UInt32($1.count) })
            for (at, name) in Self.names.enumerated() {
                let capture = result.captures[at]
                let given = generated.values[name] ?? []
                #expect(Int(capture.seenCount) == given.count)
                guard let last = given.last else { continue }
                let raw = Array(last.utf8)
                #expect(Array(bytes[Int(capture.start)..<Int(capture.end)]) == raw, "\(generated.text)")
                #expect(capture.inline == Array(raw.prefix(MemberCapture.inlineCapacity)))
                let differs =
                    given.contains { $0 != last } || given.count > 1 && raw.count > MemberCapture.inlineCapacity
                #expect(capture.disagrees == differs, "\(generated.text)")
            }
        }
    }

    /// Whatever is done to a body: what the parser takes, the scanner takes and cuts up alike; what the scanner refuses,
    /// the parser refuses.
    @Test func damagedBodies() throws {
        let table = try #require(MemberNameTable(Self.names))
        var random = SplitMix(state: 2)
        let bytesToPutIn: [UInt8] = Array("\"\\{}[],: \n\u{1}ue0-.tn'/x".utf8)
        var parsed = 0
        for _ in 0..<6000 {
            var bytes = Array(Self.body(&random).text.utf8)
            for _ in 0...random.below(3) where !bytes.isEmpty {
                let at = random.below(bytes.count)
                switch random.below(4) {
                case 0: bytes[at] = random.pick(bytesToPutIn)
                case 1: bytes.insert(random.pick(bytesToPutIn), at: at)
                case 2: bytes.remove(at: at)
                default: bytes.removeSubrange(at..<min(bytes.count, at + random.below(4)))
                }
            }
            let result = ScanResult.scanning(bytes, table)
            #expect(ScanResult.scanning(bytes, table, cuts: Self.cuts(bytes.count, &random)) == result)
            guard let value = try? JSONValue(parsing: bytes) else { continue }
            parsed += 1
            guard let object = value.objectValue else {
                #expect(result.state == .notAnObject)
                continue
            }
            guard result.state == .finished else {
                Issue.record("\(result.state): \(String(decoding: bytes, as: UTF8.self))")
                continue
            }
            for (at, name) in Self.names.enumerated() {
                let capture = result.captures[at]
                #expect((object[name] == nil) == (capture.kind == .absent))
                guard let expected = object[name] else { continue }
                #expect(capture.kind == expected.memberKind)
                #expect(try JSONValue(parsing: Array(bytes[Int(capture.start)..<Int(capture.end)])) == expected)
            }
        }
        #expect(parsed > 1000)
    }
}
