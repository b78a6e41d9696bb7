import Reactor

/// Whether a request for what is open to everybody who reaches the port was meant for this server.
///
/// A page from anywhere can have its own name resolve to 127.0.0.1 (DNS rebinding): to the browser this server's answers
/// are then the page's own, and it could read the metrics or guess tokens. What it cannot do is hide that name. Requests
/// that bring a token need no such check, and a session's cookie belongs to the name under which it was given.
enum HostCheck {
    /// Health says nothing that a page must not see, and those that ask for it use what names they like.
    static func isWanted(_ endpoint: Endpoint) -> Bool { endpoint.access == .open && endpoint.path != "/health" }

    /// - Parameters:
    ///   - host: The Host header.
    ///   - allowed: Names that the operator has for this server.
    static func allows(_ host: String?, allowed: [String]) -> Bool {
        guard let host else { return true }  // HTTP/1.0: no browser
        let name = name(of: host).lowercased()
        // Nobody but this network's own name servers gives a meaning to a name without a dot.
        if !name.contains(".") || name.hasSuffix(".localhost") || SocketAddress(literal: name, port: 0) != nil {
            return true
        }
        return allowed.contains { $0.lowercased() == name }
    }

    /// Without the port.
    private static func name(of host: String) -> Substring {
        if host.hasPrefix("[") { return host.prefix { $0 != "]" } + "]" }
        return host.prefix { $0 != ":" }
    }

    static var failure: AdminFailure {
        AdminFailure(
            status: 421, code: "unknown_host",
            "the Host header names another server; if it is a name of this one, add it to admin.hosts")
    }
}
