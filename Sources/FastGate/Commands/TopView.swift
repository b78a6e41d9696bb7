import JSON

/// Lines of `fastgate top`, out of two looks at the gateway.
struct TopView {
    let now: TopSample
    /// The look before; nil at the first, when there are no rates yet.
    let before: TopSample?
    let title: String

    private var seconds: Double {
        guard let before, now.timeNanoseconds > before.timeNanoseconds else { return 0 }
        return Double(now.timeNanoseconds - before.timeNanoseconds) / 1e9
    }

    /// A counter's growth in a second.
    private func rate(_ value: Double, _ earlier: Double?) -> Double? {
        seconds > 0 ? max(0, value - (earlier ?? 0)) / seconds : nil
    }

    private func text(_ rate: Double?) -> String { rate.map { Quantity.decimal($0) } ?? "-" }

    private static func text(seconds: Double?) -> String {
        seconds.map { Quantity.duration(milliseconds: $0 * 1000) } ?? "-"
    }

    /// - Parameter size: of the terminal; nil for none.
    func lines(size: (columns: Int, rows: Int)?, style: Style) -> [String] {
        let width = size?.columns
        var lines = [style(width.map { TextWidth.cut(title, to: $0) } ?? title, .bold), ""]
        lines += summary.lines(width: width, style: style)
        lines += ["", style("ROUTES AND UPSTREAMS", .bold)]
        let rows = size.map { max(0, $0.rows - lines.count - 5) } ?? .max
        let routes = routeTable(limit: rows == .max ? .max : max(2, rows / 2))
        lines += routes.lines(width: width, style: style)
        lines += ["", style("KEYS", .bold)]
        let left = size.map { max(1, $0.rows - lines.count - 1) } ?? 20
        lines += keyTable(limit: left).lines(width: width, style: style)
        return size.map { Array(lines.prefix($0.rows)) } ?? lines
    }

    // MARK: - Parts

    private var summary: Table {
        let total = now.total
        let earlier = before?.total
        let recent = total.duration.since(earlier?.duration)
        let firstByte = now.firstByte.since(before?.firstByte)
        func value(_ name: String) -> String { Quantity.count(Int(now.values[name] ?? 0)) }
        let failures = rate(total.failures, earlier?.failures)
        return Table(
            pairs: [
                (
                    "requests/s",
                    .init(
                        "\(text(rate(total.requests, earlier?.requests)))  \(Quantity.count(Int(total.requests))) in all"
                    )
                ),
                (
                    "errors/s",
                    .init(
                        "5xx \(text(failures))  4xx \(text(rate(total.refusals, earlier?.refusals)))"
                            + "  rate limited \(text(rate(now.values["fastgate_rate_limited_total"] ?? 0, before?.values["fastgate_rate_limited_total"])))",
                        (failures ?? 0) > 0 ? .red : nil)
                ),
                (
                    "latency",
                    .init(
                        "p50 \(Self.text(seconds: recent.quantile(0.5)))  p95 \(Self.text(seconds: recent.quantile(0.95)))"
                            + "  p99 \(Self.text(seconds: recent.quantile(0.99)))")
                ),
                (
                    "first byte",
                    .init(
                        "p50 \(Self.text(seconds: firstByte.quantile(0.5)))"
                            + "  p95 \(Self.text(seconds: firstByte.quantile(0.95)))")
                ),
                (
                    "open",
                    .init(
                        "\(value("fastgate_open_connections{client}")) client  "
                            + "\(value("fastgate_open_connections{upstream}")) upstream  "
                            + "\(value("fastgate_active_streams")) streams")
                ),
                (
                    "process",
                    .init(
                        "cpu \(cpu)  memory \(Quantity.bytes(Int(now.values["process_resident_memory_bytes"] ?? 0)))"
                            + "  audit ring \(Quantity.bytes(Int(now.values["fastgate_audit_ring_used_bytes"] ?? 0)))")
                ),
            ], shrinks: true)
    }

    private var cpu: String {
        let name = "process_cpu_seconds_total"
        return rate(now.values[name] ?? 0, before?.values[name]).map { Quantity.percent($0) } ?? "-"
    }

    private func routeTable(limit: Int) -> Table {
        var table = Table([
            .init("ROUTE", shrinks: true), .init("REQ/S", .right), .init("TOTAL", .right), .init("5XX", .right),
            .init("4XX", .right), .init("P50", .right), .init("P95", .right), .init("UPSTREAM ERRORS", .right),
            .init("RETRIES", .right),
        ])
        let sorted = now.routes.sorted { a, b in
            let (x, y) = (growth(a.key), growth(b.key))
            return x != y
                ? x > y : a.value.requests != b.value.requests ? a.value.requests > b.value.requests : a.key < b.key
        }
        for (name, route) in sorted.prefix(max(0, limit)) {
            let earlier = before?.routes[name]
            let recent = route.duration.since(earlier?.duration)
            let shown = recent.count > 0 ? recent : route.duration
            table.add([
                .init(now.routeNames[name] ?? name, .cyan), .init(text(rate(route.requests, earlier?.requests))),
                .init(Quantity.count(Int(route.requests))),
                .init(Quantity.count(Int(route.failures)), route.failures > 0 ? .red : nil),
                .init(Quantity.count(Int(route.refusals)), route.refusals > 0 ? .yellow : nil),
                .init(Self.text(seconds: shown.quantile(0.5))), .init(Self.text(seconds: shown.quantile(0.95))),
                .init(Quantity.count(Int(route.upstreamErrors)), route.upstreamErrors > 0 ? .red : nil),
                .init(Quantity.count(Int(route.retries))),
            ])
        }
        return table
    }

    private func growth(_ route: String) -> Double {
        (now.routes[route]?.requests ?? 0) - (before?.routes[route]?.requests ?? 0)
    }

    private func keyTable(limit: Int) -> Table {
        var table = Table([
            .init("KEY", shrinks: true), .init("SOURCE", shrinks: true), .init("REQ/S", .right), .init("USED", .right),
            .init("LIMIT", .right), .init("LAST USED"),
        ])
        for (key, rate) in busiestKeys.prefix(max(0, limit)) {
            let limit = key["rate_limit"]?.intValue
            table.add([
                .init(key.cell("key_id"), .dim), .init(key.cell("source_path"), .cyan), .init(text(rate)),
                .init(Quantity.count(key["usage_count"]?.intValue ?? 0)),
                .init(limit.map { $0 == 0 ? "unlimited" : "\(Quantity.count($0))/min" } ?? "default"),
                .init(key.time("last_used_at")),
            ])
        }
        return table
    }

    /// Keys that were used, those with the most requests now first.
    private var busiestKeys: [(key: JSONValue, rate: Double?)] {
        var earlier: [String: Int] = [:]
        for key in before?.keys ?? [] { earlier[key["key_id"]?.stringValue ?? ""] = key["usage_count"]?.intValue }
        let used = now.keys.filter { ($0["usage_count"]?.intValue ?? 0) > 0 }
        let rated = used.map { key in
            let count = key["usage_count"]?.intValue ?? 0
            return (key: key, rate: rate(Double(count), Double(earlier[key["key_id"]?.stringValue ?? ""] ?? count)))
        }
        return rated.sorted { a, b in
            if (a.rate ?? 0) != (b.rate ?? 0) { return (a.rate ?? 0) > (b.rate ?? 0) }
            return (a.key["last_used_at"]?.stringValue ?? "") > (b.key["last_used_at"]?.stringValue ?? "")
        }
    }

    // MARK: - JSON

    /// The same for programs.
    var json: JSONValue {
        func number(_ value: Double?) -> JSONValue { value.flatMap { JSONNumber($0) }.map { .number($0) } ?? .null }
        func describe(_ route: TopSample.Route, _ earlier: TopSample.Route?) -> [(String, JSONValue)] {
            let recent = route.duration.since(earlier?.duration)
            return [
                ("requests_per_second", number(rate(route.requests, earlier?.requests))),
                ("requests", .integer(Int(route.requests))), ("errors_5xx", .integer(Int(route.failures))),
                ("errors_4xx", .integer(Int(route.refusals))),
                ("p50_ms", number(recent.quantile(0.5).map { $0 * 1000 })),
                ("p95_ms", number(recent.quantile(0.95).map { $0 * 1000 })),
                ("upstream_errors", .integer(Int(route.upstreamErrors))), ("retries", .integer(Int(route.retries))),
            ]
        }
        let routes = now.routes.keys.sorted().map { name in
            JSONValue.object(
                JSONObject([("route", .string(name))] + describe(now.routes[name]!, before?.routes[name])))
        }
        let keys = busiestKeys.map { entry in
            JSONValue.object(
                JSONObject([
                    ("key_id", entry.key["key_id"] ?? .null), ("source_path", entry.key["source_path"] ?? .null),
                    ("requests_per_second", number(entry.rate)), ("usage_count", entry.key["usage_count"] ?? .null),
                ]))
        }
        return .object(
            JSONObject(
                describe(now.total, before?.total) + [
                    ("seconds", number(seconds)),
                    ("open_client_connections", number(now.values["fastgate_open_connections{client}"])),
                    ("open_upstream_connections", number(now.values["fastgate_open_connections{upstream}"])),
                    ("active_streams", number(now.values["fastgate_active_streams"])),
                    ("routes", .array(routes)), ("keys", .array(keys)),
                ]))
    }
}
