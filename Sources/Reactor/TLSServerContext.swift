internal import COpenSSL
import Glibc

/// A certificate and its key, as files.
public struct TLSCertificate: Sendable, Equatable {
    /// PEM, our certificate first, then the chain.
    public var certificateFile: String
    /// PEM, not encrypted.
    public var keyFile: String
    /// The names that clients ask for it by; `*.example.org` stands for one label. Empty = those in the certificate.
    public var names: [String]
    /// DER: an OCSP response about it, which is stapled. Empty = none.
    public var ocspFile: String

    public init(certificateFile: String, keyFile: String, names: [String] = [], ocspFile: String = "") {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
        self.names = names
        self.ocspFile = ocspFile
    }
}

/// What a server asks of its clients' certificates.
public enum TLSClientAuthentication: String, Sendable, CaseIterable {
    /// Nothing: no certificate is asked for.
    case none
    /// A client may have none; one that it has must be valid.
    case optional
    case required
}

/// What a server's side of TLS is made from.
public struct TLSServerOptions: Sendable, Equatable {
    /// At least one. The first is for clients that name no server, or none that another one is for.
    public var certificates: [TLSCertificate]
    /// `"1.2"` or `"1.3"`.
    public var minimumVersion: String
    /// PEM: who may have signed a client's certificate.
    public var clientAuthorityFile: String
    public var clientAuthentication: TLSClientAuthentication

    public init(
        certificates: [TLSCertificate], minimumVersion: String = "1.2", clientAuthorityFile: String = "",
        clientAuthentication: TLSClientAuthentication = .none
    ) {
        self.certificates = certificates
        self.minimumVersion = minimumVersion
        self.clientAuthorityFile = clientAuthorityFile
        self.clientAuthentication = clientAuthentication
    }
}

extension TLSContext {
    /// For clients that connect to us. ALPN `http/1.1`; the certificate is chosen by the name that the client asks for.
    ///
    /// - Parameter tickets: contexts with the same ones resume each other's sessions.
    public static func server(_ options: TLSServerOptions, tickets: TLSTickets) throws(TLSError) -> TLSContext {
        guard let first = options.certificates.first else { throw TLSError("there is no certificate") }
        let names = TLSServerNames(tickets: tickets)
        let sessionName = try sessionName(options)
        let tls = try server(first, options, sessionName)
        names.attach(toOwner: tls.context)
        fg_ctx_set_name_callback(tls.context, serverNameCallback)
        for name in try serverNames(of: first, tls.context) { names.serve(name, by: tls.context) }
        for certificate in options.certificates.dropFirst() {
            let other = try server(certificate, options, sessionName)
            let found = try serverNames(of: certificate, other.context)
            guard !found.isEmpty else {
                throw TLSError(
                    "\(certificate.certificateFile) is for no DNS name, so nobody would get it: give it names")
            }
            SSL_CTX_up_ref(other.context)
            names.add(other.context)
            for name in found { names.serve(name, by: other.context) }
        }
        return tls
    }

    private static func server(
        _ certificate: TLSCertificate, _ options: TLSServerOptions, _ sessionName: [UInt8]
    ) throws(TLSError) -> TLSContext {
        let version: Int32
        switch options.minimumVersion {
        case "1.2": version = TLS1_2_VERSION
        case "1.3": version = TLS1_3_VERSION
        default: throw TLSError("TLS version must be 1.2 or 1.3, not \(options.minimumVersion)")
        }
        let tls = try make(TLS_server_method(), verifiesPeer: options.clientAuthentication != .none)
        guard fg_ctx_set_minimum_version(tls.context, version) == 1 else {
            throw .last("TLS \(options.minimumVersion)")
        }
        guard fg_ctx_set_server_ciphers(tls.context) == 1 else { throw .last("cipher suites") }
        try tls.use(certificate.certificateFile, certificate.keyFile)
        if !certificate.ocspFile.isEmpty {
            try TLSStaple(file: certificate.ocspFile, for: tls.context).attach(to: tls.context)
        }
        try tls.askClients(options)
        fg_ctx_select_http1(tls.context)
        fg_ctx_set_ticket_callback(tls.context, ticketKeyCallback)
        fg_ctx_set_session_cache_mode(tls.context, Int(SSL_SESS_CACHE_OFF))
        SSL_CTX_set_timeout(tls.context, Int(TLSTickets.lifetimeSeconds))
        // One ticket a handshake: the second is for clients that open connections in parallel, and costs a record.
        _ = SSL_CTX_set_num_tickets(tls.context, 1)
        _ = SSL_CTX_set_session_id_context(tls.context, sessionName, UInt32(sessionName.count))
        return tls
    }

    private func askClients(_ options: TLSServerOptions) throws(TLSError) {
        guard options.clientAuthentication != .none else { return }
        let file = options.clientAuthorityFile
        guard !file.isEmpty, SSL_CTX_load_verify_file(context, file) == 1, let list = SSL_load_client_CA_file(file)
        else { throw .last("cannot load the clients' certificate authorities from \(file)") }
        SSL_CTX_set_client_CA_list(context, list)
        let isRequired = options.clientAuthentication == .required
        SSL_CTX_set_verify(
            context, SSL_VERIFY_PEER | (isRequired ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), nil)
    }

    /// Sessions resume only where clients are asked for the same: a ticket vouches for the certificate that was shown
    /// when it was made.
    private static func sessionName(_ options: TLSServerOptions) throws(TLSError) -> [UInt8] {
        var text = Array("fastgate \(options.clientAuthentication.rawValue) ".utf8)
        if options.clientAuthentication != .none { text += try contents(options.clientAuthorityFile) }
        return SHA256.digest(text)
    }

    static func contents(_ path: String) throws(TLSError) -> [UInt8] {
        let fd = open(path, O_RDONLY | O_CLOEXEC)
        guard fd >= 0 else { throw TLSError("\(path): \(SystemError.text(errno))") }
        defer { close(fd) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while bytes.count < 16 << 20 {
            let count = chunk.withUnsafeMutableBytes { Glibc.read(fd, $0.baseAddress, $0.count) }
            guard count >= 0 else { throw TLSError("\(path): \(SystemError.text(errno))") }
            if count == 0 { break }
            bytes += chunk[..<count]
        }
        return bytes
    }

    /// The names that a certificate serves: those that it was given, or else the DNS names in it.
    private static func serverNames(
        of certificate: TLSCertificate, _ context: OpaquePointer
    ) throws(TLSError) -> [String] {
        if !certificate.names.isEmpty { return certificate.names }
        guard let x509 = SSL_CTX_get0_certificate(context),
            let data = X509_get_ext_d2i(x509, NID_subject_alt_name, nil, nil)
        else { return [] }
        let list = OpaquePointer(data)
        defer { GENERAL_NAMES_free(list) }
        var names: [String] = []
        for index in 0..<fg_san_count(list) {
            var length: Int32 = 0
            guard let bytes = fg_san_dns(list, index, &length), length > 0 else { continue }
            names.append(String(decoding: UnsafeBufferPointer(start: bytes, count: Int(length)), as: UTF8.self))
        }
        return names
    }
}
