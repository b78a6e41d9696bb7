import JSON
import Reactor

extension WriteConnection {
    /// Stores a new route; an empty id is made up. Creation and change times are now.
    public borrowing func createRoute(_ route: RouteRecord) throws(StoreError) -> RouteRecord {
        var route = route
        if route.routeID.isEmpty { route.routeID = "route_" + SecureRandom.hex(6) }
        route.createdAtMilliseconds = now()
        route.updatedAtMilliseconds = route.createdAtMilliseconds
        try validate(route)
        if try self.route(route.routeID) != nil {
            throw .conflict(field: "route_id", message: "route \(route.routeID) is there already")
        }
        let insert = try connection.statement(
            """
            INSERT INTO proxy_routes (\(RouteColumns.list))
            VALUES (\((1...RouteColumns.count).map { "?\($0)" }.joined(separator: ", ")))
            """)
        defer { insert.reset() }
        bind(route, insert)
        insert.bind(20, text(route.createdAtMilliseconds))
        try insert.run()
        return route
    }

    /// Replaces all of a route but its creation time; nil if there is no such route.
    public borrowing func updateRoute(_ route: RouteRecord) throws(StoreError) -> RouteRecord? {
        guard let old = try self.route(route.routeID) else { return nil }
        var route = route
        route.createdAtMilliseconds = old.createdAtMilliseconds
        route.updatedAtMilliseconds = now()
        try validate(route)
        let update = try connection.statement(
            """
            UPDATE proxy_routes SET route_name = ?2, description = ?3, match_path = ?4, match_method = ?5,
                match_headers = ?6, match_body_schema = ?7, target_host = ?8, target_path = ?9, target_protocol = ?10,
                strip_path_prefix = ?11, add_headers = ?12, add_body_fields = ?13, remove_headers = ?14,
                timeout = ?15, retry_count = ?16, is_active = ?17, priority = ?18, weight = ?19, updated_at = ?21
            WHERE route_id = ?1
            """)
        defer { update.reset() }
        bind(route, update)
        try update.run()
        return route
    }

    /// Turns a route on or off; nil if there is no such route.
    public borrowing func toggleRoute(_ routeID: String) throws(StoreError) -> RouteRecord? {
        guard var route = try self.route(routeID) else { return nil }
        route.isActive.toggle()
        return try updateRoute(route)
    }

    /// False if there is no such route.
    public borrowing func deleteRoute(_ routeID: String) throws(StoreError) -> Bool {
        let delete = try connection.statement("DELETE FROM proxy_routes WHERE route_id = ?1")
        defer { delete.reset() }
        delete.bind(1, routeID)
        try delete.run()
        return connection.changes > 0
    }

    public borrowing func route(_ routeID: String) throws(StoreError) -> RouteRecord? {
        try RouteColumns.route(routeID, in: connection)
    }

    private borrowing func bind(_ route: RouteRecord, _ statement: Statement) {
        statement.bind(1, route.routeID).bind(2, route.routeName).bind(3, route.description)
        statement.bind(4, route.matchPath).bind(5, route.matchMethod).bind(6, route.matchHeaders?.serialized())
        statement.bind(7, route.matchBodySchema?.serialized()).bind(8, route.targetHost).bind(9, route.targetPath)
        statement.bind(10, route.targetProtocol).bind(11, route.stripPathPrefix)
        statement.bind(12, route.addHeaders?.serialized()).bind(13, route.addBodyFields?.serialized())
        let removed = JSONValue.array(route.removeHeaders.map { .string($0) })
        statement.bind(14, route.removeHeaders.isEmpty ? nil : removed.serialized())
        statement.bind(15, route.timeoutSeconds).bind(16, route.retryCount).bind(17, route.isActive)
        statement.bind(18, route.priority).bind(19, route.weight)
        statement.bind(21, text(route.updatedAtMilliseconds))
    }

    /// What no route may be, whatever its patterns mean: shapes and sizes.
    private borrowing func validate(_ route: RouteRecord) throws(StoreError) {
        try checkText("route_id", route.routeID, minimum: 1, maximum: RowLimit.nameBytes)
        try checkText("route_name", route.routeName, minimum: 1, maximum: RowLimit.nameBytes)
        if let description = route.description, description.utf8.count > RowLimit.textBytes {
            throw .invalid(field: "description", message: "must not be longer than \(RowLimit.textBytes) bytes")
        }
        try checkText("match_path", route.matchPath, minimum: 1, maximum: RowLimit.textBytes)
        try checkText("match_method", route.matchMethod, minimum: 1, maximum: RowLimit.nameBytes)
        try checkText("target_host", route.targetHost, minimum: 1, maximum: RowLimit.textBytes)
        try checkText("target_path", route.targetPath, maximum: RowLimit.textBytes)
        guard route.targetProtocol == "http" || route.targetProtocol == "https" else {
            throw .invalid(field: "target_protocol", message: "must be http or https")
        }
        for (field, value) in [
            ("match_headers", route.matchHeaders), ("add_headers", route.addHeaders),
            ("add_body_fields", route.addBodyFields),
        ] {
            if let value, value.objectValue == nil { throw .invalid(field: field, message: "must be an object") }
        }
        for (field, value) in [
            ("match_headers", route.matchHeaders), ("match_body_schema", route.matchBodySchema),
            ("add_headers", route.addHeaders), ("add_body_fields", route.addBodyFields),
        ] {
            if let value, value.serialized().utf8.count > RowLimit.jsonBytes {
                throw .invalid(field: field, message: "must not be longer than \(RowLimit.jsonBytes) bytes")
            }
        }
        guard route.removeHeaders.count <= RowLimit.listItems else {
            throw .invalid(field: "remove_headers", message: "must not have more than \(RowLimit.listItems) entries")
        }
        for name in route.removeHeaders {
            try checkText("remove_headers", name, minimum: 1, maximum: RowLimit.nameBytes)
        }
        if let timeout = route.timeoutSeconds, timeout < 1 {
            throw .invalid(field: "timeout", message: "must be at least 1")
        }
        if route.retryCount < 0 { throw .invalid(field: "retry_count", message: "must not be negative") }
        if route.weight < 0 { throw .invalid(field: "weight", message: "must not be negative") }
    }
}
