internal import COpenSSL

/// Which certificate answers for which name, and what else the callbacks of a server's context need.
///
/// The context for clients that name nobody (or nobody we know) owns it and frees it at its end; the contexts of the
/// other certificates point to it. A session holds on to the context it began with, so what it points to is there.
final class TLSServerNames {
    let tickets: TLSTickets
    /// Each holds a reference to its context.
    private var others: [OpaquePointer] = []
    private var exact: [String: OpaquePointer] = [:]
    /// By what follows the `*`: `.example.org`.
    private var wildcards: [String: OpaquePointer] = [:]

    init(tickets: TLSTickets) {
        self.tickets = tickets
    }

    deinit {
        for context in others { SSL_CTX_free(context) }
    }

    /// Hands itself to the context that owns it.
    func attach(toOwner context: OpaquePointer) {
        SSL_CTX_set_ex_data(context, Self.ownedIndex, Unmanaged.passRetained(self).toOpaque())
        SSL_CTX_set_ex_data(context, Self.index, Unmanaged.passUnretained(self).toOpaque())
    }

    /// Takes over a reference to another certificate's context.
    func add(_ context: OpaquePointer) {
        SSL_CTX_set_ex_data(context, Self.index, Unmanaged.passUnretained(self).toOpaque())
        others.append(context)
    }

    /// Of two certificates for one name the first one serves.
    func serve(_ name: String, by context: OpaquePointer) {
        let name = name.lowercased()
        if name.hasPrefix("*.") {
            if wildcards[String(name.dropFirst())] == nil { wildcards[String(name.dropFirst())] = context }
        } else if exact[name] == nil {
            exact[name] = context
        }
    }

    /// The context for a name; nil leaves the choice to the one that the session began with.
    func context(for name: String) -> OpaquePointer? {
        var name = name.lowercased()
        if name.hasSuffix(".") { name.removeLast() }
        if let context = exact[name] { return context }
        // A wildcard stands for one label (RFC 6125, 6.4.3).
        guard let dot = name.firstIndex(of: "."), dot != name.startIndex else { return nil }
        return wildcards[String(name[dot...])]
    }

    static func of(_ ssl: OpaquePointer) -> TLSServerNames? {
        guard let context = SSL_get_SSL_CTX(ssl), let data = SSL_CTX_get_ex_data(context, index) else { return nil }
        return Unmanaged<TLSServerNames>.fromOpaque(data).takeUnretainedValue()
    }

    private static let index = fg_context_data_index(nil)
    private static let ownedIndex = fg_context_data_index { _, data, _, _, _, _ in
        if let data { Unmanaged<TLSServerNames>.fromOpaque(data).release() }
    }
}

/// The client has named the server it wants (RFC 6066, 3).
func serverNameCallback(_ ssl: OpaquePointer?, _: UnsafeMutablePointer<Int32>?, _: UnsafeMutableRawPointer?) -> Int32 {
    guard let ssl, let text = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name), let names = TLSServerNames.of(ssl)
    else { return SSL_TLSEXT_ERR_NOACK }
    if let context = names.context(for: String(cString: text)) { SSL_set_SSL_CTX(ssl, context) }
    return SSL_TLSEXT_ERR_OK
}
