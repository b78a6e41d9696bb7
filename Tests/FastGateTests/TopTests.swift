import JSON
import Testing

@testable import FastGate

@Suite struct TopTests {
    private static func text(requests: Int, failed: Int, fast: Int, slow: Int) -> String {
        """
        # HELP fastgate_requests_total Finished requests.
        fastgate_requests_total{route="a \\"b\\"",method="POST",code="200"} \(requests)
        fastgate_requests_total{route="a \\"b\\"",method="POST",code="502"} \(failed)
        fastgate_requests_total{route="none",method="GET",code="404"} 1
        fastgate_request_duration_seconds_bucket{route="a \\"b\\"",le="0.1"} \(fast)
        fastgate_request_duration_seconds_bucket{route="a \\"b\\"",le="1"} \(fast + slow)
        fastgate_request_duration_seconds_bucket{route="a \\"b\\"",le="+Inf"} \(fast + slow)
        fastgate_open_connections{side="client"} 7
        fastgate_active_streams 3
        nonsense
        """
    }

    private func sample(_ text: String, second: UInt64, used: Int) -> TopSample {
        var sample = TopSample()
        sample.read(prometheus: text)
        sample.timeNanoseconds = second * 1_000_000_000
        sample.keys = [
            ["key_id": "k1", "source_path": "team", "usage_count": .integer(used), "rate_limit": 60],
            ["key_id": "k2", "source_path": "idle", "usage_count": 0],
        ]
        return sample
    }

    @Test func samplesAreRead() throws {
        let sample = try #require(PrometheusSample(#"name{a="x,\"y\"\\",le="+Inf"} 1.5"#))
        #expect(sample.name == "name" && sample.labels["a"] == #"x,"y"\"# && sample.value == 1.5)
        #expect(sample.bound == .infinity)
        #expect(PrometheusSample("name 3")?.value == 3)
        for bad in ["# TYPE x counter", "", "name", "name x", "name{a=b} 1"] {
            #expect(PrometheusSample(bad[...]) == nil)
        }
    }

    @Test func ratesAndPercentilesComeFromTwoLooks() {
        let before = sample(Self.text(requests: 100, failed: 0, fast: 100, slow: 0), second: 10, used: 100)
        let now = sample(Self.text(requests: 118, failed: 2, fast: 110, slow: 10), second: 12, used: 120)
        let view = TopView(now: now, before: before, title: "top")
        let json = view.json
        #expect(json["requests_per_second"] == 10 && json["requests"] == 121)
        #expect(json["errors_5xx"] == 2 && json["errors_4xx"] == 1)
        #expect(json["p50_ms"]?.doubleValue == 100)
        #expect(json["p95_ms"]?.doubleValue.map { $0.rounded() } == 910)
        #expect(json["active_streams"] == 3 && json["open_client_connections"] == 7)
        #expect(json["keys"]?.arrayValue?.count == 1 && json["keys"]?[0]?["requests_per_second"] == 10)

        let lines = view.lines(size: (80, 24), style: .plain)
        #expect(lines.count <= 24 && lines.allSatisfy { TextWidth.of($0) <= 80 })
        let all = lines.joined(separator: "\n")
        #expect(all.contains("requests/s") && all.contains("a \"b\"") && all.contains("3 streams"))
        // Smaller than anything sensible.
        #expect(view.lines(size: (20, 5), style: .plain).count == 5)
    }

    @Test func theFirstLookHasNoRates() {
        let now = sample(Self.text(requests: 1, failed: 0, fast: 1, slow: 0), second: 1, used: 1)
        let view = TopView(now: now, before: nil, title: "top")
        #expect(view.json["requests_per_second"] == .null)
        #expect(view.lines(size: nil, style: .plain).joined().contains("requests/s"))
    }

    @Test func quantilesAreInterpolated() {
        let histogram = TopSample.Histogram(buckets: [(0.1, 50), (0.2, 100), (.infinity, 100)])
        #expect(histogram.quantile(0.25) == 0.05 && histogram.quantile(0.75).map { ($0 * 1000).rounded() } == 150)
        #expect(TopSample.Histogram(buckets: [(0.1, 0), (.infinity, 5)]).quantile(0.5) == 0.1)
        #expect(TopSample.Histogram().quantile(0.5) == nil)
    }
}
