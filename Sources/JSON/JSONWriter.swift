extension JSONValue {
    /// The value as JSON text. Numbers keep their literals, members their order.
    /// - Parameter pretty: two spaces a level and a line for each element, instead of no space at all.
    public func serialized(pretty: Bool = false) -> String {
        String(decoding: serializedBytes(pretty: pretty), as: UTF8.self)
    }

    /// The value as JSON text in UTF-8.
    public func serializedBytes(pretty: Bool = false) -> [UInt8] {
        var out: [UInt8] = []
        write(into: &out, pretty: pretty)
        return out
    }

    /// Appends the value as JSON text.
    public func write(into out: inout [UInt8], pretty: Bool = false, level: Int = 0) {
        func newLine(_ level: Int) {
            guard pretty else { return }
            out.append(0x0A)
            out.append(contentsOf: repeatElement(0x20, count: 2 * level))
        }
        switch self {
        case .null: out.append(contentsOf: "null".utf8)
        case .bool(let value): out.append(contentsOf: (value ? "true" : "false").utf8)
        case .number(let value): out.append(contentsOf: value.literal.utf8)
        case .string(let value): JSONText.escape(value, into: &out)
        case .array(let elements):
            out.append(UInt8(ascii: "["))
            for (at, element) in elements.enumerated() {
                if at > 0 { out.append(UInt8(ascii: ",")) }
                newLine(level + 1)
                element.write(into: &out, pretty: pretty, level: level + 1)
            }
            if !elements.isEmpty { newLine(level) }
            out.append(UInt8(ascii: "]"))
        case .object(let object):
            out.append(UInt8(ascii: "{"))
            for (at, member) in object.members.enumerated() {
                if at > 0 { out.append(UInt8(ascii: ",")) }
                newLine(level + 1)
                JSONText.escape(member.name, into: &out)
                out.append(UInt8(ascii: ":"))
                if pretty { out.append(0x20) }
                member.value.write(into: &out, pretty: pretty, level: level + 1)
            }
            if !object.isEmpty { newLine(level) }
            out.append(UInt8(ascii: "}"))
        }
    }
}
