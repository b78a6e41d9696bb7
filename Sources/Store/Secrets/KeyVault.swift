import Reactor
import Synchronization

/// Seals and opens the keys of providers. What it makes is bound to the provider and the key's id, so a row's sealed
/// key is of no use in another row, and nothing without the master key.
///
/// The database holds a check value of the master key it was sealed with. If the present one is another, or gone,
/// the vault is locked: nothing can be opened or sealed, everything in the database stays as it is, and the right
/// master key makes all of it readable again.
public final class KeyVault: Sendable {
    public enum State: Sendable, Equatable {
        case ready
        /// Says what is wrong and what helps.
        case locked(reason: String)
    }

    /// Where the master key is: `FASTGATE_MASTER_KEY` or a path.
    public let source: String
    /// Something an operator should mend although all works.
    public let warning: String?
    /// Nil: the master key is in the environment.
    private let file: MasterKeyFile?
    /// What the environment gave, whether it fits or not.
    private let given: MasterKey?

    private struct Keys {
        var current: MasterKey?
        /// While a rotation is under way: valid as soon as the database says so.
        var next: MasterKey?
        var state: State
    }

    private let keys: Mutex<Keys>

    private init(
        source: String, warning: String?, file: MasterKeyFile?, given: MasterKey?, key: MasterKey?, state: State
    ) {
        self.source = source
        self.warning = warning
        self.file = file
        self.given = given
        keys = Mutex(Keys(current: key, next: nil, state: state))
    }

    public var state: State { keys.withLock { $0.state } }

    /// Whether the master key comes from the environment, which nobody but its caller can change.
    public var isFromEnvironment: Bool { file == nil }

    /// Finds the master key, or makes its file if the database has never had one.
    ///
    /// - Parameter environment: the value of `FASTGATE_MASTER_KEY`; nil or empty: not set.
    /// - Throws: `StoreError.invalid` if the value is no key. A key that does not fit is not an error, see `state`.
    public static func open(_ database: Database, environment: String?) throws(StoreError) -> KeyVault {
        let file = MasterKeyFile(besideDatabase: database.path)
        if let text = environment, !text.isEmpty {
            guard let key = MasterKey(text) else {
                throw .invalid(field: MasterKey.environmentName, message: MasterKey.rule)
            }
            let state = try enter(key, database, named: "the key in \(MasterKey.environmentName)", file)
            return KeyVault(
                source: MasterKey.environmentName, warning: nil, file: nil, given: key,
                key: state == .ready ? key : nil, state: state)
        }
        let check = try database.write { connection throws(StoreError) in try connection.masterKeyCheck() }
        try finishRotation(file, check)
        var warning: String?
        if file.isExposed { warning = "\(file.path) can be read by others than its owner: its mode should be 0600" }
        let key: MasterKey?
        let state: State
        switch file.read() {
        case .key(let found):
            state = try enter(found, database, named: "the key in \(file.path)", nil)
            key = state == .ready ? found : nil
        case .missing where check == nil:
            let made = MasterKey.random()
            try file.create(made)
            state = try enter(made, database, named: "the key in \(file.path)", nil)
            key = made
        case .missing:
            state = .locked(reason: missing(file))
            key = nil
        case .unreadable(let text):
            state = .locked(reason: text)
            key = nil
        }
        return KeyVault(source: file.path, warning: warning, file: file, given: nil, key: key, state: state)
    }

    private static func missing(_ file: MasterKeyFile) -> String {
        "\(file.path) is missing and \(MasterKey.environmentName) is not set: the provider keys in the database cannot "
            + "be read until the master key they were sealed with is back"
    }

    private static func mismatch(_ name: String) -> String {
        "\(name) is not the master key that the provider keys in the database were sealed with"
    }

    /// Compares a key with the database's check value, and leaves one there if it has none.
    private static func enter(
        _ key: MasterKey, _ database: Database, named name: String, _ other: MasterKeyFile?
    ) throws(StoreError) -> State {
        let check = try database.write { connection throws(StoreError) -> [UInt8] in
            if let check = try connection.masterKeyCheck() { return check }
            let check = try key.check()
            try connection.setMasterKeyCheck(check)
            return check
        }
        if key.fits(check) { return .ready }
        var reason = mismatch(name)
        if let other, case .key(let found) = other.read(), found.fits(check) {
            reason += "; the one in \(other.path) is"
        }
        return .locked(reason: reason)
    }

    /// A rotation that was cut off has left the next key's file: the database says which of the two is valid.
    private static func finishRotation(_ file: MasterKeyFile, _ check: [UInt8]?) throws(StoreError) {
        guard case .key(let next) = file.readNext() else {
            // Cut off while it was written: the database cannot want it yet.
            if case .unreadable = file.readNext() { file.removeNext() }
            return
        }
        if let check, next.fits(check) {
            try file.adoptNext()
        } else if case .key(let present) = file.read(), let check, present.fits(check) {
            file.removeNext()
        }
    }

    /// Looks once more for the master key: the operator may have put it back, another process may have changed it. A key
    /// in the environment stays what it was at the start.
    ///
    /// - Returns: whether anything is different now.
    public func reread(_ reader: ReadConnection) throws(StoreError) -> Bool {
        guard let check = try reader.masterKeyCheck() else { return false }
        var found: [MasterKey] = given.map { [$0] } ?? []
        var reason = Self.mismatch("the key in \(source)")
        if let file {
            for content in [file.read(), file.readNext()] { if case .key(let key) = content { found.append(key) } }
            switch file.read() {
            case .key: break
            case .missing: reason = Self.missing(file)
            case .unreadable(let text): reason = text
            }
        }
        let fitting = found.first { $0.fits(check) }
        return keys.withLock { keys in
            // A change that this process makes itself comes to its end by itself.
            if keys.next != nil || (keys.current?.fits(check) ?? false) { return false }
            let before = keys
            keys.state = fitting == nil ? .locked(reason: reason) : .ready
            if let fitting { keys.current = fitting }
            return keys.state != before.state || keys.current != before.current
        }
    }

    // MARK: Sealing

    /// The key in clear; nil if it cannot be read.
    public func open(_ record: ProviderKeyRecord) -> ProviderSecret? {
        let (current, next) = keys.withLock { ($0.current, $0.next) }
        for key in [current, next] {
            if let key, let bytes = key.open(record.sealedKey, Self.context(record.provider, record.keyID)) {
                return ProviderSecret(bytes: bytes)
            }
        }
        return nil
    }

    /// - Parameter check: the database's own, read in the transaction that will store the result.
    func seal(
        _ secret: ProviderSecret, provider: String, keyID: String, check: [UInt8]?
    ) throws(StoreError) -> [UInt8] {
        let (current, next, state) = keys.withLock { ($0.current, $0.next, $0.state) }
        if case .locked(let reason) = state { throw .locked(reason) }
        guard let check, let key = [current, next].compactMap({ $0 }).first(where: { $0.fits(check) }) else {
            throw .locked("the master key of the database has been changed by another process")
        }
        return try key.seal(secret.bytes, Self.context(provider, keyID))
    }

    private static func context(_ provider: String, _ keyID: String) -> [UInt8] {
        Array("fastgate provider key\0\(provider)\0\(keyID)".utf8)
    }

    // MARK: Changing the master key

    /// How changes reach the database: through the writer, or on a handle of their own.
    public typealias Write = (
        _ body: @escaping @Sendable (borrowing WriteConnection) throws(StoreError) -> Int
    ) throws(StoreError) -> Int

    /// Seals every provider key anew with another master key. The file is replaced if the key came from there; a key
    /// in the environment is the caller's to change.
    ///
    /// - Parameter new: nil: a random one, for a key in a file only.
    /// - Returns: how many keys could not be opened and were left as they were.
    public func rotate(to new: MasterKey? = nil, write: Write) throws(StoreError) -> Int {
        guard let key = new ?? (file == nil ? nil : .random()) else {
            throw .invalid(field: "new_key", message: "must be given, for the present one comes from \(source)")
        }
        return try change(to: key, mustBeReady: true, write) { connection throws(StoreError) in
            var unreadable = 0
            for record in try connection.providerKeys() {
                guard let secret = self.open(record) else {
                    unreadable += 1
                    continue
                }
                let sealed = try key.seal(secret.bytes, Self.context(record.provider, record.keyID))
                try connection.setSealedKey(sealed, keyID: record.keyID)
            }
            return unreadable
        }
    }

    /// For a master key that is lost for good: the one in the environment or file, or a new one, becomes the
    /// database's. Keys that were sealed with the lost one stay unreadable until they are given anew.
    ///
    /// - Returns: how many keys cannot be read.
    public func replaceLostKey(write: Write) throws(StoreError) -> Int {
        guard case .locked = state else {
            throw .conflict(field: "master_key", message: "is not lost")
        }
        var adopted = given ?? MasterKey.random()
        switch file?.read() {
        case .key(let found): adopted = found
        case .missing, nil: break
        case .unreadable(let text): throw .locked(text)
        }
        let key = adopted
        return try change(to: key, mustBeReady: false, write) { connection throws(StoreError) in
            try connection.providerKeys().count {
                key.open($0.sealedKey, Self.context($0.provider, $0.keyID)) == nil
            }
        }
    }

    /// The new key's file lies beside the old one before the transaction and takes its place after it, so that
    /// whichever of the two the database wants is there whenever this is cut off.
    private func change(
        to key: MasterKey, mustBeReady: Bool, _ write: Write,
        _ body: @escaping @Sendable (borrowing WriteConnection) throws(StoreError) -> Int
    ) throws(StoreError) -> Int {
        let problem = keys.withLock { keys -> StoreError? in
            if mustBeReady, case .locked(let reason) = keys.state { return .locked(reason) }
            if keys.next != nil { return .busy(message: "the master key is being changed already") }
            keys.next = key
            return nil
        }
        if let problem { throw problem }
        do throws(StoreError) {
            try file?.createNext(key)
            let count = try write { connection throws(StoreError) in
                let check = try connection.masterKeyCheck()
                if mustBeReady {
                    guard let check, self.keys.withLock({ $0.current?.fits(check) == true }) else {
                        throw .locked("the master key of the database has been changed by another process")
                    }
                }
                let count = try body(connection)
                try connection.setMasterKeyCheck(try key.check())
                return count
            }
            keys.withLock { $0 = Keys(current: key, next: nil, state: .ready) }
            try file?.adoptNext()
            return count
        } catch {
            // If the file could not be put in place, the database wants the next key all the same.
            keys.withLock { $0.next = nil }
            throw error
        }
    }
}

extension MasterKey {
    private static let checkContext = Array("fastgate master key check".utf8)
    private static let checkText = Array("fastgate".utf8)
    /// The first byte of what is sealed: how the rest is to be read.
    private static let format: UInt8 = 1

    func seal(_ plaintext: [UInt8], _ context: [UInt8]) throws(StoreError) -> [UInt8] {
        guard let sealed = AESGCM.seal(plaintext, key: bytes, context: context) else {
            throw .system(errno: 12, operation: "encrypt")
        }
        return [Self.format] + sealed
    }

    func open(_ sealed: [UInt8], _ context: [UInt8]) -> [UInt8]? {
        guard sealed.first == Self.format else { return nil }
        return AESGCM.open(Array(sealed.dropFirst()), key: bytes, context: context)
    }

    /// What tells this key from others, and nothing about it.
    func check() throws(StoreError) -> [UInt8] { try seal(Self.checkText, Self.checkContext) }

    func fits(_ check: [UInt8]) -> Bool { open(check, Self.checkContext) == Self.checkText }
}

extension Connection {
    /// Nil: the database has never had a master key.
    func masterKeyCheck() throws(StoreError) -> [UInt8]? {
        let select = try statement("SELECT value FROM store_secrets WHERE name = 'master_key_check'")
        defer { select.reset() }
        guard try select.step(), case .blob(let bytes) = select.value(0) else { return nil }
        return bytes
    }
}

extension ReadConnection {
    func masterKeyCheck() throws(StoreError) -> [UInt8]? {
        try read { connection throws(StoreError) in try connection.masterKeyCheck() }
    }
}

extension WriteConnection {
    borrowing func masterKeyCheck() throws(StoreError) -> [UInt8]? { try connection.masterKeyCheck() }

    borrowing func setMasterKeyCheck(_ check: [UInt8]) throws(StoreError) {
        let upsert = try connection.statement(
            """
            INSERT INTO store_secrets (name, value) VALUES ('master_key_check', ?1)
            ON CONFLICT (name) DO UPDATE SET value = excluded.value
            """)
        defer { upsert.reset() }
        upsert.bind(1, .blob(check))
        try upsert.run()
    }

    borrowing func setSealedKey(_ sealed: [UInt8], keyID: String) throws(StoreError) {
        let update = try connection.statement("UPDATE provider_keys SET sealed_key = ?2 WHERE key_id = ?1")
        defer { update.reset() }
        update.bind(1, keyID).bind(2, .blob(sealed))
        try update.run()
    }
}
