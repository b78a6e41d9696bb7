/// Prices of common models, so that a fresh gateway knows what things cost. An imported file or a price that an operator
/// sets goes before these.
///
/// Source: the providers' list prices as LiteLLM's model_prices_and_context_window.json (MIT licence) collects them, taken
/// on 2026-11-21. US dollars; standard tier, without surcharges for long contexts.
public enum DefaultPrices {
    public struct Entry: Equatable, Sendable {
        /// As LiteLLM calls the provider.
        public let provider: String
        public let model: String
        public let price: ModelPrice
    }

    public static let currency = "USD"
    /// When the prices were looked up.
    public static let date = "2026-11-21"

    public static let entries: [Entry] = [
        entry("openai", "gpt-5.6", input: 4_000_000, output: 20_000_000, cachedInput: 400_000, cacheWrite: 5_000_000),
        entry("openai", "gpt-5.5", input: 5_000_000, output: 30_000_000, cachedInput: 500_000),
        entry("openai", "gpt-5.5-pro", input: 30_000_000, output: 180_000_000),
        entry("openai", "gpt-5.4", input: 2_500_000, output: 15_000_000, cachedInput: 250_000),
        entry("openai", "gpt-5.4-mini", input: 750_000, output: 4_500_000, cachedInput: 75_000),
        entry("openai", "gpt-5.4-nano", input: 200_000, output: 1_250_000, cachedInput: 20_000),
        entry("openai", "gpt-5.2", input: 1_750_000, output: 14_000_000, cachedInput: 175_000),
        entry("openai", "gpt-5.1", input: 1_250_000, output: 10_000_000, cachedInput: 125_000),
        entry("openai", "gpt-5", input: 1_250_000, output: 10_000_000, cachedInput: 125_000),
        entry("openai", "gpt-5-mini", input: 250_000, output: 2_000_000, cachedInput: 25_000),
        entry("openai", "gpt-5-nano", input: 50_000, output: 400_000, cachedInput: 5_000),
        entry("openai", "gpt-5-codex", input: 1_250_000, output: 10_000_000, cachedInput: 125_000),
        entry("openai", "gpt-5-pro", input: 15_000_000, output: 120_000_000),
        entry("openai", "gpt-4.1", input: 2_000_000, output: 8_000_000, cachedInput: 500_000),
        entry("openai", "gpt-4.1-mini", input: 400_000, output: 1_600_000, cachedInput: 100_000),
        entry("openai", "gpt-4.1-nano", input: 100_000, output: 400_000, cachedInput: 25_000),
        entry("openai", "gpt-4o", input: 2_500_000, output: 10_000_000, cachedInput: 1_250_000),
        entry("openai", "gpt-4o-mini", input: 150_000, output: 600_000, cachedInput: 75_000),
        entry("openai", "gpt-4-turbo", input: 10_000_000, output: 30_000_000),
        entry("openai", "gpt-4", input: 30_000_000, output: 60_000_000),
        entry("openai", "gpt-3.5-turbo", input: 500_000, output: 1_500_000),
        entry("openai", "o1", input: 15_000_000, output: 60_000_000, cachedInput: 7_500_000),
        entry("openai", "o3", input: 2_000_000, output: 8_000_000, cachedInput: 500_000),
        entry("openai", "o3-mini", input: 1_100_000, output: 4_400_000, cachedInput: 550_000),
        entry("openai", "o3-pro", input: 20_000_000, output: 80_000_000),
        entry("openai", "o4-mini", input: 1_100_000, output: 4_400_000, cachedInput: 275_000),
        entry("openai", "text-embedding-3-small", input: 20_000, output: 0),
        entry("openai", "text-embedding-3-large", input: 130_000, output: 0),
        entry("openai", "text-embedding-ada-002", input: 100_000, output: 0),

        entry(
            "anthropic", "claude-opus-5", input: 5_000_000, output: 25_000_000, cachedInput: 500_000,
            cacheWrite: 6_250_000),
        entry(
            "anthropic", "claude-opus-4-8", input: 5_000_000, output: 25_000_000, cachedInput: 500_000,
            cacheWrite: 6_250_000),
        entry(
            "anthropic", "claude-opus-4-7", input: 5_000_000, output: 25_000_000, cachedInput: 500_000,
            cacheWrite: 6_250_000),
        entry(
            "anthropic", "claude-opus-4-6", input: 5_000_000, output: 25_000_000, cachedInput: 500_000,
            cacheWrite: 6_250_000),
        entry(
            "anthropic", "claude-opus-4-5", input: 5_000_000, output: 25_000_000, cachedInput: 500_000,
            cacheWrite: 6_250_000),
        entry(
            "anthropic", "claude-sonnet-5", input: 2_000_000, output: 10_000_000, cachedInput: 200_000,
            cacheWrite: 2_500_000),
        entry(
            "anthropic", "claude-sonnet-4-6", input: 3_000_000, output: 15_000_000, cachedInput: 300_000,
            cacheWrite: 3_750_000),
        entry(
            "anthropic", "claude-sonnet-4-5", input: 3_000_000, output: 15_000_000, cachedInput: 300_000,
            cacheWrite: 3_750_000),
        entry(
            "anthropic", "claude-haiku-4-5", input: 1_000_000, output: 5_000_000, cachedInput: 100_000,
            cacheWrite: 1_250_000),
        entry(
            "anthropic", "claude-haiku-5-5", input: 100_000, output: 500_000, cachedInput: 10_000, cacheWrite: 125_000),

        entry("gemini", "gemini-2.5-pro", input: 1_250_000, output: 10_000_000, cachedInput: 125_000),
        entry("gemini", "gemini-2.5-flash", input: 300_000, output: 2_500_000, cachedInput: 30_000),
        entry("gemini", "gemini-2.5-flash-lite", input: 100_000, output: 400_000, cachedInput: 10_000),
        entry("gemini", "gemini-embedding-001", input: 150_000, output: 0),
        entry("gemini", "gemini-3.1-flash-lite", input: 250_000, output: 1_500_000, cachedInput: 25_000),
        entry("gemini", "gemini-3.5-flash", input: 1_500_000, output: 9_000_000, cachedInput: 150_000),
        entry("gemini", "gemini-3.5-flash-lite", input: 300_000, output: 2_500_000, cachedInput: 30_000),
        entry("gemini", "gemini-3.6-flash", input: 750_000, output: 3_750_000, cachedInput: 75_000),
        entry("gemini", "gemini-3.7-flash", input: 750_000, output: 3_750_000, cachedInput: 75_000),
        entry("gemini", "gemini-3.8-flash", input: 750_000, output: 3_750_000, cachedInput: 75_000),

        entry("mistral", "mistral-large-latest", input: 500_000, output: 1_500_000, cachedInput: 50_000),
        entry("mistral", "mistral-medium-latest", input: 1_500_000, output: 7_500_000, cachedInput: 150_000),
        entry("mistral", "mistral-small-latest", input: 150_000, output: 600_000, cachedInput: 15_000),
        entry("mistral", "codestral-latest", input: 300_000, output: 900_000, cachedInput: 30_000),

        entry("deepseek", "deepseek-chat", input: 280_000, output: 420_000, cachedInput: 28_000),
        entry("deepseek", "deepseek-reasoner", input: 280_000, output: 420_000, cachedInput: 28_000),

        entry("groq", "openai/gpt-oss-120b", input: 150_000, output: 600_000, cachedInput: 75_000),
        entry("groq", "openai/gpt-oss-20b", input: 75_000, output: 300_000, cachedInput: 37_500),

        entry("xai", "grok-code-fast-1", input: 1_000_000, output: 2_000_000, cachedInput: 200_000),

        entry("perplexity", "sonar", input: 1_000_000, output: 1_000_000),
        entry("perplexity", "sonar-pro", input: 3_000_000, output: 15_000_000),

        entry("cerebras", "gpt-oss-120b", input: 350_000, output: 750_000),

        entry("zai", "glm-4.6", input: 600_000, output: 2_200_000, cachedInput: 110_000),

        entry("xai", "grok-4.20", input: 1_250_000, output: 2_500_000, cachedInput: 200_000),
        entry("xai", "grok-4.20-0309", input: 1_250_000, output: 2_500_000, cachedInput: 200_000),
        entry("xai", "grok-4.20-0309-non-reasoning", input: 1_250_000, output: 2_500_000, cachedInput: 200_000),
        entry("xai", "grok-4.20-0309-reasoning", input: 1_250_000, output: 2_500_000, cachedInput: 200_000),
    ]

    private static func entry(
        _ provider: String, _ model: String, input: Int64, output: Int64, cachedInput: Int64? = nil,
        cacheWrite: Int64? = nil, reasoning: Int64? = nil
    ) -> Entry {
        Entry(
            provider: provider, model: model,
            price: ModelPrice(
                input: input, output: output, cachedInput: cachedInput, cacheWrite: cacheWrite, reasoning: reasoning))
    }
}
