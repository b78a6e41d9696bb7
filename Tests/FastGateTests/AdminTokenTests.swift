import Glibc
import Testing

@testable import FastGate

@Suite struct AdminTokenTests {
    private let folder = TemporaryFolder()

    @Test func theFirstStartMakesOneAndLaterOnesReadIt() throws {
        let settings = settings(database: folder.path + "/a/b")
        #expect(try AdminToken.existing(settings) == nil)
        let made = try AdminToken.resolve(settings)
        let path = folder.path + "/a/b/admin_token"
        #expect(made.origin == .created(path: path))
        #expect(made.value.hasPrefix("fgadm_") && made.value.utf8.count == 54)
        #expect(folder.mode("a/b/admin_token") == 0o600)
        #expect(folder.mode("a/b") == 0o700 && folder.mode("a") == 0o700)
        #expect(try AdminToken.resolve(settings) == AdminToken(value: made.value, origin: .file(path: path)))
        #expect(try AdminToken.existing(settings)?.value == made.value)
    }

    @Test func aConfiguredOneWins() throws {
        let settings = settings(database: folder.path, token: "configured-token")
        #expect(try AdminToken.resolve(settings) == AdminToken(value: "configured-token", origin: .configured))
        #expect(access(folder.path + "/admin_token", F_OK) != 0)
    }

    @Test func aFileThatIsNoSecretIsRefused() throws {
        let settings = settings(database: folder.path)
        try folder.write("admin_token", "0123456789abcdef0123\n", mode: 0o644)
        chmod(folder.path + "/admin_token", 0o644)
        #expect(throws: AdminToken.Failure.exposed(path: folder.path + "/admin_token", mode: 0o644)) {
            try AdminToken.resolve(settings)
        }
        chmod(folder.path + "/admin_token", 0o600)
        #expect(try AdminToken.resolve(settings).value == "0123456789abcdef0123")
    }

    @Test(arguments: ["", "\n", "short", "with a blank in the middle", "zwei\nZeilen mit Zeichen"])
    func aFileWithoutATokenIsRefused(text: String) throws {
        try folder.write("admin_token", text)
        #expect(throws: AdminToken.Failure.malformed(path: folder.path + "/admin_token")) {
            try AdminToken.resolve(settings(database: folder.path))
        }
    }

    @Test func aFolderThatCannotBeMadeIsNamed() throws {
        try folder.write("file", "")
        #expect(throws: AdminToken.Failure.self) { try AdminToken.resolve(settings(database: folder.path + "/file/x")) }
    }
}
