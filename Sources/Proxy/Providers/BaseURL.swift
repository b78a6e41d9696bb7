import LLM
import Reactor

/// A provider's base URL, taken apart.
struct BaseURL: Equatable {
    var isTLS: Bool
    /// `host`, `host:port` or `[v6]:port`.
    var authority: String
    /// Without a slash at its end; empty or beginning with one.
    var path: String

    /// Throws a message fit for a person.
    init(_ text: String) throws(PatternError) {
        guard let scheme = ["https://", "http://"].first(where: { text.lowercased().hasPrefix($0) }) else {
            throw PatternError("must begin with http:// or https://")
        }
        isTLS = scheme == "https://"
        let rest = text.dropFirst(scheme.count)
        guard rest.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }), !rest.contains("#"), !rest.contains("?"),
            !rest.contains("@")
        else { throw PatternError("must be scheme, host, port and path only") }
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        authority = String(rest[..<slash])
        var path = rest[slash...]
        while path.last == "/" { path = path.dropLast() }
        self.path = String(path)
    }

    /// How paths are joined to it for an API.
    func providerPath(_ type: APIType, in arena: Arena) -> ProviderPath {
        let base = arena.store(path)
        let isAzureRoot = type == .azure && !path.contains("/openai")
        let version = type == .gemini ? "/v1beta" : "/v1"
        return ProviderPath(
            base: base, hasVersion: !ProviderPath.version(in: base).isEmpty || path.contains("/deployments/"),
            defaultVersion: arena.store(isAzureRoot ? "/openai/v1" : version),
            versionPrefix: arena.store(isAzureRoot ? "/openai" : ""), keepsOpenAIPaths: isAzureRoot)
    }
}
