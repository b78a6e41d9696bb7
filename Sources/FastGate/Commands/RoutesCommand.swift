import Glibc
import JSON

/// `fastgate routes …`
struct RoutesCommand {
    /// The longest file that is imported.
    static let maxFileBytes = 64 << 20
    /// Members that an export has and that are the gateway's own.
    private static let ownMembers = ["created_at", "updated_at"]

    let access: any AdminAccess
    let console: any Console
    let asJSON: Bool

    func list() throws(CommandFailure) {
        let routes = try access.items("/admin/routes")
        if asJSON {
            console.print(JSONValue.array(routes).serialized(pretty: true))
            return
        }
        var table = Table([
            ("PRIORITY", .right), ("ID", .left), ("NAME", .left), ("STATE", .left), ("METHOD", .left),
            ("PATH", .left), ("ALSO", .left), ("TARGET", .left), ("WEIGHT", .right),
        ])
        for route in routes {
            var conditions: [String] = []
            if route["match_headers"]?.objectValue?.isEmpty == false { conditions.append("headers") }
            if route["match_body_schema"]?.objectValue?.isEmpty == false { conditions.append("body") }
            let path = route["target_path"]?.stringValue ?? ""
            table.add([
                route.cell("priority"), route.cell("route_id"), route.cell("route_name"),
                route["is_active"]?.boolValue == true ? "active" : "off", route.cell("match_method"),
                route.cell("match_path"), conditions.isEmpty ? "-" : conditions.joined(separator: ","),
                "\(route.cell("target_protocol"))://\(route.cell("target_host"))\(printable(path))",
                route.cell("weight"),
            ])
        }
        table.lines.forEach(console.print)
    }

    func export(to path: String?) throws(CommandFailure) {
        let routes = try access.items("/admin/routes").map(Self.withoutOwnMembers)
        let bytes = JSONValue.array(routes).serializedBytes(pretty: true) + [10]
        let output = try Output(path, console)
        guard output.write(bytes) else { throw output.failure }
        try output.finish()
    }

    func importRoutes(_ options: RouteImportOptions) throws(CommandFailure) {
        let existing = try access.items("/admin/routes")
        let plan = try RouteImport(routes: try Self.read(options.path), existing: existing, replaces: options.replaces)
        var done: [JSONValue] = []
        for step in plan.steps {
            let (verb, name) = (options.isDryRun ? step.action.intention : step.action.past, step.name)
            if !options.isDryRun {
                do throws(CommandFailure) {
                    _ = try access.json(step.request)
                } catch {
                    report(done)
                    throw CommandFailure(
                        message: "\(step.place): \(error.message)"
                            + (done.isEmpty ? "" : " (the \(done.count) before it stay)"))
                }
            }
            done.append([
                "action": .string(step.action.rawValue), "route_id": step.id.map { .string($0) } ?? .null,
                "route_name": .string(name),
            ])
            if !asJSON { console.print("\(verb) \(printable(name))") }
        }
        report(done)
    }

    private func report(_ done: [JSONValue]) {
        if asJSON { console.print(JSONValue.array(done).serialized(pretty: true)) }
    }

    /// The routes of a file: an array, or an object that has one as `items` or `routes`.
    private static func read(_ path: String) throws(CommandFailure) -> [JSONValue] {
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try readFile(path, limit: maxFileBytes)
        } catch {
            throw CommandFailure(message: "\(error)")
        }
        let value: JSONValue
        do throws(JSONParseError) {
            value = try JSONValue(parsing: bytes)
        } catch {
            throw CommandFailure(message: "\(path): \(error)")
        }
        guard let routes = value.arrayValue ?? value["items"]?.arrayValue ?? value["routes"]?.arrayValue else {
            throw CommandFailure(
                message: "\(path): must be a JSON array of routes, or an object that has one as \"items\" or \"routes\"")
        }
        return routes.map(withoutOwnMembers)
    }

    private static func withoutOwnMembers(_ route: JSONValue) -> JSONValue {
        guard let object = route.objectValue else { return route }
        return .object(
            JSONObject(object.members.filter { !ownMembers.contains($0.name) }.map { ($0.name, $0.value) }))
    }
}

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
