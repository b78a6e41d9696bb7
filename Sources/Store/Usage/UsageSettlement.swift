import Reactor

/// The usage of one batch on its way into the database: its rows, and what they add to keys' budgets, rollups and
/// counters. All of that hangs on a row being new, so a batch that comes again after a crash adds nothing, and what
/// has been settled is always the sum of the rows.
struct UsageSettlement: ~Copyable {
    /// Of the last `write`.
    private(set) var inserted = 0
    private(set) var rejected = 0

    private let connection: Connection
    private var statements = UsageStatements()
    private var groups = UsageGroups()
    private var rollups = UsageRollupTable()
    /// Of the keys of this batch.
    private var budgets: [Budget] = []
    /// Indexes of the batch's rows by their shape.
    private var brief: [Int] = []
    private var full: [Int] = []
    /// Where a key's budget is; -1: there is no such key.
    private var budgetPositions: [String: Int] = [:]
    private var providerKeys: [String: ProviderKeyCount] = [:]

    private struct Budget {
        let keyID: String
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
    ///   - isCareful: rows may be there already, and a value that SQLite will never take is counted and left out, for it
    ///     must not hold up all others.
    ///   - onProgress: called every few rows.
    mutating func write(
        _ batch: borrowing AuditBatch, _ binder: inout AuditBinder, isCareful: Bool, onProgress: () -> Void
    ) throws(StoreError) {
        inserted = 0
        rejected = 0
        groups.removeAll()
        rollups.removeAll()
        budgets.removeAll(keepingCapacity: true)
        budgetPositions.removeAll(keepingCapacity: true)
        providerKeys.removeAll(keepingCapacity: true)
        let offset = binder.timeZoneOffsetMinutes
        if isCareful {
            for index in batch.usage.indices {
                do throws(StoreError) {
                    if try insertCarefully(batch, index, &binder) == 1 { try settle(batch.usage[index], offset) }
                } catch {
                    guard error.isAboutData else { throw error }
                    rejected += 1
                }
                onProgress()
            }
        } else {
            try writeFast(batch, &binder, onProgress)
        }
        try addGroups()
        try rollups.write(to: connection, offsetMinutes: offset)
        try writeBudgets(offset)
        try writeProviderKeys(offset)
        for fields in batch.providerKeyStates { try writeState(fields, offset) }
    }

    // MARK: Rows

    /// Inserts rows that are new several at a time, the last ones in powers of two, so that few statements are needed.
    private mutating func writeFast(
        _ batch: borrowing AuditBatch, _ binder: inout AuditBinder, _ onProgress: () -> Void
    ) throws(StoreError) {
        brief.removeAll(keepingCapacity: true)
        full.removeAll(keepingCapacity: true)
        for index in batch.usage.indices {
            if batch.usage[index].fields.parts.isPlain { brief.append(index) } else { full.append(index) }
        }
        try insert(.brief, brief, batch, &binder, onProgress)
        try insert(.full, full, batch, &binder, onProgress)
    }

    private mutating func insert(
        _ shape: UsageStatements.Shape, _ indexes: [Int], _ batch: borrowing AuditBatch, _ binder: inout AuditBinder,
        _ onProgress: () -> Void
    ) throws(StoreError) {
        var position = 0
        var size = UsageStatements.rowsPerInsert
        while position < indexes.count {
            while size > indexes.count - position { size /= 2 }
            // A row that is there already is an error, which has undone the whole transaction.
            let statement = try statements.insert(shape, rows: size, isCareful: false, connection)
            binder.beginStatement()
            for n in 0..<size {
                let base = 1 + Int32(n) * shape.columnCount
                Self.bind(batch.usage[indexes[position + n]], shape, &binder, statement.parameters, base)
            }
            try statement.run()
            inserted += size
            for n in 0..<size { try settle(batch.usage[indexes[position + n]], binder.timeZoneOffsetMinutes) }
            position += size
            onProgress()
        }
    }

    /// Returns how many rows were new: one, or none.
    private mutating func insertCarefully(
        _ batch: borrowing AuditBatch, _ index: Int, _ binder: inout AuditBinder
    ) throws(StoreError) -> Int {
        let statement = try statements.insert(.full, rows: 1, isCareful: true, connection)
        binder.beginStatement()
        Self.bind(batch.usage[index], .full, &binder, statement.parameters, 1)
        try statement.run()
        let new = connection.changes
        inserted += new
        return new
    }

    private static func bind(
        _ usage: borrowing AuditBatch.Usage, _ shape: UsageStatements.Shape, _ binder: inout AuditBinder,
        _ parameters: Parameters, _ base: Int32
    ) {
        binder.bindID(usage.id, parameters.statement, base)
        binder.bindText(usage.fields.requestID.cut(), parameters.statement, base + 1)
        binder.bindRepeated(usage.fields.keyID.cut(), .usageKey, parameters, base + 2)
        binder.bindRepeated(usage.fields.sourcePath.cut(RowLimit.textBytes), .usageSourcePath, parameters, base + 3)
        binder.bindRepeated(usage.fields.provider.cut(), .provider, parameters, base + 4, isOptional: false)
        binder.bindRepeated(usage.fields.providerKeyID.cut(), .providerKey, parameters, base + 5)
        binder.bindRepeated(usage.fields.modelRequested.cut(), .modelRequested, parameters, base + 6, isOptional: false)
        binder.bindRepeated(usage.fields.modelServed.cut(), .modelServed, parameters, base + 7)
        binder.repeated.bind(usage.fields.promptTokens.asTokens, parameters, base + 8)
        binder.repeated.bind(usage.fields.completionTokens.asTokens, parameters, base + 9)
        binder.repeated.bind(usage.fields.cachedTokens.asTokens, parameters, base + 10)
        binder.repeated.bind(usage.fields.cacheWriteTokens.asTokens, parameters, base + 11)
        binder.repeated.bind(usage.fields.reasoningTokens.asTokens, parameters, base + 12)
        binder.repeated.bind(usage.fields.totalTokens.asTokens, parameters, base + 13)
        if usage.fields.currency.isEmpty {
            binder.repeated.bindNull(parameters, base + 14)
        } else {
            binder.repeated.bind(usage.fields.costMicros.asMicros, parameters, base + 14)
        }
        binder.bindRepeated(usage.fields.currency.cut(), .currency, parameters, base + 15)
        binder.repeated.bind(usage.fields.isEstimated ? 1 : 0, parameters, base + 16)
        binder.bindRepeated(usage.fields.outcome.bytes, .outcome, parameters, base + 17)
        binder.bindTime(max(1, usage.id.unixMilliseconds &* 1_000_000), parameters.statement, base + 18)
        if shape == .brief { return }
        binder.bindRepeated(usage.fields.parts.tier.bytes, .usageTier, parameters, base + 19, isOptional: false)
        binder.repeated.bind(usage.fields.parts.cacheWriteLong.asTokens, parameters, base + 20)
        binder.repeated.bind(usage.fields.parts.inputAudio.asTokens, parameters, base + 21)
        binder.repeated.bind(usage.fields.parts.inputImage.asTokens, parameters, base + 22)
        binder.repeated.bind(usage.fields.parts.cachedAudio.asTokens, parameters, base + 23)
        binder.repeated.bind(usage.fields.parts.outputAudio.asTokens, parameters, base + 24)
        binder.repeated.bind(usage.fields.parts.outputImage.asTokens, parameters, base + 25)
        binder.repeated.bind(usage.fields.parts.toolPrompt.asTokens, parameters, base + 26)
        binder.repeated.bind(usage.fields.parts.searches.asTokens, parameters, base + 27)
        binder.repeated.bind(usage.fields.parts.images.asTokens, parameters, base + 28)
        binder.repeated.bind(usage.fields.parts.milliseconds.asTokens, parameters, base + 29)
        binder.repeated.bind(usage.fields.parts.characters.asTokens, parameters, base + 30)
        binder.repeated.bind(usage.fields.parts.pages.asTokens, parameters, base + 31)
        binder.repeated.bind(usage.fields.parts.annotatedPages.asTokens, parameters, base + 32)
    }

    // MARK: Sums

    /// Adds a new row to everything that sums rows.
    private mutating func settle(_ usage: borrowing AuditBatch.Usage, _ offset: Int) throws(StoreError) {
        let accepted = Int64(clamping: usage.id.unixMilliseconds)
        let (group, isNew) = groups.find(
            UsageGroups.Key(
                bucket: UsageRollupTable.Span.hour.bucket(accepted, offsetMinutes: offset), keyID: usage.fields.keyID,
                sourcePath: usage.fields.sourcePath, provider: usage.fields.provider,
                providerKeyID: usage.fields.providerKeyID,
                model: usage.fields.modelServed.isEmpty ? usage.fields.modelRequested : usage.fields.modelServed,
                currency: usage.fields.currency))
        if isNew {
            let currency = usage.fields.currency
            let position = try budget(of: usage.fields.keyID)
            groups.setBudget(
                position, paysCost: position >= 0 && budgets[position].value.counts(currency), of: group)
        }
        let sums = UsageSums(usage.fields)
        groups.add(sums, acceptedMilliseconds: accepted, to: group)
        let position = groups.groups[group].budget
        if position >= 0, sums.totalTokens != 0 || sums.costMicros != 0,
            budgets[position].value.settle(
                acceptedMilliseconds: accepted, periodStart: usage.fields.budgetPeriod, tokens: sums.totalTokens,
                costMicros: groups.groups[group].paysCost ? sums.costMicros : nil, offsetMinutes: offset)
        {
            budgets[position].isChanged = true
        }
        if usage.fields.attempts.count > 0 { try writeAttempts(usage.fields.attempts, usage.id, accepted) }
    }

    /// Where the budget of a key is; -1: there is no such key.
    private mutating func budget(of key: Bytes) throws(StoreError) -> Int {
        guard !key.isEmpty else { return -1 }
        let keyID = key.storedText(UsageLimit.nameBytes)
        if let known = budgetPositions[keyID] { return known }
        var position = -1
        if let value = try KeyColumns.budget(of: keyID, in: connection) {
            position = budgets.count
            budgets.append(Budget(keyID: keyID, value: value))
        }
        budgetPositions[keyID] = position
        return position
    }

    /// Hands the sums of the groups on, now with texts as the database has them.
    private mutating func addGroups() throws(StoreError) {
        for index in groups.groups.indices {
            let group = groups.groups[index]
            let key = group.key
            rollups.add(
                UsageRollupTable.Key(
                    bucket: key.bucket, keyID: key.keyID.storedText(UsageLimit.nameBytes),
                    sourcePath: key.sourcePath.storedText(RowLimit.textBytes),
                    provider: key.provider.storedText(UsageLimit.nameBytes),
                    model: key.model.storedText(UsageLimit.nameBytes),
                    currency: key.currency.storedText(UsageLimit.nameBytes)),
                group.sums)
            let providerKey = key.providerKeyID.storedText(UsageLimit.nameBytes)
            guard !providerKey.isEmpty else { continue }
            var count = providerKeys[providerKey] ?? ProviderKeyCount()
            count.requests += Int(group.sums.requests)
            count.lastUsedMilliseconds = max(count.lastUsedMilliseconds, group.lastAcceptedMilliseconds)
            providerKeys[providerKey] = count
        }
    }

    /// Keeps the failed attempts of a row, and counts them with their keys.
    private mutating func writeAttempts(_ attempts: Bytes, _ id: AuditID, _ accepted: Int64) throws(StoreError) {
        let insert = try connection.statement(
            """
            INSERT INTO usage_attempts (id, position, provider, provider_key_id, reason, status_code, duration_ms)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (id, position) DO NOTHING
            """)
        for (position, attempt) in UsageAttempt.read(attempts).enumerated() {
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
        for budget in budgets where budget.isChanged {
            update.bind(1, budget.keyID)
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

extension UsageSums {
    /// Of one row.
    fileprivate init(_ fields: UsageFields) {
        requests = 1
        failures = fields.outcome == .failed ? 1 : 0
        estimated = fields.isEstimated ? 1 : 0
        promptTokens = fields.promptTokens.asTokens
        completionTokens = fields.completionTokens.asTokens
        cachedTokens = fields.cachedTokens.asTokens
        cacheWriteTokens = fields.cacheWriteTokens.asTokens
        reasoningTokens = fields.reasoningTokens.asTokens
        totalTokens = fields.totalTokens.asTokens
        costMicros = fields.currency.isEmpty ? 0 : fields.costMicros.asMicros
    }
}

extension UsageOutcome {
    /// `name`, without making a text.
    fileprivate var bytes: Bytes {
        switch self {
        case .completed: Bytes("completed")
        case .failed: Bytes("failed")
        case .interrupted: Bytes("interrupted")
        case .cancelled: Bytes("cancelled")
        }
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
