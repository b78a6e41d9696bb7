import JSON
import Reactor
import Store
import Testing

@testable import Admin

@Suite struct UsageEndpointTests {
    private let bed: TestBed
    private let context: HandlerContext
    /// 2026-06-06T11:26:55.123+08:00
    private static let start: UInt64 = 1_780_716_415_123
    private let ids: [String]

    init() throws {
        bed = try TestBed()
        context = try bed.context()
        bed.store(1, firstMilliseconds: Self.start) { _ in TestExchange() }
        ids = bed.store(
            [
                TestUsage(), TestUsage(model: "m-2", attempt: ("rate_limited", 429)),
                TestUsage(keyID: "key_2", sourcePath: "=team", currency: "CNY", cost: 500_000),
                TestUsage(provider: "free", currency: "", cost: 0, outcome: .failed),
            ], firstMilliseconds: Self.start)
    }

    private func groups(_ query: String) throws -> [String] {
        let answer = try context.send("GET", "/admin/usage?" + query)
        try #require(answer.status == 200, "\(answer.body.serialized())")
        return (answer.body["items"]?.arrayValue ?? []).map { item in
            let costs = (item["costs"]?.arrayValue ?? []).map {
                "\($0["amount"]!.stringValue!)\($0["currency"]!.stringValue!)"
            }
            return "\(item["name"]!.stringValue!) \(item["requests"]!.intValue!) \(costs.joined(separator: "+"))"
        }
    }

    @Test func usageIsGroupedByEverything() throws {
        #expect(try groups("group_by=key") == ["key_1 3 2.469134USD", "key_2 1 0.5CNY"])
        #expect(try groups("group_by=source") == ["team-a 3 2.469134USD", "=team 1 0.5CNY"])
        #expect(try groups("group_by=provider") == ["acme 3 0.5CNY+2.469134USD", "free 1 "])
        #expect(try groups("group_by=model") == ["m-1 3 0.5CNY+1.234567USD", "m-2 1 1.234567USD"])
        #expect(try groups("") == ["2026-06-06 4 0.5CNY+2.469134USD"])
        #expect(try groups("group_by=hour").first?.hasPrefix("2026-06-06T11:00:00") == true)
    }

    @Test func filtersHoldTogether() throws {
        #expect(try groups("group_by=model&key_id=key_1&provider=acme") == ["m-1 1 1.234567USD", "m-2 1 1.234567USD"])
        #expect(try groups("group_by=key&model=m-2&source_path=team-a") == ["key_1 1 1.234567USD"])
        #expect(try groups("group_by=day&start_time=2026-06-07").isEmpty)
        #expect(try groups("group_by=day&end_time=2026-06-06").count == 1)
        let report = try context.send("GET", "/admin/usage?group_by=model&limit=1").body
        #expect(report["total"] == 2 && report["items"]?.arrayValue?.count == 1)
        #expect(report["totals"]?["requests"] == 4 && report["totals"]?["failures"] == 1)
        #expect(report["totals"]?["unpriced"] == 0 && report["totals"]?["total_tokens"] == 480)
        for (query, param) in [
            ("group_by=colour", "group_by"), ("limit=0", "limit"), ("start_time=soon", "start_time"), ("key=1", "key"),
            ("start_time=2026-06-07&end_time=2026-06-06", "end_time"), ("format=xml", "format"),
        ] {
            let answer = try context.send("GET", "/admin/usage?" + query)
            #expect(answer.status == 400 && answer.body["error"]?["param"]?.stringValue == param)
        }
    }

    @Test func keysAreNamedByTheirSource() throws {
        let made = try context.send("POST", "/admin/keys", #"{"source_path":"team-b"}"#).body
        let keyID = try #require(made["key_id"]?.stringValue)
        _ = bed.store([TestUsage(keyID: keyID)], firstMilliseconds: Self.start + 60_000)
        let report = try context.send("GET", "/admin/usage?group_by=key&key_id=\(keyID)").body
        #expect(report["items"]?.arrayValue?.first?["label"] == "team-b")
    }

    @Test func csvHasAColumnForEachCurrencyAndNoFormulas() throws {
        let answer = try context.send("GET", "/admin/usage?group_by=source&format=csv")
        guard case .bytes(let bytes) = answer.response.body else { return }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\r\n")
        #expect(
            lines[0] == "source,requests,failures,estimated,unpriced,prompt_tokens,completion_tokens,cached_tokens,"
                + "cache_write_tokens,reasoning_tokens,total_tokens,cost_CNY,cost_USD")
        #expect(lines[1] == "team-a,3,1,0,0,300,60,120,0,0,360,,2.469134")
        #expect(lines[2] == "'=team,1,0,0,0,100,20,40,0,0,120,0.5,")
    }

    @Test func recordsArePagedAndShowTheirAttempts() throws {
        let first = try context.send("GET", "/admin/usage/records?limit=3").body
        #expect(first["total"] == 4 && first["items"]?.arrayValue?.count == 3)
        let cursor = try #require(first["next_cursor"]?.stringValue)
        let second = try context.send("GET", "/admin/usage/records?limit=3&cursor=\(cursor)").body
        #expect(second["next_cursor"] == .null)
        let shown = (first["items"]!.arrayValue! + second["items"]!.arrayValue!).map { $0["id"]!.stringValue! }
        #expect(shown == ids.reversed())
        #expect(try context.send("GET", "/admin/usage/records?provider=free").body["total"] == 1)
        #expect(try context.send("GET", "/admin/usage/records?cursor=x").status == 400)
        let record = try context.send("GET", "/admin/usage/records/\(ids[1])").body
        #expect(record["cost"] == "1.234567" && record["currency"] == "USD" && record["outcome"] == "completed")
        // The audit has no row of it.
        #expect(record["log_url"] == .null)
        let attempt: JSONValue = [
            "provider": "other", "provider_key_id": "pk_0", "reason": "rate_limited", "status_code": 429,
            "duration_ms": 12,
        ]
        #expect(record["attempts"] == .array([attempt]))
        let unpriced = try context.send("GET", "/admin/usage/records/\(ids[3])").body
        #expect(unpriced["cost"] == .null && unpriced["currency"] == .null && unpriced["outcome"] == "failed")
        #expect(try context.send("GET", "/admin/usage/records/none").status == 404)
    }

    @Test func rowsOfTheAuditPointToTheirUsage() throws {
        let row = try #require(try context.send("GET", "/admin/logs").body["items"]?.arrayValue?.first)
        let plain = try context.send("GET", "/admin/logs/\(row["id"]!.stringValue!)").body
        #expect(plain["usage_url"] == .null && plain["path"] == "/v1/chat/completions")
        var producer = RingProducer(bed.ring)
        let id = AuditID(unixMilliseconds: Self.start + 9, worker: 0, bootNonce: 9, sequence: 1)
        TestExchange().write(id, startNanoseconds: id.unixMilliseconds * 1_000_000, to: &producer)
        TestUsage().write(id, to: &producer)
        bed.store(1, firstMilliseconds: Self.start + 1000) { _ in TestExchange() }
        let served = try context.send("GET", "/admin/logs/\(id.text)").body
        #expect(served["usage_url"]?.stringValue == "/admin/usage/records/\(id.text)")
        let record = try context.send("GET", "/admin/usage/records/\(id.text)").body
        #expect(record["log_url"]?.stringValue == "/admin/logs/\(id.text)")
        let records = try context.send("GET", "/admin/usage/records").body["items"]?.arrayValue ?? []
        #expect(records.filter { $0["log_url"] != .null }.map { $0["id"]?.stringValue } == [id.text])
    }

    @Test func theSummaryAndTheDistributionAddUp() throws {
        let summary = try context.send("GET", "/admin/metrics/summary").body
        #expect(
            summary.objectValue?.names == [
                "today", "month", "all_time", "providers", "provider_keys", "aliases", "prices",
            ])
        #expect(summary["all_time"]?["requests"] == 4 && summary["providers"]?["total"] == 0)
        let shares = try context.send("GET", "/admin/metrics/models-distribution").body
        let items = try #require(shares["items"]?.arrayValue)
        #expect(shares["total"] == 3 && items.first?["provider"] == "acme" && items.first?["model"] == "m-1")
        #expect(items.first?["requests"] == 2)
        let one = try context.send("GET", "/admin/metrics/models-distribution?provider=free").body
        #expect(one["items"]?.arrayValue?.first?["request_share"] == 1)
    }
}
