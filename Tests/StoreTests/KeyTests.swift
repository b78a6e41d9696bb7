import Testing

@testable import Store

struct KeyTests {
    private let folder = TestFolder()
    private let database: Database

    init() throws { database = try Database.open(path: folder.database, timeZoneOffsetMinutes: 480) }

    private func create(_ source: String, isActive: Bool = true) throws -> CreatedKey {
        try database.write { c throws(StoreError) in
            try c.createKey(NewKey(sourcePath: source, isActive: isActive), keyPrefix: "fg_")
        }
    }

    private func update(_ id: String, _ patch: KeyPatch) throws -> KeyRecord? {
        try database.write { c throws(StoreError) in try c.updateKey(id, patch) }
    }

    private func toggle(_ id: String) throws -> KeyRecord? {
        try database.write { c throws(StoreError) in try c.toggleKey(id) }
    }

    private func rotate(_ id: String) throws -> CreatedKey? {
        try database.write { c throws(StoreError) in try c.rotateKey(id, keyPrefix: "fg_") }
    }

    private func delete(_ id: String) throws -> Bool {
        try database.write { c throws(StoreError) in try c.deleteKey(id) }
    }

    @Test func aNewKeyShowsItsValueOnceAndStoresItsHash() throws {
        let new = NewKey(
            sourcePath: "/team/a", permissions: ["chat", "/v1/*"], rateLimitPerMinute: 60,
            expiresAtMilliseconds: 1_800_000_000_000)
        let created = try database.write { c throws(StoreError) in try c.createKey(new, keyPrefix: "fg_") }
        #expect(created.value.hasPrefix("fg_"))
        #expect(created.value.utf8.count == 51)
        #expect(created.value.dropFirst(3).allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) })
        #expect(created.record.keyHint == "fg_…" + created.value.suffix(4))
        let read = try #require(try database.reader().key(created.record.keyID))
        #expect(read == created.record)
        #expect(read.keyHash == KeySecret.hash(created.value))
        #expect(read.permissions == ["chat", "/v1/*"] && read.rateLimitPerMinute == 60)
        #expect(read.expiresAtMilliseconds == 1_800_000_000_000)
        let raw = try folder.raw()
        #expect(try raw.int("SELECT count(*) FROM api_keys WHERE key_value LIKE 'fg_%'") == 0)
        #expect(try raw.text("SELECT expires_at FROM api_keys") == "2027-01-15T16:00:00.000+08:00")
    }

    @Test func valuesDiffer() {
        let values = Set((0..<200).map { _ in KeySecret.value(prefix: "") })
        #expect(values.count == 200)
        #expect(KeySecret.hint(value: "short", prefix: "fg_") == "…")
        #expect(KeySecret.hash(hex: "zz") == nil)
    }

    @Test func patchesChangeWhatTheyNameOnly() throws {
        let made = try create("/a").record
        var patch = KeyPatch()
        patch.rateLimitPerMinute = .set(5)
        patch.permissions = .set(["*"])
        let changed = try update(made.keyID, patch)
        #expect(changed?.rateLimitPerMinute == 5 && changed?.permissions == ["*"] && changed?.sourcePath == "/a")
        var clear = KeyPatch()
        clear.rateLimitPerMinute = .set(nil)
        let cleared = try update(made.keyID, clear)
        #expect(cleared?.rateLimitPerMinute == nil && cleared?.permissions == ["*"])
        #expect(try database.reader().key(made.keyID) == cleared)
        #expect(try update("none", patch) == nil)
    }

    @Test func toggleRotateDelete() throws {
        let made = try create("/a")
        let id = made.record.keyID
        #expect(try toggle(id)?.isActive == false)
        #expect(try database.reader().activeKeys().isEmpty)
        #expect(try database.reader().allKeys().count == 1)
        #expect(try toggle(id)?.isActive == true)
        let rotated = try #require(try rotate(id))
        #expect(rotated.value != made.value)
        #expect(try database.reader().activeKeys().first?.keyHash == KeySecret.hash(rotated.value))
        #expect(try delete(id))
        #expect(try delete(id) == false)
        #expect(try toggle(id) == nil)
        #expect(try rotate(id) == nil)
        #expect(try database.reader().key(id) == nil)
    }

    @Test func budgetsAreStoredAndChanged() throws {
        let new = NewKey(
            sourcePath: "/a", allowedModels: ["gpt-4*"],
            limits: KeyLimits(
                maxTokens: 1000, maxAmountMicros: 5_000_000, currency: "EUR", period: .monthly, maxConcurrent: 3))
        let made = try database.write { c throws(StoreError) in try c.createKey(new, keyPrefix: "fg_") }.record
        #expect(try database.reader().key(made.keyID) == made)
        #expect(made.allowedModels == ["gpt-4*"] && made.maxConcurrent == 3)
        #expect(made.budget.maxTokens == 1000 && made.budget.maxAmountMicros == 5_000_000)
        #expect(made.budget.currency == "EUR" && made.budget.period == .monthly && made.budget.tokensSpent == 0)
        var patch = KeyPatch()
        patch.allowedModels = .set([])
        patch.maxTokens = .set(nil)
        patch.maxAmountMicros = .set(7)
        patch.maxConcurrent = .set(nil)
        let change = patch
        _ = try database.write { c throws(StoreError) in try c.updateKey(made.keyID, change) }
        let read = try #require(try database.reader().key(made.keyID))
        #expect(read.allowedModels.isEmpty && read.maxConcurrent == nil)
        #expect(read.budget.maxTokens == nil && read.budget.maxAmountMicros == 7 && read.budget.currency == "EUR")
        let balance = try #require(try database.reader().balance(made.keyID))
        #expect(balance.amountLeftMicros == 7 && balance.tokensLeft == nil && !balance.isExhausted)
    }

    @Test func listsFilterAndPage() throws {
        for n in 0..<5 { _ = try create(n < 3 ? "/a" : "/b", isActive: n != 0) }
        let reader = try database.reader()
        #expect(try reader.listKeys().total == 5)
        #expect(try reader.listKeys(KeyFilter(sourcePath: "/a")).total == 3)
        #expect(try reader.listKeys(KeyFilter(sourcePath: "/a", isActive: true)).items.count == 2)
        #expect(try reader.listKeys(KeyFilter(isActive: false)).total == 1)
        let newest = try #require(try reader.listKeys(limit: 1).items.first)
        #expect(try reader.listKeys(KeyFilter(search: "A")).total >= 3)
        #expect(try reader.listKeys(KeyFilter(isActive: false, search: "/a")).total == 1)
        #expect(try reader.listKeys(KeyFilter(search: newest.keyID)).items.map(\.keyID) == [newest.keyID])
        #expect(try reader.listKeys(KeyFilter(search: String(newest.keyHint.suffix(4)))).total == 1)
        #expect(try reader.listKeys(KeyFilter(search: "%")).total == 0)
        let page = try reader.listKeys(limit: 2, offset: 4)
        #expect(page.items.count == 1 && page.total == 5)
    }

    @Test func whatIsRefused() throws {
        func refusal(_ new: NewKey) -> String? {
            guard
                case .invalid(let field, _)? = storeError({
                    _ = try database.write { c throws(StoreError) in try c.createKey(new, keyPrefix: "fg_") }
                })
            else { return nil }
            return field
        }
        #expect(refusal(NewKey(sourcePath: "")) == "source_path")
        #expect(refusal(NewKey(sourcePath: "a\nb")) == "source_path")
        #expect(refusal(NewKey(sourcePath: "/a", permissions: [""])) == "permissions")
        #expect(refusal(NewKey(sourcePath: "/a", rateLimitPerMinute: -1)) == "rate_limit")
        #expect(refusal(NewKey(sourcePath: "/a", allowedModels: [""])) == "allowed_models")
        for (field, limits) in [
            ("max_tokens", KeyLimits(maxTokens: -1)), ("max_amount", KeyLimits(maxAmountMicros: -1)),
            ("currency", KeyLimits(currency: "usd")), ("max_concurrent", KeyLimits(maxConcurrent: 0)),
        ] {
            #expect(refusal(NewKey(sourcePath: "/a", limits: limits)) == field)
        }
        let made = try create("/a").record
        let conflict = storeError {
            try database.write { c throws(StoreError) in try c.insertKey(made) }
        }
        guard case .conflict? = conflict else {
            Issue.record("the same key twice gave \(String(describing: conflict))")
            return
        }
        #expect(try database.reader().listKeys().total == 1)
    }

    @Test func whatCannotBeReadOpensNoDoors() throws {
        let made = try create("/a").record
        let raw = try folder.raw()
        try raw.execute("UPDATE api_keys SET permissions = '{}', expires_at = 'soon'")
        let read = try #require(try database.reader().key(made.keyID))
        #expect(!read.isActive && read.expiresAtMilliseconds == 0)
        #expect(try database.reader().activeKeys().isEmpty)
        try raw.execute("UPDATE api_keys SET permissions = 'not json', expires_at = NULL")
        #expect(try database.reader().activeKeys().isEmpty)
        try raw.execute("UPDATE api_keys SET permissions = '[]', allowed_models = '{}'")
        #expect(try database.reader().activeKeys().isEmpty)
        try raw.execute("UPDATE api_keys SET allowed_models = '[]', budget_period = 'weekly'")
        #expect(try database.reader().activeKeys().isEmpty)
        try raw.execute("UPDATE api_keys SET budget_period = 'total'")
        #expect(try database.reader().activeKeys().count == 1)
    }
}
