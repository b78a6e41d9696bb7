import Store

/// Reads typed query parameters; each refusal is a 400 that names the parameter. An empty value counts as absent.
struct QueryReader {
    private let parameters: [QueryParameter]

    init(_ parameters: [QueryParameter]) {
        self.parameters = parameters
    }

    /// Refuses parameters the endpoint does not know, and repeated ones: a misspelt filter must not widen an answer.
    static func check(_ parameters: [QueryParameter], against known: [Endpoint.Parameter]) throws(AdminFailure) {
        var seen: Set<String> = []
        for parameter in parameters {
            guard known.contains(where: { $0.name == parameter.name }) else {
                let names = known.map(\.name).joined(separator: ", ")
                throw AdminFailure(
                    status: 400, code: "unknown_parameter", param: parameter.name,
                    "unknown query parameter \"\(parameter.name)\""
                        + (known.isEmpty ? "; this endpoint takes none" : "; known are \(names)"))
            }
            guard seen.insert(parameter.name).inserted else {
                throw .badParameter(parameter.name, "given more than once")
            }
        }
    }

    func string(_ name: String) -> String? {
        guard let value = parameters.first(where: { $0.name == name })?.value, !value.isEmpty else { return nil }
        return value
    }

    func int(_ name: String, in range: ClosedRange<Int>) throws(AdminFailure) -> Int? {
        guard let text = string(name) else { return nil }
        guard let value = Int(text), range.contains(value) else {
            throw .badParameter(name, "must be an integer from \(range.lowerBound) to \(range.upperBound)")
        }
        return value
    }

    func bool(_ name: String) throws(AdminFailure) -> Bool? {
        switch string(name)?.lowercased() {
        case nil: nil
        case "true", "1": true
        case "false", "0": false
        default: throw .badParameter(name, "must be true or false")
        }
    }

    /// One of the given words.
    func word(_ name: String, _ words: [String]) throws(AdminFailure) -> String? {
        guard let value = string(name) else { return nil }
        guard words.contains(value) else {
            throw .badParameter(name, "must be one of \(words.joined(separator: ", "))")
        }
        return value
    }

    /// Which end of a range a time bounds. Both ends are inclusive: a date alone means the whole day, at either end.
    enum Bound {
        case start, end
    }

    /// A date or ISO-8601, as Unix milliseconds. A time without offset is in `offsetMinutes`.
    func time(_ name: String, _ bound: Bound, offsetMinutes: Int) throws(AdminFailure) -> Int64? {
        guard var text = string(name) else { return nil }
        // The `+` of an offset that was not escaped in the query has become a space.
        if text.utf8.count > 16, let space = text.lastIndex(of: " "), space > text.index(text.startIndex, offsetBy: 10)
        {
            text.replaceSubrange(space...space, with: "+")
        }
        let time =
            bound == .start
            ? Timestamp.parse(text, defaultOffsetMinutes: offsetMinutes)
            : Timestamp.parseUpperBound(text, defaultOffsetMinutes: offsetMinutes)
        guard let time else {
            throw .badParameter(
                name, "must be a date (2026-06-06) or an ISO-8601 time (2026-06-06T11:26:55+08:00)")
        }
        return time
    }
}
