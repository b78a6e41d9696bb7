import Glibc
import JSON
import Testing

@testable import LLM

struct PriceFileTests {
    private func read(_ text: String) throws -> PriceFile.Contents {
        var copy = text
        return try copy.withUTF8 { try PriceFile.read(UnsafeRawBufferPointer($0)) }
    }

    @Test(
        arguments: [
            ("1.5e-07", 150_000), ("0.00000015", 150_000), ("2.5E-6", 2_500_000), ("5e-09", 5_000), ("0", 0),
            ("0.0", 0),
            ("1", 1_000_000_000_000), ("1e-12", 1), ("5e-13", 1), ("4.999999999999999999999e-13", 0), ("0.49e-12", 0),
            ("1.4999999999999999999999999999e-12", 1), ("1.25e-07", 125_000), ("-1e-7", nil), ("1e30", nil),
            ("123456789012345678901234567890", nil), ("1e-400", 0), ("0.000000000000000000000000000001", 0),
        ] as [(String, Int64?)])
    func pricesAreExact(literal: String, price: Int64?) {
        #expect(PriceFile.pricePerMillion(literal) == price)
    }

    @Test func entries() throws {
        let contents = try read(
            """
            {"sample_spec": {"input_cost_per_token": "words"},
             "gpt-4o": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 2.5e-06,
                        "output_cost_per_token": 1e-05, "cache_read_input_token_cost": 1.25e-06,
                        "max_input_tokens": 128000, "max_output_tokens": 16384},
             "groq/openai/gpt-oss-20b": {"litellm_provider": "groq", "input_cost_per_token": 1e-7,
                                         "output_cost_per_token": 5e-7, "max_tokens": "many"},
             "dall-e-3": {"litellm_provider": "openai", "output_cost_per_image": 0.04}}
            """)
        #expect(contents.skipped == 1 && contents.entries.count == 2)
        var rates = PriceRates(base: ModelPrice(input: 2_500_000, output: 10_000_000, cachedInput: 1_250_000))
        rates.base.fileSearch = 2_500_000_000
        #expect(
            contents.entries[0]
                == PriceFile.Entry(
                    provider: "openai", model: "gpt-4o", rates: rates, currency: "USD",
                    mode: "chat", maxInputTokens: 128_000, maxOutputTokens: 16_384))
        #expect(contents.entries[1].model == "openai/gpt-oss-20b" && contents.entries[1].maxOutputTokens == nil)
    }

    @Test(arguments: [
        "", "[]", "{\"m\": 5}", "{\"m\": {\"litellm_provider\":\"x\",\"input_cost_per_token\":\"cheap\"}}",
        "{\"m\": {\"litellm_provider\":\"x\",\"output_cost_per_token\":-1}}",
    ])
    func whatIsWrongIsNamed(text: String) {
        let failure = #expect(throws: PriceFile.Failure.self) { try read(text) }
        if text.contains("litellm") { #expect(failure?.description.hasPrefix("m.") == true) }
    }

    /// LiteLLM's own file is read whole.
    @Test func theWholeFile() throws {
        guard let bytes = sharedPriceFile() else { return }
        let contents = try bytes.withUnsafeBytes { try PriceFile.read($0) }
        #expect(contents.entries.count > 2500)
        let found = Dictionary(
            contents.entries.map { ("\($0.provider)/\($0.model)", $0.rates) }, uniquingKeysWith: { first, _ in first })
        let sonnet = try #require(found["anthropic/claude-sonnet-4-5"])
        #expect(sonnet.base.cacheWriteLong == 6_000_000 && sonnet.base.search == 10_000_000_000)
        #expect(found["openai/whisper-1"]?.base.second == 100_000_000)
        #expect(found["openai/gpt-image-1"]?.base.output == 40_000_000)
        #expect(found["anthropic/claude-opus-4-6"]?.regionalThousandths == 1100)
        // What is stored says the same again.
        for entry in contents.entries {
            var common = ModelPrice(input: entry.rates.base.input, output: entry.rates.base.output)
            (common.cachedInput, common.cacheWrite, common.reasoning) = (
                entry.rates.base.cachedInput, entry.rates.base.cacheWrite, entry.rates.base.reasoning
            )
            #expect(try PriceRates(base: common, extra: entry.rates.extraJSON) == entry.rates, "\(entry.model)")
        }
    }

    @Test func tiersAndSteps() throws {
        let contents = try read(
            """
            {"m": {"litellm_provider": "p", "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6,
                   "cache_read_input_token_cost": 1e-7, "input_cost_per_token_above_200k_tokens": 3e-6,
                   "output_cost_per_token_above_200k_tokens": 4e-6, "input_cost_per_token_flex": 5e-7,
                   "output_cost_per_token_flex": 1e-6, "input_cost_per_token_above_200k_tokens_priority": 6e-6,
                   "cache_creation_input_token_cost_above_1hr": 2e-6, "provider_specific_entry": {"us": 1.1, "fast": 6}},
             "q": {"litellm_provider": "p", "tiered_pricing": [
                   {"range": [0, 32000.0], "input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6},
                   {"range": [32000.0, 1e6], "input_cost_per_token": 2e-6, "output_cost_per_token": 4e-6}]}}
            """)
        let m = contents.entries[0].rates
        #expect(m.regionalThousandths == 1100 && m.fastThousandths == 6000 && m.base.cacheWriteLong == 2_000_000)
        #expect(m.variants.map(\.tier) == [.flex, .standard, .priority])
        #expect(m.variants.map(\.above) == [0, 200_000, 200_000])
        #expect(m.variants.map(\.price.input) == [500_000, 3_000_000, 6_000_000])
        #expect(m.variants.map(\.price.output) == [1_000_000, 4_000_000, 2_000_000])
        #expect(m.variants.map(\.price.cachedInput) == [100_000, 100_000, 100_000])
        let q = contents.entries[1].rates
        #expect(q.base.input == 1_000_000 && q.variants.map(\.above) == [32_000])
    }

    @Test func charactersPagesAndSearchesByThePrompt() throws {
        let contents = try read(
            """
            {"tts-1": {"litellm_provider": "openai", "mode": "audio_speech", "input_cost_per_character": 1.5e-05},
             "both": {"litellm_provider": "p", "mode": "audio_speech", "input_cost_per_character": 1e-6,
                      "input_cost_per_token": 2e-6, "output_cost_per_audio_token": 1.2e-5},
             "old": {"litellm_provider": "p", "mode": "chat", "input_cost_per_character": 1e-6},
             "p/ocr": {"litellm_provider": "p", "mode": "ocr", "ocr_cost_per_page": 0.004, "annotation_cost_per_page": 0.005},
             "pixels": {"litellm_provider": "p", "mode": "image_generation", "input_cost_per_pixel": 4e-8},
             "gemini/g2": {"litellm_provider": "gemini", "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6,
                      "search_context_cost_per_query": {"search_context_size_low": 0.035}},
             "perplexity/s": {"litellm_provider": "perplexity", "mode": "chat", "input_cost_per_token": 1e-6,
                      "search_context_cost_per_query": {"search_context_size_low": 0.005, "search_context_size_medium": 0.008,
                                                        "search_context_size_high": 0.012}},
             "odd": {"litellm_provider": "p", "mode": "chat", "input_cost_per_token": 1e-6,
                      "search_context_cost_per_query": {"search_context_size_low": 0.005, "search_context_size_high": 0.012}},
             "gpt": {"litellm_provider": "openai", "mode": "responses", "input_cost_per_token": 1e-6},
             "embed": {"litellm_provider": "openai", "mode": "embedding", "input_cost_per_token": 1e-6},
             "filed": {"litellm_provider": "p", "mode": "chat", "input_cost_per_token": 1e-6,
                      "file_search_cost_per_1k_calls": 1.5},
             "gemini/g3": {"litellm_provider": "gemini", "input_cost_per_token": 1e-6, "output_cost_per_token": 1e-6,
                      "search_context_cost_per_query": {"search_context_size_low": 0.014}, "web_search_billing_unit": "per_query"},
             "v": {"litellm_provider": "vertex_ai", "mode": "rerank", "input_cost_per_query": 0.001}}
            """)
        #expect(contents.skipped == 2)
        let rates = Dictionary(contents.entries.map { ($0.model, $0.rates.base) }, uniquingKeysWith: { a, _ in a })
        #expect(rates["tts-1"]?.character == 15_000_000 && rates["tts-1"]?.input == 0)
        #expect(rates["both"]?.character == 1_000_000 && rates["both"]?.output == 12_000_000)
        #expect(rates["ocr"]?.page == 4_000_000_000 && rates["ocr"]?.annotatedPage == 5_000_000_000)
        #expect(rates["g2"]?.searchPrompt == 35_000_000_000 && rates["g2"]?.search == nil)
        #expect(rates["g3"]?.search == 14_000_000_000 && rates["g3"]?.searchPrompt == nil)
        #expect(rates["v"]?.search == 1_000_000_000)
        let sized = rates["s"]
        #expect(sized?.search == 8_000_000_000 && sized?.searchLow == 5_000_000_000)
        #expect(sized?.searchHigh == 12_000_000_000 && sized?.fileSearch == nil)
        #expect(rates["odd"]?.search == nil && rates["odd"]?.searchLow == nil && rates["odd"]?.searchHigh == nil)
        #expect(rates["g3"]?.searchLow == nil && rates["g3"]?.searchHigh == nil)
        // OpenAI's price of a search in files, which the file does not tell.
        #expect(rates["gpt"]?.fileSearch == 2_500_000_000 && rates["embed"]?.fileSearch == nil)
        #expect(rates["filed"]?.fileSearch == 1_500_000_000 && rates["odd"]?.fileSearch == nil)
    }

    @Test(arguments: [
        (#"[]"#, ""), (#"{"x":1}"#, "x"), (#"{"search":-1}"#, "search"), (#"{"search":"1"}"#, "search"),
        (#"{"regional":0}"#, "regional"), (#"{"variants":{}}"#, "variants"), (#"{"variants":[1]}"#, "variants[0]"),
        (#"{"variants":[{"tier":"other"}]}"#, "variants[0].tier"), (#"{"variants":[{"input":1}]}"#, "variants[0]"),
        (#"{"variants":[{"above":5},{"above":5}]}"#, "variants[1]"),
        (#"{"variants":[{"above":-5}]}"#, "variants[0].above"),
        (#"{"variants":[{"tier":"flex","y":1}]}"#, "variants[0].y"),
    ])
    func ratesThatAreWrongAreNamed(text: String, field: String) throws {
        var copy = text
        let value = try copy.withUTF8 { try JSONValue(parsing: UnsafeRawBufferPointer($0)) }
        let failure = #expect(throws: PriceRates.Failure.self) {
            try PriceRates(base: ModelPrice(input: 1, output: 1), extra: value)
        }
        #expect(failure?.field == field)
    }
}

struct PriceSheetTests {
    private func cost(_ rates: PriceRates, _ usage: TokenUsage, _ change: (inout TokenUsage) -> Void = { _ in })
        -> Int64?
    {
        var usage = usage
        change(&usage)
        return rates.variants.withUnsafeBufferPointer {
            PriceSheet(
                base: rates.base, variants: $0.baseAddress, variantCount: $0.count,
                regionalThousandths: rates.regionalThousandths, fastThousandths: rates.fastThousandths
            ).cost(of: usage)
        }
    }

    private var rates: PriceRates {
        var base = ModelPrice(input: 3_000_000, output: 15_000_000, cachedInput: 300_000, cacheWrite: 3_750_000)
        (base.cacheWriteLong, base.inputAudio, base.outputImage) = (6_000_000, 7_000_000, 40_000_000)
        (base.search, base.second) = (10_000_000_000, 100_000_000)
        var rates = PriceRates(base: base)
        var long = base
        (long.input, long.output) = (6_000_000, 22_500_000)
        var flex = base
        flex.input = 1_500_000
        rates.variants = [
            PriceVariant(tier: .standard, above: 200_000, price: long),
            PriceVariant(tier: .flex, above: 0, price: flex),
        ]
        (rates.regionalThousandths, rates.fastThousandths) = (1100, 2000)
        return rates
    }

    @Test func aLongPromptCostsMoreFromTheFirstToken() {
        #expect(cost(rates, TokenUsage(prompt: 200_000)) == 600_000)
        #expect(cost(rates, TokenUsage(prompt: 200_001)) == 1_200_006)
    }

    @Test func passesOnBothSidesOfAStepHaveNoPrice() {
        func micros(_ own: Int64, _ compacted: Int64) -> Int64? {
            cost(rates, TokenUsage(prompt: own + compacted)) { $0.compacted = compacted }
        }
        #expect(micros(20_000, 180_000) == 600_000)
        #expect(micros(20_001, 180_000) == nil)
        #expect(micros(1000, 200_001) == nil)
        #expect(micros(200_001, 200_001) == 2_400_012)
        // One price for everything.
        let flat = PriceSheet(base: ModelPrice(input: 3_000_000, output: 15_000_000))
        var usage = TokenUsage(prompt: 203_000)
        usage.compacted = 180_000
        #expect(flat.cost(of: usage) == 609_000)
    }

    @Test func tiersCostWhatTheySay() {
        // An endpoint without a price of its own costs what the model costs.
        for prompt: Int64 in [1000, 200_001] {
            let usage = TokenUsage(prompt: prompt)
            #expect(cost(rates, usage) { $0.tier = .decisions } == cost(rates, usage))
        }
        #expect(cost(rates, TokenUsage(prompt: 1000)) { $0.tier = .flex } == 1500)
        #expect(cost(rates, TokenUsage(prompt: 1000)) { $0.tier = .priority } == nil)
        #expect(cost(rates, TokenUsage(prompt: 1000)) { $0.tier = .other } == nil)
        #expect(cost(rates, TokenUsage(prompt: 1000)) { $0.isPartial = true } == nil)
    }

    @Test func everyPartHasItsOwnPrice() {
        #expect(cost(rates, TokenUsage(prompt: 100, cacheWrite: 100)) { $0.cacheWriteLong = 60 } == 510)
        #expect(
            cost(rates, TokenUsage(prompt: 100, cached: 40)) { ($0.inputAudio, $0.cachedAudio) = (50, 20) } == 312)
        #expect(cost(rates, TokenUsage(completion: 100)) { $0.outputImage = 90 } == 3750)
        #expect(cost(rates, TokenUsage()) { $0.searches = 3 } == 30_000)
        #expect(cost(rates, TokenUsage()) { $0.milliseconds = 9500 } == 950)
        #expect(cost(rates, TokenUsage(prompt: 10)) { $0.toolPrompt = 10 } == 60)
    }

    @Test func charactersArePaidForWhereTokensAreNot() {
        var speech = PriceRates(base: ModelPrice(input: 0, output: 0))
        speech.base.character = 15_000_000
        #expect(cost(speech, TokenUsage()) { $0.characters = 1 } == 15)
        #expect(cost(speech, TokenUsage()) { $0.characters = 4096 } == 61_440)
        speech.base.character = 15_000_500
        #expect(cost(speech, TokenUsage()) { $0.characters = 1 } == 15)
        #expect(cost(speech, TokenUsage()) { $0.characters = 1000 } == 15_001)
        // Tokens that cost nothing do not make it free.
        #expect(cost(speech, TokenUsage(prompt: 9, completion: 9)) { $0.characters = 1000 } == 15_001)
        var both = speech
        (both.base.input, both.base.outputAudio) = (1_000_000, 10_000_000)
        #expect(cost(both, TokenUsage()) { $0.characters = 1000 } == 15_001)
        #expect(
            cost(both, TokenUsage(prompt: 9, completion: 9)) { ($0.characters, $0.outputAudio) = (1000, 9) } == 99)
        // Without a price of its own it is known only where nothing has one, or tokens are told.
        var tokens = both
        tokens.base.character = nil
        #expect(cost(tokens, TokenUsage()) { $0.characters = 1000 } == nil)
        #expect(
            cost(tokens, TokenUsage(prompt: 9, completion: 9)) { ($0.characters, $0.outputAudio) = (1000, 9) } == 99)
        #expect(cost(PriceRates(base: ModelPrice(input: 0, output: 0)), TokenUsage()) { $0.characters = 5 } == 0)
        var seconds = PriceRates(base: ModelPrice(input: 0, output: 0))
        seconds.base.second = 1
        #expect(cost(seconds, TokenUsage()) { $0.characters = 5 } == nil)
        #expect(cost(speech, TokenUsage()) { ($0.characters, $0.tier) = (5, .flex) } == nil)
        #expect(cost(speech, TokenUsage()) { $0.characters = .max } == .max)
    }

    @Test func pages() {
        var ocr = PriceRates(base: ModelPrice(input: 0, output: 0))
        ocr.base.page = 4_000_000_000
        #expect(cost(ocr, TokenUsage()) { $0.pages = 3 } == 12_000)
        #expect(cost(ocr, TokenUsage()) { ($0.pages, $0.annotatedPages) = (3, 2) } == nil)
        ocr.base.annotatedPage = 5_000_000_000
        #expect(cost(ocr, TokenUsage()) { ($0.pages, $0.annotatedPages) = (3, 2) } == 22_000)
        #expect(cost(ocr, TokenUsage()) { $0.characters = 1 } == nil)
    }

    @Test func searchesByThePrompt() {
        var rates = PriceRates(base: ModelPrice(input: 1_000_000, output: 0))
        rates.base.searchPrompt = 35_000_000_000
        #expect(cost(rates, TokenUsage(prompt: 10)) { $0.searches = 0 } == 10)
        #expect(cost(rates, TokenUsage(prompt: 10)) { $0.searches = 1 } == 35_010)
        #expect(cost(rates, TokenUsage(prompt: 10)) { $0.searches = 4 } == 35_010)
    }

    @Test func aSearchCostsWhatItsSizeDoes() {
        var rates = PriceRates(base: ModelPrice(input: 1_000_000, output: 0))
        func costs() -> [Int64?] {
            [SearchSize.unsaid, .low, .medium, .high].map { size in
                cost(rates, TokenUsage(prompt: 10)) { ($0.searches, $0.searchSize) = (2, size) }
            }
        }
        #expect(costs() == [10, 10, 10, 10])
        rates.base.search = 8_000_000_000
        #expect(costs() == [16_010, 16_010, 16_010, 16_010])
        (rates.base.searchLow, rates.base.searchHigh) = (5_000_000_000, 12_000_000_000)
        #expect(costs() == [16_010, 10_010, 16_010, 24_010])
        #expect(cost(rates, TokenUsage(prompt: 10)) { $0.fileSearches = 3 } == 10)
        rates.base.fileSearch = 2_500_000_000
        #expect(cost(rates, TokenUsage(prompt: 10)) { $0.fileSearches = 3 } == 7510)
        #expect(cost(rates, TokenUsage(prompt: 10)) { ($0.fileSearches, $0.searches) = (1, 1) } == 10_510)
        // What is certain is reserved.
        func worst(_ size: SearchSize, _ price: ModelPrice) -> Int64? {
            var pieces = PricedPieces()
            (pieces.searches, pieces.searchSize) = (1, size)
            return PriceSheet(base: price).worstCost(
                tier: .standard, isFast: false, prompt: 10, completion: 0, pieces: pieces)
        }
        #expect(worst(.unsaid, rates.base) == 8010 && worst(.high, rates.base) == 12_010)
        var grounded = ModelPrice(input: 1_000_000, output: 0)
        grounded.searchPrompt = 35_000_000_000
        #expect(worst(.unsaid, grounded) == 35_010)
    }

    @Test func piecesAreReservedExactly() {
        var price = ModelPrice(input: 0, output: 0)
        (price.character, price.page, price.annotatedPage) = (15_000_000, 4_000_000_000, 5_000_000_000)
        var dear = price
        dear.character = 30_000_000
        func worst(_ tier: ServiceTier, _ price: ModelPrice, _ change: (inout PricedPieces) -> Void) -> Int64? {
            var pieces = PricedPieces()
            change(&pieces)
            return [PriceVariant(tier: .flex, above: 0, price: dear)].withUnsafeBufferPointer {
                PriceSheet(base: price, variants: $0.baseAddress, variantCount: 1).worstCost(
                    tier: tier, isFast: false, prompt: 100, completion: 100, pieces: pieces)
            }
        }
        #expect(worst(.standard, price) { $0.characters = 4096 } == 61_440)
        #expect(worst(.flex, price) { $0.characters = 4096 } == 122_880)
        #expect(worst(.standard, price) { ($0.pages, $0.annotatedPages) = (3, 3) } == 27_000)
        // By tokens or by characters, never both.
        var both = price
        both.input = 1_000_000
        #expect(worst(.standard, both) { $0.characters = 1 } == 100)
        #expect(worst(.standard, both) { $0.characters = 10 } == 150)
    }

    @Test func multipliersApplyToAll() {
        #expect(cost(rates, TokenUsage(prompt: 1000)) { $0.isRegional = true } == 3300)
        #expect(cost(rates, TokenUsage(prompt: 1000)) { ($0.isRegional, $0.isFast) = (true, true) } == 6600)
        var plain = rates
        (plain.regionalThousandths, plain.fastThousandths) = (0, 0)
        #expect(cost(plain, TokenUsage(prompt: 1000)) { $0.isRegional = true } == 3000)
        #expect(cost(plain, TokenUsage(prompt: 1000)) { $0.isFast = true } == nil)
    }

    /// Whatever comes of an exchange that keeps to what was reserved, it costs no more.
    @Test func theWorstCaseIsTheWorst() {
        var random = SplitMix(seed: 5)
        let rates = rates
        rates.variants.withUnsafeBufferPointer { variants in
            let sheet = PriceSheet(
                base: rates.base, variants: variants.baseAddress, variantCount: variants.count,
                regionalThousandths: 1100,
                fastThousandths: 2000)
            for _ in 0..<20_000 {
                func number(_ limit: Int64) -> Int64 { Int64(random.next() % UInt64(limit + 1)) }
                let (prompt, completion) = (number(300_000), number(50_000))
                var usage = TokenUsage(prompt: number(prompt), completion: number(completion))
                (usage.cached, usage.cacheWrite, usage.reasoning) = (number(prompt), number(prompt), number(completion))
                (usage.cacheWriteLong, usage.inputAudio, usage.inputImage) = (
                    number(prompt), number(prompt), number(prompt)
                )
                (usage.outputAudio, usage.outputImage) = (number(completion), number(completion))
                (usage.isRegional, usage.isFast) = (random.next() % 2 == 0, random.next() % 2 == 0)
                usage.tier = random.next() % 2 == 0 ? .flex : .standard
                let worst = sheet.worstCost(
                    tier: .flex, isFast: usage.isFast, prompt: prompt, completion: completion)
                #expect(sheet.cost(of: usage)! <= worst!)
            }
            #expect(sheet.worstCost(tier: .priority, isFast: false, prompt: 1, completion: 1) == nil)
        }
    }
}
