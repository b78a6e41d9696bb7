import Reactor

extension WriteConnection {
    /// Stores a provider's key, sealed.
    ///
    /// - Throws: `StoreError.locked` if the master key is missing or another one.
    public borrowing func createProviderKey(
        _ new: NewProviderKey, vault: KeyVault
    ) throws(StoreError) -> ProviderKeyRecord {
        guard try provider(new.provider) != nil else { throw .notFound("provider \(new.provider)") }
        try validate(new.key)
        let others = try providerKeys(of: new.provider)
        guard others.count < ProviderLimit.keys else {
            throw .invalid(field: "provider", message: "must not have more than \(ProviderLimit.keys) keys")
        }
        if let same = others.first(where: { vault.open($0) == new.key }) {
            throw .conflict(field: "key", message: "provider \(new.provider) has this key already, as \(same.keyID)")
        }
        let now = now()
        var record = ProviderKeyRecord(
            keyID: "pk_" + SecureRandom.hex(8), provider: new.provider, label: new.label, keyHint: new.key.hint,
            weight: new.weight, isEnabled: new.isEnabled, stateChangedAtMilliseconds: now,
            createdAtMilliseconds: now, updatedAtMilliseconds: now)
        try validate(record)
        record.sealedKey = try vault.seal(
            new.key, provider: record.provider, keyID: record.keyID, check: try masterKeyCheck())
        let insert = try connection.statement(
            """
            INSERT INTO provider_keys (key_id, provider, label, key_hint, sealed_key, weight, enabled, state,
                state_changed_at, created_at, updated_at)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'ok', ?8, ?8, ?8)
            """)
        defer { insert.reset() }
        insert.bind(1, record.keyID).bind(2, record.provider).bind(3, record.label).bind(4, record.keyHint)
        insert.bind(5, .blob(record.sealedKey)).bind(6, record.weight).bind(7, record.isEnabled).bind(8, text(now))
        try insert.run()
        return record
    }

    /// Changes what the patch sets; nil if there is no such key.
    ///
    /// - Throws: `StoreError.locked` if the patch has a key and the master key is missing or another one.
    public borrowing func updateProviderKey(
        _ keyID: String, _ patch: ProviderKeyPatch, vault: KeyVault
    ) throws(StoreError) -> ProviderKeyRecord? {
        guard var record = try providerKey(keyID) else { return nil }
        let now = now()
        record.label = patch.label.applied(to: record.label)
        record.weight = patch.weight.applied(to: record.weight)
        record.isEnabled = patch.isEnabled.applied(to: record.isEnabled)
        if case .set(let key) = patch.key {
            try validate(key)
            record.keyHint = key.hint
            record.sealedKey = try vault.seal(
                key, provider: record.provider, keyID: keyID, check: try masterKeyCheck())
            record.state = .ok
            record.stateChangedAtMilliseconds = now
        }
        if case .set(let state) = patch.state {
            record.state = state
            record.stateChangedAtMilliseconds = now
        }
        record.updatedAtMilliseconds = now
        try validate(record)
        let update = try connection.statement(
            """
            UPDATE provider_keys SET label = ?2, key_hint = ?3, sealed_key = ?4, weight = ?5, enabled = ?6,
                updated_at = ?7
            WHERE key_id = ?1
            """)
        defer { update.reset() }
        update.bind(1, keyID).bind(2, record.label).bind(3, record.keyHint).bind(4, .blob(record.sealedKey))
        update.bind(5, record.weight).bind(6, record.isEnabled).bind(7, text(now))
        try update.run()
        try setProviderKeyState(keyID, record.state, changedAtMilliseconds: record.stateChangedAtMilliseconds)
        return record
    }

    /// Turns a key on or off. Turned on, it starts afresh: what its provider said of it is forgotten. Nil if there is
    /// no such key.
    public borrowing func toggleProviderKey(
        _ keyID: String, vault: KeyVault
    ) throws(StoreError) -> ProviderKeyRecord? {
        guard let record = try providerKey(keyID) else { return nil }
        var patch = ProviderKeyPatch()
        patch.isEnabled = .set(!record.isEnabled)
        if !record.isEnabled { patch.state = .set(.ok) }
        return try updateProviderKey(keyID, patch, vault: vault)
    }

    /// False if there is no such key. Its usage stays.
    public borrowing func deleteProviderKey(_ keyID: String) throws(StoreError) -> Bool {
        let delete = try connection.statement("DELETE FROM provider_keys WHERE key_id = ?1")
        defer { delete.reset() }
        delete.bind(1, keyID)
        try delete.run()
        return connection.changes > 0
    }

    public borrowing func providerKey(_ keyID: String) throws(StoreError) -> ProviderKeyRecord? {
        try ProviderKeyColumns.key(keyID, in: connection)
    }

    /// The keys of one provider, or of all.
    public borrowing func providerKeys(of provider: String? = nil) throws(StoreError) -> [ProviderKeyRecord] {
        try ProviderKeyColumns.keys(of: provider, in: connection)
    }

    /// Stores what is known of a key's state, whatever was known before.
    borrowing func setProviderKeyState(
        _ keyID: String, _ state: ProviderKeyState, changedAtMilliseconds changed: Int64
    ) throws(StoreError) {
        let update = try connection.statement(
            """
            UPDATE provider_keys SET state = ?2, state_reason = ?3, cooling_until = ?4, state_changed_at = ?5
            WHERE key_id = ?1
            """)
        defer { update.reset() }
        var reason: String?
        var until: Int64?
        switch state {
        case .ok: break
        case .cooling(let time): until = time
        case .disabled(let text): reason = text
        }
        update.bind(1, keyID).bind(2, state.name).bind(3, reason).bind(4, text(until)).bind(5, text(changed))
        try update.run()
    }

    private borrowing func validate(_ record: ProviderKeyRecord) throws(StoreError) {
        try checkText("label", record.label, maximum: RowLimit.nameBytes)
        if record.weight < 0 { throw .invalid(field: "weight", message: "must not be negative") }
        if case .disabled(let reason) = record.state {
            try checkText("state.reason", reason, maximum: RowLimit.textBytes)
        }
    }

    /// A key travels in a header: nothing but visible ASCII.
    private borrowing func validate(_ key: ProviderSecret) throws(StoreError) {
        if key.bytes.isEmpty { throw .invalid(field: "key", message: "must not be empty") }
        if key.bytes.count > RowLimit.textBytes {
            throw .invalid(field: "key", message: "must not be longer than \(RowLimit.textBytes) bytes")
        }
        guard key.bytes.allSatisfy({ (0x21...0x7E).contains($0) }) else {
            throw .invalid(field: "key", message: "must consist of visible ASCII characters")
        }
    }
}
