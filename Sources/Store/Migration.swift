/// Brings a database of an earlier schema version up to date, one version after the other. Runs inside one transaction.
enum Migration {
    static func run(from version: Int, in connection: Connection) throws(StoreError) {
        if version < 2 { try addProviders(connection) }
    }

    /// Version 2: providers, usage and money. Nothing that was there is changed but `api_keys`, which gains columns.
    private static func addProviders(_ connection: Connection) throws(StoreError) {
        for column in Schema.apiKeyBudgetColumns {
            try connection.execute("ALTER TABLE api_keys ADD COLUMN \(column)")
        }
        for table in Schema.providerTables { try Schema.create(table, in: connection) }
    }
}
