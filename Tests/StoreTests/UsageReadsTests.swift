import Reactor
import Testing

@testable import Store

struct UsageReadsTests {
    private let folder = TestFolder()
    private let connection: Connection

    init() throws { connection = try folder.open() }

    private func store(_ samples: [UsageSample], offset: Int = 480) throws {
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        let flusher = AuditFlusher(connection: connection, rings: [ring])
        var options = WriterOptions()
        options.timeZoneOffsetMinutes = offset
        flusher.configure(options)
        for sample in samples {
            sample.put(&producer)
            if ring.usedBytes > ring.capacity / 2 { _ = try flusher.flush() }
        }
        _ = try flusher.flush()
    }

    /// Hundreds of exchanges over four days.
    private func samples(_ count: Int = 300) -> [UsageSample] {
        var random = SplitMix(state: 7)
        return (0..<count).map { n in
            var sample = UsageSample(n, at: sampleMilliseconds + UInt64.random(in: 0..<345_600_000, using: &random))
            sample.key = ["key_1", "key_2", ""].randomElement(using: &random)!
            sample.source = ["/a", "/b"].randomElement(using: &random)!
            sample.provider = ["openai", "local"].randomElement(using: &random)!
            sample.requested = ["m1", "m2"].randomElement(using: &random)!
            sample.served = ["m1", "m2", "m3", ""].randomElement(using: &random)!
            sample.currency = ["USD", "EUR", ""].randomElement(using: &random)!
            sample.cost = Int64.random(in: 0...1_000_000, using: &random)
            sample.prompt = Int64.random(in: 0...5000, using: &random)
            sample.outcome = n % 7 == 0 ? .failed : .completed
            sample.isEstimated = n % 11 == 0
            return sample
        }
    }

    private func name(_ sample: UsageSample, _ grouping: UsageGrouping, _ offset: Int) -> String {
        let time = Timestamp.text(milliseconds: Int64(sample.id.unixMilliseconds), offsetMinutes: offset)
        switch grouping {
        case .key: return sample.key
        case .source: return sample.source
        case .provider: return sample.provider
        case .model: return sample.served.isEmpty ? sample.requested : sample.served
        case .day: return String(time.prefix(10))
        case .hour: return time.prefix(13) + ":00:00.000" + time.suffix(6)
        }
    }

    private func matches(_ sample: UsageSample, _ filter: UsageFilter) -> Bool {
        let time = Int64(sample.id.unixMilliseconds)
        return time >= filter.startMilliseconds ?? .min && time <= filter.endMilliseconds ?? .max
            && filter.keyID.map { $0 == sample.key } ?? true && filter.sourcePath.map { $0 == sample.source } ?? true
            && filter.provider.map { $0 == sample.provider } ?? true
            && filter.model.map { $0 == name(sample, .model, 0) } ?? true
    }

    private func expected(
        _ samples: [UsageSample], _ grouping: UsageGrouping, _ filter: UsageFilter, _ offset: Int
    ) -> [String: UsageTotals] {
        var groups: [String: UsageTotals] = [:]
        for sample in samples where matches(sample, filter) {
            var sums = UsageSums()
            sums.requests = 1
            sums.failures = sample.outcome == .failed ? 1 : 0
            sums.estimated = sample.isEstimated ? 1 : 0
            sums.promptTokens = sample.prompt
            sums.completionTokens = sample.completion
            sums.cachedTokens = sample.cached
            sums.cacheWriteTokens = 3
            sums.reasoningTokens = 5
            sums.totalTokens = sample.total
            sums.costMicros = sample.currency.isEmpty ? 0 : sample.cost
            groups[name(sample, grouping, offset), default: UsageTotals()].add(sums, currency: sample.currency)
        }
        return groups
    }

    /// Zones with quarters of an hour too: hours and days are the zone's own.
    @Test(arguments: [480, 0, 345, -210]) func everyReportAgreesWithTheRecords(offset: Int) throws {
        let samples = samples()
        try store(samples, offset: offset)
        let reader = try folder.reader(offset: offset)
        let start = Int64(sampleMilliseconds)
        var random = SplitMix(state: 3)
        var filters = [
            UsageFilter(), UsageFilter(keyID: "key_1"), UsageFilter(sourcePath: "/b", provider: "local"),
            UsageFilter(model: "m2"), UsageFilter(keyID: "nobody"),
            UsageFilter(startMilliseconds: start + 60_000, endMilliseconds: start + 120_000),
            UsageFilter(startMilliseconds: start + 5, endMilliseconds: start),
            UsageFilter(endMilliseconds: .max), UsageFilter(startMilliseconds: -5),
        ]
        for _ in 0..<5 {
            let from = start + Int64.random(in: -100_000_000..<400_000_000, using: &random)
            filters.append(UsageFilter(startMilliseconds: from))
            filters.append(UsageFilter(endMilliseconds: from))
            let to = from + Int64.random(in: 0..<200_000_000, using: &random)
            filters.append(UsageFilter(startMilliseconds: from, endMilliseconds: to, provider: "openai"))
            // Whole hours: no record has to be read.
            filters.append(
                UsageFilter(
                    startMilliseconds: from / 3_600_000 * 3_600_000, endMilliseconds: to / 3_600_000 * 3_600_000 - 1))
        }
        for filter in filters {
            for grouping in UsageGrouping.allCases {
                let report = try reader.usageReport(groupBy: grouping, filter)
                let wanted = expected(samples, grouping, filter, offset)
                let found = Dictionary(uniqueKeysWithValues: report.groups.map { ($0.name, $0.totals) })
                #expect(found == wanted, "\(grouping) \(filter)")
                #expect(report.totals.requests == wanted.values.reduce(0) { $0 + $1.requests })
                #expect(report.groupCount == wanted.count)
            }
        }
    }

    @Test func groupsAreInOrderAndLimited() throws {
        try store(samples())
        let reader = try folder.reader()
        let days = try reader.usageReport(groupBy: .day).groups
        #expect(days.count == 5 && days.map(\.name) == days.map(\.name).sorted() && days[0].name == "2026-06-06")
        #expect(days[0].startMilliseconds == Timestamp.parse("2026-06-06T00:00:00+08:00"))
        let hours = try reader.usageReport(groupBy: .hour, limit: 1)
        #expect(hours.groups.map(\.name) == ["2026-06-06T11:00:00.000+08:00"] && hours.groupCount > 50)
        #expect(hours.totals.requests == 300)
        let models = try reader.usageReport(groupBy: .model).groups.map(\.totals.totalTokens)
        #expect(models == models.sorted(by: >))
    }

    @Test func modelsAndTheirShares() throws {
        let samples = samples()
        try store(samples)
        let shares = try folder.reader().modelsDistribution()
        #expect(shares.count == 6)
        #expect(abs(shares.reduce(0) { $0 + $1.requestShare } - 1) < 1e-9)
        #expect(abs(shares.reduce(0) { $0 + $1.tokenShare } - 1) < 1e-9)
        #expect(shares.map(\.totals.requests) == shares.map(\.totals.requests).sorted(by: >))
        let first = shares[0]
        let count = samples.count { $0.provider == first.provider && name($0, .model, 0) == first.model }
        #expect(first.totals.requests == Int64(count))
        #expect(try folder.reader().modelsDistribution(limit: 2).count == 2)
        #expect(try folder.reader().modelsDistribution(UsageFilter(model: "none")).isEmpty)
    }

    @Test func aSummaryTellsPeriodsApart() throws {
        let now = Int64(sampleMilliseconds)
        let today = UsageSample(1)
        let month = UsageSample(2, at: sampleMilliseconds - 2 * 86_400_000)
        let year = UsageSample(3, at: sampleMilliseconds - 200 * 86_400_000)
        try store([today, month, year])
        let vault = try folder.vault()
        try folder.write { c throws(StoreError) in
            _ = try c.createProvider(ProviderRecord(name: "a", baseURL: "http://h"))
            _ = try c.createProvider(ProviderRecord(name: "b", baseURL: "http://h", isEnabled: false))
            var keys: [String] = []
            for n in 0..<5 {
                let new = NewProviderKey(provider: "a", key: ProviderSecret("sk-\(n)"), isEnabled: n != 4)
                keys.append(try c.createProviderKey(new, vault: vault).keyID)
            }
            for (n, state) in [
                (0, ProviderKeyState.cooling(untilMilliseconds: now + 1)), (1, .cooling(untilMilliseconds: now)),
                (2, .disabled(reason: "x")),
            ] {
                try c.setProviderKeyState(keys[n], state, changedAtMilliseconds: now)
            }
            let foreign = try c.createProviderKey(
                NewProviderKey(provider: "a", key: ProviderSecret("sk-foreign")), vault: vault)
            try c.setSealedKey([1] + Array(repeating: 0, count: 60), keyID: foreign.keyID)
            _ = try c.createAlias(AliasRecord(name: "x", targets: ["y"]))
            _ = try c.setPrice(PriceRecord(model: "m", input: 1, output: 1))
        }
        let summary = try folder.reader().usageSummary(vault: vault, nowMilliseconds: now)
        #expect(summary.allTime.requests == 3 && summary.month.requests == 2 && summary.today.requests == 1)
        #expect(summary.today.costs == [UsageCost(currency: "USD", micros: 1234)])
        #expect(summary.providers == 2 && summary.enabledProviders == 1 && summary.providerKeys == 6)
        #expect(summary.usableProviderKeys == 2 && summary.coolingProviderKeys == 1)
        #expect(summary.unreadableProviderKeys == 1)
        #expect(try folder.reader().usageSummary(vault: nil).unreadableProviderKeys == 5)
        #expect(summary.disabledProviderKeys == 1 && summary.aliases == 1 && summary.prices == 1)
    }

    @Test func recordsComeInPages() throws {
        let samples = samples(50)
        try store(samples)
        let reader = try folder.reader()
        var seen: [String] = []
        var cursor: String?
        repeat {
            let page = try reader.usageRecords(UsageFilter(provider: "openai"), limit: 7, cursor: cursor)
            #expect(page.items.count <= 7)
            seen += page.items.map(\.id)
            cursor = page.nextCursor
        } while cursor != nil
        let wanted = samples.filter { $0.provider == "openai" }.map(\.id.text).sorted(by: >)
        #expect(seen == wanted)
        let middle = samples.map { Int64($0.id.unixMilliseconds) }.sorted()[25]
        let filter = UsageFilter(startMilliseconds: middle, endMilliseconds: middle)
        #expect(try reader.usageRecords(filter).items.map(\.createdAtMilliseconds) == [middle])
        guard case .invalid("cursor", _)? = storeError({ _ = try reader.usageRecords(cursor: "x' OR 1") }) else {
            Issue.record("a cursor that is none was taken")
            return
        }
    }
}
