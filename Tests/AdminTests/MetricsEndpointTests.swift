import JSON
import Reactor
import Testing

@testable import Admin

@Suite struct MetricsEndpointTests {
    private let bed: TestBed
    private let context: HandlerContext

    init() throws {
        bed = try TestBed()
        context = try bed.context()
    }

    private func fill() {
        let now = Clock.realtimeNanoseconds() / 1_000_000
        bed.store(4, firstMilliseconds: now - 4) { index in
            var exchange = TestExchange()
            exchange.path = index == 0 ? "/v1/models?x=1" : "/v1/chat/completions"
            exchange.status = index == 3 ? 502 : 200
            exchange.isStream = index == 1
            return exchange
        }
    }

    @Test func totals() throws {
        fill()
        _ = try context.send("POST", "/admin/keys", #"{"source_path":"a"}"#)
        _ = try context.send("POST", "/admin/routes", #"{"match_path":"/a","target_host":"h:1"}"#)
        bed.gateway.state.withLock { $0.metrics.activeStreams = 3 }
        let answer = try context.send("GET", "/admin/metrics")
        #expect(answer.status == 200)
        let expected = try JSONValue(
            parsing: """
                {"total_requests":4,"total_errors":1,"success_rate":0.75,"in_flight_requests":0,"stream_requests":1,\
                "last_hour_requests":4,"avg_response_time":12.5,"avg_first_byte_ms":5,"request_bytes":400,\
                "response_bytes":800,"active_api_keys":1,"active_routes":1,"active_streams":3,\
                "status_codes":{"200":3,"502":1},"top_paths":[{"path":"/v1/chat/completions","count":3},\
                {"path":"/v1/models","count":1}],"top_sources":[{"source_path":"team-a","count":4}]}
                """)
        for member in try #require(expected.objectValue) {
            #expect(answer.body[member.name] == member.value, "\(member.name)")
        }
        for name in ["p50_ms", "p90_ms", "p95_ms", "p99_ms"] {
            let value = try #require(answer.body[name]?.doubleValue)
            #expect(abs(value - 12.5) < 12.5 * 0.07, "\(name)")
        }
    }

    @Test func seriesHaveAPointForEveryStep() throws {
        fill()
        for (path, count) in [
            ("/admin/metrics/hourly", 24), ("/admin/metrics/hourly?hours=2", 2), ("/admin/metrics/daily", 7),
            ("/admin/metrics/daily?days=30", 30),
        ] {
            let answer = try context.send("GET", path)
            #expect(answer.body.objectValue?.names == ["items", "total"])
            #expect(answer.body["total"]?.intValue == count)
            let items = try #require(answer.body["items"]?.arrayValue)
            #expect(items.count == count)
            #expect(
                items[0].objectValue?.names == [
                    "time", "requests", "errors", "success_rate", "streams", "avg_response_time", "avg_first_byte_ms",
                    "p50_ms", "p90_ms", "p95_ms", "p99_ms", "request_bytes", "response_bytes",
                ])
            // The step may have changed between the exchanges and now.
            #expect(items.reduce(0) { $0 + ($1["requests"]?.intValue ?? 0) } == 4)
            #expect(items.reduce(0) { $0 + ($1["errors"]?.intValue ?? 0) } == 1)
            let times = items.compactMap { $0["time"]?.stringValue }
            #expect(times == times.sorted())
            #expect(times.allSatisfy { $0.hasSuffix(":00:00.000+08:00") })
        }
        for (query, param) in [("hourly?hours=0", "hours"), ("hourly?hours=9999", "hours"), ("daily?days=x", "days")] {
            let answer = try context.send("GET", "/admin/metrics/" + query)
            #expect(answer.status == 400)
            #expect(answer.body["error"]?["param"]?.stringValue == param)
        }
    }

    @Test func nothingHasHappenedYet() throws {
        let answer = try context.send("GET", "/admin/metrics")
        #expect(answer.body["total_requests"] == 0)
        #expect(answer.body["success_rate"] == 1)
        #expect(answer.body["top_paths"] == [])
        #expect(answer.body["status_codes"] == .object(JSONObject()))
    }

    @Test func theConfigurationHidesSecrets() throws {
        bed.settings.security.adminToken = "very-secret-token"
        let answer = try bed.context().send("GET", "/admin/config")
        #expect(answer.status == 200)
        let sections = [
            "app", "admin", "database", "security", "rate_limiting", "logging", "proxy", "providers", "audit", "cors",
            "tls", "upstream_tls", "limits",
        ]
        #expect(answer.body.objectValue?.names == sections)
        #expect(!answer.body.serialized().contains("very-secret"))
        #expect(answer.body["app"]?["timezone"] == "+08:00")
    }

    @Test func thePrometheusTextIsServed() throws {
        let answer = try context.send("GET", "/metrics")
        #expect(answer.response.headers == [HeaderLine("content-type", "text/plain; version=0.0.4; charset=utf-8")])
        #expect(try context.send("GET", "/openapi.json").body["openapi"] == "3.1.0")
    }
}
