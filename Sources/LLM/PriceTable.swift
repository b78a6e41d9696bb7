/// Reads prices from a table that people can read, too:
///
///     openai
///       gpt-5.5, gpt-5.5-2026-04-23  input 5  output 30  cached_input 0.5  search 0.01  limits 1050000/128000
///         flex  input 2.5  output 15  cached_input 0.25
///         above 272000  input 10  output 45
///
/// Lines are set in by two blanks a level: a provider as LiteLLM calls it, its models, and under a model what it costs at
/// another tier or with longer prompts. Rates are called as in the admin API. They are in US dollars for a million tokens,
/// or for one search, image, second, character and page, with at most six and twelve decimals. `input` and `output` are 0 unless given, other
/// rates unknown. `regional` and `fast` are factors; `limits` are the most tokens in and out, `-` where that is not
/// known; `mode` is `chat` unless given. A tier, and a step, have what they leave out from the line of the model, but for
/// `reasoning` that costs as `output` there: it does here, too.
struct PriceTable {
    struct Failure: Error, Equatable, CustomStringConvertible {
        /// From 1.
        var line: Int
        var message: String

        var description: String { "line \(line): \(message)" }
    }

    private var entries: [PriceFile.Entry] = []
    private var provider = ""
    /// How many of the last entries the last line with models was about.
    private var open = 0

    static func read(_ text: String) throws(Failure) -> [PriceFile.Entry] {
        var table = PriceTable()
        for (number, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            do throws(Problem) {
                try table.take(line)
            } catch {
                throw Failure(line: number + 1, message: error.message)
            }
        }
        return table.entries
    }

    private struct Problem: Error {
        var message: String

        init(_ message: String) { self.message = message }
    }

    private mutating func take(_ line: Substring) throws(Problem) {
        let words = line.split(separator: " ")[...]
        guard let first = words.first else { return }
        switch line.prefix(while: { $0 == " " }).count {
        case 0:
            guard words.count == 1 else { throw Problem("a provider stands alone") }
            provider = String(first)
            open = 0
        case 2: try takeModels(words)
        case 4: try takeVariant(words)
        default: throw Problem("is not set in by 0, 2 or 4 blanks")
        }
    }

    private mutating func takeModels(_ given: ArraySlice<Substring>) throws(Problem) {
        guard !provider.isEmpty else { throw Problem("stands under no provider") }
        var words = given
        var names: [String] = []
        while let name = words.popFirst() {
            names.append(String(name.last == "," ? name.dropLast() : name))
            if name.last != "," { break }
        }
        var entry = PriceFile.Entry(
            provider: provider, model: "", rates: PriceRates(base: ModelPrice(input: 0, output: 0)), currency: "USD",
            mode: "chat")
        guard !words.isEmpty else { throw Problem("has no price") }
        try Self.pairs(words) { (name, value) throws(Problem) in
            switch name {
            case "mode": entry.mode = String(value)
            case "limits": (entry.maxInputTokens, entry.maxOutputTokens) = try Self.limits(value)
            case "regional": entry.rates.regionalThousandths = try Self.number(value, decimals: 3)
            case "fast": entry.rates.fastThousandths = try Self.number(value, decimals: 3)
            default: try Self.set(name, value, of: &entry.rates.base)
            }
        }
        for name in names {
            guard !entries.contains(where: { $0.provider == provider && $0.model == name }) else {
                throw Problem("\(name) is there twice")
            }
            entry.model = name
            entries.append(entry)
        }
        open = names.count
    }

    private mutating func takeVariant(_ given: ArraySlice<Substring>) throws(Problem) {
        guard open > 0, let base = entries.last?.rates.base else { throw Problem("stands under no model") }
        var words = given
        var variant = PriceVariant(tier: .standard, above: 0, price: base)
        if let tier = words.first.flatMap({ ServiceTier(name: String($0)) }), tier != .standard, tier != .other {
            variant.tier = tier
            words.removeFirst()
        }
        if words.first == "above" {
            guard let tokens = words.dropFirst().first else { throw Problem("above how many tokens?") }
            variant.above = try Self.number(tokens, decimals: 0)
            words.removeFirst(2)
            guard variant.above > 0 else { throw Problem("above \(tokens): is no length of a prompt") }
        }
        if variant.tier == .standard, variant.above == 0 { throw Problem("\(given[given.startIndex]): is no tier") }
        var hasReasoning = false
        try Self.pairs(words) { (name, value) throws(Problem) in
            if name == "reasoning" { hasReasoning = true }
            try Self.set(name, value, of: &variant.price)
        }
        if !hasReasoning, base.reasoning == base.output { variant.price.reasoning = variant.price.output }
        for i in entries.indices.suffix(open) {
            guard !entries[i].rates.variants.contains(where: { ($0.tier, $0.above) == (variant.tier, variant.above) })
            else { throw Problem("is there twice") }
            entries[i].rates.variants.append(variant)
        }
    }

    // MARK: Words

    private static func pairs(
        _ given: ArraySlice<Substring>, _ take: (Substring, Substring) throws(Problem) -> Void
    ) throws(Problem) {
        var words = given
        var seen: Set<Substring> = []
        while let name = words.popFirst() {
            guard let value = words.popFirst() else { throw Problem("\(name): has no value") }
            guard seen.insert(name).inserted else { throw Problem("\(name): is there twice") }
            try take(name, value)
        }
    }

    /// Counted by the piece, not by the token.
    private static let pieces: Set<Substring> = [
        "search", "search_low", "search_high", "search_prompt", "file_search", "image", "second", "character", "page",
        "annotated_page",
    ]

    private static func set(_ name: Substring, _ value: Substring, of price: inout ModelPrice) throws(Problem) {
        // Millionths for a million: 10⁶ of a dollar for a million, 10¹² of a dollar for one.
        let amount = try number(value, decimals: pieces.contains(name) ? 12 : 6)
        switch name {
        case "input": price.input = amount
        case "output": price.output = amount
        default:
            guard let known = (PriceRates.common + PriceRates.extras).first(where: { $0.name == name }) else {
                throw Problem("\(name): is not known")
            }
            price[keyPath: known.rate] = amount
        }
    }

    private static func limits(_ text: Substring) throws(Problem) -> (Int64?, Int64?) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 else { throw Problem("\(text): must be IN/OUT") }
        func limit(_ text: Substring) throws(Problem) -> Int64? { text == "-" ? nil : try number(text, decimals: 0) }
        return (try limit(parts[0]), try limit(parts[1]))
    }

    /// A decimal number times 10 to the power of `decimals`, which it has at most.
    private static func number(_ text: Substring, decimals: Int) throws(Problem) -> Int64 {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let fraction = parts.count > 1 ? parts[1] : "0"
        let digits = parts[0] + fraction + String(repeating: "0", count: max(0, decimals - fraction.utf8.count))
        guard !parts[0].isEmpty, !fraction.isEmpty, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else {
            throw Problem("\(text): is no number")
        }
        if parts.count > 1, fraction.utf8.count > decimals {
            throw Problem("\(text): has more than \(decimals) decimals")
        }
        guard let value = Int64(decimals == 0 ? String(parts[0]) : String(digits)) else {
            throw Problem("\(text): is too much")
        }
        return value
    }
}
