import LLM
import Reactor

/// Says which provider would take a request that no route takes: by the same tables and cells that workers use.
enum ProviderExplanation {
    static func make(_ view: UnsafePointer<SnapshotView>, _ request: RequestView) -> RouteExplanation.ProviderChoice? {
        let table = view.pointee.providers
        let match = Endpoint.of(path: request.path)
        guard !table.isEmpty, request.method == .post, match.endpoint.namesModel,
            let name = model(request, match), !name.isEmpty
        else { return nil }
        let stored = Array(name.utf8)
        return stored.withUnsafeBufferPointer { buffer in
            explain(table, match.endpoint, name, Bytes(buffer.baseAddress, buffer.count))
        }
    }

    private static func model(_ request: RequestView, _ match: EndpointMatch) -> String? {
        if match.hasModelInPath {
            let text = ModelName.withoutCollection(request.path.from(match.modelStart, to: match.modelEnd))
            return withUnsafeTemporaryAllocation(of: UInt8.self, capacity: max(text.count, 1)) { buffer in
                let count = ModelName.decode(text, into: buffer.baseAddress!)
                return count > 0 ? Bytes(buffer.baseAddress, count).string : nil
            }
        }
        guard let p = request.body.pointer else { return nil }
        var reader = RequestReader()
        reader.feed(p, request.body.count)
        return reader.withModel { $0.string }
    }

    private static func explain(
        _ table: ProviderTable, _ endpoint: Endpoint, _ text: String, _ name: Bytes
    ) -> RouteExplanation.ProviderChoice {
        guard let resolution = table.resolve(name) else {
            return RouteExplanation.ProviderChoice(
                model: text, isAlias: false, candidates: [], rule: "", error: "no provider has this model")
        }
        let isNamed = resolution.entry < 0
        let entry = isNamed ? nil : table.models[Int(resolution.entry)]
        let list =
            entry.map { entry in (0..<entry.candidates.count).map { entry.candidates[$0] } } ?? [resolution.single]
        var allowed: UInt64 = 0
        for (index, candidate) in list.enumerated()
        where isNamed || table.providers[Int(candidate.provider)].speaks(endpoint) {
            allowed |= 1 << UInt64(index)
        }
        let candidates = list.withUnsafeBufferPointer { buffer -> [RouteExplanation.ProviderCandidate] in
            guard let base = buffer.baseAddress else { return [] }
            let set = CandidateSet(
                candidates: base, count: buffer.count, allowed: allowed, turns: table.sharedTurns)
            return buffer.indices.map { index in
                let verdict = table.verdict(set, index, ProviderAttempts(), now: Clock.monotonicMilliseconds())
                return RouteExplanation.ProviderCandidate(
                    provider: table.providers[Int(buffer[index].provider)].name.string,
                    model: buffer[index].model.string, group: Int(buffer[index].group),
                    isUsable: verdict == .usable, reason: reason(verdict))
            }
        }
        let usable = candidates.filter(\.isUsable)
        let first = usable.filter { $0.group == usable[0].group }.map(\.provider)
        let rule: String
        if isNamed {
            rule = "the name says which provider"
        } else if first.count <= 1 {
            rule = "the first usable one" + (entry?.isAlias == true ? " of the alias's list" : " by priority")
        } else {
            rule = "\(table.settings.balancing.name) among \(first.joined(separator: ", "))"
        }
        return RouteExplanation.ProviderChoice(
            model: text, isAlias: entry?.isAlias ?? false, candidates: candidates, rule: rule,
            error: usable.isEmpty ? "no candidate can be used" : nil)
    }

    private static func reason(_ verdict: CandidateVerdict) -> String {
        switch verdict {
        case .usable: "can take the request"
        case .providerDisabled: "the provider is disabled"
        case .excluded: "the provider does not take requests in this format"
        case .breakerOpen: "its circuit breaker is open after failures"
        case .probeIsOut: "its circuit breaker lets one probe through, which is under way"
        case .noKey: "it has no enabled key"
        case .keysDisabled: "all its keys are disabled"
        case .keysCooling: "all its keys rest after a rate limit"
        case .tried: "all its keys have been tried"
        }
    }
}
