import JSON

/// `fastgate usage`
enum UsageCommand {
    private static let filters = [
        OptionSpec("start", nil, "TIME", help: "accepted from here on: a date or ISO-8601"),
        OptionSpec("end", nil, "TIME", help: "up to and including this; a date alone is its whole day"),
        OptionSpec("key", nil, "KEY_ID", help: "of this key"),
        OptionSpec("source", nil, "SOURCE", help: "of keys of SOURCE"),
        OptionSpec("provider", nil, "NAME", help: "served by this provider"),
        OptionSpec("model", nil, "MODEL", help: "of this model"),
    ]

    static let command = Command(
        "usage", "show tokens and money spent",
        details: ["Adds up what exchanges with providers have used and cost."],
        options: [
            OptionSpec(
                "by", nil, "WHAT", .choice(["day", "hour", "key", "source", "provider", "model"]),
                help: "what each line is about; day unless given"),
            OptionSpec(flag: "csv", help: "print CSV"),
        ] + filters + CommonOptions.tool,
        examples: ["fastgate usage --by key --start 2026-06-01"], sections: [CommonOptions.access],
        action: { (call) throws(CommandFailure) in
            _ = try call.options.one(of: "csv", "json")
            var query = [
                QueryParameter("group_by", call.options.value("by") ?? "day"), QueryParameter("limit", "10000"),
            ]
            for (option, parameter) in [
                ("start", "start_time"), ("end", "end_time"), ("key", "key_id"), ("source", "source_path"),
                ("provider", "provider"), ("model", "model"),
            ] {
                if let value = call.options.value(option) { query.append(QueryParameter(parameter, value)) }
            }
            let access = try call.access()
            if call.options.has("csv") {
                query.append(QueryParameter("format", "csv"))
                let response = try access.send(APIRequest("GET", "/admin/usage", query: query))
                guard response.status == 200 else { throw response.refusal }
                _ = call.console.write(response.body)
                return
            }
            let report = try access.json(APIRequest("GET", "/admin/usage", query: query))
            if call.asJSON { call.print(report) } else { call.print(table(report)) }
        })

    private static func table(_ report: JSONValue) -> Table {
        var table = Table([
            .init((report["group_by"]?.stringValue ?? "").uppercased(), shrinks: true), .init("REQUESTS", .right),
            .init("FAILED", .right), .init("IN", .right), .init("CACHED", .right), .init("OUT", .right),
            .init("TOTAL", .right), .init("COST", .right),
        ])
        func line(_ name: String, _ item: JSONValue) -> [Table.Cell] {
            let counts = [
                "requests", "failures", "prompt_tokens", "cached_tokens", "completion_tokens", "total_tokens",
            ].map { Table.Cell(Quantity.count(item[$0]?.intValue ?? 0)) }
            let costs = (item["costs"]?.arrayValue ?? []).map { "\($0.cell("amount")) \($0.cell("currency"))" }
            return [Table.Cell(name)] + counts + [Table.Cell(costs.isEmpty ? "-" : costs.joined(separator: " + "))]
        }
        for item in report["items"]?.arrayValue ?? [] {
            let label = item["label"]?.stringValue.map { " (\($0))" } ?? ""
            table.add(line(item.cell("name") + label, item))
        }
        if let totals = report["totals"], table.rows.count > 1 { table.add(line("total", totals)) }
        return table
    }
}
