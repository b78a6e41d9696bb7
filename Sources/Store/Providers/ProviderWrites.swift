import JSON

extension WriteConnection {
    /// Stores a new provider. Creation and change times are now.
    public borrowing func createProvider(_ provider: ProviderRecord) throws(StoreError) -> ProviderRecord {
        var provider = provider
        provider.createdAtMilliseconds = now()
        provider.updatedAtMilliseconds = provider.createdAtMilliseconds
        try validate(provider)
        if try self.provider(provider.name) != nil {
            throw .conflict(field: "name", message: "provider \(provider.name) is there already")
        }
        let insert = try connection.statement(
            """
            INSERT INTO providers (\(ProviderColumns.list))
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
            """)
        defer { insert.reset() }
        bind(provider, insert)
        insert.bind(13, text(provider.createdAtMilliseconds))
        try insert.run()
        return provider
    }

    /// Replaces all of a provider but its creation time; nil if there is no such provider.
    public borrowing func updateProvider(_ provider: ProviderRecord) throws(StoreError) -> ProviderRecord? {
        guard let old = try self.provider(provider.name) else { return nil }
        var provider = provider
        provider.createdAtMilliseconds = old.createdAtMilliseconds
        provider.updatedAtMilliseconds = now()
        try validate(provider)
        let update = try connection.statement(
            """
            UPDATE providers SET api_type = ?2, base_url = ?3, enabled = ?4, models = ?5, discovered_models = ?6,
                discovered_at = ?7, priority = ?8, weight = ?9, key_strategy = ?10, timeout = ?11, headers = ?12,
                updated_at = ?14
            WHERE name = ?1
            """)
        defer { update.reset() }
        bind(provider, update)
        try update.run()
        return provider
    }

    /// Keeps what a provider's own list of models says; false if there is no such provider. Names that could not be
    /// stored are left out.
    public borrowing func setDiscoveredModels(_ name: String, _ models: [String]) throws(StoreError) -> Bool {
        var kept: [String] = []
        for model in models where kept.count < ProviderLimit.models {
            if (try? checkModel("models", model)) != nil { kept.append(model) }
        }
        let update = try connection.statement(
            "UPDATE providers SET discovered_models = ?2, discovered_at = ?3 WHERE name = ?1")
        defer { update.reset() }
        update.bind(1, name).bind(2, listText(kept)).bind(3, text(now()))
        try update.run()
        return connection.changes > 0
    }

    /// Turns a provider on or off; nil if there is no such provider.
    public borrowing func toggleProvider(_ name: String) throws(StoreError) -> ProviderRecord? {
        guard var provider = try self.provider(name) else { return nil }
        provider.isEnabled.toggle()
        return try updateProvider(provider)
    }

    /// Deletes a provider with its keys; prices and usage stay. False if there is no such provider.
    public borrowing func deleteProvider(_ name: String) throws(StoreError) -> Bool {
        for sql in ["DELETE FROM provider_keys WHERE provider = ?1", "DELETE FROM providers WHERE name = ?1"] {
            let delete = try connection.statement(sql)
            defer { delete.reset() }
            delete.bind(1, name)
            try delete.run()
        }
        return connection.changes > 0
    }

    public borrowing func provider(_ name: String) throws(StoreError) -> ProviderRecord? {
        try ProviderColumns.provider(name, in: connection)
    }

    private borrowing func bind(_ provider: ProviderRecord, _ statement: Statement) {
        statement.bind(1, provider.name).bind(2, provider.apiType).bind(3, provider.baseURL)
        statement.bind(4, provider.isEnabled).bind(5, listText(provider.models))
        statement.bind(6, listText(provider.discoveredModels)).bind(7, text(provider.discoveredAtMilliseconds))
        statement.bind(8, provider.priority).bind(9, provider.weight).bind(10, provider.keyStrategy)
        statement.bind(11, provider.timeoutSeconds).bind(12, provider.headers?.serialized())
        statement.bind(14, text(provider.updatedAtMilliseconds))
    }

    private borrowing func validate(_ provider: ProviderRecord) throws(StoreError) {
        try checkProviderName("name", provider.name)
        guard ProviderRecord.apiTypes.contains(provider.apiType) else {
            throw .invalid(
                field: "api_type", message: "must be one of " + ProviderRecord.apiTypes.joined(separator: ", "))
        }
        try checkBaseURL(provider.baseURL)
        for (field, models) in [("models", provider.models), ("discovered_models", provider.discoveredModels)] {
            guard models.count <= ProviderLimit.models else {
                throw .invalid(field: field, message: "must not have more than \(ProviderLimit.models) entries")
            }
            for model in models { try checkModel(field, model) }
        }
        if provider.weight < 0 { throw .invalid(field: "weight", message: "must not be negative") }
        guard ProviderRecord.strategies.contains(provider.keyStrategy) else {
            throw .invalid(
                field: "key_strategy", message: "must be one of " + ProviderRecord.strategies.joined(separator: ", "))
        }
        if let timeout = provider.timeoutSeconds, timeout < 1 {
            throw .invalid(field: "timeout", message: "must be at least 1")
        }
        try checkHeaders(provider.headers)
    }

    private borrowing func checkBaseURL(_ text: String) throws(StoreError) {
        try checkText("base_url", text, minimum: 1, maximum: RowLimit.textBytes)
        let rest: Substring
        if text.hasPrefix("https://") {
            rest = text.dropFirst(8)
        } else if text.hasPrefix("http://") {
            rest = text.dropFirst(7)
        } else {
            throw .invalid(field: "base_url", message: "must begin with http:// or https://")
        }
        let authority = rest.prefix { $0 != "/" }
        if authority.isEmpty || authority.first == ":" {
            throw .invalid(field: "base_url", message: "must name a host")
        }
        if authority.contains("@") {
            throw .invalid(field: "base_url", message: "must not hold a user or password: keys are stored sealed")
        }
        if text.contains(where: { "?# \\".contains($0) }) || text.utf8.contains(where: { $0 >= 0x80 }) {
            throw .invalid(field: "base_url", message: "must not have a query, a fragment, blanks or non-ASCII letters")
        }
    }

    private borrowing func checkHeaders(_ headers: JSONValue?) throws(StoreError) {
        guard let headers else { return }
        guard let object = headers.objectValue else { throw .invalid(field: "headers", message: "must be an object") }
        guard headers.serialized().utf8.count <= RowLimit.jsonBytes else {
            throw .invalid(field: "headers", message: "must not be longer than \(RowLimit.jsonBytes) bytes")
        }
        for member in object.members {
            let name = member.name
            guard let value = member.value.stringValue else {
                throw .invalid(field: "headers.\(name)", message: "must be a text")
            }
            try checkText("headers", name, minimum: 1, maximum: RowLimit.nameBytes)
            try checkText("headers.\(name)", value, maximum: RowLimit.textBytes)
        }
    }
}

/// Limits on what providers may hold.
enum ProviderLimit {
    static let models = 4096
    static let keys = 1024
    static let targets = 32
    /// Micro-units for a million tokens: a million units of a currency.
    static let price: Int64 = 1_000_000_000_000
}

/// A JSON array of texts.
func listText(_ names: [String]) -> String { JSONValue.array(names.map { .string($0) }).serialized() }

/// `field` named, unless it is a provider's name: what can stand before the slash of `provider/model`.
func checkProviderName(_ field: String, _ name: String) throws(StoreError) {
    try checkText(field, name, minimum: 1, maximum: 64)
    let isPlain = name.utf8.allSatisfy {
        (0x61...0x7A).contains($0) || (0x41...0x5A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D
            || $0 == 0x2E || $0 == 0x5F
    }
    guard isPlain else { throw .invalid(field: field, message: "must consist of letters, digits, -, . and _") }
    // In a path these are no name (RFC 3986 §5.2.4).
    guard name != ".", name != ".." else { throw .invalid(field: field, message: "must not be . or ..") }
}

/// `field` named, unless it can be a model's name.
func checkModel(_ field: String, _ name: String) throws(StoreError) {
    try checkText(field, name, minimum: 1, maximum: RowLimit.nameBytes)
}

/// Three capital letters (ISO 4217).
func checkCurrency(_ field: String, _ text: String) throws(StoreError) {
    guard text.utf8.count == 3, text.utf8.allSatisfy({ (0x41...0x5A).contains($0) }) else {
        throw .invalid(field: field, message: "must be three capital letters, as in USD")
    }
}
