import JSON
import Store

/// The JSON form of usage. Costs are decimal strings; those of different currencies are never added up.
enum UsageJSON {
    /// The sums that a report has of each group, in the order of a CSV file's columns.
    static let counts: [(name: String, value: @Sendable (UsageTotals) -> Int64)] = [
        ("requests", { $0.requests }), ("failures", { $0.failures }), ("estimated", { $0.estimated }),
        ("unpriced", { $0.unpriced }), ("prompt_tokens", { $0.promptTokens }),
        ("completion_tokens", { $0.completionTokens }), ("cached_tokens", { $0.cachedTokens }),
        ("cache_write_tokens", { $0.cacheWriteTokens }), ("reasoning_tokens", { $0.reasoningTokens }),
        ("total_tokens", { $0.totalTokens }),
    ]

    static func members(_ totals: UsageTotals) -> [(String, JSONValue)] {
        counts.map { ($0.name, .integer($0.value(totals))) } + [
            (
                "costs",
                .array(
                    totals.costs.map {
                        .members([("currency", .string($0.currency)), ("amount", .amount($0.micros))])
                    })
            )
        ]
    }

    static func encode(_ totals: UsageTotals) -> JSONValue { .members(members(totals)) }

    private static let totalsProperties = """
        "requests":{"type":"integer"},"failures":{"type":"integer"},\
        "estimated":{"type":"integer","description":"Requests whose tokens are an estimate."},\
        "unpriced":{"type":"integer","description":"Requests whose cost is unknown, failed ones left out: it is not in costs."},\
        "prompt_tokens":{"type":"integer","description":"All that went in, cached parts included."},\
        "completion_tokens":{"type":"integer","description":"All that came out, reasoning included."},\
        "cached_tokens":{"type":"integer"},"cache_write_tokens":{"type":"integer"},\
        "reasoning_tokens":{"type":"integer"},"total_tokens":{"type":"integer"},\
        "costs":{"type":"array","description":"One for each currency.","items":{"type":"object",\
        "required":["currency","amount"],"properties":{"currency":{"type":"string"},"amount":{"type":"string"}}}}
        """

    private static let totalsRequired = """
        "requests","failures","estimated","unpriced","prompt_tokens","completion_tokens","cached_tokens",\
        "cache_write_tokens","reasoning_tokens","total_tokens","costs"
        """

    static let totalsSchema = #"{"type":"object","required":[\#(totalsRequired)],"properties":{\#(totalsProperties)}}"#

    static let reportSchema = """
        {"type":"object","required":["items","total","limit","group_by","start_time","end_time","totals"],"properties":{\
        "items":{"type":"array","items":{"type":"object","required":["name","label","time",\(totalsRequired)],\
        "properties":{"name":{"type":"string","description":"The key's id, source, provider or model; of a day its \
        date, of an hour its beginning. Empty: none."},"label":{"type":["string","null"],\
        "description":"Of a key: its source_path."},"time":{"type":["string","null"],"format":"date-time",\
        "description":"Of days and hours: the beginning."},\(totalsProperties)}}},\
        "total":{"type":"integer","description":"How many groups there are."},"limit":{"type":"integer"},\
        "group_by":{"type":"string"},"start_time":{"type":["string","null"],"format":"date-time"},\
        "end_time":{"type":["string","null"],"format":"date-time"},"totals":\(Endpoint.reference("UsageTotals"))}}
        """

    // MARK: Records

    static func members(_ record: UsageRecord, offsetMinutes: Int) -> [(String, JSONValue)] {
        [
            ("id", .string(record.id)), ("request_id", .string(record.requestID)),
            ("key_id", .optional(record.keyID)), ("source_path", .optional(record.sourcePath)),
            ("provider", .string(record.provider)), ("provider_key_id", .optional(record.providerKeyID)),
            ("model_requested", .string(record.modelRequested)), ("model_served", .optional(record.modelServed)),
            ("prompt_tokens", .integer(record.promptTokens)),
            ("completion_tokens", .integer(record.completionTokens)),
            ("cached_tokens", .integer(record.cachedTokens)),
            ("cache_write_tokens", .integer(record.cacheWriteTokens)),
            ("reasoning_tokens", .integer(record.reasoningTokens)), ("total_tokens", .integer(record.totalTokens)),
            ("cost", .amount(record.costMicros)), ("currency", .optional(record.currency)),
            ("estimated", .bool(record.isEstimated)), ("outcome", .string(record.outcome.name)),
            ("created_at", .time(record.createdAtMilliseconds, offsetMinutes: offsetMinutes)),
            ("log_url", record.isInAudit ? .string("/admin/logs/\(record.id)") : .null),
            ("service_tier", .string(record.parts.tier.name)),
        ] + record.parts.counts.map { ($0.name, .integer($0.count)) }
    }

    static func encode(_ attempt: UsageAttempt) -> JSONValue {
        .members([
            ("provider", .string(attempt.provider)), ("provider_key_id", .string(attempt.providerKeyID)),
            ("reason", .string(attempt.reason)), ("status_code", .optional(attempt.statusCode)),
            ("duration_ms", .integer(attempt.durationMilliseconds)),
        ])
    }

    private static let recordProperties = """
        "id":{"type":"string","description":"Of the exchange, in the audit too."},"request_id":{"type":"string"},\
        "key_id":{"type":["string","null"]},"source_path":{"type":["string","null"]},"provider":{"type":"string"},\
        "provider_key_id":{"type":["string","null"]},"model_requested":{"type":"string"},\
        "model_served":{"type":["string","null"]},"prompt_tokens":{"type":"integer"},\
        "completion_tokens":{"type":"integer"},"cached_tokens":{"type":"integer"},\
        "cache_write_tokens":{"type":"integer"},"reasoning_tokens":{"type":"integer"},\
        "total_tokens":{"type":"integer"},\
        "cost":{"type":["string","null"],"description":"In units of the currency; null: it is not known."},\
        "currency":{"type":["string","null"]},"estimated":{"type":"boolean"},"outcome":{"type":"string"},\
        "created_at":{"type":"string","format":"date-time"},"log_url":{"type":["string","null"],\
        "description":"The exchange's row in the audit; null: it has none."},\
        "service_tier":{"type":"string"},\
        \(UsageParts().counts.map { "\"\($0.name)\":{\"type\":\"integer\"}" }.joined(separator: ","))
        """

    static let recordSchema = #"{"type":"object","properties":{\#(recordProperties)}}"#

    static let detailSchema = """
        {"type":"object","required":["id","attempts"],"properties":{\(recordProperties),"attempts":{"type":"array",\
        "description":"What failed before, in order; of a request that failed the last attempt too.",\
        "items":{"type":"object","required":["provider","provider_key_id","reason","status_code","duration_ms"],\
        "properties":{"provider":{"type":"string"},"provider_key_id":{"type":"string"},"reason":{"type":"string"},\
        "status_code":{"type":["integer","null"]},"duration_ms":{"type":"integer"}}}}}}
        """

    static let pageSchema = """
        {"type":"object","required":["items","total","limit","next_cursor"],"properties":{"items":{"type":"array",\
        "items":\(Endpoint.reference("UsageRecord"))},"total":{"type":"integer",\
        "description":"All that match, those too whose records retention has deleted."},"limit":{"type":"integer"},\
        "next_cursor":{"type":["string","null"],"description":"null on the last page."}}}
        """
}
