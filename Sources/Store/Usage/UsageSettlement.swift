import Reactor

/// The usage of one batch on its way into the database: its rows, and what they add to keys' budgets, rollups and
/// counters. All of that hangs on a row being new, so a batch that comes again after a crash adds nothing, and what
/// has been settled is always the sum of the rows.
struct UsageSettlement: ~Copyable {
    /// Of the last `write`.
    private(set) var inserted = 0
    private(set) var rejected = 0

    private let connection: Connection
    private var insertStatement: Statement?
    private var rollups = UsageRollupTable()
    /// Of the keys of this batch; nil: there is no such key.
    private var budgets: [String: Budget?] = [:]
    private var providerKeys: [String: ProviderKeyCount] = [:]

    private struct Budget {
        var value: KeyBudget
        var isChanged = false
    }

    private struct ProviderKeyCount {
        var requests = 0
        var failures = 0
        var lastUsedMilliseconds: Int64 = 0
    }

    init(connection: Connection) { self.connection = connection }

    /// Writes what a batch holds of usage and key states; the caller has begun a transaction.
    ///
    /// - Parameters:
    ///   - isCareful: a value that SQLite will never take is counted and left out, for it must not hold up all others.
    ///   - onProgress: called every few hundred rows.
    mutating func write(
        _ batch: borrowing AuditBatch, _ binder: inout AuditBinder, isCareful: Bool, onProgress: () -> Void
    ) throws(StoreError) {
        inserted = 0
        rejected = 0
        rollups.removeAll()
        budgets.removeAll(keepingCapacity: true)
        providerKeys.removeAll(keepingCapacity: true)
        let offset = binder.timeZoneOffsetMinutes
        for index in batch.usage.indices {
            do throws(StoreError) {
                if try insert(batch.usage[index], &binder) { try settle(batch.usage[index], offset) }
            } catch {
                guard isCareful, error.isAboutData else { throw error }
                rejected += 1
            }
            if index & 255 == 255 { onProgress() }
        }
        try rollups.write(to: connection, offsetMinutes: offset)
        try writeBudgets(offset)
        try writeProviderKeys(offset)
        for fields in batch.providerKeyStates { try writeState(fields, offset) }
    }

    // MARK: Rows

    private static let insertText = """
        INSERT INTO usage_records (id, request_id, key_id, source_path, provider, provider_key_id, model_requested,
            model_served, prompt_tokens, completion_tokens, cached_tokens, cache_write_tokens, reasoning_tokens,
            total_tokens, cost_micros, currency, estimated, outcome, created_at, service_tier,
            \(UsageParts.columns.map(\.name).joined(separator: ", ")))
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22,
            ?23, ?24, ?25, ?26, ?27, ?28, ?29, ?30)
        ON CONFLICT (id) DO NOTHING
        """

    /// False if the row is there already.
    private mutating func insert(
        _ usage: AuditBatch.Usage, _ binder: inout AuditBinder
    ) throws(StoreError) -> Bool {
        let statement: Statement
        if let insertStatement {
            statement = insertStatement
        } else {
            statement = try connection.prepare(Self.insertText, persistent: true)
            insertStatement = statement
        }
        let fields = usage.fields
        binder.arena.reset()
        binder.bindID(usage.id, statement.handle, 1)
        binder.bindText(fields.requestID.cut(), statement.handle, 2)
        binder.bindOptionalText(fields.keyID.cut(), statement.handle, 3)
        binder.bindOptionalText(fields.sourcePath.cut(RowLimit.textBytes), statement.handle, 4)
        binder.bindText(fields.provider.cut(), statement.handle, 5)
        binder.bindOptionalText(fields.providerKeyID.cut(), statement.handle, 6)
        binder.bindText(fields.modelRequested.cut(), statement.handle, 7)
        binder.bindOptionalText(fields.modelServed.cut(), statement.handle, 8)
        statement.bind(9, fields.promptTokens.asTokens).bind(10, fields.completionTokens.asTokens)
        statement.bind(11, fields.cachedTokens.asTokens).bind(12, fields.cacheWriteTokens.asTokens)
        statement.bind(13, fields.reasoningTokens.asTokens).bind(14, fields.totalTokens.asTokens)
        if fields.currency.isEmpty {
            statement.bindNull(15)
        } else {
            statement.bind(15, fields.costMicros.asMicros)
        }
        binder.bindOptionalText(fields.currency.cut(), statement.handle, 16)
        statement.bind(17, fields.isEstimated).bind(18, fields.outcome.name)
        binder.bindTime(max(1, usage.id.unixMilliseconds &* 1_000_000), statement.handle, 19)
        let parts = fields.parts
        statement.bind(20, parts.tier.name)
        statement.bind(21, parts.cacheWriteLong.asTokens).bind(22, parts.inputAudio.asTokens)
        statement.bind(23, parts.inputImage.asTokens).bind(24, parts.cachedAudio.asTokens)
        statement.bind(25, parts.outputAudio.asTokens).bind(26, parts.outputImage.asTokens)
        statement.bind(27, parts.toolPrompt.asTokens).bind(28, parts.searches.asTokens)
        statement.bind(29, parts.images.asTokens).bind(30, parts.milliseconds.asTokens)
        try statement.run()
        guard connection.changes == 1 else { return false }
        inserted += 1
        return true
    }

    // MARK: Sums

    /// Adds a new row to everything that sums rows.
    private mutating func settle(_ usage: AuditBatch.Usage, _ offset: Int) throws(StoreError) {
        let fields = usage.fields
        let accepted = Int64(clamping: usage.id.unixMilliseconds)
        let keyID = fields.keyID.storedText(UsageLimit.nameBytes)
        let currency = fields.currency.storedText(UsageLimit.nameBytes)
        let model = fields.modelServed.isEmpty ? fields.modelRequested : fields.modelServed
        let cost = currency.isEmpty ? 0 : fields.costMicros.asMicros
        var sums = UsageSums()
        sums.requests = 1
        sums.failures = fields.outcome == .failed ? 1 : 0
        sums.estimated = fields.isEstimated ? 1 : 0
        sums.promptTokens = fields.promptTokens.asTokens
        sums.completionTokens = fields.completionTokens.asTokens
        sums.cachedTokens = fields.cachedTokens.asTokens
        sums.cacheWriteTokens = fields.cacheWriteTokens.asTokens
        sums.reasoningTokens = fields.reasoningTokens.asTokens
        sums.totalTokens = fields.totalTokens.asTokens
        sums.costMicros = cost
        rollups.add(
            UsageRollupTable.Key(
                bucket: UsageRollupTable.Span.hour.bucket(accepted, offsetMinutes: offset), keyID: keyID,
                sourcePath: fields.sourcePath.storedText(RowLimit.textBytes),
                provider: fields.provider.storedText(UsageLimit.nameBytes),
                model: model.storedText(UsageLimit.nameBytes), currency: currency),
            sums)
        if !keyID.isEmpty, sums.totalTokens != 0 || cost != 0 {
            try settle(keyID, accepted, sums.totalTokens, cost, currency, offset)
        }
        try count(fields, usage.id, accepted)
    }

    private mutating func settle(
        _ keyID: String, _ accepted: Int64, _ tokens: Int64, _ cost: Int64, _ currency: String, _ offset: Int
    ) throws(StoreError) {
        if budgets[keyID] == nil {
            budgets.updateValue(
                try KeyColumns.key(keyID, in: connection).map { Budget(value: $0.budget) }, forKey: keyID)
        }
        guard case .some(.some(var budget)) = budgets[keyID] else { return }
        if budget.value.settle(
            acceptedMilliseconds: accepted, tokens: tokens, costMicros: currency.isEmpty ? nil : cost,
            currency: currency, offsetMinutes: offset)
        {
            budget.isChanged = true
            budgets[keyID] = budget
        }
    }

    /// Counts the keys of a row's provider, and keeps its failed attempts.
    private mutating func count(_ fields: UsageFields, _ id: AuditID, _ accepted: Int64) throws(StoreError) {
        let providerKey = fields.providerKeyID.storedText(UsageLimit.nameBytes)
        if !providerKey.isEmpty {
            var count = providerKeys[providerKey] ?? ProviderKeyCount()
            count.requests += 1
            count.lastUsedMilliseconds = max(count.lastUsedMilliseconds, accepted)
            providerKeys[providerKey] = count
        }
        guard fields.attempts.count > 0 else { return }
        let insert = try connection.statement(
            """
            INSERT INTO usage_attempts (id, position, provider, provider_key_id, reason, status_code, duration_ms)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (id, position) DO NOTHING
            """)
        for (position, attempt) in UsageAttempt.read(fields.attempts).enumerated() {
            if !attempt.providerKeyID.isEmpty {
                var count = providerKeys[attempt.providerKeyID] ?? ProviderKeyCount()
                count.failures += 1
                count.lastUsedMilliseconds = max(count.lastUsedMilliseconds, accepted)
                providerKeys[attempt.providerKeyID] = count
            }
            insert.bind(1, id.text).bind(2, position).bind(3, attempt.provider).bind(4, attempt.providerKeyID)
            insert.bind(5, attempt.reason).bind(6, attempt.statusCode).bind(7, attempt.durationMilliseconds)
            try insert.run()
        }
    }

    private func writeBudgets(_ offset: Int) throws(StoreError) {
        guard !budgets.isEmpty else { return }
        let update = try connection.statement(
            "UPDATE api_keys SET period_start = ?2, tokens_spent = ?3, amount_spent = ?4 WHERE key_id = ?1")
        for (keyID, budget) in budgets {
            guard let budget, budget.isChanged else { continue }
            update.bind(1, keyID)
            update.bind(
                2,
                budget.value.countedSinceMilliseconds.map { Timestamp.text(milliseconds: $0, offsetMinutes: offset) })
            update.bind(3, budget.value.tokensSpent).bind(4, budget.value.amountSpentMicros)
            try update.run()
        }
    }

    // MARK: Keys of providers

    private func writeProviderKeys(_ offset: Int) throws(StoreError) {
        guard !providerKeys.isEmpty else { return }
        let update = try connection.statement(
            """
            UPDATE provider_keys SET requests = requests + ?2, failures = failures + ?3, last_used_at = ?4
            WHERE key_id = ?1
            """)
        for (keyID, count) in providerKeys {
            update.bind(1, keyID).bind(2, count.requests).bind(3, count.failures)
            update.bind(4, Timestamp.text(milliseconds: count.lastUsedMilliseconds, offsetMinutes: offset))
            try update.run()
        }
    }

    /// Nothing is changed that is newer.
    private func writeState(_ fields: ProviderKeyStateFields, _ offset: Int) throws(StoreError) {
        let keyID = fields.providerKeyID.storedText(UsageLimit.nameBytes)
        guard let record = try ProviderKeyColumns.key(keyID, in: connection),
            record.stateChangedAtMilliseconds <= fields.changedAtMilliseconds
        else { return }
        let state: ProviderKeyState =
            switch fields.state {
            case .ok: .ok
            case .cooling: .cooling(untilMilliseconds: fields.coolingUntilMilliseconds)
            case .disabled: .disabled(reason: fields.reason.storedText(UsageLimit.reasonBytes))
            }
        try WriteConnection(connection: connection, timeZoneOffsetMinutes: offset)
            .setProviderKeyState(keyID, state, changedAtMilliseconds: fields.changedAtMilliseconds)
    }
}

extension Bytes {
    /// At most so many bytes. What a character loses by it, the binder repairs.
    fileprivate func cut(_ limit: Int = UsageLimit.nameBytes) -> Bytes { Bytes(pointer, Swift.min(count, limit)) }
}

extension Int64 {
    fileprivate var asTokens: Int64 { Swift.min(Swift.max(self, 0), UsageLimit.tokens) }
    fileprivate var asMicros: Int64 { Swift.min(Swift.max(self, 0), UsageLimit.micros) }
}
