extension ReadConnection {
    /// Sums over exchanges with providers. Whole days and hours come from sums that the writer keeps; of the hours in
    /// which the range starts and ends, the records are read, so that any range is exact as far as those are kept.
    ///
    /// - Parameter limit: groups at most.
    public func usageReport(
        groupBy grouping: UsageGrouping, _ filter: UsageFilter = UsageFilter(), limit: Int = 1000
    ) throws(StoreError) -> UsageReport {
        let offset = Int64(timeZoneOffsetMinutes) * 60_000
        let expression =
            switch grouping {
            case .key: "key_id"
            case .source: "source_path"
            case .provider: "provider"
            case .model: "model"
            // Instants of 1970 and later: division rounds down.
            case .day: "(bucket * 900000 + \(offset)) / 86400000"
            case .hour: "(bucket * 900000 + \(offset)) / 3600000"
            }
        return try read { connection throws(StoreError) in
            let source = UsageSource(filter, offsetMinutes: timeZoneOffsetMinutes, byHour: grouping == .hour)
            let select = try connection.prepare(
                "SELECT \(expression) AS part, currency, \(UsageSums.sums) FROM (\(source.sql)) GROUP BY part, currency"
            )
            source.bind(select)
            var report = UsageReport(groups: [], totals: UsageTotals(), groupCount: 0)
            var positions: [String: Int] = [:]
            while try select.step() {
                let sums = UsageSums(select, from: 2)
                let currency = select.text(1)
                report.totals.add(sums, currency: currency)
                var name = select.text(0)
                var start: Int64?
                if grouping == .day || grouping == .hour {
                    let step: Int64 = grouping == .day ? 86_400_000 : 3_600_000
                    start = Int64(select.int(0)) * step - offset
                    name = Timestamp.text(milliseconds: start!, offsetMinutes: timeZoneOffsetMinutes)
                    if grouping == .day { name = String(name.prefix(10)) }
                }
                if let position = positions[name] {
                    report.groups[position].totals.add(sums, currency: currency)
                } else {
                    positions[name] = report.groups.count
                    var group = UsageGroup(name: name, startMilliseconds: start, totals: UsageTotals())
                    group.totals.add(sums, currency: currency)
                    report.groups.append(group)
                }
            }
            report.groups.sort {
                if let a = $0.startMilliseconds, let b = $1.startMilliseconds { return a < b }
                return ($1.totals.totalTokens, $0.name) < ($0.totals.totalTokens, $1.name)
            }
            report.groupCount = report.groups.count
            report.groups = Array(report.groups.prefix(max(0, limit)))
            return report
        }
    }

    /// How requests and tokens are spread over models, most requests first.
    public func modelsDistribution(
        _ filter: UsageFilter = UsageFilter(), limit: Int = 100
    ) throws(StoreError) -> [ModelShare] {
        try read { connection throws(StoreError) in
            let source = UsageSource(filter, offsetMinutes: timeZoneOffsetMinutes)
            let select = try connection.prepare(
                """
                SELECT provider, model, currency, \(UsageSums.sums) FROM (\(source.sql))
                GROUP BY provider, model, currency ORDER BY provider, model
                """)
            source.bind(select)
            var shares: [ModelShare] = []
            while try select.step() {
                let (provider, model) = (select.text(0), select.text(1))
                if shares.last.map({ $0.provider == provider && $0.model == model }) != true {
                    shares.append(
                        ModelShare(
                            provider: provider, model: model, totals: UsageTotals(), requestShare: 0, tokenShare: 0))
                }
                shares[shares.count - 1].totals.add(UsageSums(select, from: 3), currency: select.text(2))
            }
            let requests = shares.reduce(0.0) { $0 + Double($1.totals.requests) }
            let tokens = shares.reduce(0.0) { $0 + Double($1.totals.totalTokens) }
            for position in shares.indices {
                let totals = shares[position].totals
                if requests > 0 { shares[position].requestShare = Double(totals.requests) / requests }
                if tokens > 0 { shares[position].tokenShare = Double(totals.totalTokens) / tokens }
            }
            shares.sort {
                ($1.totals.requests, $0.provider, $0.model) < ($0.totals.requests, $1.provider, $1.model)
            }
            return Array(shares.prefix(max(0, limit)))
        }
    }

    /// Usage at a glance.
    ///
    /// - Parameters:
    ///   - vault: opens the providers' keys; nil: nothing does.
    ///   - nowMilliseconds: nil: the clock's.
    public func usageSummary(vault: KeyVault?, nowMilliseconds: Int64? = nil) throws(StoreError) -> UsageSummary {
        let now = nowMilliseconds ?? self.now()
        var summary = UsageSummary()
        summary.allTime = try totals(UsageFilter())
        let month = BudgetPeriod.monthly.start(of: now, offsetMinutes: timeZoneOffsetMinutes)
        summary.month = try totals(UsageFilter(startMilliseconds: month))
        let today = BudgetPeriod.daily.start(of: now, offsetMinutes: timeZoneOffsetMinutes)
        summary.today = try totals(UsageFilter(startMilliseconds: today))
        for provider in try providers().items {
            summary.providers += 1
            if provider.isEnabled { summary.enabledProviders += 1 }
        }
        for key in try providerKeys() {
            summary.providerKeys += 1
            switch key.state {
            case _ where !key.isEnabled: break
            case _ where vault?.open(key) == nil: summary.unreadableProviderKeys += 1
            case .cooling(let until) where until > now: summary.coolingProviderKeys += 1
            case .disabled: summary.disabledProviderKeys += 1
            case .ok, .cooling: summary.usableProviderKeys += 1
            }
        }
        return try read { connection throws(StoreError) in
            summary.aliases = try connection.scalarInt("SELECT count(*) FROM model_aliases")
            summary.prices = try connection.scalarInt("SELECT count(*) FROM model_prices")
            return summary
        }
    }

    private func totals(_ filter: UsageFilter) throws(StoreError) -> UsageTotals {
        try read { connection throws(StoreError) in
            let source = UsageSource(filter, offsetMinutes: timeZoneOffsetMinutes)
            let select = try connection.prepare(
                "SELECT currency, \(UsageSums.sums) FROM (\(source.sql)) GROUP BY currency")
            source.bind(select)
            var totals = UsageTotals()
            while try select.step() { totals.add(UsageSums(select, from: 1), currency: select.text(0)) }
            return totals
        }
    }

    // MARK: Records

    private static let recordColumns = """
        id, request_id, key_id, source_path, provider, provider_key_id, model_requested, model_served, prompt_tokens,
        completion_tokens, cached_tokens, cache_write_tokens, reasoning_tokens, total_tokens, cost_micros, currency,
        estimated, outcome, created_at, service_tier,
        EXISTS (SELECT 1 FROM audit_logs WHERE audit_logs.id = usage_records.id),
        \(UsageParts.columns.map(\.name).joined(separator: ", "))
        """

    private func record(_ row: Statement) -> UsageRecord {
        var record = UsageRecord(
            id: row.text(0), requestID: row.text(1), keyID: row.optionalText(2), sourcePath: row.optionalText(3),
            provider: row.text(4), providerKeyID: row.optionalText(5), modelRequested: row.text(6),
            modelServed: row.optionalText(7), promptTokens: Int64(row.int(8)), completionTokens: Int64(row.int(9)),
            cachedTokens: Int64(row.int(10)), cacheWriteTokens: Int64(row.int(11)),
            reasoningTokens: Int64(row.int(12)), totalTokens: Int64(row.int(13)),
            costMicros: row.optionalInt(14).map(Int64.init), currency: row.optionalText(15),
            isEstimated: row.bool(16), outcome: UsageOutcome(name: row.text(17)) ?? .failed,
            createdAtMilliseconds: Timestamp.parse(row.text(18)) ?? 0)
        let tier = row.text(19)
        record.parts.tier = ServiceLevel.allCases.first { $0.name == tier } ?? .other
        record.isInAudit = row.bool(20)
        for (position, column) in UsageParts.columns.enumerated() {
            record.parts[keyPath: column.count] = Int64(row.int(Int32(21 + position)))
        }
        return record
    }

    /// Records, newest first.
    ///
    /// - Parameter cursor: the page before's `nextCursor`.
    public func usageRecords(
        _ filter: UsageFilter = UsageFilter(), limit: Int = 100, cursor: String? = nil
    ) throws(StoreError) -> UsagePage {
        if let cursor, AuditID(cursor) == nil {
            throw .invalid(field: "cursor", message: "is not one that this list has given")
        }
        let limit = max(0, min(limit, 10_000))
        return try read { connection throws(StoreError) in
            var conditions = UsageSource.conditions(filter, model: "ifnull(model_served, model_requested)")
            if filter.startMilliseconds != nil { conditions.append("id >= :start") }
            if filter.endMilliseconds != nil { conditions.append("id < :end") }
            if cursor != nil { conditions.append("id < :cursor") }
            let condition = conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND ")
            let select = try connection.prepare(
                "SELECT \(Self.recordColumns) FROM usage_records \(condition) ORDER BY id DESC LIMIT :limit")
            UsageSource.bind(filter, select)
            select.bind(":start", filter.startMilliseconds.map { UsageSource.id($0) })
            select.bind(":end", filter.endMilliseconds.map { UsageSource.id($0 == .max ? $0 : $0 + 1) })
            select.bind(":cursor", cursor)
            select.bind(":limit", Int64(limit) + 1)
            var items: [UsageRecord] = []
            while try select.step() { items.append(record(select)) }
            let more = items.count > limit
            items = Array(items.prefix(limit))
            return UsagePage(items: items, nextCursor: more ? items.last?.id : nil)
        }
    }

    public func usageRecord(_ id: String) throws(StoreError) -> UsageRecord? {
        try read { connection throws(StoreError) in
            let select = try connection.statement(
                "SELECT \(Self.recordColumns) FROM usage_records WHERE id = ?1")
            defer { select.reset() }
            select.bind(1, id)
            return try select.step() ? record(select) : nil
        }
    }

    /// The failed attempts of an exchange, in their order.
    public func usageAttempts(_ id: String) throws(StoreError) -> [UsageAttempt] {
        try read { connection throws(StoreError) in
            let select = try connection.statement(
                """
                SELECT provider, provider_key_id, reason, status_code, duration_ms FROM usage_attempts
                WHERE id = ?1 ORDER BY position
                """)
            defer { select.reset() }
            select.bind(1, id)
            var attempts: [UsageAttempt] = []
            while try select.step() {
                attempts.append(
                    UsageAttempt(
                        provider: select.text(0), providerKeyID: select.text(1), reason: select.text(2),
                        statusCode: select.optionalInt(3), durationMilliseconds: select.int(4)))
            }
            return attempts
        }
    }

    /// A key's budget as it stands; nil if there is no such key.
    ///
    /// - Parameter nowMilliseconds: nil: the clock's.
    public func balance(_ keyID: String, nowMilliseconds: Int64? = nil) throws(StoreError) -> KeyBalance? {
        let now = nowMilliseconds ?? self.now()
        return try key(keyID).map {
            KeyBalance(
                keyID: $0.keyID, sourcePath: $0.sourcePath,
                budget: $0.budget.at(now, offsetMinutes: timeZoneOffsetMinutes),
                resetsAtMilliseconds: $0.budget.resetsAtMilliseconds(now, offsetMinutes: timeZoneOffsetMinutes))
        }
    }
}
