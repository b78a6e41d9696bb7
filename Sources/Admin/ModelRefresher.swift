import Config
import Glibc
import Log
import Proxy
import Reactor
import Store
import Synchronization

/// Keeps the lists of models fresh of those providers for which the operator has named none: asks them when they are new or
/// have changed, and then every `providers.models_refresh`. A thread of its own, which mostly sleeps.
final class ModelRefresher: Sendable {
    private let shared: AdminShared
    private let databasePath: String
    private let mailbox: Mailbox<Bool>
    private let thread = Mutex<WorkerThread?>(nil)

    /// After a provider did not answer.
    static let retryMilliseconds: Int64 = 60_000

    init(shared: AdminShared, databasePath: String) throws(SystemError) {
        self.shared = shared
        self.databasePath = databasePath
        mailbox = try Mailbox()
    }

    func start() throws(SystemError) {
        let thread = try WorkerThread.start(name: "fg-models", cpu: nil) { self.run() }
        self.thread.withLock { $0 = thread }
    }

    /// Looks whether somebody is to be asked: a provider may be new, or another.
    func wake() { mailbox.post(false) }

    func stop() {
        mailbox.post(true)
        thread.withLock { thread in
            let running = thread
            thread = nil
            return running
        }?.join()
    }

    private func run() {
        guard let reader = try? ReadConnection(path: databasePath, timeZoneOffsetMinutes: 0) else { return }
        let context = HandlerContext(shared: shared, reader: reader)
        var failures: [String: Attempt] = [:]
        while true {
            refresh(context, &failures)
            var waiting = pollfd(fd: mailbox.fd, events: Int16(POLLIN), revents: 0)
            _ = poll(&waiting, 1, 30_000)
            if mailbox.drain().contains(true) { return }
        }
    }

    /// Whom was asked in vain, and with what: as long as both are the same nobody is in a hurry to ask again.
    private struct Attempt {
        var provider: ProviderRecord
        var keys: [Key]
        var milliseconds: Int64

        /// What an operator can change about a key, and what its provider says of it.
        struct Key: Equatable {
            var id: String
            var isEnabled: Bool
            var state: ProviderKeyState
            var updatedAt: Int64
        }

        func isSame(_ provider: ProviderRecord, _ keys: [Key]) -> Bool {
            self.provider == provider && self.keys == keys
        }
    }

    private func refresh(_ context: HandlerContext, _ failures: inout [String: Attempt]) {
        guard let providers = try? context.reader.providers().items else { return }
        for provider in providers where provider.isEnabled && provider.models.isEmpty {
            let now = HandlerContext.nowMilliseconds()
            guard isDue(provider, now) else { continue }
            let records = (try? context.reader.providerKeys(of: provider.name)) ?? []
            let keys = records.map {
                Attempt.Key(
                    id: $0.keyID, isEnabled: $0.isEnabled, state: $0.state, updatedAt: $0.updatedAtMilliseconds)
            }
            let last = failures[provider.name]
            let isSame = last?.isSame(provider, keys) ?? false
            if let last, isSame, now - last.milliseconds < Self.retryMilliseconds { continue }
            if let problem = ask(provider, records, context) {
                if !isSame {
                    Logger.shared.warn(
                        "the models of a provider could not be read: \(problem)", [("provider", .string(provider.name))]
                    )
                }
                failures[provider.name] = Attempt(provider: provider, keys: keys, milliseconds: now)
            } else {
                failures[provider.name] = nil
            }
        }
    }

    private func isDue(_ provider: ProviderRecord, _ now: Int64) -> Bool {
        guard let last = provider.discoveredAtMilliseconds else { return true }
        let interval = Int64(shared.settings.providers.modelsRefreshSeconds * 1000)
        return now - last >= interval || provider.updatedAtMilliseconds > last
    }

    /// A key that the provider refuses may be one of several.
    private static let keysToTry = 3

    private struct Failure: Error {
        var text: String
        /// Another key may do.
        var isOfKey = false
    }

    private func list(_ provider: ProviderRecord, _ secret: ProviderSecret?) -> Result<[String], Failure> {
        do throws(GatewayError) {
            let request = try ModelListRequest(provider, secret: secret, version: shared.version)
            switch ModelListClient(settings: shared.settings).get(request).outcome {
            case .failure(let failure): return .failure(Failure(text: failure.text))
            case .success(let answer):
                guard answer.status == 200 else {
                    let isOfKey = [401, 402, 403, 429].contains(answer.status)
                    return .failure(Failure(text: "it answered \(answer.status)", isOfKey: isOfKey))
                }
                let names = ModelListRequest.names(in: answer.body)
                return names.map { .success($0) } ?? .failure(Failure(text: "its answer is no list of models"))
            }
        } catch {
            return .failure(Failure(text: "\(error)"))
        }
    }

    /// - Returns: what went wrong; nil if nothing did.
    private func ask(
        _ provider: ProviderRecord, _ keys: [ProviderKeyRecord], _ context: HandlerContext
    ) -> String? {
        let status = shared.gateway.providerStatus().first { $0.name == provider.name }
        var problem = "it has no usable key"
        var names: [String] = []
        asking: for secret in AskingKeys.choose(keys, status, shared.vault).prefix(Self.keysToTry) {
            switch list(provider, secret) {
            case .success(let found):
                names = Array(found.prefix(4096))
                problem = ""
                break asking
            case .failure(let failure):
                problem = failure.text
                if !failure.isOfKey { break asking }
            }
        }
        if !problem.isEmpty { return problem }
        do throws(AdminFailure) {
            let (name, listed) = (provider.name, names)
            try context.exclusivelyProviders { () throws(AdminFailure) in
                _ = try context.write { connection throws(StoreError) in
                    try connection.setDiscoveredModels(name, listed)
                }
            }
            return nil
        } catch {
            return error.message
        }
    }
}
