import LLM
import Reactor
import Store

/// What a request can come to at most: so much is reserved before it goes out.
extension Worker {
    /// What an answer may have at most where nobody says: neither the request nor the price file.
    static let assumedOutputTokens: Int64 = 4096
    /// Of a picture that is made: the largest of the best quality has fewer.
    private static let pictureOutputTokens: Int64 = 8192
    /// Sound is coded at 4 kbit/s at least.
    private static let soundBytesASecond: Int64 = 500

    /// The most that the request can come to, with whichever of its candidates.
    func worstCase(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>,
        _ providers: ProviderTable, _ caller: UnsafePointer<CallerPolicy>
    ) -> Spending {
        if caller.pointee.limits.isUnlimited { return Spending() }
        let set = candidates(c, side)
        let size = Int64(clamping: body(c).count)
        var worst = Spending()
        for i in 0..<set.count where set.allowed >> UInt64(i) & 1 != 0 {
            let candidate = set.candidates[i]
            let index = Int(candidate.price)
            let prompt = promptBound(
                side, candidate.model, size, context: index >= 0 ? providers.prices[index].maxInputTokens : 0)
            let completion = outputLimit(
                side, size, known: index >= 0 ? providers.prices[index].maxOutputTokens : 0)
            worst.tokens = max(worst.tokens, min(prompt &+ completion, TokenUsage.limit))
            let amount = worstCost(
                side, providers, candidate, caller, prompt: prompt, completion: completion,
                milliseconds: side.pointee.isForm ? size &* 1000 / Self.soundBytesASecond : 0)
            worst.amount = max(worst.amount, amount ?? 0)
        }
        return worst
    }

    /// What so many tokens can cost at a candidate, in the caller's currency; nil if nobody knows.
    func worstCost(
        _ side: UnsafeMutablePointer<ProviderExchange>, _ providers: ProviderTable, _ candidate: Candidate,
        _ caller: UnsafePointer<CallerPolicy>, prompt: Int64, completion: Int64, milliseconds: Int64 = 0
    ) -> Int64? {
        guard candidate.price >= 0 else { return nil }
        let price = providers.prices.pointer(Int(candidate.price))
        guard price.pointee.currency.elementsEqual(caller.pointee.currency) else { return nil }
        return price.pointee.price.worstCost(
            tier: side.pointee.request.tier, isFast: side.pointee.request.isFast, prompt: prompt,
            completion: completion,
            images: side.pointee.endpoint.endpoint == .images ? choices(side) : 0, milliseconds: milliseconds)
    }

    private func promptBound(
        _ side: UnsafeMutablePointer<ProviderExchange>, _ model: Bytes, _ size: Int64, context: Int64
    ) -> Int64 {
        let picture = PictureTokens.most(model: model)
        guard side.pointee.isForm else {
            return side.pointee.request.promptBound(pictureTokens: picture, context: context)
        }
        // Sound or pictures, and some text.
        let bound = size / 16 &+ side.pointee.form.files &* picture &+ 1000
        return context > 0 ? min(bound, context) : bound
    }

    private func choices(_ side: UnsafeMutablePointer<ProviderExchange>) -> Int64 {
        min(side.pointee.isForm ? side.pointee.form.count : side.pointee.request.choices, 1000)
    }

    private func outputLimit(
        _ side: UnsafeMutablePointer<ProviderExchange>, _ size: Int64, known: Int64
    ) -> Int64 {
        let assumed = known > 0 ? known : Self.assumedOutputTokens
        switch side.pointee.endpoint.endpoint {
        case .images: return Self.pictureOutputTokens &* choices(side)
        case .audio: return assumed
        // A letter is spoken in two tokens at most.
        case .speech: return size &* 2
        case let endpoint where endpoint.generates:
            let limit = side.pointee.request.maxTokens(at: endpoint) ?? assumed
            return min(limit, TokenUsage.limit) &* choices(side)
        default: return 0
        }
    }
}
