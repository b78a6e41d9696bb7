import Glibc
import Testing

@testable import Store

@Suite struct BackupTests {
    private let folder = TestFolder()
    private var target: String { folder.file("copy.db") }

    @Test func aCopyIsWholeAndItsOwnersAlone() throws {
        let database = try folder.open()
        try database.execute("INSERT INTO store_counters (name, value) VALUES ('in the log alone', 42)")
        #expect(access(folder.database + "-wal", F_OK) == 0)
        let size = try Backup.copy(folder.database, to: target)
        var status = stat()
        #expect(stat(target, &status) == 0 && Int(status.st_size) == size && status.st_mode & 0o777 == 0o600)
        let copy = try Connection(path: target, mode: .readOnly, busyTimeoutMilliseconds: 0)
        #expect(try copy.text("PRAGMA integrity_check") == "ok")
        #expect(try copy.int("SELECT value FROM store_counters WHERE name = 'in the log alone'") == 42)
        #expect(access(target + ".part", F_OK) != 0)
    }

    @Test func aFileThatIsThereStays() throws {
        _ = try folder.open()
        try write("mine", to: target)
        let error = storeError { _ = try Backup.copy(folder.database, to: target) }
        #expect(error == .system(errno: EEXIST, operation: "create \(target)"))
        #expect(shell("cat '\(target)'") == Array("mine".utf8))
    }

    @Test func whatAKilledCopyLeftIsBegunAnew() throws {
        _ = try folder.open()
        try write(String(repeating: "half a copy", count: 100_000), to: target + ".part")
        _ = try Backup.copy(folder.database, to: target)
        let copy = try Connection(path: target, mode: .readOnly, busyTimeoutMilliseconds: 0)
        #expect(try copy.text("PRAGMA integrity_check") == "ok")
    }

    @Test func whatIsNoDatabaseOfOursIsRefused() throws {
        #expect(storeError { _ = try Backup.copy(folder.database, to: target) } != nil)
        #expect(access(folder.database, F_OK) != 0)
        try write("", to: folder.database)
        let error = storeError { _ = try Backup.copy(folder.database, to: target) }
        #expect(error == .refused("\(folder.database) cannot be used: it is empty"))
        let foreign = try Connection(path: folder.database, mode: .create, busyTimeoutMilliseconds: 0)
        try foreign.execute("CREATE TABLE other (x)")
        guard case .refused? = storeError({ _ = try Backup.copy(folder.database, to: target) }) else {
            Issue.record("a foreign database was copied")
            return
        }
        #expect(access(target, F_OK) != 0 && access(target + ".part", F_OK) != 0)
    }

    private func write(_ text: String, to path: String) throws {
        let file = try #require(fopen(path, "w"))
        fputs(text, file)
        fclose(file)
    }
}
