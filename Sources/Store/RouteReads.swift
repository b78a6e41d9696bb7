import JSON

/// Reading `proxy_routes`, for both kinds of connection.
enum RouteColumns {
    static let count = 21
    static let list = """
        route_id, route_name, description, match_path, match_method, match_headers, match_body_schema, target_host,
        target_path, target_protocol, strip_path_prefix, add_headers, add_body_fields, remove_headers, timeout,
        retry_count, is_active, priority, weight, created_at, updated_at
        """

    static func record(_ row: Statement) -> RouteRecord {
        func json(_ column: Int32) -> JSONValue? {
            row.optionalText(column).flatMap { try? JSONValue(parsing: $0) }.flatMap { $0.isNull ? nil : $0 }
        }
        return RouteRecord(
            routeID: row.text(0), routeName: row.text(1), description: row.optionalText(2), matchPath: row.text(3),
            matchMethod: row.text(4), matchHeaders: json(5), matchBodySchema: json(6), targetHost: row.text(7),
            targetPath: row.text(8), targetProtocol: row.text(9), stripPathPrefix: row.bool(10),
            addHeaders: json(11), addBodyFields: json(12),
            removeHeaders: json(13)?.arrayValue?.compactMap(\.stringValue) ?? [],
            timeoutSeconds: row.optionalInt(14), retryCount: row.int(15), isActive: row.bool(16),
            priority: row.int(17), weight: row.int(18), createdAtMilliseconds: Timestamp.parse(row.text(19)) ?? 0,
            updatedAtMilliseconds: Timestamp.parse(row.text(20)) ?? 0)
    }

    static func route(_ routeID: String, in connection: Connection) throws(StoreError) -> RouteRecord? {
        let select = try connection.statement("SELECT \(list) FROM proxy_routes WHERE route_id = ?1")
        defer { select.reset() }
        select.bind(1, routeID)
        return try select.step() ? record(select) : nil
    }
}

extension ReadConnection {
    /// Routes in the order in which they are tried, and how many there are in all.
    public func routes(
        _ filter: RouteFilter = RouteFilter(), limit: Int = Int(Int32.max), offset: Int = 0
    ) throws(StoreError) -> Page<RouteRecord> {
        try read { connection throws(StoreError) in
            let condition = """
                (?1 IS NULL OR instr(lower(route_name), lower(?1)) > 0) AND (?2 IS NULL OR match_path = ?2)
                AND (?3 IS NULL OR target_host = ?3) AND (?4 IS NULL OR is_active = ?4)
                """
            let count = try connection.statement("SELECT count(*) FROM proxy_routes WHERE \(condition)")
            let select = try connection.statement(
                """
                SELECT \(RouteColumns.list) FROM proxy_routes WHERE \(condition)
                ORDER BY priority, route_id LIMIT ?5 OFFSET ?6
                """)
            defer {
                count.reset()
                select.reset()
            }
            for statement in [count, select] {
                statement.bind(1, filter.nameContains).bind(2, filter.matchPath).bind(3, filter.targetHost)
                statement.bind(4, filter.isActive.map { $0 ? 1 : 0 })
            }
            select.bind(5, max(0, limit)).bind(6, max(0, offset))
            _ = try count.step()
            var items: [RouteRecord] = []
            while try select.step() { items.append(RouteColumns.record(select)) }
            return Page(items: items, total: count.int(0))
        }
    }

    public func route(_ routeID: String) throws(StoreError) -> RouteRecord? {
        try read { connection throws(StoreError) in try RouteColumns.route(routeID, in: connection) }
    }

    /// Every active route, in the order in which they are tried.
    public func activeRoutes() throws(StoreError) -> [RouteRecord] {
        try routes(RouteFilter(isActive: true)).items
    }
}
