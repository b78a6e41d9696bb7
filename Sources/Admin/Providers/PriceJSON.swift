import JSON
import LLM
import Store

extension ObjectShape {
    private static let optionalAmount = #"{"type":["string","null"],"pattern":"\#(Money.pattern)"}"#
    private static let tokens = #"{"type":["integer","null"],"minimum":0,"maximum":9007199254740991}"#

    static let price = ObjectShape(
        name: "PriceInput", description: "What a model costs, in units of the currency for a million tokens.",
        fields: [
            .init("input", Money.schema, "Of tokens that go in.", required: true),
            .init("output", Money.schema, "Of tokens that come out.", required: true),
            .init("cached_input", optionalAmount, "Of tokens read from the provider's cache; null: as input."),
            .init("cache_write", optionalAmount, "Of tokens written to the provider's cache; null: as input."),
            .init("reasoning", optionalAmount, "Of reasoning tokens; null: as output."),
            .init("currency", #"{"type":"string","pattern":"^[A-Z]{3}$","default":"USD"}"#, "ISO 4217."),
            .init("max_input_tokens", tokens, "How many may go in; null: not known."),
            .init("max_output_tokens", tokens, "How many may come out; null: not known."),
            .init("rates", PriceJSON.ratesSchema, "What else has a price of its own; null: nothing."),
        ], ignored: ["provider", "model", "imported", "updated_at"])
}

/// The JSON form of prices.
enum PriceJSON {
    /// Stands for any provider without a price of its own, which the database has as an empty name.
    static let anyProvider = "*"

    static func provider(_ given: String) -> String { given == anyProvider ? "" : given }

    /// What a price says, without whose it is.
    static func amounts(_ price: PriceRecord) -> [(String, JSONValue)] {
        [
            ("input", .amount(price.input)), ("output", .amount(price.output)),
            ("cached_input", .amount(price.cachedInput)), ("cache_write", .amount(price.cacheWrite)),
            ("reasoning", .amount(price.reasoning)), ("currency", .string(price.currency)),
            ("max_input_tokens", .optional(price.maxInputTokens)),
            ("max_output_tokens", .optional(price.maxOutputTokens)), ("rates", price.rates.map(rates) ?? .null),
        ]
    }

    /// Rates as the database has them, with amounts as decimal strings.
    private static func rates(_ stored: JSONValue) -> JSONValue {
        guard case .object(let object) = stored else { return .null }
        return .members(
            object.members.map { member in
                if member.name == "variants" {
                    return (member.name, .array((member.value.arrayValue ?? []).map(rates)))
                }
                guard !plainNumbers.contains(member.name), let micros = member.value.numberValue?.int64Value else {
                    return (member.name, member.value)
                }
                return (member.name, .amount(micros))
            })
    }

    private static let plainNumbers: Set<String> = ["regional", "fast", "above"]

    static let ratesSchema: String = {
        let amount = Money.schema
        func properties(_ names: [String]) -> String { names.map { "\"\($0)\":\(amount)" }.joined(separator: ",") }
        let extras = PriceRates.extras.map(\.name)
        let factor = #"{"type":"integer","minimum":1,"maximum":100000}"#
        let tiers = ServiceTier.allCases.filter { $0 != .other }.map { "\"\($0.name)\"" }.joined(separator: ",")
        let variant = """
            {"type":"object","additionalProperties":false,"properties":{"tier":{"enum":[\(tiers)],"default":"standard"},\
            "above":{"type":"integer","minimum":0,"maximum":1000000000000,"default":0},\
            \(properties(["input", "output", "cached_input", "cache_write", "reasoning"] + extras))}}
            """
        return """
            {"type":["object","null"],"additionalProperties":false,"properties":{\(properties(extras)),\
            "regional":\(factor),"fast":\(factor),"variants":{"type":"array","maxItems":32,"items":\(variant)}}}
            """
    }()

    static func encode(_ price: PriceRecord, offsetMinutes: Int) -> JSONValue {
        .members(
            [
                ("provider", .string(price.provider.isEmpty ? anyProvider : price.provider)),
                ("model", .string(price.model)),
            ] + amounts(price) + [
                ("imported", .bool(price.isImported)),
                ("updated_at", .time(price.updatedAtMilliseconds, offsetMinutes: offsetMinutes)),
            ])
    }

    private static let amountProperties = """
        "input":{"type":"string","description":"For a million tokens."},"output":{"type":"string"},\
        "cached_input":{"type":["string","null"]},"cache_write":{"type":["string","null"]},\
        "reasoning":{"type":["string","null"]},"currency":{"type":"string"},\
        "max_input_tokens":{"type":["integer","null"]},"max_output_tokens":{"type":["integer","null"]},\
        "rates":\(ratesSchema)
        """

    static let amountsSchema = #"{"type":["object","null"],"properties":{\#(amountProperties)}}"#

    static let schema = """
        {"type":"object","required":["provider","model","input","output","cached_input","cache_write","reasoning",\
        "currency","max_input_tokens","max_output_tokens","imported","updated_at"],"properties":{\
        "provider":{"type":"string","description":"A provider, a format (openai, anthropic …), or * for any."},\
        "model":{"type":"string"},\(amountProperties),\
        "imported":{"type":"boolean","description":"From a file; what was set by hand is not overwritten by one."},\
        "updated_at":{"type":"string","format":"date-time"}}}
        """

    static func decode(_ body: BodyReader, provider: String, model: String) throws(AdminFailure) -> PriceRecord {
        var record = PriceRecord(
            provider: provider, model: model, input: try body.amount("input").or(0, "input"),
            output: try body.amount("output").or(0, "output"),
            cachedInput: try body.amount("cached_input").orNull(nil),
            cacheWrite: try body.amount("cache_write").orNull(nil),
            reasoning: try body.amount("reasoning").orNull(nil),
            currency: try body.currency("currency").or("USD", "currency"),
            maxInputTokens: try body.int("max_input_tokens", in: 0...9_007_199_254_740_991).orNull(nil),
            maxOutputTokens: try body.int("max_output_tokens", in: 0...9_007_199_254_740_991).orNull(nil))
        guard case .value(let rates) = body.value("rates") else { return record }
        do throws(PriceRates.Failure) {
            let base = ModelPrice(
                input: record.input, output: record.output, cachedInput: record.cachedInput,
                cacheWrite: record.cacheWrite, reasoning: record.reasoning)
            record.rates = try PriceRates(base: base, extra: rates) { $0.stringValue.flatMap(Money.micros) }.extraJSON
        } catch {
            throw .badField(error.field.isEmpty ? "rates" : "rates.\(error.field)", error.message)
        }
        return record
    }

    /// A price file's entry.
    static func record(_ entry: PriceFile.Entry) -> PriceRecord {
        let base = entry.rates.base
        var record = PriceRecord(
            provider: entry.provider, model: entry.model, input: base.input, output: base.output,
            cachedInput: base.cachedInput, cacheWrite: base.cacheWrite, reasoning: base.reasoning,
            currency: entry.currency, maxInputTokens: entry.maxInputTokens.map(Int.init),
            maxOutputTokens: entry.maxOutputTokens.map(Int.init))
        record.rates = entry.rates.extraJSON
        return record
    }
}
