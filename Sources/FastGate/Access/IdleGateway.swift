import Config
import Proxy
import Store

/// What stands in for a gateway while none runs: it says whether a route could be served and which would take a
/// request, and that is all.
struct IdleGateway: GatewayControl {
    let settings: Settings
    /// Nil: no provider is looked at.
    var vault: KeyVault?

    func publish(keys: [KeyRecord], routes: [RouteRecord]) throws(GatewayError) {}

    func publish(providers: ProviderSet) throws(GatewayError) {}

    func validate(_ provider: ProviderRecord) -> RouteProblem? {
        RouteCheck.problem(provider, settings: settings)
    }

    func providerStatus() -> [ProviderStatus] { [] }

    func validate(_ route: RouteRecord) -> RouteProblem? { RouteCheck.problem(route, settings: settings) }

    func explain(method: String, path: String, headers: [(String, String)], body: [UInt8]?, keyID: String?)
        -> RouteExplanation
    {
        do throws(StoreError) {
            let reader = try ReadConnection(
                path: settings.database.path, timeZoneOffsetMinutes: settings.app.timezone.minutes)
            return RouteCheck.explain(
                keys: try reader.activeKeys(), routes: try reader.activeRoutes(),
                providers: try providers(reader), settings: settings, method: method,
                path: path, headers: headers, body: body, keyID: keyID)
        } catch {
            return RouteExplanation(error: "\(error)")
        }
    }

    private func providers(_ reader: ReadConnection) throws(StoreError) -> ProviderSet {
        guard let vault else { return ProviderSet() }
        return try ProviderSet.load(from: reader, vault: vault)
    }

    func metrics() -> GatewayMetrics { GatewayMetrics() }

    var servesAllRoutes: Bool { true }

    var servesAllProviders: Bool { true }

    var isDraining: Bool { false }
}
