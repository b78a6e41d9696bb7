import HTTP
import Reactor
import Synchronization

/// One worker's counters: plain memory that only this worker writes and anybody may read. A relaxed load and store a
/// count, no lock, no bus traffic.
struct WorkerMetrics: BitwiseCopyable, @unchecked Sendable {
    typealias Counter = Atomic<UInt64>

    /// Single counters, by position.
    private enum Slot: Int, CaseIterable {
        case clientsOpened, clientsClosed, upstreamsOpened, upstreamsClosed, streamsBegan, streamsEnded
        case rateLimited, auditAccepted, auditCompleted, auditFirstBytes, auditDropped, auditWaited
        case refusedDescriptors, refusedConnections, refusedAddress, shed, unsolicited, bufferedBytes
        case resentIdempotent, resentOther, usageDropped
    }

    /// Upper bounds of the latency histograms, in microseconds: 100 µs to 10 min.
    static let boundsMicroseconds: [UInt64] = [
        100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
        5_000_000, 10_000_000, 30_000_000, 60_000_000, 120_000_000, 300_000_000, 600_000_000,
    ]
    static let bucketCount = 22
    /// Upper bounds of the time in the gateway, in microseconds: 5 µs to 1 s. As many buckets as the others have.
    static let overheadBoundsMicroseconds: [UInt64] = [
        5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000,
        250_000, 1_000_000,
    ]
    /// The sum in nanoseconds, then the buckets.
    static let histogramWords = 1 + bucketCount
    static let requestSlots = 8192

    private let singles: UnsafeMutablePointer<Counter>
    private let firstBytes: UnsafeMutablePointer<Counter>
    private let overheads: UnsafeMutablePointer<Counter>
    /// Open addressing: a slot is a key word and a count word; key 0 is free.
    private let requests: UnsafeMutablePointer<Counter>
    /// By a route's metric id, allocated on first use. A block begins with what each of its requests changes, within one
    /// cache line: the counts of its first kinds of requests (as in `requests`), then its histogram's sum. After the
    /// histogram come upstream errors by reason, and retries.
    private let routes: UnsafeMutablePointer<Atomic<UInt>>
    private let bounds: UnsafeMutablePointer<UInt64>
    private let overheadBounds: UnsafeMutablePointer<UInt64>

    static let reasonCount = UpstreamReason.allCases.count
    /// Kinds of requests (method and status) that are counted in the route's block; further ones in `requests`.
    static let ownKinds = 3
    private static let histogramOffset = ownKinds * 2
    private static let reasonsOffset = histogramOffset + histogramWords
    private static let retriesOffset = reasonsOffset + reasonCount
    private static let routeWords = retriesOffset + 1

    /// Memory until ``deallocate()``.
    init() {
        singles = Self.counters(Slot.allCases.count)
        firstBytes = Self.counters(Self.histogramWords)
        overheads = Self.counters(Self.histogramWords)
        requests = Self.counters(Self.requestSlots * 2)
        routes = .allocate(capacity: Registry.maxRouteLabels + 1)
        for i in 0...Registry.maxRouteLabels { (routes + i).initialize(to: Atomic(0)) }
        bounds = Self.bounds(Self.boundsMicroseconds)
        overheadBounds = Self.bounds(Self.overheadBoundsMicroseconds)
    }

    /// Once nobody counts or reads any more.
    func deallocate() {
        for memory in [singles, firstBytes, overheads, requests] { memory.deallocate() }
        for i in 0...Registry.maxRouteLabels {
            UnsafeMutablePointer<Counter>(bitPattern: routes[i].load(ordering: .relaxed))?.deallocate()
        }
        routes.deallocate()
        bounds.deallocate()
        overheadBounds.deallocate()
    }

    /// In nanoseconds, the last above everything.
    private static func bounds(_ microseconds: [UInt64]) -> UnsafeMutablePointer<UInt64> {
        let p = UnsafeMutablePointer<UInt64>.allocate(capacity: bucketCount)
        for (i, bound) in microseconds.enumerated() { p[i] = bound * 1000 }
        p[bucketCount - 1] = .max
        return p
    }

    /// On cache lines that nobody else has: what one worker counts must not slow another.
    private static func counters(_ count: Int) -> UnsafeMutablePointer<Counter> {
        let line = 64
        let bytes = (count * MemoryLayout<Counter>.stride + line - 1) / line * line
        let p = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: line)
            .bindMemory(to: Counter.self, capacity: count)
        for i in 0..<count { (p + i).initialize(to: Atomic(0)) }
        return p
    }

    @inline(__always)
    private static func add(_ counter: UnsafeMutablePointer<Counter>, _ n: UInt64) {
        counter.pointee.store(counter.pointee.load(ordering: .relaxed) &+ n, ordering: .relaxed)
    }

    @inline(__always)
    private func count(_ slot: Slot, _ n: UInt64 = 1) { Self.add(singles + slot.rawValue, n) }

    // MARK: What workers count

    func clientOpened() { count(.clientsOpened) }
    func clientClosed() { count(.clientsClosed) }
    func upstreamOpened() { count(.upstreamsOpened) }
    func upstreamClosed() { count(.upstreamsClosed) }
    func streamBegan() { count(.streamsBegan) }
    func streamEnded() { count(.streamsEnded) }
    func rateLimited() { count(.rateLimited) }
    func acceptPaused(_ notice: PressureNotice) {
        count(notice == .descriptors ? .refusedDescriptors : .refusedConnections)
    }
    func descriptorsMissed() { count(.refusedDescriptors) }
    func addressRefused() { count(.refusedAddress) }
    func shed() { count(.shed) }
    func unsolicited() { count(.unsolicited) }
    func resent(isIdempotent: Bool) { count(isIdempotent ? .resentIdempotent : .resentOther) }
    func usageDropped() { count(.usageDropped) }
    @inline(__always)
    func buffered(bytes: Int) {
        singles[Slot.bufferedBytes.rawValue].store(UInt64(truncatingIfNeeded: bytes), ordering: .relaxed)
    }
    func audit(accepted n: UInt64) { count(.auditAccepted, n) }
    func audit(completed n: UInt64) { count(.auditCompleted, n) }
    func auditedFirstByte() { count(.auditFirstBytes) }
    func audit(dropped n: UInt64) { count(.auditDropped, n) }
    func audit(waiting n: UInt64) { count(.auditWaited, n) }

    func firstByte(nanoseconds: UInt64) { observe(firstBytes, bounds, nanoseconds) }
    func overhead(nanoseconds: UInt64) { observe(overheads, overheadBounds, nanoseconds) }

    @inline(__always)
    func completed(route: Int32, method: Method, status: UInt16, nanoseconds: UInt64) {
        let block = routeCounters(route)
        countRequest(UInt64(UInt32(route)) << 24 | UInt64(method.rawValue) << 16 | UInt64(status) | 1 << 63, block)
        observe(block + Self.histogramOffset, bounds, nanoseconds)
    }

    /// An exchange of the route is about to be counted.
    @inline(__always)
    func fetch(route: Int32) {
        let block = UnsafeRawPointer(routeCounters(route))
        Prefetch.write(block)
        Prefetch.write(block + Self.histogramOffset * MemoryLayout<Counter>.stride)
    }

    func upstreamError(_ route: Int32, _ reason: UpstreamReason) {
        Self.add(routeCounters(route) + Self.reasonsOffset + Int(reason.rawValue), 1)
    }

    func retried(_ route: Int32) {
        Self.add(routeCounters(route) + Self.retriesOffset, 1)
    }

    @inline(__always)
    private func observe(
        _ histogram: UnsafeMutablePointer<Counter>, _ bounds: UnsafeMutablePointer<UInt64>, _ nanoseconds: UInt64
    ) {
        var bucket = 0
        while bounds[bucket] < nanoseconds { bucket &+= 1 }
        Self.add(histogram, nanoseconds)
        Self.add(histogram + 1 + bucket, 1)
    }

    @inline(__always)
    private func routeCounters(_ route: Int32) -> UnsafeMutablePointer<Counter> {
        let address = routes[Int(route)].load(ordering: .relaxed)
        if let p = UnsafeMutablePointer<Counter>(bitPattern: address) { return p }
        return makeRouteCounters(route)
    }

    @inline(never)
    private func makeRouteCounters(_ route: Int32) -> UnsafeMutablePointer<Counter> {
        let p = Self.counters(Self.routeWords)
        routes[Int(route)].store(UInt(bitPattern: p), ordering: .releasing)
        return p
    }

    @inline(__always)
    private func countRequest(_ key: UInt64, _ block: UnsafeMutablePointer<Counter>) {
        var i = 0
        while i < Self.ownKinds {
            if Self.count(key, at: block + i * 2) { return }
            i &+= 1
        }
        countOtherRequest(key)
    }

    /// Counts a request in an entry, which is its kind's or free; false if it is another kind's.
    @inline(__always)
    private static func count(_ key: UInt64, at entry: UnsafeMutablePointer<Counter>) -> Bool {
        let found = entry.pointee.load(ordering: .relaxed)
        if found == key {
            add(entry + 1, 1)
        } else if found == 0 {
            (entry + 1).pointee.store(1, ordering: .relaxed)
            entry.pointee.store(key, ordering: .releasing)
        } else {
            return false
        }
        return true
    }

    @inline(never)
    private func countOtherRequest(_ key: UInt64) {
        var slot = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> 51) & (Self.requestSlots - 1)
        var probes = 0
        while probes < 64 {
            if Self.count(key, at: requests + slot * 2) { return }
            slot = (slot &+ 1) & (Self.requestSlots - 1)
            probes &+= 1
        }
    }

    // MARK: What others read

    /// Sums of several workers' counters.
    static func collect(_ workers: [WorkerMetrics], labels: [Int32: String]) -> GatewayMetrics {
        var result = GatewayMetrics()
        var requestCounts: [UInt64: UInt64] = [:]
        func sum(_ slot: Slot) -> UInt64 {
            workers.reduce(0) { $0 &+ ($1.singles + slot.rawValue).pointee.load(ordering: .relaxed) }
        }
        result.openConnectionsClient = Int(truncatingIfNeeded: sum(.clientsOpened) &- sum(.clientsClosed))
        result.openConnectionsUpstream = Int(truncatingIfNeeded: sum(.upstreamsOpened) &- sum(.upstreamsClosed))
        result.activeStreams = Int(truncatingIfNeeded: sum(.streamsBegan) &- sum(.streamsEnded))
        result.rateLimited = sum(.rateLimited)
        result.auditDropped = sum(.auditDropped)
        result.limitsMet = [
            ("descriptors", sum(.refusedDescriptors)), ("connections", sum(.refusedConnections)),
            ("address", sum(.refusedAddress)), ("memory", sum(.shed)),
        ].map { GatewayMetrics.LimitCount(limit: $0.0, count: $0.1) }
        result.unsolicitedResponses = sum(.unsolicited)
        result.bufferedBytes = sum(.bufferedBytes)
        result.resentIdempotent = sum(.resentIdempotent)
        result.resentOther = sum(.resentOther)
        result.usageDropped = sum(.usageDropped)
        result.auditAccepted =
            sum(.auditAccepted) &+ sum(.auditFirstBytes) &+ sum(.auditCompleted) &+ result.auditDropped
        result.firstByteHistogram = histogram(workers.map(\.firstBytes), boundsMicroseconds)
        result.overheadHistogram = histogram(workers.map(\.overheads), overheadBoundsMicroseconds)
        func take(_ entry: UnsafeMutablePointer<Counter>) {
            let key = entry.pointee.load(ordering: .acquiring)
            if key != 0 { requestCounts[key, default: 0] &+= (entry + 1).pointee.load(ordering: .relaxed) }
        }
        for worker in workers {
            for slot in 0..<requestSlots { take(worker.requests + slot * 2) }
            for route in 0...Registry.maxRouteLabels {
                guard let block = worker.block(of: route) else { continue }
                for kind in 0..<ownKinds { take(block + kind * 2) }
            }
        }
        for (key, count) in requestCounts.sorted(by: { $0.key < $1.key }) {
            let route = Int32(truncatingIfNeeded: (key & ~(1 << 63)) >> 24)
            let method = Method(rawValue: UInt8(truncatingIfNeeded: key >> 16)) ?? .other
            result.requestsTotal.append(
                GatewayMetrics.RequestCount(
                    route: labels[route] ?? "other", method: method == .other ? "OTHER" : method.name,
                    code: UInt16(truncatingIfNeeded: key), count: count))
        }
        for (route, label) in labels.sorted(by: { $0.key < $1.key }) {
            collectRoute(workers, route, label, &result)
        }
        return result
    }

    private func block(of route: Int) -> UnsafeMutablePointer<Counter>? {
        UnsafeMutablePointer(bitPattern: routes[route].load(ordering: .acquiring))
    }

    private static func collectRoute(
        _ workers: [WorkerMetrics], _ route: Int32, _ label: String, _ result: inout GatewayMetrics
    ) {
        let blocks = workers.compactMap { $0.block(of: Int(route)) }
        if blocks.isEmpty { return }
        let durations = histogram(blocks.map { $0 + histogramOffset }, boundsMicroseconds)
        result.durationHistograms.append(
            GatewayMetrics.RouteHistogram(
                route: label, bucketsSeconds: durations.bucketsSeconds, counts: durations.counts, sum: durations.sum,
                count: durations.count))
        func sum(_ offset: Int) -> UInt64 {
            blocks.reduce(0) { $0 &+ ($1 + offset).pointee.load(ordering: .relaxed) }
        }
        for reason in UpstreamReason.allCases {
            let count = sum(reasonsOffset + Int(reason.rawValue))
            if count > 0 {
                result.upstreamErrors.append(
                    GatewayMetrics.UpstreamErrorCount(route: label, reason: "\(reason)", count: count))
            }
        }
        let retries = sum(retriesOffset)
        if retries > 0 { result.retries.append(GatewayMetrics.RetryCount(route: label, count: retries)) }
    }

    private static func histogram(
        _ blocks: [UnsafeMutablePointer<Counter>], _ boundsMicroseconds: [UInt64]
    ) -> Histogram {
        var counts = [UInt64](repeating: 0, count: bucketCount)
        var nanoseconds: UInt64 = 0
        for block in blocks {
            nanoseconds &+= block.pointee.load(ordering: .relaxed)
            for i in 0..<bucketCount { counts[i] &+= (block + 1 + i).pointee.load(ordering: .relaxed) }
        }
        return Histogram(
            bucketsSeconds: boundsMicroseconds.map { Double($0) / 1e6 }, counts: counts,
            sum: Double(nanoseconds) / 1e9, count: counts.reduce(0, &+))
    }
}
