/// What a database file holds, as far as opening it depends on that.
struct SchemaCheck {
    let userVersion: Int
    let applicationID: Int
    /// Table name to its columns, SQLite's own tables left out.
    let tables: [String: [Column]]

    struct Column: Equatable {
        let name: String
        let isRequired: Bool
        let hasDefault: Bool
    }

    init(_ connection: Connection) throws(StoreError) {
        userVersion = try connection.scalarInt("PRAGMA user_version")
        applicationID = try connection.scalarInt("PRAGMA application_id")
        var found: [String: [Column]] = [:]
        let list = try connection.prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")
        while try list.step() {
            let name = list.text(0)
            found[name] = try Self.columns(of: name, in: connection)
        }
        tables = found
    }

    static func columns(of table: String, in connection: Connection) throws(StoreError) -> [Column] {
        let info = try connection.prepare("SELECT name, \"notnull\", dflt_value FROM pragma_table_info(?1)")
        info.bind(1, table)
        var columns: [Column] = []
        while try info.step() {
            columns.append(Column(name: info.text(0), isRequired: info.bool(1), hasDefault: !info.isNull(2)))
        }
        return columns
    }

    enum Verdict: Equatable {
        case empty
        case current
        /// From before the version count: these of our tables are there.
        case legacy(tables: [String])
        case older(version: Int)
        case refused(String)
    }

    /// - Parameter expected: the tables of the current version with their columns.
    func verdict(expected: [String: [Column]]) -> Verdict {
        if userVersion > Schema.version {
            return .refused(
                "its schema version is \(userVersion), this program knows versions up to \(Schema.version): "
                    + "it was written by a newer FastGate")
        }
        if applicationID != 0 && applicationID != Schema.applicationID {
            return .refused(
                "its application_id is \(applicationID), FastGate's is \(Schema.applicationID): "
                    + "it belongs to another program")
        }
        if userVersion < 0 { return .refused("its schema version is \(userVersion), which no FastGate has written") }
        if userVersion == 0 { return verdictWithoutVersion() }
        if applicationID == 0 {
            return .refused("its user_version is \(userVersion) but its application_id is 0, not FastGate's")
        }
        if userVersion < Schema.version { return .older(version: userVersion) }
        if let difference = difference(from: expected) { return .refused(difference) }
        return .current
    }

    private func verdictWithoutVersion() -> Verdict {
        if tables.isEmpty { return .empty }
        let ours = Schema.legacyTables.map(\.name).filter { tables[$0] != nil }
        if ours.isEmpty {
            let names = tables.keys.sorted().prefix(5).joined(separator: ", ")
            return .refused("it has tables (\(names)) but none of FastGate's: it belongs to another program")
        }
        for table in ours {
            let names = Set(tables[table]!.map(\.name))
            if let missing = LegacyMigration.requiredColumns[table]!.first(where: { !names.contains($0) }) {
                return .refused("its table \(table) has no column \(missing)")
            }
        }
        for added in (["audit_rollups", "store_counters"] + Schema.providerTables.map(\.name))
        where tables[added] != nil {
            return .refused("it has a table \(added) but no schema version")
        }
        return .legacy(tables: ours)
    }

    /// The first thing that is missing. More columns than ours do no harm unless they must be filled.
    private func difference(from expected: [String: [Column]]) -> String? {
        for (table, columns) in expected.sorted(by: { $0.key < $1.key }) {
            guard let found = tables[table] else { return "it has no table \(table)" }
            let names = Set(found.map(\.name))
            if let missing = columns.first(where: { !names.contains($0.name) }) {
                return "its table \(table) has no column \(missing.name)"
            }
            let known = Set(columns.map(\.name))
            if let extra = found.first(where: { !known.contains($0.name) && $0.isRequired && !$0.hasDefault }) {
                return "its table \(table) has a column \(extra.name) that must not be empty, unknown to FastGate"
            }
        }
        return nil
    }
}
