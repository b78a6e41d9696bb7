internal import COpenSSL
import Glibc

/// An OCSP response that is handed out with a certificate, so that clients need not ask its authority (RFC 6066, 8).
///
/// The certificate's context owns it. Once it is out of date it is no longer handed out: a client would take it for the
/// work of somebody who hides a newer one.
final class TLSStaple {
    private let response: [UInt8]
    /// Unix time in seconds from which on it is out of date.
    private let until: Int64

    /// - Throws: if it is no OCSP response, or does not say that this very certificate is good.
    init(file: String, for context: OpaquePointer) throws(TLSError) {
        response = try TLSContext.contents(file)
        var until = Int64.max
        let verdict = response.withUnsafeBufferPointer { buffer in
            fg_judge_staple(context, buffer.baseAddress, buffer.count, &until)
        }
        ERR_clear_error()
        self.until = until
        switch Int(verdict) {
        case FG_STAPLE_GOOD: break
        case FG_STAPLE_ANOTHERS: throw TLSError("the OCSP response in \(file) is about another certificate")
        case FG_STAPLE_NOT_GOOD: throw TLSError("the OCSP response in \(file) does not call the certificate good")
        default: throw TLSError("\(file) holds no OCSP response (DER)")
        }
    }

    /// Hands itself to the context that owns it.
    func attach(to context: OpaquePointer) {
        SSL_CTX_set_ex_data(context, Self.ownedIndex, Unmanaged.passRetained(self).toOpaque())
        fg_ctx_set_status_callback(context, stapleCallback)
    }

    func staple(to ssl: OpaquePointer) -> Bool {
        guard Int64(time(nil)) < until else { return false }
        return response.withUnsafeBufferPointer { fg_staple(ssl, $0.baseAddress, $0.count) == 1 }
    }

    static func of(_ ssl: OpaquePointer) -> TLSStaple? {
        guard let context = SSL_get_SSL_CTX(ssl), let data = SSL_CTX_get_ex_data(context, ownedIndex)
        else { return nil }
        return Unmanaged<TLSStaple>.fromOpaque(data).takeUnretainedValue()
    }

    private static let ownedIndex = fg_context_data_index { _, data, _, _, _, _ in
        if let data { Unmanaged<TLSStaple>.fromOpaque(data).release() }
    }
}

/// A client asks for the certificate's state.
func stapleCallback(_ ssl: OpaquePointer?, _: UnsafeMutableRawPointer?) -> Int32 {
    guard let ssl, let staple = TLSStaple.of(ssl), staple.staple(to: ssl) else { return SSL_TLSEXT_ERR_NOACK }
    return SSL_TLSEXT_ERR_OK
}
