import LLM
import Reactor

/// What of a request decides how much it may come to.
struct RequestBounds {
    /// Valid for as long as the bounds are asked.
    let request: UnsafeMutablePointer<RequestReader>
    var endpoint: Endpoint
    /// Nil unless the body is a form.
    var form: UnsafeMutablePointer<FormReader>?
    /// Bytes of the body.
    var size: Int64
    /// Of a text to be spoken.
    var characters: Int64

    init(_ request: UnsafeMutablePointer<RequestReader>, _ endpoint: Endpoint, characters: Int64) {
        (self.request, self.endpoint, size) = (request, endpoint, Int64(clamping: request.pointee.bytesSeen))
        self.characters = characters
    }

    init(
        _ c: UnsafeMutablePointer<ClientConnection>, _ side: UnsafeMutablePointer<ProviderExchange>, size: Int
    ) {
        request = side.request
        endpoint = side.pointee.endpoint.endpoint
        form = side.pointee.isForm ? side.form : nil
        self.size = Int64(size)
        characters = side.pointee.characters
    }

    var choices: Int64 { min(form?.pointee.count ?? request.pointee.choices, 1000) }

    /// The most tokens of its prompt.
    func prompt(model: Bytes, context: Int64) -> Int64 {
        // Counted in pages.
        if endpoint == .ocr { return 0 }
        let picture = PictureTokens.most(model: model)
        guard let form else { return request.promptBound(pictureTokens: picture, context: context) }
        // Sound or pictures, and some text.
        let bound = size / 16 &+ form.pointee.files &* picture &+ 1000
        return context > 0 ? min(bound, context) : bound
    }

    /// The most tokens of its answer.
    /// - Parameter known: what the model can answer at most; 0: not known.
    func completion(known: Int64) -> Int64 {
        let assumed = known > 0 ? known : ProviderTable.assumedOutputTokens
        switch endpoint {
        // The largest picture of the best quality has fewer.
        case .images: return 8192 &* choices
        case .audio: return assumed
        // A letter is spoken in two tokens at most.
        case .speech: return size &* 2
        default:
            guard endpoint.generates else { return 0 }
            return min(request.pointee.maxTokens(at: endpoint) ?? assumed, TokenUsage.limit) &* choices
        }
    }

    /// What is not counted in tokens.
    func pieces(model: Bytes) -> PricedPieces {
        var pieces = PricedPieces()
        // Sound that is sent is coded at 4 kbit/s at least.
        if form != nil { pieces.milliseconds = size &* 2 }
        switch endpoint {
        case .images: pieces.images = choices
        case .speech: pieces.characters = characters
        case .chatCompletions:
            if request.pointee.asksForSearch || SearchModel.searches(model) {
                (pieces.searches, pieces.searchSize) = (1, request.pointee.searchSize)
            }
        case .ocr:
            let pages = request.pointee.pages
            pieces.pages = pages.count
            if pages.areAnnotated { pieces.annotatedPages = pages.count }
        default: break
        }
        return pieces
    }
}

/// What a request may come to at most, before it is sent.
extension ProviderTable {
    /// What an answer may have at most where nobody says: neither the request nor the price file.
    static let assumedOutputTokens: Int64 = 4096

    /// The most that the request can come to, with whichever of its candidates.
    ///
    /// - Parameter currency: in which the amount counts; candidates with other prices have none.
    func worstCase(_ set: CandidateSet, _ bounds: RequestBounds, currency: Bytes) -> Spending {
        var worst = Spending()
        var i = 0
        while i < set.count {
            if admission(set, i) == .usable {
                let index = Int(set.candidates[i].price)
                let prompt = bounds.prompt(
                    model: set.candidates[i].model,
                    context: index >= 0 ? prices.pointer(index).pointee.maxInputTokens : 0)
                let completion = bounds.completion(
                    known: index >= 0 ? prices.pointer(index).pointee.maxOutputTokens : 0)
                worst.tokens = max(worst.tokens, min(prompt &+ completion, TokenUsage.limit))
                if index >= 0, prices.pointer(index).pointee.currency.elementsEqual(currency) {
                    let amount = prices.pointer(index).sheet.worstCost(
                        tier: bounds.request.pointee.tier, isFast: bounds.request.pointee.isFast, prompt: prompt,
                        completion: completion, pieces: bounds.pieces(model: set.candidates[i].model))
                    worst.amount = max(worst.amount, amount ?? 0)
                }
            }
            i &+= 1
        }
        return worst
    }

    /// It is known what a candidate costs a caller who has a budget of money.
    func isPriced(_ set: CandidateSet, _ index: Int, for payer: UnsafePointer<CallerPolicy>) -> Bool {
        let price = Int(set.candidates[index].price)
        guard price >= 0 else { return false }
        let found = prices.pointer(price)
        guard found.pointee.currency.elementsEqual(payer.pointee.currency) else { return false }
        return found.sheet.worstCost(tier: set.tier, isFast: set.isFast, prompt: 0, completion: 0) != nil
    }

    /// Who has to be able to pay: nil unless the caller has a budget of money, and what has no price is refused.
    func payer(_ caller: UnsafePointer<CallerPolicy>) -> UnsafePointer<CallerPolicy>? {
        caller.pointee.limits.maxAmount == nil || settings.allowsUnpriced ? nil : caller
    }
}
