import JSON
import Reactor
import Testing

@testable import Admin

@Suite struct KeyEndpointTests {
    private let bed: TestBed
    private let context: HandlerContext

    init() throws {
        bed = try TestBed()
        context = try bed.context()
    }

    private func created(_ body: String) throws -> JSONValue {
        let answer = try context.send("POST", "/admin/keys", body)
        #expect(answer.status == 201)
        return answer.body
    }

    private func id(_ key: JSONValue) throws -> String { try #require(key["key_id"]?.stringValue) }

    /// The hash under which the gateway was told to accept the key.
    private var publishedHashes: [[UInt8]] { bed.gateway.state.withLock { $0.keys.map(\.keyHash) } }

    @Test func aNewKeyIsShownOnceAndPublished() throws {
        let body = #"{"source_path":"team-a","permissions":["chat","/v1/x/*"],"rate_limit":60,"expires_days":0}"#
        let answer = try context.send("POST", "/admin/keys", body)
        #expect(answer.status == 201)
        let value = try #require(answer.body["key_value"]?.stringValue)
        #expect(value.hasPrefix("fg_") && value.utf8.count > 40)
        #expect(answer.body["key_hint"]?.stringValue?.hasSuffix(value.suffix(4)) == true)
        #expect(answer.body["permissions"] == ["chat", "/v1/x/*"])
        #expect(answer.body["rate_limit"] == 60)
        #expect(answer.body["expires_at"] == .null)
        #expect(answer.body["usage_count"] == 0)
        #expect(publishedHashes == [SHA256.digest(Array(value.utf8))])
        let keyID = try id(answer.body)
        #expect(answer.response.headers.contains(HeaderLine("location", "/admin/keys/\(keyID)")))
        let shown = try context.send("GET", "/admin/keys/\(keyID)")
        #expect(shown.status == 200)
        #expect(shown.body["key_value"] == nil)
        #expect(shown.body["key_hash"] == nil)
        #expect(shown.body["source_path"] == "team-a")
    }

    @Test func expiryComesFromTheSettingsOrTheBody() throws {
        #expect(try created(#"{"source_path":"a"}"#)["expires_at"] != .null)
        #expect(try created(#"{"source_path":"a","expires_at":null}"#)["expires_at"] == .null)
        // Null beside the other is as good as left out.
        #expect(try created(#"{"source_path":"a","expires_days":null,"expires_at":null}"#)["expires_at"] == .null)
        #expect(try created(#"{"source_path":"a","expires_days":1,"expires_at":null}"#)["expires_at"] != .null)
        #expect(
            try created(#"{"source_path":"a","expires_days":null,"expires_at":"9999-12-31"}"#)["expires_at"]
                == "9999-12-31T23:59:59.999+08:00")
        let dated = try created(#"{"source_path":"a","expires_at":"2035-01-31"}"#)
        #expect(dated["expires_at"] == "2035-01-31T23:59:59.999+08:00")
        for (given, shown) in [
            ("2031-01-01T00:00:00Z", "2031-01-01T08:00:00.000+08:00"),
            ("2031-01-01T08:00", "2031-01-01T08:00:00.000+08:00"),
            ("2031-01-01 08:00:05", "2031-01-01T08:00:05.000+08:00"),
            ("2031-01-01T00:00:00.7Z", "2031-01-01T08:00:00.700+08:00"),
        ] {
            let key = try created(#"{"source_path":"a","expires_at":"\#(given)"}"#)
            #expect(key["expires_at"] == .string(shown), "\(given)")
        }
    }

    @Test(arguments: [
        ("", 400, "missing_body", ""), ("{", 400, "invalid_json", ""), ("[]", 422, "invalid_body", ""),
        ("{}", 422, "missing_field", "source_path"),
        (#"{"source_path":"a","sourcepath":"b"}"#, 422, "unknown_field", "sourcepath"),
        (#"{"source_path":7}"#, 422, "invalid_field", "source_path"),
        (#"{"source_path":"  "}"#, 422, "invalid_field", "source_path"),
        (#"{"source_path":"a\u0000"}"#, 422, "invalid_field", "source_path"),
        (#"{"source_path":null}"#, 422, "invalid_field", "source_path"),
        (#"{"source_path":"a","permissions":["chatt"]}"#, 422, "invalid_field", "permissions"),
        (#"{"source_path":"a","permissions":["/a/{"]}"#, 422, "invalid_field", "permissions"),
        (#"{"source_path":"a","permissions":["chat","/ä"]}"#, 422, "invalid_field", "permissions"),
        (#"{"source_path":"a","permissions":["/a?b"]}"#, 422, "invalid_field", "permissions"),
        (#"{"source_path":"a","usage_count":1}"#, 422, "unknown_field", "usage_count"),
        (#"{"source_path":"a","rate_limit":-1}"#, 422, "invalid_field", "rate_limit"),
        (#"{"source_path":"a","rate_limit":1.5}"#, 422, "invalid_field", "rate_limit"),
        (#"{"source_path":"a","expires_at":"soon"}"#, 422, "invalid_field", "expires_at"),
        (#"{"source_path":"a","expires_at":"2035-01-31","expires_days":1}"#, 422, "invalid_field", "expires_at"),
        (#"{"source_path":"a","is_active":"yes"}"#, 422, "invalid_field", "is_active"),
    ])
    func refusalsNameTheField(_ body: String, _ status: Int, _ code: String, _ param: String) throws {
        let answer = try context.send("POST", "/admin/keys", body)
        #expect(answer.status == status)
        #expect(answer.body["error"]?["code"]?.stringValue == code)
        #expect((answer.body["error"]?["param"]?.stringValue ?? "") == param)
        #expect(answer.body["error"]?.objectValue?.names == ["message", "type", "code", "param"])
        #expect(bed.gateway.state.withLock { $0.publications } == 0)
    }

    @Test func otherMediaTypesAreRefused() throws {
        let body = #"{"source_path":"a"}"#
        #expect(try context.send("POST", "/admin/keys", body, type: "text/plain").status == 415)
        #expect(try context.send("POST", "/admin/keys", body, type: nil).status == 201)
        #expect(try context.send("POST", "/admin/keys", body, type: "application/merge-patch+json").status == 201)
    }

    @Test func patchChangesWhatIsGivenOnly() throws {
        let key = try created(#"{"source_path":"a","rate_limit":5,"permissions":["chat"]}"#)
        let path = "/admin/keys/\(try id(key))"
        let changed = try context.send("PATCH", path, #"{"rate_limit":null}"#)
        #expect(changed.status == 200)
        #expect(changed.body["rate_limit"] == .null)
        for name in ["source_path", "permissions", "expires_at", "is_active", "created_at", "key_hint"] {
            #expect(changed.body[name] == key[name], "\(name)")
        }
        #expect(try context.send("PATCH", path, #"{"expires_at":null}"#).body["expires_at"] == .null)
        #expect(try context.send("PATCH", path, #"{"key_id":"x"}"#).status == 409)
        #expect(try context.send("PATCH", "/admin/keys/nobody", "{}").status == 404)
    }

    @Test func whatGetHasGivenCanBeSentBack() throws {
        let key = try created(
            #"{"source_path":"a","rate_limit":5,"permissions":["/v1/{x}"],"max_amount":"1.5","expires_days":3}"#)
        let path = "/admin/keys/\(try id(key))"
        let shown = try context.send("GET", path).body
        #expect(try context.send("PATCH", path, shown.serialized()).body == shown)
        #expect(try context.send("PATCH", path, #"{"usage_count":9,"tokens_spent":9}"#).body == shown)
        #expect(try context.send("PATCH", path, #"{"key_value":"fg_mine"}"#).body["error"]?["param"] == "key_value")
    }

    @Test func togglingPublishesTheKeyOrTakesItBack() throws {
        let path = "/admin/keys/\(try id(created(#"{"source_path":"a"}"#)))"
        #expect(try context.send("POST", path + "/toggle").body["is_active"] == false)
        #expect(publishedHashes.isEmpty)
        #expect(try context.send("POST", path + "/toggle").body["is_active"] == true)
        #expect(publishedHashes.count == 1)
        #expect(try context.send("POST", "/admin/keys/nobody/toggle").status == 404)
    }

    @Test func rotatingShowsTheNewKeyOnceAndTheOldOneIsRefused() throws {
        let key = try created(#"{"source_path":"a","rate_limit":5}"#)
        let old = try #require(key["key_value"]?.stringValue)
        let path = "/admin/keys/\(try id(key))"
        let rotated = try context.send("POST", path + "/rotate")
        #expect(rotated.status == 200)
        let new = try #require(rotated.body["key_value"]?.stringValue)
        #expect(new != old)
        #expect(publishedHashes == [SHA256.digest(Array(new.utf8))])
        #expect(rotated.body["rate_limit"] == 5)
        #expect(try context.send("GET", path).body["key_value"] == nil)
        #expect(try context.send("POST", "/admin/keys/nobody/rotate").status == 404)
    }

    @Test func deletingTakesTheKeyBack() throws {
        let path = "/admin/keys/\(try id(created(#"{"source_path":"a"}"#)))"
        let deleted = try context.send("DELETE", path)
        #expect(deleted.status == 204)
        #expect(publishedHashes.isEmpty)
        #expect(try context.send("DELETE", path).status == 404)
        let answer = try context.send("GET", path)
        #expect(answer.status == 404)
        #expect(answer.body["error"]?["type"] == "not_found_error")
    }

    @Test func listsAreFilteredAndPaged() throws {
        for index in 0..<5 { _ = try created(#"{"source_path":"team-\#(index % 2)","is_active":\#(index != 0)}"#) }
        let all = try context.send("GET", "/admin/keys")
        #expect(all.body.objectValue?.names == ["items", "total", "limit", "offset"])
        #expect(all.body["total"] == 5)
        #expect(all.body["items"]?.arrayValue?.allSatisfy { $0["key_value"] == nil } == true)
        let some = try context.send("GET", "/admin/keys?source_path=team-0&is_active=true&limit=1&offset=1")
        #expect(some.body["total"] == 2)
        #expect(some.body["items"]?.arrayValue?.count == 1)
        for (query, param) in [
            ("limit=0", "limit"), ("offset=-1", "offset"), ("is_active=x", "is_active"), ("q=1", "q"),
        ] {
            let answer = try context.send("GET", "/admin/keys?" + query)
            #expect(answer.status == 400)
            #expect(answer.body["error"]?["param"]?.stringValue == param)
        }
        #expect(try context.send("GET", "/admin/keys?limit=1&limit=2").status == 400)
    }

    @Test func limitsAreSetShownAndPublished() throws {
        let plain = try created(#"{"source_path":"a"}"#)
        #expect(plain["allowed_models"] == [] && plain["max_tokens"] == .null && plain["max_amount"] == .null)
        #expect(plain["currency"] == "USD" && plain["budget_period"] == "total" && plain["max_concurrent"] == .null)
        #expect(plain["tokens_spent"] == 0 && plain["amount_spent"] == "0" && plain["budget_resets_at"] == .null)
        let key = try created(
            #"{"source_path":"b","allowed_models":["gpt-*"],"max_tokens":1000,"max_amount":"12.50","currency":"CNY","#
                + #""budget_period":"daily","max_concurrent":3}"#)
        #expect(key["allowed_models"] == ["gpt-*"] && key["max_tokens"] == 1000 && key["max_amount"] == "12.5")
        #expect(key["currency"] == "CNY" && key["budget_period"] == "daily" && key["max_concurrent"] == 3)
        #expect(key["budget_resets_at"]?.stringValue?.contains("T00:00:00") == true)
        let published = bed.gateway.state.withLock { $0.keys.first { $0.sourcePath == "b" } }
        #expect(published?.budget.maxAmountMicros == 12_500_000 && published?.maxConcurrent == 3)
        let path = "/admin/keys/\(try id(key))"
        let changed = try context.send("PATCH", path, #"{"max_amount":null,"allowed_models":null,"max_tokens":5}"#)
        #expect(changed.body["max_amount"] == .null && changed.body["allowed_models"] == [])
        #expect(changed.body["max_tokens"] == 5 && changed.body["max_concurrent"] == 3)
    }

    @Test func aBudgetCanBeCountedFromNothing() throws {
        let path = "/admin/keys/\(try id(created(#"{"source_path":"a","max_tokens":1000}"#)))"
        let keyID = String(path.dropFirst("/admin/keys/".count))
        let now = UInt64(HandlerContext.nowMilliseconds())
        _ = bed.store([TestUsage(keyID: keyID)], firstMilliseconds: now)
        let tag = try context.send("GET", path).response.headers.first { $0.name == "etag" }?.value
        let spent = try context.send("GET", path).body
        #expect(spent["tokens_spent"] == 120 && spent["amount_spent"] == "1.234567")
        // What exchanges spend changes nothing of what an operator sees to change.
        let reset = try context.send("POST", path + "/reset-budget", ifMatch: tag)
        #expect(reset.status == 200 && reset.body["tokens_spent"] == 0 && reset.body["amount_spent"] == "0")
        #expect(reset.body["budget_since"] != .null && reset.body["max_tokens"] == 1000)
        #expect(bed.gateway.state.withLock { $0.keys.first?.budget.tokensSpent } == 0)
        #expect(try context.send("POST", "/admin/keys/nobody/reset-budget").status == 404)
    }

    @Test(arguments: [
        (#""max_amount":12.5"#, "max_amount"), (#""max_amount":"-1""#, "max_amount"),
        (#""max_tokens":-1"#, "max_tokens"), (#""max_tokens":1.5"#, "max_tokens"),
        (#""currency":"usd""#, "currency"), (#""currency":null"#, "currency"),
        (#""budget_period":"weekly""#, "budget_period"), (#""max_concurrent":0"#, "max_concurrent"),
        (#""allowed_models":"gpt-4""#, "allowed_models"), (#""allowed_models":[""]"#, "allowed_models"),
    ])
    func limitsThatDoNotHoldNameTheField(_ member: String, _ param: String) throws {
        let made = try created(#"{"source_path":"a"}"#)
        for (method, path, body) in [
            ("POST", "/admin/keys", #"{"source_path":"a",\#(member)}"#),
            ("PATCH", "/admin/keys/\(try id(made))", "{\(member)}"),
        ] {
            let answer = try context.send(method, path, body)
            #expect(answer.status == 422 && answer.body["error"]?["param"]?.stringValue == param)
        }
    }

    @Test func aChangeThatCannotBePublishedSaysSo() throws {
        bed.gateway.state.withLock { $0.publishError = .init(message: "no worker answers") }
        let answer = try context.send("POST", "/admin/keys", #"{"source_path":"a"}"#)
        #expect(answer.status == 500)
        #expect(answer.body["error"]?["code"] == "not_published")
    }
}
