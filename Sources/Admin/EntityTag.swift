import JSON
import Reactor

/// Entity tags of keys, routes and providers (RFC 9110 §8.8.3): whoever sends one back in If-Match changes only what it has seen.
enum EntityTag {
    /// Members that change by themselves, and are no part of what an operator changes.
    private static let unstable: Set<String> = [
        "usage_count", "last_used_at", "key_value",
        // What exchanges spend of a budget.
        "tokens_spent", "amount_spent", "budget_since", "budget_resets_at",
        // How a provider and its keys fare.
        "health", "keys", "discovered_models", "discovered_at", "state", "state_reason", "cooling_until",
        "state_changed_at", "readable", "requests", "failures",
    ]

    /// A strong tag, made from the content.
    static func of(_ value: JSONValue) -> String {
        var object = JSONObject()
        for member in value.objectValue ?? JSONObject() where !unstable.contains(member.name) {
            object[member.name] = member.value
        }
        return "\"" + SHA256.hex(JSONValue.object(object).serialized()).prefix(32) + "\""
    }

    /// 412 if the request has an If-Match that does not name what is stored (RFC 9110 §13.1.1). Without one, all is well.
    static func check(_ request: AdminRequest, against current: JSONValue) throws(AdminFailure) {
        guard let given = request.headers["if-match"] else { return }
        let tag = of(current)
        let matches = given.split(separator: ",").contains { candidate in
            let text = candidate.drop { $0 == " " || $0 == "\t" }.reversed().drop { $0 == " " || $0 == "\t" }.reversed()
            return String(text) == "*" || String(text) == tag
        }
        guard !matches else { return }
        throw AdminFailure(
            status: 412, type: "conflict_error", code: "precondition_failed", param: "if-match",
            headers: [HeaderLine("etag", tag)], "if-match: somebody else has changed it since; read it again")
    }
}

extension AdminResponse {
    /// One key or route, with its tag.
    static func entity(_ value: JSONValue, status: UInt16 = 200) -> AdminResponse {
        var response = json(value, status: status)
        response.headers.append(HeaderLine("etag", EntityTag.of(value)))
        return response
    }
}
