import JSON
import Store

// Short forms for building answers.
extension JSONValue {
    static func members(_ members: [(String, JSONValue)]) -> JSONValue { .object(JSONObject(members)) }

    static func optional(_ text: String?) -> JSONValue { text.map(JSONValue.string) ?? .null }

    static func optional(_ value: (some BinaryInteger)?) -> JSONValue { value.map { .integer($0) } ?? .null }

    static func optional(_ value: JSONValue?) -> JSONValue { value ?? .null }

    static func strings(_ texts: [String]) -> JSONValue { .array(texts.map(JSONValue.string)) }

    /// Cut to three digits after the point: more would only pretend to be exact.
    static func decimal(_ value: Double) -> JSONValue {
        guard value.isFinite else { return .null }
        let rounded = (value * 1000).rounded() / 1000
        if rounded == rounded.rounded(), abs(rounded) < 1e15 { return .integer(Int64(rounded)) }
        return JSONNumber(rounded).map(JSONValue.number) ?? .null
    }

    static func optionalDecimal(_ value: Double?) -> JSONValue { value.map(JSONValue.decimal) ?? .null }

    static func time(_ milliseconds: Int64?, offsetMinutes: Int) -> JSONValue {
        milliseconds.map { .string(Timestamp.text(milliseconds: $0, offsetMinutes: offsetMinutes)) } ?? .null
    }

    /// JSON text that is part of the program.
    static func literal(_ text: String) -> JSONValue {
        do {
            return try JSONValue(parsing: text)
        } catch {
            preconditionFailure("malformed JSON in the program: \(error): \(text)")
        }
    }
}

extension AdminResponse {
    /// One page of a list.
    static func page(_ items: [JSONValue], total: Int, limit: Int, offset: Int) -> AdminResponse {
        .json(
            .members([
                ("items", .array(items)), ("total", .integer(total)), ("limit", .integer(limit)),
                ("offset", .integer(offset)),
            ]))
    }
}
