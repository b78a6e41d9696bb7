import LLM
import Reactor

/// One provider as a worker sees it.
struct CompiledProvider: BitwiseCopyable, @unchecked Sendable {
    var name: Bytes
    var apiType: APIType
    /// The API type's name, under which price files have its prices.
    var kind: Bytes
    var isEnabled: Bool
    var firstKey: Int32
    var keyCount: Int32
    var keyBalancing: Balancing
    var priority: Int64
    var weight: Int32
    var path: ProviderPath
    var load: LoadCell
    /// `headers` set an anthropic-version.
    var hasVersionHeader: Bool
    /// Place in the workers' counters for models that nobody lists.
    var otherMetric: Int32
}

/// One of a provider's keys. The secret itself stands only in its route's header lines.
struct CompiledProviderKey: BitwiseCopyable, @unchecked Sendable {
    /// Empty for a provider that needs no key.
    var keyID: Bytes
    var provider: Int32
    var weight: Int32
    var isEnabled: Bool
    /// What Connect and Send see of provider and key: an index behind the snapshot's real routes.
    var route: Int32
    var load: LoadCell
}

/// One provider that could take a request, and under which name it knows the model.
struct Candidate: BitwiseCopyable, @unchecked Sendable {
    var provider: Int32
    /// Candidates of one group share the load; a later group comes in when an earlier one cannot serve.
    var group: Int32
    /// Index into the prices; -1: unknown.
    var price: Int32
    /// Place in the workers' counters of models.
    var metric: Int32
    var model: Bytes
    /// The fields of an answer that name provider and model; empty: to be written each time.
    var answerFields: Bytes = .empty
}

/// What a name stands for: a plain model name or an alias.
struct ModelEntry: BitwiseCopyable, @unchecked Sendable {
    var name: Bytes
    var isAlias: Bool
    /// Ordered by group.
    var candidates: List<Candidate>
    /// Counts the choices made for this name, over all workers.
    var turns: LoadCell
}

/// Everything about providers that workers serve from: where it stands in the snapshot's arena, so that it is handed on
/// as an address.
struct ProviderTable: BitwiseCopyable, @unchecked Sendable {
    struct Contents: BitwiseCopyable {
        var providers: List<CompiledProvider>
        var providerNames: NameIndex
        var keys: List<CompiledProviderKey>
        var models: List<ModelEntry>
        var modelNames: NameIndex
        var prices: List<CompiledPrice>
        /// `provider/model`.
        var priceNames: NameIndex
        /// `provider/model` of those whose metrics are kept apart; the places are in `metricIDs`.
        var metricNames: NameIndex
        var metricIDs: List<Int32>
        /// By index of the callers' keys.
        var callers: List<CallerPolicy>
        var settings: ProviderPolicy
        /// Turns for names that have no entry of their own (`provider/model`).
        var sharedTurns: LoadCell
    }

    private let contents: UnsafePointer<Contents>

    init(_ contents: Contents, in arena: Arena) { self.contents = arena.store([contents]).pointer(0) }

    var providers: List<CompiledProvider> { contents.pointee.providers }
    var providerNames: NameIndex { contents.pointee.providerNames }
    var keys: List<CompiledProviderKey> { contents.pointee.keys }
    var models: List<ModelEntry> { contents.pointee.models }
    var modelNames: NameIndex { contents.pointee.modelNames }
    var prices: List<CompiledPrice> { contents.pointee.prices }
    var priceNames: NameIndex { contents.pointee.priceNames }
    var metricNames: NameIndex { contents.pointee.metricNames }
    var metricIDs: List<Int32> { contents.pointee.metricIDs }
    var callers: List<CallerPolicy> { contents.pointee.callers }
    var settings: ProviderPolicy { contents.pointee.settings }
    var sharedTurns: LoadCell { contents.pointee.sharedTurns }

    /// No request goes to a provider.
    var isEmpty: Bool { providers.isEmpty }

    /// The price of a model at a provider; -1 if none is known. The provider's own goes before that of its kind, that
    /// before one for whoever has the model.
    func price(_ provider: Int, _ model: Bytes) -> Int {
        let own = priceNames.find(providers[provider].name, model)
        if own >= 0 { return own }
        let kind = priceNames.find(providers[provider].kind, model)
        return kind >= 0 ? kind : priceNames.find(.empty, model)
    }

    /// Place in the workers' counters of models: its own if anybody lists it, an alias names it or its price was set by
    /// hand; else one for all others.
    func metric(_ provider: Int, _ model: Bytes) -> Int32 {
        let found = metricNames.find(providers[provider].name, model)
        return found < 0 ? providers[provider].otherMetric : metricIDs[found]
    }
}

/// What a model costs, and how much of it there can be at a time.
struct CompiledPrice: BitwiseCopyable, @unchecked Sendable {
    var price: PriceSheet
    var currency: Bytes
    /// The most tokens of a prompt and of an answer; 0: not known.
    var maxInputTokens: Int64
    var maxOutputTokens: Int64
    /// Set by an operator, not by a file: goes before what an answer says that it costs.
    var isManual: Bool
}

extension UnsafePointer<CompiledPrice> {
    /// The prices where they stand.
    @inline(__always)
    var sheet: UnsafePointer<PriceSheet> {
        (UnsafeRawPointer(self) + MemoryLayout<CompiledPrice>.offset(of: \.price).unsafelyUnwrapped)
            .assumingMemoryBound(to: PriceSheet.self)
    }
}

/// What the settings say about providers.
struct ProviderPolicy: BitwiseCopyable, Sendable {
    var balancing: Balancing = .weighted
    /// First tries included.
    var maxAttempts: Int = 6
    var holdMilliseconds: UInt64 = 10_000
    /// Whether a caller with a money budget may use models of which nobody knows what they cost.
    var allowsUnpriced = false
}

/// What a caller's key may do with providers.
struct CallerPolicy: BitwiseCopyable, @unchecked Sendable {
    /// Patterns of model names; empty = all.
    var allowedModels: List<Bytes>
    var limits: BudgetLimits
    var currency: Bytes
    var budget: BudgetCell
    /// Nil: without limit.
    var maxConcurrent: Int64?

    /// True if the key may use the model under the name asked for, under its own, or as `provider/model`.
    func allows(asked: Bytes, model: Bytes, provider: Bytes) -> Bool {
        if allowedModels.isEmpty { return true }
        for i in 0..<allowedModels.count {
            let pattern = allowedModels[i]
            if Glob.matches(asked, pattern: pattern) || Glob.matches(model, pattern: pattern) { return true }
            if Self.matches(provider, model, pattern) { return true }
        }
        return false
    }

    /// `provider/model` against a pattern, without putting the two together where that is not needed.
    private static func matches(_ provider: Bytes, _ model: Bytes, _ pattern: Bytes) -> Bool {
        let count = provider.count + 1 + model.count
        guard count <= 768 else { return false }
        return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 768) { joined in
            let p = joined.baseAddress.unsafelyUnwrapped
            if let name = provider.pointer { p.update(from: name, count: provider.count) }
            p[provider.count] = UInt8(ascii: "/")
            if let name = model.pointer { (p + provider.count + 1).update(from: name, count: model.count) }
            return Glob.matches(Bytes(UnsafePointer(p), count), pattern: pattern)
        }
    }
}
