import JSON
import Testing

@testable import Store

/// Databases of M-FastGate, from before schemas were counted.
struct LegacyMigrationTests {
    private let folder = TestFolder()

    private static let schema = """
        CREATE TABLE api_keys (key_id VARCHAR(50) NOT NULL PRIMARY KEY, key_value VARCHAR(100) NOT NULL,
            source_path VARCHAR(100) NOT NULL, permissions TEXT, created_at DATETIME, expires_at DATETIME,
            is_active BOOLEAN, usage_count INTEGER, rate_limit INTEGER, last_used_at DATETIME);
        CREATE UNIQUE INDEX ix_api_keys_key_value ON api_keys (key_value);
        CREATE TABLE audit_logs (id VARCHAR(50) NOT NULL PRIMARY KEY, request_id VARCHAR(50) NOT NULL,
            api_key VARCHAR(100), source_path VARCHAR(100), method VARCHAR(10) NOT NULL, path VARCHAR(500) NOT NULL,
            target_url VARCHAR(500), status_code INTEGER, request_time DATETIME NOT NULL, first_response_time DATETIME,
            response_time DATETIME, response_time_ms INTEGER, request_size INTEGER, response_size INTEGER,
            user_agent VARCHAR(500), ip_address VARCHAR(50), error_message TEXT, is_stream BOOLEAN,
            stream_chunks INTEGER, request_headers TEXT, request_body TEXT, response_headers TEXT, response_body TEXT,
            created_at DATETIME, model_name TEXT);
        CREATE INDEX ix_audit_logs_path ON audit_logs (path);
        CREATE TABLE proxy_routes (route_id VARCHAR(50) NOT NULL PRIMARY KEY, route_name VARCHAR(100) NOT NULL,
            description TEXT, match_path VARCHAR(500) NOT NULL, match_method VARCHAR(20), match_headers TEXT,
            match_body_schema TEXT, target_host VARCHAR(200) NOT NULL, target_path VARCHAR(500) NOT NULL,
            target_protocol VARCHAR(10), strip_path_prefix BOOLEAN, add_headers TEXT, add_body_fields TEXT,
            remove_headers TEXT, timeout INTEGER, retry_count INTEGER, is_active BOOLEAN, priority INTEGER,
            created_at DATETIME, updated_at DATETIME);
        CREATE TABLE model_routes (model_name TEXT PRIMARY KEY, x TEXT);
        INSERT INTO model_routes VALUES ('m', 'y');
        """

    private func legacy(_ rows: String = Self.rows) throws -> Connection {
        let connection = try folder.raw()
        try connection.execute(Self.schema + rows)
        return connection
    }

    private static let rows = """
        INSERT INTO api_keys VALUES ('fg_key1', 'fg_secretsecret-wxyz', '/team/a', '["chat"]',
            '2025-06-06 11:26:55.123456', '2030-01-01 00:00:00', 1, 5, 60, '2025-06-07 00:00:00');
        INSERT INTO api_keys VALUES ('fg_key2', 'fg_othersecret-abcd', '/team/b', NULL, NULL, NULL, 0, NULL, NULL, NULL);
        INSERT INTO audit_logs VALUES ('log_b', 'req_2', 'fg_unknownsecret-zzzz', NULL, 'POST', '/v1/b', NULL, 502,
            '2025-06-06 19:26:56', NULL, '2025-06-06 19:26:57', 1000, NULL, NULL, NULL, NULL, 'boom', NULL, NULL,
            '{"a": "cut...[TRUNCATED]', NULL, NULL, NULL, NULL, 'gpt');
        INSERT INTO audit_logs VALUES ('log_a', 'req_1', 'fg_secretsecret-wxyz', '/team/a', 'POST', '/v1/a',
            'http://t', 200, '2025-06-06 19:26:55.500000', '2025-06-06 19:26:55.600000', '2025-06-06 19:26:55.900000',
            400, 10, 20, 'ua', '1.2.3.4', NULL, 1, 7, '{"A": "b"}', 'in', '{}', 'out',
            '2025-06-06 19:26:56.000000', NULL);
        INSERT INTO audit_logs VALUES ('log_c', 'req_3', 'fg_key2', NULL, 'GET', '/v1/c', NULL, NULL,
            '2025-06-06 19:26:58', NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL);
        INSERT INTO proxy_routes VALUES ('route_1', 'one', NULL, '/v1/*', 'POST', NULL, '{"model": "gpt-4o"}',
            '10.0.0.1:80', '/v1/chat', 'http', 0, '{"Authorization": "Bearer x"}', '', '["x-a"]', 30, 1, 1, 10,
            '2025-06-06 19:26:55', '2025-06-06 19:26:55');
        INSERT INTO proxy_routes VALUES ('route_2', 'two', 'd', '/**', NULL, NULL, NULL, 'h', '', NULL, NULL, NULL,
            NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
        """

    @Test func everythingComesAlong() throws {
        _ = try legacy()
        let database = try Database.open(path: folder.database, timeZoneOffsetMinutes: 480)
        #expect(database.migratedFromVersion == 0 && !database.wasCreated)
        let reader = try database.reader()

        let first = try #require(try reader.key("fg_key1"))
        #expect(first.keyHash == KeySecret.hash("fg_secretsecret-wxyz"))
        #expect(first.keyHint == "fg_…wxyz" && first.permissions == ["chat"] && first.isActive)
        #expect(first.usageCount == 5 && first.rateLimitPerMinute == 60)
        // Times of keys were UTC.
        #expect(first.createdAtMilliseconds == Timestamp.parse("2025-06-06T11:26:55.123Z"))
        #expect(first.expiresAtMilliseconds == Timestamp.parse("2030-01-01T00:00:00Z"))
        let second = try #require(try reader.key("fg_key2"))
        #expect(!second.isActive && second.permissions.isEmpty && second.expiresAtMilliseconds == nil)

        var query = LogQuery()
        query.order = .ascending
        let logs = try reader.logs(query)
        #expect(logs.total == 3 && logs.items.map(\.requestID) == ["req_1", "req_2", "req_3"])
        let whole = try #require(try reader.log(logs.items[0].id))
        // All other times were local.
        #expect(whole.requestTimeMilliseconds == Timestamp.parse("2025-06-06T19:26:55.500+08:00"))
        #expect(whole.keyID == "fg_key1" && whole.isStream && whole.streamChunks == 7)
        #expect(whole.durationMilliseconds == 400 && whole.requestBody == "in" && whole.responseBody == "out")
        #expect(whole.requestHeaders == #"{"A": "b"}"#)
        // A key that nobody knows is masked; one that was named by its id stays.
        #expect(logs.items[1].keyID == "fg_…zzzz" && logs.items[2].keyID == "fg_key2")
        let cut = try #require(logs.items[1].requestHeaders)
        #expect(try JSONValue(parsing: cut).stringValue == #"{"a": "cut...[TRUNCATED]"#)
        // Ids serve time ranges.
        query.startTimeMilliseconds = Timestamp.parse("2025-06-06T19:26:56+08:00")
        query.endTimeMilliseconds = Timestamp.parse("2025-06-06T19:26:57+08:00")
        #expect(try reader.logs(query).items.map(\.requestID) == ["req_2"])

        let routes = try reader.routes().items
        #expect(routes.map(\.routeID) == ["route_1", "route_2"])
        #expect(routes[0].weight == 1 && routes[0].removeHeaders == ["x-a"] && routes[0].addBodyFields == nil)
        #expect(routes[0].matchBodySchema == ["model": "gpt-4o"] && routes[0].timeoutSeconds == 30)
        #expect(routes[1].matchMethod == "ANY" && routes[1].priority == 100 && !routes[1].isActive)

        let metrics = try reader.metrics()
        #expect(metrics.totalRequests == 3 && metrics.totalErrors == 1 && metrics.inFlightRequests == 1)

        let raw = try folder.raw()
        #expect(try raw.int("SELECT count(*) FROM model_routes") == 1)
        #expect(try raw.text("SELECT legacy_id FROM audit_logs WHERE request_id = 'req_2'") == "log_b")
        #expect(try raw.text("SELECT model_name FROM audit_logs WHERE request_id = 'req_2'") == "gpt")
        #expect(try raw.int("SELECT count(*) FROM sqlite_schema WHERE name LIKE '%old%' OR name LIKE 'ix_%'") == 0)
        #expect(try raw.text("PRAGMA integrity_check") == "ok")
        #expect(shell("grep -c secretsecret '\(folder.database)' '\(folder.database)-wal'") == nil)
        #expect(try Database.open(path: folder.database).migratedFromVersion == nil)
    }

    @Test func theBackupHoldsWhatWasThere() throws {
        _ = try legacy()
        let backup = try #require(try Database.open(path: folder.database).backupPath)
        #expect(shell("stat -c %a '\(backup)'").map { String(decoding: $0, as: UTF8.self) } == "600\n")
        let copy = try Connection(path: backup, mode: .readOnly, busyTimeoutMilliseconds: 0)
        #expect(try copy.int("PRAGMA user_version") == 0)
        #expect(try copy.int("SELECT count(*) FROM audit_logs") == 3)
        #expect(try copy.text("SELECT key_value FROM api_keys WHERE key_id = 'fg_key1'") == "fg_secretsecret-wxyz")
    }

    @Test func someTablesAreEnough() throws {
        try folder.raw().execute(
            """
            CREATE TABLE api_keys (key_id TEXT PRIMARY KEY, key_value TEXT, source_path TEXT);
            INSERT INTO api_keys VALUES ('k', 'fg_0123456789abcdef', '/a');
            """)
        let database = try Database.open(path: folder.database)
        #expect(try database.reader().listKeys().total == 1)
        // There was no is_active: every key worked.
        #expect(try database.reader().activeKeys().count == 1)
        #expect(try database.reader().logs(LogQuery()).total == 0)
        #expect(try database.reader().routes().total == 0)
    }

    @Test(arguments: [
        ("ALTER TABLE proxy_routes DROP COLUMN target_host", "its table proxy_routes has no column target_host"),
        ("UPDATE api_keys SET permissions = 'chat,models'", "permissions that are not a JSON array"),
        ("UPDATE api_keys SET permissions = '[1]'", "permissions that are not a JSON array"),
        ("UPDATE api_keys SET expires_at = 'soon' WHERE key_id = 'fg_key2'", "row fg_key2 has an expires_at"),
        ("UPDATE proxy_routes SET add_headers = 'x'", "proxy_routes row route_1 has add_headers"),
        ("UPDATE proxy_routes SET remove_headers = '{}'", "remove_headers that is not a JSON array"),
        ("UPDATE api_keys SET key_value = '' WHERE key_id = 'fg_key1'", "api_keys row fg_key1 has no key_value"),
        ("CREATE TABLE store_counters (x)", "a table store_counters but no schema version"),
    ])
    func whatDoesNotFitIsNamedAndNothingIsChanged(_ change: (sql: String, difference: String)) throws {
        let connection = try legacy()
        try connection.execute(change.sql)
        let before = try dump(connection)
        guard case .refused(let text)? = storeError({ _ = try Database.open(path: folder.database) }) else {
            Issue.record("\(change.sql) was accepted")
            return
        }
        #expect(text.contains(change.difference), "\(text)")
        #expect(try dump(try folder.raw()) == before)
    }

    private func dump(_ connection: Connection) throws -> [String] {
        var lines = ["\(try connection.int("PRAGMA user_version"))"]
        for table in ["api_keys", "audit_logs", "proxy_routes"] {
            let rows = try connection.prepare("SELECT * FROM \(table)")
            while try rows.step() { lines.append((0..<20).map { "\(rows.value(Int32($0)))" }.joined(separator: "|")) }
        }
        return lines
    }

    @Test func manyRowsKeepTheirOrderAndCounts() throws {
        let connection = try legacy("")
        try connection.execute(
            """
            WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 3000)
            INSERT INTO audit_logs (id, request_id, method, path, request_time, status_code, response_time)
            SELECT hex(randomblob(6)), 'r' || x, 'GET', '/', '2025-06-06 19:26:55', 200, '2025-06-06 19:26:55' FROM n
            """)
        let reader = try Database.open(path: folder.database, timeZoneOffsetMinutes: 480).reader()
        #expect(try reader.logs(LogQuery()).total == 3000)
        #expect(try reader.metrics().totalRequests == 3000)
    }
}
