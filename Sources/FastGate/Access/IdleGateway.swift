import Config
import Proxy
import Store

/// What stands in for a gateway while none runs: it says whether a route could be served, and that is all.
struct IdleGateway: GatewayControl {
    let settings: Settings

    func publish(keys: [KeyRecord], routes: [RouteRecord]) throws(GatewayError) {}

    func publish(providers: ProviderSet) throws(GatewayError) {}

    func validate(_ provider: ProviderRecord) -> RouteProblem? {
        RouteCheck.problem(provider, settings: settings)
    }

    func providerStatus() -> [ProviderStatus] { [] }

    func validate(_ route: RouteRecord) -> RouteProblem? { RouteCheck.problem(route, settings: settings) }

    func explain(method: String, path: String, headers: [(String, String)], body: [UInt8]?) -> RouteExplanation {
        RouteExplanation(error: "no gateway runs")
    }

    func metrics() -> GatewayMetrics { GatewayMetrics() }

    var isDraining: Bool { false }
}
