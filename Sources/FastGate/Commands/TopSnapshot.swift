import JSON

/// What `fastgate top` reads in one look.
struct TopSample {
    struct Histogram: Equatable {
        /// Upper bounds in seconds, the last one infinite, and how many are at or below each.
        var buckets: [(bound: Double, count: Double)] = []

        static func == (a: Histogram, b: Histogram) -> Bool {
            a.buckets.elementsEqual(b.buckets) { $0.bound == $1.bound && $0.count == $1.count }
        }

        /// What came between an earlier look and this one.
        func since(_ earlier: Histogram?) -> Histogram {
            guard let earlier, earlier.buckets.count == buckets.count else { return self }
            return Histogram(
                buckets: zip(buckets, earlier.buckets).map { ($0.bound, max(0, $0.count - $1.count)) })
        }

        var count: Double { buckets.last?.count ?? 0 }

        /// The bound below which a share lies, interpolated within its bucket; nil if there is nothing.
        func quantile(_ share: Double) -> Double? {
            guard count > 0 else { return nil }
            let rank = share * count
            var below = (bound: 0.0, count: 0.0)
            for bucket in buckets {
                if bucket.count >= rank {
                    // Of the last one only the lower bound is known.
                    guard bucket.bound.isFinite, bucket.count > below.count else { return below.bound }
                    return below.bound
                        + (bucket.bound - below.bound) * (rank - below.count) / (bucket.count - below.count)
                }
                below = bucket
            }
            return below.bound
        }
    }

    struct Route: Equatable {
        var requests = 0.0
        /// With a status from 500 up.
        var failures = 0.0
        /// With a status from 400 to 499.
        var refusals = 0.0
        var upstreamErrors = 0.0
        var retries = 0.0
        var duration = Histogram()
    }

    var timeNanoseconds: UInt64 = 0
    var routes: [String: Route] = [:]
    var firstByte = Histogram()
    var rateLimited = 0.0
    var values: [String: Double] = [:]
    var keys: [JSONValue] = []
    var routeNames: [String: String] = [:]
    var metrics = JSONValue.null

    /// Takes in the text of `/metrics`.
    mutating func read(prometheus text: String) {
        for line in text.split(separator: "\n") {
            guard let sample = PrometheusSample(line) else { continue }
            let route = sample.labels["route"] ?? ""
            switch sample.name {
            case "fastgate_requests_total":
                routes[route, default: Route()].requests += sample.value
                let code = Int(sample.labels["code"] ?? "") ?? 0
                if code >= 500 || code == 0 { routes[route, default: Route()].failures += sample.value }
                if (400..<500).contains(code) { routes[route, default: Route()].refusals += sample.value }
            case "fastgate_request_duration_seconds_bucket":
                routes[route, default: Route()].duration.buckets.append((sample.bound, sample.value))
            case "fastgate_first_byte_seconds_bucket": firstByte.buckets.append((sample.bound, sample.value))
            case "fastgate_upstream_errors_total": routes[route, default: Route()].upstreamErrors += sample.value
            case "fastgate_retries_total": routes[route, default: Route()].retries += sample.value
            default:
                let side = sample.labels["side"].map { "{\($0)}" } ?? ""
                if sample.labels.isEmpty || !side.isEmpty { values[sample.name + side] = sample.value }
            }
        }
    }

    /// All routes together.
    var total: Route {
        routes.values.reduce(into: Route()) { sum, route in
            sum.requests += route.requests
            sum.failures += route.failures
            sum.refusals += route.refusals
            sum.upstreamErrors += route.upstreamErrors
            sum.retries += route.retries
            if sum.duration.buckets.isEmpty {
                sum.duration = route.duration
            } else if sum.duration.buckets.count == route.duration.buckets.count {
                for index in sum.duration.buckets.indices {
                    sum.duration.buckets[index].count += route.duration.buckets[index].count
                }
            }
        }
    }
}

/// One line of the Prometheus text format: `name{label="value"} 1`.
struct PrometheusSample {
    let name: String
    let labels: [String: String]
    let value: Double

    /// Nil for comments and what is malformed.
    init?(_ line: Substring) {
        guard line.first != "#", let blank = line.lastIndex(of: " "),
            let value = Double(line[line.index(after: blank)...])
        else { return nil }
        self.value = value
        let series = line[..<blank]
        guard let brace = series.firstIndex(of: "{"), series.last == "}" else {
            name = String(series)
            labels = [:]
            return
        }
        name = String(series[..<brace])
        var labels: [String: String] = [:]
        var rest = series[series.index(after: brace)...].dropLast()
        while let equals = rest.firstIndex(of: "=") {
            let label = String(rest[..<equals])
            rest = rest[rest.index(after: equals)...]
            guard rest.popFirst() == "\"" else { return nil }
            var text = ""
            while let character = rest.popFirst(), character != "\"" {
                if character == "\\", let escaped = rest.popFirst() {
                    text.append(escaped == "n" ? "\n" : escaped)
                } else {
                    text.append(character)
                }
            }
            labels[label] = text
            if rest.first == "," { rest = rest.dropFirst() }
        }
        self.labels = labels
    }

    /// The label `le`.
    var bound: Double { labels["le"] == "+Inf" ? .infinity : Double(labels["le"] ?? "") ?? .infinity }
}
