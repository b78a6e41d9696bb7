import CSQLite
import Reactor
import Testing

@testable import Store

struct AuditFlusherTests {
    private let folder = TestFolder()
    private let connection: Connection

    init() throws {
        connection = try folder.open()
        try connection.execute(
            """
            INSERT INTO api_keys (key_id, key_value, source_path, created_at) VALUES ('key_1', 'a', '/s', ''),
                ('key_2', 'b', '/s', '')
            """)
    }

    private func flusher(_ rings: MappedRing...) -> AuditFlusher {
        let flusher = AuditFlusher(connection: connection, rings: rings)
        var options = WriterOptions()
        options.timeZoneOffsetMinutes = 480
        flusher.configure(options)
        return flusher
    }

    private func usage(_ key: String = "key_1") throws -> Int {
        try connection.int("SELECT usage_count FROM api_keys WHERE key_id = '\(key)'")
    }

    /// What must hold whatever happened: the counts that are kept beside the rows agree with them.
    private func checkCounts(rows: Int, completed: Int) throws {
        #expect(try connection.int("SELECT count(*) FROM audit_logs") == rows)
        #expect(try connection.int("SELECT value FROM store_counters") == rows)
        #expect(try connection.int("SELECT count(*) FROM audit_logs WHERE response_time IS NOT NULL") == completed)
        #expect(try connection.int("SELECT ifnull(sum(requests), 0) FROM audit_rollups WHERE bucket >= 0") == completed)
        #expect(
            try connection.int("SELECT ifnull(sum(requests), 0) FROM audit_rollups WHERE bucket = -1") == completed)
        #expect(
            try connection.int("SELECT sum(usage_count) FROM api_keys")
                == connection.int("SELECT count(*) FROM audit_logs WHERE api_key IS NOT NULL"))
    }

    @Test func aWholeExchangeInOneBatch() throws {
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        var exchange = Exchange(0)
        exchange.requestHeaders = "Host: h\r\n"
        exchange.responseHeaders = "Content-Type: text/plain\r\n"
        exchange.requestBody = Array("question".utf8)
        exchange.responseBody = Array("answer".utf8)
        exchange.isStream = true
        let accepted = exchange.accept(&producer)
        let completed = exchange.complete(&producer)
        #expect(accepted && completed)
        let flusher = flusher(ring)
        #expect(try flusher.flush() == .drained)
        #expect(try flusher.flush() == .idle)
        #expect(ring.usedBytes == 0)
        let row = try #require(try folder.reader().log(exchange.id.text))
        #expect(row.requestID == "req_\(exchange.id.low)" && row.keyID == "key_1" && row.sourcePath == "/team/a")
        #expect(row.method == "POST" && row.path == "/v1/chat/completions?x=1")
        #expect(row.targetURL == "http://upstream:1/v1" && row.statusCode == 200)
        #expect(row.requestTimeMilliseconds == Int64(sampleMilliseconds))
        #expect(row.firstResponseTimeMilliseconds == Int64(sampleMilliseconds))
        #expect(row.responseTimeMilliseconds == Int64(sampleMilliseconds) + 1)
        #expect(row.durationMilliseconds == 1.5 && row.requestSize == 10 && row.responseSize == 20)
        #expect(row.userAgent == "test/1" && row.ipAddress == "192.0.2.1" && row.isStream && row.streamChunks == 3)
        #expect(row.errorMessage == nil && row.requestHeaders == #"{"Host":"h"}"#)
        #expect(row.responseHeaders == #"{"Content-Type":"text/plain"}"#)
        #expect(row.requestBody == "question" && row.responseBody == "answer")
        #expect(
            try connection.text("SELECT request_time FROM audit_logs") == "2026-06-06T11:26:55.123+08:00")
        #expect(try connection.text("SELECT last_used_at FROM api_keys WHERE key_id = 'key_1'") != nil)
        #expect(try usage() == 1)
        try checkCounts(rows: 1, completed: 1)
    }

    @Test func threePhasesInThreeBatches() throws {
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        var exchange = Exchange(0)
        exchange.requestHeaders = "A: b\r\n"
        exchange.responseBody = Array("x".utf8)
        let flusher = flusher(ring)
        // Careful at first, fast afterwards.
        _ = try flusher.flush()
        _ = exchange.accept(&producer)
        _ = try flusher.flush()
        var row = try #require(try folder.reader().log(exchange.id.text))
        #expect(row.statusCode == nil && row.responseTimeMilliseconds == nil && row.requestHeaders == #"{"A":"b"}"#)
        #expect(try usage() == 1)
        try checkCounts(rows: 1, completed: 0)
        _ = exchange.firstByte(&producer)
        _ = try flusher.flush()
        row = try #require(try folder.reader().log(exchange.id.text))
        #expect(row.statusCode == nil && row.firstResponseTimeMilliseconds != nil)
        _ = exchange.complete(&producer)
        _ = try flusher.flush()
        row = try #require(try folder.reader().log(exchange.id.text))
        #expect(row.statusCode == 200 && row.responseBody == "x" && row.durationMilliseconds == 1.5)
        #expect(try usage() == 1)
        try checkCounts(rows: 1, completed: 1)
    }

    /// A stream's first byte tells the target's URL and the response's headers, its end need not.
    @Test(arguments: [0, 1, 2, 3], [false, true])
    func whatTheFirstByteToldStays(flushesBetween: Int, careful: Bool) throws {
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        var exchange = Exchange(0)
        exchange.responseHeaders = "A: b\r\n"
        let flusher = flusher(ring)
        if !careful { _ = try flusher.flush() }
        _ = exchange.accept(&producer)
        if flushesBetween & 1 != 0 { _ = try flusher.flush() }
        _ = exchange.firstByte(&producer)
        if flushesBetween & 2 != 0 {
            _ = try flusher.flush()
            let row = try #require(try folder.reader().log(exchange.id.text))
            #expect(row.targetURL == "http://upstream:1/v1" && row.responseHeaders == #"{"A":"b"}"#)
            #expect(row.statusCode == nil)
        }
        _ = exchange.complete(&producer, isDescribed: true)
        _ = try flusher.flush()
        let row = try #require(try folder.reader().log(exchange.id.text))
        #expect(row.targetURL == "http://upstream:1/v1" && row.responseHeaders == #"{"A":"b"}"#)
        #expect(row.statusCode == 200 && row.durationMilliseconds == 1.5)
    }

    @Test func aCrashBetweenCommitAndReleaseChangesNothing() throws {
        var producer = RingProducer(try folder.ring())
        let done = Exchange(0)
        let open = Exchange(1)
        var late = Exchange(2)
        late.key = "key_2"
        _ = late.accept(&producer)
        _ = try flusher(try folder.ring()).flush()
        _ = done.accept(&producer)
        _ = open.accept(&producer)
        _ = open.firstByte(&producer)
        _ = late.complete(&producer)
        _ = done.complete(&producer)
        for _ in 0..<3 {
            // Each turn is a process that dies after its commit.
            let flusher = flusher(try folder.ring())
            #expect(try flusher.flush(releasing: false) == .more)
            #expect(try usage("key_1") == 2 && usage("key_2") == 1)
            try checkCounts(rows: 3, completed: 2)
        }
        // By the time of the next start the open exchange has ended too.
        _ = open.complete(&producer)
        #expect(try flusher(try folder.ring()).flush() == .drained)
        #expect(try usage("key_1") == 2 && usage("key_2") == 1)
        try checkCounts(rows: 3, completed: 3)
        #expect(try connection.int("SELECT sum(requests) FROM audit_rollups WHERE bucket >= 0") == 3)
    }

    @Test func manyKeysAreCountedLaterAndOnceInSpiteOfACrash() throws {
        try connection.execute(
            """
            WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 199)
            INSERT INTO api_keys (key_id, key_value, source_path, created_at) SELECT 'many' || i, 'v' || i, '/', '' FROM n
            """)
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        func use(_ range: Range<Int>) {
            for n in range {
                var exchange = Exchange(n)
                exchange.key = "many\(n % 200)"
                _ = exchange.accept(&producer)
                _ = exchange.complete(&producer)
            }
        }
        let first = flusher(ring)
        try first.recover()
        _ = try first.flush()
        use(0..<200)
        _ = try first.flush()
        // What was put off is written once nothing else comes.
        use(200..<600)
        _ = try first.flush()
        #expect(try connection.int("SELECT sum(usage_count) FROM api_keys") < 600)
        _ = try first.flush()
        #expect(try connection.int("SELECT sum(usage_count) FROM api_keys") == 600)
        #expect(try first.flush() == .idle)
        // A crash while counts are put off.
        use(600..<1000)
        _ = try first.flush()
        #expect(try connection.int("SELECT sum(usage_count) FROM api_keys") == 600)
        let second = flusher(ring)
        try second.recover()
        #expect(try connection.int("SELECT sum(usage_count) FROM api_keys") == 1000)
        #expect(try connection.int("SELECT count(*) FROM api_keys WHERE usage_count = 5") == 200)
        try second.recover()
        _ = try second.flush()
        #expect(try connection.int("SELECT sum(usage_count) FROM api_keys") == 1000)
    }

    @Test func idsThatAreNotNewAfterAllAreLookedAtClosely() throws {
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        let flusher = flusher(ring)
        _ = try flusher.flush()
        for n in 0..<40 {
            _ = Exchange(n).accept(&producer)
            _ = Exchange(n).complete(&producer)
        }
        #expect(try flusher.flush() == .drained)
        // The same again, with something new among it: as after a commit whose failure was none.
        for n in 0..<41 {
            _ = Exchange(n).accept(&producer)
            _ = Exchange(n).complete(&producer)
        }
        #expect(!flusher.isCareful)
        #expect(try flusher.flush() == .more)
        #expect(try flusher.flush() == .drained)
        #expect(flusher.committedRows == 41 && flusher.rejectedRecords == 0)
        try checkCounts(rows: 41, completed: 41)
    }

    /// As databases had it before the table got a rowid.
    @Test func aTableWithoutRowidServesAsWell() throws {
        var sql = Schema.auditLogs.sql
        sql.append(" WITHOUT ROWID")
        try connection.execute("DROP TABLE audit_logs")
        try connection.execute(sql)
        for index in Schema.auditLogs.indexes { try connection.execute(index) }
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        let flusher = flusher(ring)
        _ = try flusher.flush()
        for n in 0..<100 {
            _ = Exchange(n).accept(&producer)
            if n % 3 != 0 { _ = Exchange(n).complete(&producer) }
        }
        #expect(try flusher.flush() == .drained)
        for n in 0..<100 where n % 3 == 0 { _ = Exchange(n).complete(&producer) }
        #expect(try flusher.flush() == .drained)
        try checkCounts(rows: 100, completed: 100)
        _ = try Database.open(path: folder.database)
    }

    /// Else SQLite would move the values about first.
    @Test func valuesAreInsertedInTheOrderOfTheTable() throws {
        #expect(try SchemaCheck.columns(of: "audit_logs", in: connection).map(\.name) == AuditStatements.allColumns)
        for shape in [AuditStatements.Shape.open, .brief, .full] {
            #expect(shape.columns.count == Int(shape.columnCount))
        }
    }

    /// One bad row of a fast batch undoes all of it, and none of it stays when the rows come again.
    @Test func aFailingBatchLeavesNothingBehind() throws {
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        let flusher = flusher(ring)
        _ = try flusher.flush()
        _ = Exchange(150).accept(&producer)
        _ = try flusher.flush()
        for n in 0..<200 {
            _ = Exchange(n).accept(&producer)
            _ = Exchange(n).complete(&producer)
        }
        #expect(try flusher.flush() == .more)
        try checkCounts(rows: 1, completed: 0)
        #expect(try usage() == 1)
        #expect(try flusher.flush() == .drained)
        try checkCounts(rows: 200, completed: 200)
        #expect(try usage() == 200)
    }

    @Test func everyBatchSizeKeepsEveryRow() throws {
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        let flusher = flusher(ring)
        _ = try flusher.flush()
        var n = 0
        for size in [1, 2, 3, 31, 32, 33, 63, 64, 65, 100, 517] {
            for position in 0..<size {
                var exchange = Exchange(n)
                exchange.path = "/\(n)"
                n += 1
                if position % 3 == 1 { exchange.responseHeaders = "N: \(n)\r\n" }
                _ = exchange.accept(&producer)
                if position % 5 != 4 { _ = exchange.complete(&producer) }
            }
            #expect(try flusher.flush() == .drained)
        }
        #expect(try connection.int("SELECT count(DISTINCT path) FROM audit_logs") == n)
        try checkCounts(rows: n, completed: [1, 2, 3, 31, 32, 33, 63, 64, 65, 100, 517].reduce(0) { $0 + $1 - $1 / 5 })
    }

    @Test func aBacklogIsWorkedOffInPieces() throws {
        let ring = try folder.ring(capacity: 16 << 20)
        var producer = RingProducer(ring)
        let flusher = flusher(ring)
        _ = try flusher.flush()
        for n in 0..<20_000 {
            _ = Exchange(n).accept(&producer)
            _ = Exchange(n).complete(&producer)
        }
        var turns = 0
        while try flusher.flush() == .more { turns += 1 }
        #expect(turns >= 2)
        try checkCounts(rows: 20_000, completed: 20_000)
    }

    @Test func severalRingsAtOnce() throws {
        let rings = try (0..<3).map { try folder.ring("audit-\($0).ring") }
        for (worker, ring) in rings.enumerated() {
            var producer = RingProducer(ring)
            for n in 0..<50 {
                _ = Exchange(n, worker: UInt16(worker)).accept(&producer)
                _ = Exchange(n, worker: UInt16(worker)).complete(&producer)
            }
        }
        let flusher = flusher(rings[0], rings[1], rings[2])
        #expect(try flusher.flush() == .drained)
        try checkCounts(rows: 150, completed: 150)
    }

    @Test func anEndWithoutABeginningStillGetsARow() throws {
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        _ = Exchange(0).complete(&producer)
        let flusher = flusher(ring)
        _ = try flusher.flush(releasing: false)
        _ = try self.flusher(ring).flush()
        let row = try #require(try folder.reader().log(Exchange(0).id.text))
        #expect(row.statusCode == 200 && row.requestTimeMilliseconds == Int64(sampleMilliseconds))
        #expect(flusher.orphanedCompletions == 1)
        #expect(try connection.int("SELECT value FROM store_counters") == 1)
        #expect(try connection.int("SELECT sum(requests) FROM audit_rollups WHERE bucket >= 0") == 1)
    }

    @Test func damagedRecordsAreCountedAndOthersKept() throws {
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        for n in 0..<3 { _ = Exchange(n).accept(&producer) }
        // A byte of the second record's payload.
        let size = shell("od -An -t u4 -j 4096 -N 4 '\(ring.path)'").map { String(decoding: $0, as: UTF8.self) }
        let length = try #require(size.flatMap { Int($0.filter { $0 != " " && $0 != "\n" }) })
        let second = 4096 + 8 + (length + 7) & ~7
        _ = shell("printf 'X' | dd of='\(ring.path)' bs=1 seek=\(second + 40) conv=notrunc 2>/dev/null")
        // And a record that nobody knows.
        let unknown = producer.reserve(32)
        unknown?.initializeMemory(as: UInt8.self, repeating: 9, count: 32)
        producer.commit()
        let flusher = flusher(ring)
        #expect(try flusher.flush() == .drained)
        #expect(flusher.corruptRecords == 2 && flusher.committedEvents == 2)
        #expect(try connection.int("SELECT count(*) FROM audit_logs") == 2)
    }

    @Test func whatSQLiteWillNeverTakeHoldsNobodyUp() throws {
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        let flusher = flusher(ring)
        _ = try flusher.flush()
        sqlite3_limit(connection.handle, SQLITE_LIMIT_LENGTH, 100_000)
        for n in 0..<3 {
            var exchange = Exchange(n)
            if n == 1 { exchange.path = "/" + String(repeating: "x", count: 150_000) }
            _ = exchange.accept(&producer)
        }
        #expect(try flusher.flush() == .more)
        #expect(try flusher.flush() == .drained)
        #expect(flusher.rejectedRecords == 1 && flusher.committedRows == 2)
        try checkCounts(rows: 2, completed: 0)
    }

    @Test func textsThatAreNotUTF8AreRepaired() throws {
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        let keeper = ByteKeeper()
        let fields = AcceptedFields(
            requestTimeNanoseconds: 1, requestID: keeper.bytes("r"), keyID: .empty, sourcePath: .empty,
            method: keeper.bytes("GET"), userAgent: keeper.bytes([0x61, 0xFF, 0x62]), ip: .empty,
            path: keeper.bytes("/é"), requestHeaders: keeper.bytes([0x41, 0x3A, 0xFE, 0x0A]))
        let id = AuditID(high: 1 << 16, low: 1)
        let room = producer.reserve(AuditEncoder.acceptedSize(fields))
        AuditEncoder.encodeAccepted(id, fields, into: try #require(room))
        producer.commit()
        _ = try flusher(ring).flush()
        let row = try #require(try folder.reader().log(id.text))
        #expect(row.userAgent == "a\u{FFFD}b" && row.path == "/é" && row.requestHeaders == "{\"A\":\"\u{FFFD}\"}")
        #expect(row.keyID == nil && row.sourcePath == nil && row.ipAddress == nil)
        #expect(try usage() == 0)
    }

    @Test func manyKeysAreCountedExactly() throws {
        try connection.execute(
            """
            WITH RECURSIVE n(x) AS (SELECT 0 UNION ALL SELECT x + 1 FROM n WHERE x < 299)
            INSERT INTO api_keys (key_id, key_value, source_path, created_at) SELECT 'k' || x, 'v' || x, '/', '' FROM n
            """)
        let ring = try folder.ring()
        var producer = RingProducer(ring)
        let flusher = flusher(ring)
        _ = try flusher.flush()
        for n in 0..<1500 {
            var exchange = Exchange(n)
            exchange.key = "k\(n % 300)"
            _ = exchange.accept(&producer)
        }
        #expect(try flusher.flush() == .drained)
        #expect(try connection.int("SELECT count(*) FROM api_keys WHERE key_id LIKE 'k%' AND usage_count = 5") == 300)
    }
}
