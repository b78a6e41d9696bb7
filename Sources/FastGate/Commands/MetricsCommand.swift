import JSON

/// `fastgate metrics`
enum MetricsCommand {
    static let command = Command(
        "metrics", "show figures out of the audit",
        details: ["Totals since the audit began, or a line for each hour or day."],
        options: [
            OptionSpec("hours", nil, "N", .integer(1...8784), help: "one line for each of the last N hours"),
            OptionSpec("days", nil, "N", .integer(1...3660), help: "one line for each of the last N days"),
            OptionSpec(flag: "prometheus", help: "the text of the admin port's /metrics, as a scraper gets it"),
        ] + CommonOptions.tool,
        examples: ["fastgate metrics --hours 24"], sections: [CommonOptions.access], action: run)

    private static func run(_ call: Call) throws(CommandFailure) {
        let kind = try call.options.one(of: "hours", "days", "prometheus")
        if kind == "prometheus" && call.asJSON {
            throw call.options.problem("--json and --prometheus exclude each other")
        }
        let access = try call.access()
        switch kind {
        case "prometheus":
            let response = try access.send(APIRequest("GET", "/metrics"))
            guard response.status == 200 else { throw response.refusal }
            _ = call.console.write(response.body)
        case "hours", "days":
            let (name, path) = kind == "hours" ? ("hours", "hourly") : ("days", "daily")
            let count = call.options.value(name) ?? ""
            let points = try access.json(
                APIRequest("GET", "/admin/metrics/\(path)", query: [QueryParameter(name, count)]))
            if call.asJSON { call.print(points) } else { call.print(series(points["items"]?.arrayValue ?? [])) }
        default:
            let metrics = try access.json(APIRequest("GET", "/admin/metrics"))
            if call.asJSON { call.print(metrics) } else { show(metrics, call) }
        }
    }

    private static func series(_ points: [JSONValue]) -> Table {
        var table = Table([
            .init("TIME"), .init("REQUESTS", .right), .init(""), .init("ERRORS", .right), .init("STREAMS", .right),
            .init("P50", .right), .init("P95", .right), .init("P99", .right), .init("FIRST BYTE", .right),
            .init("IN", .right), .init("OUT", .right),
        ])
        let most = points.map { $0["requests"]?.intValue ?? 0 }.max() ?? 0
        for point in points {
            func number(_ name: String) -> Int { point[name]?.intValue ?? 0 }
            func time(_ name: String) -> Table.Cell {
                let value = point[name]?.doubleValue ?? 0
                return .init(number("requests") == 0 ? "-" : Quantity.duration(milliseconds: value))
            }
            table.add([
                .init(String(point.time("time").prefix(16)), .dim), .init(Quantity.count(number("requests"))),
                .init(bar(number("requests"), of: most), .blue),
                .init(Quantity.count(number("errors")), number("errors") > 0 ? .red : nil),
                .init(Quantity.count(number("streams"))), time("p50_ms"), time("p95_ms"), time("p99_ms"),
                time("avg_first_byte_ms"), .init(Quantity.bytes(number("request_bytes"))),
                .init(Quantity.bytes(number("response_bytes"))),
            ])
        }
        return table
    }

    private static func bar(_ value: Int, of most: Int) -> String {
        guard most > 0, value > 0 else { return "" }
        return String(repeating: "#", count: max(1, Int(Double(value) / Double(most) * 16)))
    }

    private static func show(_ metrics: JSONValue, _ call: Call) {
        var pairs: [(String, Table.Cell)] = []
        for member in metrics.objectValue?.members ?? [] {
            switch member.value {
            case .array, .object: continue
            case .number(let number) where number.isInteger:
                pairs.append((member.name, .init(Quantity.count(member.value.intValue ?? 0))))
            default: pairs.append((member.name, .init(member.value.shown)))
            }
        }
        call.print(Table(pairs: pairs))
        for (title, list, name) in [("PATH", "top_paths", "path"), ("SOURCE", "top_sources", "source_path")] {
            let items = metrics[list]?.arrayValue ?? []
            if items.isEmpty { continue }
            var table = Table([.init(title, shrinks: true), .init("REQUESTS", .right)])
            for item in items {
                table.add([.init(item.cell(name)), .init(Quantity.count(item["count"]?.intValue ?? 0))])
            }
            call.console.print("")
            call.print(table)
        }
        let codes = metrics["status_codes"]?.objectValue?.members ?? []
        guard !codes.isEmpty else { return }
        var table = Table([.init("STATUS"), .init("REQUESTS", .right)])
        for code in codes {
            table.add([
                .init(code.name, Style.look(status: Int(code.name))), .init(Quantity.count(code.value.intValue ?? 0)),
            ])
        }
        call.console.print("")
        call.print(table)
    }
}
