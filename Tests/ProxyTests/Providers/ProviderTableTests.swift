import Config
import JSON
import LLM
import Reactor
import Store
import Testing

@testable import Proxy

/// Snapshots with providers, and the choices that are made from them.
struct ProviderTableTests {
    private func provider(
        _ name: String, _ models: [String] = ["m"], _ change: (inout ProviderRecord) -> Void = { _ in }
    )
        -> ProviderRecord
    {
        var record = ProviderRecord(name: name, baseURL: "http://127.0.0.1:9/v1", models: models)
        change(&record)
        return record
    }

    private func key(_ provider: String, _ id: String, _ change: (inout ProviderKeyRecord) -> Void = { _ in })
        -> ProviderSet.Key
    {
        var record = ProviderKeyRecord(keyID: id, provider: provider, sealedKey: Array(id.utf8))
        change(&record)
        return ProviderSet.Key(record: record, secret: ProviderSecret("sk-\(id)"))
    }

    private func table(
        _ set: ProviderSet, keys: [KeyRecord] = [], registry: Registry = Registry(),
        _ change: (inout Settings) -> Void = { _ in }
    ) -> ProviderTable {
        var settings = Settings()
        change(&settings)
        let made = Snapshot(
            keys: keys, routes: [], providers: set, settings: settings, version: "1", registry: registry)
        return kept(made).view.pointee.providers
    }

    private func set(_ table: ProviderTable, _ name: String) throws -> CandidateSet {
        let resolution = try #require(table.resolve(kept(name)))
        let entry = try #require(resolution.entry >= 0 ? table.models.pointer(Int(resolution.entry)) : nil)
        return CandidateSet(
            candidates: entry.pointee.candidates.pointer(0), count: entry.pointee.candidates.count,
            turns: entry.pointee.turns)
    }

    private func attempted(_ candidate: Int, _ key: Int, _ outcome: AttemptOutcome) -> ProviderAttempt {
        ProviderAttempt(candidate: Int32(candidate), key: Int32(key), outcome: outcome)
    }

    // MARK: Names

    @Test func aNameIsAnAliasThenAProvidersThenAListedModel() throws {
        let table = table(
            ProviderSet(
                providers: [provider("qwen", ["x"]), provider("router", ["qwen/x", "free/y:z", "alias"])],
                aliases: [AliasRecord(name: "alias", targets: ["qwen/x"])]))
        #expect(table.models[Int(try #require(table.resolve(kept("alias"))).entry)].isAlias)
        #expect(try #require(table.resolve(kept("qwen/x"))).single.model.string == "x")
        #expect(try #require(table.resolve(kept("free/y:z"))).entry >= 0)
        #expect(try #require(table.resolve(kept("router/free/y:z"))).single.model.string == "free/y:z")
        for unknown in ["nothing", "qwen/", "/x", "Qwen/x", ""] { #expect(table.resolve(kept(unknown)) == nil) }
    }

    @Test func anAliasKeepsItsOrderWhateverThePriorities() throws {
        let table = table(
            ProviderSet(
                providers: [provider("a") { $0.priority = 9 }, provider("b"), provider("c", ["n"])],
                aliases: [AliasRecord(name: "chain", targets: ["c/n", "a/m", "m", "missing"])]))
        let set = try set(table, "chain")
        let names = (0..<set.count).map { table.providers[Int(set.candidates[$0].provider)].name.string }
        #expect(names == ["c", "a", "a", "b"])
        #expect((0..<set.count).map { set.candidates[$0].group } == [0, 1, 2, 3])
    }

    @Test func discoveredModelsServeWhereNoneAreNamed() throws {
        let table = table(
            ProviderSet(providers: [provider("a", []) { $0.discoveredModels = ["found"] }]))
        #expect(table.resolve(kept("found")) != nil)
    }

    // MARK: Choices

    @Test func theSmallerPriorityGoesFirstAndTheNextComesInAfterAFault() throws {
        let table = table(
            ProviderSet(providers: [provider("late") { $0.priority = 7 }, provider("early") { $0.priority = 1 }]))
        let set = try set(table, "m")
        #expect(
            table.next(set, after: ProviderAttempts(), now: 1, random: 0)
                == .attempt(candidate: 0, key: 0, isProbe: false, pauseMilliseconds: 0))
        var attempts = ProviderAttempts()
        attempts.append(attempted(0, 0, .serverError))
        #expect(
            table.next(set, after: attempts, now: 1, random: 0)
                == .attempt(candidate: 1, key: 1, isProbe: false, pauseMilliseconds: 0))
    }

    @Test func anotherIsLeftIfACandidateOrKeyIsUntriedAndUsable() throws {
        let table = table(
            ProviderSet(
                providers: [provider("a") { $0.priority = 1 }, provider("b") { $0.priority = 2 }],
                keys: [key("a", "1"), key("a", "2"), key("b", "3")]))
        let set = try set(table, "m")
        var attempts = ProviderAttempts()
        #expect(table.hasOther(set, than: 0, key: 0, after: attempts, now: 1))
        attempts.append(attempted(0, 0, .keyInvalid))
        attempts.append(attempted(0, 1, .keyInvalid))
        #expect(!table.hasOther(set, than: 1, key: 2, after: attempts, now: 1))
        table.keys[2].load.updateHealth { _ = $0.disable(.invalid) }
        #expect(table.hasOther(set, than: 0, key: 0, after: ProviderAttempts(), now: 1), "its other key")
        var failed = ProviderAttempts()
        failed.append(attempted(0, 0, .serverError))
        #expect(!table.hasOther(set, than: 0, key: 1, after: failed, now: 1))
    }

    @Test func aKeysFaultTriesTheNextKeyOfTheSameProvider() throws {
        let table = table(
            ProviderSet(
                providers: [provider("a") { $0.priority = 1 }, provider("b") { $0.priority = 2 }],
                keys: [key("a", "1"), key("a", "2"), key("b", "3")]))
        let set = try set(table, "m")
        var attempts = ProviderAttempts()
        attempts.append(attempted(0, 0, .keyInvalid))
        #expect(
            table.next(set, after: attempts, now: 1, random: 0)
                == .attempt(candidate: 0, key: 1, isProbe: false, pauseMilliseconds: 0))
    }

    @Test func aProvidersFaultLeavesItsOtherKeysForTheEnd() throws {
        let table = table(
            ProviderSet(
                providers: [provider("a") { $0.priority = 1 }, provider("b") { $0.priority = 2 }],
                keys: [key("a", "1"), key("a", "2"), key("b", "3")]))
        let set = try set(table, "m")
        var attempts = ProviderAttempts()
        attempts.append(attempted(0, 0, .overloaded))
        guard case .attempt(candidate: 1, key: 2, _, _) = table.next(set, after: attempts, now: 1, random: 0) else {
            Issue.record("the other provider goes first")
            return
        }
        attempts.append(attempted(1, 2, .overloaded))
        guard case .attempt(candidate: 0, key: 1, _, _) = table.next(set, after: attempts, now: 1, random: 0) else {
            Issue.record("then the other key")
            return
        }
    }

    @Test func aBreakerThatOpensMeanwhileLeavesKeysThatWereNotTried() throws {
        let table = table(
            ProviderSet(providers: [provider("a")], keys: [key("a", "1"), key("a", "2")]))
        var set = try set(table, "m")
        set.startedAt = 900_000_000
        for _ in 0..<5 {
            table.providers[0].load.updateBreaker { $0.failed(nowMilliseconds: 1000, wasProbe: false) }
        }
        var attempts = ProviderAttempts()
        #expect(
            table.verdict(set, 0, attempts, now: 1000) == .breakerOpen(untilMilliseconds: 6000),
            "one that has not been let in yet")
        attempts.append(attempted(0, 0, .serverError))
        #expect(
            table.next(set, after: attempts, now: 1000, random: 0)
                == .attempt(candidate: 0, key: 1, isProbe: false, pauseMilliseconds: 0))
        attempts.append(attempted(0, 1, .serverError))
        #expect(
            table.next(set, after: attempts, now: 1000, random: 0) == .nothing(retryAfterMilliseconds: 5000),
            "not the same keys once more")
        set.startedAt = 1_001_000_000
        var late = ProviderAttempts()
        late.append(attempted(0, 0, .serverError))
        #expect(table.verdict(set, 0, late, now: 1002) == .breakerOpen(untilMilliseconds: 6000))
    }

    @Test(arguments: Balancing.allCases) func aKeyThatFailsGivesWayUntilTheProviderHasAnswered(_ strategy: Balancing)
        throws
    {
        let table = table(
            ProviderSet(
                providers: [provider("a") { $0.keyStrategy = strategy.name }], keys: [key("a", "1"), key("a", "2")]))
        let set = try set(table, "m")
        let usable = table.usableKeys(0, now: 1)
        #expect(usable == Breaker.Keys.one(0).union(.one(1)))
        for _ in 0..<9 {
            table.providers[0].load.updateBreaker {
                $0.failed(nowMilliseconds: 1, wasProbe: false, keys: .one(0), usable: usable)
            }
        }
        for random in 0..<5 as Range<UInt64> {
            #expect(
                table.next(set, after: ProviderAttempts(), now: 1, random: random)
                    == .attempt(candidate: 0, key: 1, isProbe: false, pauseMilliseconds: 0))
        }
        var attempts = ProviderAttempts()
        attempts.append(attempted(0, 1, .serverError))
        #expect(
            table.next(set, after: attempts, now: 1, random: 0)
                == .attempt(candidate: 0, key: 0, isProbe: false, pauseMilliseconds: 0), "better than none")
        _ = table.keys[1].load.updateHealth { $0.disable(.invalid) }
        #expect(table.usableKeys(0, now: 1) == .one(0))
    }

    @Test func whatMayPassIsTriedAgainWithGrowingPausesAndNotForEver() throws {
        let table = table(ProviderSet(providers: [provider("only")]))
        let set = try set(table, "m")
        var attempts = ProviderAttempts()
        var pauses: [UInt64] = []
        while case .attempt(_, _, _, let pause) = table.next(set, after: attempts, now: 1, random: 0) {
            pauses.append(pause)
            attempts.append(attempted(0, 0, .serverError))
        }
        #expect(pauses == [0, 200, 800])
    }

    @Test func aTimeoutIsNotAskedForAgain() throws {
        let table = table(ProviderSet(providers: [provider("only")]))
        var attempts = ProviderAttempts()
        attempts.append(attempted(0, 0, .timedOut))
        #expect(
            table.next(try set(table, "m"), after: attempts, now: 1, random: 0)
                == .nothing(retryAfterMilliseconds: 0))
    }

    @Test func oneBudgetSpansKeysAndProviders() throws {
        let table = table(ProviderSet(providers: [provider("a")], keys: (0..<9).map { key("a", "\($0)") })) {
            $0.providers.maxAttempts = 3
        }
        var attempts = ProviderAttempts()
        for i in 0..<3 { attempts.append(attempted(0, i, .keyInvalid)) }
        #expect(
            table.next(try set(table, "m"), after: attempts, now: 1, random: 0)
                == .nothing(retryAfterMilliseconds: 0))
    }

    @Test func attemptsAreUsedUpOnlyWhereMoreIsLeft() throws {
        let table = table(ProviderSet(providers: [provider("a")], keys: (0..<3).map { key("a", "\($0)") })) {
            $0.providers.maxAttempts = 2
        }
        let set = try set(table, "m")
        var attempts = ProviderAttempts()
        attempts.append(attempted(0, 0, .keyInvalid))
        #expect(!table.isOutOfAttempts(set, after: attempts, now: 1))
        attempts.append(attempted(0, 1, .keyInvalid))
        #expect(table.isOutOfAttempts(set, after: attempts, now: 1))
        _ = table.keys[2].load.updateHealth { $0.disable(.invalid) }
        #expect(!table.isOutOfAttempts(set, after: attempts, now: 1), "there is nothing else")
    }

    @Test func coolingKeysAndOpenBreakersAreLeftOutAndSayWhenTheyAreBack() throws {
        let table = table(
            ProviderSet(providers: [provider("a")], keys: [key("a", "1"), key("a", "2") { $0.isEnabled = false }]))
        let set = try set(table, "m")
        _ = table.keys[0].load.updateHealth { $0.limited(nowMilliseconds: 100, retryAfterMilliseconds: 900) }
        #expect(table.verdict(set, 0, ProviderAttempts(), now: 500) == .keysCooling(untilMilliseconds: 1000))
        #expect(
            table.next(set, after: ProviderAttempts(), now: 500, random: 0) == .nothing(retryAfterMilliseconds: 500))
        #expect(table.verdict(set, 0, ProviderAttempts(), now: 1000) == .usable)
        for _ in 0..<5 {
            table.providers[0].load.updateBreaker { $0.failed(nowMilliseconds: 1000, wasProbe: false) }
        }
        #expect(table.verdict(set, 0, ProviderAttempts(), now: 1000) == .breakerOpen(untilMilliseconds: 6000))
        guard case .attempt(_, _, true, _) = table.next(set, after: ProviderAttempts(), now: 6000, random: 0) else {
            Issue.record("half open, the first is the probe")
            return
        }
        #expect(table.verdict(set, 0, ProviderAttempts(), now: 6000) == .probeIsOut)
    }

    @Test func loadIsSharedByWeightWithinAPriority() throws {
        let table = table(ProviderSet(providers: [provider("a") { $0.weight = 3 }, provider("b") { $0.weight = 1 }]))
        let set = try set(table, "m")
        var counts = [0, 0]
        var generator = SeededGenerator(3)
        for _ in 0..<2000 {
            guard
                case .attempt(let candidate, _, _, _) = table.next(
                    set, after: ProviderAttempts(), now: 1, random: generator.next())
            else { continue }
            counts[candidate] += 1
        }
        #expect((1400...1600).contains(counts[0]))
    }

    // MARK: Many

    @Test func hundredsOfProvidersAndKeysAreAllChosenAmong() throws {
        let names = (0..<200).map { String("p\(1000 + $0)") }
        let table = table(ProviderSet(providers: names.map { provider($0) })) { $0.providers.maxAttempts = 16 }
        let set = try set(table, "m")
        #expect(set.count == 200)
        var used: Set<Int> = []
        var generator = SeededGenerator(11)
        for _ in 0..<4000 {
            let next = table.next(set, after: ProviderAttempts(), now: 1, random: generator.next())
            if case .attempt(let candidate, _, _, _) = next { used.insert(candidate) }
        }
        #expect(used.count == 200)
        for i in 0..<199 {
            for _ in 0..<5 {
                table.providers[i].load.updateBreaker { $0.failed(nowMilliseconds: 1, wasProbe: false) }
            }
        }
        #expect(
            table.next(set, after: ProviderAttempts(), now: 2, random: 5)
                == .attempt(candidate: 199, key: 199, isProbe: false, pauseMilliseconds: 0))
    }

    @Test(arguments: Balancing.allCases) func aLargePoolServesWithItsLastKey(_ strategy: Balancing) throws {
        let keys = (0..<300).map { key("a", "k\(1000 + $0)") }
        let table = table(
            ProviderSet(providers: [provider("a") { $0.keyStrategy = strategy.name }], keys: keys))
        let set = try set(table, "m")
        if strategy == .firstAvailable {
            for _ in 0..<3 {
                guard case .attempt(0, 0, _, _) = table.next(set, after: ProviderAttempts(), now: 1, random: 9) else {
                    Issue.record("the first stays the first")
                    return
                }
            }
        }
        for i in 0..<299 { _ = table.keys[i].load.updateHealth { $0.disable(.invalid) } }
        for random in 0..<5 as Range<UInt64> {
            #expect(
                table.next(set, after: ProviderAttempts(), now: 1, random: random)
                    == .attempt(candidate: 0, key: 299, isProbe: false, pauseMilliseconds: 0))
        }
    }

    @Test func whatAKeyMayNotUseIsLeftOutWithItsReason() throws {
        let caller = KeyRecord.make("k") { $0.allowedModels = ["b/*"] }
        let table = table(
            ProviderSet(providers: [provider("a"), provider("b"), provider("c") { $0.apiType = "anthropic" }]),
            keys: [caller])
        var set = try set(table, "m")
        set.caller = table.callers.pointer(0)
        set.asked = kept("m")
        let verdicts = (0..<3).map { table.verdict(set, $0, ProviderAttempts(), now: 1) }
        #expect(verdicts == [.notAllowed, .usable, .otherFormat])
        guard case .attempt(1, _, _, _) = table.next(set, after: ProviderAttempts(), now: 1, random: 3) else {
            Issue.record("only b may be used")
            return
        }
    }

    // MARK: What outlives a snapshot

    @Test func publishingForgetsNeitherHealthNorSpending() throws {
        let registry = Registry()
        let caller = KeyRecord.make("k") { $0.budget.maxTokens = 100 }
        let providers = ProviderSet(providers: [provider("a")], keys: [key("a", "1")])
        let first = table(providers, keys: [caller], registry: registry)
        _ = first.keys[0].load.updateHealth { $0.disable(.invalid) }
        let spent = first.callers[0].budget
        spent.settle(reserved: Spending(), actual: Spending(tokens: 40), currency: 0, at: spent.place(accepted: 0))
        let second = table(providers, keys: [caller], registry: registry)
        #expect(second.keys[0].load.health.isDisabled)
        #expect(second.callers[0].budget.balance(periodStart: 0).spent.tokens == 40)
    }

    @Test func anOperatorsWordOverridesWhatWasFound() throws {
        let registry = Registry()
        func publish(_ change: (inout ProviderKeyRecord) -> Void = { _ in }) -> LoadCell {
            table(ProviderSet(providers: [provider("a")], keys: [key("a", "1", change)]), registry: registry).keys[0]
                .load
        }
        _ = publish().updateHealth { $0.disable(.quotaExhausted) }
        // The writer has stored what the worker found; then somebody sets it right.
        #expect(
            publish { ($0.state, $0.stateChangedAtMilliseconds) = (.disabled(reason: "key_quota"), 5) }.health
                .isDisabled)
        #expect(!publish { ($0.state, $0.stateChangedAtMilliseconds) = (.ok, 6) }.health.isDisabled)
        _ = publish().updateHealth { $0.disable(.invalid) }
        #expect(publish { $0.sealedKey = [9] }.health.isDisabled, "sealed anew, it is the same key")
        let other = ProviderSet.Key(record: key("a", "1").record, secret: ProviderSecret("sk-other"))
        let renewed = table(ProviderSet(providers: [provider("a")], keys: [other]), registry: registry)
        #expect(!renewed.keys[0].load.health.isDisabled, "another key in its place")
    }

    @Test func secretsStandInTheHeaderOfTheirOwnProviderOnly() throws {
        let set = ProviderSet(
            providers: [
                provider("a"), provider("c") { $0.apiType = "anthropic" }, provider("g") { $0.apiType = "gemini" },
                provider("z") { $0.apiType = "azure" },
            ], keys: [key("a", "1"), key("c", "2"), key("g", "3"), key("z", "4")])
        let made = kept(
            Snapshot(keys: [], routes: [], providers: set, settings: Settings(), version: "1", registry: Registry()))
        let table = made.view.pointee.providers
        let added = (0..<4).map {
            made.view.pointee.table.routes.pointer(Int(table.keys[$0].route)).pointee.rewrite.added.string
        }
        #expect(
            added == [
                "authorization: Bearer sk-1\r\n", "x-api-key: sk-2\r\n", "x-goog-api-key: sk-3\r\n",
                "api-key: sk-4\r\n",
            ])
        #expect(made.view.pointee.table.routes.count == 0, "no request is matched with them")
    }

    @Test func whoseAccountItIsOnAClientDoesNotSay() throws {
        let set = ProviderSet(providers: [
            provider("a") { $0.headers = .object(JSONObject([("OpenAI-Organization", .string("org-ours"))])) }
        ])
        let made = kept(
            Snapshot(keys: [], routes: [], providers: set, settings: Settings(), version: "1", registry: Registry()))
        let rewrite = made.view.pointee.table.routes.pointer(Int(made.view.pointee.providers.keys[0].route)).pointee
            .rewrite
        #expect(rewrite.dropped.contains(.cookie))
        let names = (0..<rewrite.droppedOthers.count).map { rewrite.droppedOthers[$0].string }
        #expect(Set(names).isSuperset(of: ["openai-organization", "openai-project", "x-goog-user-project"]))
        #expect(rewrite.added.string == "OpenAI-Organization: org-ours\r\n")
    }

    @Test func aBrokenProviderIsReportedAndTheOthersServe() throws {
        let set = ProviderSet(providers: [provider("bad") { $0.baseURL = "ftp://x" }, provider("good")])
        let made = kept(
            Snapshot(keys: [], routes: [], providers: set, settings: Settings(), version: "1", registry: Registry()))
        #expect(made.providerProblems.map(\.routeID) == ["bad"])
        #expect(made.providerProblems[0].problem.field == "base_url")
        #expect(made.view.pointee.providers.providers.count == 1)
    }

    // MARK: Paths

    @Test(arguments: [
        ("openai", "http://h/v1", "/v1/chat/completions", "/v1/chat/completions"),
        ("openai", "http://h", "/v1/chat/completions", "/v1/chat/completions"),
        ("openai", "http://h/", "/chat/completions", "/v1/chat/completions"),
        ("openai", "http://h/api/v1/", "/v1/chat/completions", "/api/v1/chat/completions"),
        ("openai", "http://h/api/paas/v4", "/v1/chat/completions", "/api/paas/v4/chat/completions"),
        ("openai", "http://h/openai/v1", "/openai/v1/chat/completions", "/openai/v1/chat/completions"),
        ("openai", "http://h/v1beta/openai", "/v1/chat/completions", "/v1beta/openai/chat/completions"),
        ("anthropic", "http://h", "/v1/messages", "/v1/messages"),
        ("anthropic", "http://h/anthropic", "/v1/messages", "/anthropic/v1/messages"),
        ("gemini", "http://h", "/v1beta/models/x:generateContent", "/v1beta/models/x:generateContent"),
        ("gemini", "http://h/v1beta", "/v1/models/x:generateContent", "/v1beta/models/x:generateContent"),
        ("azure", "http://h", "/v1/chat/completions", "/openai/v1/chat/completions"),
        ("azure", "http://h", "/openai/deployments/d/chat/completions", "/openai/deployments/d/chat/completions"),
        ("azure", "http://h/openai/v1", "/v1/chat/completions", "/openai/v1/chat/completions"),
        ("azure", "http://h/openai/deployments/d", "/v1/chat/completions", "/openai/deployments/d/chat/completions"),
    ])
    func theVersionStandsThereOnce(_ type: String, _ base: String, _ path: String, _ expected: String) throws {
        let join = try BaseURL(base).providerPath(try #require(APIType(name: type)), in: kept(Arena()))
        var written = ""
        join.write(kept(path)) { written += $0.string }
        #expect(written == expected)
    }

    @Test(arguments: ["ftp://h", "h", "http://h/?q=1", "http://u:p@h", "http://h/#x", "http://h h"])
    func baseURLsThatAreRefused(_ text: String) {
        #expect(throws: PatternError.self) { try BaseURL(text) }
    }

    @Test func callersPatternsMatchEveryNameOfAModel() {
        let table = table(
            ProviderSet(providers: [provider("openai", ["gpt-4o"])]),
            keys: [KeyRecord.make("k") { $0.allowedModels = ["gpt-4*", "claude/*"] }])
        let caller = table.callers[0]
        #expect(caller.allows(asked: kept("alias"), model: kept("gpt-4o"), provider: kept("openai")))
        #expect(caller.allows(asked: kept("x"), model: kept("haiku"), provider: kept("claude")))
        #expect(!caller.allows(asked: kept("x"), model: kept("haiku"), provider: kept("openai")))
    }
}

struct AcceptedCodingsTests {
    @Test(arguments: [
        ("gzip, deflate, br", "gzip, deflate"), ("br, zstd", "identity"), ("*", "gzip"), ("", "identity"),
        ("gzip;q=0", "identity"), ("gzip;q=0.000, deflate;q=1", "deflate"), ("gzip;q=0.5", "gzip"), ("GZIP", "gzip"),
    ])
    func onlyWhatCanBeReadIsKept(_ value: String, _ expected: String) {
        #expect("\(AcceptedCodings(kept(value)).value)" == expected)
    }
}
