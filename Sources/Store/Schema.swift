/// The tables of this version.
enum Schema {
    /// Counted in `PRAGMA user_version`. 0 is an empty file, or a database from before there was a count.
    static let version = 4
    /// "FGAT" in `PRAGMA application_id`.
    static let applicationID = 0x4647_4154

    struct Table {
        let name: String
        let sql: String
        /// Statements to run after `sql`.
        var indexes: [String] = []
    }

    static let apiKeys = Table(
        name: "api_keys",
        sql: """
            CREATE TABLE api_keys (
                key_id TEXT PRIMARY KEY NOT NULL,
                key_value TEXT UNIQUE NOT NULL,
                key_hint TEXT NOT NULL DEFAULT '',
                source_path TEXT NOT NULL,
                permissions TEXT NOT NULL DEFAULT '[]',
                created_at TEXT NOT NULL,
                expires_at TEXT,
                is_active INTEGER NOT NULL DEFAULT 1,
                usage_count INTEGER NOT NULL DEFAULT 0,
                rate_limit INTEGER,
                last_used_at TEXT,
                \(apiKeyBudgetColumns.joined(separator: ",\n    "))
            )
            """)

    /// What version 2 has added to `api_keys`. Amounts are micro-units of `currency`.
    static let apiKeyBudgetColumns = [
        "allowed_models TEXT NOT NULL DEFAULT '[]'", "max_tokens INTEGER", "max_amount INTEGER",
        "currency TEXT NOT NULL DEFAULT 'USD'", "budget_period TEXT NOT NULL DEFAULT 'total'", "period_start TEXT",
        "tokens_spent INTEGER NOT NULL DEFAULT 0", "amount_spent INTEGER NOT NULL DEFAULT 0",
        "max_concurrent INTEGER",
    ]

    /// Ids are ordered by time, so their index serves time ranges and cursors, and is the only one over all rows.
    /// `docs/decisions/audit-rowid.md` says why the table has a rowid besides.
    static let auditLogs = Table(
        name: "audit_logs",
        sql: """
            CREATE TABLE audit_logs (
                id TEXT PRIMARY KEY NOT NULL,
                request_id TEXT NOT NULL,
                api_key TEXT,
                source_path TEXT,
                method TEXT NOT NULL,
                path TEXT NOT NULL,
                target_url TEXT,
                status_code INTEGER,
                request_time TEXT NOT NULL,
                first_response_time TEXT,
                response_time TEXT,
                response_time_ms REAL,
                request_size INTEGER NOT NULL DEFAULT 0,
                response_size INTEGER NOT NULL DEFAULT 0,
                user_agent TEXT,
                ip_address TEXT,
                is_stream INTEGER NOT NULL DEFAULT 0,
                stream_chunks INTEGER DEFAULT 0,
                error_message TEXT,
                request_headers TEXT,
                request_body TEXT,
                response_headers TEXT,
                response_body TEXT,
                created_at TEXT NOT NULL
            )
            """,
        indexes: ["CREATE INDEX audit_logs_in_flight ON audit_logs (id) WHERE status_code IS NULL"])

    static let proxyRoutes = Table(
        name: "proxy_routes",
        sql: """
            CREATE TABLE proxy_routes (
                route_id TEXT PRIMARY KEY NOT NULL,
                route_name TEXT NOT NULL,
                description TEXT,
                match_path TEXT NOT NULL,
                match_method TEXT NOT NULL DEFAULT 'ANY',
                match_headers TEXT,
                match_body_schema TEXT,
                target_host TEXT NOT NULL,
                target_path TEXT NOT NULL DEFAULT '',
                target_protocol TEXT NOT NULL DEFAULT 'http',
                strip_path_prefix INTEGER NOT NULL DEFAULT 0,
                add_headers TEXT,
                add_body_fields TEXT,
                remove_headers TEXT,
                timeout INTEGER,
                retry_count INTEGER NOT NULL DEFAULT 0,
                is_active INTEGER NOT NULL DEFAULT 1,
                priority INTEGER NOT NULL DEFAULT 100,
                weight INTEGER NOT NULL DEFAULT 1,
                created_at TEXT NOT NULL,
                updated_at TEXT NOT NULL
            )
            """)

    /// Sums over ended exchanges, so that totals and series need not read the audit. A bucket is 15 minutes, which
    /// every zone's days and hours are made of, and -1 holds all of them together; a latency class is a step of an eighth
    /// of an octave.
    static let auditRollups = Table(
        name: "audit_rollups",
        sql: """
            CREATE TABLE audit_rollups (
                bucket INTEGER NOT NULL,
                status_code INTEGER NOT NULL,
                latency_class INTEGER NOT NULL,
                is_error INTEGER NOT NULL,
                requests INTEGER NOT NULL,
                streams INTEGER NOT NULL,
                response_ms REAL NOT NULL,
                first_byte_ms REAL NOT NULL,
                first_byte_requests INTEGER NOT NULL,
                request_bytes INTEGER NOT NULL,
                response_bytes INTEGER NOT NULL,
                PRIMARY KEY (bucket, status_code, latency_class, is_error)
            ) WITHOUT ROWID
            """)

    /// Counts that would be slow to take: `audit_rows`.
    static let storeCounters = Table(
        name: "store_counters",
        sql: "CREATE TABLE store_counters (name TEXT PRIMARY KEY NOT NULL, value INTEGER NOT NULL) WITHOUT ROWID")

    static let tables = [apiKeys, auditLogs, proxyRoutes, auditRollups, storeCounters] + providerTables

    /// The tables that databases from before the version count have too.
    static let legacyTables = [apiKeys, auditLogs, proxyRoutes]

    static func create(_ table: Table, in connection: Connection) throws(StoreError) {
        try connection.execute(table.sql)
        for index in table.indexes { try connection.execute(index) }
    }

    /// Makes everything in an empty database.
    static func createAll(in connection: Connection) throws(StoreError) {
        for table in tables { try create(table, in: connection) }
        try connection.execute("INSERT INTO store_counters (name, value) VALUES ('audit_rows', 0)")
    }

    static func stamp(_ connection: Connection) throws(StoreError) {
        try connection.execute("PRAGMA application_id = \(applicationID)")
        try connection.execute("PRAGMA user_version = \(version)")
    }
}
