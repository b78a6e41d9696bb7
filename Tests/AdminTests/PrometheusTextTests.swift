import Proxy
import Store
import Testing

@testable import Admin

@Suite struct PrometheusTextTests {
    @Test func writesFamiliesSamplesAndHistograms() {
        var out = PrometheusText()
        out.family("a_total", .counter, "Help.")
        out.sample("a_total", labels: [("path", "a\\b\"c\nd")], UInt64.max)
        out.family("h", .histogram, "Help.")
        out.histogram("h", [("r", "x")], boundsSeconds: [0.005, 1], counts: [2, 3, 4], sum: 1.5, count: 9)
        #expect(
            out.text == #"""
                # HELP a_total Help.
                # TYPE a_total counter
                a_total{path="a\\b\"c\nd"} 18446744073709551615
                # HELP h Help.
                # TYPE h histogram
                h_bucket{r="x",le="0.005"} 2
                h_bucket{r="x",le="1"} 5
                h_bucket{r="x",le="+Inf"} 9
                h_sum{r="x"} 1.5
                h_count{r="x"} 9

                """#)
    }

    @Test func hasEveryMetricOfTheContract() {
        var gateway = GatewayMetrics()
        gateway.requestsTotal = [.init(route: "chat", method: "POST", code: 200, count: 7)]
        gateway.durationHistograms = [
            .init(route: "chat", bucketsSeconds: [0.1], counts: [6, 1], sum: 1, count: 7)
        ]
        gateway.upstreamErrors = [.init(route: "chat", reason: "timeout", count: 2)]
        gateway.retries = [.init(route: "chat", count: 3)]
        gateway.rateLimited = 4
        gateway.openConnectionsClient = 5
        gateway.auditAccepted = 8
        var writer = WriterStatistics()
        writer.totalFlushNanoseconds = 2_500_000_000
        writer.flushes = 3
        writer.committedEvents = 9
        writer.recoveredEvents = 4
        writer.refusedEvents = 1
        let text = GatewayMetricsText.write(gateway: gateway, writer: writer, version: "1.2.3", process: .read())
        for line in [
            #"fastgate_requests_total{route="chat",method="POST",code="200"} 7"#,
            #"fastgate_request_duration_seconds_bucket{route="chat",le="0.1"} 6"#,
            #"fastgate_request_duration_seconds_bucket{route="chat",le="+Inf"} 7"#,
            "fastgate_first_byte_seconds_count 0", "fastgate_gateway_overhead_seconds_count 0",
            #"fastgate_open_connections{side="client"} 5"#, #"fastgate_open_connections{side="upstream"} 0"#,
            "fastgate_active_streams 0", #"fastgate_upstream_errors_total{route="chat",reason="timeout"} 2"#,
            #"fastgate_retries_total{route="chat"} 3"#, "fastgate_rate_limited_total 4",
            #"fastgate_audit_events_total{result="accepted"} 8"#,
            #"fastgate_audit_events_total{result="committed"} 5"#,
            #"fastgate_audit_events_total{result="dropped"} 1"#, "fastgate_audit_events_pending 2",
            "fastgate_audit_recovered_events_total 4", "fastgate_audit_ring_used_bytes 0",
            "fastgate_audit_flush_seconds_sum 2.5", "fastgate_audit_flush_seconds_count 3",
            #"fastgate_build_info{version="1.2.3"} 1"#,
        ] {
            #expect(text.contains("\n" + line + "\n"), "\(line)")
        }
        for name in [
            "process_cpu_seconds_total", "process_resident_memory_bytes", "process_virtual_memory_bytes",
            "process_start_time_seconds", "process_threads", "process_open_fds", "process_max_fds",
        ] {
            #expect(text.contains("\n\(name) "), "\(name)")
        }
        // Each family is declared once.
        let declared = text.split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }
        #expect(Set(declared).count == declared.count)
    }
}
