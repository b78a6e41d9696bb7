import Config
import Glibc
import HTTP
import JSON
import LLM
import Reactor
import Store

/// Turns the records of providers into what workers serve. Each pair of provider and key becomes a route of its own
/// behind the real ones: with its target and its header lines it looks to Connect and Send like any other.
struct ProviderCompiler {
    let arena: Arena
    let settings: Settings
    let registry: Registry
    /// What cannot be served, and why.
    private(set) var problems: [(routeID: String, problem: RouteProblem)] = []

    init(arena: Arena, settings: Settings, registry: Registry) {
        self.arena = arena
        self.settings = settings
        self.registry = registry
    }

    /// - Parameters:
    ///   - firstRoute: the index that the first of the new routes will have.
    ///   - target: the index of an address among the snapshot's targets.
    mutating func compile(
        _ set: ProviderSet, callers: [KeyRecord], firstRoute: Int, target: (TargetAddress) -> Int32
    ) -> (table: ProviderTable, routes: [CompiledRoute]) {
        var routes: [CompiledRoute] = []
        var providers: [CompiledProvider] = []
        var keys: [CompiledProviderKey] = []
        var served: [ProviderRecord] = []
        let pattern = PathPattern(parts: arena.store([PathPattern.Part]()), prefix: .empty, shape: .literalThenAny)
        let ordered = set.providers.sorted { ($0.priority, $0.name) < ($1.priority, $1.name) }
        for record in ordered {
            do throws(RouteFailure) {
                let type = APIType(name: record.apiType) ?? .openai
                let url = try Self.baseURL(record)
                let address = try Self.address(url)
                let targetIndex = target(address)
                let label = registry.routeLabels.number(for: "provider:\(record.name)", limit: Registry.maxRouteLabels)
                let own = set.keys.filter { $0.record.provider == record.name }
                let firstKey = keys.count
                let load = registry.providers.provider(record)
                for key in Self.usable(own) {
                    let rewrite = try self.rewrite(record, type, key.secret)
                    routes.append(
                        CompiledRoute(
                            routeID: arena.store(record.name), pattern: pattern,
                            methods: MethodSet(isAny: true, known: 0, others: arena.store([Bytes]())),
                            headerConditions: arena.store([HeaderCondition]()),
                            memberConditions: arena.store([MemberCondition]()), schema: nil, decidingMembers: 0,
                            target: targetIndex, targetPath: .same(in: arena), rewrite: rewrite, bodyFields: nil,
                            timeoutMilliseconds: record.timeoutSeconds.map { UInt64($0) * 1000 }
                                ?? UInt64(settings.proxy.defaultTimeoutSeconds * 1000),
                            retryCount: 0, priority: Int64(record.priority), weight: 1, groupEnd: 0,
                            metricID: label ?? 1))
                    keys.append(
                        CompiledProviderKey(
                            keyID: arena.store(key.record?.keyID ?? ""), provider: Int32(providers.count),
                            weight: Int32(clamping: key.record?.weight ?? 1),
                            isEnabled: key.record.map { $0.isEnabled && key.secret != nil } ?? true,
                            route: Int32(firstRoute + routes.count - 1), load: cell(of: key, record.name)))
                }
                providers.append(
                    CompiledProvider(
                        name: arena.store(record.name), apiType: type, kind: arena.store(type.name),
                        isEnabled: record.isEnabled, firstKey: Int32(firstKey),
                        keyCount: Int32(keys.count - firstKey),
                        keyBalancing: Balancing(name: record.keyStrategy) ?? .firstAvailable,
                        priority: Int64(record.priority), weight: Int32(clamping: record.weight),
                        path: url.providerPath(type, in: arena), load: load,
                        hasVersionHeader: record.headers?.objectValue?.members.contains {
                            $0.name.lowercased() == "anthropic-version"
                        } ?? false,
                        otherMetric: metric(record.name, "other")))
                served.append(record)
            } catch {
                problems.append((record.name, RouteProblem(field: error.field, message: error.message)))
            }
        }
        return (table(set, served, arena.store(providers), arena.store(keys), callers), routes)
    }

    // MARK: Providers

    private struct UsableKey {
        var record: ProviderKeyRecord?
        var secret: ProviderSecret?
    }

    /// A provider without any key is asked without one, as those in one's own house are.
    private static func usable(_ keys: [ProviderSet.Key]) -> [UsableKey] {
        if keys.isEmpty { return [UsableKey()] }
        return keys.map { UsableKey(record: $0.record, secret: $0.secret) }
    }

    private func cell(of key: UsableKey, _ provider: String) -> LoadCell {
        guard let record = key.record else { return registry.providers.keyless(provider) }
        return registry.providers.key(
            record, secret: key.secret, now: Int64(Clock.realtimeNanoseconds() / 1_000_000),
            monotonicNow: Clock.monotonicMilliseconds())
    }

    static func baseURL(_ record: ProviderRecord) throws(RouteFailure) -> BaseURL {
        do { return try BaseURL(record.baseURL) } catch { throw RouteFailure("base_url", error.message) }
    }

    static func address(_ url: BaseURL) throws(RouteFailure) -> TargetAddress {
        do { return try TargetAddress(url.authority, isTLS: url.isTLS) } catch {
            throw RouteFailure("base_url", error.message)
        }
    }

    /// Credentials of the client never go to a provider, whatever `strip_headers` says, nor does what says on whose account
    /// the request is: the key is ours, and one that is not of the organization that a caller names would be refused for it.
    /// Its accept-encoding is written anew for each request.
    func rewrite(
        _ record: ProviderRecord, _ type: APIType, _ secret: ProviderSecret?
    ) throws(RouteFailure) -> HeaderRewrite {
        var added: [(name: String, value: String)] = []
        for member in record.headers?.objectValue?.members ?? [] {
            guard let text = member.value.stringValue else {
                throw RouteFailure("headers", "\"\(member.name)\" must be a string")
            }
            try RouteCompiler.checkHeader(member.name, field: "headers")
            let value = try RouteCompiler.expandEnvironment(text, field: "headers")
            guard value.utf8.allSatisfy({ ($0 >= 0x20 && $0 != 0x7F) || $0 == 0x09 }) else {
                throw RouteFailure("headers", "\"\(member.name)\" holds control characters")
            }
            added.append((member.name, value))
        }
        if let secret {
            let key = String(decoding: secret.bytes, as: UTF8.self)
            guard key.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
                throw RouteFailure("key", "holds characters that no header may have")
            }
            added.append(Self.credential(type, key))
        }
        return HeaderRewrite.compile(
            strip: settings.headersToStrip,
            remove: [
                "authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie", "openai-organization",
                "openai-project", "x-goog-user-project", "accept-encoding",
            ], add: added, in: arena)
    }

    /// The header in which an API takes its key.
    static func credential(_ type: APIType, _ key: String) -> (name: String, value: String) {
        switch type {
        case .openai: ("authorization", "Bearer \(key)")
        case .anthropic: ("x-api-key", key)
        case .gemini: ("x-goog-api-key", key)
        case .azure: ("api-key", key)
        }
    }

    // MARK: Models

    private func table(
        _ set: ProviderSet, _ served: [ProviderRecord], _ providers: List<CompiledProvider>,
        _ keys: List<CompiledProviderKey>, _ callers: [KeyRecord]
    ) -> ProviderTable {
        let prices = set.prices
        let counted = served.flatMap { record in
            countedModels(set, of: record).map { (provider: record.name, model: $0) }
        }
        var contents = ProviderTable.Contents(
            providers: providers,
            providerNames: NameIndex.compile(served.map { arena.store($0.name) }, in: arena), keys: keys,
            models: arena.store([ModelEntry]()), modelNames: NameIndex.compile([], in: arena),
            prices: arena.store(
                prices.map {
                    CompiledPrice(
                        price: sheet($0), currency: arena.store($0.currency),
                        maxInputTokens: Int64($0.maxInputTokens ?? 0), maxOutputTokens: Int64($0.maxOutputTokens ?? 0),
                        isManual: !$0.isImported)
                }),
            priceNames: NameIndex.compile(prices.map { arena.store("\($0.provider)/\($0.model)") }, in: arena),
            metricNames: NameIndex.compile(counted.map { arena.store("\($0.provider)/\($0.model)") }, in: arena),
            metricIDs: arena.store([Int32]()),
            callers: arena.store(callers.map(caller)),
            settings: ProviderPolicy(settings), sharedTurns: registry.providers.sharedTurns)
        let named = ProviderTable(contents, in: arena)
        let metrics = counted.map { pair -> Int32 in
            let provider = Int(named.providerNames.find(arena.store(pair.provider)))
            let price = named.price(provider, arena.store(pair.model))
            return metric(pair.provider, pair.model, price < 0 ? "USD" : prices[price].currency)
        }
        contents.metricIDs = arena.store(metrics)
        let entries = models(set, served, ProviderTable(contents, in: arena))
        contents.models = arena.store(entries)
        contents.modelNames = NameIndex.compile(entries.map(\.name), in: arena)
        return ProviderTable(contents, in: arena)
    }

    /// The models of a provider that the metrics name: what it lists, and what an operator has named in an alias or has
    /// given a price, which may be in a currency of its own.
    private func countedModels(_ set: ProviderSet, of record: ProviderRecord) -> Set<String> {
        var models = Set(record.knownModels)
        let prefix = "\(record.name)/"
        for alias in set.aliases {
            for target in alias.targets where target.hasPrefix(prefix) && target != prefix {
                models.insert(String(target.dropFirst(prefix.count)))
            }
        }
        for price in set.prices where !price.isImported && Self.isPrice(price, for: record) {
            models.insert(price.model)
        }
        return models
    }

    /// As in `ProviderTable.price`.
    private static func isPrice(_ price: PriceRecord, for record: ProviderRecord) -> Bool {
        price.provider.isEmpty || price.provider == record.name || price.provider == record.apiType
    }

    /// What a record says a model costs; of rates that are no such only the common ones.
    private func sheet(_ record: PriceRecord) -> PriceSheet {
        let base = ModelPrice(
            input: record.input, output: record.output, cachedInput: record.cachedInput,
            cacheWrite: record.cacheWrite, reasoning: record.reasoning)
        guard let rates = try? PriceRates(base: base, extra: record.rates) else { return PriceSheet(base: base) }
        let variants = arena.store(rates.variants)
        return PriceSheet(
            base: rates.base, variants: variants.isEmpty ? nil : variants.pointer(0), variantCount: variants.count,
            regionalThousandths: rates.regionalThousandths, fastThousandths: rates.fastThousandths)
    }

    /// Aliases first: they win over models of the same name.
    private func models(
        _ set: ProviderSet, _ served: [ProviderRecord], _ table: ProviderTable
    ) -> [ModelEntry] {
        var listed: [String: [Int]] = [:]
        var order: [String] = []
        for (index, record) in served.enumerated() {
            for model in record.knownModels {
                if listed[model] == nil { order.append(model) }
                if listed[model]?.last != index { listed[model, default: []].append(index) }
            }
        }
        var entries: [ModelEntry] = []
        for alias in set.aliases where alias.isEnabled {
            var candidates: [Candidate] = []
            var group: Int32 = 0
            for target in alias.targets {
                let stored = arena.store(target)
                if let single = table.single(stored) {
                    candidates.append(
                        Candidate(
                            provider: single.provider, group: group, price: single.price, metric: single.metric,
                            model: single.model))
                    group += 1
                } else if let providers = listed[target] {
                    candidates += grouped(providers, served, stored, table, &group)
                }
            }
            entries.append(entry(alias.name, isAlias: true, candidates, table))
        }
        for model in order {
            var group: Int32 = 0
            let stored = arena.store(model)
            let candidates = grouped(listed[model] ?? [], served, stored, table, &group)
            entries.append(entry(model, isAlias: false, candidates, table))
        }
        return entries
    }

    /// One candidate a provider; those of equal priority share a group.
    private func grouped(
        _ providers: [Int], _ served: [ProviderRecord], _ model: Bytes, _ table: ProviderTable, _ group: inout Int32
    ) -> [Candidate] {
        var candidates: [Candidate] = []
        for (position, provider) in providers.enumerated() {
            if position > 0 && served[provider].priority != served[providers[position - 1]].priority { group += 1 }
            candidates.append(
                Candidate(
                    provider: Int32(provider), group: group, price: Int32(table.price(provider, model)),
                    metric: table.metric(provider, model), model: model))
        }
        group += 1
        return candidates
    }

    private func entry(
        _ name: String, isAlias: Bool, _ candidates: [Candidate], _ table: ProviderTable
    ) -> ModelEntry {
        var candidates = candidates
        for i in candidates.indices {
            let provider = table.providers[Int(candidates[i].provider)].name.string
            var text = "x-fastgate-provider: \(provider)\r\n"
            if Worker.isPlain(candidates[i].model) { text += "x-fastgate-model: \(candidates[i].model.string)\r\n" }
            candidates[i].answerFields = arena.store(text)
        }
        return ModelEntry(
            name: arena.store(name), isAlias: isAlias, candidates: arena.store(candidates),
            turns: registry.providers.turns(ofModel: name))
    }

    private func metric(_ provider: String, _ model: String, _ currency: String = "USD") -> Int32 {
        registry.providers.metricLabels.number(
            for: ModelLabel(provider: provider, model: model, currency: currency), limit: ProviderRegistry.maxModels)
            ?? 0
    }

    // MARK: Callers

    private func caller(_ record: KeyRecord) -> CallerPolicy {
        let offset = settings.app.timezone.minutes
        return CallerPolicy(
            allowedModels: arena.store(record.allowedModels.map { arena.store($0) }),
            limits: BudgetLimits(
                maxTokens: record.budget.maxTokens, maxAmount: record.budget.maxAmountMicros,
                period: record.budget.period, offsetMinutes: offset),
            currency: arena.store(record.budget.currency),
            budget: registry.providers.budget(
                record, offsetMinutes: offset, now: Int64(Clock.realtimeNanoseconds() / 1_000_000)),
            maxConcurrent: record.maxConcurrent.map(Int64.init))
    }
}

extension ProviderPolicy {
    init(_ settings: Settings) {
        balancing = Balancing(name: settings.providers.strategy.rawValue) ?? .weighted
        maxAttempts = settings.providers.maxAttempts
        holdMilliseconds = UInt64(settings.providers.holdTimeoutSeconds * 1000)
        allowsUnpriced = settings.providers.unpriced == .allow
    }
}
