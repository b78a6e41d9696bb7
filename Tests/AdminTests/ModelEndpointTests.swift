import JSON
import LLM
import Proxy
import Store
import Testing

@testable import Admin

/// Models, aliases and prices.
@Suite struct ModelEndpointTests {
    private let bed: TestBed
    private let context: HandlerContext

    init() throws {
        bed = try TestBed()
        context = try bed.context()
        for body in [
            #"{"name":"acme","base_url":"http://127.0.0.1:9","models":["m-1","org/m:free"]}"#,
            #"{"name":"claude","base_url":"http://127.0.0.1:9","api_type":"anthropic","models":["m-1","c"]}"#,
        ] {
            try #require(try context.send("POST", "/admin/providers", body).status == 201)
        }
    }

    private var published: ProviderSet { bed.gateway.state.withLock { $0.providers } }

    @Test func modelsShowWhoServesThemAndForWhat() throws {
        for (path, input) in [("acme/m-1", "1"), ("anthropic/c", "2"), ("*/org%2Fm:free", "0")] {
            let price = #"{"input":"\#(input)","output":"3"}"#
            try #require(try context.send("PUT", "/admin/prices/\(path)", price).status == 200)
        }
        let alias = #"{"name":"fast","targets":["acme/m-1","m-1"]}"#
        try #require(try context.send("POST", "/admin/aliases", alias).status == 201)
        let models = try #require(try context.send("GET", "/admin/models").body["items"]?.arrayValue)
        let shown = models.map { "\($0["name"]!.stringValue!) \($0["price_from"]!.stringValue!)" }
        #expect(shown == ["claude/c api_type", "acme/m-1 provider", "claude/m-1 unknown", "acme/org/m:free any"])
        #expect(models[1]["price"]?["input"] == "1" && models[2]["price"] == .null)
        #expect(models[1]["aliases"] == ["fast", "fast"] && models[2]["aliases"] == ["fast"])
        #expect(try context.send("GET", "/admin/models?priced=false").body["total"] == 1)
        #expect(try context.send("GET", "/admin/models?provider=claude&model=M-").body["total"] == 1)
        #expect(try context.send("GET", "/admin/models?limit=1&offset=3").body["items"]?.arrayValue?.count == 1)
    }

    @Test func aliasesAreMadeChangedAndDeleted() throws {
        let made = try context.send("POST", "/admin/aliases", #"{"name":"org/x y","targets":["acme/m-1"]}"#)
        #expect(made.status == 201)
        #expect(made.response.headers.contains(HeaderLine("location", "/admin/aliases/org%2Fx%20y")))
        #expect(published.aliases.map(\.name) == ["org/x y"])
        #expect(try context.send("POST", "/admin/aliases", #"{"name":"org/x y","targets":["a"]}"#).status == 409)
        let path = "/admin/aliases/org%2Fx%20y"
        let tag = made.response.headers.first { $0.name == "etag" }?.value
        let changed = try context.send("PATCH", path, #"{"targets":["a","b"],"enabled":false}"#, ifMatch: tag)
        #expect(changed.body["targets"] == ["a", "b"] && changed.body["enabled"] == false)
        #expect(try context.send("PATCH", path, "{}", ifMatch: tag).status == 412)
        #expect(try context.send("GET", path).body == changed.body)
        #expect(try context.send("PATCH", path, changed.body.serialized()).body["targets"] == ["a", "b"])
        #expect(try context.send("PATCH", path, #"{"name":"other"}"#).status == 409)
        #expect(try context.send("GET", "/admin/aliases").body["total"] == 1)
        #expect(try context.send("DELETE", path).status == 204)
        #expect(try context.send("GET", path).status == 404 && published.aliases.isEmpty)
    }

    @Test(arguments: [
        (#"{"name":"a"}"#, "targets"), (#"{"name":"a","targets":[]}"#, "targets"),
        (#"{"name":"a","targets":["b","b"]}"#, "targets"), (#"{"name":"","targets":["b"]}"#, "name"),
        (#"{"name":"a","targets":[7]}"#, "targets"), (#"{"name":"a","targets":["b"],"enabled":1}"#, "enabled"),
    ])
    func aliasesThatDoNotHoldAreRefused(_ body: String, _ param: String) throws {
        let answer = try context.send("POST", "/admin/aliases", body)
        #expect(answer.status == 422 && answer.body["error"]?["param"]?.stringValue == param)
    }

    @Test func pricesAreExactDecimals() throws {
        let body = #"{"input":"2.5","output":"10","cached_input":"0.000001","currency":"CNY","max_output_tokens":8192}"#
        let made = try context.send("PUT", "/admin/prices/*/gpt-4o", body)
        #expect(made.status == 200)
        #expect(published.prices.first?.input == 2_500_000 && published.prices.first?.cachedInput == 1)
        #expect(published.prices.first?.provider == "" && made.body["provider"] == "*")
        #expect(made.body["input"] == "2.5" && made.body["cached_input"] == "0.000001")
        #expect(made.body["reasoning"] == .null && made.body["currency"] == "CNY" && made.body["imported"] == false)
        let shown = try context.send("GET", "/admin/prices/*/gpt-4o")
        #expect(shown.body == made.body)
        #expect(try context.send("GET", "/admin/prices?provider=*&model=GPT").body["total"] == 1)
        let tag = shown.response.headers.first { $0.name == "etag" }?.value
        let next = #"{"input":"3","output":"10"}"#
        #expect(try context.send("PUT", "/admin/prices/*/gpt-4o", next, ifMatch: tag).status == 200)
        #expect(try context.send("PUT", "/admin/prices/*/gpt-4o", next, ifMatch: tag).status == 412)
        #expect(try context.send("PUT", "/admin/prices/*/new", next, ifMatch: "*").status == 404)
        let again = try context.send("PUT", "/admin/prices/*/gpt-4o", shown.body.serialized())
        #expect(again.status == 200 && again.body["cached_input"] == "0.000001")
        #expect(try context.send("PUT", "/admin/prices/*/gpt-5", shown.body.serialized()).status == 409)
        #expect(try context.send("DELETE", "/admin/prices/*/gpt-4o").status == 204)
        #expect(try context.send("GET", "/admin/prices/*/gpt-4o").status == 404 && published.prices.isEmpty)
    }

    @Test(arguments: [
        (#"{"output":"1"}"#, "input"), (#"{"input":1,"output":"1"}"#, "input"),
        (#"{"input":"1.0000001","output":"1"}"#, "input"), (#"{"input":"-1","output":"1"}"#, "input"),
        (#"{"input":"1","output":null}"#, "output"), (#"{"input":"1000001","output":"1"}"#, "input"),
        (#"{"input":"1","output":"1","currency":"usd"}"#, "currency"),
        (#"{"input":"1","output":"1","max_input_tokens":-1}"#, "max_input_tokens"),
        (#"{"input":"1","output":"1","price":"1"}"#, "price"),
    ])
    func pricesThatDoNotHoldAreRefused(_ body: String, _ param: String) throws {
        let answer = try context.send("PUT", "/admin/prices/acme/m", body)
        #expect(answer.status == 422 && answer.body["error"]?["param"]?.stringValue == param)
        #expect(published.prices.isEmpty)
    }

    @Test func aPriceFileIsTakenAndHandMadePricesStay() throws {
        let byHand = #"{"input":"9","output":"9"}"#
        try #require(try context.send("PUT", "/admin/prices/openai/gpt-4o", byHand).status == 200)
        let file = """
            {"sample_spec":{},"gpt-4o":{"litellm_provider":"openai","input_cost_per_token":2.5e-06,\
            "output_cost_per_token":1e-05},"groq/llama":{"litellm_provider":"groq","input_cost_per_token":5e-08,\
            "output_cost_per_token":8e-08},"dall-e":{"litellm_provider":"openai","mode":"image_generation"}}
            """
        let done = try context.send("POST", "/admin/prices/import", file)
        #expect(done.status == 200)
        #expect(done.body == ["added": 1, "changed": 0, "unchanged": 0, "kept": 1, "skipped": 1])
        #expect(try context.send("GET", "/admin/prices/groq/llama").body["output"] == "0.08")
        #expect(try context.send("POST", "/admin/prices/import?replace_manual=true", file).body["changed"] == 1)
        #expect(try context.send("GET", "/admin/prices/openai/gpt-4o").body["input"] == "2.5")
        for (body, status) in [("{", 400), ("", 400), ("[]", 422), (#"{"a":7}"#, 422)] {
            #expect(try context.send("POST", "/admin/prices/import", body).status == status, "\(body)")
        }
        let wrong = #"{"a":{"litellm_provider":"x","input_cost_per_token":"cheap"}}"#
        let refused = try context.send("POST", "/admin/prices/import", wrong)
        #expect(refused.body["error"]?["message"]?.stringValue?.contains("a.input_cost_per_token") == true)
        #expect(try context.send("POST", "/admin/prices/import", file, type: "text/plain").status == 415)
    }

    @Test func theBuiltInPricesAreTakenLikeThoseOfAFile() throws {
        let byHand = #"{"input":"9","output":"9"}"#
        try #require(try context.send("PUT", "/admin/prices/openai/gpt-4o", byHand).status == 200)
        let count = DefaultPrices.entries.count
        let done = try context.send("POST", "/admin/prices/import-built-in").body
        #expect(done["added"]?.intValue == count - 1 && done["kept"] == 1 && done["skipped"] == 0)
        let claude = try context.send("GET", "/admin/prices/anthropic/claude-opus-5").body
        #expect(claude["imported"] == true && claude["cache_write"] == "6.25" && claude["max_output_tokens"] == 128_000)
        #expect(claude["rates"]?["cache_write_1h"] == "10" && claude["rates"]?["fast"] == 2000)
        let gpt = try context.send("GET", "/admin/prices/openai/gpt-5.6").body
        #expect(gpt["rates"]?["variants"]?.arrayValue?.count == 5 && gpt["rates"]?["search"] == "10000")
        #expect(published.prices.count == count)
        let again = try context.send("POST", "/admin/prices/import-built-in?replace_manual=true").body
        #expect(again["changed"] == 1 && again["unchanged"]?.intValue == count - 1)
        #expect(try context.send("POST", "/admin/prices/import-built-in?replace=true").status == 400)
    }
}
