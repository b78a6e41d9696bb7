/// Whether a request that a browser authenticates by itself, with the session's cookie, was made by the dashboard.
///
/// `SameSite=Strict` alone does not say so: to a browser all ports of a host are one site, so that a page of another
/// server on this machine could have the cookie sent. What such a page cannot do is hide its origin, or set a header
/// of its own, for that needs this server's consent (CORS).
enum CrossSiteCheck {
    /// Sent by the dashboard with every request that changes something; any value.
    static let header = "x-fastgate-dashboard"

    static func allows(method: String, headers: RequestHeaders) -> Bool {
        if let site = headers["sec-fetch-site"], site != "same-origin", site != "none" { return false }
        if method == "GET" || method == "HEAD" { return true }
        guard headers[header] != nil else { return false }
        guard let origin = headers["origin"] else { return true }
        // The scheme is not compared: a proxy in front may speak TLS.
        guard let host = headers["host"]?.lowercased() else { return false }
        return ["http://" + host, "https://" + host].contains(origin.lowercased())
    }

    static var failure: AdminFailure {
        AdminFailure(
            status: 403, type: "permission_error", code: "cross_site_request",
            "a session counts only for requests of the dashboard itself (header \(header), same origin)")
    }
}
