import CSQLite

/// Brings a database of an earlier schema version up to date, one version after the other. Runs inside one transaction.
enum Migration {
    static func run(from version: Int, in connection: Connection) throws(StoreError) {
        // Tables that a version makes are those of today.
        if version < 2 { return try addProviders(connection) }
        if version < 3 { try addPriceParts(connection) }
        if version < 4 { try addPieces(connection) }
    }

    /// Version 4: usage that is counted in characters and pages.
    private static func addPieces(_ connection: Connection) throws(StoreError) {
        for column in Schema.usagePieceColumns {
            try connection.execute("ALTER TABLE usage_records ADD COLUMN \(column)")
        }
    }

    /// Version 3: prices by tier, length and kind of token, and the parts of usage that they are for.
    private static func addPriceParts(_ connection: Connection) throws(StoreError) {
        for column in Schema.modelPriceColumns {
            try connection.execute("ALTER TABLE model_prices ADD COLUMN \(column)")
        }
        for column in Schema.usageRecordColumns {
            try connection.execute("ALTER TABLE usage_records ADD COLUMN \(column)")
        }
    }

    /// Version 2: providers, usage and money. Nothing that was there is changed but `api_keys`, which gains columns.
    private static func addProviders(_ connection: Connection) throws(StoreError) {
        for column in Schema.apiKeyBudgetColumns {
            try connection.execute("ALTER TABLE api_keys ADD COLUMN \(column)")
        }
        for table in Schema.providerTables { try Schema.create(table, in: connection) }
        try allowUnknownChunkCounts(connection)
    }

    /// `stream_chunks` may be NULL since version 2. SQLite has no ALTER for that, and copying millions of rows to another
    /// table is not called for: dropping a NOT NULL changes nothing that is stored, so the text of the schema is changed,
    /// as its documentation has it (lang_altertable, "Making Other Kinds Of Table Schema Changes").
    private static func allowUnknownChunkCounts(_ connection: Connection) throws(StoreError) {
        let version = try connection.scalarInt("PRAGMA schema_version")
        fg_sqlite_allow_schema_text(connection.handle, 1)
        defer { fg_sqlite_allow_schema_text(connection.handle, 0) }
        try connection.execute(
            """
            UPDATE sqlite_schema SET sql = replace(
                sql, 'stream_chunks INTEGER NOT NULL DEFAULT 0', 'stream_chunks INTEGER DEFAULT 0')
            WHERE type = 'table' AND name = 'audit_logs'
            """)
        try connection.execute("PRAGMA schema_version = \(version + 1)")
    }
}
