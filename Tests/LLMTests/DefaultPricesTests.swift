import Glibc
import Testing

@testable import LLM

struct DefaultPricesTests {
    /// Every entry is what an import of LiteLLM's file leaves of that model, batches apart.
    @Test func theyAreThoseOfTheFile() throws {
        guard let bytes = sharedPriceFile() else { return }
        let entries = try bytes.withUnsafeBytes { try PriceFile.read($0) }.entries
        let found = Dictionary(
            entries.map { ("\($0.provider)/\($0.model)", $0) }, uniquingKeysWith: { _, last in last })
        for entry in DefaultPrices.entries {
            var expected = try #require(found["\(entry.provider)/\(entry.model)"])
            expected.rates.variants.removeAll { $0.tier == .batch }
            #expect(entry == expected)
        }
    }

    @Test func theCommonOnesAreThere() throws {
        let entries = DefaultPrices.entries
        #expect(entries.count > 100)
        #expect(Set(entries.map { "\($0.provider)/\($0.model)" }).count == entries.count)
        func entry(_ provider: String, _ model: String) throws -> PriceFile.Entry {
            try #require(entries.first { $0.provider == provider && $0.model == model })
        }
        let gpt = try entry("openai", "gpt-5.6")
        #expect(gpt.rates.base.input == 4_000_000 && gpt.rates.base.search == 10_000_000_000)
        #expect(gpt.maxInputTokens == 922_000 && gpt.maxOutputTokens == 128_000 && gpt.mode == "chat")
        #expect(gpt.rates.variants.map(\.tier) == [.flex, .priority, .standard, .flex, .priority])
        #expect(gpt.rates.variants.map(\.above) == [0, 0, 272_000, 272_000, 272_000])
        let luna = try #require(entry("openai", "gpt-6-luna").rates.variants.first { $0.tier == .decisions })
        #expect((luna.price.input, luna.price.output, luna.price.cachedInput) == (100_000, 0, 100_000))
        #expect(try entry("openai", "whisper-1").rates.base.second == 100_000_000)
        #expect(try entry("openai", "tts-1").rates.base.character == 15_000_000)
        #expect(try entry("mistral", "mistral-ocr-latest").rates.base.page == 4_000_000_000)
        let gemini = try entry("gemini", "gemini-2.5-pro").rates.base
        #expect(gemini.searchPrompt == 35_000_000_000 && gemini.search == nil)
        let claude = try entry("anthropic", "claude-opus-5").rates
        #expect(claude.base.cacheWriteLong == 10_000_000)
        #expect(claude.regionalThousandths == 1100 && claude.fastThousandths == 2000)
        #expect(entries.allSatisfy { !$0.rates.variants.contains { $0.tier == .batch } })
    }
}

struct PriceTableTests {
    @Test func linesStandForThemselvesAndForWhatIsSetInUnderThem() throws {
        let entries = try PriceTable.read(
            """
            one
              a, b-2026-01-01  input 1  output 2.5  cached_input 0.000001  reasoning 2.5  limits 1000/-
                flex  input 0.5  output 1
                above 200000  output 3  reasoning 4
                priority above 200000
              c  mode image_generation  image 0.04

            two
              a  search 0.0000000001  regional 1.1  fast 6
            """)
        #expect(entries.map { "\($0.provider)/\($0.model)" } == ["one/a", "one/b-2026-01-01", "one/c", "two/a"])
        let a = entries[0]
        #expect(a.rates == entries[1].rates && a.maxInputTokens == 1000 && a.maxOutputTokens == nil)
        #expect(a.rates.base == ModelPrice(input: 1_000_000, output: 2_500_000, cachedInput: 1, reasoning: 2_500_000))
        #expect(a.rates.variants.map(\.tier) == [.flex, .standard, .priority])
        #expect(a.rates.variants.map(\.above) == [0, 200_000, 200_000])
        #expect(a.rates.variants.map(\.price.input) == [500_000, 1_000_000, 1_000_000])
        #expect(a.rates.variants.map(\.price.reasoning) == [1_000_000, 4_000_000, 2_500_000])
        #expect(entries[2].mode == "image_generation" && entries[2].rates.base.image == 40_000_000_000)
        #expect(entries[3].rates.base.search == 100 && entries[3].rates.regionalThousandths == 1100)
        #expect(entries[3].rates.fastThousandths == 6000 && entries[3].mode == "chat")
    }

    @Test(arguments: [
        ("  m  input 1", 1, "stands under no provider"), ("p q", 1, "a provider stands alone"),
        ("p\n   m  input 1", 2, "is not set in by 0, 2 or 4 blanks"), ("p\n  m", 2, "has no price"),
        ("p\n  m,", 2, "has no price"), ("p\n    flex  input 1", 2, "stands under no model"),
        ("p\n  m  input 1\nq\n    flex  input 1", 4, "stands under no model"),
        ("p\n  m  input", 2, "input: has no value"), ("p\n  m  input 1  input 1", 2, "input: is there twice"),
        ("p\n  m  price 1", 2, "price: is not known"), ("p\n  m  input x", 2, "x: is no number"),
        ("p\n  m  input -1", 2, "-1: is no number"), ("p\n  m  input 1e3", 2, "1e3: is no number"),
        ("p\n  m  input .5", 2, ".5: is no number"), ("p\n  m  input 5.", 2, "5.: is no number"),
        ("p\n  m  input 1.2.3", 2, "1.2.3: is no number"),
        ("p\n  m  input 0.0000001", 2, "0.0000001: has more than 6 decimals"),
        ("p\n  m  search 0.0000000000001", 2, "0.0000000000001: has more than 12 decimals"),
        ("p\n  m  input 9999999999999999", 2, "9999999999999999: is too much"),
        ("p\n  m  input 1  limits 5", 2, "5: must be IN/OUT"),
        ("p\n  m  input 1  limits 5/6.0", 2, "6.0: has more than 0 decimals"),
        ("p\n  m  input 1\n  m  input 1", 3, "m is there twice"), ("p\n  m, m  input 1", 2, "m is there twice"),
        ("p\n  m  input 1\n    slow  input 1", 3, "slow: is no tier"),
        ("p\n  m  input 1\n    input 1", 3, "input: is no tier"),
        ("p\n  m  input 1\n    other  input 1", 3, "other: is no tier"),
        ("p\n  m  input 1\n    above", 3, "above how many tokens?"),
        ("p\n  m  input 1\n    above 0  input 1", 3, "above 0: is no length of a prompt"),
        ("p\n  m  input 1\n    above 2x  input 1", 3, "2x: is no number"),
        ("p\n  m  input 1\n    flex  input 1\n    flex  input 2", 4, "is there twice"),
        ("p\n  m  input 1\n    flex  limits 1/1", 3, "1/1: is no number"),
        ("p\n  m  input 1\n    flex  fast 1", 3, "fast: is not known"),
    ])
    func whatIsWrongIsNamedWithItsLine(text: String, line: Int, message: String) {
        let failure = #expect(throws: PriceTable.Failure.self) { try PriceTable.read(text) }
        #expect(failure == PriceTable.Failure(line: line, message: message))
    }
}
