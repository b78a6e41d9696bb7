import Proxy
import Store

/// What stands in for a gateway while none runs: it says whether a route could be served, and that is all.
struct IdleGateway: GatewayControl {
    func publish(keys: [KeyRecord], routes: [RouteRecord]) throws(GatewayError) {}

    func validate(_ route: RouteRecord) -> RouteProblem? { nil }

    func explain(method: String, path: String, headers: [(String, String)], body: [UInt8]?) -> RouteExplanation {
        RouteExplanation(error: "no gateway runs")
    }

    func metrics() -> GatewayMetrics { GatewayMetrics() }

    var isDraining: Bool { false }
}
