import Glibc
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
        #expect(
            contents.entries[0]
                == PriceFile.Entry(
                    provider: "openai", model: "gpt-4o",
                    price: ModelPrice(input: 2_500_000, output: 10_000_000, cachedInput: 1_250_000), currency: "USD",
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

    /// LiteLLM's own file is read whole, and the built-in table is what it says.
    @Test func theWholeFile() throws {
        var parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        parts.removeLast(3)
        let path = parts.joined(separator: "/") + "/../shared/prices/model_prices_and_context_window.json"
        guard let file = fopen(path, "r") else {
            print("skipped: \(path) is not there")
            return
        }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 8 << 20)
        bytes.removeLast(bytes.count - fread(&bytes, 1, bytes.count, file))
        let contents = try bytes.withUnsafeBytes { try PriceFile.read($0) }
        #expect(contents.entries.count > 2500)
        let found = Dictionary(
            contents.entries.map { ("\($0.provider)\t\($0.model)", $0) }, uniquingKeysWith: { first, _ in first })
        // The table that is built in was taken from it.
        for entry in DefaultPrices.entries {
            guard let listed = found["\(entry.provider)\t\(entry.model)"] else {
                Issue.record("\(entry.provider)/\(entry.model) is not listed")
                continue
            }
            #expect(listed.price.input == entry.price.input && listed.price.output == entry.price.output)
            #expect(listed.price.cachedInput == entry.price.cachedInput)
        }
    }

    @Test func theDefaultsAreSensible() {
        #expect(DefaultPrices.entries.count >= 48)
        let names = DefaultPrices.entries.map { "\($0.provider)/\($0.model)" }
        #expect(Set(names).count == names.count)
        for entry in DefaultPrices.entries {
            #expect(entry.price.input > 0 && entry.price.input <= 100_000_000, "\(entry.model)")
            #expect(entry.price.cachedInput ?? 0 <= entry.price.input, "\(entry.model)")
        }
    }
}
