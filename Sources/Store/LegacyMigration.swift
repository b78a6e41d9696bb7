import CSQLite
import JSON
import Reactor

/// Brings a database from before the version count up to date: M-FastGate's, with plain keys, random audit ids, times
/// without an offset and no weights. Runs inside one transaction.
///
/// Each of our tables is made anew and filled row by row; columns unknown to us come along. What changes its meaning:
/// - keys become their SHA-256; an audit row's `api_key` that held a key becomes that key's id, or is masked;
/// - audit ids are made anew, in order of time; the old ones are kept in a column `legacy_id`;
/// - times get an offset. The old program wrote those of keys in UTC, all others in its local time.
struct LegacyMigration {
    /// Without these a table is not what its name says.
    static let requiredColumns: [String: [String]] = [
        "api_keys": ["key_id", "key_value", "source_path"],
        "audit_logs": ["id", "request_id", "method", "path", "request_time"],
        "proxy_routes": ["route_id", "route_name", "match_path", "target_host"],
    ]

    let connection: Connection
    let tables: [String]
    let timeZoneOffsetMinutes: Int

    private var keyIDs: [String: String] = [:]
    private var knownKeyIDs: Set<String> = []
    private var auditRows = 0
    private var rollups = RollupTable()
    private let now = Timestamp.text(milliseconds: Int64(Clock.realtimeNanoseconds() / 1_000_000))

    private typealias Row = [String: SQLValue]

    init(connection: Connection, tables: [String], timeZoneOffsetMinutes: Int) {
        self.connection = connection
        self.tables = tables
        self.timeZoneOffsetMinutes = timeZoneOffsetMinutes
    }

    mutating func run() throws(StoreError) {
        for table in Schema.tables where !tables.contains(table.name) {
            try Schema.create(table, in: connection)
        }
        // Keys first: the audit's rows refer to them.
        for table in Schema.legacyTables where tables.contains(table.name) { try rebuild(table) }
        try rollups.write(to: connection)
        let counter = try connection.prepare("INSERT INTO store_counters (name, value) VALUES ('audit_rows', ?1)")
        counter.bind(1, auditRows)
        try counter.run()
    }

    private mutating func rebuild(_ table: Schema.Table) throws(StoreError) {
        let old = "fastgate_old_\(table.name)"
        try connection.execute("ALTER TABLE \(table.name) RENAME TO \(old)")
        try Schema.create(table, in: connection)
        let wanted = try SchemaCheck.columns(of: table.name, in: connection).map(\.name)
        let found = try SchemaCheck.columns(of: old, in: connection).map(\.name)
        var extras = found.filter { name in !wanted.contains { $0 == name.lowercasedASCII } }
        if table.name == "audit_logs" && !extras.contains("legacy_id") { extras.append("legacy_id") }
        for extra in extras { try connection.execute("ALTER TABLE \(table.name) ADD COLUMN \(quoted(extra))") }

        let names = wanted + extras
        let insert = try connection.prepare(
            "INSERT INTO \(table.name) (\(names.map(quoted).joined(separator: ", "))) "
                + "VALUES (\(names.indices.map { "?\($0 + 1)" }.joined(separator: ", ")))")
        let order =
            switch table.name {
            case "audit_logs": "request_time, id"
            case "api_keys": "key_id"
            default: "route_id"
            }
        let rows = try connection.prepare("SELECT * FROM \(old) ORDER BY \(order)")
        while try rows.step() {
            var row: Row = [:]
            for (column, name) in found.enumerated() {
                row[wanted.contains(name.lowercasedASCII) ? name.lowercasedASCII : name] = rows.value(Int32(column))
            }
            switch table.name {
            case "api_keys": try convertKey(&row)
            case "audit_logs": convertLog(&row)
            default: try convertRoute(&row)
            }
            for (position, name) in names.enumerated() { insert.bind(Int32(position + 1), row[name] ?? .null) }
            try insert.run()
        }
        try connection.execute("DROP TABLE \(old)")
    }

    private func quoted(_ name: String) -> String {
        var text = "\""
        for character in name.unicodeScalars {
            if character == "\"" { text += "\"" }
            text.unicodeScalars.append(character)
        }
        return text + "\""
    }

    // MARK: Rows

    private mutating func convertKey(_ row: inout Row) throws(StoreError) {
        let id = text(row["key_id"]) ?? ""
        guard let value = text(row["key_value"]), !value.isEmpty else {
            throw .refused("the migration stopped: api_keys row \(id) has no key_value")
        }
        keyIDs[value] = id
        knownKeyIDs.insert(id)
        row["key_value"] = .text(SHA256.hex(value))
        let prefix = value.prefix(8).lastIndex(of: "_").map { String(value[...$0]) } ?? ""
        row["key_hint"] = .text(KeySecret.hint(value: value, prefix: prefix))
        let permissions = text(row["permissions"]) ?? ""
        // An unreadable list must not turn into the empty one: that allows everything.
        if permissions.isEmpty {
            row["permissions"] = .text("[]")
        } else {
            guard let list = (try? JSONValue(parsing: permissions))?.arrayValue,
                list.allSatisfy({ $0.stringValue != nil })
            else {
                throw .refused(
                    "the migration stopped: api_keys row \(id) has permissions that are not a JSON array of strings")
            }
        }
        row["created_at"] = .text(time(row["created_at"], naiveOffset: 0) ?? now)
        row["expires_at"] = try expiry(row["expires_at"], id)
        row["last_used_at"] = time(row["last_used_at"], naiveOffset: 0).map(SQLValue.text) ?? .null
        row["is_active"] = .integer(isTrue(row["is_active"], ifNoSuchColumn: true) ? 1 : 0)
        row["usage_count"] = .integer(integer(row["usage_count"]) ?? 0)
        row["rate_limit"] = integer(row["rate_limit"]).map(SQLValue.integer) ?? .null
        row["allowed_models"] = .text("[]")
        row["currency"] = .text("USD")
        row["budget_period"] = .text(BudgetPeriod.total.rawValue)
        for name in ["tokens_spent", "amount_spent"] { row[name] = .integer(0) }
        for name in ["max_tokens", "max_amount", "period_start", "max_concurrent"] { row[name] = .null }
    }

    /// An unreadable expiry must not turn into none.
    private func expiry(_ value: SQLValue?, _ id: String) throws(StoreError) -> SQLValue {
        guard let given = text(value), !given.isEmpty else { return .null }
        guard let time = time(value, naiveOffset: 0) else {
            throw .refused("the migration stopped: api_keys row \(id) has an expires_at that is no time: \(given)")
        }
        return .text(time)
    }

    private mutating func convertLog(_ row: inout Row) {
        let created = time(row["created_at"], naiveOffset: timeZoneOffsetMinutes)
        let requested = time(row["request_time"], naiveOffset: timeZoneOffsetMinutes) ?? created ?? now
        let milliseconds = Timestamp.parse(requested) ?? 0
        auditRows += 1
        row["legacy_id"] = row["id"] ?? .null
        let id = AuditID(high: UInt64(max(0, milliseconds)) << 16, low: UInt64(auditRows))
        row["id"] = .text(id.text)
        for (name, fallback) in [("request_id", ""), ("method", ""), ("path", "")] where text(row[name]) == nil {
            row[name] = .text(fallback)
        }
        if let key = text(row["api_key"]) { row["api_key"] = .text(keyReference(key)) }
        row["request_time"] = .text(requested)
        row["created_at"] = .text(created ?? requested)
        for name in ["first_response_time", "response_time"] {
            row[name] = time(row[name], naiveOffset: timeZoneOffsetMinutes).map(SQLValue.text) ?? .null
        }
        for name in ["request_size", "response_size", "stream_chunks"] {
            row[name] = .integer(integer(row[name]) ?? 0)
        }
        row["is_stream"] = .integer(isTrue(row["is_stream"]) ? 1 : 0)
        for name in ["request_headers", "response_headers"] { row[name] = jsonOrQuoted(row[name]) }
        addToRollups(row, milliseconds)
    }

    private mutating func addToRollups(_ row: Row, _ milliseconds: Int64) {
        let status = integer(row["status_code"])
        guard status != nil || text(row["response_time"]) != nil else { return }
        let first = text(row["first_response_time"]).flatMap { Timestamp.parse($0) }
        var duration = 0.0
        switch row["response_time_ms"] {
        case .integer(let value): duration = Double(value)
        case .real(let value): duration = value
        default: break
        }
        rollups.add(
            requestTimeMilliseconds: milliseconds, status: Int(status ?? 0), durationMilliseconds: duration,
            firstByteMilliseconds: first.map { Double($0 - milliseconds) },
            isError: (status ?? 0) >= 400 || text(row["error_message"]) != nil || status == nil,
            isStream: isTrue(row["is_stream"]), requestBytes: Int(integer(row["request_size"]) ?? 0),
            responseBytes: Int(integer(row["response_size"]) ?? 0))
    }

    /// The id of the key that an audit row names, by id or by value; of an unknown one only what identifies no secret.
    private func keyReference(_ key: String) -> String {
        if let id = keyIDs[key] { return id }
        if knownKeyIDs.contains(key) { return key }
        let prefix = key.prefix(8).lastIndex(of: "_").map { String(key[...$0]) } ?? ""
        return KeySecret.hint(value: key, prefix: prefix)
    }

    private func convertRoute(_ row: inout Row) throws(StoreError) {
        let id = text(row["route_id"]) ?? ""
        for name in ["match_headers", "match_body_schema", "add_headers", "add_body_fields", "remove_headers"] {
            guard let given = text(row[name]), !given.isEmpty, given != "null" else {
                row[name] = .null
                continue
            }
            let value = try? JSONValue(parsing: given)
            let fits = name == "remove_headers" ? value?.arrayValue != nil : value?.objectValue != nil
            guard fits else {
                let kind = name == "remove_headers" ? "array" : "object"
                throw .refused("the migration stopped: proxy_routes row \(id) has \(name) that is not a JSON \(kind)")
            }
        }
        for (name, fallback) in [("match_method", "ANY"), ("target_path", ""), ("target_protocol", "http")]
        where text(row[name]) == nil {
            row[name] = .text(fallback)
        }
        for (name, fallback) in [("retry_count", 0), ("priority", 100), ("weight", 1)] as [(String, Int64)] {
            row[name] = .integer(integer(row[name]) ?? fallback)
        }
        row["strip_path_prefix"] = .integer(isTrue(row["strip_path_prefix"]) ? 1 : 0)
        row["is_active"] = .integer(isTrue(row["is_active"], ifNoSuchColumn: true) ? 1 : 0)
        let created = time(row["created_at"], naiveOffset: timeZoneOffsetMinutes) ?? now
        row["created_at"] = .text(created)
        row["updated_at"] = .text(time(row["updated_at"], naiveOffset: timeZoneOffsetMinutes) ?? created)
    }

    // MARK: Values

    private func text(_ value: SQLValue?) -> String? {
        switch value {
        case .text(let text): text
        case .integer(let number): String(number)
        case .real(let number): String(number)
        case .blob(let bytes): String(decoding: bytes, as: UTF8.self)
        case .null, nil: nil
        }
    }

    private func integer(_ value: SQLValue?) -> Int64? {
        switch value {
        case .integer(let number): number
        case .real(let number): Int64(exactly: number.rounded())
        case .text(let text): Int64(text)
        default: nil
        }
    }

    private func isTrue(_ value: SQLValue?, ifNoSuchColumn missing: Bool = false) -> Bool {
        guard let value else { return missing }
        if let number = integer(value) { return number != 0 }
        return text(value)?.lowercasedASCII == "true"
    }

    private func time(_ value: SQLValue?, naiveOffset: Int) -> String? {
        text(value).flatMap { Timestamp.parse($0, defaultOffsetMinutes: naiveOffset) }
            .map { Timestamp.text(milliseconds: $0, offsetMinutes: timeZoneOffsetMinutes) }
    }

    /// The old program cut long headers, which left no JSON: such text is kept as a JSON string.
    private func jsonOrQuoted(_ value: SQLValue?) -> SQLValue {
        guard let given = text(value), !given.isEmpty else { return .null }
        if (try? JSONValue(parsing: given)) != nil { return .text(given) }
        return .text(JSONValue.string(given).serialized())
    }
}

extension StringProtocol {
    /// A–Z as a–z, all else unchanged.
    var lowercasedASCII: String {
        String(
            String.UnicodeScalarView(
                unicodeScalars.map { ("A"..."Z").contains($0) ? Unicode.Scalar($0.value + 32)! : $0 }))
    }
}
