import JSON

/// `fastgate routes import` and `export`
struct RouteFiles {
    /// The longest file that is imported.
    static let maxFileBytes = 64 << 20
    /// Members that an export has and that are the gateway's own.
    private static let ownMembers = ["created_at", "updated_at"]

    let call: Call

    func export() throws(CommandFailure) {
        let routes = try call.access().items("/admin/routes").map(Self.withoutOwnMembers)
        let bytes = JSONValue.array(routes).serializedBytes(pretty: true) + [10]
        let output = try Output(call.options.value("output"), call.console)
        guard output.write(bytes) else { throw output.failure }
        try output.finish()
    }

    func importRoutes() throws(CommandFailure) {
        let path = call.options.operands[0]
        let isDryRun = call.options.has("dry-run")
        let access = try call.access(createsDatabase: !isDryRun)
        let plan = try RouteImport(
            routes: try Self.read(path), existing: try access.items("/admin/routes"),
            replaces: call.options.has("replace"))
        var done: [JSONValue] = []
        let progress = Progress(
            call.console, "routes", total: plan.steps.count,
            isMixed: isDryRun || (!call.asJSON && call.console.columns != nil))
        for step in plan.steps {
            if !isDryRun {
                do throws(CommandFailure) {
                    _ = try access.json(step.request)
                } catch {
                    progress.finish()
                    report(done)
                    throw CommandFailure(
                        message: "\(path): \(step.place): \(error.message)"
                            + (done.isEmpty ? "" : " (the \(done.count) before it stay)"), hint: error.hint)
                }
            }
            done.append([
                "action": .string(step.action.rawValue), "route_id": step.id.map { .string($0) } ?? .null,
                "route_name": .string(step.name),
            ])
            progress.update(done.count)
            let verb = isDryRun ? step.action.intention : step.action.past
            if !call.asJSON { call.console.print("\(verb) \(printable(step.name))") }
        }
        progress.finish()
        report(done)
    }

    private func report(_ done: [JSONValue]) {
        if call.asJSON { call.print(JSONValue.array(done)) }
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
                message: "\(path): must be a JSON array of routes, or an object that has one as \"items\" or \"routes\""
            )
        }
        return routes.map(withoutOwnMembers)
    }

    private static func withoutOwnMembers(_ route: JSONValue) -> JSONValue {
        guard let object = route.objectValue else { return route }
        return .object(
            JSONObject(object.members.filter { !ownMembers.contains($0.name) }.map { ($0.name, $0.value) }))
    }
}
