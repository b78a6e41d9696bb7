import Glibc

/// At which service tier an exchange was served: some cost more or less than the standard one.
@frozen public enum ServiceTier: UInt8, BitwiseCopyable, Sendable, CaseIterable {
    case standard, flex, priority, batch, balanced, ultrafast
    /// One that no price file knows (reserved capacity and the like).
    case other
    /// No tier that anybody asks for, but the endpoint of that name, for which a model may have another price.
    case decisions

    /// As the database and the admin API call it.
    public var name: StaticString {
        switch self {
        case .standard: "standard"
        case .flex: "flex"
        case .priority: "priority"
        case .batch: "batch"
        case .balanced: "balanced"
        case .ultrafast: "ultrafast"
        case .other: "other"
        case .decisions: "decisions"
        }
    }

    public init?(name: String) {
        guard let tier = Self.allCases.first(where: { "\($0.name)" == name }) else { return nil }
        self = tier
    }

    /// What an answer or a request calls it: OpenAI's, Anthropic's, Groq's `service_tier`, Gemini's `serviceTier` and
    /// Vertex's `trafficType`, upper and lower case alike.
    static func named(_ p: UnsafePointer<UInt8>, _ n: Int) -> ServiceTier {
        func isName(_ lower: StaticString) -> Bool {
            guard n == lower.utf8CodeUnitCount else { return false }
            var i = 0
            while i < n {
                let c = p[i] &- UInt8(ascii: "A") < 26 ? p[i] | 0x20 : p[i]
                if c != lower.utf8Start[i] { return false }
                i &+= 1
            }
            return true
        }
        switch n {
        case 0: return .standard
        case 4: return isName("auto") ? .standard : isName("flex") ? .flex : .other
        case 5: return isName("batch") ? .batch : .other
        case 7: return isName("default") ? .standard : .other
        case 8:
            if isName("standard") { return .standard }
            if isName("balanced") { return .balanced }
            return isName("priority") ? .priority : .other
        case 9:
            if isName("on_demand") { return .standard }
            return isName("ultrafast") ? .ultrafast : .other
        case 11: return isName("unspecified") ? .standard : .other
        case 13: return isName("standard_only") ? .standard : .other
        case 14: return isName("on_demand_flex") ? .flex : .other
        case 18: return isName("on_demand_priority") ? .priority : .other
        case 24: return isName("traffic_type_unspecified") ? .standard : .other
        default: return .other
        }
    }
}
