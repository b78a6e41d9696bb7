import JSON
import Testing

@testable import Admin

@Suite struct SessionTests {
    private static let idle = SessionTable.idleMilliseconds
    private static let lifetime = SessionTable.lifetimeMilliseconds

    @Test func aSessionLastsWhileItIsUsed() throws {
        var sessions = SessionTable()
        let secret = sessions.begin(nowMilliseconds: 1000)
        #expect(secret.utf8.count == 64)
        #expect(sessions.use(secret, nowMilliseconds: 1000) == Self.idle)
        #expect(sessions.use(secret, nowMilliseconds: 1000 + Self.idle - 1) == Self.idle)
        #expect(sessions.use(secret, nowMilliseconds: 1000 + 2 * Self.idle - 1) == nil)
        #expect(sessions.count == 0)
    }

    @Test func aSessionEndsHoweverBusyItIs() {
        var sessions = SessionTable()
        let secret = sessions.begin(nowMilliseconds: 0)
        for now in stride(from: 0, to: Self.lifetime, by: Int(Self.idle / 2)) {
            #expect(sessions.use(secret, nowMilliseconds: now) != nil)
        }
        #expect(sessions.use(secret, nowMilliseconds: Self.lifetime - 1) == 1)
        #expect(sessions.use(secret, nowMilliseconds: Self.lifetime) == nil)
    }

    @Test func anEndedOrUnknownSessionIsNone() {
        var sessions = SessionTable()
        let (one, other) = (sessions.begin(nowMilliseconds: 0), sessions.begin(nowMilliseconds: 0))
        sessions.end(one)
        sessions.end("unknown")
        #expect(sessions.use(one, nowMilliseconds: 1) == nil)
        #expect(sessions.use("", nowMilliseconds: 1) == nil)
        #expect(sessions.use(other, nowMilliseconds: 1) != nil)
    }

    @Test func whoWasAwayLongestGivesWay() {
        var sessions = SessionTable()
        let secrets = (0..<SessionTable.limit).map { sessions.begin(nowMilliseconds: UInt64($0)) }
        #expect(sessions.use(secrets[0], nowMilliseconds: 1000) != nil)
        _ = sessions.begin(nowMilliseconds: 1001)
        #expect(sessions.count == SessionTable.limit)
        #expect(sessions.use(secrets[0], nowMilliseconds: 1002) != nil)
        #expect(sessions.use(secrets[1], nowMilliseconds: 1002) == nil)
    }

    @Test func theCookieIsFoundAmongOthers() {
        let cookie = SessionCookie(port: 8515)
        #expect(cookie.secret(in: "a=b; fastgate_session_8515=abc; c=d") == "abc")
        #expect(cookie.secret(in: "fastgate_session_8515=a=b") == "a=b")
        for other in [nil, "", "fastgate_session_8515", "fastgate_session_8515=", "fastgate_session_8516=abc", ";;="] {
            #expect(cookie.secret(in: other) == nil)
        }
        #expect(cookie.set("abc").value == "fastgate_session_8515=abc; Path=/; HttpOnly; SameSite=Strict")
        let secure = SessionCookie(port: 8515, isSecure: true)
        #expect(secure.set("abc").value.hasSuffix("; Secure") && secure.cleared.value.hasSuffix("; Secure"))
    }

    @Test func onlyTheDashboardItselfMayChangeThings() {
        func allows(_ method: String, _ headers: [(String, String)]) -> Bool {
            let all = [("host", "127.0.0.1:8515")] + headers
            return CrossSiteCheck.allows(
                method: method, headers: RequestHeaders(all.map { HeaderLine($0.0, $0.1) }))
        }
        let own = ("x-fastgate-dashboard", "1")
        #expect(allows("GET", []))
        #expect(allows("GET", [("sec-fetch-site", "same-origin")]))
        #expect(allows("GET", [("sec-fetch-site", "none")]))
        #expect(!allows("GET", [("sec-fetch-site", "same-site")]))
        #expect(!allows("HEAD", [("sec-fetch-site", "cross-site")]))
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            #expect(allows(method, [own]))
            #expect(allows(method, [own, ("origin", "http://127.0.0.1:8515"), ("sec-fetch-site", "same-origin")]))
            #expect(allows(method, [own, ("origin", "https://127.0.0.1:8515")]))
            #expect(!allows(method, []))
            #expect(!allows(method, [("origin", "http://127.0.0.1:8515")]))
            for origin in [
                "http://127.0.0.1:8516", "http://127.0.0.1", "http://evil.test", "null", "", "127.0.0.1:8515",
                "http://127.0.0.1:8515.evil.test", "http://127.0.0.1:8515, http://evil.test",
            ] {
                #expect(!allows(method, [own, ("origin", origin)]), "\(origin)")
            }
            #expect(!allows(method, [own, ("sec-fetch-site", "same-site")]))
        }
        #expect(
            !CrossSiteCheck.allows(
                method: "POST", headers: RequestHeaders([HeaderLine(own.0, "1"), HeaderLine("origin", "http://")])))
    }

    @Test func aTokenGoesBeforeTheCookie() {
        var gatekeeper = Gatekeeper(access: AccessControl(token: "right"), cookie: SessionCookie(port: 1))
        let secret = gatekeeper.beginSession(nowMilliseconds: 0)
        func isGranted(_ method: String, _ headers: [(String, String)], query: [String] = [], allowed: Bool = true)
            -> Bool
        {
            let verdict = gatekeeper.admit(
                method: method, headers: RequestHeaders(headers.map { HeaderLine($0.0, $0.1) }), queryTokens: query,
                queryTokensAllowed: allowed, address: "::1", nowMilliseconds: 1)
            if case .granted = verdict { return true }
            return false
        }
        let cookie = ("cookie", "fastgate_session_1=\(secret)")
        #expect(isGranted("GET", [cookie]))
        #expect(!isGranted("POST", [cookie]))
        #expect(isGranted("POST", [cookie, ("x-fastgate-dashboard", "1")]))
        #expect(isGranted("POST", [cookie, ("authorization", "Bearer right")]))
        #expect(!isGranted("GET", [cookie, ("authorization", "Bearer wrong")]))
        #expect(!isGranted("GET", [cookie], query: ["wrong"]))
        #expect(isGranted("GET", [cookie], query: ["wrong"], allowed: false))
        #expect(!isGranted("GET", [("cookie", "fastgate_session_1=\(String(repeating: "0", count: 64))")]))
        #expect(!isGranted("GET", []))
    }

    @Test func nobodyEntersAClosedDoor() {
        var gatekeeper = Gatekeeper.closed()
        let verdict = gatekeeper.judge("", address: "", nowMilliseconds: 0)
        guard case .refused = verdict else {
            Issue.record("granted")
            return
        }
    }
}
