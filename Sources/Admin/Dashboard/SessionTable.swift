import Reactor

/// Who is signed in to the dashboard. A session is a random secret that only its browser holds; here lies its digest,
/// so that a lookup tells by its timing nothing of a secret. Sessions end with the process.
struct SessionTable {
    /// However busy the session is.
    static let lifetimeMilliseconds: UInt64 = 12 * 3_600_000
    /// Without a request.
    static let idleMilliseconds: UInt64 = 3_600_000
    /// With more, the one that was used least recently ends.
    static let limit = 64

    private struct Session {
        var beganMilliseconds: UInt64
        var usedMilliseconds: UInt64

        var endsMilliseconds: UInt64 {
            min(beganMilliseconds + SessionTable.lifetimeMilliseconds, usedMilliseconds + SessionTable.idleMilliseconds)
        }
    }

    private var sessions: [[UInt8]: Session] = [:]

    var count: Int { sessions.count }

    /// Begins a session.
    /// - Returns: Its secret, 64 hexadecimal digits.
    mutating func begin(nowMilliseconds: UInt64) -> String {
        sessions = sessions.filter { $0.value.endsMilliseconds > nowMilliseconds }
        if sessions.count >= Self.limit,
            let oldest = sessions.min(by: { $0.value.usedMilliseconds < $1.value.usedMilliseconds })
        {
            sessions[oldest.key] = nil
        }
        let secret = SecureRandom.hex(32)
        sessions[Self.digest(secret)] = Session(beganMilliseconds: nowMilliseconds, usedMilliseconds: nowMilliseconds)
        return secret
    }

    /// Uses a session.
    /// - Returns: How long it lasts from now if it is not used again, in milliseconds; nil if there is no such session.
    mutating func use(_ secret: String, nowMilliseconds: UInt64) -> UInt64? {
        let digest = Self.digest(secret)
        guard var session = sessions[digest] else { return nil }
        guard session.endsMilliseconds > nowMilliseconds else {
            sessions[digest] = nil
            return nil
        }
        session.usedMilliseconds = nowMilliseconds
        sessions[digest] = session
        return session.endsMilliseconds - nowMilliseconds
    }

    mutating func end(_ secret: String) {
        sessions[Self.digest(secret)] = nil
    }

    private static func digest(_ secret: String) -> [UInt8] { SHA256.digest(Array(secret.utf8)) }
}

/// The cookie that carries a session's secret.
struct SessionCookie: Sendable, Equatable {
    /// Browsers keep one jar for all ports of a host: the port keeps two gateways on one machine apart.
    let name: String
    /// Sent over TLS only: where the admin port speaks TLS.
    let isSecure: Bool

    init(port: UInt16, isSecure: Bool = false) {
        name = "fastgate_session_\(port)"
        self.isSecure = isSecure
    }

    /// The secret in a Cookie header (RFC 6265 §5.4).
    func secret(in cookies: String?) -> String? {
        for pair in (cookies ?? "").split(separator: ";") {
            let halves = pair.drop { $0 == " " }.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if halves.count == 2, halves[0] == name, !halves[1].isEmpty { return String(halves[1]) }
        }
        return nil
    }

    /// Kept until the browser ends; no script can read it and no other site can have it sent.
    func set(_ secret: String) -> HeaderLine {
        HeaderLine("set-cookie", "\(name)=\(secret); Path=/; HttpOnly; SameSite=Strict\(isSecure ? "; Secure" : "")")
    }

    var cleared: HeaderLine {
        HeaderLine("set-cookie", "\(name)=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict\(isSecure ? "; Secure" : "")")
    }
}
