import JSON

/// `model_aliases`.
private enum AliasColumns {
    static let list = "name, targets, enabled, created_at, updated_at"

    static func record(_ row: Statement) -> AliasRecord {
        AliasRecord(
            name: row.text(0), targets: ProviderColumns.names(row.text(1)), isEnabled: row.bool(2),
            createdAtMilliseconds: Timestamp.parse(row.text(3)) ?? 0,
            updatedAtMilliseconds: Timestamp.parse(row.text(4)) ?? 0)
    }

    static func alias(_ name: String, in connection: Connection) throws(StoreError) -> AliasRecord? {
        let select = try connection.statement("SELECT \(list) FROM model_aliases WHERE name = ?1")
        defer { select.reset() }
        select.bind(1, name)
        return try select.step() ? record(select) : nil
    }
}

extension ReadConnection {
    /// Aliases by name, and how many there are in all.
    public func aliases(limit: Int = Int(Int32.max), offset: Int = 0) throws(StoreError) -> Page<AliasRecord> {
        try read { connection throws(StoreError) in
            let total = try connection.scalarInt("SELECT count(*) FROM model_aliases")
            let select = try connection.statement(
                "SELECT \(AliasColumns.list) FROM model_aliases ORDER BY name LIMIT ?1 OFFSET ?2")
            defer { select.reset() }
            select.bind(1, max(0, limit)).bind(2, max(0, offset))
            var items: [AliasRecord] = []
            while try select.step() { items.append(AliasColumns.record(select)) }
            return Page(items: items, total: total)
        }
    }

    public func alias(_ name: String) throws(StoreError) -> AliasRecord? {
        try read { connection throws(StoreError) in try AliasColumns.alias(name, in: connection) }
    }
}

extension WriteConnection {
    /// Stores a new alias. Creation and change times are now.
    public borrowing func createAlias(_ alias: AliasRecord) throws(StoreError) -> AliasRecord {
        var alias = alias
        alias.createdAtMilliseconds = now()
        alias.updatedAtMilliseconds = alias.createdAtMilliseconds
        try validate(alias)
        if try self.alias(alias.name) != nil {
            throw .conflict(field: "name", message: "alias \(alias.name) is there already")
        }
        let insert = try connection.statement(
            "INSERT INTO model_aliases (\(AliasColumns.list)) VALUES (?1, ?2, ?3, ?4, ?5)")
        defer { insert.reset() }
        insert.bind(1, alias.name).bind(2, listText(alias.targets)).bind(3, alias.isEnabled)
        insert.bind(4, text(alias.createdAtMilliseconds)).bind(5, text(alias.updatedAtMilliseconds))
        try insert.run()
        return alias
    }

    /// Replaces all of an alias but its creation time; nil if there is no such alias.
    public borrowing func updateAlias(_ alias: AliasRecord) throws(StoreError) -> AliasRecord? {
        guard let old = try self.alias(alias.name) else { return nil }
        var alias = alias
        alias.createdAtMilliseconds = old.createdAtMilliseconds
        alias.updatedAtMilliseconds = now()
        try validate(alias)
        let update = try connection.statement(
            "UPDATE model_aliases SET targets = ?2, enabled = ?3, updated_at = ?4 WHERE name = ?1")
        defer { update.reset() }
        update.bind(1, alias.name).bind(2, listText(alias.targets)).bind(3, alias.isEnabled)
        update.bind(4, text(alias.updatedAtMilliseconds))
        try update.run()
        return alias
    }

    /// False if there is no such alias.
    public borrowing func deleteAlias(_ name: String) throws(StoreError) -> Bool {
        let delete = try connection.statement("DELETE FROM model_aliases WHERE name = ?1")
        defer { delete.reset() }
        delete.bind(1, name)
        try delete.run()
        return connection.changes > 0
    }

    public borrowing func alias(_ name: String) throws(StoreError) -> AliasRecord? {
        try AliasColumns.alias(name, in: connection)
    }

    private borrowing func validate(_ alias: AliasRecord) throws(StoreError) {
        try checkModel("name", alias.name)
        if alias.targets.isEmpty { throw .invalid(field: "targets", message: "must not be empty") }
        if alias.targets.count > ProviderLimit.targets {
            throw .invalid(field: "targets", message: "must not have more than \(ProviderLimit.targets) entries")
        }
        for (position, target) in alias.targets.enumerated() {
            try checkModel("targets", target)
            if alias.targets[..<position].contains(target) {
                throw .invalid(field: "targets", message: "must not name \(target) twice")
            }
        }
    }
}
