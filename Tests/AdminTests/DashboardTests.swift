import Glibc
import JSON
import Testing

@testable import Admin

@Suite struct DashboardTests {
    private func withServer(_ body: (TestClient, AdminServer) throws -> Void) throws {
        let bed = try TestBed()
        let server = try bed.startServer()
        defer { server.stop() }
        try body(try TestClient(port: server.boundPort), server)
    }

    private static let own = ["x-fastgate-dashboard: 1"]

    @Test func everyFileUnderWebIsEmbedded() throws {
        let folder = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let web = "/\(folder)/Sources/CDashboard/web"
        func files(_ path: String) throws -> [String] {
            let directory = try #require(opendir(path))
            defer { closedir(directory) }
            var names: [String] = []
            while let entry = readdir(directory) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if !name.hasPrefix(".") { names.append(name) }
            }
            return names
        }
        var found: Set<String> = []
        for name in try files(web) where name != "asset.h" {
            if name.contains(".") {
                found.insert(name)
            } else {
                found.formUnion(try files(web + "/" + name).map { name + "/" + $0 })
            }
        }
        #expect(found == Set(DashboardAssets.shared.assets.map(\.name)))
    }

    @Test func assetsAreCompressedAndKeptForGood() throws {
        try withServer { client, _ in
            let page = try client.request("GET", "/admin/dashboard", token: nil)
            #expect(page.status == 200)
            #expect(page["cache-control"] == "no-cache")
            let policy = try #require(page["content-security-policy"])
            #expect(policy.hasPrefix("default-src 'none';") && !policy.contains("unsafe"))
            #expect(!page.text.contains("style=") && !page.text.contains("<style"))
            let place = DashboardAssets.shared.url("main.js")
            #expect(page.text.contains(place))

            let plain = try client.request("GET", place, token: nil)
            #expect(plain.status == 200 && plain["content-encoding"] == nil)
            #expect(plain.body == DashboardAssets.shared["main.js"]?.plain)
            #expect(plain["cache-control"] == "public, max-age=31536000, immutable")
            #expect(plain["content-type"] == "text/javascript; charset=utf-8")
            #expect(plain["vary"] == "accept-encoding")
            let packed = try client.request("GET", place, token: nil, headers: ["Accept-Encoding: br, gzip;q=0.8"])
            #expect(packed["content-encoding"] == "gzip")
            #expect(packed.body.count < plain.body.count / 2)
            #expect(packed.body.prefix(2) == [0x1f, 0x8b])
            let refused = try client.request("GET", place, token: nil, headers: ["Accept-Encoding: gzip;q=0, identity"])
            #expect(refused["content-encoding"] == nil)

            let tag = try #require(plain["etag"])
            for known in [tag, "\"other\", \(tag)", "*"] {
                let same = try client.request("GET", place, token: nil, headers: ["If-None-Match: \(known)"])
                #expect(same.status == 304 && same.body.isEmpty && same["content-length"] == nil, "\(known)")
            }
            #expect(try client.request("GET", place, token: nil, headers: ["If-None-Match: \"other\""]).status == 200)
            for missing in [
                "/admin/assets/0000000000000000/main.js", DashboardAssets.shared.url("nothing.js"),
                DashboardAssets.shared.url("a/b"),
            ] {
                #expect(try client.request("GET", missing, token: nil).status == 404)
            }
            #expect(try client.request("GET", DashboardAssets.shared.url("pages/keys.js"), token: nil).status == 200)
        }
    }

    @Test func aSessionBeginsAndEnds() throws {
        try withServer { client, server in
            #expect(
                try client.request("GET", "/admin/session", token: nil).text
                    == #"{"signed_in":false,"expires_at":null}"#)
            let begun = try client.request(
                "POST", "/admin/session", #"{"token":"\#(TestBed.token)"}"#, token: nil, headers: Self.own)
            #expect(begun.status == 201)
            let cookie = try #require(begun["set-cookie"])
            #expect(cookie.hasPrefix("fastgate_session_\(server.boundPort)="))
            #expect(cookie.hasSuffix("; Path=/; HttpOnly; SameSite=Strict") && !cookie.contains(TestBed.token))
            let sent = "Cookie: " + cookie.prefix { $0 != ";" }

            #expect(try client.request("GET", "/admin/session", token: nil, headers: [sent]).json["signed_in"] == true)
            #expect(try client.request("GET", "/admin/keys", token: nil, headers: [sent]).status == 200)
            let key = #"{"source_path":"a"}"#
            let forged = try client.request("POST", "/admin/keys", key, token: nil, headers: [sent])
            #expect(forged.status == 403 && forged.json["error"]?["code"] == "cross_site_request")
            // A refused request with a body ends its connection.
            let second = try TestClient(port: server.boundPort)
            #expect(
                try second.request("POST", "/admin/keys", key, token: nil, headers: [sent] + Self.own).status == 201)

            #expect(try second.request("DELETE", "/admin/session", token: nil, headers: [sent]).status == 403)
            let ended = try second.request("DELETE", "/admin/session", token: nil, headers: [sent] + Self.own)
            #expect(ended.status == 204)
            #expect(ended["set-cookie"]?.contains("Max-Age=0") == true)
            let after = try second.request("GET", "/admin/keys", token: nil, headers: [sent])
            #expect(after.status == 401 && after.json["error"]?["code"] == "session_ended")
        }
    }

    @Test func signingInIsCheckedLikeAnyLogin() throws {
        try withServer { client, server in
            let right = #"{"token":"\#(TestBed.token)"}"#
            #expect(try client.request("POST", "/admin/session", right, token: nil).status == 403)
            let evil = Self.own + ["Origin: http://evil.test"]
            #expect(try client.request("POST", "/admin/session", right, token: nil, headers: evil).status == 403)
            for (body, status) in [("{}", 422), ("[", 400), (#"{"token":1}"#, 422), (#"{"token":"x","more":1}"#, 422)] {
                #expect(
                    try client.request("POST", "/admin/session", body, token: nil, headers: Self.own).status == status)
            }
            // Wrong ones count together with those of other requests, and the answers come later and later.
            for _ in 0..<LoginThrottle.freeFailures {
                let wrong = try client.request(
                    "POST", "/admin/session", #"{"token":"no"}"#, token: nil, headers: Self.own)
                #expect(wrong.status == 401 && wrong["set-cookie"] == nil)
            }
            let others = try (0..<LoginThrottle.heldLimit + 1).map { _ in try TestClient(port: server.boundPort) }
            for other in others {
                let body = #"{"token":"no"}"#
                other.write(
                    "POST /admin/session HTTP/1.1\r\nHost: a\r\nx-fastgate-dashboard: 1\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)"
                )
            }
            let statuses = try others.map { try $0.response().status }
            #expect(statuses.allSatisfy { [401, 429].contains($0) })
            #expect(statuses.contains(429))
        }
    }
}
