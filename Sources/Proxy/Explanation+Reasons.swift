import HTTP
import JSON
import Reactor
import Store

/// Why a route does not take a request, with the value that failed: for people.
extension Explanation {
    static let shownCharacters = 200

    static func reason(
        _ verdict: RouteVerdict, _ route: CompiledRoute, _ record: RouteRecord, _ request: RequestView
    ) -> String {
        switch verdict {
        case .matches: return "would match, but a route before it takes the request"
        case .path: return "the path \(cut(request.path.string)) does not match \(record.matchPath)"
        case .method: return "the method is \(cut(request.methodName.string)), not \(record.matchMethod)"
        case .header(let i):
            let members = record.matchHeaders?.objectValue?.members ?? []
            return header(members[Int(i)].name, members[Int(i)].value, route.headerConditions[Int(i)], request)
        case .member(let i):
            let members = record.matchBodySchema?.objectValue?.members ?? []
            guard request.captures != nil, Int(i) < members.count else { return noObject(request) }
            return member(members[Int(i)].name, members[Int(i)].value, route.memberConditions[Int(i)], request)
        case .schema: return schema(route, request)
        case .needsBody: return "the body is needed to decide"
        }
    }

    private static func noObject(_ request: RequestView) -> String {
        request.body.count == 0 ? "there is no body" : "the body is no JSON object"
    }

    private static func header(
        _ name: String, _ wanted: JSONValue, _ condition: HeaderCondition, _ request: RequestView
    ) -> String {
        var values: [String] = []
        for i in 0..<request.fieldCount where condition.name.names(request.fields[i], request.base) {
            let field = request.fields[i]
            let value = Bytes(request.base + Int(field.valueOffset), Int(field.valueLength))
            values.append(JSONValue.string(cut(value.string)).serialized())
        }
        if condition.test == .absent { return "the header \(name) is there: \(values.joined(separator: ", "))" }
        if values.isEmpty {
            return "the header \(name) is missing" + (condition.test == .present ? "" : ", not \(wanted.serialized())")
        }
        return "the header \(name) is \(values.joined(separator: " and ")), not \(wanted.serialized())"
    }

    private static func member(
        _ name: String, _ wanted: JSONValue, _ condition: MemberCondition, _ request: RequestView
    ) -> String {
        let capture = request.captures.unsafelyUnwrapped[Int(condition.name)]
        guard capture.seenCount > 0, capture.isComplete, capture.end <= UInt64(request.body.count),
            let p = request.body.pointer
        else { return "the body has no member \(name); it must be \(cut(wanted.serialized()))" }
        let value = Bytes(p + Int(capture.start), Int(capture.end - capture.start))
        return "the body's member \(name) is \(cut(value.string)), not \(cut(wanted.serialized()))"
    }

    private static func schema(_ route: CompiledRoute, _ request: RequestView) -> String {
        let bytes = request.body.buffer
        guard let value = try? JSONValue(parsing: bytes, maxDepth: 512), let schema = route.schema else {
            return request.body.count == 0 ? "there is no body" : "the body is no JSON"
        }
        guard let failure = schema._withUnsafeGuaranteedRef({ $0.firstFailure(value) }) else {
            return "the body does not meet match_body_schema"
        }
        // `/messages/0/role: enum`
        let colon = failure.lastIndex(of: ":") ?? failure.endIndex
        let pointer = String(failure[..<colon])
        var reason = "the body does not meet match_body_schema at \(pointer.isEmpty ? "its top" : pointer)"
        reason += " (\(failure[colon...].dropFirst(2)))"
        if let failed = JSONPointerLookup.value(at: pointer, in: value) {
            reason += ": it is \(cut(failed.serialized()))"
        }
        return reason
    }

    private static func cut(_ text: String) -> String {
        text.count > shownCharacters ? text.prefix(shownCharacters) + "…" : text
    }
}

/// RFC 6901, as far as failures of schemas need it.
enum JSONPointerLookup {
    static func value(at pointer: String, in value: JSONValue) -> JSONValue? {
        var found = value
        for token in pointer.split(separator: "/", omittingEmptySubsequences: false).dropFirst() {
            let name = token.split(separator: "~1", omittingEmptySubsequences: false).joined(separator: "/")
                .split(separator: "~0", omittingEmptySubsequences: false).joined(separator: "~")
            switch found {
            case .object(let object):
                guard let member = object[name] else { return nil }
                found = member
            case .array(let elements):
                guard let index = Int(name), elements.indices.contains(index) else { return nil }
                found = elements[index]
            default: return nil
            }
        }
        return found
    }
}
