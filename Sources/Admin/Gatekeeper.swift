import Reactor

/// Decides who is let in: by the admin token, or by a session that began with it.
struct Gatekeeper {
    enum Verdict {
        case granted
        case refused(AdminFailure, holdMilliseconds: UInt64)
    }

    let cookie: SessionCookie
    private(set) var sessions = SessionTable()
    private var throttle = LoginThrottle()
    private let access: AccessControl

    init(access: AccessControl, cookie: SessionCookie) {
        self.access = access
        self.cookie = cookie
    }

    /// Lets nobody in: where there is no port to knock at.
    static func closed() -> Gatekeeper {
        Gatekeeper(access: AccessControl(token: SecureRandom.hex(32)), cookie: SessionCookie(port: 0))
    }

    /// Looks at what a request brings: the Authorization header, else the query's token, else the session's cookie.
    mutating func admit(
        method: String, headers: RequestHeaders, queryTokens: [String], queryTokensAllowed: Bool, address: String,
        nowMilliseconds: UInt64
    ) -> Verdict {
        var token = headers["authorization"].flatMap(AccessControl.bearerToken).map(String.init)
        if token == nil, queryTokensAllowed { token = queryTokens.first }
        if let token, !token.isEmpty {
            return judge(token, address: address, nowMilliseconds: nowMilliseconds)
        }
        if let secret = cookie.secret(in: headers["cookie"]) {
            guard CrossSiteCheck.allows(method: method, headers: headers) else {
                return .refused(CrossSiteCheck.failure, holdMilliseconds: 0)
            }
            if sessions.use(secret, nowMilliseconds: nowMilliseconds) != nil { return .granted }
            return .refused(Self.refusal("session_ended", "the session has ended; sign in again"), holdMilliseconds: 0)
        }
        let message =
            queryTokens.isEmpty || queryTokensAllowed
            ? "an admin token is required: authorization: Bearer <token>"
            : "tokens in the query are switched off (admin.allow_query_token); use authorization: Bearer <token>"
        return .refused(Self.refusal("missing_token", message), holdMilliseconds: 0)
    }

    /// Compares a token, unless the address has guessed too often.
    mutating func judge(_ token: String, address: String, nowMilliseconds: UInt64) -> Verdict {
        if let seconds = throttle.retryAfterSeconds(address: address, nowMilliseconds: nowMilliseconds) {
            let failure = AdminFailure(
                status: 429, type: "rate_limit_error", code: "too_many_failed_logins",
                headers: [HeaderLine("retry-after", String(seconds))],
                "too many failed logins from this address; try again in \(seconds) s")
            return .refused(failure, holdMilliseconds: 0)
        }
        if access.matches(token.utf8) { return .granted }
        let delay = throttle.failed(address: address, nowMilliseconds: nowMilliseconds)
        return .refused(Self.refusal("invalid_token", "the admin token is not right"), holdMilliseconds: delay)
    }

    /// - Returns: The secret of a new session.
    mutating func beginSession(nowMilliseconds: UInt64) -> String { sessions.begin(nowMilliseconds: nowMilliseconds) }

    /// - Returns: How long the session of these headers lasts, in milliseconds; nil without one.
    mutating func useSession(_ headers: RequestHeaders, nowMilliseconds: UInt64) -> UInt64? {
        cookie.secret(in: headers["cookie"]).flatMap { sessions.use($0, nowMilliseconds: nowMilliseconds) }
    }

    mutating func endSession(_ headers: RequestHeaders) {
        if let secret = cookie.secret(in: headers["cookie"]) { sessions.end(secret) }
    }

    private static func refusal(_ code: String, _ message: String) -> AdminFailure {
        AdminFailure(
            status: 401, type: "authentication_error", code: code,
            headers: [HeaderLine("www-authenticate", "Bearer realm=\"FastGate admin\"")], message)
    }
}
