import Proxy

/// What `GET /metrics` shows of providers: tokens, money, health, and OpenTelemetry's names for generative AI.
enum ProviderMetricsText {
    static func write(_ metrics: GatewayMetrics, _ out: inout PrometheusText) {
        tokens(metrics.models, &out)
        out.family(
            "fastgate_usage_records_dropped_total", .counter,
            "Records of usage for which there was no room: sums and budgets in the database lack them.")
        out.sample("fastgate_usage_records_dropped_total", metrics.usageDropped)
        health(metrics.providers, &out)
        conventions(metrics.models, &out)
    }

    /// One provider's model, over all operations (and currencies).
    private struct Name: Hashable {
        var provider: String
        var model: String

        init(_ metrics: ModelMetrics) {
            provider = metrics.provider
            model = metrics.model
        }
    }

    private static func tokens(_ models: [ModelMetrics], _ out: inout PrometheusText) {
        var names: [Name] = []
        var sums: [Name: [(String, UInt64)]] = [:]
        var costs: [Name: [(String, UInt64)]] = [:]
        var unpriced: [Name: UInt64] = [:]
        for entry in models {
            let name = Name(entry)
            if sums[name] == nil { names.append(name) }
            add(entry.tokens.map { ($0.type, $0.count) }, to: &sums[name, default: []])
            // Where nothing was priced yet it is not known what was spent: that is no 0.
            if entry.inputTokens.count > entry.unpriced {
                add([(entry.currency, entry.costMicros)], to: &costs[name, default: []])
            }
            unpriced[name, default: 0] += entry.unpriced
        }
        out.family(
            "fastgate_tokens_total", .counter, "Tokens by provider, model and type; prompt holds the cached ones.")
        for name in names {
            for (type, count) in sums[name] ?? [] {
                let labels = [("provider", name.provider), ("model", name.model), ("type", type)]
                out.sample("fastgate_tokens_total", labels: labels, count)
            }
        }
        out.family("fastgate_cost_micros_total", .counter, "What was spent, in millionths of the currency's unit.")
        for name in names {
            for (currency, micros) in costs[name] ?? [] {
                let labels = [("provider", name.provider), ("model", name.model), ("currency", currency)]
                out.sample("fastgate_cost_micros_total", labels: labels, micros)
            }
        }
        out.family("fastgate_unpriced_requests_total", .counter, "Exchanges whose cost is unknown: no price is set.")
        for name in names {
            let labels = [("provider", name.provider), ("model", name.model)]
            out.sample("fastgate_unpriced_requests_total", labels: labels, unpriced[name] ?? 0)
        }
    }

    private static func add<Key: Equatable>(_ new: [(Key, UInt64)], to sums: inout [(Key, UInt64)]) {
        for (key, count) in new {
            if let index = sums.firstIndex(where: { $0.0 == key }) {
                sums[index].1 += count
            } else {
                sums.append((key, count))
            }
        }
    }

    private static func health(_ providers: [ProviderStatus], _ out: inout PrometheusText) {
        out.family("fastgate_provider_up", .gauge, "1: enabled, its breaker not open, and with a usable key.")
        for provider in providers {
            out.sample("fastgate_provider_up", labels: [("provider", provider.name)], provider.isUp ? 1 : 0)
        }
        out.family("fastgate_provider_key_state", .gauge, "0: ok, 1: cooling after a rate limit, 2: disabled.")
        for provider in providers {
            for key in provider.keys {
                let state = ["ok": 0, "cooling": 1][key.state] ?? 2
                let labels = [("provider", provider.name), ("key", key.keyID)]
                out.sample("fastgate_provider_key_state", labels: labels, state)
            }
        }
        out.family("fastgate_provider_open_exchanges", .gauge, "Exchanges that are open at a provider.")
        for provider in providers {
            out.sample(
                "fastgate_provider_open_exchanges", labels: [("provider", provider.name)], provider.openExchanges)
        }
    }

    /// The semantic conventions' names, as Prometheus writes them. A model whose price has changed its currency is one here.
    private static func conventions(_ models: [ModelMetrics], _ out: inout PrometheusText) {
        let usage = "gen_ai_client_token_usage"
        out.family(usage, .histogram, "Tokens of an exchange, input and output.")
        let models = merged(models)
        for entry in models {
            for (type, histogram) in [("input", entry.inputTokens), ("output", entry.outputTokens)] {
                self.histogram(usage, labels(entry) + [("gen_ai_token_type", type)], histogram, &out)
            }
        }
        let first = "gen_ai_server_time_to_first_token"
        out.family(first, .histogram, "Seconds from a request to the provider to the first byte of its answer.")
        for entry in models { histogram(first, labels(entry), entry.timeToFirstToken, &out) }
    }

    private static func merged(_ models: [ModelMetrics]) -> [ModelMetrics] {
        var result: [ModelMetrics] = []
        for entry in models {
            let same = result.firstIndex {
                Name($0) == Name(entry) && $0.operation == entry.operation
            }
            guard let same else {
                result.append(entry)
                continue
            }
            result[same].inputTokens.add(entry.inputTokens)
            result[same].outputTokens.add(entry.outputTokens)
            result[same].timeToFirstToken.add(entry.timeToFirstToken)
        }
        return result
    }

    private static func labels(_ entry: ModelMetrics) -> [(String, String)] {
        [
            ("gen_ai_operation_name", entry.operation), ("gen_ai_provider_name", entry.provider),
            ("gen_ai_request_model", entry.model),
        ]
    }

    private static func histogram(
        _ name: String, _ labels: [(String, String)], _ histogram: Histogram, _ out: inout PrometheusText
    ) {
        out.histogram(
            name, labels, boundsSeconds: histogram.bucketsSeconds, counts: histogram.counts, sum: histogram.sum,
            count: histogram.count)
    }
}

extension Histogram {
    /// Adds another one with the same bounds.
    fileprivate mutating func add(_ other: Histogram) {
        for index in counts.indices where index < other.counts.count { counts[index] += other.counts[index] }
        sum += other.sum
        count += other.count
    }
}
