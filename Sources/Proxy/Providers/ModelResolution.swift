import LLM
import Reactor

/// The candidates that a name stands for.
struct ModelResolution: BitwiseCopyable {
    /// Index of the entry; -1 for `provider/model`, which has one candidate of its own.
    var entry: Int32
    /// Valid if `entry` is -1.
    var single: Candidate

    static func entry(_ index: Int) -> ModelResolution {
        ModelResolution(
            entry: Int32(index), single: Candidate(provider: -1, group: 0, price: -1, metric: 0, model: .empty))
    }
}

extension ProviderTable {
    /// Resolves a model's name as the client wrote it; nil if nobody has such a model.
    ///
    /// An alias comes first, then `provider/model` if a provider is called so, then the models that providers list. A name
    /// may hold slashes of its own.
    ///
    /// The single candidate's name points into `name`.
    func resolve(_ name: Bytes) -> ModelResolution? {
        let found = modelNames.find(name)
        if found >= 0 && models[found].isAlias { return .entry(found) }
        if let single = single(name) { return ModelResolution(entry: -1, single: single) }
        return found >= 0 ? .entry(found) : nil
    }

    /// `provider/model`, split at the first slash.
    func single(_ name: Bytes) -> Candidate? {
        guard let (first, model) = ModelName.split(name) else { return nil }
        let provider = providerNames.find(first)
        guard provider >= 0 else { return nil }
        return Candidate(
            provider: Int32(provider), group: 0, price: Int32(price(provider, model)),
            metric: metric(provider, model), model: model)
    }
}
