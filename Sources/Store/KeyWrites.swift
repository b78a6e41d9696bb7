import Reactor

extension WriteConnection {
    /// Makes a key. Its value is in the result and nowhere else.
    public borrowing func createKey(_ new: NewKey, keyPrefix: String) throws(StoreError) -> CreatedKey {
        let value = KeySecret.value(prefix: keyPrefix)
        let record = KeyRecord(
            keyID: "key_" + SecureRandom.hex(8), keyHash: KeySecret.hash(value),
            keyHint: KeySecret.hint(value: value, prefix: keyPrefix), sourcePath: new.sourcePath,
            permissions: new.permissions, createdAtMilliseconds: now(),
            expiresAtMilliseconds: new.expiresAtMilliseconds, isActive: new.isActive,
            rateLimitPerMinute: new.rateLimitPerMinute, allowedModels: new.allowedModels,
            budget: KeyBudget(
                maxTokens: new.limits.maxTokens, maxAmountMicros: new.limits.maxAmountMicros,
                currency: new.limits.currency, period: new.limits.period),
            maxConcurrent: new.limits.maxConcurrent)
        try insertKey(record)
        return CreatedKey(record: record, value: value)
    }

    /// Stores a key as it is, for imports.
    public borrowing func insertKey(_ record: KeyRecord) throws(StoreError) {
        try validate(record)
        let exists = try connection.statement("SELECT key_id FROM api_keys WHERE key_id = ?1 OR key_value = ?2")
        defer { exists.reset() }
        exists.bind(1, record.keyID).bind(2, Hex.text(record.keyHash))
        if try exists.step() {
            throw .conflict(field: "key_id", message: "key \(exists.text(0)) is there already, or has the same value")
        }
        let insert = try connection.statement(
            """
            INSERT INTO api_keys (key_id, key_value, key_hint, source_path, permissions, created_at, expires_at,
                is_active, usage_count, rate_limit, last_used_at, allowed_models, max_tokens, max_amount, currency,
                budget_period, period_start, tokens_spent, amount_spent, max_concurrent)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)
            """)
        defer { insert.reset() }
        insert.bind(1, record.keyID).bind(2, Hex.text(record.keyHash)).bind(3, record.keyHint)
        insert.bind(4, record.sourcePath).bind(5, listText(record.permissions))
        insert.bind(6, text(record.createdAtMilliseconds)).bind(7, text(record.expiresAtMilliseconds))
        insert.bind(8, record.isActive).bind(9, record.usageCount).bind(10, record.rateLimitPerMinute)
        insert.bind(11, text(record.lastUsedAtMilliseconds)).bind(12, listText(record.allowedModels))
        bindBudget(record, insert, 13)
        try insert.run()
    }

    /// Changes what the patch sets; nil if there is no such key.
    public borrowing func updateKey(_ keyID: String, _ patch: KeyPatch) throws(StoreError) -> KeyRecord? {
        guard var record = try key(keyID) else { return nil }
        record.sourcePath = patch.sourcePath.applied(to: record.sourcePath)
        record.permissions = patch.permissions.applied(to: record.permissions)
        record.rateLimitPerMinute = patch.rateLimitPerMinute.applied(to: record.rateLimitPerMinute)
        record.expiresAtMilliseconds = patch.expiresAtMilliseconds.applied(to: record.expiresAtMilliseconds)
        record.isActive = patch.isActive.applied(to: record.isActive)
        record.allowedModels = patch.allowedModels.applied(to: record.allowedModels)
        record.maxConcurrent = patch.maxConcurrent.applied(to: record.maxConcurrent)
        record.budget.maxTokens = patch.maxTokens.applied(to: record.budget.maxTokens)
        record.budget.maxAmountMicros = patch.maxAmountMicros.applied(to: record.budget.maxAmountMicros)
        let currency = patch.currency.applied(to: record.budget.currency)
        let period = patch.budgetPeriod.applied(to: record.budget.period)
        if currency != record.budget.currency || period != record.budget.period {
            record.budget.currency = currency
            record.budget.period = period
            try checkCurrency("currency", currency)
            try recount(&record)
        }
        try validate(record)
        let update = try connection.statement(
            """
            UPDATE api_keys SET source_path = ?2, permissions = ?3, rate_limit = ?4, expires_at = ?5, is_active = ?6,
                allowed_models = ?7, max_tokens = ?8, max_amount = ?9, currency = ?10, budget_period = ?11,
                period_start = ?12, tokens_spent = ?13, amount_spent = ?14, max_concurrent = ?15
            WHERE key_id = ?1
            """)
        defer { update.reset() }
        update.bind(1, keyID).bind(2, record.sourcePath).bind(3, listText(record.permissions))
        update.bind(4, record.rateLimitPerMinute).bind(5, text(record.expiresAtMilliseconds))
        update.bind(6, record.isActive).bind(7, listText(record.allowedModels))
        bindBudget(record, update, 8)
        try update.run()
        return record
    }

    /// Counts a key's budget from nothing, from now on; nil if there is no such key.
    public borrowing func resetBudget(_ keyID: String) throws(StoreError) -> KeyRecord? {
        let update = try connection.statement(
            "UPDATE api_keys SET period_start = ?2, tokens_spent = 0, amount_spent = 0 WHERE key_id = ?1")
        defer { update.reset() }
        update.bind(1, keyID).bind(2, text(now()))
        try update.run()
        return try key(keyID)
    }

    /// Counts what a key has spent in the present period of its budget, from the sums of its usage.
    private borrowing func recount(_ record: inout KeyRecord) throws(StoreError) {
        let since = record.budget.period.start(of: now(), offsetMinutes: timeZoneOffsetMinutes)
        let sums = try connection.statement(
            """
            SELECT ifnull(sum(total_tokens), 0), ifnull(sum(cost_micros) FILTER (WHERE currency = ?3), 0)
            FROM usage_days WHERE key_id = ?1 AND bucket >= ?2
            """)
        defer { sums.reset() }
        // A period starts with a local day, and so does a bucket.
        let bucket = since.map { UsageRollupTable.Span.day.bucket($0, offsetMinutes: timeZoneOffsetMinutes) }
        sums.bind(1, record.keyID).bind(2, bucket ?? .min).bind(3, record.budget.currency)
        _ = try sums.step()
        record.budget.countedSinceMilliseconds = since
        record.budget.tokensSpent = Int64(sums.int(0))
        record.budget.amountSpentMicros = Int64(sums.int(1))
    }

    /// Eight columns from `max_tokens` to `max_concurrent`; `base` is the first one's parameter.
    private borrowing func bindBudget(_ record: KeyRecord, _ statement: Statement, _ base: Int32) {
        let budget = record.budget
        statement.bind(base, budget.maxTokens.map(Int.init)).bind(base + 1, budget.maxAmountMicros.map(Int.init))
        statement.bind(base + 2, budget.currency).bind(base + 3, budget.period.rawValue)
        statement.bind(base + 4, text(budget.countedSinceMilliseconds)).bind(base + 5, budget.tokensSpent)
        statement.bind(base + 6, budget.amountSpentMicros).bind(base + 7, record.maxConcurrent)
    }

    /// Turns a key on or off; nil if there is no such key.
    public borrowing func toggleKey(_ keyID: String) throws(StoreError) -> KeyRecord? {
        guard let record = try key(keyID) else { return nil }
        var patch = KeyPatch()
        patch.isActive = .set(!record.isActive)
        return try updateKey(keyID, patch)
    }

    /// Gives a key a new value; the old one stops working. Nil if there is no such key.
    public borrowing func rotateKey(_ keyID: String, keyPrefix: String) throws(StoreError) -> CreatedKey? {
        guard var record = try key(keyID) else { return nil }
        let value = KeySecret.value(prefix: keyPrefix)
        record.keyHash = KeySecret.hash(value)
        record.keyHint = KeySecret.hint(value: value, prefix: keyPrefix)
        let update = try connection.statement("UPDATE api_keys SET key_value = ?2, key_hint = ?3 WHERE key_id = ?1")
        defer { update.reset() }
        update.bind(1, keyID).bind(2, Hex.text(record.keyHash)).bind(3, record.keyHint)
        try update.run()
        return CreatedKey(record: record, value: value)
    }

    /// Deletes a key; its audit rows stay. False if there is no such key.
    public borrowing func deleteKey(_ keyID: String) throws(StoreError) -> Bool {
        let delete = try connection.statement("DELETE FROM api_keys WHERE key_id = ?1")
        defer { delete.reset() }
        delete.bind(1, keyID)
        try delete.run()
        return connection.changes > 0
    }

    public borrowing func key(_ keyID: String) throws(StoreError) -> KeyRecord? {
        try KeyColumns.key(keyID, in: connection)
    }

    private borrowing func validate(_ record: KeyRecord) throws(StoreError) {
        try checkText("key_id", record.keyID, minimum: 1, maximum: RowLimit.nameBytes)
        try checkText("source_path", record.sourcePath, minimum: 1, maximum: RowLimit.textBytes)
        guard record.keyHash.count == 32 else {
            throw .invalid(field: "key_value", message: "must be the SHA-256 of a key")
        }
        guard record.permissions.count <= RowLimit.listItems else {
            throw .invalid(field: "permissions", message: "must not have more than \(RowLimit.listItems) entries")
        }
        for permission in record.permissions {
            try checkText("permissions", permission, minimum: 1, maximum: RowLimit.textBytes)
        }
        if let limit = record.rateLimitPerMinute, limit < 0 {
            throw .invalid(field: "rate_limit", message: "must not be negative")
        }
        guard record.allowedModels.count <= RowLimit.listItems else {
            throw .invalid(
                field: "allowed_models", message: "must not have more than \(RowLimit.listItems) entries")
        }
        for pattern in record.allowedModels { try checkModel("allowed_models", pattern) }
        if let limit = record.budget.maxTokens, limit < 0 {
            throw .invalid(field: "max_tokens", message: "must not be negative")
        }
        if let limit = record.budget.maxAmountMicros, limit < 0 {
            throw .invalid(field: "max_amount", message: "must not be negative")
        }
        try checkCurrency("currency", record.budget.currency)
        if let limit = record.maxConcurrent, limit < 1 {
            throw .invalid(field: "max_concurrent", message: "must be at least 1")
        }
    }
}
