import LLM
import Reactor

/// The names that a caller may use: aliases and models by their plain names, then each as `provider/model`.
struct ModelNames {
    struct Name {
        /// Empty for a name that stands for itself.
        var provider: Bytes
        var model: Bytes
        /// The provider of the first candidate that the caller may use.
        var owner: Bytes
    }

    let providers: ProviderTable
    /// Nil: nobody whose models are limited.
    let caller: UnsafePointer<CallerPolicy>?
    /// Only models of providers that take this endpoint's format; nil: all.
    let endpoint: Endpoint?

    @inline(__always)
    func visit(_ body: (Name) -> Void) {
        for i in 0..<providers.models.count {
            let entry = providers.models.pointer(i)
            guard entry.pointee.isAlias || providers.resolve(entry.pointee.name)?.entry == Int32(i) else { continue }
            if let owner = owner(asked: entry.pointee.name, entry.pointee.candidates) {
                body(Name(provider: .empty, model: entry.pointee.name, owner: owner))
            }
        }
        for i in 0..<providers.models.count where !providers.models.pointer(i).pointee.isAlias {
            let candidates = providers.models.pointer(i).pointee.candidates
            for j in 0..<candidates.count {
                if let owner = owner(asked: candidates[j].model, candidates, only: j) {
                    body(Name(provider: owner, model: candidates[j].model, owner: owner))
                }
            }
        }
    }

    /// One name as a client writes it; nil if the caller has no such model.
    func find(_ name: Bytes) -> Name? {
        guard let resolution = providers.resolve(name) else { return nil }
        if resolution.entry >= 0 {
            let owner = owner(asked: name, providers.models[Int(resolution.entry)].candidates)
            return owner.map { Name(provider: .empty, model: name, owner: $0) }
        }
        let listed = providers.modelNames.find(resolution.single.model)
        guard listed >= 0 else { return nil }
        let candidates = providers.models[listed].candidates
        for i in 0..<candidates.count where candidates[i].provider == resolution.single.provider {
            return owner(asked: name, candidates, only: i).map { Name(provider: .empty, model: name, owner: $0) }
        }
        return nil
    }

    private func owner(asked: Bytes, _ candidates: List<Candidate>, only: Int = -1) -> Bytes? {
        for i in 0..<candidates.count where only < 0 || only == i {
            let provider = providers.providers.pointer(Int(candidates[i].provider))
            guard provider.pointee.isEnabled else { continue }
            if let endpoint, !provider.pointee.speaks(endpoint) { continue }
            if let caller,
                !caller.pointee.allows(asked: asked, model: candidates[i].model, provider: provider.pointee.name)
            {
                continue
            }
            return provider.pointee.name
        }
        return nil
    }
}
