import JSON
import Store

/// The members that a JSON body may have; the decoder refuses all others and /openapi.json lists these.
struct ObjectShape: Sendable {
    struct Field: Sendable {
        var name: String
        /// JSON Schema as JSON text.
        var schema: String
        var description: String
        var isRequired: Bool

        init(_ name: String, _ schema: String, _ description: String, required: Bool = false) {
            self.name = name
            self.schema = schema
            self.description = description
            isRequired = required
        }
    }

    var name: String
    var description: String
    var fields: [Field]
    /// Members that exclude each other, unless they are null.
    var exclusive: [String] = []
    /// Members of answers that a change may repeat, so that what GET has given can be sent back: they are ignored.
    var ignored: [String] = []

    /// JSON Schema of texts without control characters.
    static let plainPattern = #""pattern":"^[^\\u0000-\\u001f\\u007f]*$""#

    /// What no path pattern holds, for a class of characters in a pattern.
    static let notInPath = #"\\u0000-\\u0020\\u007f-\\uffff?#\\\\"#

    /// JSON Schema of one of the given words.
    static func words(_ words: [String], default value: String? = nil) -> String {
        let list = words.map { "\"\($0)\"" }.joined(separator: ",")
        let standard = value.map { #","default":"\#($0)""# } ?? ""
        return #"{"type":"string","enum":[\#(list)]\#(standard)}"#
    }

    /// The shape with every member optional, for PATCH.
    func partial(named name: String, description: String) -> ObjectShape {
        var shape = ObjectShape(name: name, description: description, fields: fields, exclusive: exclusive)
        for index in shape.fields.indices { shape.fields[index].isRequired = false }
        return shape
    }

    /// The shape with members of answers that are ignored.
    func ignoring(_ names: [String]) -> ObjectShape {
        var shape = self
        shape.ignored = names
        return shape
    }
}

/// A member of a body: left out, null, or there.
enum Given<Value> {
    case absent, null
    case value(Value)
}

/// Reads the members of a JSON object; each refusal names the member.
struct BodyReader {
    private let object: JSONObject

    /// 415 for another media type, 400 for what is no JSON, 422 for what is no object of that shape.
    init(_ request: AdminRequest, shape: ObjectShape) throws(AdminFailure) {
        try Self.checkMediaType(request)
        guard !request.body.isEmpty else {
            throw AdminFailure(status: 400, code: "missing_body", "a JSON object is required as the body")
        }
        let value: JSONValue
        do {
            value = try JSONValue(parsing: request.body, maxDepth: 128)
        } catch {
            throw AdminFailure(
                status: 400, code: "invalid_json",
                "the body is not JSON: line \(error.line), column \(error.column): \(error.message)")
        }
        guard let object = value.objectValue else {
            throw AdminFailure(status: 422, code: "invalid_body", "the body must be a JSON object")
        }
        for member in object where !shape.fields.contains(where: { $0.name == member.name }) {
            if shape.ignored.contains(member.name) { continue }
            let known = shape.fields.map(\.name).joined(separator: ", ")
            throw AdminFailure(
                status: 422, code: "unknown_field", param: member.name,
                "unknown field \"\(member.name)\"; known are \(known)")
        }
        for field in shape.fields where field.isRequired && object[field.name] == nil {
            throw AdminFailure(
                status: 422, code: "missing_field", param: field.name, "\(field.name): is required")
        }
        self.object = object
    }

    /// 415 for what is not JSON, and for JSON that is compressed; without a media type it is taken for JSON.
    static func checkMediaType(_ request: AdminRequest) throws(AdminFailure) {
        if let coding = request.headers["content-encoding"], coding.lowercased() != "identity" {
            throw AdminFailure(
                status: 415, code: "unsupported_media_type", param: "content-encoding",
                headers: [HeaderLine("accept-encoding", "identity")],
                "content-encoding: must not be \(coding): bodies are taken as they are")
        }
        if let type = request.mediaType, type != "application/json", !type.hasSuffix("+json") {
            throw AdminFailure(
                status: 415, code: "unsupported_media_type", param: "content-type",
                "content-type: must be application/json, not \(type)")
        }
    }

    var isEmpty: Bool { object.isEmpty }

    func has(_ name: String) -> Bool { object[name] != nil }

    /// A body may repeat what names the thing, but not change it.
    func checkUnchanged(_ name: String, _ current: String) throws(AdminFailure) {
        if case .value(let given) = value(name), given != .string(current) {
            throw .conflict(name, "cannot be changed from \"\(current)\" to \(given.serialized())")
        }
    }

    func value(_ name: String) -> Given<JSONValue> {
        switch object[name] {
        case nil: .absent
        case .some(.null): .null
        case .some(let value): .value(value)
        }
    }

    func string(_ name: String, maxLength: Int = 1024) throws(AdminFailure) -> Given<String> {
        switch value(name) {
        case .absent: return .absent
        case .null: return .null
        case .value(let value):
            guard let text = value.stringValue else { throw .badField(name, "must be a string") }
            guard text.utf8.count <= maxLength else {
                throw .badField(name, "must be no longer than \(maxLength) bytes")
            }
            guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else {
                throw .badField(name, "must not contain control characters")
            }
            return .value(text)
        }
    }

    /// One of the given words.
    func word(_ name: String, _ words: [String]) throws(AdminFailure) -> Given<String> {
        let given = try string(name, maxLength: 64)
        if case .value(let text) = given, !words.contains(text) {
            throw .badField(name, "must be one of \(words.joined(separator: ", "))")
        }
        return given
    }

    /// Three capital letters.
    func currency(_ name: String) throws(AdminFailure) -> Given<String> {
        let given = try string(name, maxLength: 64)
        if case .value(let text) = given, text.utf8.count != 3 || !text.utf8.allSatisfy({ (0x41...0x5A).contains($0) })
        {
            throw .badField(name, "must be three capital letters, as in USD")
        }
        return given
    }

    func int(_ name: String, in range: ClosedRange<Int>) throws(AdminFailure) -> Given<Int> {
        switch value(name) {
        case .absent: return .absent
        case .null: return .null
        case .value(let value):
            guard let number = value.intValue, range.contains(number) else {
                throw .badField(name, "must be an integer from \(range.lowerBound) to \(range.upperBound)")
            }
            return .value(number)
        }
    }

    func bool(_ name: String) throws(AdminFailure) -> Given<Bool> {
        switch value(name) {
        case .absent: return .absent
        case .null: return .null
        case .value(let value):
            guard let bool = value.boolValue else { throw .badField(name, "must be true or false") }
            return .value(bool)
        }
    }

    func strings(_ name: String) throws(AdminFailure) -> Given<[String]> {
        switch value(name) {
        case .absent: return .absent
        case .null: return .null
        case .value(let value):
            guard let elements = value.arrayValue else { throw .badField(name, "must be an array of strings") }
            var texts: [String] = []
            for element in elements {
                guard let text = element.stringValue else { throw .badField(name, "must be an array of strings") }
                texts.append(text)
            }
            return .value(texts)
        }
    }

    func object(_ name: String) throws(AdminFailure) -> Given<JSONObject> {
        switch value(name) {
        case .absent: return .absent
        case .null: return .null
        case .value(let value):
            guard let object = value.objectValue else { throw .badField(name, "must be an object") }
            return .value(object)
        }
    }

    /// A date, which stands for its last moment, or ISO-8601, as Unix milliseconds. A time without offset is in
    /// `offsetMinutes`.
    func time(_ name: String, offsetMinutes: Int) throws(AdminFailure) -> Given<Int64> {
        switch try string(name) {
        case .absent: return .absent
        case .null: return .null
        case .value(let text):
            guard let time = Timestamp.parseEnd(text, defaultOffsetMinutes: offsetMinutes) else {
                throw .badField(name, "must be a date (2026-06-06) or an ISO-8601 time (2026-06-06T11:26:55+08:00)")
            }
            return .value(time)
        }
    }
}

extension Given {
    /// The value of a member that has a default and may not be null; `current` stands for what is left out.
    func or(_ current: Value, _ name: String) throws(AdminFailure) -> Value {
        switch self {
        case .absent: return current
        case .null: throw .badField(name, "must not be null")
        case .value(let value): return value
        }
    }

    /// The value of a member that may be null.
    func orNull(_ current: Value?) -> Value? {
        switch self {
        case .absent: current
        case .null: nil
        case .value(let value): value
        }
    }
}
