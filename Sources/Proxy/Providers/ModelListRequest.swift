import Config
import JSON
import LLM
import Reactor
import Store

/// The request that asks a provider which models it has, and how its answer is read: off the hot path, by whoever keeps
/// the lists fresh or tries a key.
public struct ModelListRequest: Sendable {
    public let isTLS: Bool
    /// A name or an IP literal, without brackets.
    public let host: String
    public let port: UInt16
    /// Path and query.
    public let target: String
    /// With host and credential. Not to be logged.
    public let headers: [(name: String, value: String)]

    /// - Throws: what is wrong with the provider's record.
    public init(_ provider: ProviderRecord, secret: ProviderSecret?, version: String) throws(GatewayError) {
        let type = APIType(name: provider.apiType) ?? .openai
        do throws(RouteFailure) {
            let url = try ProviderCompiler.baseURL(provider)
            let address = try ProviderCompiler.address(url)
            let arena = Arena()
            isTLS = address.isTLS
            host = address.host
            port = address.port
            var path = ""
            let asked = arena.store(type == .gemini ? "/v1beta/models" : "/v1/models")
            url.providerPath(type, in: arena).write(asked) { path += $0.string }
            // As many as there may be in one answer, where the API has pages.
            switch type {
            case .anthropic: target = path + "?limit=1000"
            case .gemini: target = path + "?pageSize=1000"
            case .openai, .azure: target = path
            }
            var headers = [
                ("host", address.authority), ("user-agent", "FastGate/\(version)"), ("accept", "application/json"),
            ]
            for member in provider.headers?.objectValue?.members ?? [] {
                try RouteCompiler.checkHeader(member.name, field: "headers")
                let text = try RouteCompiler.expandEnvironment(member.value.stringValue ?? "", field: "headers")
                headers.append((member.name, text))
            }
            if type == .anthropic, !headers.contains(where: { $0.0.lowercased() == "anthropic-version" }) {
                headers.append(("anthropic-version", "2023-06-01"))
            }
            if let secret {
                let credential = ProviderCompiler.credential(type, String(decoding: secret.bytes, as: UTF8.self))
                headers.append((credential.name, credential.value))
            }
            self.headers = headers.map { (name: $0.0, value: $0.1) }
        } catch {
            throw GatewayError(field: error.field, message: error.message)
        }
    }

    /// The names in an answer: OpenAI's and Anthropic's `data[].id`, Gemini's `models[].name`, or a plain list. Nil if it
    /// is none of these.
    public static func names(in body: [UInt8]) -> [String]? {
        guard let root = try? JSONValue(parsing: body) else { return nil }
        let list = root.arrayValue ?? root["data"]?.arrayValue ?? root["models"]?.arrayValue
        guard let list else { return nil }
        var names: [String] = []
        var seen: Set<String> = []
        for item in list {
            guard var name = item["id"]?.stringValue ?? item["name"]?.stringValue ?? item.stringValue else { continue }
            if name.hasPrefix("models/") { name.removeFirst("models/".count) }
            if !name.isEmpty, name.utf8.count <= 128, seen.insert(name).inserted { names.append(name) }
        }
        return names
    }
}
