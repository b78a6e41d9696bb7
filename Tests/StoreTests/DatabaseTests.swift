import Glibc
import Testing

@testable import Store

struct DatabaseTests {
    private let folder = TestFolder()

    private func refusal(_ path: String? = nil) -> String? {
        guard case .refused(let text)? = storeError({ _ = try Database.open(path: path ?? folder.database) })
        else { return nil }
        return text
    }

    private func mode(_ path: String) -> UInt32 {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o777 : 0
    }

    @Test func aMissingDatabaseIsMadeWithItsFolders() throws {
        let path = folder.file("a/b/fastgate.db")
        let database = try Database.open(path: path)
        #expect(database.wasCreated && database.migratedFromVersion == nil && database.backupPath == nil)
        #expect(mode(path) == 0o600 && mode(folder.file("a")) == 0o700 && mode(folder.file("a/b")) == 0o700)
        let again = try Database.open(path: path)
        #expect(!again.wasCreated)
        let connection = try Connection(path: path, mode: .readOnly, busyTimeoutMilliseconds: 0)
        #expect(try connection.text("PRAGMA journal_mode") == "wal")
        #expect(try connection.int("PRAGMA user_version") == Schema.version)
        #expect(try connection.int("PRAGMA application_id") == Schema.applicationID)
        #expect(try connection.text("PRAGMA integrity_check") == "ok")
    }

    @Test func whatANewOneBeginsWithIsStoredWithItOrNotAtAll() throws {
        let price = PriceRecord(provider: "openai", model: "m", input: 1, output: 2)
        let failure = storeError {
            _ = try Database.open(path: folder.database) { writer throws(StoreError) in
                _ = try writer.setPrice(price)
                throw .invalid(field: "input", message: "is odd")
            }
        }
        guard case .invalid("input", _)? = failure else {
            Issue.record("\(String(describing: failure))")
            return
        }
        let database = try Database.open(path: folder.database) { writer throws(StoreError) in
            _ = try writer.setPrice(price)
        }
        #expect(database.wasCreated)
        #expect(try database.reader().prices(PriceFilter(), limit: 9, offset: 0).items.map(\.model) == ["m"])
        _ = try Database.open(path: folder.database) { _ throws(StoreError) in Issue.record("it is there already") }
    }

    @Test func anEmptyFileCountsAsMissing() throws {
        close(open(folder.database, O_CREAT | O_RDWR, 0o600))
        #expect(try Database.open(path: folder.database).wasCreated)
    }

    @Test func aNewerDatabaseIsRefused() throws {
        try folder.open().execute("PRAGMA user_version = 99")
        #expect(refusal()?.contains("schema version is 99") == true)
        #expect(refusal()?.contains("newer FastGate") == true)
    }

    @Test func foreignDatabasesAreRefused() throws {
        try folder.raw().execute("CREATE TABLE songs (id); CREATE TABLE albums (id)")
        #expect(refusal()?.contains("(albums, songs)") == true)
        let other = folder.file("other.db")
        let connection = try Connection(path: other, mode: .create, busyTimeoutMilliseconds: 0)
        try connection.execute("CREATE TABLE api_keys (x); PRAGMA application_id = 77")
        #expect(refusal(other)?.contains("application_id is 77") == true)
        try connection.execute("PRAGMA application_id = 0; PRAGMA user_version = 1")
        #expect(refusal(other)?.contains("application_id is 0") == true)
        try connection.execute("PRAGMA user_version = -4")
        #expect(refusal(other)?.contains("-4") == true)
    }

    @Test func whatIsNoDatabaseIsRefusedAndLeftAlone() throws {
        let path = folder.file("text.db")
        _ = shell("yes 'this is no database' | head -c 5000 > '\(path)'")
        #expect(refusal(path)?.contains("not a SQLite database") == true)
        #expect(shell("wc -c < '\(path)'").map { String(decoding: $0, as: UTF8.self) } == "5000\n")
    }

    @Test func aMissingColumnOrTableIsNamed() throws {
        let connection = try folder.open()
        try connection.execute("ALTER TABLE proxy_routes DROP COLUMN weight")
        #expect(refusal()?.hasSuffix("its table proxy_routes has no column weight") == true)
        try connection.execute("DROP TABLE audit_rollups")
        #expect(refusal()?.hasSuffix("it has no table audit_rollups") == true)
    }

    @Test func moreColumnsDoNoHarmUnlessTheyMustBeFilled() throws {
        let connection = try folder.open()
        try connection.execute("ALTER TABLE api_keys ADD COLUMN note TEXT; CREATE TABLE mine (x)")
        _ = try Database.open(path: folder.database)
        try connection.execute("DROP TABLE store_counters")
        try connection.execute("CREATE TABLE store_counters (name PRIMARY KEY, value, must NOT NULL)")
        #expect(refusal()?.contains("column must") == true)
    }

    @Test func aFolderThatCannotBeMadeIsAnError() {
        _ = shell("touch '\(folder.file("file"))'")
        guard case .system? = storeError({ _ = try Database.open(path: folder.file("file/x/fastgate.db")) }) else {
            Issue.record("a folder below a file was made")
            return
        }
    }

    @Test func readersCannotWriteAndAreCutOff() throws {
        _ = try folder.open()
        let reader = try folder.reader()
        let refused = storeError {
            try reader.read { c throws(StoreError) in try c.execute("DELETE FROM api_keys") }
        }
        #expect(refused != nil)
        reader.queryTimeoutMilliseconds = 30
        let endless = storeError {
            _ = try reader.read { c throws(StoreError) in
                try c.scalar("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n")
            }
        }
        #expect(endless == .timedOut)
        // The handle is as good as new.
        #expect(try reader.listKeys().total == 0)
    }

    @Test func failedChangesLeaveNothing() throws {
        let database = try Database.open(path: folder.database)
        let error = storeError {
            try database.write { c throws(StoreError) in
                _ = try c.createKey(NewKey(sourcePath: "/a"), keyPrefix: "")
                throw .notFound("it")
            }
        }
        #expect(error == .notFound("it"))
        #expect(try database.reader().listKeys().total == 0)
    }
}
