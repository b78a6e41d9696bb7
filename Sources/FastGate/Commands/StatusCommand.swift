import JSON

/// `fastgate status`
enum StatusCommand {
    static let command = Command(
        "status", "say how the gateway is",
        details: [
            """
            Version, addresses, load and errors of the gateway that runs. Ends with 1 if none runs, if it does not \
            answer, or while it is draining.
            """
        ],
        options: CommonOptions.tool, sections: [CommonOptions.access], action: run)

    private static func run(_ call: Call) throws(CommandFailure) {
        let choice = try call.choice()
        guard let client = try choice.running(silenceMilliseconds: 10_000) else {
            if call.asJSON { call.print(["status": "not running"]) }
            throw CommandFailure(
                message: "no gateway runs on \(choice.settings.database.path)",
                hint: "\"fastgate serve\" starts one; --url asks one that runs elsewhere.")
        }
        // 503 says that it is draining, in the same form.
        let answer = try client.send(APIRequest("GET", "/health"))
        guard let health = try? JSONValue(parsing: answer.body), let status = health["status"]?.stringValue else {
            throw CommandFailure(message: "what answers at \(client.address) is no gateway")
        }
        let config = try client.json(APIRequest("GET", "/admin/config"))
        let metrics = try client.json(APIRequest("GET", "/admin/metrics"))
        if call.asJSON {
            call.print([
                "status": .string(status), "version": health["version"] ?? .null,
                "uptime_seconds": health["uptime_seconds"] ?? .null, "problems": health["problems"] ?? .array([]),
                "admin": .string("\(client.address)"),
                "metrics": metrics,
            ])
        } else {
            call.print(table(client, status, health, config, metrics))
        }
        if health["problems"]?.arrayValue?.contains("master_key_locked") == true {
            call.console.complain(
                "The keys of providers cannot be read: see \"fastgate master-key show\".")
        }
        if status != "ok" { throw CommandFailure(message: "") }
    }

    private static func table(
        _ client: AdminClient, _ status: String, _ health: JSONValue, _ config: JSONValue, _ metrics: JSONValue
    ) -> Table {
        func number(_ name: String) -> Int { metrics[name]?.intValue ?? 0 }
        func milliseconds(_ name: String) -> String {
            metrics[name]?.doubleValue.map { Quantity.duration(milliseconds: $0) } ?? "-"
        }
        let uptime = (health["uptime_seconds"]?.doubleValue ?? 0) * 1000
        let scheme = config["tls"]?["cert"]?.stringValue?.isEmpty == false ? "https" : "http"
        let host = config["app"]?.cell("host") ?? ""
        let errors = number("total_errors")
        return Table(pairs: [
            ("Status", .init(status, status == "ok" ? .green : .yellow)),
            ("Version", .init(health.cell("version"))),
            ("Up", .init(Quantity.duration(milliseconds: uptime))),
            (
                "Listens",
                .init("\(scheme)://\(host.contains(":") ? "[\(host)]" : host):\(config["app"]?.cell("port") ?? "")")
            ),
            ("Admin", .init("http://\(client.address)")),
            ("Keys, routes", .init("\(number("active_api_keys")), \(number("active_routes")) active")),
            (
                "Open",
                .init(
                    "\(number("open_client_connections")) client, \(number("open_upstream_connections")) upstream"
                        + " connections, \(number("active_streams")) streams")
            ),
            (
                "Requests",
                .init(
                    "\(Quantity.count(number("total_requests"))), \(Quantity.count(number("last_hour_requests")))"
                        + " in the last hour")
            ),
            (
                "Errors",
                .init(
                    "\(Quantity.count(errors)) (\(Quantity.percent(metrics["success_rate"]?.doubleValue ?? 1)) ok)",
                    errors > 0 ? .yellow : nil)
            ),
            (
                "Took",
                .init(
                    "p50 \(milliseconds("p50_ms")), p95 \(milliseconds("p95_ms")), p99 \(milliseconds("p99_ms"))")
            ),
            ("First byte", .init("\(milliseconds("avg_first_byte_ms")) on average")),
        ])
    }
}
