import JSON
import Store

extension AdminAPI {
    private static let filters: [Endpoint.Parameter] = [
        .init(
            "start_time", Endpoint.Parameter.timeSchema,
            "Accepted from here on: a date, or ISO-8601 (without offset: app.timezone)."),
        .init(
            "end_time", Endpoint.Parameter.timeSchema,
            "Up to and including this: a date alone is its whole day, a time without milliseconds or seconds its whole "
                + "second or minute."),
        .init("key_id", #"{"type":"string"}"#, "Of this key of a caller."),
        .init("source_path", #"{"type":"string"}"#, "Of keys of this source."),
        .init("provider", #"{"type":"string"}"#, "Served by this provider."),
        .init("model", #"{"type":"string"}"#, "As served; where the answer named none, as asked for."),
    ]

    static let usageEndpoints: [Endpoint] = [
        Endpoint(
            method: "GET", path: "/admin/usage", operationID: "getUsage", tag: "usage",
            summary: "Tokens and money, added up.",
            parameters: [
                .init(
                    "group_by", ObjectShape.words(UsageGrouping.allCases.map(\.rawValue), default: "day"),
                    "What each line is about. Days and hours in app.timezone, oldest first, without those in which "
                        + "nothing happened; all others by tokens, most first.")
            ] + filters + [
                .limit(default: 1000, max: 10_000),
                .init(
                    "format", #"{"type":"string","enum":["json","csv"],"default":"json"}"#,
                    "CSV as RFC 4180 has it, with a column for the costs in each currency."),
            ],
            answers: [
                Endpoint.Answer(
                    status: 200, description: "The report.",
                    content: [
                        ("application/json", Endpoint.reference("UsageReport")), ("text/csv", #"{"type":"string"}"#),
                    ])
            ], failures: [400], handler: .quick(getUsage)),
        Endpoint(
            method: "GET", path: "/admin/usage/records", operationID: "listUsageRecords", tag: "usage",
            summary: "Lists what each exchange with a provider has used, newest first.",
            parameters: filters + [
                .limit(default: 100, max: 1000),
                .init(
                    "cursor", #"{"type":"string","pattern":"^([0-9a-f]{32})?$"}"#, "The next_cursor of the page before."
                ),
            ],
            answers: [.json("A page of records.", schema: Endpoint.reference("UsageRecordList"))], failures: [400],
            handler: .quick(listUsageRecords)),
        Endpoint(
            method: "GET", path: "/admin/usage/records/{id}", operationID: "getUsageRecord", tag: "usage",
            summary: "Shows what one exchange has used, and the attempts that failed before.",
            answers: [.json("The record.", schema: Endpoint.reference("UsageRecordDetail"))], failures: [404],
            handler: .quick { (context, request) throws(AdminFailure) in
                let id = request.pathValues[0]
                let record = try context.read { reader throws(StoreError) in try reader.usageRecord(id) }
                guard let record else { throw .notFound("usage record", id) }
                let attempts = try context.read { reader throws(StoreError) in try reader.usageAttempts(id) }
                return .json(
                    .members(
                        UsageJSON.members(record, offsetMinutes: context.offsetMinutes)
                            + [("attempts", .array(attempts.map(UsageJSON.encode)))]))
            }),
        Endpoint(
            method: "GET", path: "/admin/metrics/summary", operationID: "getMetricsSummary", tag: "usage",
            summary: "Usage at a glance: today, this month, ever; and how many providers and keys are fit.",
            answers: [.json("The summary.", schema: Endpoint.reference("UsageSummary"))],
            handler: .quick { (context, _) throws(AdminFailure) in .json(try summary(context)) }),
        Endpoint(
            method: "GET", path: "/admin/metrics/models-distribution", operationID: "getModelsDistribution",
            tag: "usage", summary: "How requests and tokens are spread over models, most requests first.",
            parameters: filters + [.limit(default: 100, max: 1000)],
            answers: [.json("The distribution.", schema: Endpoint.reference("ModelsDistribution"))], failures: [400],
            handler: .quick(modelsDistribution)),
    ]

    private static func filter(_ query: QueryReader, _ context: HandlerContext) throws(AdminFailure) -> UsageFilter {
        let filter = UsageFilter(
            startMilliseconds: try query.time("start_time", .start, offsetMinutes: context.offsetMinutes),
            endMilliseconds: try query.time("end_time", .end, offsetMinutes: context.offsetMinutes),
            keyID: query.string("key_id"), sourcePath: query.string("source_path"),
            provider: query.string("provider"), model: query.string("model"))
        if let start = filter.startMilliseconds, let end = filter.endMilliseconds, end < start {
            throw .badParameter("end_time", "must not be before start_time")
        }
        return filter
    }

    private static func getUsage(_ context: HandlerContext, _ request: AdminRequest) throws(AdminFailure)
        -> AdminResponse
    {
        let query = QueryReader(request.query)
        let word = try query.word("group_by", UsageGrouping.allCases.map(\.rawValue))
        let grouping = word.flatMap(UsageGrouping.init) ?? .day
        let filter = try filter(query, context)
        let limit = try query.int("limit", in: 1...10_000) ?? 1000
        let isCSV = try query.word("format", ["json", "csv"]) == "csv"
        let report = try context.read { reader throws(StoreError) in
            try reader.usageReport(groupBy: grouping, filter, limit: limit)
        }
        var labels: [String: String] = [:]
        if grouping == .key {
            let keys = try context.read { reader throws(StoreError) in
                try reader.listKeys(KeyFilter(), limit: Int(Int32.max), offset: 0).items
            }
            for key in keys { labels[key.keyID] = key.sourcePath }
        }
        if isCSV { return UsageCSV.response(report, grouping, labels: labels) }
        let items = report.groups.map { group in
            JSONValue.members(
                [
                    ("name", .string(group.name)), ("label", .optional(labels[group.name])),
                    ("time", .time(group.startMilliseconds, offsetMinutes: context.offsetMinutes)),
                ] + UsageJSON.members(group.totals))
        }
        return .json(
            .members([
                ("items", .array(items)), ("total", .integer(report.groupCount)), ("limit", .integer(limit)),
                ("group_by", .string(grouping.rawValue)),
                ("start_time", .time(filter.startMilliseconds, offsetMinutes: context.offsetMinutes)),
                ("end_time", .time(filter.endMilliseconds, offsetMinutes: context.offsetMinutes)),
                ("totals", UsageJSON.encode(report.totals)),
            ]))
    }

    private static func listUsageRecords(_ context: HandlerContext, _ request: AdminRequest) throws(AdminFailure)
        -> AdminResponse
    {
        let query = QueryReader(request.query)
        let filter = try filter(query, context)
        let limit = try query.int("limit", in: 1...1000) ?? 100
        let cursor = query.string("cursor")
        if let cursor, AuditID(cursor) == nil {
            throw .badParameter("cursor", "must be the next_cursor of a page before")
        }
        let page = try context.read { reader throws(StoreError) in
            try reader.usageRecords(filter, limit: limit, cursor: cursor)
        }
        let total = try context.read { reader throws(StoreError) in
            try reader.usageReport(groupBy: .provider, filter, limit: 0).totals.requests
        }
        let items = page.items.map { JSONValue.members(UsageJSON.members($0, offsetMinutes: context.offsetMinutes)) }
        return .json(
            .members([
                ("items", .array(items)), ("total", .integer(total)), ("limit", .integer(limit)),
                ("next_cursor", .optional(page.nextCursor)),
            ]))
    }

    // MARK: At a glance

    private static func summary(_ context: HandlerContext) throws(AdminFailure) -> JSONValue {
        let vault = context.shared.vault
        let summary = try context.read { reader throws(StoreError) in try reader.usageSummary(vault: vault) }
        return .members([
            ("today", UsageJSON.encode(summary.today)), ("month", UsageJSON.encode(summary.month)),
            ("all_time", UsageJSON.encode(summary.allTime)),
            (
                "providers",
                .members([
                    ("total", .integer(summary.providers)), ("enabled", .integer(summary.enabledProviders)),
                    ("up", .integer(context.gateway.providerStatus().count { $0.isUp })),
                ])
            ),
            (
                "provider_keys",
                .members([
                    ("total", .integer(summary.providerKeys)), ("usable", .integer(summary.usableProviderKeys)),
                    ("cooling", .integer(summary.coolingProviderKeys)),
                    ("disabled", .integer(summary.disabledProviderKeys)),
                    ("unreadable", .integer(summary.unreadableProviderKeys)),
                ])
            ),
            ("aliases", .integer(summary.aliases)), ("prices", .integer(summary.prices)),
        ])
    }

    static let usageSummarySchema: String = {
        let totals = Endpoint.reference("UsageTotals")
        func counts(_ names: [String]) -> String {
            let required = names.map { "\"\($0)\"" }.joined(separator: ",")
            let properties = names.map { #""\#($0)":{"type":"integer"}"# }.joined(separator: ",")
            return #"{"type":"object","required":[\#(required)],"properties":{\#(properties)}}"#
        }
        return """
            {"type":"object","required":["today","month","all_time","providers","provider_keys","aliases","prices"],\
            "properties":{"today":\(totals),"month":\(totals),"all_time":\(totals),\
            "providers":\(counts(["total", "enabled", "up"])),\
            "provider_keys":\(counts(["total", "usable", "cooling", "disabled", "unreadable"])),\
            "aliases":{"type":"integer"},"prices":{"type":"integer"}}}
            """
    }()

    private static func modelsDistribution(_ context: HandlerContext, _ request: AdminRequest) throws(AdminFailure)
        -> AdminResponse
    {
        let query = QueryReader(request.query)
        let filter = try filter(query, context)
        let limit = try query.int("limit", in: 1...1000) ?? 100
        let shares = try context.read { reader throws(StoreError) in
            try reader.modelsDistribution(filter, limit: Int(Int32.max))
        }
        let items = shares.prefix(limit).map { share in
            JSONValue.members(
                [
                    ("provider", .string(share.provider)), ("model", .string(share.model)),
                    ("request_share", .decimal(share.requestShare)), ("token_share", .decimal(share.tokenShare)),
                ] + UsageJSON.members(share.totals))
        }
        return .json(
            .members([
                ("items", .array(Array(items))), ("total", .integer(shares.count)), ("limit", .integer(limit)),
            ]))
    }

    static let modelsDistributionSchema = """
        {"type":"object","required":["items","total","limit"],"properties":{"items":{"type":"array","items":{"allOf":[\
        \(Endpoint.reference("UsageTotals")),{"type":"object","required":["provider","model","request_share",\
        "token_share"],"properties":{"provider":{"type":"string"},"model":{"type":"string"},\
        "request_share":{"type":"number","description":"Of 1."},"token_share":{"type":"number"}}}]}},\
        "total":{"type":"integer"},"limit":{"type":"integer"}}}
        """
}
