import Proxy
import Reactor
import Store

/// What `GET /metrics` shows.
enum GatewayMetricsText {
    static func write(
        gateway: GatewayMetrics, writer: WriterStatistics, version: String, process: ProcessStatistics,
        masterKeyIsReady: Bool = true
    ) -> String {
        var out = PrometheusText()
        requests(gateway, &out)
        connections(gateway, &out)
        ProviderMetricsText.write(gateway, &out)
        audit(gateway, writer, &out)
        out.family("fastgate_master_key_ready", .gauge, "0: the providers' keys cannot be read.")
        out.sample("fastgate_master_key_ready", masterKeyIsReady ? 1 : 0)
        out.family("fastgate_build_info", .gauge, "Always 1; the labels name the build.")
        out.sample("fastgate_build_info", labels: [("version", version)], 1)
        self.process(process, &out)
        return out.text
    }

    private static func requests(_ gateway: GatewayMetrics, _ out: inout PrometheusText) {
        out.family("fastgate_requests_total", .counter, "Finished requests by route, method and status.")
        for entry in gateway.requestsTotal {
            let labels = [("route", entry.route), ("method", entry.method), ("code", String(entry.code))]
            out.sample("fastgate_requests_total", labels: labels, entry.count)
        }
        let duration = "fastgate_request_duration_seconds"
        out.family(duration, .histogram, "From the request's head to the response's last byte, by route.")
        for entry in gateway.durationHistograms {
            out.histogram(
                duration, [("route", entry.route)], boundsSeconds: entry.bucketsSeconds, counts: entry.counts,
                sum: entry.sum, count: entry.count)
        }
        for (name, histogram, help) in [
            ("fastgate_first_byte_seconds", gateway.firstByteHistogram, "From the request's head to the first byte."),
            (
                "fastgate_gateway_overhead_seconds", gateway.overheadHistogram,
                "What the gateway added up to the first byte; one exchange in 16."
            ),
        ] {
            out.family(name, .histogram, help)
            out.histogram(
                name, boundsSeconds: histogram.bucketsSeconds, counts: histogram.counts, sum: histogram.sum,
                count: histogram.count)
        }
        out.family("fastgate_upstream_errors_total", .counter, "Failures of targets by route and reason.")
        for entry in gateway.upstreamErrors {
            let labels = [("route", entry.route), ("reason", entry.reason)]
            out.sample("fastgate_upstream_errors_total", labels: labels, entry.count)
        }
        out.family("fastgate_retries_total", .counter, "Further attempts by route.")
        for entry in gateway.retries {
            out.sample("fastgate_retries_total", labels: [("route", entry.route)], entry.count)
        }
        out.family(
            "fastgate_resent_requests_total", .counter,
            "Requests sent again at once, as the kept-alive connection they went out on had been closed.")
        for (idempotent, count) in [("yes", gateway.resentIdempotent), ("no", gateway.resentOther)] {
            out.sample("fastgate_resent_requests_total", labels: [("idempotent", idempotent)], count)
        }
        out.family("fastgate_rate_limited_total", .counter, "Requests refused by a rate limit.")
        out.sample("fastgate_rate_limited_total", gateway.rateLimited)
    }

    private static func connections(_ gateway: GatewayMetrics, _ out: inout PrometheusText) {
        out.family("fastgate_open_connections", .gauge, "Open connections by side.")
        out.sample("fastgate_open_connections", labels: [("side", "client")], gateway.openConnectionsClient)
        out.sample("fastgate_open_connections", labels: [("side", "upstream")], gateway.openConnectionsUpstream)
        out.family("fastgate_connections_limit", .gauge, "Client connections that are taken at most.")
        out.sample("fastgate_connections_limit", gateway.connectionLimit)
        out.family("fastgate_limits_met_total", .counter, "Times a limit turned somebody away or made them wait.")
        for entry in gateway.limitsMet {
            out.sample("fastgate_limits_met_total", labels: [("limit", entry.limit)], entry.count)
        }
        out.family("fastgate_buffered_bytes", .gauge, "Memory of buffers in use.")
        out.sample("fastgate_buffered_bytes", gateway.bufferedBytes)
        out.family(
            "fastgate_upstream_unsolicited_total", .counter, "Idle upstream connections that spoke unasked.")
        out.sample("fastgate_upstream_unsolicited_total", gateway.unsolicitedResponses)
        out.family("fastgate_active_streams", .gauge, "Streams being relayed.")
        out.sample("fastgate_active_streams", gateway.activeStreams)
    }

    private static func process(_ process: ProcessStatistics, _ out: inout PrometheusText) {
        func gauge(_ name: String, _ help: String, _ value: Double?) {
            guard let value else { return }
            out.family(name, .gauge, help)
            out.sample(name, value)
        }
        if let seconds = process.cpuSeconds {
            out.family("process_cpu_seconds_total", .counter, "User and system CPU time.")
            out.sample("process_cpu_seconds_total", seconds)
        }
        gauge("process_resident_memory_bytes", "Resident memory.", process.residentBytes.map(Double.init))
        gauge("process_virtual_memory_bytes", "Virtual memory.", process.virtualBytes.map(Double.init))
        gauge("process_start_time_seconds", "Start of the process, Unix time.", process.startTimeSeconds)
        gauge("process_threads", "Threads.", process.threads.map(Double.init))
        gauge("process_open_fds", "Open file descriptors.", process.openFileDescriptors.map(Double.init))
        gauge("process_max_fds", "Limit of open file descriptors.", process.maxFileDescriptors.map { Double($0) })
    }

    private static func audit(_ gateway: GatewayMetrics, _ writer: WriterStatistics, _ out: inout PrometheusText) {
        let events = AuditAccount(gateway, writer)
        out.family(
            "fastgate_audit_events_total", .counter,
            "Audit events by what became of them: accepted = committed + dropped + fastgate_audit_events_pending.")
        for (result, count) in [
            ("accepted", events.accepted), ("committed", events.committed), ("dropped", events.dropped),
        ] {
            out.sample("fastgate_audit_events_total", labels: [("result", result)], count)
        }
        out.family("fastgate_audit_events_pending", .gauge, "Audit events on their way into the database.")
        out.sample("fastgate_audit_events_pending", events.pending)
        out.family(
            "fastgate_audit_recovered_events_total", .counter,
            "Audit events that a process before this one left behind, written at the start.")
        out.sample("fastgate_audit_recovered_events_total", writer.recoveredEvents)
        out.family(
            "fastgate_usage_recovered_records_total", .counter,
            "Usage records of exchanges that a process had under way with a provider when it died.")
        out.sample("fastgate_usage_recovered_records_total", writer.recoveredUsageRecords)
        out.family("fastgate_audit_faulty_records_total", .counter, "Audit records that were damaged or refused.")
        for (reason, count) in [("corrupt", writer.corruptRecords), ("rejected", writer.rejectedRecords)] {
            out.sample("fastgate_audit_faulty_records_total", labels: [("reason", reason)], count)
        }
        out.family("fastgate_audit_ring_used_bytes", .gauge, "Bytes in the rings that are not in the database yet.")
        out.sample("fastgate_audit_ring_used_bytes", gateway.ringUsedBytes)
        let flush = "fastgate_audit_flush_seconds"
        out.family(flush, .summary, "Time spent writing batches to the database.")
        out.sample(flush + "_sum", Double(writer.totalFlushNanoseconds) / 1e9)
        out.sample(flush + "_count", writer.flushes)
        out.family("fastgate_audit_last_flush_seconds", .gauge, "Time that the last batch took.")
        out.sample("fastgate_audit_last_flush_seconds", Double(writer.lastFlushNanoseconds) / 1e9)
        out.family("fastgate_audit_flush_failures_total", .counter, "Batches that failed and were tried again.")
        out.sample("fastgate_audit_flush_failures_total", writer.failures)
        out.family("fastgate_audit_healthy", .gauge, "0 from a failed batch to the next one that succeeds.")
        out.sample("fastgate_audit_healthy", writer.isHealthy ? 1 : 0)
    }
}

/// Every event is in one of these places at any moment.
struct AuditAccount: Equatable {
    let accepted: Int
    let committed: Int
    let dropped: Int

    var pending: Int { accepted - committed - dropped }

    /// - Parameter writer: read before `gateway`.
    init(_ gateway: GatewayMetrics, _ writer: WriterStatistics) {
        committed = writer.committedEvents - writer.recoveredEvents
        dropped = Int(clamping: gateway.auditDropped) + writer.refusedEvents
        // A worker counts an event a moment after it is in the ring.
        accepted = max(Int(clamping: gateway.auditAccepted), committed + dropped)
    }
}
