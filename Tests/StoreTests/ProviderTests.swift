import JSON
import Testing

@testable import Store

struct ProviderTests {
    private let folder = TestFolder()

    private func sample(_ name: String = "openai", _ change: (inout ProviderRecord) -> Void = { _ in })
        -> ProviderRecord
    {
        var record = ProviderRecord(name: name, baseURL: "https://api.openai.com/v1")
        change(&record)
        return record
    }

    private func field(_ error: StoreError?) -> String? {
        switch error {
        case .invalid(let field, _), .conflict(let field, _): field
        default: nil
        }
    }

    @Test func aProviderIsStoredAsGiven() throws {
        let given = sample {
            $0.apiType = "azure"
            $0.models = ["gpt-4o", "qwen/qwen3-30b-a3b:free"]
            $0.priority = 3
            $0.weight = 7
            $0.keyStrategy = "least_busy"
            $0.timeoutSeconds = 20
            $0.headers = try? JSONValue(parsing: #"{"x-org":"${ORG}"}"#)
        }
        let made = try folder.write { c throws(StoreError) in try c.createProvider(given) }
        let reader = try folder.reader()
        #expect(try reader.provider("openai") == made)
        #expect(made.createdAtMilliseconds > 0 && made.models == given.models && made.headers == given.headers)
        #expect(try reader.provider("other") == nil)
    }

    @Test func listsFollowPriorityAndFilters() throws {
        try folder.write { c throws(StoreError) in
            _ = try c.createProvider(sample("b") { $0.priority = 1 })
            _ = try c.createProvider(sample("a") { $0.apiType = "anthropic" })
            _ = try c.createProvider(sample("c") { $0.isEnabled = false })
        }
        let reader = try folder.reader()
        #expect(try reader.providers().items.map(\.name) == ["b", "a", "c"])
        #expect(try reader.providers(ProviderFilter(apiType: "openai", isEnabled: true)).items.map(\.name) == ["b"])
        let page = try reader.providers(limit: 1, offset: 1)
        #expect(page.total == 3 && page.items.map(\.name) == ["a"])
    }

    @Test func wrongValuesAreNamed() throws {
        let cases: [(String, (inout ProviderRecord) -> Void)] = [
            ("name", { $0.name = "" }), ("name", { $0.name = "open/ai" }), ("name", { $0.name = "a b" }),
            ("name", { $0.name = ".." }),
            ("name", { $0.name = String(repeating: "n", count: 65) }), ("api_type", { $0.apiType = "bard" }),
            ("base_url", { $0.baseURL = "ftp://x" }), ("base_url", { $0.baseURL = "https://" }),
            ("base_url", { $0.baseURL = "https://:80/v1" }), ("base_url", { $0.baseURL = "https://u:p@h/" }),
            ("base_url", { $0.baseURL = "https://h/?key=1" }), ("base_url", { $0.baseURL = "https://h/\r\nx: y" }),
            ("base_url", { $0.baseURL = "https://h /" }), ("models", { $0.models = [""] }),
            ("models", { $0.models = ["a\u{1}"] }),
            ("models", { $0.models = (0...4096).map { "m\($0)" } }), ("weight", { $0.weight = -1 }),
            ("key_strategy", { $0.keyStrategy = "best" }), ("timeout", { $0.timeoutSeconds = 0 }),
            ("headers", { $0.headers = .array([]) }),
            ("headers.x", { $0.headers = try? JSONValue(parsing: #"{"x":1}"#) }),
            ("headers.x", { $0.headers = try? JSONValue(parsing: #"{"x":"a\r\nb: c"}"#) }),
        ]
        for (name, change) in cases {
            let wrong = sample("openai", change)
            let error = storeError { try folder.write { c throws(StoreError) in _ = try c.createProvider(wrong) } }
            #expect(field(error) == name)
        }
        #expect(try folder.reader().providers().total == 0)
    }

    @Test func changesAndDeletion() throws {
        let vault = try folder.vault()
        try folder.write { c throws(StoreError) in
            let made = try c.createProvider(sample())
            guard
                case .conflict("name", _)? = { () -> StoreError? in
                    do throws(StoreError) { _ = try c.createProvider(made) } catch { return error }
                    return nil
                }()
            else {
                Issue.record("a provider was made twice")
                return
            }
            var changed = made
            changed.baseURL = "http://127.0.0.1:8000"
            changed.createdAtMilliseconds = 5
            let stored = try c.updateProvider(changed)
            #expect(stored?.baseURL == changed.baseURL)
            #expect(stored?.createdAtMilliseconds == made.createdAtMilliseconds)
            #expect(try c.updateProvider(sample("nobody")) == nil)
            #expect(try c.toggleProvider("openai")?.isEnabled == false)
            #expect(try c.toggleProvider("nobody") == nil)
            #expect(try c.setDiscoveredModels("openai", ["a", "", "b\u{7}", "c"]))
            #expect(try c.provider("openai")?.knownModels == ["a", "c"])
            #expect(try !c.setDiscoveredModels("nobody", []))
            _ = try c.createProviderKey(NewProviderKey(provider: "openai", key: ProviderSecret("sk-1")), vault: vault)
            #expect(try c.deleteProvider("openai"))
            #expect(try !c.deleteProvider("openai"))
            #expect(try c.providerKeys().isEmpty)
        }
    }

    // MARK: Keys

    @Test func keysOfProviders() throws {
        let vault = try folder.vault()
        try folder.write { c throws(StoreError) in
            _ = try c.createProvider(sample("a"))
            _ = try c.createProvider(sample("b"))
        }
        let key = try folder.write { c throws(StoreError) in
            try c.createProviderKey(
                NewProviderKey(provider: "a", key: ProviderSecret("sk-abc"), label: "mine", weight: 3), vault: vault)
        }
        let reader = try folder.reader()
        #expect(try reader.providerKey(key.keyID) == key)
        #expect(key.keyHint == "****" && key.label == "mine" && key.weight == 3 && key.state == .ok && key.isEnabled)
        func create(_ provider: String, _ text: String, label: String = "", weight: Int = 1) -> StoreError? {
            storeError {
                try folder.write { c throws(StoreError) in
                    _ = try c.createProviderKey(
                        NewProviderKey(provider: provider, key: ProviderSecret(text), label: label, weight: weight),
                        vault: vault)
                }
            }
        }
        #expect(create("nobody", "sk") == .notFound("provider nobody"))
        #expect(field(create("a", "sk-abc")) == "key")
        for wrong in ["", "a b", "a\r\nx: y", "schlüssel", String(repeating: "k", count: 4097)] {
            #expect(field(create("a", wrong)) == "key")
        }
        #expect(field(create("a", "sk-2", label: "\n")) == "label")
        #expect(field(create("a", "sk-2", weight: -1)) == "weight")
        // Another provider may have the same key.
        #expect(create("b", "sk-abc") == nil)
        #expect(try reader.providerKeys().count == 2 && reader.providerKeys(of: "a").count == 1)
        #expect(try folder.write { c throws(StoreError) in try c.deleteProviderKey(key.keyID) })
        #expect(try !folder.write { c throws(StoreError) in try c.deleteProviderKey(key.keyID) })
    }

    @Test func aKeysStateEndsWhenItIsGivenAnewOrTurnedOnAgain() throws {
        let vault = try folder.vault()
        try folder.write { c throws(StoreError) in
            _ = try c.createProvider(sample("a"))
            let key = try c.createProviderKey(NewProviderKey(provider: "a", key: ProviderSecret("sk-1")), vault: vault)
            var bad = ProviderKeyPatch()
            bad.state = .set(.disabled(reason: "invalid_api_key"))
            #expect(
                try c.updateProviderKey(key.keyID, bad, vault: vault)?.state == .disabled(reason: "invalid_api_key"))
            #expect(try c.providerKey(key.keyID)?.state == .disabled(reason: "invalid_api_key"))
            #expect(try c.toggleProviderKey(key.keyID, vault: vault)?.isEnabled == false)
            let on = try c.toggleProviderKey(key.keyID, vault: vault)
            #expect(on?.isEnabled == true && on?.state == .ok)
            bad.state = .set(.cooling(untilMilliseconds: 1_800_000_000_000))
            _ = try c.updateProviderKey(key.keyID, bad, vault: vault)
            #expect(try c.providerKey(key.keyID)?.state == .cooling(untilMilliseconds: 1_800_000_000_000))
            var anew = ProviderKeyPatch()
            anew.key = .set(ProviderSecret("sk-proj-abcdefghijklmnop-9999"))
            _ = try c.updateProviderKey(key.keyID, anew, vault: vault)
            let stored = try c.providerKey(key.keyID)
            #expect(stored?.state == .ok && stored?.keyHint == "sk-proj-****9999")
            #expect(try c.updateProviderKey("pk_none", anew, vault: vault) == nil)
        }
    }

    // MARK: Aliases

    @Test func aliases() throws {
        try folder.write { c throws(StoreError) in
            let made = try c.createAlias(AliasRecord(name: "gpt-4", targets: ["openai/gpt-4o", "gpt-4"]))
            #expect(try c.alias("gpt-4") == made)
            var changed = made
            changed.targets = ["x"]
            changed.isEnabled = false
            #expect(try c.updateAlias(changed)?.targets == ["x"])
            #expect(try c.updateAlias(AliasRecord(name: "none", targets: ["x"])) == nil)
        }
        for (name, wrong) in [
            ("name", AliasRecord(name: "", targets: ["x"])), ("name", AliasRecord(name: "gpt-4", targets: ["x"])),
            ("targets", AliasRecord(name: "a", targets: [])), ("targets", AliasRecord(name: "a", targets: [""])),
            ("targets", AliasRecord(name: "a", targets: ["x", "x"])),
            ("targets", AliasRecord(name: "a", targets: (0...32).map { "\($0)" })),
        ] {
            let error = storeError { try folder.write { c throws(StoreError) in _ = try c.createAlias(wrong) } }
            #expect(field(error) == name)
        }
        let list = try folder.reader().aliases()
        #expect(list.total == 1 && list.items.first?.isEnabled == false)
        #expect(try folder.reader().alias("gpt-4")?.targets == ["x"])
        #expect(try folder.write { c throws(StoreError) in try c.deleteAlias("gpt-4") })
        #expect(try !folder.write { c throws(StoreError) in try c.deleteAlias("gpt-4") })
    }

    // MARK: Prices

    @Test func pricesAreSetAndImported() throws {
        let manual = PriceRecord(provider: "openai", model: "gpt-4o", input: 1, output: 2)
        let stored = try folder.write { c throws(StoreError) in try c.setPrice(manual) }
        #expect(try folder.reader().price(provider: "openai", model: "gpt-4o") == stored)
        let file = [
            PriceRecord(provider: "openai", model: "gpt-4o", input: 2_500_000, output: 10_000_000, cachedInput: 1),
            PriceRecord(
                model: "claude", input: 3_000_000, output: 15_000_000, cachedInput: 300_000, cacheWrite: 3_750_000,
                reasoning: 7, currency: "EUR", maxInputTokens: 200_000, maxOutputTokens: 8192),
        ]
        func load(_ prices: [PriceRecord], replacingManual: Bool = false) throws -> PriceImport {
            try folder.write { c throws(StoreError) in
                try c.importPrices(prices, replacingManual: replacingManual)
            }
        }
        var result = try load(file)
        #expect(result.added == 1 && result.kept == 1 && result.changed == 0 && result.unchanged == 0)
        result = try load(file)
        #expect(result.unchanged == 1 && result.kept == 1)
        result = try load(file, replacingManual: true)
        #expect(result.changed == 1 && result.unchanged == 1)
        let claude = try #require(try folder.reader().price(provider: "", model: "claude"))
        #expect(claude.isImported && claude.currency == "EUR" && claude.cacheWrite == 3_750_000)
        #expect(claude.maxInputTokens == 200_000 && claude.reasoning == 7)
        #expect(try folder.reader().prices(PriceFilter(modelContains: "GPT")).items.map(\.model) == ["gpt-4o"])
        #expect(try folder.reader().prices(PriceFilter(provider: "")).total == 1)
        // One that is wrong undoes the whole import.
        var wrong = file
        wrong[0].model = "new"
        wrong[1].output = -1
        let error = storeError { _ = try load(wrong) }
        #expect(field(error) == "output")
        #expect(try folder.reader().prices().total == 2)
        #expect(try folder.write { c throws(StoreError) in try c.deletePrice(provider: "", model: "claude") })
        #expect(try !folder.write { c throws(StoreError) in try c.deletePrice(provider: "", model: "claude") })
    }

    @Test func wrongPricesAreNamed() throws {
        let cases: [(String, (inout PriceRecord) -> Void)] = [
            ("provider", { $0.provider = "a/b" }), ("model", { $0.model = "" }), ("input", { $0.input = -1 }),
            ("output", { $0.output = .max }), ("cached_input", { $0.cachedInput = -1 }),
            ("cache_write", { $0.cacheWrite = -1 }), ("reasoning", { $0.reasoning = -1 }),
            ("currency", { $0.currency = "usd" }), ("currency", { $0.currency = "DOLLAR" }),
            ("max_input_tokens", { $0.maxInputTokens = -1 }), ("max_output_tokens", { $0.maxOutputTokens = -1 }),
        ]
        for (name, change) in cases {
            var price = PriceRecord(model: "m", input: 1, output: 1)
            change(&price)
            let wrong = price
            let error = storeError { try folder.write { c throws(StoreError) in _ = try c.setPrice(wrong) } }
            #expect(field(error) == name)
        }
    }

    @Test(
        arguments: [
            ("sk-proj-0123456789abcd", "sk-proj-****abcd"), ("gsk_0123456789012345abcd", "gsk_****abcd"),
            ("0123456789012345678901abcd", "****abcd"), ("sk-test-key-abcd", "sk-****abcd"),
            ("sk-test-abcd", "****abcd"), ("sk-test-abc", "****"), ("x", "****"),
        ]) func hintsHideEightAtLeast(_ key: String, _ hint: String)
    {
        #expect(ProviderSecret(key).hint == hint)
    }
}
