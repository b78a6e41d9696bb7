import JSON
import Store
import Testing

@testable import Admin
@testable import Proxy

@Suite struct ProviderEndpointTests {
    private let bed: TestBed
    private let context: HandlerContext
    private static let secret = "sk-proj-0123456789abcdefghij-wxyz"

    init() throws {
        bed = try TestBed()
        context = try bed.context()
    }

    @discardableResult
    private func provider(_ name: String = "acme", _ more: String = "") throws -> JSONValue {
        let answer = try context.send(
            "POST", "/admin/providers",
            #"{"name":"\#(name)","base_url":"http://127.0.0.1:9/v1","models":["m"]\#(more)}"#)
        try #require(answer.status == 201, "\(answer.body.serialized())")
        return answer.body
    }

    private func key(_ provider: String = "acme", _ secret: String = secret) throws -> String {
        let answer = try context.send("POST", "/admin/providers/\(provider)/keys", #"{"key":"\#(secret)"}"#)
        try #require(answer.status == 201, "\(answer.body.serialized())")
        return try #require(answer.body["key_id"]?.stringValue)
    }

    private var published: ProviderSet { bed.gateway.state.withLock { $0.providers } }

    // MARK: Providers

    @Test func aNewProviderHasDefaultsAndIsPublished() throws {
        let made = try provider()
        #expect(made["api_type"] == "openai" && made["priority"] == 100 && made["key_strategy"] == "first_available")
        #expect(made["enabled"] == true && made["timeout"] == .null && made["headers"] == .null)
        #expect(made["keys"]?["total"] == 0 && made["health"] == .null)
        #expect(published.providers.map(\.name) == ["acme"])
        let shown = try context.send("GET", "/admin/providers/acme")
        #expect(shown.body == made)
        #expect(try context.send("POST", "/admin/providers", #"{"name":"acme","base_url":"http://h"}"#).status == 409)
    }

    @Test(arguments: [
        (#"{"base_url":"http://h"}"#, "name"), (#"{"name":"a/b","base_url":"http://h"}"#, "name"),
        (#"{"name":"a"}"#, "base_url"), (#"{"name":"a","base_url":"ftp://h"}"#, "base_url"),
        (#"{"name":"a","base_url":"http://u:p@h"}"#, "base_url"),
        (#"{"name":"a","base_url":"http://h","api_type":"smtp"}"#, "api_type"),
        (#"{"name":"a","base_url":"http://h","key_strategy":"best"}"#, "key_strategy"),
        (#"{"name":"a","base_url":"http://h","weight":-1}"#, "weight"),
        (#"{"name":"a","base_url":"http://h","timeout":0}"#, "timeout"),
        (#"{"name":"a","base_url":"http://h","models":[""]}"#, "models"),
        (#"{"name":"a","base_url":"http://h","models":"m"}"#, "models"),
        (#"{"name":"a","base_url":"http://h","headers":{"a b":"c"}}"#, "headers"),
        (#"{"name":"a","base_url":"http://h","headers":{"a":1}}"#, "headers"),
        (#"{"name":"a","base_url":"http://h","is_active":true}"#, "is_active"),
    ])
    func refusalsNameTheField(_ body: String, _ param: String) throws {
        let answer = try context.send("POST", "/admin/providers", body)
        #expect(answer.status == 422)
        #expect(answer.body["error"]?["param"]?.stringValue == param)
        #expect(bed.gateway.state.withLock { $0.publications } == 0)
    }

    @Test func whatTheGatewayCannotServeIsNotStored() throws {
        bed.gateway.state.withLock { $0.providerProblem = RouteProblem(field: "headers", message: "${X} is not set") }
        let answer = try context.send("POST", "/admin/providers", #"{"name":"a","base_url":"http://h"}"#)
        #expect(answer.status == 422 && answer.body["error"]?["param"] == "headers")
        #expect(try context.send("GET", "/admin/providers").body["total"] == 0)
    }

    @Test func patchChangesWhatIsGivenOnly() throws {
        try provider("acme", #","headers":{"x-org":"a"},"timeout":5"#)
        let answer = try context.send("PATCH", "/admin/providers/acme", #"{"priority":7,"headers":null}"#)
        #expect(answer.status == 200)
        #expect(answer.body["priority"] == 7 && answer.body["headers"] == .null && answer.body["timeout"] == 5)
        #expect(answer.body["models"] == ["m"])
        #expect(published.providers.first?.priority == 7)
        #expect(try context.send("PATCH", "/admin/providers/acme", #"{"name":"b"}"#).status == 409)
        let shown = try context.send("GET", "/admin/providers/acme").body
        var again = try #require(
            try context.send("PATCH", "/admin/providers/acme", shown.serialized()).body.objectValue)
        again["updated_at"] = shown["updated_at"]
        #expect(.object(again) == shown)
        #expect(try context.send("PATCH", "/admin/providers/none", "{}").status == 404)
        #expect(try context.send("POST", "/admin/providers/acme/toggle").body["enabled"] == false)
        #expect(try context.send("DELETE", "/admin/providers/acme").status == 204)
        #expect(published.providers.isEmpty)
        #expect(try context.send("DELETE", "/admin/providers/acme").status == 404)
    }

    @Test func ifMatchGuardsEveryChange() throws {
        try provider()
        let keyID = try key()
        for (path, change) in [
            ("/admin/providers/acme", #"{"weight":2}"#), ("/admin/providers/acme/keys/\(keyID)", #"{"weight":2}"#),
        ] {
            let old = try #require(
                try context.send("GET", path).response.headers.first { $0.name == "etag" }?.value)
            let changed = try context.send("PATCH", path, change, ifMatch: old)
            #expect(changed.status == 200)
            #expect(try context.send("PATCH", path, change, ifMatch: old).status == 412)
            #expect(try context.send("POST", path + "/toggle", ifMatch: old).status == 412)
            #expect(try context.send("DELETE", path, ifMatch: old).status == 412)
        }
    }

    @Test func theTagOutlivesWhatChangesByItself() throws {
        try provider()
        let tag = try context.send("GET", "/admin/providers/acme").response.headers.first { $0.name == "etag" }
        _ = try key()
        bed.gateway.state.withLock { $0.providerStatus = [Self.status(keys: [])] }
        let later = try context.send("GET", "/admin/providers/acme")
        #expect(later.response.headers.first { $0.name == "etag" } == tag)
        #expect(later.body["health"]?["breaker"] == "open" && later.body["health"]?["first_byte_ms"] == 1.5)
    }

    private static func status(keys: [ProviderStatus.Key]) -> ProviderStatus {
        ProviderStatus(
            name: "acme", isEnabled: true, breaker: "open", isUp: false, openExchanges: 3, firstByteMicroseconds: 1500,
            successShare: 0.5, keys: keys)
    }

    @Test func listsAreFilteredAndPaged() throws {
        for name in ["a", "b", "c"] { try provider(name, #","api_type":"\#(name == "b" ? "gemini" : "openai")""#) }
        #expect(try context.send("GET", "/admin/providers?api_type=gemini").body["total"] == 1)
        #expect(try context.send("GET", "/admin/providers?enabled=false").body["total"] == 0)
        let page = try context.send("GET", "/admin/providers?limit=1&offset=2")
        #expect(page.body["total"] == 3 && page.body["items"]?.arrayValue?.first?["name"] == "c")
        #expect(try context.send("GET", "/admin/providers?api_type=smtp").status == 400)
    }

    // MARK: Keys

    @Test func aKeyIsPublishedAndNeverShown() throws {
        try provider()
        let keyID = try key()
        #expect(published.keys.first?.secret == ProviderSecret(Self.secret))
        let path = "/admin/providers/acme/keys"
        for answer in [
            try context.send("GET", path), try context.send("GET", "\(path)/\(keyID)"),
            try context.send("PATCH", "\(path)/\(keyID)", #"{"label":"x"}"#),
            try context.send("POST", path, #"{"key":"\#(Self.secret)"}"#),
            try context.send("GET", "/admin/providers/acme"),
        ] {
            let text = answer.body.serialized()
            #expect(!text.contains("0123456789") && !text.contains("sealed"), "\(text)")
        }
        let list = try context.send("GET", path).body
        #expect(list["total"] == 1 && list["items"]?.arrayValue?.first?["key_hint"] == "sk-proj-****wxyz")
        let again = try context.send("POST", path, #"{"key":"\#(Self.secret)"}"#)
        #expect(again.status == 409 && again.body["error"]?["param"] == "key")
    }

    @Test(arguments: [
        ("{}", "key"), (#"{"key":""}"#, "key"), (#"{"key":"a b"}"#, "key"), (#"{"key":null}"#, "key"),
        (#"{"key":7}"#, "key"), (#"{"key":"k","weight":-1}"#, "weight"), (#"{"key":"k","label":7}"#, "label"),
        (#"{"key":"k","state":"ok"}"#, "state"),
    ])
    func keysThatDoNotHoldAreRefused(_ body: String, _ param: String) throws {
        try provider()
        let answer = try context.send("POST", "/admin/providers/acme/keys", body)
        #expect(answer.status == 422 && answer.body["error"]?["param"]?.stringValue == param)
    }

    @Test func aKeyBelongsToItsProvider() throws {
        try provider("a")
        try provider("b")
        let keyID = try key("a")
        for (method, path) in [
            ("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/toggle"), ("POST", "/test"),
        ] {
            #expect(try context.send(method, "/admin/providers/b/keys/\(keyID)\(path)", "{}").status == 404)
            #expect(try context.send(method, "/admin/providers/none/keys/\(keyID)\(path)", "{}").status == 404)
        }
        #expect(try context.send("POST", "/admin/providers/none/keys", #"{"key":"k"}"#).status == 404)
    }

    @Test func theStateIsTheWorkersOwnAndCanBeForgotten() throws {
        try provider()
        let keyID = try key()
        let path = "/admin/providers/acme/keys/\(keyID)"
        func live(_ state: String, _ reason: String, _ cooling: UInt64) -> ProviderStatus.Key {
            .init(keyID: keyID, state: state, reason: reason, coolingMilliseconds: cooling, openExchanges: 0)
        }
        bed.gateway.state.withLock { $0.providerStatus = [Self.status(keys: [live("disabled", "key_invalid", 0)])] }
        var shown = try context.send("GET", path).body
        #expect(shown["state"] == "disabled" && shown["state_reason"] == "key_invalid")
        #expect(try context.send("GET", "/admin/providers/acme").body["keys"]?["disabled"] == 1)
        bed.gateway.state.withLock { $0.providerStatus = [Self.status(keys: [live("cooling", "", 5000)])] }
        shown = try context.send("GET", path).body
        #expect(shown["state"] == "cooling" && shown["cooling_until"] != .null && shown["state_reason"] == .null)
        #expect(try context.send("PATCH", path, shown.serialized()).body["state"] == "cooling")
        #expect(try context.send("PATCH", path, #"{"key_id":"other"}"#).status == 409)
        #expect(try context.send("PATCH", path, #"{"provider":"other"}"#).status == 409)
        bed.gateway.state.withLock { $0.providerStatus = [] }
        let before = try #require(published.keys.first).record.stateChangedAtMilliseconds
        #expect(try context.send("PATCH", path, #"{"state":"ok"}"#).body["state"] == "ok")
        #expect(try #require(published.keys.first).record.stateChangedAtMilliseconds >= before)
        #expect(try context.send("PATCH", path, #"{"state":"disabled"}"#).status == 422)
    }

    @Test func withoutTheMasterKeyNothingIsLostAndNothingSealed() throws {
        try provider()
        let keyID = try key()
        let database = try Database.open(path: bed.databasePath, timeZoneOffsetMinutes: 480)
        let wrong = try KeyVault.open(database, environment: String(repeating: "11", count: 32))
        let locked = try bed.context(vault: wrong)
        let path = "/admin/providers/acme/keys"
        #expect(try locked.send("GET", "\(path)/\(keyID)").body["readable"] == false)
        for (method, place, body) in [
            ("POST", path, #"{"key":"k2"}"#), ("POST", "\(path)/\(keyID)/test", ""),
            ("PATCH", "\(path)/\(keyID)", #"{"key":"k2"}"#),
        ] {
            let answer = try locked.send(method, place, body)
            #expect(answer.status == 503 && answer.body["error"]?["code"] == "master_key_locked")
        }
        #expect(try locked.send("PATCH", "\(path)/\(keyID)", #"{"label":"kept"}"#).status == 200)
        #expect(try context.send("GET", "\(path)/\(keyID)").body["readable"] == true)
    }

    @Test func aTestOfAKeySaysWhereItEnded() throws {
        try provider()
        let keyID = try key()
        let answer = try context.send("POST", "/admin/providers/acme/keys/\(keyID)/test")
        #expect(answer.status == 200)
        #expect(answer.body["ok"] == false && answer.body["fault"] == "connect" && answer.body["status"] == .null)
        #expect(answer.body["resolved"] == ["127.0.0.1"] && answer.body["error"] != .null)
    }
}
