import CScan

/// Where and why text is not JSON.
public struct JSONParseError: Error, Equatable, Sendable, CustomStringConvertible {
    /// Bytes before the offending one.
    public let offset: Int
    /// Counted from 1.
    public let line: Int
    /// Bytes into the line, counted from 1.
    public let column: Int
    public let message: String

    public var description: String { "line \(line), column \(column): \(message)" }
}

extension JSONValue {
    /// Parses one JSON text, strictly as RFC 8259 has it: UTF-8 is validated, lone surrogate escapes, duplicate or
    /// trailing commas, leading zeros and anything after the value are refused. Of duplicate names the last counts.
    /// - Parameter maxDepth: how deep containers may nest; the outermost is level 1.
    public init(parsing bytes: UnsafeRawBufferPointer, maxDepth: Int = 512) throws(JSONParseError) {
        var parser = JSONParser(bytes.assumingMemoryBound(to: UInt8.self), maxDepth: maxDepth)
        self = try parser.parse()
    }

    /// Whether an object in a JSON text, at whatever depth, has a member more than once and with different values: of such
    /// a text two parsers can read two things. False for what is no JSON.
    public static func disagrees(in bytes: UnsafeRawBufferPointer, maxDepth: Int = 512) -> Bool {
        var parser = JSONParser(bytes.assumingMemoryBound(to: UInt8.self), maxDepth: maxDepth)
        parser.comparesDuplicates = true
        return (try? parser.parse()) != nil && parser.disagrees
    }

    public init(parsing bytes: [UInt8], maxDepth: Int = 512) throws(JSONParseError) {
        let result: Result<JSONValue, JSONParseError> = bytes.withUnsafeBytes { raw in
            Result { () throws(JSONParseError) in try JSONValue(parsing: raw, maxDepth: maxDepth) }
        }
        self = try result.get()
    }

    public init(parsing text: String, maxDepth: Int = 512) throws(JSONParseError) {
        try self.init(parsing: Array(text.utf8), maxDepth: maxDepth)
    }
}

/// Builds a value without recursion: open containers are on a stack of their own, so depth costs no thread stack.
private struct JSONParser {
    private let p: UnsafeBufferPointer<UInt8>
    private let maxDepth: Int
    private var i = 0
    // Containers are filled where they lie: taking one out to append to it would copy it each time.
    private var openIsObject: [Bool] = []
    private var arrays: [[JSONValue]] = []
    private var objects: [JSONObject] = []
    private var names: [String] = []
    private var scratch: [UInt8] = []
    /// Whether duplicates are to be looked at, and whether any differed.
    var comparesDuplicates = false
    private(set) var disagrees = false

    init(_ p: UnsafeBufferPointer<UInt8>, maxDepth: Int) {
        self.p = p
        self.maxDepth = maxDepth
    }

    mutating func parse() throws(JSONParseError) -> JSONValue {
        skipSpace()
        while true {
            // Here a value has to begin.
            var value: JSONValue
            switch peek {
            case UInt8(ascii: "{"):
                try checkDepth(i)
                i += 1
                skipSpace()
                if peek == UInt8(ascii: "}") {
                    i += 1
                    value = .object(JSONObject())
                } else {
                    names.append(try memberName())
                    openIsObject.append(true)
                    objects.append(JSONObject())
                    continue
                }
            case UInt8(ascii: "["):
                try checkDepth(i)
                i += 1
                skipSpace()
                if peek == UInt8(ascii: "]") {
                    i += 1
                    value = .array([])
                } else {
                    openIsObject.append(false)
                    arrays.append([])
                    continue
                }
            case UInt8(ascii: "\""): value = .string(try string())
            case UInt8(ascii: "t"): value = try literal("true", .bool(true))
            case UInt8(ascii: "f"): value = try literal("false", .bool(false))
            case UInt8(ascii: "n"): value = try literal("null", .null)
            case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): value = .number(try number())
            default: throw error(i, i < p.count ? "a value was expected" : "the text ends where a value was expected")
            }
            // A value is complete: give it to its container, and close as many containers as end here.
            while true {
                skipSpace()
                guard let inObject = openIsObject.last else {
                    guard i == p.count else { throw error(i, "there is more after the value") }
                    return value
                }
                if inObject {
                    let name = names.removeLast()
                    if comparesDuplicates, let earlier = objects[objects.count - 1][name], earlier != value {
                        disagrees = true
                    }
                    objects[objects.count - 1][name] = value
                } else {
                    arrays[arrays.count - 1].append(value)
                }
                let c = peek
                if c == UInt8(ascii: ",") {
                    i += 1
                    skipSpace()
                    if inObject { names.append(try memberName()) }
                    break
                }
                guard c == (inObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else {
                    throw error(i, inObject ? "',' or '}' was expected" : "',' or ']' was expected")
                }
                i += 1
                openIsObject.removeLast()
                value = inObject ? .object(objects.removeLast()) : .array(arrays.removeLast())
            }
        }
    }

    /// The byte at hand; 0, which is no part of any token, at the end.
    private var peek: UInt8 { i < p.count ? p[i] : 0 }

    private mutating func skipSpace() {
        while i < p.count, p[i] == 0x20 || p[i] == 0x0A || p[i] == 0x0D || p[i] == 0x09 { i += 1 }
    }

    private func checkDepth(_ at: Int) throws(JSONParseError) {
        guard openIsObject.count < maxDepth else { throw error(at, "nested deeper than \(maxDepth)") }
    }

    /// `"name" :` and the space around; leaves a value at hand.
    private mutating func memberName() throws(JSONParseError) -> String {
        guard peek == UInt8(ascii: "\"") else { throw error(i, "a member name in double quotes was expected") }
        let name = try string()
        skipSpace()
        guard peek == UInt8(ascii: ":") else { throw error(i, "':' was expected") }
        i += 1
        skipSpace()
        return name
    }

    private mutating func literal(_ text: StaticString, _ value: JSONValue) throws(JSONParseError) -> JSONValue {
        let start = i
        for k in 0..<text.utf8CodeUnitCount {
            guard peek == text.utf8Start[k] else { throw error(start, "a value was expected") }
            i += 1
        }
        return value
    }

    private mutating func digits() throws(JSONParseError) {
        guard peek &- UInt8(ascii: "0") < 10 else { throw error(i, "a digit was expected") }
        while peek &- UInt8(ascii: "0") < 10 { i += 1 }
    }

    private mutating func number() throws(JSONParseError) -> JSONNumber {
        let start = i
        if peek == UInt8(ascii: "-") { i += 1 }
        if peek == UInt8(ascii: "0") {
            i += 1
            if peek &- UInt8(ascii: "0") < 10 { throw error(i, "a number has a leading zero") }
        } else {
            try digits()
        }
        if peek == UInt8(ascii: ".") {
            i += 1
            try digits()
        }
        if peek | 0x20 == UInt8(ascii: "e") {
            i += 1
            if peek == UInt8(ascii: "+") || peek == UInt8(ascii: "-") { i += 1 }
            try digits()
        }
        return JSONNumber(validated: String(decoding: p[start..<i], as: UTF8.self))
    }

    private mutating func string() throws(JSONParseError) -> String {
        i += 1
        let start = i
        guard let base = p.baseAddress else { throw error(i, "a string does not end") }
        i += cscan_json_plain_run(base + i, p.count - i)
        if peek == UInt8(ascii: "\"") {
            i += 1
            return try text(UnsafeBufferPointer(rebasing: p[start..<(i - 1)]), at: start)
        }
        // There are escapes: put the string together.
        scratch.removeAll(keepingCapacity: true)
        var from = start
        while i < p.count {
            scratch.append(contentsOf: UnsafeBufferPointer(rebasing: p[from..<i]))
            switch p[i] {
            case UInt8(ascii: "\""):
                i += 1
                // Escapes hold no invalid UTF-8, so a fault is in the bytes as they stand.
                guard let whole = String(validating: scratch, as: UTF8.self) else {
                    _ = try text(UnsafeBufferPointer(rebasing: p[start..<(i - 1)]), at: start)
                    throw error(start, "a string is not valid UTF-8")
                }
                return whole
            case UInt8(ascii: "\\"):
                var decoded = JSONEscape()
                let used = decoded.read(base + i, p.count - i)
                guard used > 0 else {
                    throw error(i, used == 0 ? "an escape is not valid" : "a surrogate escape stands alone")
                }
                decoded.append(to: &scratch)
                i += used
            default:
                throw error(i, "a control character stands in a string unescaped")
            }
            from = i
            i += cscan_json_plain_run(base + i, p.count - i)
        }
        throw error(p.count, "a string does not end")
    }

    private func text(_ bytes: UnsafeBufferPointer<UInt8>, at start: Int) throws(JSONParseError) -> String {
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        throw error(start, "a string is not valid UTF-8")
    }

    private func error(_ offset: Int, _ message: String) -> JSONParseError {
        var line = 1
        var lineStart = 0
        for k in 0..<min(offset, p.count) where p[k] == 0x0A {
            line += 1
            lineStart = k + 1
        }
        return JSONParseError(offset: offset, line: line, column: offset - lineStart + 1, message: message)
    }
}
