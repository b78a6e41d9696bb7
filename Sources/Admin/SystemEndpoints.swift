import Config
import JSON
import Proxy
import Store

extension AdminAPI {
    static let systemEndpoints: [Endpoint] = [
        Endpoint(
            method: "GET", path: "/health", operationID: "getHealth", tag: "system",
            summary: "Whether the gateway takes requests. Needs no token.", access: .open,
            answers: [
                .json("It does.", schema: healthSchema),
                .json(
                    "It is draining: it finishes what is open and takes nothing new.", status: 503, schema: healthSchema
                ),
            ], handler: .reactor(health)),
        Endpoint(
            method: "GET", path: "/metrics", operationID: "getPrometheusMetrics", tag: "metrics",
            summary: "Prometheus text. Needs no token; it names routes, but no keys.", access: .open,
            answers: [
                Endpoint.Answer(
                    status: 200, description: "The metrics.", content: [("text/plain", #"{"type":"string"}"#)])
            ],
            handler: .quick { (context, _) in
                // In this order: what is committed was accepted before.
                let writer = context.shared.writer.statistics
                return .text(
                    GatewayMetricsText.write(
                        gateway: context.gateway.metrics(), writer: writer, version: context.shared.version,
                        process: .read(), masterKeyIsReady: !context.shared.isMasterKeyLocked),
                    type: PrometheusText.contentType)
            }),
        Endpoint(
            method: "GET", path: "/admin/config", operationID: "getConfig", tag: "system",
            summary: "The settings in effect, secrets masked.",
            answers: [.json("The settings.", schema: #"{"type":"object"}"#)],
            handler: .quick { (context, _) in .json(encode(context.settings)) }),
        Endpoint(
            method: "GET", path: "/openapi.json", operationID: "getOpenAPI", tag: "system",
            summary: "This description.",
            answers: [.json("OpenAPI 3.1.", schema: #"{"type":"object"}"#)],
            handler: .quick { (context, _) in .json(OpenAPI.document(version: context.shared.version)) }),
        page("/admin/dashboard", "getDashboard"),
        page("/", "getDashboardAtRoot"),
        assets("/admin/assets/{version}/{file}", "getAsset"),
        assets("/admin/assets/{version}/{folder}/{file}", "getAssetInFolder"),
    ]

    private static func page(_ path: String, _ operationID: String) -> Endpoint {
        Endpoint(
            method: "GET", path: path, operationID: operationID, tag: "system",
            summary: "The dashboard. Needs no token: the page has no data and asks for the token.", access: .open,
            answers: [
                Endpoint.Answer(status: 200, description: "The page.", content: [("text/html", #"{"type":"string"}"#)])
            ], handler: .reactor { (_, request) in Dashboard.page(request) })
    }

    private static func assets(_ path: String, _ operationID: String) -> Endpoint {
        Endpoint(
            method: "GET", path: path, operationID: operationID, tag: "system",
            summary: "A file of the dashboard. Needs no token; the version in the path is that of the content.",
            access: .open,
            answers: [
                Endpoint.Answer(
                    status: 200, description: "The file.",
                    content: ["text/javascript", "text/css", "image/svg+xml"].map { ($0, #"{"type":"string"}"#) })
            ], failures: [404], handler: .reactor { (_, request) in Dashboard.asset(request) })
    }

    private static let healthSchema = """
        {"type":"object","required":["status","name","version","uptime_seconds","problems"],"properties":{\
        "status":{"type":"string","enum":["ok","draining"]},"name":{"type":"string","description":"app.name"},\
        "version":{"type":"string"},"uptime_seconds":{"type":"number"},"problems":{"type":"array",\
        "items":{"enum":["master_key_locked","routes_not_served","providers_not_served"]},\
        "description":"What an operator should look at although the gateway takes requests."}}}
        """

    private static func health(_ shared: AdminShared, _ request: AdminRequest) -> AdminResponse {
        let isDraining = shared.gateway.isDraining
        var problems: [String] = []
        if shared.isMasterKeyLocked { problems.append("master_key_locked") }
        if !shared.gateway.servesAllRoutes { problems.append("routes_not_served") }
        if !shared.gateway.servesAllProviders { problems.append("providers_not_served") }
        return .json(
            .members([
                ("status", .string(isDraining ? "draining" : "ok")), ("name", .string(shared.settings.app.name)),
                ("version", .string(shared.version)), ("uptime_seconds", .decimal(shared.uptimeSeconds)),
                ("problems", .strings(problems)),
            ]), status: isDraining ? 503 : 200)
    }

    private static func encode(_ settings: Settings) -> JSONValue { encode(settings.maskedEntries()) }

    private static func encode(_ entries: [SettingsEntry]) -> JSONValue {
        .members(
            entries.map { entry in
                let value: JSONValue =
                    switch entry.value {
                    case .bool(let bool): .bool(bool)
                    case .integer(let number): .integer(number)
                    case .number(let number): .decimal(number)
                    case .text(let text): .string(text)
                    case .list(let texts): .strings(texts)
                    case .section(let entries): encode(entries)
                    case .entries(let list): .array(list.map { encode($0) })
                    }
                return (entry.name, value)
            })
    }
}
