/// The format that a provider speaks.
@frozen public enum APIType: UInt8, BitwiseCopyable, Sendable, CaseIterable {
    /// OpenAI's API and whatever is compatible with it.
    case openai
    case anthropic
    case gemini
    /// OpenAI's format under Azure's paths and headers.
    case azure

    /// As the admin API and the database call it.
    public var name: String {
        switch self {
        case .openai: "openai"
        case .anthropic: "anthropic"
        case .gemini: "gemini"
        case .azure: "azure"
        }
    }

    public init?(name: String) {
        guard let type = Self.allCases.first(where: { $0.name == name }) else { return nil }
        self = type
    }
}
