internal import COpenSSL
import Glibc

/// Where a handshake stands.
public enum TLSProgress: BitwiseCopyable, Sendable {
    case done
    /// To be called again when the socket is readable, or writable.
    case wantRead, wantWrite
    /// See `TLSSession.failureReason`.
    case failed
}

/// A session that a later connection to the same upstream may resume, which saves a round trip or the certificates.
///
/// Plain data that owns a reference: `free` exactly once.
@frozen
public struct TLSResumption: BitwiseCopyable, @unchecked Sendable {
    @usableFromInline let session: OpaquePointer

    init(_ session: OpaquePointer) {
        self.session = session
    }

    public func free() {
        SSL_SESSION_free(session)
    }
}

/// One TLS connection over a non-blocking socket.
///
/// Plain data, so that it lives in a connection's slot; it owns an `SSL`: `free` exactly once. The descriptor stays
/// the caller's. Not for two threads at a time.
@frozen
public struct TLSSession: BitwiseCopyable, @unchecked Sendable {
    @usableFromInline let ssl: OpaquePointer

    /// Made once and never changed; it must outlive every session.
    private nonisolated(unsafe) static let bioMethod: OpaquePointer? = fg_bio_method()

    private init?(_ context: TLSContext, fd: Int32) {
        ERR_clear_error()
        guard let method = TLSSession.bioMethod, let ssl = SSL_new(context.context) else { return nil }
        guard fg_set_socket(ssl, method, fd) == 1 else {
            SSL_free(ssl)
            return nil
        }
        self.ssl = ssl
    }

    /// The client's side of a connection to an upstream.
    ///
    /// - Parameters:
    ///   - serverName: the upstream's name, for SNI and to be found in its certificate; an address literal (without
    ///     brackets) is looked for among the certificate's addresses, and no SNI is sent (RFC 6066, 3).
    ///   - resume: a session from an earlier connection to the same upstream; stays the caller's.
    /// - Returns: nil if memory is out or the name cannot be one.
    public static func client(
        _ context: TLSContext, fd: Int32, serverName: UnsafePointer<CChar>, resume: TLSResumption?
    ) -> TLSSession? {
        guard let session = TLSSession(context, fd: fd) else { return nil }
        SSL_set_connect_state(session.ssl)
        guard session.setServerName(serverName, verify: context.checksNames) else {
            session.free()
            return nil
        }
        // A session that doesn't fit is no failure: the handshake is then a full one.
        if let resume { _ = SSL_set_session(session.ssl, resume.session) }
        return session
    }

    /// The server's side of a client's connection.
    public static func server(_ context: TLSContext, fd: Int32) -> TLSSession? {
        guard let session = TLSSession(context, fd: fd) else { return nil }
        SSL_set_accept_state(session.ssl)
        return session
    }

    private func setServerName(_ name: UnsafePointer<CChar>, verify: Bool) -> Bool {
        let length = strnlen(name, 255)
        guard length > 0, length < 255 else { return false }
        var address = in6_addr()
        if inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1 {
            return !verify || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1
        }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { copy in
            // The final dot of an absolute name is for resolvers only.
            let n = name[length - 1] == 0x2e ? length - 1 : length
            memcpy(copy.baseAddress!, name, n)
            copy[n] = 0
            guard fg_set_server_name(ssl, copy.baseAddress!) == 1 else { return false }
            guard verify else { return true }
            SSL_set_hostflags(ssl, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
            return SSL_set1_host(ssl, copy.baseAddress!) == 1
        }
    }

    /// Goes on with the handshake as far as the socket allows.
    public func handshake() -> TLSProgress {
        ERR_clear_error()
        let result = SSL_do_handshake(ssl)
        if result == 1 { return .done }
        switch classify(result) {
        case -Int(EAGAIN): return wantsWrite ? .wantWrite : .wantRead
        default: return .failed
        }
    }

    /// Reads up to `n` decrypted bytes.
    ///
    /// - Returns: the count; 0 = the peer has said that it is finished (close_notify); -EAGAIN = nothing whole has
    ///   arrived (or, seldom, the session must write first: see `wantsWrite`); -EPROTO = TLS failed, or the connection
    ///   was cut without close_notify, so what was read may be short; another -errno = the socket failed.
    public func read(_ p: UnsafeMutablePointer<UInt8>, _ n: Int) -> Int {
        fg_forget_errors()
        fg_forget_drained(ssl)
        let result = SSL_read(ssl, p, Int32(truncatingIfNeeded: min(n, 1 << 30)))
        return result > 0 ? Int(result) : classify(result)
    }

    /// Encrypts and writes up to `n` bytes; one record (16 KiB) at a time, so maybe fewer.
    ///
    /// After -EAGAIN the same bytes are to be offered again (from the same or another address), and no fewer.
    ///
    /// - Returns: the count, -EAGAIN, -EPROTO or another -errno.
    public func write(_ p: UnsafePointer<UInt8>, _ n: Int) -> Int {
        guard n > 0 else { return 0 }
        fg_forget_errors()
        let result = SSL_write(ssl, p, Int32(truncatingIfNeeded: min(n, 1 << 30)))
        if result > 0 { return Int(result) }
        let status = classify(result)
        return status == 0 ? -Int(EPIPE) : status
    }

    /// Whether the last operation waits for the socket to become writable.
    public var wantsWrite: Bool { SSL_want(ssl) == SSL_WRITING }

    /// Whether bytes have been taken from the socket that `read` has not handed out: with an edge-triggered poller
    /// nothing will announce them. They may be less than a record, so a following -EAGAIN ends the reading.
    public var hasPending: Bool { SSL_has_pending(ssl) == 1 }

    /// Whether the last `read` asked the socket and handed out all that had arrived, so that the next would find nothing:
    /// the poller announces what comes later. After a read from what was taken before it is false: what has come since
    /// may have been announced already.
    public var isDrained: Bool { fg_is_drained(ssl) != 0 && !hasPending }

    /// Whether the handshake was short because an earlier session was resumed.
    public var isResumed: Bool { SSL_session_reused(ssl) == 1 }

    /// `"TLSv1.3"`, `"TLSv1.2"`.
    public var version: String { String(cString: SSL_get_version(ssl)) }

    /// Writes whom the peer's certificate names, as RFC 4514 writes it, cut to `count` bytes.
    ///
    /// - Returns: the length; 0 if the peer has shown no certificate.
    public func peerSubject(_ out: UnsafeMutablePointer<UInt8>, _ count: Int) -> Int {
        out.withMemoryRebound(to: CChar.self, capacity: count) { Int(fg_peer_subject(ssl, $0, count)) }
    }

    /// Says to the peer that no more bytes will come, as far as the socket takes it. Does nothing before the handshake
    /// is done or after a failure.
    public func closeNotify() {
        guard SSL_in_init(ssl) == 0, fg_get_failure(ssl) == 0 else { return }
        fg_forget_errors()
        _ = SSL_shutdown(ssl)
    }

    /// Frees the session. The socket stays open.
    public func free() {
        // A session whose connection ends without close_notify would no longer be resumable; its tickets are good.
        if fg_get_failure(ssl) == 0, SSL_in_init(ssl) == 0 {
            SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN)
        }
        SSL_free(ssl)
    }

    /// What this connection offers for resuming: nil until the peer has sent a ticket, which with TLS 1.3 comes
    /// beside the first data. The caller frees it.
    public func takeResumption() -> TLSResumption? {
        guard let session = SSL_get1_session(ssl) else { return nil }
        guard SSL_SESSION_is_resumable(session) == 1 else {
            SSL_SESSION_free(session)
            return nil
        }
        return TLSResumption(session)
    }

    // MARK: failures

    /// Why it failed, after `.failed` or a negative result other than -EAGAIN.
    public func failureReason() -> TLSFailure {
        let verified = verifyResult
        return verified == X509_V_OK ? TLSFailure(failure: fg_get_failure(ssl)) : TLSFailure(verifyResult: verified)
    }

    /// Whether the handshake failed because the peer speaks plain HTTP; what it has sent is lost.
    public var metPlainHTTP: Bool {
        let failure = fg_get_failure(ssl)
        guard fg_is_system_failure(failure) == 0 else { return false }
        let reason = fg_failure_reason(failure)
        return reason == SSL_R_HTTP_REQUEST || reason == SSL_R_HTTPS_PROXY_REQUEST
    }

    /// OpenSSL's words for it.
    public func failureText() -> String {
        let verified = verifyResult
        if verified != X509_V_OK { return String(cString: X509_verify_cert_error_string(verified)) }
        let failure = fg_get_failure(ssl)
        return failure == 0 ? TLSFailure.other.text() : openSSLText(failure)
    }

    private var verifyResult: Int {
        SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER == 0 ? Int(X509_V_OK) : SSL_get_verify_result(ssl)
    }

    /// Turns a result that is not a success into 0 (close_notify) or -errno, and remembers a failure's code.
    private func classify(_ result: Int32) -> Int {
        let systemError = errno
        switch SSL_get_error(ssl, result) {
        case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE:
            return -Int(EAGAIN)
        case SSL_ERROR_ZERO_RETURN:
            // After a failure OpenSSL says this too; but what was cut short must not look whole.
            return fg_get_failure(ssl) == 0 ? 0 : -Int(EPROTO)
        case SSL_ERROR_SYSCALL where systemError != 0:
            fg_set_failure(ssl, fg_system_failure(systemError))
            return -Int(systemError)
        default:
            let code = ERR_peek_error()
            fg_set_failure(ssl, code == 0 ? fg_system_failure(EPROTO) : code)
            return -Int(EPROTO)
        }
    }
}
