/// Reading `provider_keys`, for both kinds of connection.
enum ProviderKeyColumns {
    static let list = """
        key_id, provider, label, key_hint, sealed_key, weight, enabled, state, state_reason, cooling_until,
        state_changed_at, requests, failures, last_used_at, created_at, updated_at
        """

    static func record(_ row: Statement) -> ProviderKeyRecord {
        let state: ProviderKeyState =
            switch row.text(7) {
            case "ok": .ok
            case "cooling":
                .cooling(untilMilliseconds: row.optionalText(9).flatMap { Timestamp.parse($0) } ?? 0)
            default: .disabled(reason: row.text(8))
            }
        var sealed: [UInt8] = []
        if case .blob(let bytes) = row.value(4) { sealed = bytes }
        return ProviderKeyRecord(
            keyID: row.text(0), provider: row.text(1), label: row.text(2), keyHint: row.text(3), sealedKey: sealed,
            weight: row.int(5), isEnabled: row.bool(6), state: state,
            stateChangedAtMilliseconds: row.optionalText(10).flatMap { Timestamp.parse($0) } ?? 0,
            requests: row.int(11), failures: row.int(12),
            lastUsedAtMilliseconds: row.optionalText(13).flatMap { Timestamp.parse($0) },
            createdAtMilliseconds: Timestamp.parse(row.text(14)) ?? 0,
            updatedAtMilliseconds: Timestamp.parse(row.text(15)) ?? 0)
    }

    static func keys(
        of provider: String?, in connection: Connection
    ) throws(StoreError) -> [ProviderKeyRecord] {
        let select = try connection.statement(
            "SELECT \(list) FROM provider_keys WHERE (?1 IS NULL OR provider = ?1) ORDER BY provider, created_at, key_id"
        )
        defer { select.reset() }
        select.bind(1, provider)
        var items: [ProviderKeyRecord] = []
        while try select.step() { items.append(record(select)) }
        return items
    }

    static func key(_ keyID: String, in connection: Connection) throws(StoreError) -> ProviderKeyRecord? {
        let select = try connection.statement("SELECT \(list) FROM provider_keys WHERE key_id = ?1")
        defer { select.reset() }
        select.bind(1, keyID)
        return try select.step() ? record(select) : nil
    }
}

extension ReadConnection {
    /// The keys of one provider, or of all; in order of provider, then of age.
    public func providerKeys(of provider: String? = nil) throws(StoreError) -> [ProviderKeyRecord] {
        try read { connection throws(StoreError) in try ProviderKeyColumns.keys(of: provider, in: connection) }
    }

    public func providerKey(_ keyID: String) throws(StoreError) -> ProviderKeyRecord? {
        try read { connection throws(StoreError) in try ProviderKeyColumns.key(keyID, in: connection) }
    }
}
