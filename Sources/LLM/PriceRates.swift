import JSON

/// A price as an operator or a file states it: what is the same for every exchange, and what depends on how it was served.
public struct PriceRates: Equatable, Sendable {
    public var base: ModelPrice
    public var variants: [PriceVariant] = []
    public var regionalThousandths: Int64 = 0
    public var fastThousandths: Int64 = 0

    public init(base: ModelPrice) { self.base = base }

    /// What rates are called, in the database and the admin API, beside `input`, `output`, `cached_input`, `cache_write` and
    /// `reasoning` that every price has.
    public static let extras: [(name: String, rate: WritableKeyPath<ModelPrice, Int64?> & Sendable)] = [
        ("cache_write_1h", \.cacheWriteLong), ("input_audio", \.inputAudio), ("input_image", \.inputImage),
        ("cached_audio", \.cachedAudio), ("output_audio", \.outputAudio), ("output_image", \.outputImage),
        ("search", \.search), ("search_low", \.searchLow), ("search_high", \.searchHigh),
        ("file_search", \.fileSearch), ("image", \.image), ("second", \.second), ("search_prompt", \.searchPrompt),
        ("character", \.character), ("page", \.page), ("annotated_page", \.annotatedPage),
    ]
    static let common: [(name: String, rate: WritableKeyPath<ModelPrice, Int64?> & Sendable)] = [
        ("cached_input", \.cachedInput), ("cache_write", \.cacheWrite), ("reasoning", \.reasoning),
    ]
    /// More are more than any model has.
    public static let maxVariants = 32

    public struct Failure: Error, Equatable {
        /// As in `variants[2].tier`.
        public var field: String
        public var message: String
    }

    /// All but the five common rates: an object with whole numbers of micro-units, nil if there is nothing to say. Those of
    /// `variants` stand there with `tier` and `above`; what one leaves out it has from the base.
    public var extraJSON: JSONValue? {
        var object = JSONObject()
        for extra in Self.extras {
            if let value = base[keyPath: extra.rate] { object[extra.name] = .integer(value) }
        }
        if regionalThousandths > 0 { object["regional"] = .integer(regionalThousandths) }
        if fastThousandths > 0 { object["fast"] = .integer(fastThousandths) }
        if !variants.isEmpty {
            object["variants"] = .array(
                variants.map { variant in
                    var item = JSONObject()
                    item["tier"] = .string("\(variant.tier.name)")
                    item["above"] = .integer(variant.above)
                    if variant.price.input != base.input { item["input"] = .integer(variant.price.input) }
                    if variant.price.output != base.output { item["output"] = .integer(variant.price.output) }
                    for rate in Self.common + Self.extras
                    where variant.price[keyPath: rate.rate] != base[keyPath: rate.rate] {
                        if let value = variant.price[keyPath: rate.rate] { item[rate.name] = .integer(value) }
                    }
                    return .object(item)
                })
        }
        return object.isEmpty ? nil : .object(object)
    }

    /// Reads what `extraJSON` says.
    /// - Parameter number: a rate as a whole number of micro-units; nil if it is none.
    public init(
        base: ModelPrice, extra: JSONValue?, number: (JSONValue) -> Int64? = { $0.numberValue?.int64Value }
    ) throws(Failure) {
        self.base = base
        guard let extra, !extra.isNull else { return }
        guard case .object(let object) = extra else { throw Failure(field: "", message: "must be an object") }
        func rate(_ value: JSONValue, _ field: String) throws(Failure) -> Int64 {
            guard let amount = number(value), amount >= 0, amount <= Self.maxRate else {
                throw Failure(field: field, message: "must be a price")
            }
            return amount
        }
        func thousandths(_ value: JSONValue, _ field: String) throws(Failure) -> Int64 {
            guard let factor = value.numberValue?.int64Value, (1...100_000).contains(factor) else {
                throw Failure(field: field, message: "must be a whole number of thousandths, from 1 to 100000")
            }
            return factor
        }
        for member in object.members where !member.value.isNull && member.name != "variants" {
            if let extra = Self.extras.first(where: { $0.name == member.name }) {
                self.base[keyPath: extra.rate] = try rate(member.value, member.name)
            } else if member.name == "regional" {
                regionalThousandths = try thousandths(member.value, member.name)
            } else if member.name == "fast" {
                fastThousandths = try thousandths(member.value, member.name)
            } else {
                throw Failure(field: member.name, message: "is not known")
            }
        }
        guard let list = object["variants"], !list.isNull else { return }
        guard let items = list.arrayValue, items.count <= Self.maxVariants else {
            throw Failure(field: "variants", message: "must be an array of at most \(Self.maxVariants)")
        }
        for (position, item) in items.enumerated() {
            let place = "variants[\(position)]"
            guard case .object(let members) = item else { throw Failure(field: place, message: "must be an object") }
            var variant = PriceVariant(tier: .standard, above: 0, price: self.base)
            for member in members.members where !member.value.isNull {
                let field = "\(place).\(member.name)"
                switch member.name {
                case "tier":
                    guard let tier = member.value.stringValue.flatMap(ServiceTier.init(name:)), tier != .other else {
                        throw Failure(field: field, message: "must be one of \(ServiceTier.pricedNames)")
                    }
                    variant.tier = tier
                case "above":
                    guard let above = member.value.numberValue?.int64Value, above >= 0, above <= TokenUsage.limit else {
                        throw Failure(field: field, message: "must be a number of tokens")
                    }
                    variant.above = above
                case "input": variant.price.input = try rate(member.value, field)
                case "output": variant.price.output = try rate(member.value, field)
                default:
                    guard let known = (Self.common + Self.extras).first(where: { $0.name == member.name }) else {
                        throw Failure(field: field, message: "is not known")
                    }
                    variant.price[keyPath: known.rate] = try rate(member.value, field)
                }
            }
            if variant.tier == .standard, variant.above == 0 {
                throw Failure(field: place, message: "must have a tier or be above a number of tokens")
            }
            if variants.contains(where: { $0.tier == variant.tier && $0.above == variant.above }) {
                throw Failure(field: place, message: "is there twice")
            }
            variants.append(variant)
        }
    }

    private static let maxRate: Int64 = 1_000_000_000_000_000
}

extension ServiceTier {
    /// Those that a price can be for.
    public static var pricedNames: String {
        allCases.filter { $0 != .other }.map { "\($0.name)" }.joined(separator: ", ")
    }
}
