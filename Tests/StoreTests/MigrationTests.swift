import Glibc
import Testing

@testable import Store

/// Databases of earlier schema versions.
struct MigrationTests {
    private let folder = TestFolder()

    /// As version 1 made it.
    private static let version1 = """
        CREATE TABLE api_keys (
            key_id TEXT PRIMARY KEY NOT NULL,
            key_value TEXT UNIQUE NOT NULL,
            key_hint TEXT NOT NULL DEFAULT '',
            source_path TEXT NOT NULL,
            permissions TEXT NOT NULL DEFAULT '[]',
            created_at TEXT NOT NULL,
            expires_at TEXT,
            is_active INTEGER NOT NULL DEFAULT 1,
            usage_count INTEGER NOT NULL DEFAULT 0,
            rate_limit INTEGER,
            last_used_at TEXT
        );
        CREATE TABLE audit_logs (
            id TEXT PRIMARY KEY NOT NULL,
            request_id TEXT NOT NULL,
            api_key TEXT,
            source_path TEXT,
            method TEXT NOT NULL,
            path TEXT NOT NULL,
            target_url TEXT,
            status_code INTEGER,
            request_time TEXT NOT NULL,
            first_response_time TEXT,
            response_time TEXT,
            response_time_ms REAL,
            request_size INTEGER NOT NULL DEFAULT 0,
            response_size INTEGER NOT NULL DEFAULT 0,
            user_agent TEXT,
            ip_address TEXT,
            is_stream INTEGER NOT NULL DEFAULT 0,
            stream_chunks INTEGER NOT NULL DEFAULT 0,
            error_message TEXT,
            request_headers TEXT,
            request_body TEXT,
            response_headers TEXT,
            response_body TEXT,
            created_at TEXT NOT NULL
        );
        CREATE TABLE proxy_routes (
            route_id TEXT PRIMARY KEY NOT NULL,
            route_name TEXT NOT NULL,
            description TEXT,
            match_path TEXT NOT NULL,
            match_method TEXT NOT NULL DEFAULT 'ANY',
            match_headers TEXT,
            match_body_schema TEXT,
            target_host TEXT NOT NULL,
            target_path TEXT NOT NULL DEFAULT '',
            target_protocol TEXT NOT NULL DEFAULT 'http',
            strip_path_prefix INTEGER NOT NULL DEFAULT 0,
            add_headers TEXT,
            add_body_fields TEXT,
            remove_headers TEXT,
            timeout INTEGER,
            retry_count INTEGER NOT NULL DEFAULT 0,
            is_active INTEGER NOT NULL DEFAULT 1,
            priority INTEGER NOT NULL DEFAULT 100,
            weight INTEGER NOT NULL DEFAULT 1,
            created_at TEXT NOT NULL,
            updated_at TEXT NOT NULL
        );
        CREATE TABLE audit_rollups (
            bucket INTEGER NOT NULL,
            status_code INTEGER NOT NULL,
            latency_class INTEGER NOT NULL,
            is_error INTEGER NOT NULL,
            requests INTEGER NOT NULL,
            streams INTEGER NOT NULL,
            response_ms REAL NOT NULL,
            first_byte_ms REAL NOT NULL,
            first_byte_requests INTEGER NOT NULL,
            request_bytes INTEGER NOT NULL,
            response_bytes INTEGER NOT NULL,
            PRIMARY KEY (bucket, status_code, latency_class, is_error)
        ) WITHOUT ROWID;
        CREATE TABLE store_counters (name TEXT PRIMARY KEY NOT NULL, value INTEGER NOT NULL) WITHOUT ROWID;
        CREATE INDEX audit_logs_in_flight ON audit_logs (id) WHERE status_code IS NULL;
        PRAGMA application_id = 1179074900;
        PRAGMA user_version = 1;
        """

    private static let rows = """
        INSERT INTO store_counters VALUES ('audit_rows', 1);
        INSERT INTO api_keys VALUES ('key_1', '0000000000000000000000000000000000000000000000000000000000000001', 'fg_…abcd',
            '/team/a', '["chat"]', '2026-06-06T11:26:55.123+08:00', NULL, 1, 7, 60, NULL);
        INSERT INTO audit_logs (id, request_id, method, path, status_code, request_time, created_at)
            VALUES ('0123456789abcdef0123456789abcdef', 'req_1', 'POST', '/v1/x', 200, '2026-06-06T11:26:55.123+08:00',
            '2026-06-06T11:26:55.123+08:00');
        INSERT INTO proxy_routes (route_id, route_name, match_path, target_host, created_at, updated_at)
            VALUES ('route_1', 'one', '/v1/*', 'h:1', '', '');
        INSERT INTO audit_rollups VALUES (1, 200, 3, 0, 1, 0, 1.5, 0.5, 1, 10, 20);
        """

    private func older() throws -> Connection {
        let connection = try folder.raw()
        try connection.execute("PRAGMA journal_mode = WAL")
        try connection.execute(Self.version1 + Self.rows)
        return connection
    }

    private func refusal() -> String? {
        guard case .refused(let text)? = storeError({ _ = try Database.open(path: folder.database) }) else {
            return nil
        }
        return text
    }

    @Test func version1ComesAlongWhole() throws {
        _ = try older()
        let database = try Database.open(path: folder.database, timeZoneOffsetMinutes: 480)
        #expect(database.migratedFromVersion == 1 && !database.wasCreated)
        let reader = try folder.reader()
        let key = try #require(try reader.key("key_1"))
        #expect(key.keyHint == "fg_…abcd" && key.permissions == ["chat"] && key.usageCount == 7)
        #expect(key.rateLimitPerMinute == 60 && key.isActive)
        #expect(key.allowedModels.isEmpty && key.budget == KeyBudget() && key.maxConcurrent == nil)
        #expect(try reader.log("0123456789abcdef0123456789abcdef")?.statusCode == 200)
        #expect(try reader.routes().items.map(\.routeName) == ["one"])
        #expect(try reader.metrics().totalRequests == 1)
        #expect(try reader.providers().total == 0 && reader.usageSummary(vault: nil).allTime == UsageTotals())
        let raw = try folder.raw()
        #expect(try raw.int("PRAGMA user_version") == Schema.version)
        #expect(try raw.text("PRAGMA integrity_check") == "ok")
        try raw.execute("UPDATE audit_logs SET stream_chunks = NULL")
        // The next start has nothing to do.
        #expect(try Database.open(path: folder.database).migratedFromVersion == nil)
        #expect(try folder.vault().state == .ready)
    }

    /// As version 2 made it: what version 3 has added is taken off again.
    private func version2() throws -> Connection {
        _ = try folder.open()
        let connection = try folder.raw()
        for column in Schema.modelPriceColumns + Schema.usageRecordColumns + Schema.usagePieceColumns {
            let table = Schema.modelPriceColumns.contains(column) ? "model_prices" : "usage_records"
            try connection.execute("ALTER TABLE \(table) DROP COLUMN \(column.prefix { $0 != " " })")
        }
        try connection.execute(
            """
            INSERT INTO model_prices VALUES ('openai', 'gpt-4o', 2500000, 10000000, 1250000, NULL, NULL, 'USD', NULL, 16384,
                1, '2026-06-06T11:26:55.123+08:00');
            INSERT INTO usage_records VALUES ('0123456789abcdef0123456789abcdef', 'req_1', 'key_1', '/a', 'openai', 'pk_1',
                'gpt-4o', 'gpt-4o', 10, 5, 0, 0, 0, 15, 75, 'USD', 0, 'completed', '2026-06-06T11:26:55.123+08:00');
            PRAGMA user_version = 2;
            """)
        return connection
    }

    @Test func version2ComesAlongWhole() throws {
        _ = try version2()
        let database = try Database.open(path: folder.database, timeZoneOffsetMinutes: 480)
        #expect(database.migratedFromVersion == 2)
        let reader = try folder.reader()
        let price = try #require(try reader.price(provider: "openai", model: "gpt-4o"))
        #expect(price.input == 2_500_000 && price.maxOutputTokens == 16384 && price.rates == nil)
        let record = try #require(try reader.usageRecord("0123456789abcdef0123456789abcdef"))
        #expect(record.costMicros == 75 && record.totalTokens == 15 && record.parts == UsageParts())
        let raw = try folder.raw()
        #expect(try raw.int("PRAGMA user_version") == Schema.version)
        #expect(try raw.text("PRAGMA integrity_check") == "ok")
        let other = TestFolder()
        _ = try other.open()
        let migrated = try SchemaCheck(raw).tables.mapValues { $0.map(\.name) }
        #expect(try migrated == SchemaCheck(other.raw()).tables.mapValues { $0.map(\.name) })
        #expect(try Database.open(path: folder.database).migratedFromVersion == nil)
    }

    /// What version 4 has added is taken off again.
    @Test func version3ComesAlongWhole() throws {
        _ = try folder.open()
        let connection = try folder.raw()
        for column in Schema.usagePieceColumns {
            try connection.execute("ALTER TABLE usage_records DROP COLUMN \(column.prefix { $0 != " " })")
        }
        try connection.execute(
            """
            INSERT INTO usage_records VALUES ('0123456789abcdef0123456789abcdef', 'req_1', 'key_1', '/a', 'openai', 'pk_1',
                'whisper-1', 'whisper-1', 0, 0, 0, 0, 0, 0, 900, 'USD', 0, 'completed', '2026-06-06T11:26:55.123+08:00',
                'flex', 1, 2, 3, 4, 5, 6, 7, 8, 9, 9000);
            PRAGMA user_version = 3;
            """)
        #expect(try Database.open(path: folder.database).migratedFromVersion == 3)
        let record = try #require(try folder.reader().usageRecord("0123456789abcdef0123456789abcdef"))
        #expect(record.parts.milliseconds == 9000 && record.parts.searches == 8 && record.parts.tier == .flex)
        #expect(record.parts.characters == 0 && record.parts.pages == 0 && record.costMicros == 900)
        let raw = try folder.raw()
        #expect(try raw.int("PRAGMA user_version") == Schema.version)
        let other = TestFolder()
        _ = try other.open()
        let migrated = try SchemaCheck(raw).tables.mapValues { $0.map(\.name) }
        #expect(try migrated == SchemaCheck(other.raw()).tables.mapValues { $0.map(\.name) })
        #expect(try Database.open(path: folder.database).migratedFromVersion == nil)
    }

    @Test func theBackupIsWhatWasThere() throws {
        _ = try older()
        let path = try #require(try Database.open(path: folder.database).backupPath)
        #expect(path.contains(".v1-") && path.hasSuffix(".backup"))
        var status = stat()
        #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)
        let backup = try Connection(path: path, mode: .readOnly, busyTimeoutMilliseconds: 0)
        #expect(try backup.int("PRAGMA user_version") == 1)
        #expect(try backup.int("SELECT count(*) FROM api_keys") == 1)
        #expect(try backup.int("SELECT count(*) FROM pragma_table_info('api_keys')") == 11)
    }

    /// A process that was killed while it copied leaves a part of a copy, which is never taken for one.
    @Test func aBackupThatWasCutOffIsBegunAnew() throws {
        _ = try older()
        let partial = folder.database + ".backup.part"
        for name in [partial, partial + "-journal"] {
            let file = try #require(fopen(name, "w"))
            fputs(String(repeating: "half of a page", count: 1000), file)
            fclose(file)
        }
        let path = try #require(try Database.open(path: folder.database).backupPath)
        let backup = try Connection(path: path, mode: .readOnly, busyTimeoutMilliseconds: 0)
        #expect(try backup.text("PRAGMA integrity_check") == "ok")
        #expect(try backup.int("SELECT count(*) FROM api_keys") == 1)
        for name in [partial, partial + "-journal"] { #expect(access(name, F_OK) != 0) }
    }

    /// Without a copy nothing is migrated.
    @Test func aBackupThatCannotBeMadeStopsTheMigration() throws {
        let connection = try older()
        let partial = folder.database + ".backup.part"
        #expect(mkdir(partial, 0o700) == 0)
        #expect(storeError { _ = try Database.open(path: folder.database) } != nil)
        #expect(try connection.int("PRAGMA user_version") == 1)
        #expect(rmdir(partial) == 0)
        #expect(try Database.open(path: folder.database).migratedFromVersion == 1)
    }

    @Test func aDamagedVersion1IsRefusedAndLeftAsItWas() throws {
        let connection = try older()
        try connection.execute("DROP TABLE audit_rollups")
        #expect(refusal()?.hasSuffix("it has no table audit_rollups") == true)
        #expect(try connection.int("PRAGMA user_version") == 1)
        #expect(try connection.int("SELECT count(*) FROM pragma_table_info('api_keys')") == 11)
        #expect(try connection.int("SELECT count(*) FROM sqlite_schema WHERE name = 'providers'") == 0)
    }

    @Test func aTableOfOursThatIsThereAlreadyStopsTheMigration() throws {
        let connection = try older()
        try connection.execute("CREATE TABLE providers (mine)")
        #expect(storeError { _ = try Database.open(path: folder.database) } != nil)
        #expect(try connection.int("PRAGMA user_version") == 1)
        #expect(try connection.int("SELECT count(*) FROM pragma_table_info('providers')") == 1)
    }

    @Test func migratedDatabasesHaveTheColumnsOfNewOnes() throws {
        _ = try older()
        _ = try Database.open(path: folder.database)
        let other = TestFolder()
        _ = try other.open()
        let migrated = try SchemaCheck(folder.raw()).tables.mapValues { $0.map(\.name) }
        #expect(try migrated == SchemaCheck(other.raw()).tables.mapValues { $0.map(\.name) })
    }
}
