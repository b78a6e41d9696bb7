import JSON
import Testing

@testable import Admin

/// Two operators who change the same thing.
@Suite struct EntityTagTests {
    private let bed: TestBed
    private let context: HandlerContext

    init() throws {
        bed = try TestBed()
        context = try bed.context()
    }

    private func tag(_ answer: (status: Int, body: JSONValue, response: AdminResponse)) -> String? {
        answer.response.headers.first { $0.name == "etag" }?.value
    }

    @Test func tagsAreMadeFromTheContent() {
        let key: JSONValue = ["key_id": "k", "usage_count": 1, "last_used_at": .null, "rate_limit": 5]
        let used: JSONValue = ["key_id": "k", "usage_count": 2, "last_used_at": "now", "rate_limit": 5]
        let changed: JSONValue = ["key_id": "k", "usage_count": 1, "last_used_at": .null, "rate_limit": 6]
        #expect(EntityTag.of(key) == EntityTag.of(used) && EntityTag.of(key) != EntityTag.of(changed))
        #expect(EntityTag.of(key).hasPrefix("\"") && EntityTag.of(key).utf8.count == 34)
    }

    @Test func aLostUpdateIsRefused() throws {
        _ = try context.send("POST", "/admin/routes", #"{"route_id":"r","match_path":"/a","target_host":"h:1"}"#)
        let seen = try #require(tag(try context.send("GET", "/admin/routes/r")))
        let changed = try context.send("PATCH", "/admin/routes/r", #"{"priority":5}"#, ifMatch: seen)
        let now = try #require(tag(changed))
        #expect(changed.status == 200 && now != seen)
        for (method, path, body) in [
            ("PATCH", "/admin/routes/r", #"{"priority":6}"#), ("POST", "/admin/routes/r/toggle", ""),
            ("PUT", "/admin/routes/r", #"{"match_path":"/b","target_host":"h:2"}"#), ("DELETE", "/admin/routes/r", ""),
        ] {
            for tags in [seen, "W/\(now)", "\"x\", \(seen)", ""] {
                let refused = try context.send(method, path, body, ifMatch: tags)
                #expect(refused.status == 412 && refused.body["error"]?["code"] == "precondition_failed")
                #expect(refused.body["error"]?["param"] == "if-match" && tag(refused) == now)
            }
        }
        #expect(try context.send("GET", "/admin/routes/r").body["priority"] == 5)
        #expect(
            try context.send("PATCH", "/admin/routes/r", #"{"priority":6}"#, ifMatch: "\"x\" , \(now)").status == 200)
        #expect(try context.send("PATCH", "/admin/routes/r", #"{"priority":7}"#).status == 200)
        #expect(try context.send("DELETE", "/admin/routes/r", ifMatch: "*").status == 204)
        #expect(try context.send("DELETE", "/admin/routes/r", ifMatch: "*").status == 404)
    }

    @Test func keysToo() throws {
        let made = try context.send("POST", "/admin/keys", #"{"source_path":"a"}"#)
        let id = try #require(made.body["key_id"]?.stringValue)
        let seen = try #require(tag(made))
        #expect(tag(try context.send("GET", "/admin/keys/\(id)")) == seen)
        bed.store(3) { _ in TestExchange(keyID: id) }
        #expect(try context.send("GET", "/admin/keys/\(id)").body["usage_count"] == 3)
        #expect(try context.send("PATCH", "/admin/keys/\(id)", #"{"rate_limit":9}"#, ifMatch: seen).status == 200)
        for (method, path, body) in [
            ("PATCH", "", #"{"rate_limit":8}"#), ("POST", "/toggle", ""), ("POST", "/rotate", ""), ("DELETE", "", ""),
        ] {
            #expect(try context.send(method, "/admin/keys/\(id)\(path)", body, ifMatch: seen).status == 412)
        }
        let rotated = try context.send("POST", "/admin/keys/\(id)/rotate", ifMatch: "*")
        #expect(rotated.status == 200 && rotated.body["rate_limit"] == 9)
    }
}
