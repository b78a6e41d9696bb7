import Config
import Glibc
import JSON
import Reactor

/// Decides who answers a command: the gateway that runs on the configured database, or, if none does, this process.
struct AccessChoice {
    let settings: Settings
    /// How long to wait for a gateway that is just starting, or for another command.
    var patienceMilliseconds = 2000

    /// - Parameter createsDatabase: whether a database that is missing is made.
    func access(createsDatabase: Bool) throws(CommandFailure) -> any AdminAccess {
        var waited = 0
        while let holder = InstanceLock.holder(folder: settings.database.folder) {
            if let address = holder.adminAddress.flatMap(Self.parse) { return try client(address) }
            // Not yet listening; or another command, which will be gone in a moment.
            guard waited < patienceMilliseconds else {
                guard let address = configuredAddress else {
                    throw CommandFailure(
                        message: "\(settings.database.folder) is in use"
                            + (holder.processID.map { " by process \($0)" } ?? "") + ", which has no admin port yet")
                }
                return try client(address)
            }
            usleep(50_000)
            waited += 50
        }
        // Nobody holds the lock: so no gateway of this machine uses the database, but one in a container that the
        // configuration describes may listen.
        if let address = configuredAddress, let client = try? client(address), serves(client) { return client }
        return try LocalAccess(settings: settings, createsDatabase: createsDatabase)
    }

    private var configuredAddress: SocketAddress? {
        settings.admin.port == 0
            ? nil : AdminClient.reachable(host: settings.admin.host, port: settings.admin.port)
    }

    private func client(_ address: SocketAddress) throws(CommandFailure) -> AdminClient {
        let token: AdminToken?
        do throws(AdminToken.Failure) {
            token = try AdminToken.existing(settings)
        } catch {
            throw CommandFailure(message: "\(error)")
        }
        guard let token else { throw CommandFailure(message: "there is no admin token: set FASTGATE_ADMIN_TOKEN") }
        return AdminClient(address: address, token: token.value)
    }

    /// Whether a gateway answers there that takes our token and has our database: another gateway that happens to
    /// have the same admin port must not be changed by mistake.
    private func serves(_ client: AdminClient) -> Bool {
        guard let config = try? client.json(APIRequest("GET", "/admin/config")) else { return false }
        return config["database"]?["url"]?.stringValue == settings.database.url
    }

    /// `127.0.0.1:8515`, `[::1]:8515`.
    static func parse(_ text: String) -> SocketAddress? {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        return AdminClient.reachable(host: host, port: port)
    }
}
