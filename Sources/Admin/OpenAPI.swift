import HTTP
import JSON

/// Makes /openapi.json from the endpoints that the router serves.
enum OpenAPI {
    static func document(version: String) -> JSONValue {
        .members([
            ("openapi", "3.1.0"),
            (
                "info",
                .members([
                    ("title", "FastGate admin API"), ("version", .string(version)),
                    (
                        "description",
                        "Manages keys, routes and the audit of a FastGate gateway. Every answer carries x-request-id."
                    ),
                ])
            ),
            (
                "tags",
                .array(
                    ["keys", "routes", "providers", "usage", "logs", "metrics", "system"].map {
                        .members([("name", .string($0))])
                    })
            ),
            ("paths", paths()),
            (
                "components",
                .members([
                    ("schemas", schemas()), ("securitySchemes", securitySchemes),
                    (
                        "responses",
                        .members([
                            (
                                "Error",
                                .members([
                                    ("description", "What is wrong, and where."), ("headers", headersOfErrors),
                                    ("content", content("application/json", reference("Error"))),
                                ])
                            )
                        ])
                    ),
                ])
            ),
            (
                "security",
                .array(["bearer", "queryToken", "session"].map { .members([($0, .array([]))]) })
            ),
        ])
    }

    // MARK: Paths

    private static func paths() -> JSONValue {
        var paths = JSONObject()
        for endpoint in AdminAPI.endpoints {
            var item = paths[endpoint.path]?.objectValue ?? JSONObject()
            item[endpoint.method.lowercased()] = operation(endpoint)
            paths[endpoint.path] = .object(item)
        }
        return .object(paths)
    }

    private static func operation(_ endpoint: Endpoint) -> JSONValue {
        var operation = JSONObject([
            ("operationId", .string(endpoint.operationID)), ("tags", .strings([endpoint.tag])),
            ("summary", .string(endpoint.summary)),
        ])
        let placeholders = endpoint.path.split(separator: "/").filter { $0.hasPrefix("{") }
        let inPath = placeholders.map { name in
            JSONValue.members([
                ("name", .string(String(name.dropFirst().dropLast()))), ("in", "path"), ("required", true),
                ("schema", .literal(#"{"type":"string"}"#)),
            ])
        }
        let inQuery = endpoint.parameters.map { parameter in
            JSONValue.members([
                ("name", .string(parameter.name)), ("in", "query"), ("required", false),
                ("description", .string(parameter.description)), ("schema", orEmpty(.literal(parameter.schema))),
            ])
        }
        let inHeader =
            endpoint.takesIfMatch
            ? [
                JSONValue.literal(
                    """
                    {"name":"If-Match","in":"header","required":false,"schema":{"type":"string"},"description":\
                    "The ETag of what the change was made from; 412 if somebody else has changed it since."}
                    """)
            ] : []
        let parameters = inPath + inQuery + inHeader
        if !parameters.isEmpty { operation["parameters"] = .array(parameters) }
        if let body = endpoint.body {
            operation["requestBody"] = .members([
                ("required", true), ("content", content("application/json", reference(body.schemaName))),
            ])
        }
        if endpoint.access == .open { operation["security"] = .array([]) }
        operation["responses"] = responses(endpoint)
        return .object(operation)
    }

    /// A query parameter without a value counts as left out.
    private static func orEmpty(_ schema: JSONValue) -> JSONValue {
        let isText = schema["type"] == "string" && schema["enum"] == nil && schema["anyOf"] == nil
        if isText { return schema }
        return .members([("anyOf", .array([schema, .members([("const", "")])]))])
    }

    private static func responses(_ endpoint: Endpoint) -> JSONValue {
        var responses = JSONObject()
        for answer in endpoint.answers {
            var response = JSONObject([("description", .string(answer.description))])
            response["headers"] = headers(of: answer)
            if !answer.content.isEmpty {
                response["content"] = .members(
                    answer.content.map { ($0.type, .members([("schema", .literal($0.schema))])) })
            }
            responses[String(answer.status)] = .object(response)
        }
        var failures = Set(endpoint.failures)
        if endpoint.body != nil { failures.insert(413) }
        if HostCheck.isWanted(endpoint) { failures.insert(421) }
        // A query parameter that is not known is a 400 wherever a token is wanted.
        if endpoint.access == .token { failures.formUnion([400, 401, 403, 429]) }
        if case .reactor = endpoint.handler {} else { failures.formUnion([500, 503]) }
        for status in failures.sorted() where responses[String(status)] == nil {
            responses[String(status)] = .members([("$ref", "#/components/responses/Error")])
        }
        return .object(responses)
    }

    private static func content(_ type: String, _ schema: JSONValue) -> JSONValue {
        .members([(type, .members([("schema", schema)]))])
    }

    private static func reference(_ name: String) -> JSONValue {
        .members([("$ref", .string("#/components/schemas/\(name)"))])
    }

    // MARK: Components

    private static let securitySchemes = JSONValue.literal(
        """
        {"bearer":{"type":"http","scheme":"bearer","description":"The admin token."},\
        "queryToken":{"type":"apiKey","in":"query","name":"token",\
        "description":"Only while admin.allow_query_token is on."},\
        "session":{"type":"apiKey","in":"cookie","name":"fastgate_session_PORT",\
        "description":"Of POST /admin/session. Requests that change something need x-fastgate-dashboard too."}}
        """)

    private static func schemas() -> JSONValue {
        var schemas = JSONObject()
        for shape in [
            ObjectShape.newKey, .keyPatch, .route, .routeReplacement, .routePatch, .matchRequest, .signIn, .provider,
            .providerPatch,
            .newProviderKey, .providerKeyPatch, .masterKeyRotation, .masterKeyReplacement, .alias, .aliasPatch, .price,
        ] {
            schemas[shape.name] = schema(of: shape)
        }
        schemas["Key"] = .literal(KeyJSON.schema)
        schemas["Route"] = routeSchema()
        schemas["Provider"] = providerSchema()
        for name in ["Provider", "Model", "Alias", "Price"] { schemas[name + "List"] = list(of: name) }
        schemas["Log"] = logSchema(LogField.allCases)
        schemas["LogItem"] = logSchema(LogField.withoutBodies)
        schemas["KeyList"] = list(of: "Key")
        schemas["RouteList"] = list(of: "Route")
        schemas["LogList"] = list(
            of: "LogItem",
            more: [
                (
                    "total_is_exact",
                    .literal(#"{"type":"boolean","description":"false if there may be more."}"#)
                ),
                (
                    "searched_up_to",
                    .literal(
                        """
                        {"type":["string","null"],"format":"date-time","description":"Where the search stopped before \
                        the page was full; next_cursor goes on from there."}
                        """)
                ),
                ("next_cursor", .literal(#"{"type":["string","null"],"description":"null on the last page."}"#)),
            ])
        for (name, text) in OpenAPISchemas.all { schemas[name] = .literal(text) }
        return .object(schemas)
    }

    private static func schema(of shape: ObjectShape) -> JSONValue {
        let required = shape.fields.filter(\.isRequired).map(\.name)
        var schema = JSONObject([
            ("type", "object"), ("description", .string(shape.description)),
            (
                "properties",
                .members(
                    shape.fields.map { ($0.name, described($0.schema, $0.description)) }
                        + shape.ignored.map { ($0, described("{}", "As answers have it; ignored.")) })
            ),
            ("additionalProperties", false),
        ])
        if !required.isEmpty { schema["required"] = .strings(required) }
        if !shape.exclusive.isEmpty {
            let given = JSONValue.literal(#"{"not":{"type":"null"}}"#)
            schema["not"] = .members([
                ("required", .strings(shape.exclusive)),
                ("properties", .members(shape.exclusive.map { ($0, given) })),
            ])
        }
        return .object(schema)
    }

    private static func described(_ schema: String, _ description: String) -> JSONValue {
        var object = JSONValue.literal(schema).objectValue ?? JSONObject()
        object["description"] = .string(description)
        return .object(object)
    }

    /// A route as it is shown: what may be sent, and the times.
    private static func routeSchema() -> JSONValue {
        let time = #"{"type":"string","format":"date-time"}"#
        var properties = ObjectShape.route.fields.map { ($0.name, described($0.schema, $0.description)) }
        properties += [("created_at", .literal(time)), ("updated_at", .literal(time))]
        return .members([
            ("type", "object"), ("required", .strings(properties.map(\.0))), ("properties", .members(properties)),
        ])
    }

    /// A provider as it is shown: what may be sent, and how it is.
    private static func providerSchema() -> JSONValue {
        let time = JSONValue.literal(#"{"type":"string","format":"date-time"}"#)
        var properties = ObjectShape.provider.fields.map { ($0.name, described($0.schema, $0.description)) }
        properties += [
            ("created_at", time), ("updated_at", time),
            (
                "discovered_models",
                .literal(#"{"type":"array","items":{"type":"string"},"description":"What it said last when asked."}"#)
            ), ("discovered_at", .literal(#"{"type":["string","null"],"format":"date-time"}"#)),
            ("keys", .literal(ProviderJSON.keyCountsSchema)), ("health", .literal(ProviderJSON.healthSchema)),
        ]
        return .members([
            ("type", "object"), ("required", .strings(properties.map(\.0))), ("properties", .members(properties)),
        ])
    }

    private static func logSchema(_ fields: [LogField]) -> JSONValue {
        .members([
            ("type", "object"), ("required", .strings(fields.map(\.rawValue))),
            ("properties", .members(fields.map { ($0.rawValue, .literal($0.schema)) })),
        ])
    }

    private static func list(of name: String, more: [(String, JSONValue)] = []) -> JSONValue {
        let integer = JSONValue.literal(#"{"type":"integer"}"#)
        let properties: [(String, JSONValue)] =
            [
                ("items", .members([("type", "array"), ("items", reference(name))])), ("total", integer),
                ("limit", integer), ("offset", integer),
            ] + more
        return .members([
            ("type", "object"), ("required", .strings(properties.map(\.0))), ("properties", .members(properties)),
        ])
    }
}

/// Schemas of answers that have no table of their own.
enum OpenAPISchemas {
    static let all: [(String, String)] = [
        ("Error", error), ("MatchResult", matchResult), ("ProbeResult", probeResult), ("Metrics", metrics),
        ("MetricsSeries", series), ("LogDetail", logDetail), ("ProviderKey", ProviderKeyJSON.schema),
        ("ProviderKeyList", providerKeyList), ("MasterKey", MasterKeyJSON.schema),
        ("KeyTestResult", ProviderKeyProbe.schema),
        ("Model", ModelCatalogue.schema), ("Alias", AliasJSON.schema), ("Price", PriceJSON.schema),
        ("PriceFile", priceFile), ("PriceImport", priceImport), ("UsageTotals", UsageJSON.totalsSchema),
        ("UsageReport", UsageJSON.reportSchema), ("UsageRecord", UsageJSON.recordSchema),
        ("UsageRecordDetail", UsageJSON.detailSchema), ("UsageRecordList", UsageJSON.pageSchema),
        ("UsageSummary", AdminAPI.usageSummarySchema), ("ModelsDistribution", AdminAPI.modelsDistributionSchema),
    ]

    static let logDetail = """
        {"allOf":[\(Endpoint.reference("Log")),{"type":"object","required":["usage_url"],"properties":{"usage_url":\
        {"type":["string","null"],"description":"What the exchange has used; null if no provider served it."}}}]}
        """

    static let providerKeyList = """
        {"type":"object","required":["items","total"],"properties":{"items":{"type":"array",\
        "items":\(Endpoint.reference("ProviderKey"))},"total":{"type":"integer"}}}
        """

    static let priceFile = """
        {"type":"object","description":"LiteLLM's model_prices_and_context_window.json: a model's name to what is known \
        of it, with prices a token in US dollars.","additionalProperties":{"type":"object"}}
        """

    static let priceImport = """
        {"type":"object","required":["added","changed","unchanged","kept","skipped"],"properties":{\
        "added":{"type":"integer"},"changed":{"type":"integer"},"unchanged":{"type":"integer"},\
        "kept":{"type":"integer","description":"Set by hand and left alone."},\
        "skipped":{"type":"integer","description":"Without a price that can be reckoned with."}}}
        """

    static let error = """
        {"type":"object","required":["error"],"properties":{"error":{"type":"object",\
        "required":["message","type","code","param"],"properties":{"message":{"type":"string"},\
        "type":{"type":"string"},"code":{"type":"string"},"param":{"type":["string","null"],\
        "description":"The field or parameter at fault."}}}}}
        """

    static let matchResult = """
        {"type":"object","required":["matched","route_id","route_name","target_url","error","candidates",\
        "provider"],\
        "properties":{"matched":{"type":"boolean"},"route_id":{"type":["string","null"]},\
        "route_name":{"type":["string","null"]},"target_url":{"type":["string","null"]},\
        "error":{"type":["string","null"],"description":"Why the request would be refused before routing."},\
        "candidates":{"type":"array","items":{"type":"object",\
        "required":["route_id","route_name","matched","reason"],"properties":{"route_id":{"type":"string"},\
        "route_name":{"type":"string"},"matched":{"type":"boolean"},"reason":{"type":"string"}}}},\
        "provider":{"type":["object","null"],"description":"Which provider takes it; null if a route does, or none is \
        asked.","required":["model","alias","rule","error","candidates"],"properties":{"model":{"type":"string"},\
        "alias":{"type":"boolean"},"rule":{"type":"string","description":"What decides; empty if nobody can."},\
        "error":{"type":["string","null"],"description":"Why it would be refused."},\
        "candidates":{"type":"array","items":{"type":"object",\
        "required":["provider","model","group","usable","share","reason","back_at"],"properties":{\
        "provider":{"type":"string"},"model":{"type":["string","null"]},\
        "group":{"type":["integer","null"],"description":"Groups are tried in order; null: not a candidate."},\
        "usable":{"type":"boolean"},"share":{"type":"number","description":"Of such requests, now; of 1."},\
        "reason":{"type":"string"},"back_at":{"type":["string","null"],"format":"date-time",\
        "description":"When it can be used again, where time helps."}}}}}}}}
        """

    static let probeResult = """
        {"type":"object","required":["ok","resolved","connect_ms","tls","status","first_byte_ms","error"],\
        "properties":{"ok":{"type":"boolean"},"resolved":{"type":"array","items":{"type":"string"},\
        "description":"Addresses of the target."},"connect_ms":{"type":["number","null"]},\
        "tls":{"type":["boolean","null"],"description":"Whether the handshake succeeded; null for http."},\
        "status":{"type":["integer","null"]},"first_byte_ms":{"type":["number","null"]},\
        "error":{"type":["string","null"]}}}
        """

    private static let latency = """
        "p50_ms":{"type":"number"},"p90_ms":{"type":"number"},"p95_ms":{"type":"number"},"p99_ms":{"type":"number"}
        """

    static let metrics = """
        {"type":"object","required":["total_requests","total_errors","success_rate","avg_response_time",\
        "avg_first_byte_ms","active_api_keys","active_routes","last_hour_requests","top_paths","status_codes"],\
        "properties":{"total_requests":{"type":"integer"},"total_errors":{"type":"integer"},\
        "success_rate":{"type":"number","description":"Of 1."},"in_flight_requests":{"type":"integer"},\
        "stream_requests":{"type":"integer"},"last_hour_requests":{"type":"integer"},\
        "avg_response_time":{"type":"number","description":"Milliseconds."},"avg_first_byte_ms":{"type":"number"},\
        \(latency),"request_bytes":{"type":"integer"},"response_bytes":{"type":"integer"},\
        "active_api_keys":{"type":"integer"},"active_routes":{"type":"integer"},\
        "open_client_connections":{"type":"integer"},"open_upstream_connections":{"type":"integer"},\
        "active_streams":{"type":"integer"},"status_codes":{"type":"object","additionalProperties":\
        {"type":"integer"}},"top_paths":{"type":"array","description":"Of the last 24 hours.","items":\
        {"type":"object","properties":{"path":{"type":"string"},"count":{"type":"integer"}}}},\
        "top_sources":{"type":"array","items":{"type":"object","properties":{"source_path":{"type":"string"},\
        "count":{"type":"integer"}}}}}}
        """

    static let series = """
        {"type":"object","required":["items","total"],"properties":{"total":{"type":"integer"},"items":\
        {"type":"array","items":{"type":"object","required":["time","requests","errors"],"properties":\
        {"time":{"type":"string","format":"date-time","description":"When the step begins."},\
        "requests":{"type":"integer"},"errors":{"type":"integer"},"success_rate":{"type":"number"},\
        "streams":{"type":"integer"},"avg_response_time":{"type":"number"},"avg_first_byte_ms":{"type":"number"},\
        \(latency),"request_bytes":{"type":"integer"},"response_bytes":{"type":"integer"}}}}}}
        """
}
