import Config
import Reactor
import Synchronization

/// The TLS contexts of the data plane as the settings and the files they name have them. Immutable: renewed files make
/// a new one, and what began with the old one goes on with it.
public final class GatewayTLS: Sendable {
    /// nil: the data plane speaks plain HTTP.
    let server: TLSContext?
    /// Clients are asked for certificates.
    let asksClients: Bool
    let client: TLSContext
    /// For upstreams that are treated differently, by their lower-cased names.
    let hosts: [(host: String, context: TLSContext)]
    /// No two have the same: what was agreed with an upstream holds for connections of one number only.
    let number: UInt32

    private static let count = Atomic<UInt32>(0)

    /// Reads all certificates, keys and authorities.
    ///
    /// - Parameter tickets: kept from one to the next, so that clients' sessions outlive a renewal.
    public init(_ settings: Settings, tickets: TLSTickets) throws(GatewayError) {
        do throws(TLSError) {
            server =
                try settings.tls.isEnabled ? TLSContext.server(TLSServerOptions(settings.tls), tickets: tickets) : nil
        } catch { throw GatewayError(field: "tls", message: error.message) }
        asksClients = settings.tls.isEnabled && settings.tls.clientAuthentication != .none
        let upstream = settings.upstreamTLS
        do throws(TLSError) {
            client = try TLSContext.client(verify: upstream.verify, caFile: upstream.caFile)
            var hosts: [(host: String, context: TLSContext)] = []
            for host in upstream.hosts {
                let certificate =
                    host.certificateFile.isEmpty
                    ? nil : TLSCertificate(certificateFile: host.certificateFile, keyFile: host.keyFile)
                let context = try TLSContext.client(
                    verify: upstream.verify, caFile: host.caFile.isEmpty ? upstream.caFile : host.caFile,
                    certificate: certificate)
                hosts.append((host.host, context))
            }
            self.hosts = hosts
        } catch { throw GatewayError(field: "upstream_tls", message: error.message) }
        number = Self.count.add(1, ordering: .relaxed).newValue
    }
}

extension TLSServerOptions {
    /// What `tls` in the configuration says.
    init(_ tls: Settings.TLS) {
        self.init(
            certificates: tls.allCertificates.map {
                TLSCertificate(
                    certificateFile: $0.certificateFile, keyFile: $0.keyFile, names: $0.names, ocspFile: $0.ocspFile)
            }, minimumVersion: tls.minimumVersion, clientAuthorityFile: tls.clientAuthorityFile,
            clientAuthentication: TLSClientAuthentication(rawValue: tls.clientAuthentication.rawValue) ?? .none)
    }
}

/// The contexts as a worker reads them; the snapshot keeps them alive.
struct TLSView: BitwiseCopyable, @unchecked Sendable {
    struct Host: BitwiseCopyable {
        let name: Bytes
        let context: Unmanaged<TLSContext>
    }

    let server: Unmanaged<TLSContext>?
    let asksClients: Bool
    let client: Unmanaged<TLSContext>?
    let hosts: List<Host>
    let number: UInt32

    /// - Parameter tls: nil speaks no TLS, to nobody.
    init(_ tls: GatewayTLS?, in arena: Arena) {
        server = tls?.server.map { .passUnretained($0) }
        asksClients = tls?.asksClients ?? false
        client = tls.map { .passUnretained($0.client) }
        hosts = arena.store(
            (tls?.hosts ?? []).map { Host(name: arena.store($0.host), context: .passUnretained($0.context)) })
        number = tls?.number ?? 0
    }

    /// For a connection to an upstream.
    func client(for host: Bytes) -> Unmanaged<TLSContext>? {
        for i in 0..<hosts.count where hosts[i].name.count == host.count {
            if bytesEqual(hosts[i].name.pointer, host.pointer, host.count) { return hosts[i].context }
        }
        return client
    }
}
