import JSON

/// Reads LiteLLM's `model_prices_and_context_window.json`.
public enum PriceFile {
    /// A model's entry.
    public struct Entry: Equatable, Sendable {
        /// LiteLLM's name of the provider (`openai`, `anthropic`, `vertex_ai-language-models`, …).
        public var provider: String
        /// The name without the provider that some begin with (`groq/llama-3.1-8b-instant` → `llama-3.1-8b-instant`).
        public var model: String
        public var rates: PriceRates
        public var currency: String
        /// `chat`, `embedding`, `completion`, …; empty if the file does not say.
        public var mode: String
        public var maxInputTokens: Int64?
        public var maxOutputTokens: Int64?
    }

    /// What a file holds: prices, and how many entries have none that can be reckoned with (by the pixel, the film's second, …).
    public struct Contents: Equatable, Sendable {
        public var entries: [Entry]
        public var skipped: Int
    }

    public struct Failure: Error, Equatable, CustomStringConvertible {
        public var description: String
    }

    /// Prices in the file are US dollars a token, as decimal numbers; they are taken exactly, and rounded half up where a
    /// millionth of a dollar per million tokens is not fine enough. Of entries for one model of a provider (`gemini/x` and
    /// `x` of `gemini`) the last counts.
    /// - Throws: if it is no JSON object of objects, or a price is no number or below zero; naming the model and field.
    public static func read(_ bytes: UnsafeRawBufferPointer) throws -> Contents {
        let root: JSONValue
        do { root = try JSONValue(parsing: bytes) } catch { throw Failure(description: "not JSON: \(error)") }
        guard case .object(let models) = root else { throw Failure(description: "not an object of models") }
        var contents = Contents(entries: [], skipped: 0)
        var places: [[String]: Int] = [:]
        for member in models.members where member.name != "sample_spec" {
            guard case .object(let fields) = member.value else {
                throw Failure(description: "\(member.name): not an object")
            }
            guard let entry = try entry(member.name, fields) else {
                contents.skipped += 1
                continue
            }
            if let place = places[[entry.provider, entry.model]] {
                contents.entries[place] = entry
            } else {
                places[[entry.provider, entry.model]] = contents.entries.count
                contents.entries.append(entry)
            }
        }
        return contents
    }

    private static func entry(_ name: String, _ fields: JSONObject) throws -> Entry? {
        func price(_ field: String) throws -> Int64? {
            guard let value = fields[field], !value.isNull else { return nil }
            guard let number = value.numberValue, let price = pricePerMillion(number.literal) else {
                throw Failure(description: "\(name).\(field): not a price")
            }
            return price
        }
        func tokens(_ field: String) -> Int64? { fields[field]?.numberValue?.int64Value.flatMap { $0 > 0 ? $0 : nil } }

        guard let provider = fields["litellm_provider"]?.stringValue, !provider.isEmpty,
            let rates = try PriceFileRates(fields, mode: fields["mode"]?.stringValue ?? "", price: price).rates
        else { return nil }
        let prefix = provider + "/"
        let model = name.hasPrefix(prefix) ? String(name.dropFirst(prefix.count)) : name
        return Entry(
            provider: provider, model: model, rates: rates, currency: "USD", mode: fields["mode"]?.stringValue ?? "",
            maxInputTokens: tokens("max_input_tokens") ?? tokens("max_tokens"),
            maxOutputTokens: tokens("max_output_tokens"))
    }

    /// A price a token in whole currency units, as a JSON number's text, in micro-units per million tokens: times 10¹²,
    /// half up. Nil if it is below zero or too much.
    static func pricePerMillion(_ literal: String) -> Int64? {
        var digits: Int64 = 0
        // The value is `digits` × 10^`scale`.
        var scale = 12
        var isAfterPoint = false
        var roundsUp: Bool?
        let text = Array(literal.utf8)
        var i = 0
        if text.first == UInt8(ascii: "-") { return nil }
        while i < text.count, text[i] != UInt8(ascii: "e"), text[i] != UInt8(ascii: "E") {
            defer { i += 1 }
            if text[i] == UInt8(ascii: ".") {
                isAfterPoint = true
                continue
            }
            guard text[i] >= 0x30, text[i] <= 0x39 else { return nil }
            let digit = Int64(text[i] - 0x30)
            if digits > 100_000_000_000_000_000 {
                // More digits than any price has: the first that is dropped decides.
                if roundsUp == nil { roundsUp = digit >= 5 }
                if !isAfterPoint { scale += 1 }
                continue
            }
            digits = digits * 10 + digit
            if isAfterPoint { scale -= 1 }
        }
        if i < text.count {
            guard let exponent = Int(String(decoding: text[(i + 1)...], as: UTF8.self)), abs(exponent) < 1000 else {
                return nil
            }
            scale += exponent
        }
        if scale >= 0, roundsUp == true { digits += 1 }
        while scale > 0 {
            let (product, overflow) = digits.multipliedReportingOverflow(by: 10)
            if overflow { return nil }
            digits = product
            scale -= 1
        }
        // The last digit that is dropped decides alone: what is below it cannot lift it over the half.
        while scale < -1, digits > 0 {
            digits /= 10
            scale += 1
        }
        return scale == -1 ? (digits + 5) / 10 : digits
    }
}
