import JSON
import Proxy
import Store

extension AdminAPI {
    static let metricsEndpoints: [Endpoint] = [
        Endpoint(
            method: "GET", path: "/admin/metrics", operationID: "getMetrics", tag: "metrics",
            summary: "Totals of the audit since it began, and what is open now.",
            answers: [.json("Totals.", schema: Endpoint.reference("Metrics"))],
            handler: .quick { (context, _) throws(AdminFailure) in
                let summary = try context.read { reader throws(StoreError) in try reader.metrics() }
                return .json(encode(summary, context.gateway.metrics()))
            }),
        Endpoint(
            method: "GET", path: "/admin/metrics/hourly", operationID: "getHourlyMetrics", tag: "metrics",
            summary: "One point an hour, oldest first; the last one is the current hour.",
            parameters: [
                .init("hours", #"{"type":"integer","minimum":1,"maximum":8784,"default":24}"#, "How many hours.")
            ],
            answers: [.json("The series.", schema: Endpoint.reference("MetricsSeries"))],
            failures: [400],
            handler: .quick { (context, request) throws(AdminFailure) in
                let hours = try QueryReader(request.query).int("hours", in: 1...8784) ?? 24
                let points = try context.read { reader throws(StoreError) in try reader.hourly(hours: hours) }
                return series(points, context)
            }),
        Endpoint(
            method: "GET", path: "/admin/metrics/daily", operationID: "getDailyMetrics", tag: "metrics",
            summary: "One point a day (in app.timezone), oldest first; the last one is today.",
            parameters: [
                .init("days", #"{"type":"integer","minimum":1,"maximum":3660,"default":7}"#, "How many days.")
            ],
            answers: [.json("The series.", schema: Endpoint.reference("MetricsSeries"))],
            failures: [400],
            handler: .quick { (context, request) throws(AdminFailure) in
                let days = try QueryReader(request.query).int("days", in: 1...3660) ?? 7
                let points = try context.read { reader throws(StoreError) in try reader.daily(days: days) }
                return series(points, context)
            }),
    ]

    private static func encode(_ summary: MetricsSummary, _ live: GatewayMetrics) -> JSONValue {
        let codes = summary.statusCodes.map { entry in
            (entry.code == 0 ? "none" : String(entry.code), JSONValue.integer(entry.count))
        }
        return .members(
            [
                ("total_requests", .integer(summary.totalRequests)),
                ("total_errors", .integer(summary.totalErrors)),
                ("success_rate", ratio(summary.successRate)),
                ("in_flight_requests", .integer(summary.inFlightRequests)),
                ("stream_requests", .integer(summary.streamRequests)),
                ("last_hour_requests", .integer(summary.lastHourRequests)),
                ("avg_response_time", .decimal(summary.averageResponseMilliseconds)),
                ("avg_first_byte_ms", .decimal(summary.averageFirstByteMilliseconds)),
            ] + latency(summary.latency) + [
                ("request_bytes", .integer(summary.requestBytes)),
                ("response_bytes", .integer(summary.responseBytes)),
                ("active_api_keys", .integer(summary.activeAPIKeys)),
                ("active_routes", .integer(summary.activeRoutes)),
                ("open_client_connections", .integer(live.openConnectionsClient)),
                ("open_upstream_connections", .integer(live.openConnectionsUpstream)),
                ("active_streams", .integer(live.activeStreams)),
                ("status_codes", .members(codes)),
                (
                    "top_paths",
                    .array(
                        summary.topPaths.map {
                            .members([("path", .string($0.path)), ("count", .integer($0.count))])
                        })
                ),
                (
                    "top_sources",
                    .array(
                        summary.topSources.map {
                            .members([("source_path", .string($0.sourcePath)), ("count", .integer($0.count))])
                        })
                ),
            ])
    }

    private static func series(_ points: [MetricsPoint], _ context: HandlerContext) -> AdminResponse {
        let items = points.map { point in
            JSONValue.members(
                [
                    ("time", .time(point.startMilliseconds, offsetMinutes: context.offsetMinutes)),
                    ("requests", .integer(point.requests)),
                    ("errors", .integer(point.errors)),
                    ("success_rate", ratio(point.successRate)),
                    ("streams", .integer(point.streams)),
                    ("avg_response_time", .decimal(point.averageResponseMilliseconds)),
                    ("avg_first_byte_ms", .decimal(point.averageFirstByteMilliseconds)),
                ] + latency(point.latency) + [
                    ("request_bytes", .integer(point.requestBytes)),
                    ("response_bytes", .integer(point.responseBytes)),
                ])
        }
        return .json(.members([("items", .array(items)), ("total", .integer(items.count))]))
    }

    private static func latency(_ latency: LatencyPercentiles) -> [(String, JSONValue)] {
        [
            ("p50_ms", .decimal(latency.p50Milliseconds)), ("p90_ms", .decimal(latency.p90Milliseconds)),
            ("p95_ms", .decimal(latency.p95Milliseconds)), ("p99_ms", .decimal(latency.p99Milliseconds)),
        ]
    }

    /// Of 1, with six digits: among a million requests one error must show.
    private static func ratio(_ value: Double) -> JSONValue {
        let rounded = (value * 1_000_000).rounded() / 1_000_000
        return rounded == rounded.rounded()
            ? .integer(Int(rounded)) : JSONNumber(rounded).map(JSONValue.number) ?? .null
    }
}
