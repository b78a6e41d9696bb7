internal import COpenSSL

/// Why a TLS session failed, in the words that metrics and error bodies use.
public enum TLSFailure: Sendable, Equatable {
    /// The peer's certificate is past its time, or before it.
    case expired
    case notYetValid
    /// The certificate is for somebody else.
    case wrongName
    /// Nobody whom we trust has signed it.
    case unknownCA
    /// It is signed by nobody but itself, and not one that we trust.
    case selfSigned
    case revoked
    /// It is bad in some other way.
    case invalidCertificate
    /// The peer speaks no TLS, or no version that we do.
    case versionMismatch
    /// The peer has refused the handshake with an alert: it wants a certificate of ours, say, or other cipher suites.
    case refused
    /// What the peer sent is not as TLS has it.
    case protocolError
    /// The connection ended in the middle.
    case connectionClosed
    /// Nothing has failed so far as the session knows.
    case other

    /// A stable name for machines.
    public var code: String {
        switch self {
        case .expired: "tls_certificate_expired"
        case .notYetValid: "tls_certificate_not_yet_valid"
        case .wrongName: "tls_certificate_name_mismatch"
        case .unknownCA: "tls_certificate_unknown_authority"
        case .selfSigned: "tls_certificate_self_signed"
        case .revoked: "tls_certificate_revoked"
        case .invalidCertificate: "tls_certificate_invalid"
        case .versionMismatch: "tls_version_mismatch"
        case .refused: "tls_refused"
        case .protocolError: "tls_protocol_error"
        case .connectionClosed: "tls_connection_closed"
        case .other: "tls_failed"
        }
    }

    /// A sentence for people; `TLSSession.failureText` has the details.
    public func text() -> String {
        switch self {
        case .expired: "the certificate has expired"
        case .notYetValid: "the certificate is not yet valid"
        case .wrongName: "the certificate is for another name"
        case .unknownCA: "the certificate is not signed by a trusted authority"
        case .selfSigned: "the certificate is self-signed and not trusted"
        case .revoked: "the certificate has been revoked"
        case .invalidCertificate: "the certificate is not valid"
        case .versionMismatch: "the peer speaks no TLS, or no version of it that is allowed"
        case .refused: "the peer refused the TLS handshake"
        case .protocolError: "TLS protocol error"
        case .connectionClosed: "the connection was closed during TLS"
        case .other: "TLS failed"
        }
    }

    /// From the result of verifying the peer's certificate (which is not `X509_V_OK`).
    init(verifyResult: Int) {
        switch Int32(verifyResult) {
        case X509_V_ERR_CERT_HAS_EXPIRED: self = .expired
        case X509_V_ERR_CERT_NOT_YET_VALID: self = .notYetValid
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH: self = .wrongName
        case X509_V_ERR_CERT_REVOKED: self = .revoked
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
            X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_CERT_UNTRUSTED:
            self = .unknownCA
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT: self = .selfSigned
        default: self = .invalidCertificate
        }
    }

    /// From an error code of OpenSSL.
    init(failure: UInt) {
        guard failure != 0 else {
            self = .other
            return
        }
        guard fg_is_system_failure(failure) == 0 else {
            self = .connectionClosed
            return
        }
        let reason = fg_failure_reason(failure)
        switch reason {
        case SSL_R_UNEXPECTED_EOF_WHILE_READING: self = .connectionClosed
        case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_WRONG_VERSION_NUMBER, SSL_R_WRONG_SSL_VERSION, SSL_R_HTTP_REQUEST,
            SSL_R_HTTPS_PROXY_REQUEST, SSL_R_NO_PROTOCOLS_AVAILABLE, SSL_R_TLSV1_ALERT_PROTOCOL_VERSION,
            SSL_R_UNKNOWN_PROTOCOL, SSL_R_VERSION_TOO_LOW:
            self = .versionMismatch
        // The reasons of alerts that came in are their numbers (RFC 8446, 6) above a base.
        case Int32(SSL_AD_REASON_OFFSET)..<Int32(SSL_AD_REASON_OFFSET) + 256: self = .refused
        default: self = .protocolError
        }
    }
}
