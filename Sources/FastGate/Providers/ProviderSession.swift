import Config
import Glibc
import JSON
import LLM
import Proxy
import Store

/// The database's providers in the hands of one command, with the gateway kept out meanwhile.
final class ProviderSession {
    private let lock: InstanceLock
    private let database: Database
    private let vault: KeyVault
    private let reader: ReadConnection
    private let settings: Settings

    init(_ settings: Settings, environment: [String: String]) throws(CommandFailure) {
        self.settings = settings
        do throws(InstanceLock.Failure) {
            lock = try InstanceLock.take(folder: settings.database.folder)
        } catch {
            throw CommandFailure(message: "\(error)")
        }
        do throws(StoreError) {
            database = try Database.open(
                path: settings.database.path, timeZoneOffsetMinutes: settings.app.timezone.minutes)
            vault = try KeyVault.open(database, environment: environment[MasterKey.environmentName])
            reader = try database.reader()
        } catch {
            throw CommandFailure(message: "\(error)")
        }
    }

    private func write<T: Sendable>(
        _ body: @escaping @Sendable (borrowing WriteConnection) throws(StoreError) -> T
    ) throws(CommandFailure) -> T {
        do throws(StoreError) { return try database.write(body) } catch { throw CommandFailure(message: "\(error)") }
    }

    private func read<T>(_ body: (ReadConnection) throws(StoreError) -> T) throws(CommandFailure) -> T {
        do throws(StoreError) { return try body(reader) } catch { throw CommandFailure(message: "\(error)") }
    }

    // MARK: Providers

    func providers() throws(CommandFailure) -> [JSONValue] {
        let records = try read { reader throws(StoreError) in try reader.providers().items }
        return records.map { record in
            .object(
                JSONObject([
                    ("name", .string(record.name)), ("type", .string(record.apiType)),
                    ("base_url", .string(record.baseURL)), ("enabled", .bool(record.isEnabled)),
                    ("priority", .integer(record.priority)), ("weight", .integer(record.weight)),
                    ("key_strategy", .string(record.keyStrategy)),
                    ("models", .array(record.knownModels.map { .string($0) })),
                ]))
        }
    }

    func add(_ record: ProviderRecord) throws(CommandFailure) {
        if let problem = RouteCheck.problem(record, settings: settings) {
            throw CommandFailure(message: "\(problem.field) \(problem.message)")
        }
        _ = try write { connection throws(StoreError) in try connection.createProvider(record) }
    }

    func removeProvider(_ name: String) throws(CommandFailure) {
        let isThere = try write { connection throws(StoreError) in try connection.deleteProvider(name) }
        if !isThere { throw CommandFailure(message: "there is no provider \(name)") }
    }

    // MARK: Keys

    func keys(of provider: String) throws(CommandFailure) -> [JSONValue] {
        let records = try read { reader throws(StoreError) in try reader.providerKeys(of: provider) }
        return records.map { record in
            .object(
                JSONObject([
                    ("key_id", .string(record.keyID)), ("key", .string(record.keyHint)),
                    ("label", .string(record.label)), ("weight", .integer(record.weight)),
                    ("enabled", .bool(record.isEnabled)), ("state", .string(record.state.name)),
                ]))
        }
    }

    /// - Returns: the new key's id.
    func add(_ key: NewProviderKey) throws(CommandFailure) -> String {
        let vault = vault
        return try write { connection throws(StoreError) in
            try connection.createProviderKey(key, vault: vault).keyID
        }
    }

    func removeKey(_ keyID: String) throws(CommandFailure) {
        let isThere = try write { connection throws(StoreError) in try connection.deleteProviderKey(keyID) }
        if !isThere { throw CommandFailure(message: "there is no key \(keyID)") }
    }

    // MARK: Aliases and prices

    func aliases() throws(CommandFailure) -> [JSONValue] {
        let records = try read { reader throws(StoreError) in try reader.aliases().items }
        return records.map { record in
            .object(
                JSONObject([
                    ("name", .string(record.name)), ("targets", .array(record.targets.map { .string($0) })),
                    ("enabled", .bool(record.isEnabled)),
                ]))
        }
    }

    func setAlias(_ alias: AliasRecord) throws(CommandFailure) {
        _ = try write { connection throws(StoreError) -> AliasRecord in
            if let updated = try connection.updateAlias(alias) { return updated }
            return try connection.createAlias(alias)
        }
    }

    func removeAlias(_ name: String) throws(CommandFailure) {
        let isThere = try write { connection throws(StoreError) in try connection.deleteAlias(name) }
        if !isThere { throw CommandFailure(message: "there is no alias \(name)") }
    }

    /// - Returns: what was done, for people.
    func importPrices(_ path: String) throws(CommandFailure) -> String {
        let contents: PriceFile.Contents
        do {
            let bytes = try readFile(path, limit: 64 << 20)
            contents = try bytes.withUnsafeBytes { try PriceFile.read($0) }
        } catch {
            throw CommandFailure(message: "\(path): \(error)")
        }
        let records = contents.entries.map { entry in
            PriceRecord(
                provider: entry.provider, model: entry.model, input: entry.price.input, output: entry.price.output,
                cachedInput: entry.price.cachedInput, cacheWrite: entry.price.cacheWrite,
                reasoning: entry.price.reasoning, currency: entry.currency,
                maxInputTokens: entry.maxInputTokens.map(Int.init),
                maxOutputTokens: entry.maxOutputTokens.map(Int.init))
        }
        let done = try write { connection throws(StoreError) in try connection.importPrices(records) }
        return
            "\(done.added) added, \(done.changed) changed, \(done.unchanged) unchanged, \(done.kept) set by hand and "
            + "kept, \(contents.skipped) without a price by the token"
    }

    func prices() throws(CommandFailure) -> [JSONValue] {
        let records = try read { reader throws(StoreError) in try reader.prices().items }
        return records.map { record in
            .object(
                JSONObject([
                    ("provider", .string(record.provider)), ("model", .string(record.model)),
                    ("input", .integer(Int(record.input))), ("output", .integer(Int(record.output))),
                    ("currency", .string(record.currency)),
                ]))
        }
    }
}
