import JSON

/// The rates of one entry of LiteLLM's price file. Its fields are called after what they are for, with
/// `_above_…k_tokens` for long prompts and `_flex`, `_priority`, `_batches` … for service tiers behind it.
struct PriceFileRates {
    /// Nil: nothing in it has a price that usage can be multiplied with.
    private(set) var rates: PriceRates?

    private static let tiers: [(suffix: String, tier: ServiceTier)] = [
        ("", .standard), ("_flex", .flex), ("_priority", .priority), ("_batches", .batch), ("_balanced", .balanced),
        ("_ultrafast", .ultrafast), ("_decisions", .decisions),
    ]
    private static let fields: [(name: String, rate: WritableKeyPath<ModelPrice, Int64?> & Sendable)] = [
        ("cache_read_input_token_cost", \.cachedInput), ("cache_creation_input_token_cost", \.cacheWrite),
        ("cache_creation_input_token_cost_above_1hr", \.cacheWriteLong),
        ("output_cost_per_reasoning_token", \.reasoning), ("input_cost_per_audio_token", \.inputAudio),
        ("input_cost_per_image_token", \.inputImage), ("cache_read_input_audio_token_cost", \.cachedAudio),
        ("output_cost_per_audio_token", \.outputAudio), ("output_cost_per_image_token", \.outputImage),
    ]

    /// - Parameter price: the price in a field, if it is there.
    init(_ fields: JSONObject, mode: String, price: (String) throws -> Int64?) throws {
        let input = try price("input_cost_per_token")
        let output = try price("output_cost_per_token")
        var base = ModelPrice(input: input ?? 0, output: output ?? 0)
        for field in Self.fields { base[keyPath: field.rate] = try price(field.name) }
        base.cachedInput = try base.cachedInput ?? price("input_cost_per_token_cache_hit")
        // What comes out of such a model is nothing else.
        if output == nil { base.output = base.outputImage ?? base.outputAudio ?? 0 }
        base.search = try price("input_cost_per_query")
        if base.search == nil {
            let search = Self.search(fields)
            if Self.searchesByPrompt(fields) {
                base.searchPrompt = search.medium
            } else {
                (base.search, base.searchLow, base.searchHigh) = (search.medium, search.low, search.high)
            }
        }
        base.fileSearch = try Self.fileSearch(fields, mode: mode, price: price)
        if mode == "audio_speech" { base.character = try price("input_cost_per_character") }
        if mode == "ocr" {
            base.page = try price("ocr_cost_per_page")
            base.annotatedPage = try price("annotation_cost_per_page")
        }
        let hasTokens = input != nil || output != nil || base.outputImage != nil
        if !hasTokens || (input ?? 0 == 0 && base.output == 0) {
            if mode == "audio_transcription" {
                base.second = try price("input_cost_per_second") ?? price("output_cost_per_second")
            }
            if mode == "image_generation" { base.image = try price("output_cost_per_image") }
        }
        let tiered = fields["tiered_pricing"]?.arrayValue ?? []
        let hasPieces =
            base.search != nil || base.searchPrompt != nil || base.second != nil || base.image != nil
            || base.character != nil || base.page != nil
        guard hasTokens || hasPieces || !tiered.isEmpty else { return }
        var result = PriceRates(base: base)
        try Self.addVariants(&result, fields, price)
        try Self.addSteps(&result, tiered, hasBase: input != nil || output != nil)
        guard hasTokens || hasPieces || !result.variants.isEmpty || result.base.input > 0 else { return }
        if let special = fields["provider_specific_entry"]?.objectValue {
            result.regionalThousandths = Self.thousandths(special["us"])
            result.fastThousandths = Self.thousandths(special["fast"])
        }
        rates = result
    }

    private static func addVariants(
        _ result: inout PriceRates, _ fields: JSONObject, _ price: (String) throws -> Int64?
    ) throws {
        var steps: Set<Int64> = [0]
        for name in fields.names {
            guard let start = name.ranges(of: "_above_").last?.upperBound else { continue }
            let digits = name[start...].prefix { $0.isNumber }
            if name[start...].dropFirst(digits.count).hasPrefix("k_tokens"), let thousands = Int64(digits) {
                steps.insert(thousands * 1000)
            }
        }
        for step in steps.sorted() {
            let above = step == 0 ? "" : "_above_\(step / 1000)k_tokens"
            for (suffix, tier) in Self.tiers where step > 0 || tier != .standard {
                let input = try price("input_cost_per_token" + above + suffix)
                let output = try price("output_cost_per_token" + above + suffix)
                guard input != nil || output != nil else { continue }
                var variant = PriceVariant(tier: tier, above: step, price: result.base)
                variant.price.input = input ?? result.base.input
                variant.price.output = output ?? result.base.output
                if result.base.reasoning == result.base.output { variant.price.reasoning = variant.price.output }
                for field in Self.fields {
                    if let rate = try price(field.name + above + suffix) { variant.price[keyPath: field.rate] = rate }
                }
                result.variants.append(variant)
            }
        }
    }

    /// `tiered_pricing`: ranges of the prompt's length, each with its prices.
    private static func addSteps(_ result: inout PriceRates, _ steps: [JSONValue], hasBase: Bool) throws {
        for step in steps {
            guard let object = step.objectValue, let range = step["range"]?.arrayValue, range.count == 2,
                let from = range[0].doubleValue, from >= 0, from < 1e12
            else { continue }
            func price(_ name: String) -> Int64? {
                object[name]?.numberValue.flatMap { PriceFile.pricePerMillion($0.literal) }
            }
            guard let input = price("input_cost_per_token"), let output = price("output_cost_per_token") else {
                continue
            }
            var rates = ModelPrice(input: input, output: output)
            for field in Self.fields { rates[keyPath: field.rate] = price(field.name) }
            (rates.search, rates.searchPrompt) = (result.base.search, result.base.searchPrompt)
            (rates.searchLow, rates.searchHigh) = (result.base.searchLow, result.base.searchHigh)
            rates.fileSearch = result.base.fileSearch
            if from == 0 {
                if !hasBase { result.base = rates }
            } else {
                result.variants.append(PriceVariant(tier: .standard, above: Int64(from), price: rates))
            }
        }
    }

    /// What a search costs, and one that is smaller or larger where that is something else.
    private static func search(_ fields: JSONObject) -> (medium: Int64?, low: Int64?, high: Int64?) {
        guard let sizes = fields["search_context_cost_per_query"]?.objectValue else { return (nil, nil, nil) }
        func cost(_ size: String) -> Int64? {
            sizes["search_context_size_" + size]?.numberValue.flatMap { PriceFile.pricePerMillion($0.literal) }
        }
        let (low, high) = (cost("low"), cost("high"))
        guard let medium = cost("medium") ?? (low == nil || high == nil || low == high ? low ?? high : nil) else {
            return (nil, nil, nil)
        }
        return (medium, low == medium ? nil : low, high == medium ? nil : high)
    }

    /// What a search in files costs. Of OpenAI's models the file does not tell it: it is 2.50 dollars for a thousand, whichever
    /// model it is, and LiteLLM counts as much.
    private static func fileSearch(
        _ fields: JSONObject, mode: String, price: (String) throws -> Int64?
    ) throws -> Int64? {
        if let thousand = try price("file_search_cost_per_1k_calls") { return thousand / 1000 }
        guard fields["litellm_provider"]?.stringValue == "openai", mode == "chat" || mode == "responses",
            fields["input_cost_per_token"] != nil
        else { return nil }
        return 2_500_000_000
    }

    /// Gemini's models before the third are paid for the answer that something was searched for, not for each search.
    private static func searchesByPrompt(_ fields: JSONObject) -> Bool {
        if let unit = fields["web_search_billing_unit"]?.stringValue { return unit == "per_prompt" }
        switch fields["litellm_provider"]?.stringValue {
        case "gemini", "vertex_ai", "vertex_ai-language-models": return true
        default: return false
        }
    }

    private static func thousandths(_ value: JSONValue?) -> Int64 {
        // Of a price that is 10¹² of its units.
        guard let number = value?.numberValue, let price = PriceFile.pricePerMillion(number.literal) else { return 0 }
        return price / 1_000_000_000
    }
}
