import Reactor
import Testing

@testable import Store

/// Values that repeat are bound once: each row must have its own all the same.
struct RepeatedValuesTests {
    private let folder = TestFolder()
    private let connection: Connection

    init() throws { connection = try folder.open() }

    /// Rows whose values repeat, alternate, are empty, are not UTF-8 or are too long to be kept.
    private func exchange(_ n: Int) -> Exchange {
        var exchange = Exchange(n)
        exchange.key = ["key_1", "key_2", ""][n / 5 % 3]
        exchange.source = n % 40 < 20 ? "/team/a" : ""
        exchange.method = n % 9 == 8 ? "" : "POST"
        exchange.path = n % 7 == 0 ? "/" + String(repeating: "p", count: 600) : "/v1/\(n / 11 % 4)"
        exchange.userAgent = n % 13 == 0 ? "b\u{F6}t" : "test/1"
        exchange.error = n % 17 == 0 ? "timed out" : ""
        exchange.status = n % 19 == 0 ? 0 : n % 6 < 3 ? 200 : 502
        exchange.requestHeaders = n % 3 == 0 ? "" : "Host: h\(n)\r\n"
        return exchange
    }

    private func check(_ n: Int) throws {
        let exchange = exchange(n)
        func optional(_ text: String) -> SQLValue { text.isEmpty ? .null : .text(text) }
        let row = try connection.prepare(
            """
            SELECT api_key, source_path, method, path, user_agent, error_message, status_code, request_id,
                target_url, request_headers, ip_address, request_size
            FROM audit_logs WHERE id = '\(exchange.id.text)'
            """)
        #expect(try row.step(), "row \(n)")
        let found = (0..<12).map { row.value($0) }
        let expected: [SQLValue] = [
            optional(exchange.key), optional(exchange.source), .text(exchange.method), .text(exchange.path),
            .text(exchange.userAgent), optional(exchange.error),
            exchange.status == 0 ? .null : .integer(Int64(exchange.status)), .text("req_\(exchange.id.low)"),
            .text("http://upstream:1/v1"),
            exchange.requestHeaders.isEmpty ? .null : .text("{\"Host\":\"h\(n)\"}"), .text("192.0.2.1"), .integer(10),
        ]
        #expect(found == expected, "row \(n)")
    }

    @Test func eachRowHasItsOwn() throws {
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        let flusher = AuditFlusher(connection: connection, rings: [ring])
        flusher.configure(WriterOptions())
        var n = 0
        // The first batch is written row by row, the others 32 rows and fewer at a time.
        for batch in [3, 200, 1, 77, 64] {
            for _ in 0..<batch {
                let isWritten = exchange(n).accept(&producer) && exchange(n).complete(&producer)
                #expect(isWritten)
                n += 1
            }
            while try flusher.flush() == .more {}
        }
        for one in 0..<n { try check(one) }
    }

    @Test func recordsOfUsageHaveTheirOwn() throws {
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        let flusher = AuditFlusher(connection: connection, rings: [ring])
        flusher.configure(WriterOptions())
        func sample(_ n: Int) -> UsageSample {
            var sample = UsageSample(n, at: sampleMilliseconds + UInt64(n))
            sample.key = ["key_1", "key_2", ""][n % 3]
            sample.served = n / 4 % 2 == 0 ? "" : "model-\(n / 8)"
            sample.currency = n % 5 == 0 ? "" : "USD"
            sample.prompt = Int64(n / 3)
            sample.cost = n % 7 == 0 ? 1 << 47 : 12
            sample.outcome = n % 11 == 0 ? .failed : .completed
            return sample
        }
        for n in 0..<300 {
            sample(n).put(&producer)
            if n == 0 || n == 250 { while try flusher.flush() == .more {} }
        }
        while try flusher.flush() == .more {}
        let row = try connection.prepare(
            """
            SELECT ifnull(key_id, ''), ifnull(model_served, ''), ifnull(currency, ''), prompt_tokens,
                ifnull(cost_micros, -1), outcome FROM usage_records ORDER BY id
            """)
        for n in 0..<300 {
            let sample = sample(n)
            #expect(try row.step())
            let found = (0..<6).map { row.value($0) }
            let expected: [SQLValue] = [
                .text(sample.key), .text(sample.served), .text(sample.currency), .integer(sample.prompt),
                .integer(sample.currency.isEmpty ? -1 : sample.cost), .text(sample.outcome.name),
            ]
            #expect(found == expected, "record \(n)")
        }
        // The sums hang on the same rows.
        #expect(
            try connection.int("SELECT sum(prompt_tokens) FROM usage_hours")
                == connection.int("SELECT sum(prompt_tokens) FROM usage_records"))
        #expect(try connection.int("SELECT sum(requests) FROM usage_days") == 300)
    }
}
