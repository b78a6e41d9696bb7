import Testing

@testable import Store

struct LatencyClassTests {
    @Test func classesAreNarrowAndAscending() {
        #expect(LatencyClass.index(milliseconds: 0) == 0 && LatencyClass.index(milliseconds: -5) == 0)
        #expect(LatencyClass.index(milliseconds: .nan) == 0)
        #expect(LatencyClass.index(milliseconds: .infinity) == LatencyClass.count - 1)
        var milliseconds = 0.07
        var last = 0
        while milliseconds < 1e8 {
            let index = LatencyClass.index(milliseconds: milliseconds)
            #expect(index >= last)
            last = index
            let middle = LatencyClass.milliseconds(index: index)
            #expect(abs(middle - milliseconds) / milliseconds < 0.0626, "\(milliseconds) is read as \(middle)")
            milliseconds *= 1.013
        }
    }
}

struct MetricsTests {
    private let folder = TestFolder()
    /// 2026-06-06T03:26:55.123Z, 11:26:55 local.
    private let now = Int64(sampleMilliseconds)

    private func fill(_ connection: Connection) throws {
        var rollups = RollupTable()
        func add(_ hoursAgo: Double, _ status: Int, _ duration: Double, first: Double? = nil, isStream: Bool = false) {
            rollups.add(
                requestTimeMilliseconds: now - Int64(hoursAgo * 3_600_000), status: status,
                durationMilliseconds: duration, firstByteMilliseconds: first, isError: status == 0 || status >= 400,
                isStream: isStream, requestBytes: 10, responseBytes: 100)
        }
        for n in 1...100 { add(0.1, 200, Double(n), first: 1, isStream: n % 2 == 0) }
        add(2, 500, 10)
        add(2, 0, 10)
        add(30, 404, 10)
        try rollups.write(to: connection)
        try rollups.write(to: connection)
    }

    @Test func totals() throws {
        let connection = try folder.open()
        try fill(connection)
        try connection.execute(
            """
            INSERT INTO api_keys (key_id, key_value, source_path, created_at, is_active, expires_at) VALUES
                ('a', 'a', '/', '', 1, NULL), ('b', 'b', '/', '', 1, '2026-06-06T11:26:55.124+08:00'),
                ('c', 'c', '/', '', 1, '2026-06-06T03:26:55.123Z'), ('d', 'd', '/', '', 0, NULL);
            INSERT INTO proxy_routes (route_id, route_name, match_path, target_host, created_at, updated_at, is_active)
                VALUES ('r', 'r', '/', 'h', '', '', 1), ('s', 's', '/', 'h', '', '', 0);
            """)
        let metrics = try folder.reader().metrics(nowMilliseconds: now)
        #expect(metrics.totalRequests == 206 && metrics.totalErrors == 6 && metrics.streamRequests == 100)
        #expect(abs(metrics.successRate - 200.0 / 206) < 1e-9)
        #expect(abs(metrics.averageResponseMilliseconds - (2 * 5050 + 60) / 206) < 1e-9)
        #expect(metrics.averageFirstByteMilliseconds == 1)
        #expect(abs(metrics.latency.p50Milliseconds - 50) < 5 && abs(metrics.latency.p99Milliseconds - 98) < 7)
        #expect(metrics.requestBytes == 2060 && metrics.responseBytes == 20_600)
        #expect(metrics.activeAPIKeys == 2 && metrics.activeRoutes == 1)
        #expect(metrics.statusCodes.map(\.code) == [0, 200, 404, 500])
        #expect(metrics.statusCodes.map(\.count) == [2, 200, 2, 2])
    }

    @Test func anEmptyDatabaseHasMetricsToo() throws {
        _ = try folder.open()
        let metrics = try folder.reader().metrics()
        #expect(metrics == MetricsSummary())
        #expect(try folder.reader().hourly().count == 24)
        #expect(try folder.reader().daily().count == 7)
    }

    @Test func hoursAndDaysFollowTheLocalClock() throws {
        try fill(folder.open())
        let reader = try folder.reader()
        let hours = try reader.hourly(hours: 3, nowMilliseconds: now)
        #expect(
            hours.map { Timestamp.text(milliseconds: $0.startMilliseconds, offsetMinutes: 480) } == [
                "2026-06-06T09:00:00.000+08:00", "2026-06-06T10:00:00.000+08:00", "2026-06-06T11:00:00.000+08:00",
            ])
        #expect(hours.map(\.requests) == [4, 0, 200] && hours.map(\.errors) == [4, 0, 0])
        #expect(hours[2].streams == 100 && hours[2].averageResponseMilliseconds == 50.5)
        #expect(hours[0].successRate == 0 && hours[1].successRate == 1)
        let days = try reader.daily(days: 2, nowMilliseconds: now)
        #expect(
            days.map { Timestamp.text(milliseconds: $0.startMilliseconds, offsetMinutes: 480) } == [
                "2026-06-05T00:00:00.000+08:00", "2026-06-06T00:00:00.000+08:00",
            ])
        #expect(days.map(\.requests) == [2, 204])
        // Half past: the hours of another zone.
        let kolkata = try folder.reader(offset: 330).hourly(hours: 1, nowMilliseconds: now)
        #expect(
            Timestamp.text(milliseconds: kolkata[0].startMilliseconds, offsetMinutes: 330)
                == "2026-06-06T08:00:00.000+05:30")
    }

    @Test func topPathsAndTheLastHour() throws {
        let connection = try folder.open()
        for n in 0..<30 {
            let time = now - Int64(n) * 180_000
            let id = AuditID(unixMilliseconds: UInt64(time), worker: 0, bootNonce: 0, sequence: UInt32(n)).text
            try connection.execute(
                """
                INSERT INTO audit_logs (id, request_id, method, path, source_path, request_time, created_at)
                VALUES ('\(id)', '', 'GET', '\(n % 3 == 0 ? "/b" : "/a?n=\(n)")', '/s\(n % 2)', '', '')
                """)
        }
        let metrics = try folder.reader().metrics(nowMilliseconds: now, topCount: 1)
        // None has ended: all are in flight.
        #expect(metrics.totalRequests == 30 && metrics.inFlightRequests == 30)
        #expect(metrics.lastHourRequests == 21)
        #expect(metrics.topPaths.map(\.path) == ["/a"] && metrics.topPaths.map(\.count) == [20])
        #expect(metrics.topSources.map(\.sourcePath) == ["/s0"])
    }
}
