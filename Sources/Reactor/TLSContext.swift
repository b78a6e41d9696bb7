internal import COpenSSL

/// Why a TLS context could not be made: for the operator, at start-up or when settings change.
public struct TLSError: Error, CustomStringConvertible, Sendable {
    public let message: String

    public var description: String { message }

    init(_ message: String) {
        self.message = message
    }

    /// With OpenSSL's reason for the last failure on this thread.
    static func last(_ what: String) -> TLSError {
        let code = ERR_peek_last_error()
        ERR_clear_error()
        return TLSError(code == 0 ? what : "\(what): \(openSSLText(code))")
    }
}

/// OpenSSL's words for an error code.
func openSSLText(_ code: UInt) -> String {
    if fg_is_system_failure(code) != 0 { return SystemError.text(Int32(truncatingIfNeeded: code & 0x7fff_ffff)) }
    if let reason = ERR_reason_error_string(code) { return String(cString: reason) }
    return "TLS error \(code)"
}

/// What TLS sessions share: trust or certificate, versions, session tickets. Immutable; threads may share it.
///
/// `@unchecked Sendable`: OpenSSL counts references to it and locks what changes inside.
public final class TLSContext: @unchecked Sendable {
    let context: OpaquePointer
    let verifiesPeer: Bool
    /// Whether the peer's certificate must also be for the name that was asked for.
    let checksNames: Bool

    private init(_ context: OpaquePointer, verifiesPeer: Bool) {
        self.context = context
        self.verifiesPeer = verifiesPeer
        checksNames = verifiesPeer
    }

    /// The same, whatever name a certificate is for.
    private init(sharing other: TLSContext) {
        SSL_CTX_up_ref(other.context)
        context = other.context
        verifiesPeer = other.verifiesPeer
        checksNames = false
    }

    deinit {
        SSL_CTX_free(context)
    }

    /// For connections to upstreams. TLS 1.2 at least, ALPN `http/1.1`.
    ///
    /// - Parameters:
    ///   - verify: whether the upstream's certificate must be valid and fit its name.
    ///   - caFile: the authorities to trust, as PEM, in place of the system's; empty = the system's.
    ///   - certificate: what is shown to an upstream that asks for a certificate.
    public static func client(
        verify: Bool, caFile: String, certificate: TLSCertificate? = nil
    ) throws(TLSError) -> TLSContext {
        let tls = try make(TLS_client_method(), verifiesPeer: verify)
        guard fg_ctx_set_minimum_version(tls.context, TLS1_2_VERSION) == 1 else { throw .last("TLS 1.2") }
        let protocols: [UInt8] = [8] + Array("http/1.1".utf8)
        guard SSL_CTX_set_alpn_protos(tls.context, protocols, UInt32(protocols.count)) == 0 else {
            throw .last("ALPN")
        }
        // Sessions are kept by the upstream pool, not by OpenSSL's cache and its lock.
        fg_ctx_set_session_cache_mode(tls.context, Int(SSL_SESS_CACHE_OFF))
        if let certificate { try tls.use(certificate.certificateFile, certificate.keyFile) }
        guard verify else {
            SSL_CTX_set_verify(tls.context, SSL_VERIFY_NONE, nil)
            return tls
        }
        SSL_CTX_set_verify(tls.context, SSL_VERIFY_PEER, nil)
        if caFile.isEmpty {
            guard SSL_CTX_set_default_verify_paths(tls.context) == 1 else {
                throw .last("cannot load the system's certificate authorities")
            }
        } else {
            guard SSL_CTX_load_verify_file(tls.context, caFile) == 1 else {
                throw .last("cannot load certificate authorities from \(caFile)")
            }
        }
        return tls
    }

    /// For a connection to one server whose certificate is known: it must be the one in the file, or be signed by one
    /// that is. Names are not looked at.
    public static func client(trustingOnly certificateFile: String) throws(TLSError) -> TLSContext {
        let tls = try client(verify: true, caFile: certificateFile)
        X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(tls.context), UInt(X509_V_FLAG_PARTIAL_CHAIN))
        return TLSContext(sharing: tls)
    }

    /// Our certificate and its key.
    func use(_ certificateFile: String, _ keyFile: String) throws(TLSError) {
        fg_ctx_refuse_passwords(context)
        guard SSL_CTX_use_certificate_chain_file(context, certificateFile) == 1 else {
            throw .last("cannot load a certificate from \(certificateFile)")
        }
        guard SSL_CTX_use_PrivateKey_file(context, keyFile, SSL_FILETYPE_PEM) == 1 else {
            throw .last("cannot load a private key from \(keyFile)")
        }
        guard SSL_CTX_check_private_key(context) == 1 else {
            throw .last("the key in \(keyFile) does not belong to the certificate in \(certificateFile)")
        }
    }

    /// Speaks no newer version than TLS 1.2; so that tests have such a peer.
    func limitToTLS12() {
        _ = fg_ctx_set_maximum_version(context, TLS1_2_VERSION)
    }

    static func make(_ method: OpaquePointer?, verifiesPeer: Bool) throws(TLSError) -> TLSContext {
        ERR_clear_error()
        guard let context = SSL_CTX_new(method) else { throw .last("cannot make a TLS context") }
        // Owned from here on, so that every way out frees it.
        let tls = TLSContext(context, verifiesPeer: verifiesPeer)
        fg_ctx_set_defaults(context)
        return tls
    }
}
