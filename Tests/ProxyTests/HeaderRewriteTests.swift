import Config
import HTTP
import Testing

@testable import Proxy

@Suite struct HeaderRewriteTests {
    /// The names of the lines that go on.
    private func forwarded(
        _ lines: [String], strip: [String] = [], remove: [String] = [], add: [(name: String, value: String)] = []
    ) throws -> [String] {
        let rewrite = HeaderRewrite.compile(strip: strip, remove: remove, add: add, in: kept(Arena()))
        let request = try ParsedRequest("GET /", lines)
        return request.fieldList.filter { !rewrite.drops($0, request.base) }.map(request.name)
    }

    @Test func whatBelongsToOneConnectionStays() throws {
        let lines = [
            "Connection: keep-alive", "Keep-Alive: timeout=5", "Proxy-Connection: close", "TE: trailers",
            "Upgrade: websocket", "Content-Length: 0", "Proxy-Authorization: Basic eA==",
            "Proxy-Authenticate: Basic", "HTTP2-Settings: x", "api-key: k", "x-goog-api-key: k", "Accept: */*",
            "Cookie: a=b", "X-Mine: 1", "Trailer: x",
        ]
        #expect(try forwarded(lines) == ["Accept", "Cookie", "X-Mine", "Trailer"])
    }

    @Test func theSettingsListAndTheRoutes() throws {
        let lines = [
            "Authorization: Bearer k", "X-Api-Key: k", "User-Agent: curl", "X-Forwarded-For: 1.2.3.4",
            "X-Real-IP: 1.2.3.4", "X-Source-Path: t", "X-Mine: 1", "X-MINE-TOO: 2", "Cookie: c", "Accept: */*",
        ]
        let strip = Settings().proxy.stripHeaders
        #expect(try forwarded(lines, strip: strip) == ["X-Mine", "X-MINE-TOO", "Cookie", "Accept"])
        #expect(try forwarded(lines, strip: strip, remove: ["x-mine", "Cookie"]) == ["X-MINE-TOO", "Accept"])
        #expect(try forwarded(lines, strip: strip, remove: ["x-mine-to", "x-min"]).count == 4)
    }

    @Test func whatIsAddedReplacesWhatCame() throws {
        let lines = ["X-Mine: 1", "x-mine: 2", "Accept: */*", "X-Other: 3"]
        let added = [(name: "X-MINE", value: "new"), (name: "accept", value: "text/plain")]
        #expect(try forwarded(lines, add: added) == ["X-Other"])
        let rewrite = HeaderRewrite.compile(strip: [], remove: [], add: added, in: kept(Arena()))
        #expect(rewrite.added.string == "X-MINE: new\r\naccept: text/plain\r\n")
        #expect(!rewrite.addsHost)
        #expect(!rewrite.addsUserAgent)
    }

    @Test func hostAndUserAgentAreToldOf() {
        let rewrite = HeaderRewrite.compile(
            strip: [], remove: [], add: [(name: "HOST", value: "a"), (name: "User-Agent", value: "b")],
            in: kept(Arena()))
        #expect(rewrite.addsHost)
        #expect(rewrite.addsUserAgent)
        #expect(rewrite.dropped.contains(.host))
        #expect(rewrite.dropped.contains(.userAgent))
    }

    @Test func nothingToAddOrRemove() throws {
        let rewrite = HeaderRewrite.compile(strip: [], remove: [], add: [], in: kept(Arena()))
        #expect(rewrite.added.isEmpty)
        #expect(rewrite.droppedOthers.isEmpty)
        for id in HeaderRewrite.hopByHop { #expect(rewrite.dropped.contains(id)) }
        #expect(!rewrite.dropped.contains(.accept))
        #expect(!rewrite.dropped.contains(.other))
    }

    @Test func hostIsWrittenAnewWhoseverItIs() {
        func rewrite(strip: [String], add: [(name: String, value: String)] = []) -> HeaderRewrite {
            HeaderRewrite.compile(strip: strip, remove: [], add: add, in: kept(Arena()))
        }
        #expect(rewrite(strip: []).dropped.contains(.host))
        #expect(rewrite(strip: []).passesHost)
        #expect(!rewrite(strip: ["HOST"]).passesHost)
        #expect(!rewrite(strip: [], add: [(name: "Host", value: "a")]).passesHost)
    }

    @Test func keysAreLookedForWhereTheirFieldsPass() {
        for (strip, passes) in [
            ([], true), (["authorization"], true), (["x-api-key"], true), (["Authorization", "X-API-Key"], false),
        ] {
            let rewrite = HeaderRewrite.compile(strip: strip, remove: [], add: [], in: kept(Arena()))
            #expect(rewrite.passesKeyFields == passes)
        }
    }

    @Test func whatOnlyWeMaySetIsStripped() {
        var settings = Settings()
        #expect(settings.headersToStrip == settings.proxy.stripHeaders + ["forwarded"])
        settings.proxy.forwardClientIP = true
        settings.tls.clientAuthentication = .optional
        for name in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-client-cert-subject"] {
            #expect(settings.headersToStrip.contains(name))
        }
    }

    @Test func underscoresPassForDashes() throws {
        let rewrite = HeaderRewrite.compile(strip: ["x-team-secret"], remove: [], add: [], in: kept(Arena()))
        let lines = [
            "X_Forwarded_For: 1", "Content_Length: 1", "TRANSFER_ENCODING: chunked", "x_api-key: k", "X_Team_Secret: 1",
            "X_Mine: 1", "X-Plain: 1", "_: 1", "\(String(repeating: "x_", count: 200)): 1",
        ]
        let request = try ParsedRequest("GET /", lines)
        let dropped = request.fieldList.filter { rewrite.dropsOdd($0, request.base) }.map(request.name)
        #expect(dropped == ["X_Forwarded_For", "Content_Length", "TRANSFER_ENCODING", "x_api-key", "X_Team_Secret"])
    }
}
