import LLM
import Reactor

/// Says which provider would take a request that no route takes: by the same tables and cells that workers use.
struct ProviderExplanation {
    let table: ProviderTable
    let endpoint: Endpoint
    let request: UnsafeMutablePointer<RequestReader>
    let body: Bytes
    /// The key that the request is said to come with.
    let caller: UnsafePointer<CallerPolicy>?
    /// Monotonic, and Unix.
    let now = Clock.monotonicMilliseconds()
    let today = Int64(Clock.realtimeNanoseconds() / 1_000_000)

    /// - Parameter caller: nil: without a key.
    /// - Returns: nil if no provider is asked for such a request.
    static func make(
        _ view: UnsafePointer<SnapshotView>, _ request: RequestView, caller: UnsafePointer<CallerPolicy>?
    ) -> RouteExplanation.ProviderChoice? {
        let table = view.pointee.providers
        let match = Endpoint.of(path: request.path)
        guard !table.isEmpty, request.method == .post, match.endpoint.namesModel else { return nil }
        guard let name = model(request, match), !name.isEmpty else { return nil }
        var reader = read(request)
        return withUnsafeMutablePointer(to: &reader) { reader in
            let explanation = ProviderExplanation(
                table: table, endpoint: match.endpoint, request: reader, body: request.body, caller: caller)
            return Array(name.utf8).withUnsafeBufferPointer {
                explanation.explain(name, Bytes($0.baseAddress, $0.count))
            }
        }
    }

    private static func read(_ request: RequestView) -> RequestReader {
        var reader = RequestReader()
        if let p = request.body.pointer { reader.feed(p, request.body.count) }
        return reader
    }

    /// The model that the request names.
    static func model(_ request: RequestView, _ match: EndpointMatch) -> String? {
        guard match.hasModelInPath else { return read(request).withModel { $0.string } }
        let text = ModelName.withoutCollection(request.path.from(match.modelStart, to: match.modelEnd))
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: max(text.count, 1)) { buffer in
            let count = ModelName.decode(text, into: buffer.baseAddress!)
            return count > 0 ? Bytes(buffer.baseAddress, count).string : nil
        }
    }

    private func explain(_ text: String, _ name: Bytes) -> RouteExplanation.ProviderChoice {
        guard let resolution = table.resolve(name) else {
            return RouteExplanation.ProviderChoice(
                model: text, isAlias: false, candidates: others(than: []), rule: "",
                error: mayAsk(for: name) ? "no provider has this model" : Self.notAllowed)
        }
        let isNamed = resolution.entry < 0
        let entry = isNamed ? nil : table.models[Int(resolution.entry)]
        let list =
            entry.map { entry in (0..<entry.candidates.count).map { entry.candidates[$0] } } ?? [resolution.single]
        return list.withUnsafeBufferPointer { buffer in
            var set = CandidateSet(
                candidates: buffer.baseAddress.unsafelyUnwrapped, count: buffer.count,
                turns: entry?.turns ?? table.sharedTurns)
            set.endpoint = endpoint
            set.isNamed = isNamed
            if let caller, !caller.pointee.allowedModels.isEmpty { set.caller = caller }
            set.asked = name
            if let caller { set.payer = table.payer(caller) }
            (set.tier, set.isFast) = (request.pointee.tier, request.pointee.isFast)
            set.namesOthers = request.pointee.namesOtherModels
            return explain(text, set, isAlias: entry?.isAlias ?? false)
        }
    }

    private func explain(_ text: String, _ set: CandidateSet, isAlias: Bool) -> RouteExplanation.ProviderChoice {
        var none = ProviderAttempts()
        let verdicts = (0..<set.count).map { table.verdict(set, $0, &none, now: now) }
        let usable = verdicts.indices.filter { verdicts[$0] == .usable }
        let first = usable.filter { set.candidates[$0].group == set.candidates[usable[0]].group }
        let shares = shares(set, first)
        var candidates = verdicts.indices.map { index in
            let share = first.firstIndex(of: index).map { shares[$0] } ?? 0
            return RouteExplanation.ProviderCandidate(
                provider: provider(set, index), model: set.candidates[index].model.string,
                group: Int(set.candidates[index].group), isUsable: verdicts[index] == .usable, share: share,
                reason: verdicts[index] == .usable
                    ? role(share, isFirst: first.contains(index)) : reason(verdicts[index], set, index),
                backInMilliseconds: back(verdicts[index]))
        }
        if !isAlias && !set.isNamed {
            candidates += others(than: Set((0..<set.count).map { set.candidates[$0].provider }))
        }
        return RouteExplanation.ProviderChoice(
            model: text, isAlias: isAlias, candidates: candidates,
            rule: usable.isEmpty ? "" : rule(set, first, isAlias: isAlias), error: refusal(set, verdicts))
    }

    private func provider(_ set: CandidateSet, _ index: Int) -> String {
        table.providers[Int(set.candidates[index].provider)].name.string
    }

    // MARK: Who takes it

    /// Of the next requests like this one, each one's part; where the choice is certain it is 1.
    private func shares(_ set: CandidateSet, _ options: [Int]) -> [Double] {
        if options.count <= 1 { return options.map { _ in 1 } }
        let weights = options.map { Double(max(table.option(set, $0).weight, 0)) }
        let total = weights.reduce(0, +)
        switch table.settings.balancing {
        case .random, .roundRobin: return options.map { _ in 1 / Double(options.count) }
        case .weighted where total > 0: return weights.map { $0 / total }
        default: return turns(of: options.map { table.option(set, $0) }).map { $0 / Double(options.count) }
        }
    }

    /// How many of as many turns as there are options each of them gets: those that are equal take turns.
    private func turns(of options: [BalancingOption]) -> [Double] {
        var turns = options.map { _ in 0.0 }
        for turn in 0..<options.count {
            // Never the turn on which another than the fastest is tried.
            let turn = UInt64(turn) % (BalancingChoice.explorationInterval - 1)
            var choice = BalancingChoice(table.settings.balancing, random: 0)
            for option in options { choice.add(option) }
            let decided = choice.decide(turn: turn)
            if decided == nil { for option in options where choice.offer(option) { break } }
            let taken = decided ?? choice.chosen
            if let position = options.firstIndex(where: { $0.index == taken }) { turns[position] += 1 }
        }
        return turns
    }

    private func role(_ share: Double, isFirst: Bool) -> String {
        if !isFirst { return "comes in when those before it cannot" }
        if share == 1 { return "takes the request" }
        if share == 0 { return "can take the request, but another one is preferred" }
        return "takes \(Int((share * 100).rounded())) % of such requests"
    }

    private func rule(_ set: CandidateSet, _ first: [Int], isAlias: Bool) -> String {
        if set.isNamed { return "the name says which provider" }
        if first.count <= 1 { return "the first usable one" + (isAlias ? " of the alias's list" : " by priority") }
        return "\(table.settings.balancing.name) among \(first.map { provider(set, $0) }.joined(separator: ", "))"
    }

    // MARK: Who does not

    private func reason(_ verdict: CandidateVerdict, _ set: CandidateSet, _ index: Int) -> String {
        switch verdict {
        case .notPriced where set.namesOthers:
            "the key has a money budget, and it is not known what other models cost that the request names"
        case .notAllowed where set.namesOthers: "the key's models are limited, and the request names others besides"
        case .usable: "can take the request"
        case .providerDisabled: "the provider is disabled"
        case .otherFormat: "the provider does not take requests in this format"
        case .notPriced: "the key has a money budget, and it is not known what this costs"
        case .notAllowed: "the key's allowed_models do not hold this model"
        case .breakerOpen: "its circuit breaker is open after failures"
        case .probeIsOut: "its circuit breaker lets one probe through, which is under way"
        case .noKey: "it has no enabled key that can be read"
        case .keysDisabled: "all its keys are disabled by what the provider said of them"
        case .keysCooling where isKeyless(set, index): "it has no key, and rests after a refusal or a rate limit"
        case .keysCooling: "all its keys rest after a rate limit"
        case .tried: "all its keys have been tried"
        }
    }

    private func isKeyless(_ set: CandidateSet, _ index: Int) -> Bool {
        table.keys[Int(table.providers[Int(set.candidates[index].provider)].firstKey)].keyID.isEmpty
    }

    /// How long until it may be used again; nil where time alone does not help.
    private func back(_ verdict: CandidateVerdict) -> UInt64? {
        switch verdict {
        case .breakerOpen(let until), .keysCooling(let until): max(until, now) - now
        default: nil
        }
    }

    /// Providers that are no candidates at all.
    private func others(than candidates: Set<Int32>) -> [RouteExplanation.ProviderCandidate] {
        var listing: Set<Int32> = []
        for i in 0..<table.models.count where !table.models[i].isAlias {
            for j in 0..<table.models[i].candidates.count { listing.insert(table.models[i].candidates[j].provider) }
        }
        return (0..<Int32(table.providers.count)).filter { !candidates.contains($0) }.map { index in
            RouteExplanation.ProviderCandidate(
                provider: table.providers[Int(index)].name.string, model: "", group: nil, isUsable: false, share: 0,
                reason: listing.contains(index)
                    ? "the provider does not list this model" : "no list of the provider's models is known",
                backInMilliseconds: nil)
        }
    }

    /// Why the request would be refused although, or since no, provider could take it.
    private func refusal(_ set: CandidateSet, _ verdicts: [CandidateVerdict]) -> String? {
        if !verdicts.contains(where: { $0 != .otherFormat && $0 != .notAllowed && $0 != .notPriced }) {
            if set.namesOthers, verdicts.contains(where: { $0 != .otherFormat }) {
                return verdicts.contains(.notAllowed)
                    ? "the API key's models are limited, and the request names others besides"
                    : "the API key has a money budget, and it is not known what others cost that the request names"
            }
            if !verdicts.contains(.notAllowed), verdicts.contains(.notPriced) {
                return "the API key has a money budget, and it is not known what this model costs at this service tier"
            }
            return verdicts.contains(.notAllowed) || !table.mayAsk(set)
                ? Self.notAllowed : "no provider of this model takes this format"
        }
        if let caller, let text = overdraft(set, caller) { return text }
        return verdicts.contains(.usable) ? nil : "no candidate can be used"
    }

    private static let notAllowed = "the API key is not allowed to use this model"

    /// As in `Worker.unknown`.
    private func mayAsk(for name: Bytes) -> Bool {
        guard let caller, !caller.pointee.allowedModels.isEmpty else { return true }
        return caller.pointee.allows(asked: name, model: name, provider: .empty)
    }

    private func overdraft(_ set: CandidateSet, _ caller: UnsafePointer<CallerPolicy>) -> String? {
        let limits = caller.pointee.limits
        if limits.isUnlimited { return nil }
        let characters = endpoint == .speech ? request.spokenCharacters(in: body) : 0
        let worst = table.worstCase(
            set, RequestBounds(request, endpoint, characters: characters), currency: caller.pointee.currency)
        let (spent, reserved) = caller.pointee.budget.balance(periodStart: limits.periodStart(today))
        if let most = limits.maxTokens {
            let left = max(most - spent.tokens - reserved.tokens, 0)
            if left == 0 || worst.tokens > left {
                return "the API key has \(left) tokens left, the request may take \(worst.tokens)"
            }
        }
        if let most = limits.maxAmount {
            let left = max(most - spent.amount - reserved.amount, 0)
            if left == 0 || worst.amount > left {
                let currency = caller.pointee.currency.string
                return "the API key has \(Self.units(left)) \(currency) left, the request may cost "
                    + "\(Self.units(worst.amount))"
            }
        }
        return nil
    }

    /// Micro-units as a decimal.
    private static func units(_ micros: Int64) -> String {
        let fraction = String(micros % 1_000_000)
        return "\(micros / 1_000_000)." + String(repeating: "0", count: 6 - fraction.utf8.count) + fraction
    }
}
