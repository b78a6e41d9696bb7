import JSON

/// `fastgate routes …`
enum RoutesCommands {
    static let group = Command(
        group: "routes", "manage routes", sections: [CommonOptions.access],
        [list, show, create, update, toggle, delete, test, match, importFile, export])

    private static let route = Operand("ROUTE")
    private static let routeHelp = "ROUTE is a route's id, or its name if no other has it."

    // MARK: - Commands

    private static let list = Command(
        "list", "list routes in the order they are tried",
        details: ["By priority, then by id. A request goes to the first active route that matches."],
        options: [
            OptionSpec(flag: "active", help: "only routes that take requests"),
            OptionSpec(flag: "inactive", help: "only routes that are off"),
        ] + CommonOptions.tool,
        sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            var query: [QueryParameter] = []
            if let state = try call.options.one(of: "active", "inactive") {
                query.append(QueryParameter("is_active", "\(state == "active")"))
            }
            let routes = try call.access().items("/admin/routes", query: query)
            if call.asJSON { call.print(JSONValue.array(routes)) } else { call.print(table(routes)) }
        })

    private static let show = Command(
        "show", "show a route", details: [routeHelp], operands: [route], options: CommonOptions.tool,
        sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            printRoute(try RouteReference.find(call.options.operands[0], try call.access()), call)
        })

    private static let create = Command(
        "create", "make a route",
        details: [
            "Makes a route; it takes requests at once. What is not given has its default.", RouteOptions.secrets,
        ],
        operands: [Operand("NAME")],
        options: RouteOptions.all + [OptionSpec("id", nil, "ID", help: "the route's id; made up if left out")]
            + CommonOptions.tool,
        examples: [
            "fastgate routes create openai --path '/v1/*' --target https://api.openai.com \\",
            "  --header 'Authorization=Bearer ${OPENAI_API_KEY}'",
            "fastgate routes create local --path '/v1/*' --match-body '{\"model\": \"llama\"}' \\",
            "  --target http://127.0.0.1:8000 --priority 10",
        ],
        sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            var body = try RouteOptions.body(call.options)
            body["route_name"] = .string(call.options.operands[0])
            if let id = call.options.value("id") { body["route_id"] = .string(id) }
            for (member, option) in [("match_path", "--path"), ("target_host", "--target")] where body[member] == nil {
                throw call.options.problem("\(option) is missing")
            }
            let access = try call.access(createsDatabase: true)
            printRoute(try access.json(APIRequest("POST", "/admin/routes", body: .object(body))), call)
        })

    private static let update = Command(
        "update", "change a route",
        details: ["Changes what is given and leaves the rest. \(routeHelp)", RouteOptions.secrets], operands: [route],
        options: [OptionSpec("name", nil, "NAME", help: "its name")] + RouteOptions.all + CommonOptions.tool,
        examples: ["fastgate routes update openai --timeout 60 --retries 2"], sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            var body = try RouteOptions.body(call.options)
            if let name = call.options.value("name") { body["route_name"] = .string(name) }
            guard !body.isEmpty else { throw call.options.problem("there is nothing to change") }
            let access = try call.access()
            let path = try RouteReference.path(call.options.operands[0], access)
            printRoute(try access.json(APIRequest("PATCH", path, body: .object(body))), call)
        })

    private static let toggle = Command(
        "toggle", "turn a route on or off", details: ["On if it is off, and off if it is on. \(routeHelp)"],
        operands: [route], options: CommonOptions.tool, sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            let access = try call.access()
            let path = try RouteReference.path(call.options.operands[0], access)
            let changed = try access.json(APIRequest("POST", path + "/toggle"))
            if call.asJSON { return call.print(changed) }
            let verb = changed["is_active"]?.boolValue == true ? "turned on" : "turned off"
            call.console.print(printable("\(verb) \(changed.cell("route_name"))"))
        })

    private static let delete = Command(
        "delete", "delete routes", details: ["Requests that a route has taken already go on. \(routeHelp)"],
        operands: [Operand("ROUTE", isRepeatable: true)], options: CommonOptions.tool, sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            let access = try call.access()
            // All of them first: nothing is deleted if one is misspelt.
            var routes: [JSONValue] = []
            for name in call.options.operands { routes.append(try RouteReference.find(name, access)) }
            for route in routes {
                _ = try access.json(APIRequest("DELETE", RouteReference.path(of: route)))
                if !call.asJSON { call.console.print(printable("deleted \(route.cell("route_name"))")) }
            }
            if call.asJSON { call.print(JSONValue.array(routes)) }
        })

    private static let test = Command(
        "test", "try a route's target",
        details: [
            """
            Sends one HEAD request to the target, from the gateway if one runs and else from here, and says how far it \
            came. Ends with 1 if the target did not answer, or with a status from 500 up. \(routeHelp)
            """
        ],
        operands: [route], options: CommonOptions.tool, sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            let access = try call.access()
            let path = try RouteReference.path(call.options.operands[0], access)
            let result = try access.json(APIRequest("POST", path + "/test"))
            if call.asJSON { call.print(result) } else { call.print(result.details()) }
            guard result["ok"]?.boolValue == true else {
                throw CommandFailure(message: "the target of \(call.options.operands[0]) is not well")
            }
        })

    private static let match = Command(
        "match", "say which route or provider would take a request",
        details: [
            """
            Says for each route, and where none takes the request for each provider, why it would, or why not. Ends with 1 \
            if none would.
            """
        ],
        operands: [Operand("PATH")],
        options: [
            OptionSpec("method", "X", "METHOD", help: "the request's method; GET unless given, POST with a body"),
            OptionSpec("header", "H", "NAME:VALUE", isRepeatable: true, help: "a header of the request"),
            OptionSpec(
                "body", "d", "TEXT", .file,
                help: "the request's body; @FILE reads it from a file, @- from standard input"),
            OptionSpec("key", nil, "KEY_ID", help: "the caller's key, whose models, budget and open requests count"),
        ] + CommonOptions.tool,
        examples: ["fastgate routes match /v1/chat/completions -d '{\"model\": \"gpt-4o\"}'"],
        sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in try RouteMatch(call: call).run() })

    private static let importFile = Command(
        "import", "create and replace routes from a JSON file",
        details: [
            """
            FILE ("-" is standard input) holds a JSON array of routes, or an object with the array as "items" or \
            "routes", as routes export prints it. A route with the route_id of an existing one replaces it; so does one \
            without route_id but with the route_name of exactly one existing route. All others are new. Members that are \
            left out get their defaults. The routes are taken one by one; the first that is refused ends the import, and \
            those before it stay.
            """
        ],
        operands: [Operand("FILE", .file)],
        options: [
            OptionSpec(flag: "dry-run", "n", help: "say what would be done, and do nothing"),
            OptionSpec(flag: "replace", help: "then delete all routes that FILE does not have"),
        ] + CommonOptions.tool,
        sections: [
            HelpSection(
                title: "FORMAT",
                paragraphs: [
                    """
                     [{"route_name": "openai", "match_path": "/v1/*",
                       "target_host": "api.openai.com:443", "target_protocol": "https",
                       "add_headers": {"Authorization": "Bearer ${OPENAI_API_KEY}"}}]
                    """
                ]),
            CommonOptions.access,
        ],
        action: { (call) throws(CommandFailure) in try RouteFiles(call: call).importRoutes() })

    private static let export = Command(
        "export", "print all routes as JSON",
        details: [
            """
            Prints a JSON array that routes import takes. Header values appear as they are stored: keep secrets in the \
            environment and name them as ${NAME}.
            """
        ],
        options: [
            OptionSpec("output", "o", "FILE", .file, help: "write to FILE (mode 0600) instead of standard output")
        ]
            + CommonOptions.quiet,
        sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in try RouteFiles(call: call).export() })

    // MARK: - Showing

    private static func printRoute(_ route: JSONValue, _ call: Call) {
        if call.asJSON { call.print(route) } else { call.print(route.details()) }
    }

    static func table(_ routes: [JSONValue]) -> Table {
        var table = Table([
            .init("PRIORITY", .right), .init("ID", shrinks: true), .init("NAME", shrinks: true), .init("STATE"),
            .init("METHOD"), .init("PATH", shrinks: true), .init("ALSO"), .init("TARGET", shrinks: true),
            .init("WEIGHT", .right),
        ])
        for route in routes {
            var conditions: [String] = []
            if route["match_headers"]?.objectValue?.isEmpty == false { conditions.append("headers") }
            if route["match_body_schema"]?.objectValue?.isEmpty == false { conditions.append("body") }
            let path = route["target_path"]?.stringValue ?? ""
            let isActive = route["is_active"]?.boolValue == true
            table.add([
                .init(route.cell("priority")), .init(route.cell("route_id"), .dim),
                .init(route.cell("route_name"), .cyan), isActive ? .init("active", .green) : .init("off", .red),
                .init(route.cell("match_method")), .init(route.cell("match_path")),
                .init(conditions.isEmpty ? "-" : conditions.joined(separator: ",")),
                .init("\(route.cell("target_protocol"))://\(route.cell("target_host"))\(path)"),
                .init(route.cell("weight")),
            ])
        }
        return table
    }
}

/// A route as the command line names it.
enum RouteReference {
    /// The route of this id, or the one of this name.
    static func find(_ text: String, _ access: any AdminAccess) throws(CommandFailure) -> JSONValue {
        if let route = try access.jsonIfThere(APIRequest("GET", "/admin/routes/\(APIRequest.encoded(text))")) {
            return route
        }
        let routes = try access.items("/admin/routes", query: [QueryParameter("route_name", text)])
        let named = routes.filter { $0["route_name"]?.stringValue == text }
        if named.count == 1 { return named[0] }
        let ids = named.map { $0.cell("route_id") }.joined(separator: ", ")
        throw CommandFailure(
            message: named.isEmpty
                ? "there is no route \(text)" : "\(named.count) routes are called \(text): \(ids)",
            hint: named.isEmpty ? "\"fastgate routes list\" shows all routes." : "Name one of them by its id.")
    }

    /// Where the admin API has it.
    static func path(_ text: String, _ access: any AdminAccess) throws(CommandFailure) -> String {
        path(of: try find(text, access))
    }

    static func path(of route: JSONValue) -> String {
        "/admin/routes/\(APIRequest.encoded(route["route_id"]?.stringValue ?? ""))"
    }
}
