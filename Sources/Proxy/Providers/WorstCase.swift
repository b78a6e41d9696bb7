import LLM
import Reactor

/// What a request may come to at most, before it is sent.
extension ProviderTable {
    /// What an answer may have at most where nobody says: neither the request nor the price file.
    static let assumedOutputTokens: Int64 = 4096

    /// The most that the request can come to, with whichever of its candidates.
    ///
    /// - Parameter currency: in which the amount counts; candidates with other prices have none.
    func worstCase(_ set: CandidateSet, _ request: RequestReader, currency: Bytes) -> Spending {
        var worst = Spending()
        var i = 0
        while i < set.count {
            if admission(set, i) == .usable {
                let index = Int(set.candidates[i].price)
                let known = index >= 0 ? prices[index].maxOutputTokens : 0
                let usage = TokenUsage(
                    prompt: request.promptEstimate, completion: outputLimit(set.endpoint, request, known: known))
                worst.tokens = max(worst.tokens, usage.total)
                if index >= 0, prices[index].currency.elementsEqual(currency) {
                    worst.amount = max(worst.amount, prices[index].price.cost(of: usage))
                }
            }
            i &+= 1
        }
        return worst
    }

    private func outputLimit(_ endpoint: Endpoint, _ request: RequestReader, known: Int64) -> Int64 {
        guard endpoint.generates else { return 0 }
        let limit = request.maxTokens ?? (known > 0 ? known : Self.assumedOutputTokens)
        return min(limit, TokenUsage.limit) &* min(request.choices, 1000)
    }
}
