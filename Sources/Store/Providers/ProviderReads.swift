import JSON

/// Reading `providers`, for both kinds of connection.
enum ProviderColumns {
    static let list = """
        name, api_type, base_url, enabled, models, discovered_models, discovered_at, priority, weight, key_strategy,
        timeout, headers, created_at, updated_at
        """

    static func record(_ row: Statement) -> ProviderRecord {
        ProviderRecord(
            name: row.text(0), apiType: row.text(1), baseURL: row.text(2), isEnabled: row.bool(3),
            models: names(row.text(4)), discoveredModels: names(row.text(5)),
            discoveredAtMilliseconds: row.optionalText(6).flatMap { Timestamp.parse($0) }, priority: row.int(7),
            weight: row.int(8), keyStrategy: row.text(9), timeoutSeconds: row.optionalInt(10),
            headers: row.optionalText(11).flatMap { try? JSONValue(parsing: $0) },
            createdAtMilliseconds: Timestamp.parse(row.text(12)) ?? 0,
            updatedAtMilliseconds: Timestamp.parse(row.text(13)) ?? 0)
    }

    /// The texts of a JSON array.
    static func names(_ text: String) -> [String] {
        (try? JSONValue(parsing: text))?.arrayValue?.compactMap(\.stringValue) ?? []
    }

    static func provider(_ name: String, in connection: Connection) throws(StoreError) -> ProviderRecord? {
        let select = try connection.statement("SELECT \(list) FROM providers WHERE name = ?1")
        defer { select.reset() }
        select.bind(1, name)
        return try select.step() ? record(select) : nil
    }
}

extension ReadConnection {
    /// Providers in the order in which they are tried, and how many there are in all.
    public func providers(
        _ filter: ProviderFilter = ProviderFilter(), limit: Int = Int(Int32.max), offset: Int = 0
    ) throws(StoreError) -> Page<ProviderRecord> {
        try read { connection throws(StoreError) in
            let condition = "(?1 IS NULL OR api_type = ?1) AND (?2 IS NULL OR enabled = ?2)"
            let count = try connection.statement("SELECT count(*) FROM providers WHERE \(condition)")
            let select = try connection.statement(
                """
                SELECT \(ProviderColumns.list) FROM providers WHERE \(condition)
                ORDER BY priority, name LIMIT ?3 OFFSET ?4
                """)
            defer {
                count.reset()
                select.reset()
            }
            for statement in [count, select] {
                statement.bind(1, filter.apiType).bind(2, filter.isEnabled.map { $0 ? 1 : 0 })
            }
            select.bind(3, max(0, limit)).bind(4, max(0, offset))
            _ = try count.step()
            var items: [ProviderRecord] = []
            while try select.step() { items.append(ProviderColumns.record(select)) }
            return Page(items: items, total: count.int(0))
        }
    }

    public func provider(_ name: String) throws(StoreError) -> ProviderRecord? {
        try read { connection throws(StoreError) in try ProviderColumns.provider(name, in: connection) }
    }
}
