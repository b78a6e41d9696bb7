import JSON

/// Lists of the audit. The admin API looks only so far for a page, and answers with what it has found until then; who
/// asks for fifty rows wants fifty, however rare they are.
enum LogPages {
    /// The page that holds up to `limit` rows, as the admin API answers it: its `items`, and the `next_cursor` behind
    /// them.
    static func first(
        _ limit: Int, _ query: [QueryParameter], _ access: any AdminAccess
    ) throws(CommandFailure) -> (items: [JSONValue], page: JSONObject) {
        var items: [JSONValue] = []
        var cursor: String?
        while true {
            var parameters = query.filter { $0.name != "cursor" || cursor == nil }
            if let cursor { parameters.append(QueryParameter("cursor", cursor)) }
            parameters.append(QueryParameter("limit", "\(limit - items.count)"))
            let answer = try access.json(APIRequest("GET", "/admin/logs", query: parameters))
            guard var page = answer.objectValue, let found = page["items"]?.arrayValue else {
                throw CommandFailure(message: "the admin API's answer is not a list")
            }
            items += found
            cursor = page["next_cursor"]?.stringValue
            if cursor == nil || items.count >= limit {
                page["items"] = .array(items)
                return (items, page)
            }
        }
    }
}
