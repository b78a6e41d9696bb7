import JSON

/// Reading `api_keys`, for both kinds of connection.
enum KeyColumns {
    static let list = """
        key_id, key_value, key_hint, source_path, permissions, created_at, expires_at, is_active, usage_count,
        rate_limit, last_used_at, allowed_models, \(budgetList), max_concurrent
        """

    static func record(_ row: Statement) -> KeyRecord {
        let permissions = (try? JSONValue(parsing: row.text(4)))?.arrayValue?.compactMap(\.stringValue)
        let allowedModels = (try? JSONValue(parsing: row.text(11)))?.arrayValue?.compactMap(\.stringValue)
        let period = BudgetPeriod(rawValue: row.text(15))
        return KeyRecord(
            keyID: row.text(0), keyHash: KeySecret.hash(hex: row.text(1)) ?? [], keyHint: row.text(2),
            sourcePath: row.text(3), permissions: permissions ?? [],
            createdAtMilliseconds: Timestamp.parse(row.text(5)) ?? 0,
            expiresAtMilliseconds: expiry(row.optionalText(6)),
            // What cannot be understood must not open doors.
            isActive: row.bool(7) && permissions != nil && allowedModels != nil && period != nil,
            usageCount: row.int(8),
            rateLimitPerMinute: row.optionalInt(9),
            lastUsedAtMilliseconds: row.optionalText(10).flatMap { Timestamp.parse($0) },
            allowedModels: allowedModels ?? [],
            budget: budget(row, from: 12),
            maxConcurrent: row.optionalInt(19))
    }

    private static let budgetList =
        "max_tokens, max_amount, currency, budget_period, period_start, tokens_spent, amount_spent"

    private static func budget(_ row: Statement, from first: Int32) -> KeyBudget {
        KeyBudget(
            maxTokens: row.optionalInt(first).map(Int64.init),
            maxAmountMicros: row.optionalInt(first + 1).map(Int64.init), currency: row.text(first + 2),
            period: BudgetPeriod(rawValue: row.text(first + 3)) ?? .total,
            countedSinceMilliseconds: row.optionalText(first + 4).flatMap { Timestamp.parse($0) },
            tokensSpent: Int64(row.int(first + 5)), amountSpentMicros: Int64(row.int(first + 6)))
    }

    /// An expiry that is no time has passed.
    private static func expiry(_ text: String?) -> Int64? {
        guard let text, !text.isEmpty else { return nil }
        return Timestamp.parse(text) ?? 0
    }

    static func key(_ keyID: String, in connection: Connection) throws(StoreError) -> KeyRecord? {
        let select = try connection.statement("SELECT \(list) FROM api_keys WHERE key_id = ?1")
        defer { select.reset() }
        select.bind(1, keyID)
        return try select.step() ? record(select) : nil
    }

    /// The budget alone; nil if there is no such key.
    static func budget(of keyID: String, in connection: Connection) throws(StoreError) -> KeyBudget? {
        let select = try connection.statement("SELECT \(budgetList) FROM api_keys WHERE key_id = ?1")
        defer { select.reset() }
        select.bind(1, keyID)
        return try select.step() ? budget(select, from: 0) : nil
    }
}

extension ReadConnection {
    /// Keys, newest first, and how many there are in all.
    public func listKeys(
        _ filter: KeyFilter = KeyFilter(), limit: Int = 100, offset: Int = 0
    ) throws(StoreError) -> Page<KeyRecord> {
        try read { connection throws(StoreError) in
            let condition = """
                (?1 IS NULL OR source_path = ?1) AND (?2 IS NULL OR is_active = ?2) AND (?5 IS NULL
                OR instr(lower(source_path), lower(?5)) > 0 OR instr(key_id, ?5) > 0 OR instr(key_hint, ?5) > 0)
                """
            let count = try connection.statement("SELECT count(*) FROM api_keys WHERE \(condition)")
            let select = try connection.statement(
                """
                SELECT \(KeyColumns.list) FROM api_keys WHERE \(condition)
                ORDER BY created_at DESC, key_id LIMIT ?3 OFFSET ?4
                """)
            defer {
                count.reset()
                select.reset()
            }
            for statement in [count, select] {
                statement.bind(1, filter.sourcePath).bind(2, filter.isActive.map { $0 ? 1 : 0 }).bind(5, filter.search)
            }
            select.bind(3, max(0, limit)).bind(4, max(0, offset))
            _ = try count.step()
            var items: [KeyRecord] = []
            while try select.step() { items.append(KeyColumns.record(select)) }
            return Page(items: items, total: count.int(0))
        }
    }

    public func key(_ keyID: String) throws(StoreError) -> KeyRecord? {
        try read { connection throws(StoreError) in try KeyColumns.key(keyID, in: connection) }
    }

    /// Every key that a snapshot is made of: the active ones, expired ones included.
    public func activeKeys() throws(StoreError) -> [KeyRecord] {
        try read { connection throws(StoreError) in
            let select = try connection.statement(
                "SELECT \(KeyColumns.list) FROM api_keys WHERE is_active ORDER BY key_id")
            defer { select.reset() }
            var items: [KeyRecord] = []
            while try select.step() {
                let record = KeyColumns.record(select)
                if record.isActive { items.append(record) }
            }
            return items
        }
    }

    /// Every key, for snapshots that tell an inactive key from an unknown one.
    public func allKeys() throws(StoreError) -> [KeyRecord] {
        try listKeys(limit: Int(Int32.max)).items
    }
}
