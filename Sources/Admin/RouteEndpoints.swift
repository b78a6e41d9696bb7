import JSON
import Proxy
import Store

private let routeSchema = Endpoint.reference("Route")

extension AdminAPI {
    static let routeEndpoints: [Endpoint] = [
        Endpoint(
            method: "POST", path: "/admin/routes", operationID: "createRoute", tag: "routes",
            summary: "Makes a route; it takes requests at once.", body: .init(schemaName: "RouteInput"),
            answers: [.json("The route.", status: 201, schema: routeSchema)], failures: [400, 409, 415, 422],
            handler: .quick(createRoute)),
        Endpoint(
            method: "GET", path: "/admin/routes", operationID: "listRoutes", tag: "routes",
            summary: "Lists routes in the order in which they are tried.",
            parameters: [
                .init("route_name", #"{"type":"string"}"#, "Only routes whose name contains this."),
                .init("match_path", #"{"type":"string"}"#, "Only routes with exactly this pattern."),
                .init("target_host", #"{"type":"string"}"#, "Only routes to exactly this target."),
                .init("is_active", #"{"type":"boolean"}"#, "Only active or only inactive routes."),
                .limit(default: 1000, max: 10_000), .offset,
            ],
            answers: [.json("A page of routes.", schema: Endpoint.reference("RouteList"))],
            failures: [400], handler: .quick(listRoutes)),
        Endpoint(
            method: "POST", path: "/admin/routes/match", operationID: "matchRoute", tag: "routes",
            summary: "Says which route would take a request, and why each other did not.",
            body: .init(schemaName: "MatchRequest"),
            answers: [.json("The decision.", schema: Endpoint.reference("MatchResult"))],
            failures: [400, 415, 422], handler: .quick(matchRoute)),
        Endpoint(
            method: "GET", path: "/admin/routes/{route_id}", operationID: "getRoute", tag: "routes",
            summary: "Shows a route.", answers: [.json("The route.", schema: routeSchema)], failures: [404],
            handler: .quick { (context, request) throws(AdminFailure) in
                let id = request.pathValues[0]
                return .entity(RouteJSON.encode(try route(id, context), offsetMinutes: context.offsetMinutes))
            }),
        Endpoint(
            method: "PUT", path: "/admin/routes/{route_id}", operationID: "replaceRoute", tag: "routes",
            summary: "Replaces a route: what is left out gets its default. Makes no new route.",
            body: .init(schemaName: "RouteReplacement"), answers: [.json("The route.", schema: routeSchema)],
            failures: [400, 404, 409, 412, 415, 422], takesIfMatch: true, handler: .quick(replaceRoute)),
        Endpoint(
            method: "PATCH", path: "/admin/routes/{route_id}", operationID: "updateRoute", tag: "routes",
            summary: "Changes the members that are given.", body: .init(schemaName: "RoutePatch"),
            answers: [.json("The changed route.", schema: routeSchema)], failures: [400, 404, 409, 412, 415, 422],
            takesIfMatch: true, handler: .quick(updateRoute)),
        Endpoint(
            method: "DELETE", path: "/admin/routes/{route_id}", operationID: "deleteRoute", tag: "routes",
            summary: "Deletes a route; requests that it has taken go on.",
            answers: [.init(status: 204, description: "Deleted.")], failures: [404, 412], takesIfMatch: true,
            handler: .quick { (context, request) throws(AdminFailure) in
                let id = request.pathValues[0]
                try context.exclusively { () throws(AdminFailure) in
                    try check(request, try route(id, context), context)
                    let deleted = try context.write { writer throws(StoreError) in try writer.deleteRoute(id) }
                    guard deleted else { throw .notFound("route", id) }
                }
                return .noContent
            }),
        Endpoint(
            method: "POST", path: "/admin/routes/{route_id}/toggle", operationID: "toggleRoute", tag: "routes",
            summary: "Turns a route on if it is off, and off if it is on.",
            answers: [.json("The changed route.", schema: routeSchema)], failures: [404, 412, 422],
            takesIfMatch: true, handler: .quick(toggleRoute)),
        Endpoint(
            method: "POST", path: "/admin/routes/{route_id}/test", operationID: "testRoute", tag: "routes",
            summary: "Tries the target once with a HEAD request. ok means an answer with a status below 500.",
            answers: [.json("What came of it.", schema: Endpoint.reference("ProbeResult"))],
            failures: [404],
            handler: .slow { (context, request) throws(AdminFailure) in
                let route = try route(request.pathValues[0], context)
                let probe = TargetProbe(route: route, settings: context.settings, version: context.shared.version)
                return .json(probe.run().json)
            }),
    ]

    private static func route(_ id: String, _ context: HandlerContext) throws(AdminFailure) -> RouteRecord {
        let route = try context.read { reader throws(StoreError) in try reader.route(id) }
        guard let route else { throw .notFound("route", id) }
        return route
    }

    /// Refuses a change of another state of the route than If-Match speaks of.
    private static func check(_ request: AdminRequest, _ route: RouteRecord, _ context: HandlerContext)
        throws(AdminFailure)
    {
        try EntityTag.check(request, against: RouteJSON.encode(route, offsetMinutes: context.offsetMinutes))
    }

    /// Refuses what the gateway could not serve, before it is stored.
    private static func check(_ route: RouteRecord, _ gateway: any GatewayControl) throws(AdminFailure) {
        if let problem = gateway.validate(route) { throw .badField(problem.field, problem.message) }
    }

    /// The same for a change. What has become wrong without a change (a variable that the environment has no more, what an
    /// earlier version took) must not keep an operator from turning the route off, nor from changing something else of one
    /// that is served all the same.
    private static func check(_ route: RouteRecord, replacing old: RouteRecord, _ gateway: any GatewayControl)
        throws(AdminFailure)
    {
        var judged = route
        var passed: [String] = []
        while let problem = gateway.validate(judged) {
            let field = problem.field
            let (now, before) = (RouteJSON.encode(route, offsetMinutes: 0), RouteJSON.encode(old, offsetMinutes: 0))
            let mayStay = !route.isActive || RouteCheck.formerFields(route).contains { $0.field == field }
            // With something harmless in its place, what else may be wrong comes to light.
            guard now[field] == before[field], mayStay, !passed.contains(field), RouteJSON.reset(field, &judged) else {
                throw .badField(field, problem.message)
            }
            passed.append(field)
        }
    }

    private static func createRoute(_ context: HandlerContext, _ request: AdminRequest) throws(AdminFailure)
        -> AdminResponse
    {
        let body = try BodyReader(request, shape: .route)
        var route = try RouteJSON.decode(body)
        route.routeID = try RouteJSON.id(body) ?? RouteJSON.newID()
        RouteJSON.name(&route)
        try check(route, context.gateway)
        let new = route
        let created = try context.mutate { writer throws(StoreError) in try writer.createRoute(new) }
        var response = AdminResponse.entity(
            RouteJSON.encode(created, offsetMinutes: context.offsetMinutes), status: 201)
        response.headers.append(HeaderLine("location", "/admin/routes/\(created.routeID)"))
        return response
    }

    private static func listRoutes(_ context: HandlerContext, _ request: AdminRequest) throws(AdminFailure)
        -> AdminResponse
    {
        let query = QueryReader(request.query)
        let filter = RouteFilter(
            nameContains: query.string("route_name"), matchPath: query.string("match_path"),
            targetHost: query.string("target_host"), isActive: try query.bool("is_active"))
        let limit = try query.int("limit", in: 1...10_000) ?? 1000
        let offset = try query.int("offset", in: 0...Int(Int32.max)) ?? 0
        let page = try context.read { reader throws(StoreError) in
            try reader.routes(filter, limit: limit, offset: offset)
        }
        let items = page.items.map { RouteJSON.encode($0, offsetMinutes: context.offsetMinutes) }
        return .json(
            .members([
                ("items", .array(items)), ("total", .integer(page.total)), ("limit", .integer(limit)),
                ("offset", .integer(offset)),
            ]))
    }

    private static func replaceRoute(_ context: HandlerContext, _ request: AdminRequest) throws(AdminFailure)
        -> AdminResponse
    {
        let body = try BodyReader(request, shape: .routeReplacement)
        return try changeRoute(context, request) { (old) throws(AdminFailure) in
            try checkID(body, old.routeID)
            var route = try RouteJSON.decode(body)
            route.routeID = old.routeID
            RouteJSON.name(&route)
            return route
        }
    }

    private static func updateRoute(_ context: HandlerContext, _ request: AdminRequest) throws(AdminFailure)
        -> AdminResponse
    {
        let body = try BodyReader(request, shape: .routePatch)
        return try changeRoute(context, request) { (old) throws(AdminFailure) in
            try checkID(body, old.routeID)
            var route = try RouteJSON.apply(body, to: old)
            RouteJSON.name(&route)
            return route
        }
    }

    private static func toggleRoute(_ context: HandlerContext, _ request: AdminRequest) throws(AdminFailure)
        -> AdminResponse
    {
        try changeRoute(context, request) { old in
            var route = old
            route.isActive.toggle()
            return route
        }
    }

    /// A body may repeat the id, but not change it.
    private static func checkID(_ body: BodyReader, _ id: String) throws(AdminFailure) {
        if let given = try RouteJSON.id(body), given != id {
            throw .conflict("route_id", "cannot be changed from \"\(id)\" to \"\(given)\"")
        }
    }

    /// Reads, changes and writes a route as one step, so that changes at the same time do not undo each other.
    private static func changeRoute(
        _ context: HandlerContext, _ request: AdminRequest, _ change: (RouteRecord) throws(AdminFailure) -> RouteRecord
    ) throws(AdminFailure) -> AdminResponse {
        let id = request.pathValues[0]
        let changed = try context.exclusively { () throws(AdminFailure) in
            let old = try route(id, context)
            try check(request, old, context)
            let new = try change(old)
            try check(new, replacing: old, context.gateway)
            let stored = try context.write { writer throws(StoreError) in try writer.updateRoute(new) }
            guard let stored else { throw .notFound("route", id) }
            return stored
        }
        return .entity(RouteJSON.encode(changed, offsetMinutes: context.offsetMinutes))
    }

    private static func matchRoute(_ context: HandlerContext, _ request: AdminRequest) throws(AdminFailure)
        -> AdminResponse
    {
        let body = try BodyReader(request, shape: .matchRequest)
        let method = try body.string("method", maxLength: 32).or("GET", "method").uppercased()
        guard HeaderNames.isName(method) else { throw .badField("method", "must be a method") }
        let path = try body.string("path", maxLength: 16_384).or("", "path")
        guard path.hasPrefix("/") else { throw .badField("path", "must begin with a slash") }
        var headers: [(String, String)] = []
        for member in try body.object("headers").orNull(nil) ?? JSONObject() {
            guard HeaderNames.isName(member.name) else {
                throw .badField("headers", "\"\(member.name)\" is no header name")
            }
            for value in member.value.arrayValue ?? [member.value] {
                guard let text = value.stringValue else {
                    throw .badField("headers", "\(member.name): must be a string or an array of strings")
                }
                guard text.utf8.allSatisfy({ $0 == 9 || ($0 >= 0x20 && $0 != 0x7f) }) else {
                    throw .badField("headers", "\(member.name): must not contain control characters")
                }
                headers.append((member.name, text))
            }
        }
        let content: [UInt8]? =
            switch body.value("body") {
            case .absent, .null: nil
            case .value(.string(let text)): Array(text.utf8)
            case .value(let value): value.serializedBytes()
            }
        let keyID = try body.string("key_id", maxLength: 64).orNull(nil)
        if let keyID, try context.read({ reader throws(StoreError) in try reader.key(keyID) }) == nil {
            throw .badField("key_id", "there is no key \"\(keyID)\"")
        }
        let explanation = context.gateway.explain(
            method: method, path: path, headers: headers, body: content, keyID: keyID)
        return .json(encode(explanation, offsetMinutes: context.offsetMinutes))
    }

    private static func encode(_ explanation: RouteExplanation, offsetMinutes: Int) -> JSONValue {
        let matched = explanation.candidates.first { $0.routeID == explanation.matchedRouteID }
        let candidates = explanation.candidates.map { candidate in
            JSONValue.members([
                ("route_id", .string(candidate.routeID)), ("route_name", .string(candidate.routeName)),
                ("matched", .bool(candidate.matched)), ("reason", .string(candidate.reason)),
            ])
        }
        return .members([
            ("matched", .bool(explanation.matchedRouteID != nil)),
            ("route_id", .optional(explanation.matchedRouteID)),
            ("route_name", .optional(matched?.routeName)),
            ("target_url", .optional(explanation.targetURL)),
            ("error", .optional(explanation.error)),
            ("candidates", .array(candidates)),
            ("provider", explanation.provider.map { encode($0, offsetMinutes) } ?? .null),
        ])
    }

    private static func encode(_ choice: RouteExplanation.ProviderChoice, _ offsetMinutes: Int) -> JSONValue {
        let now = HandlerContext.nowMilliseconds()
        let candidates = choice.candidates.map { candidate in
            let back = candidate.backInMilliseconds.map { now + Int64(clamping: $0) }
            return JSONValue.members([
                ("provider", .string(candidate.provider)),
                ("model", .optional(candidate.model.isEmpty ? nil : candidate.model)),
                ("group", .optional(candidate.group)), ("usable", .bool(candidate.isUsable)),
                ("share", .decimal(candidate.share)), ("reason", .string(candidate.reason)),
                ("back_at", .time(back, offsetMinutes: offsetMinutes)),
            ])
        }
        return .members([
            ("model", .string(choice.model)), ("alias", .bool(choice.isAlias)), ("rule", .string(choice.rule)),
            ("error", .optional(choice.error)), ("candidates", .array(candidates)),
        ])
    }
}

extension ObjectShape {
    static let matchRequest = ObjectShape(
        name: "MatchRequest", description: "A request, described.",
        fields: [
            .init(
                "method", #"{"type":"string","maxLength":32,\#(HeaderNames.namePattern),"default":"GET"}"#,
                "The method."),
            .init(
                "path", #"{"type":"string","maxLength":16384,"pattern":"^/[^\\u0000-\\u001f\\u007f]*$"}"#,
                "The path, with the query if any.", required: true),
            .init(
                "headers",
                #"{"type":["object","null"],"propertyNames":\#(HeaderNames.schema),"additionalProperties":"#
                    + #"{"type":["string","array"],\#(HeaderNames.valuePattern),"#
                    + #""items":{"type":"string",\#(HeaderNames.valuePattern)}}}"#,
                "Name to value, or to an array of values."),
            .init("body", "{}", "The body: any JSON value; a string stands for its own bytes."),
            .init(
                "key_id", #"{"type":["string","null"],"maxLength":64,\#(ObjectShape.plainPattern)}"#,
                "A caller's key, whose models, budget and open requests are to count."),
        ])
}
