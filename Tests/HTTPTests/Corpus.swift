import Glibc

/// The shared corpora of HTTP/1 messages: one flat JSON object a line, the message in hexadecimal.
struct CorpusCase: Sendable {
    var id = ""
    var expect = ""
    var note = ""
    var method = "GET"
    var end = "fin"
    var bytes: [UInt8] = []
    /// Complete requests that have to be, or may at most be, forwarded.
    var n = 1
    var pre = 0
    var status: [Int] = []
    var body: [UInt8]?
}

enum Corpus {
    static let folder: String = {
        var parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        parts.removeLast(4)
        return parts.joined(separator: "/") + "/shared/wire"
    }()

    /// The cases of `name`.jsonl or `name`.jsonl.xz; nil, and why on standard output, if there are none.
    static func load(_ name: String) -> [CorpusCase]? {
        let path = "\(folder)/\(name).jsonl"
        let command =
            if access(path, R_OK) == 0 { "cat '\(path)'" } else { "xz -dc '\(path).xz' 2>/dev/null" }
        guard let pipe = popen(command, "r") else { return nil }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = fread(&buffer, 1, buffer.count, pipe)
            if count == 0 { break }
            bytes += buffer[..<count]
        }
        guard pclose(pipe) == 0, !bytes.isEmpty else {
            print("skipped: no corpus \(name) in \(folder) (or no xz)")
            return nil
        }
        return bytes.split(separator: UInt8(ascii: "\n")).map { parse($0) }
    }

    private static func parse(_ line: ArraySlice<UInt8>) -> CorpusCase {
        var result = CorpusCase()
        var reader = FlatObject(line)
        while let (name, value) = reader.next() {
            switch name {
            case "id": result.id = value
            case "expect": result.expect = value
            case "note": result.note = value
            case "method": result.method = value
            case "end": result.end = value
            case "hex": result.bytes = hex(value)
            case "body": result.body = hex(value)
            case "n": result.n = Int(value) ?? 1
            case "pre": result.pre = Int(value) ?? 0
            case "status": result.status = value.split { !$0.isNumber }.compactMap { Int($0) }
            default: break
            }
        }
        return result
    }

    private static func hex(_ text: String) -> [UInt8] {
        func digit(_ byte: UInt8) -> UInt8 { byte < 0x40 ? byte - 0x30 : (byte | 0x20) - 0x61 + 10 }
        let digits = Array(text.utf8)
        return stride(from: 0, to: digits.count - 1, by: 2).map { digit(digits[$0]) << 4 | digit(digits[$0 + 1]) }
    }
}

/// Members of one JSON object without nested objects: strings unescaped, anything else as it stands.
private struct FlatObject {
    private let bytes: [UInt8]
    private var position = 0

    init(_ line: ArraySlice<UInt8>) { bytes = Array(line) }

    mutating func next() -> (String, String)? {
        guard skip(to: UInt8(ascii: "\"")) else { return nil }
        let name = string()
        guard skip(to: UInt8(ascii: ":")) else { return nil }
        position += 1
        while position < bytes.count, bytes[position] == 0x20 { position += 1 }
        if position < bytes.count, bytes[position] == UInt8(ascii: "\"") { return (name, string()) }
        let start = position
        var depth = 0
        while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "["), UInt8(ascii: "{"): depth += 1
            case UInt8(ascii: "]") where depth > 0: depth -= 1
            case UInt8(ascii: ",") where depth == 0, UInt8(ascii: "}") where depth == 0:
                return (name, String(decoding: bytes[start..<position], as: UTF8.self))
            case UInt8(ascii: "}"): depth -= 1
            default: break
            }
            position += 1
        }
        return nil
    }

    private mutating func skip(to byte: UInt8) -> Bool {
        while position < bytes.count, bytes[position] != byte { position += 1 }
        return position < bytes.count
    }

    private mutating func string() -> String {
        position += 1
        var text: [UInt8] = []
        while position < bytes.count, bytes[position] != UInt8(ascii: "\"") {
            if bytes[position] == UInt8(ascii: "\\") { position += 1 }
            text.append(bytes[position])
            position += 1
        }
        position += 1
        return String(decoding: text, as: UTF8.self)
    }
}
