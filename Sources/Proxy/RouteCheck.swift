import Config
import JSON
import Store

/// Checks routes and providers without a running gateway.
public enum RouteCheck {
    /// What a compiler wants to have; nobody serves from it. One for all checks, since its cells are never freed.
    private static let registry = Registry()

    /// Whether a gateway with these settings could serve the route; nil if so.
    ///
    /// Variables in header values (`${NAME}`) are taken to be set: it is the gateway's environment that counts, not this
    /// process's.
    public static func problem(_ route: RouteRecord, settings: Settings) -> RouteProblem? {
        var route = route
        route.addHeaders = route.addHeaders.map(withVariablesSet)
        var compiler = RouteCompiler(
            arena: Arena(), stripHeaders: settings.headersToStrip, defaultTimeoutMilliseconds: 1000,
            targetNumbers: StableNumbers(), isStrict: true)
        do {
            _ = try compiler.compile(route, metricID: 0)
            return nil
        } catch {
            return RouteProblem(field: error.field, message: error.message)
        }
    }

    /// What is wrong with a path pattern, of a key's permission say; nil if nothing is.
    public static func problem(pattern: String) -> String? {
        do throws(PatternError) {
            try PathPatternSource.checkBytes(pattern)
            _ = try PathPatternSource(pattern)
            return nil
        } catch {
            return error.message
        }
    }

    /// What a route that an earlier version has stored could not be stored with today, although it is served: as that version
    /// did.
    public static func formerFields(_ route: RouteRecord) -> [RouteProblem] {
        var found: [RouteProblem] = []
        for (field, path) in [("match_path", route.matchPath), ("target_path", route.targetPath)] {
            do throws(PatternError) {
                try PathPatternSource.checkBytes(path)
            } catch {
                found.append(RouteProblem(field: field, message: error.message))
            }
        }
        if let schema = route.matchBodySchema, isJSONSchema(schema), !hasWellFormedKeyword(schema) {
            found.append(
                RouteProblem(
                    field: "match_body_schema",
                    message: "is no valid JSON Schema; its members are compared with the body's, as version 0.1 did"))
        }
        return found
    }

    /// The same for a provider: its address and headers; all else the store checks.
    ///
    /// - Parameter takesVariablesAsSet: false where this process is the gateway.
    public static func problem(
        _ provider: ProviderRecord, settings: Settings, takesVariablesAsSet: Bool = true
    ) -> RouteProblem? {
        var provider = provider
        if takesVariablesAsSet { provider.headers = provider.headers.map(withVariablesSet) }
        let compiler = ProviderCompiler(arena: Arena(), settings: settings, registry: registry)
        do throws(RouteFailure) {
            _ = try ProviderCompiler.address(try ProviderCompiler.baseURL(provider))
            _ = try compiler.rewrite(provider, .openai, nil)
            return nil
        } catch {
            return RouteProblem(field: error.field, message: error.message)
        }
    }

    /// Which of the routes, or which provider, would take a request of a gateway with these settings that has just been
    /// started, as `GatewayControl.explain` says it.
    public static func explain(
        keys: [KeyRecord], routes: [RouteRecord], providers: ProviderSet, settings: Settings, method: String,
        path: String, headers: [(String, String)], body: [UInt8]?, keyID: String?
    ) -> RouteExplanation {
        let routes = routes.map { record in
            var route = record
            route.addHeaders = route.addHeaders.map(withVariablesSet)
            return route
        }
        var providers = providers
        for i in providers.providers.indices {
            providers.providers[i].headers = providers.providers[i].headers.map(withVariablesSet)
        }
        let snapshot = Snapshot(
            keys: keys, routes: routes, providers: providers, settings: settings, version: "", registry: registry)
        return Explanation.make(
            snapshot: snapshot, routes: routes, method: method, path: path, headers: headers, body: body, keyID: keyID)
    }

    private static func withVariablesSet(_ headers: JSONValue) -> JSONValue {
        guard let object = headers.objectValue else { return headers }
        return .object(
            JSONObject(
                object.members.map { member in
                    (member.name, member.value.stringValue.map { .string(withVariablesSet($0)) } ?? member.value)
                }))
    }

    /// Each `${NAME}` replaced by a letter. What is not closed stays, for the compiler to refuse.
    private static func withVariablesSet(_ text: String) -> String {
        var out = ""
        var rest = Substring(text)
        while let dollar = rest.firstIndex(of: "$") {
            out += rest[..<dollar]
            rest = rest[dollar...]
            if rest.hasPrefix("${"), let close = rest.firstIndex(of: "}") {
                out += "x"
                rest = rest[rest.index(after: close)...]
            } else {
                out += "$"
                rest = rest.dropFirst()
            }
        }
        return out + rest
    }
}
