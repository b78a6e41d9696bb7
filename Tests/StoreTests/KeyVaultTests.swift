import Glibc
import Reactor
import Testing

@testable import Store

struct KeyVaultTests {
    private let folder = TestFolder()
    private static let secret = ProviderSecret("sk-proj-0123456789abcdefghijWXYZ")

    private func addKey(_ vault: KeyVault, _ secret: ProviderSecret = secret) throws -> ProviderKeyRecord {
        try folder.write { c throws(StoreError) in
            if try c.provider("openai") == nil {
                _ = try c.createProvider(ProviderRecord(name: "openai", baseURL: "https://api.openai.com"))
            }
            return try c.createProviderKey(NewProviderKey(provider: "openai", key: secret), vault: vault)
        }
    }

    private func stored(_ keyID: String) throws -> ProviderKeyRecord {
        try #require(try folder.reader().providerKey(keyID))
    }

    private func reason(_ vault: KeyVault) -> String? {
        if case .locked(let reason) = vault.state { return reason }
        return nil
    }

    private func contents(_ path: String) -> String? {
        shell("cat '\(path)' 2>/dev/null").map { String(decoding: $0, as: UTF8.self) }
    }

    @Test func theFirstStartMakesAFileForItsOwnerOnly() throws {
        let vault = try folder.vault()
        #expect(vault.state == .ready && vault.warning == nil && vault.source == folder.file("master_key"))
        var status = stat()
        #expect(stat(folder.file("master_key"), &status) == 0 && status.st_mode & 0o777 == 0o600)
        let key = try addKey(vault)
        #expect(key.keyHint == "sk-proj-****WXYZ")
        // Another start reads the same file.
        let again = try folder.vault()
        #expect(again.state == .ready)
        #expect(again.open(try stored(key.keyID)) == Self.secret)
    }

    @Test func nothingHoldsTheKeyInClear() throws {
        let vault = try folder.vault()
        _ = try addKey(vault)
        let text = String(decoding: Self.secret.bytes, as: UTF8.self)
        #expect(shell("grep -rlaF '\(text)' '\(folder.path)'") == nil)
        #expect(shell("grep -rlaF 'ghijWXYZ' '\(folder.path)'") == nil)
        #expect("\(Self.secret) \(String(reflecting: Self.secret))" == "**** ****")
        var dumped = ""
        dump(Self.secret, to: &dumped)
        dump(MasterKey.random(), to: &dumped)
        #expect(!dumped.contains("115") && !dumped.contains("["))
    }

    @Test func theEnvironmentsKeyIsReadInHexAndBase64() throws {
        let key = MasterKey(bytes: Array(0..<32))
        let hex = key.text
        let base64 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
        for text in [hex, hex.uppercased(), " \(hex)\n", base64, String(base64.dropLast())] {
            #expect(MasterKey(text) == key, "\(text.count) characters")
        }
        for text in ["", "abc", String(hex.dropLast()), hex + "0", String(repeating: "!", count: 44)] {
            #expect(MasterKey(text) == nil)
        }
        let vault = try folder.vault(hex)
        #expect(vault.state == .ready && vault.source == "FASTGATE_MASTER_KEY")
        #expect(access(folder.file("master_key"), F_OK) != 0)
        let record = try addKey(vault)
        #expect(try folder.vault(hex).open(record) == Self.secret)
        guard case .invalid("FASTGATE_MASTER_KEY", _)? = storeError({ _ = try folder.vault("short") }) else {
            Issue.record("a malformed key was taken")
            return
        }
    }

    @Test func anotherKeyLocksAndLosesNothing() throws {
        let right = MasterKey.random()
        let record = try addKey(try folder.vault(right.text))
        let wrong = try folder.vault(MasterKey.random().text)
        #expect(reason(wrong)?.contains("FASTGATE_MASTER_KEY is not the master key") == true)
        #expect(wrong.open(record) == nil)
        guard case .locked? = storeError({ _ = try addKey(wrong, ProviderSecret("sk-another")) }) else {
            Issue.record("a locked vault sealed a key")
            return
        }
        // What needs no key works: names, weights, turning off.
        let toggled = try folder.write { c throws(StoreError) in try c.toggleProviderKey(record.keyID, vault: wrong) }
        #expect(toggled?.isEnabled == false)
        #expect(try folder.vault(right.text).open(try stored(record.keyID)) == Self.secret)
    }

    @Test func aLostFileIsSaidAndNotReplaced() throws {
        let record = try addKey(try folder.vault())
        _ = shell("mv '\(folder.file("master_key"))' '\(folder.file("kept"))'")
        let lost = try folder.vault()
        #expect(reason(lost)?.contains("master_key is missing") == true)
        #expect(lost.open(record) == nil && access(folder.file("master_key"), F_OK) != 0)
        _ = shell("mv '\(folder.file("kept"))' '\(folder.file("master_key"))'")
        #expect(try folder.vault().open(record) == Self.secret)
    }

    @Test func damagedAndExposedFilesAreSaid() throws {
        _ = try addKey(try folder.vault())
        chmod(folder.file("master_key"), 0o644)
        #expect(try folder.vault().warning?.contains("0600") == true)
        _ = shell("echo rubbish > '\(folder.file("master_key"))'")
        #expect(reason(try folder.vault())?.contains("does not hold a master key") == true)
        #expect(contents(folder.file("master_key")) == "rubbish\n")
    }

    @Test func aWrongVariableBesideTheRightFileIsSaid() throws {
        _ = try addKey(try folder.vault())
        let vault = try folder.vault(MasterKey.random().text)
        #expect(reason(vault)?.hasSuffix("master_key is") == true)
    }

    @Test func tamperedAndSwappedKeysAreUnreadable() throws {
        let vault = try folder.vault()
        let first = try addKey(vault)
        let second = try addKey(vault, ProviderSecret("sk-second-0123456789abcdef"))
        let connection = try folder.raw()
        // Somebody who can write the database puts one row's key into the other's.
        try connection.execute(
            "UPDATE provider_keys SET sealed_key = (SELECT sealed_key FROM provider_keys WHERE key_id = '\(first.keyID)')"
        )
        #expect(vault.open(try stored(first.keyID)) == Self.secret)
        #expect(vault.open(try stored(second.keyID)) == nil)
        // Or has another provider, whose address is his, use it.
        try connection.execute(
            """
            INSERT INTO providers (name, api_type, base_url, created_at, updated_at)
                VALUES ('mine', 'openai', 'http://192.0.2.1', '', '');
            UPDATE provider_keys SET provider = 'mine' WHERE key_id = '\(first.keyID)'
            """)
        #expect(vault.open(try stored(first.keyID)) == nil)
        var record = first
        for position in record.sealedKey.indices {
            record.sealedKey[position] ^= 0x10
            #expect(vault.open(record) == nil, "byte \(position)")
            record.sealedKey[position] ^= 0x10
        }
        for count in 0..<record.sealedKey.count {
            var cut = record
            cut.sealedKey.removeLast(record.sealedKey.count - count)
            #expect(vault.open(cut) == nil)
        }
        #expect(vault.open(record) == Self.secret)
    }

    @Test func aRotationSealsEverythingAnew() throws {
        let vault = try folder.vault()
        let first = try addKey(vault)
        let second = try addKey(vault, ProviderSecret("sk-second-0123456789abcdef"))
        let old = try #require(contents(folder.file("master_key")))
        try folder.raw().execute("UPDATE provider_keys SET sealed_key = x'01' WHERE key_id = '\(second.keyID)'")
        let database = try Database.open(path: folder.database)
        let unreadable = try vault.rotate { body throws(StoreError) in try database.write(body) }
        #expect(unreadable == 1 && vault.state == .ready)
        #expect(try stored(first.keyID).sealedKey != first.sealedKey)
        let rotated = try stored(first.keyID)
        #expect(vault.open(first) == nil && vault.open(rotated) == Self.secret)
        #expect(contents(folder.file("master_key")) != old && access(folder.file("master_key.new"), F_OK) != 0)
        #expect(try folder.vault().open(try stored(first.keyID)) == Self.secret)
        _ = try addKey(vault, ProviderSecret("sk-third-0123456789abcdef"))
        // The old master key is of no use any more.
        _ = shell("printf '%s' '\(old)' > '\(folder.file("master_key"))'")
        #expect(reason(try folder.vault()) != nil)
    }

    @Test func aRotationOfTheEnvironmentsKeyNeedsTheNewOne() throws {
        let (old, new) = (MasterKey.random(), MasterKey.random())
        let vault = try folder.vault(old.text)
        let record = try addKey(vault)
        let database = try Database.open(path: folder.database)
        let error = storeError { _ = try vault.rotate { body throws(StoreError) in try database.write(body) } }
        guard case .invalid("new_key", _)? = error else {
            Issue.record("a key was made up for the environment")
            return
        }
        #expect(try vault.rotate(to: new) { body throws(StoreError) in try database.write(body) } == 0)
        #expect(vault.open(try stored(record.keyID)) == Self.secret)
        #expect(try folder.vault(new.text).state == .ready)
        #expect(reason(try folder.vault(old.text)) != nil)
        #expect(access(folder.file("master_key"), F_OK) != 0)
    }

    @Test func aRotationThatFailsChangesNothing() throws {
        let vault = try folder.vault()
        let record = try addKey(vault)
        let old = contents(folder.file("master_key"))
        let error = storeError {
            _ = try vault.rotate { _ throws(StoreError) in throw .full(message: "no room") }
        }
        #expect(error == .full(message: "no room"))
        #expect(vault.open(record) == Self.secret && contents(folder.file("master_key")) == old)
        #expect(try folder.vault().open(record) == Self.secret)
        #expect(access(folder.file("master_key.new"), F_OK) != 0)
        let database = try Database.open(path: folder.database)
        #expect(try vault.rotate { body throws(StoreError) in try database.write(body) } == 0)
    }

    /// The process dies after the transaction: the next file is there, but not in place.
    @Test func aRotationThatIsCutOffIsFinishedAtTheNextStart() throws {
        let vault = try folder.vault()
        let record = try addKey(vault)
        let database = try Database.open(path: folder.database)
        let old = try #require(contents(folder.file("master_key")))
        _ = try vault.rotate { body throws(StoreError) in try database.write(body) }
        let new = try #require(contents(folder.file("master_key")))
        _ = shell("printf '%s' '\(new)' > '\(folder.file("master_key.new"))'")
        _ = shell("printf '%s' '\(old)' > '\(folder.file("master_key"))'")
        let next = try folder.vault()
        let sealed = try stored(record.keyID)
        #expect(next.state == .ready && next.open(sealed) == Self.secret)
        #expect(contents(folder.file("master_key")) == new && access(folder.file("master_key.new"), F_OK) != 0)
    }

    /// Two processes: this one must not seal with a key that is no longer the database's.
    @Test func aVaultNoticesAnothersRotation() throws {
        let here = try folder.vault()
        _ = try addKey(here)
        let there = try folder.vault()
        let database = try Database.open(path: folder.database)
        _ = try there.rotate { body throws(StoreError) in try database.write(body) }
        guard case .locked(let text)? = storeError({ _ = try addKey(here, ProviderSecret("sk-x")) }) else {
            Issue.record("a key was sealed with a master key that is no longer valid")
            return
        }
        #expect(text.contains("another process"))
        guard case .locked? = storeError({ _ = try here.rotate { b throws(StoreError) in try database.write(b) } })
        else {
            Issue.record("a rotation began from a key that is no longer valid")
            return
        }
    }

    @Test func aKeyThatIsLostForGoodIsReplaced() throws {
        let record = try addKey(try folder.vault())
        _ = shell("rm '\(folder.file("master_key"))'")
        let vault = try folder.vault()
        let database = try Database.open(path: folder.database)
        let unreadable = try vault.replaceLostKey { body throws(StoreError) in
            try database.write(body)
        }
        #expect(unreadable == 1 && vault.state == .ready && vault.open(record) == nil)
        var patch = ProviderKeyPatch()
        patch.key = .set(Self.secret)
        let given = patch
        _ = try folder.write { c throws(StoreError) in try c.updateProviderKey(record.keyID, given, vault: vault) }
        #expect(try folder.vault().open(try stored(record.keyID)) == Self.secret)
        let again = storeError {
            _ = try vault.replaceLostKey { b throws(StoreError) in try database.write(b) }
        }
        #expect(again == .conflict(field: "master_key", message: "is not lost"))
    }

    @Test func aMasterKeyThatIsPutBackIsFoundWithoutARestart() throws {
        let record = try addKey(try folder.vault())
        let file = folder.file("master_key")
        _ = shell("mv '\(file)' '\(file).kept'")
        let vault = try folder.vault()
        let reader = try ReadConnection(path: folder.database)
        #expect(reason(vault) != nil && vault.open(record) == nil)
        #expect(try vault.reread(reader) == false)
        _ = shell("mv '\(file).kept' '\(file)'")
        #expect(try vault.reread(reader))
        #expect(vault.state == .ready && vault.open(record) == Self.secret)
        #expect(try vault.reread(reader) == false)
    }

    /// Two processes, one of which rotates: the other one follows.
    @Test func anothersRotationIsFollowed() throws {
        let here = try folder.vault()
        let record = try addKey(here)
        let database = try Database.open(path: folder.database)
        _ = try folder.vault().rotate { body throws(StoreError) in try database.write(body) }
        let reader = try ReadConnection(path: folder.database)
        #expect(try here.reread(reader))
        #expect(try here.state == .ready && here.open(stored(record.keyID)) == Self.secret)
        _ = shell("rm '\(folder.file("master_key"))'")
        #expect(try here.reread(reader) == false, "what is in memory fits")
    }

    @Test func aLostKeyOfTheEnvironmentIsReplacedByTheOneThatIsThere() throws {
        let record = try addKey(try folder.vault(MasterKey.random().text))
        let new = MasterKey.random()
        let vault = try folder.vault(new.text)
        #expect(reason(vault) != nil)
        let database = try Database.open(path: folder.database)
        #expect(try vault.replaceLostKey { b throws(StoreError) in try database.write(b) } == 1)
        #expect(vault.state == .ready && vault.open(record) == nil)
        #expect(try folder.vault(new.text).state == .ready)
    }
}
