/// Totals over the whole life of the database.
public struct MetricsSummary: Sendable, Equatable {
    /// Ended exchanges and those in flight. Rows that retention has deleted still count.
    public var totalRequests = 0
    /// A status of 400 and up, none at all, or an error message.
    public var totalErrors = 0
    public var inFlightRequests = 0
    public var streamRequests = 0
    /// Of 1; 1 when nothing has ended yet.
    public var successRate = 1.0
    public var averageResponseMilliseconds = 0.0
    public var averageFirstByteMilliseconds = 0.0
    public var latency = LatencyPercentiles()
    public var requestBytes = 0
    public var responseBytes = 0
    /// Active and not expired.
    public var activeAPIKeys = 0
    public var activeRoutes = 0
    public var lastHourRequests = 0
    /// Status code (0: ended without one) and how often, ascending by code.
    public var statusCodes: [(code: Int, count: Int)] = []
    /// Paths without their query, most frequent first, of the newest 2,000 rows of the last 24 hours.
    public var topPaths: [(path: String, count: Int)] = []
    /// Likewise for sources.
    public var topSources: [(sourcePath: String, count: Int)] = []

    public static func == (a: MetricsSummary, b: MetricsSummary) -> Bool { "\(a)" == "\(b)" }
}

/// Read from a histogram: off by 6 % at most.
public struct LatencyPercentiles: Sendable, Equatable {
    public var p50Milliseconds = 0.0
    public var p90Milliseconds = 0.0
    public var p95Milliseconds = 0.0
    public var p99Milliseconds = 0.0
}

/// One step of a series.
public struct MetricsPoint: Sendable, Equatable {
    /// When it starts.
    public var startMilliseconds: Int64
    public var requests = 0
    public var errors = 0
    public var streams = 0
    public var averageResponseMilliseconds = 0.0
    public var averageFirstByteMilliseconds = 0.0
    public var latency = LatencyPercentiles()
    public var requestBytes = 0
    public var responseBytes = 0

    /// Of 1.
    public var successRate: Double { requests == 0 ? 1 : Double(requests - errors) / Double(requests) }
}

/// Adds up rollup rows.
struct RollupSum {
    var requests = 0
    var errors = 0
    var streams = 0
    var responseMilliseconds = 0.0
    var firstByteMilliseconds = 0.0
    var firstByteRequests = 0
    var requestBytes = 0
    var responseBytes = 0
    private var histogram = [Int](repeating: 0, count: LatencyClass.count)

    /// Columns of a row, in `RollupSum.columns`' order.
    static let columns = """
        latency_class, is_error, requests, streams, response_ms, first_byte_ms, first_byte_requests, request_bytes,
        response_bytes
        """
    mutating func add(_ row: Statement) {
        let count = row.int(2)
        requests += count
        if row.bool(1) { errors += count }
        streams += row.int(3)
        responseMilliseconds += row.double(4)
        firstByteMilliseconds += row.double(5)
        firstByteRequests += row.int(6)
        requestBytes += row.int(7)
        responseBytes += row.int(8)
        histogram[min(max(row.int(0), 0), LatencyClass.count - 1)] += count
    }

    var averageResponseMilliseconds: Double { requests == 0 ? 0 : responseMilliseconds / Double(requests) }

    var averageFirstByteMilliseconds: Double {
        firstByteRequests == 0 ? 0 : firstByteMilliseconds / Double(firstByteRequests)
    }

    var latency: LatencyPercentiles {
        LatencyPercentiles(
            p50Milliseconds: percentile(0.50), p90Milliseconds: percentile(0.90), p95Milliseconds: percentile(0.95),
            p99Milliseconds: percentile(0.99))
    }

    /// The class that holds the nearest rank.
    private func percentile(_ fraction: Double) -> Double {
        guard requests > 0 else { return 0 }
        let rank = max(1, Int((Double(requests) * fraction).rounded(.up)))
        var seen = 0
        for (index, count) in histogram.enumerated() where count > 0 {
            seen += count
            if seen >= rank { return LatencyClass.milliseconds(index: index) }
        }
        return 0
    }
}
