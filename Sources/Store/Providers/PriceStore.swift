import JSON

/// `model_prices`.
private enum PriceColumns {
    static let list = """
        provider, model, input, output, cached_input, cache_write, reasoning, currency, max_input_tokens,
        max_output_tokens, imported, updated_at, rates
        """

    static func record(_ row: Statement) -> PriceRecord {
        var record = PriceRecord(
            provider: row.text(0), model: row.text(1), input: Int64(row.int(2)), output: Int64(row.int(3)),
            cachedInput: row.optionalInt(4).map(Int64.init), cacheWrite: row.optionalInt(5).map(Int64.init),
            reasoning: row.optionalInt(6).map(Int64.init), currency: row.text(7), maxInputTokens: row.optionalInt(8),
            maxOutputTokens: row.optionalInt(9), isImported: row.bool(10),
            updatedAtMilliseconds: Timestamp.parse(row.text(11)) ?? 0)
        record.rates = row.optionalText(12).flatMap { try? JSONValue(parsing: $0) }
        return record
    }

    static func price(
        _ provider: String, _ model: String, in connection: Connection
    ) throws(StoreError) -> PriceRecord? {
        let select = try connection.statement("SELECT \(list) FROM model_prices WHERE provider = ?1 AND model = ?2")
        defer { select.reset() }
        select.bind(1, provider).bind(2, model)
        return try select.step() ? record(select) : nil
    }
}

extension ReadConnection {
    /// Prices by provider and model, and how many there are in all.
    public func prices(
        _ filter: PriceFilter = PriceFilter(), limit: Int = Int(Int32.max), offset: Int = 0
    ) throws(StoreError) -> Page<PriceRecord> {
        try read { connection throws(StoreError) in
            let condition = "(?1 IS NULL OR provider = ?1) AND (?2 IS NULL OR instr(lower(model), lower(?2)) > 0)"
            let count = try connection.statement("SELECT count(*) FROM model_prices WHERE \(condition)")
            let select = try connection.statement(
                """
                SELECT \(PriceColumns.list) FROM model_prices WHERE \(condition)
                ORDER BY provider, model LIMIT ?3 OFFSET ?4
                """)
            defer {
                count.reset()
                select.reset()
            }
            for statement in [count, select] { statement.bind(1, filter.provider).bind(2, filter.modelContains) }
            select.bind(3, max(0, limit)).bind(4, max(0, offset))
            _ = try count.step()
            var items: [PriceRecord] = []
            while try select.step() { items.append(PriceColumns.record(select)) }
            return Page(items: items, total: count.int(0))
        }
    }

    public func price(provider: String, model: String) throws(StoreError) -> PriceRecord? {
        try read { connection throws(StoreError) in try PriceColumns.price(provider, model, in: connection) }
    }
}

extension WriteConnection {
    /// Stores a price in the place of any that its provider and model have. The change time is now.
    public borrowing func setPrice(_ price: PriceRecord) throws(StoreError) -> PriceRecord {
        try validate(price)
        var price = price
        price.updatedAtMilliseconds = now()
        let upsert = try connection.statement(
            """
            INSERT INTO model_prices (\(PriceColumns.list))
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
            ON CONFLICT (provider, model) DO UPDATE SET input = excluded.input, output = excluded.output,
                cached_input = excluded.cached_input, cache_write = excluded.cache_write,
                reasoning = excluded.reasoning, currency = excluded.currency,
                max_input_tokens = excluded.max_input_tokens, max_output_tokens = excluded.max_output_tokens,
                imported = excluded.imported, updated_at = excluded.updated_at, rates = excluded.rates
            """)
        defer { upsert.reset() }
        upsert.bind(1, price.provider).bind(2, price.model).bind(3, price.input).bind(4, price.output)
        upsert.bind(5, price.cachedInput.map(Int.init)).bind(6, price.cacheWrite.map(Int.init))
        upsert.bind(7, price.reasoning.map(Int.init)).bind(8, price.currency).bind(9, price.maxInputTokens)
        upsert.bind(10, price.maxOutputTokens).bind(11, price.isImported)
        upsert.bind(12, text(price.updatedAtMilliseconds)).bind(13, price.rates?.serialized())
        try upsert.run()
        return price
    }

    /// Stores the prices of a file. One that an operator has set by hand stays, unless `replacingManual`; prices that
    /// the file does not have stay too. An entry that is wrong undoes all of it.
    public borrowing func importPrices(
        _ prices: [PriceRecord], replacingManual: Bool = false
    ) throws(StoreError) -> PriceImport {
        var result = PriceImport()
        for var price in prices {
            price.isImported = true
            guard var old = try PriceColumns.price(price.provider, price.model, in: connection) else {
                _ = try setPrice(price)
                result.added += 1
                continue
            }
            if !old.isImported && !replacingManual {
                result.kept += 1
                continue
            }
            old.updatedAtMilliseconds = price.updatedAtMilliseconds
            if old == price {
                result.unchanged += 1
                continue
            }
            _ = try setPrice(price)
            result.changed += 1
        }
        return result
    }

    /// False if there is no such price.
    public borrowing func deletePrice(provider: String, model: String) throws(StoreError) -> Bool {
        let delete = try connection.statement("DELETE FROM model_prices WHERE provider = ?1 AND model = ?2")
        defer { delete.reset() }
        delete.bind(1, provider).bind(2, model)
        try delete.run()
        return connection.changes > 0
    }

    public borrowing func price(provider: String, model: String) throws(StoreError) -> PriceRecord? {
        try PriceColumns.price(provider, model, in: connection)
    }

    private borrowing func validate(_ price: PriceRecord) throws(StoreError) {
        if !price.provider.isEmpty { try checkProviderName("provider", price.provider) }
        try checkModel("model", price.model)
        try checkCurrency("currency", price.currency)
        for (field, value) in [
            ("input", price.input), ("output", price.output), ("cached_input", price.cachedInput),
            ("cache_write", price.cacheWrite), ("reasoning", price.reasoning),
        ] {
            guard let value else { continue }
            if value < 0 { throw .invalid(field: field, message: "must not be negative: \(price.model)") }
            if value > ProviderLimit.price {
                throw .invalid(field: field, message: "must not be above \(ProviderLimit.price): \(price.model)")
            }
        }
        for (field, value) in [
            ("max_input_tokens", price.maxInputTokens), ("max_output_tokens", price.maxOutputTokens),
        ] {
            if let value, value < 0 { throw .invalid(field: field, message: "must not be negative: \(price.model)") }
        }
    }
}
