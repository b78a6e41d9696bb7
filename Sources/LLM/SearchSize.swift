import CScan
import Reactor

/// How much of what a search in the web finds goes to the model: OpenAI's and Perplexity's `search_context_size`. Perplexity
/// asks for more where it is more.
@frozen public enum SearchSize: UInt8, BitwiseCopyable, Sendable {
    /// Neither the request nor the answer says.
    case unsaid
    case low, medium, high

    static func named(_ p: UnsafePointer<UInt8>, _ n: Int) -> SearchSize {
        switch n {
        case 3: PartKind.isName("low", p, n) ? .low : .unsaid
        case 4: PartKind.isName("high", p, n) ? .high : .unsaid
        case 6: PartKind.isName("medium", p, n) ? .medium : .unsaid
        default: .unsaid
        }
    }

    /// What a model is paid for where nobody says: Perplexity's default is `low`, OpenAI's `medium`.
    static func usual(of model: Bytes) -> SearchSize { SearchModel.isSonar(model) ? .low : .medium }
}

extension TokenUsage {
    /// Completes what a chat completion tells of its search.
    /// - Parameters:
    ///   - model: as the provider was asked for it.
    ///   - size: as the provider was asked for.
    public mutating func noteSearch(model: Bytes, size: SearchSize) {
        if searches == 0 {
            if !SearchModel.searches(model) { return }
            searches = 1
        }
        if searchSize == .unsaid { searchSize = size == .unsaid ? SearchSize.usual(of: model) : size }
    }
}

/// Models that search the web for every chat completion, whoever asks for what.
///
/// OpenAI's (`gpt-4o-search-preview`, `gpt-5-search-api`): "When using Chat Completions, the model always retrieves
/// information from the web before responding" (developers.openai.com, guides/tools-web-search). Their answers do not count
/// it. Perplexity's (`sonar`, `sonar-pro`, …) ask a fee for every request (docs.perplexity.ai, getting-started/pricing).
public enum SearchModel {
    /// `search` is a word of the model's name, or the name is one of Perplexity's.
    public static func searches(_ model: Bytes) -> Bool { hasSearch(model) || isSonar(model) }

    private static func hasSearch(_ model: Bytes) -> Bool {
        let word: StaticString = "-search"
        guard let p = model.pointer else { return false }
        guard let found = fg_find_bytes(p, model.count, word.utf8Start, word.utf8CodeUnitCount) else { return false }
        let end = found - UnsafeRawPointer(p) + word.utf8CodeUnitCount
        return end == model.count || p[end] == UInt8(ascii: "-")
    }

    static func isSonar(_ model: Bytes) -> Bool {
        guard let p = model.pointer, model.count >= 5, PartKind.isName("sonar", p, 5) else { return false }
        return model.count == 5 || p[5] == UInt8(ascii: "-")
    }
}
