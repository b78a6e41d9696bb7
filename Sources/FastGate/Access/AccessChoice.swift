import Config
import Glibc
import JSON
import Reactor

/// Decides who answers a command: the gateway that runs on the configured database, or, if none does, this process.
struct AccessChoice {
    let settings: Settings
    /// The admin API to ask, whatever the configuration says.
    var url: String?
    /// Where the admin token is, whatever the configuration says.
    var tokenFile: String?
    /// The authorities that an https URL's certificate is verified with; nil = the system's.
    var caFile: String?
    var environment: [String: String] = [:]
    /// How long to wait for a gateway that is just starting, or for another command.
    var patienceMilliseconds = 2000

    /// - Parameter createsDatabase: whether a database that is missing is made.
    func access(createsDatabase: Bool) throws(CommandFailure) -> any AdminAccess {
        if let client = try running() { return client }
        return try LocalAccess(settings: settings, createsDatabase: createsDatabase, environment: environment)
    }

    /// The gateway that runs; nil if none does.
    ///
    /// - Parameter silenceMilliseconds: the longest silence of the gateway that is put up with.
    func running(silenceMilliseconds: Int32 = 60_000) throws(CommandFailure) -> AdminClient? {
        if let url { return try remote(url, silenceMilliseconds) }
        var waited = 0
        while let holder = InstanceLock.holder(folder: settings.database.folder) {
            if let text = holder.adminAddress, let address = Self.parse(text) {
                return try client(
                    address, isTLS: text.hasPrefix("https://"), silenceMilliseconds: silenceMilliseconds)
            }
            // Not yet listening; or another command, which will be gone in a moment.
            guard waited < patienceMilliseconds else {
                guard let address = configuredAddress else {
                    throw CommandFailure(
                        message: "\(settings.database.folder) is in use"
                            + (holder.processID.map { " by process \($0)" } ?? "") + ", which has no admin port yet")
                }
                return try client(address, silenceMilliseconds: silenceMilliseconds)
            }
            usleep(50_000)
            waited += 50
        }
        // Nobody holds the lock, so no gateway uses a database that is here. If none is here, the configuration may
        // describe a gateway in a container. With a database here nobody is asked: while the gateway is down, another
        // user's process could listen on its port and be told the token.
        if Glibc.access(settings.database.path, F_OK) != 0, let address = configuredAddress,
            let client = try? client(address, silenceMilliseconds: 5000), serves(client)
        {
            return try self.client(address, silenceMilliseconds: silenceMilliseconds)
        }
        return nil
    }

    /// The admin API at a URL. What the configuration holds as token was meant for this machine's gateway: another
    /// machine is told only a token that was named for it.
    private func remote(_ url: String, _ silenceMilliseconds: Int32) throws(CommandFailure) -> AdminClient {
        let place = try HostLookup.place(url: url)
        // Without a file of authorities the gateway on this machine is known by its certificate.
        if place.address.isLoopback && (!place.isTLS || caFile == nil && settings.admin.isTLS) {
            return try client(place.address, isTLS: place.isTLS, silenceMilliseconds: silenceMilliseconds)
        }
        let variables = ["FASTGATE_ADMIN_TOKEN", "ADMIN_TOKEN"].compactMap { environment[$0] }.filter { !$0.isEmpty }
        guard let token = try namedToken() ?? variables.first else {
            throw CommandFailure(
                message: "there is no admin token for \(url)",
                hint: "Name one with --token-file, or set FASTGATE_ADMIN_TOKEN.")
        }
        return AdminClient(
            address: place.address, token: token, tls: place.isTLS ? try authorities() : nil, serverName: place.host,
            silenceMilliseconds: silenceMilliseconds)
    }

    /// Who may have signed another machine's certificate: `--ca-file`, or the system's authorities.
    private func authorities() throws(CommandFailure) -> TLSContext {
        do throws(TLSError) {
            return try TLSContext.client(verify: true, caFile: caFile ?? "")
        } catch {
            throw CommandFailure(message: "\(error)")
        }
    }

    /// The token of `--token-file`.
    private func namedToken() throws(CommandFailure) -> String? {
        guard let tokenFile else { return nil }
        do throws(AdminToken.Failure) {
            return try AdminToken.named(tokenFile)
        } catch {
            throw CommandFailure(message: "\(error)")
        }
    }

    private var configuredAddress: SocketAddress? {
        settings.admin.port == 0
            ? nil : AdminClient.reachable(host: settings.admin.host, port: settings.admin.port)
    }

    private func client(
        _ address: SocketAddress, isTLS: Bool? = nil, silenceMilliseconds: Int32 = 60_000
    ) throws(CommandFailure) -> AdminClient {
        if let token = try namedToken() {
            return AdminClient(
                address: address, token: token, tls: try trust(isTLS), silenceMilliseconds: silenceMilliseconds)
        }
        let token: AdminToken?
        do throws(AdminToken.Failure) {
            token = try AdminToken.existing(settings)
        } catch {
            throw CommandFailure(message: "\(error)")
        }
        guard let token else {
            throw CommandFailure(
                message: "there is no admin token",
                hint: "Set FASTGATE_ADMIN_TOKEN, or name a file that holds the token with --token-file.")
        }
        return AdminClient(
            address: address, token: token.value, tls: try trust(isTLS), silenceMilliseconds: silenceMilliseconds)
    }

    /// The gateway on this machine shows the certificate that the configuration names: that one and no other, so it
    /// does not matter for which name it is. nil if it speaks plain HTTP.
    private func trust(_ isTLS: Bool?) throws(CommandFailure) -> TLSContext? {
        guard isTLS ?? settings.admin.isTLS else { return nil }
        guard settings.admin.isTLS else {
            throw CommandFailure(
                message: "the gateway's admin port speaks TLS, but this configuration has no admin.tls")
        }
        do throws(TLSError) {
            return try TLSContext.client(trustingOnly: settings.admin.certificateFile)
        } catch {
            throw CommandFailure(message: "admin.tls.cert: \(error)")
        }
    }

    /// Whether a gateway answers there that takes our token and has our database: another gateway that happens to
    /// have the same admin port must not be changed by mistake.
    private func serves(_ client: AdminClient) -> Bool {
        guard let config = try? client.json(APIRequest("GET", "/admin/config")) else { return false }
        return config["database"]?["url"]?.stringValue == settings.database.url
    }

    /// `127.0.0.1:8515`, `[::1]:8515`, perhaps behind a scheme.
    static func parse(_ text: String) -> SocketAddress? {
        let text = text.hasPrefix("https://") ? text.dropFirst(8) : Substring(text)
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = String(text[..<colon])
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        return AdminClient.reachable(host: host, port: port)
    }
}
