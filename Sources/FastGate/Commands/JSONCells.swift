import JSON

extension JSONValue {
    /// A member as a table shows it; `-` if there is nothing.
    func cell(_ name: String) -> String { self[name]?.shown ?? "-" }

    /// A time as a table shows it: to the second, without its offset.
    func time(_ name: String) -> String {
        guard let text = self[name]?.stringValue else { return "-" }
        return String(text.prefix(19)).split(separator: "T").joined(separator: " ")
    }

    /// A value for people.
    var shown: String {
        switch self {
        case .null: "-"
        case .bool(let flag): flag ? "yes" : "no"
        case .string(let text): text.isEmpty ? "-" : text
        case .array(let items) where items.allSatisfy({ $0.stringValue != nil }):
            items.isEmpty ? "-" : items.map(\.shown).joined(separator: ", ")
        default: serialized()
        }
    }

    /// All members of an object with their values, for a look at one thing.
    func details(_ names: [String: String] = [:]) -> Table {
        Table(
            pairs: (objectValue?.members ?? []).map { member in
                (names[member.name] ?? member.name, Table.Cell(member.value.shown))
            })
    }
}

/// Members of a request's body that the command line names.
enum BodyMembers {
    static let set = OptionSpec(
        "set", nil, "MEMBER=VALUE", isRepeatable: true,
        help: "set any member of the admin API's object; VALUE is JSON, or else text")

    /// `--set`s of a command, put into the members.
    static func apply(_ options: ParsedOptions, to body: inout JSONObject) throws(CommandFailure) {
        for text in options.all("set") {
            let (name, value) = try pair(text, "--set", options)
            body[name] = (try? JSONValue(parsing: value)) ?? .string(value)
        }
    }

    /// `name=value`.
    static func pair(
        _ text: String, _ option: String, _ options: ParsedOptions
    ) throws(CommandFailure) -> (String, String) {
        guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
            throw options.problem("\(option) must be NAME=VALUE, not \"\(text)\"")
        }
        return (String(text[..<equals]), String(text[text.index(after: equals)...]))
    }

    /// `name: value`, as curl has it, or `name=value`: a header's name holds neither sign.
    static func header(
        _ text: String, _ option: String, _ options: ParsedOptions
    ) throws(CommandFailure) -> (String, String) {
        guard let sign = text.firstIndex(where: { $0 == ":" || $0 == "=" }), sign != text.startIndex else {
            // Not repeated: it may be a secret.
            throw options.problem("\(option) must be NAME=VALUE or NAME:VALUE")
        }
        return (String(text[..<sign]), String(text[text.index(after: sign)...].drop { $0 == " " }))
    }

    /// An option whose value is JSON.
    static func json(_ text: String, _ option: String, _ options: ParsedOptions) throws(CommandFailure) -> JSONValue {
        do throws(JSONParseError) {
            return try JSONValue(parsing: text)
        } catch {
            throw options.problem("\(option) must be JSON: \(error)")
        }
    }
}
