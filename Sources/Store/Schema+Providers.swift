/// What version 2 has added, and 3 to it: providers, usage and money. Amounts are micro-units of a currency, prices micro-units for a
/// million tokens.
extension Schema {
    static let providers = Table(
        name: "providers",
        sql: """
            CREATE TABLE providers (
                name TEXT PRIMARY KEY NOT NULL,
                api_type TEXT NOT NULL,
                base_url TEXT NOT NULL,
                enabled INTEGER NOT NULL DEFAULT 1,
                models TEXT NOT NULL DEFAULT '[]',
                discovered_models TEXT NOT NULL DEFAULT '[]',
                discovered_at TEXT,
                priority INTEGER NOT NULL DEFAULT 100,
                weight INTEGER NOT NULL DEFAULT 1,
                key_strategy TEXT NOT NULL DEFAULT 'first_available',
                timeout INTEGER,
                headers TEXT,
                created_at TEXT NOT NULL,
                updated_at TEXT NOT NULL
            )
            """)

    static let providerKeys = Table(
        name: "provider_keys",
        sql: """
            CREATE TABLE provider_keys (
                key_id TEXT PRIMARY KEY NOT NULL,
                provider TEXT NOT NULL REFERENCES providers (name),
                label TEXT NOT NULL DEFAULT '',
                key_hint TEXT NOT NULL DEFAULT '',
                sealed_key BLOB NOT NULL,
                weight INTEGER NOT NULL DEFAULT 1,
                enabled INTEGER NOT NULL DEFAULT 1,
                state TEXT NOT NULL DEFAULT 'ok',
                state_reason TEXT,
                cooling_until TEXT,
                state_changed_at TEXT,
                requests INTEGER NOT NULL DEFAULT 0,
                failures INTEGER NOT NULL DEFAULT 0,
                last_used_at TEXT,
                created_at TEXT NOT NULL,
                updated_at TEXT NOT NULL
            )
            """,
        indexes: ["CREATE INDEX provider_keys_by_provider ON provider_keys (provider)"])

    static let modelAliases = Table(
        name: "model_aliases",
        sql: """
            CREATE TABLE model_aliases (
                name TEXT PRIMARY KEY NOT NULL,
                targets TEXT NOT NULL,
                enabled INTEGER NOT NULL DEFAULT 1,
                created_at TEXT NOT NULL,
                updated_at TEXT NOT NULL
            )
            """)

    static let modelPrices = Table(
        name: "model_prices",
        sql: """
            CREATE TABLE model_prices (
                provider TEXT NOT NULL,
                model TEXT NOT NULL,
                input INTEGER NOT NULL,
                output INTEGER NOT NULL,
                cached_input INTEGER,
                cache_write INTEGER,
                reasoning INTEGER,
                currency TEXT NOT NULL,
                max_input_tokens INTEGER,
                max_output_tokens INTEGER,
                imported INTEGER NOT NULL DEFAULT 0,
                updated_at TEXT NOT NULL,
                \(modelPriceColumns.joined(separator: ",\n    ")),
                PRIMARY KEY (provider, model)
            ) WITHOUT ROWID
            """)

    /// Ids are those of `audit_logs`, and so is the shape: see `docs/decisions/audit-rowid.md`.
    static let usageRecords = Table(
        name: "usage_records",
        sql: """
            CREATE TABLE usage_records (
                id TEXT PRIMARY KEY NOT NULL,
                request_id TEXT NOT NULL,
                key_id TEXT,
                source_path TEXT,
                provider TEXT NOT NULL,
                provider_key_id TEXT,
                model_requested TEXT NOT NULL,
                model_served TEXT,
                prompt_tokens INTEGER NOT NULL,
                completion_tokens INTEGER NOT NULL,
                cached_tokens INTEGER NOT NULL,
                cache_write_tokens INTEGER NOT NULL,
                reasoning_tokens INTEGER NOT NULL,
                total_tokens INTEGER NOT NULL,
                cost_micros INTEGER,
                currency TEXT,
                estimated INTEGER NOT NULL,
                outcome TEXT NOT NULL,
                created_at TEXT NOT NULL,
                \((usageRecordColumns + usagePieceColumns).joined(separator: ",\n    "))
            )
            """)

    /// What version 3 has added: rates beside the common ones, as `PriceRates.extraJSON` has them.
    static let modelPriceColumns = ["rates TEXT"]
    /// What version 3 has added: what may have had a price of its own.
    static let usageRecordColumns =
        ["service_tier TEXT NOT NULL DEFAULT 'standard'"]
        + UsageParts.columns.prefix(UsageParts.firstColumns).map { "\($0.name) INTEGER NOT NULL DEFAULT 0" }

    /// What version 4 has added: characters and pages.
    static let usagePieceColumns = UsageParts.columns.dropFirst(UsageParts.firstColumns).map {
        "\($0.name) INTEGER NOT NULL DEFAULT 0"
    }

    /// Attempts that failed, in their order.
    static let usageAttempts = Table(
        name: "usage_attempts",
        sql: """
            CREATE TABLE usage_attempts (
                id TEXT NOT NULL,
                position INTEGER NOT NULL,
                provider TEXT NOT NULL,
                provider_key_id TEXT NOT NULL,
                reason TEXT NOT NULL,
                status_code INTEGER,
                duration_ms INTEGER NOT NULL,
                PRIMARY KEY (id, position)
            ) WITHOUT ROWID
            """)

    /// Sums over `usage_records`, so that reports need not read those. A bucket is a local hour, named by the number of
    /// the quarter of an hour since 1970 in which it starts: some zones are off by such quarters. Texts are empty
    /// where the records have NULL.
    static let usageHours = usageSums(table: "usage_hours")
    /// The same sums by local days, which are named by quarters too.
    static let usageDays = usageSums(table: "usage_days")

    private static func usageSums(table: String) -> Table {
        Table(
            name: table,
            sql: """
                CREATE TABLE \(table) (
                    bucket INTEGER NOT NULL,
                    key_id TEXT NOT NULL,
                    source_path TEXT NOT NULL,
                    provider TEXT NOT NULL,
                    model TEXT NOT NULL,
                    currency TEXT NOT NULL,
                    requests INTEGER NOT NULL,
                    failures INTEGER NOT NULL,
                    estimated INTEGER NOT NULL,
                    prompt_tokens INTEGER NOT NULL,
                    completion_tokens INTEGER NOT NULL,
                    cached_tokens INTEGER NOT NULL,
                    cache_write_tokens INTEGER NOT NULL,
                    reasoning_tokens INTEGER NOT NULL,
                    total_tokens INTEGER NOT NULL,
                    cost_micros INTEGER NOT NULL,
                    PRIMARY KEY (bucket, key_id, source_path, provider, model, currency)
                ) WITHOUT ROWID
                """,
            indexes: ["CREATE INDEX \(table)_by_key ON \(table) (key_id, bucket)"])
    }

    /// `master_key_check`: see `KeyVault`.
    static let storeSecrets = Table(
        name: "store_secrets",
        sql: "CREATE TABLE store_secrets (name TEXT PRIMARY KEY NOT NULL, value BLOB NOT NULL) WITHOUT ROWID")

    static let providerTables = [
        providers, providerKeys, modelAliases, modelPrices, usageRecords, usageAttempts, usageHours, usageDays,
        storeSecrets,
    ]
}
