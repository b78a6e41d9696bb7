import JSON

/// What an import will do, step by step.
struct RouteImport {
    enum Action: String {
        case create, replace, delete

        var past: String {
            switch self {
            case .create: "created"
            case .replace: "replaced"
            case .delete: "deleted"
            }
        }

        var intention: String { "would \(rawValue)" }
    }

    struct Step {
        let action: Action
        let request: APIRequest
        /// Nil for a new route that will be given one.
        let id: String?
        /// For people: the name, or else the id.
        let name: String
        /// Where in the file it is.
        let place: String
    }

    private(set) var steps: [Step] = []

    init(routes: [JSONValue], existing: [JSONValue], replaces: Bool) throws(CommandFailure) {
        let existingIDs = existing.compactMap { $0["route_id"]?.stringValue }
        var seen: [String: String] = [:]
        for (index, route) in routes.enumerated() {
            guard route.objectValue != nil else {
                throw CommandFailure(message: "routes[\(index)]: must be an object")
            }
            let name = route["route_name"]?.stringValue
            let place = "routes[\(index)]" + (name.map { " (\($0))" } ?? "")
            let id = route["route_id"]?.stringValue ?? Self.id(named: name, in: existing)
            if let id, let first = seen.updateValue(place, forKey: id) {
                throw CommandFailure(message: "\(place): has the same route_id as \(first)")
            }
            if let id, existingIDs.contains(id) {
                let path = "/admin/routes/\(APIRequest.encoded(id))"
                steps.append(
                    Step(
                        action: .replace, request: APIRequest("PUT", path, body: route), id: id, name: name ?? id,
                        place: place))
            } else {
                steps.append(
                    Step(
                        action: .create, request: APIRequest("POST", "/admin/routes", body: route), id: id,
                        name: name ?? id ?? "routes[\(index)]", place: place))
            }
        }
        guard replaces else { return }
        for route in existing {
            guard let id = route["route_id"]?.stringValue, seen[id] == nil else { continue }
            let name = route["route_name"]?.stringValue ?? id
            steps.append(
                Step(
                    action: .delete, request: APIRequest("DELETE", "/admin/routes/\(APIRequest.encoded(id))"), id: id,
                    name: name, place: name))
        }
    }

    /// The id of the one existing route of this name, if it is exactly one.
    private static func id(named name: String?, in existing: [JSONValue]) -> String? {
        guard let name else { return nil }
        let matching = existing.filter { $0["route_name"]?.stringValue == name }
        return matching.count == 1 ? matching[0]["route_id"]?.stringValue : nil
    }
}
