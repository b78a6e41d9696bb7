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
    case revoked
    /// It is bad in some other way.
    case invalidCertificate
    /// What the peer sent is no TLS, or not as we require it; or the peer has sent an alert.
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
        case .revoked: "tls_certificate_revoked"
        case .invalidCertificate: "tls_certificate_invalid"
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
        case .revoked: "the certificate has been revoked"
        case .invalidCertificate: "the certificate is not valid"
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
            X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN,
            X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_CERT_UNTRUSTED:
            self = .unknownCA
        default: self = .invalidCertificate
        }
    }

    /// From an error code of OpenSSL.
    init(failure: UInt) {
        if failure == 0 {
            self = .other
        } else if fg_is_system_failure(failure) != 0 || fg_failure_reason(failure) == SSL_R_UNEXPECTED_EOF_WHILE_READING
        {
            self = .connectionClosed
        } else {
            self = .protocolError
        }
    }
}
