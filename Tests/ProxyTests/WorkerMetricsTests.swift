import HTTP
import Reactor
import Testing

@testable import Proxy

@Suite struct WorkerMetricsTests {
    private let labels: [Int32: String] = [0: "none", 1: "other", 2: "chat"]

    @Test func nothingYet() {
        let metrics = WorkerMetrics.collect([WorkerMetrics(), WorkerMetrics()], labels: labels)
        var expected = GatewayMetrics()
        expected.firstByteHistogram = metrics.firstByteHistogram
        expected.limitsMet = metrics.limitsMet
        #expect(metrics.limitsMet.allSatisfy { $0.count == 0 })
        expected.overheadHistogram = metrics.overheadHistogram
        #expect(metrics == expected)
        #expect(metrics.firstByteHistogram.count == 0 && metrics.overheadHistogram.count == 0)
        #expect(metrics.firstByteHistogram.counts.count == metrics.firstByteHistogram.bucketsSeconds.count + 1)
    }

    @Test func gaugesAreOpenedLessClosedOverAllWorkers() {
        let (a, b) = (WorkerMetrics(), WorkerMetrics())
        for _ in 0..<5 { a.clientOpened() }
        for _ in 0..<3 { b.clientOpened() }
        for _ in 0..<2 { a.clientClosed() }
        a.upstreamOpened()
        b.upstreamOpened()
        b.upstreamClosed()
        a.streamBegan()
        a.streamBegan()
        a.streamEnded()
        a.rateLimited()
        b.rateLimited()
        a.audit(accepted: 10)
        b.audit(accepted: 5)
        a.audit(dropped: 2)
        a.audit(completed: 3)
        a.auditedFirstByte()
        a.audit(waiting: 1)
        a.acceptPaused(.descriptors)
        b.acceptPaused(.connections)
        b.descriptorsMissed()
        b.addressRefused()
        a.shed()
        a.unsolicited()
        a.buffered(bytes: 4096)
        a.buffered(bytes: 1024)
        b.buffered(bytes: 2048)
        let metrics = WorkerMetrics.collect([a, b], labels: labels)
        #expect(metrics.openConnectionsClient == 6)
        #expect(metrics.openConnectionsUpstream == 1)
        #expect(metrics.activeStreams == 1)
        #expect(metrics.rateLimited == 2)
        #expect(metrics.auditAccepted == 15 + 3 + 1 + 2)
        #expect(metrics.auditDropped == 2)
        #expect(metrics.limitsMet.map(\.limit) == ["descriptors", "connections", "address", "memory"])
        #expect(metrics.limitsMet.map(\.count) == [2, 1, 1, 1])
        #expect(metrics.unsolicitedResponses == 1)
        #expect(metrics.bufferedBytes == 3072)
    }

    @Test func timeInTheGatewayHasBucketsOfItsOwn() {
        let metrics = WorkerMetrics()
        metrics.overhead(nanoseconds: 4000)
        metrics.overhead(nanoseconds: 26_000)
        metrics.overhead(nanoseconds: 5_000_000_000)
        let histogram = WorkerMetrics.collect([metrics], labels: labels).overheadHistogram
        #expect(histogram.bucketsSeconds.count == WorkerMetrics.bucketCount - 1)
        #expect(histogram.bucketsSeconds == histogram.bucketsSeconds.sorted())
        #expect(histogram.counts.count == WorkerMetrics.bucketCount && histogram.count == 3)
        #expect(histogram.counts[0] == 1 && histogram.counts[4] == 1 && histogram.counts.last == 1)
        #expect(abs(histogram.sum - 5.00003) < 1e-9)
    }

    @Test func requestsByRouteMethodAndCode() {
        let (a, b) = (WorkerMetrics(), WorkerMetrics())
        for _ in 0..<3 { a.completed(route: 2, method: .post, status: 200, nanoseconds: 1) }
        b.completed(route: 2, method: .post, status: 200, nanoseconds: 1)
        a.completed(route: 2, method: .post, status: 499, nanoseconds: 1)
        a.completed(route: 2, method: .get, status: 200, nanoseconds: 1)
        b.completed(route: 0, method: .other, status: 400, nanoseconds: 1)
        // A route whose label is not known yet.
        b.completed(route: 9, method: .head, status: 204, nanoseconds: 1)
        let counts = WorkerMetrics.collect([a, b], labels: labels).requestsTotal
        let expected: [GatewayMetrics.RequestCount] = [
            .init(route: "none", method: "OTHER", code: 400, count: 1),
            .init(route: "chat", method: "GET", code: 200, count: 1),
            .init(route: "chat", method: "POST", code: 200, count: 4),
            .init(route: "chat", method: "POST", code: 499, count: 1),
            .init(route: "other", method: "HEAD", code: 204, count: 1),
        ]
        #expect(counts == expected)
    }

    /// Many combinations share one table; every one of them is counted as long as there is room.
    @Test func manyCombinations() {
        let metrics = WorkerMetrics()
        for round in 1...2 {
            for route in 0..<40 {
                for status in 200..<240 {
                    metrics.completed(route: Int32(route), method: .post, status: UInt16(status), nanoseconds: 1)
                }
            }
            let labels = Dictionary(uniqueKeysWithValues: (0..<40).map { (Int32($0), "r\($0)") })
            let counts = WorkerMetrics.collect([metrics], labels: labels).requestsTotal
            #expect(counts.count == 1600)
            #expect(counts.allSatisfy { $0.count == UInt64(round) })
        }
    }

    @Test func histogramsHaveInclusiveUpperBounds() throws {
        let metrics = WorkerMetrics()
        for nanoseconds in [0, 100_000, 100_001, 250_000, 1_000_000_000, 600_000_000_000, 600_000_000_001] as [UInt64] {
            metrics.completed(route: 2, method: .get, status: 200, nanoseconds: nanoseconds)
            metrics.firstByte(nanoseconds: nanoseconds)
        }
        let collected = WorkerMetrics.collect([metrics], labels: labels)
        let histogram = try #require(collected.durationHistograms.first)
        #expect(collected.durationHistograms.count == 1)
        #expect(histogram.route == "chat")
        #expect(histogram.count == 7)
        #expect(histogram.counts.count == histogram.bucketsSeconds.count + 1)
        #expect(histogram.bucketsSeconds.first == 0.0001)
        #expect(histogram.bucketsSeconds.last == 600)
        #expect(histogram.bucketsSeconds == histogram.bucketsSeconds.sorted())
        #expect(histogram.counts[0] == 2)
        #expect(histogram.counts[1] == 2)
        #expect(histogram.counts[histogram.bucketsSeconds.firstIndex(of: 1)!] == 1)
        #expect(histogram.counts[histogram.counts.count - 2] == 1)
        #expect(histogram.counts.last == 1)
        #expect(abs(histogram.sum - 1201.000450002) < 1e-6)
        #expect(collected.firstByteHistogram.counts == histogram.counts)
        #expect(collected.firstByteHistogram.sum == histogram.sum)
    }

    @Test func errorsAndRetriesByRoute() {
        let (a, b) = (WorkerMetrics(), WorkerMetrics())
        for reason in UpstreamReason.allCases { a.upstreamError(2, reason) }
        b.upstreamError(2, .timeout)
        b.upstreamError(1, .connect)
        a.retried(2)
        b.retried(2)
        let metrics = WorkerMetrics.collect([a, b], labels: labels)
        let expected: [GatewayMetrics.UpstreamErrorCount] = [
            .init(route: "other", reason: "connect", count: 1),
            .init(route: "chat", reason: "connect", count: 1),
            .init(route: "chat", reason: "dns", count: 1),
            .init(route: "chat", reason: "timeout", count: 2),
            .init(route: "chat", reason: "reset", count: 1),
            .init(route: "chat", reason: "tls", count: 1),
            .init(route: "chat", reason: "protocol", count: 1),
            .init(route: "chat", reason: "status", count: 1),
        ]
        #expect(metrics.upstreamErrors == expected)
        #expect(metrics.retries == [.init(route: "chat", count: 2)])
    }

    /// The last route with a label of its own still has a place.
    @Test func theHighestRouteNumber() {
        let metrics = WorkerMetrics()
        let last = Int32(Registry.maxRouteLabels - 1)
        metrics.completed(route: last, method: .get, status: 200, nanoseconds: 1)
        let collected = WorkerMetrics.collect([metrics], labels: [last: "last"])
        #expect(collected.requestsTotal == [.init(route: "last", method: "GET", code: 200, count: 1)])
        #expect(collected.durationHistograms.map(\.route) == ["last"])
    }

    /// Reading while a worker counts gives whole numbers that only grow.
    @Test func readWhileCounting() throws {
        let metrics = WorkerMetrics()
        let thread = try WorkerThread.start(name: "counting", cpu: nil) {
            for _ in 0..<50_000 { metrics.completed(route: 2, method: .post, status: 200, nanoseconds: 5_000) }
        }
        var last: UInt64 = 0
        for _ in 0..<50 {
            let counts = WorkerMetrics.collect([metrics], labels: labels).requestsTotal
            #expect(counts.count <= 1)
            let count = counts.first?.count ?? 0
            #expect(count >= last)
            last = count
        }
        thread.join()
        #expect(WorkerMetrics.collect([metrics], labels: labels).requestsTotal.first?.count == 50_000)
    }
}
