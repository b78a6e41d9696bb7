import Testing

@testable import JSON

@Suite struct JSONSchemaTests {
    private func compile(_ text: String) throws -> JSONSchema { try JSONSchema.compile(JSONValue(parsing: text)) }

    private func problem(_ text: String) throws -> String? {
        let value = try JSONValue(parsing: text)
        do {
            _ = try JSONSchema.compile(value)
            return nil
        } catch {
            return error.description
        }
    }

    @Test(arguments: [
        ("1", "the schema: a schema must be an object or a boolean"),
        (##"{"type":"x"}"##, "/type: must be one or more of null, boolean, object, array, number, string, integer"),
        (##"{"properties":{"a/b":{"pattern":"("}}}"##, "/properties/a~1b/pattern: not a regular expression"),
        (##"{"patternProperties":{"[":{}}}"##, "/patternProperties/[: not a regular expression"),
        (##"{"required":"a"}"##, "/required: must be an array of strings"),
        (##"{"minLength":-1}"##, "/minLength: must be a whole"),
        (##"{"minLength":1.5}"##, "/minLength: must be a whole"),
        (##"{"multipleOf":0}"##, "/multipleOf: must be above zero"),
        (##"{"multipleOf":1.2345678901234567891}"##, "/multipleOf: must not have more than 18 digits"),
        (##"{"allOf":[]}"##, "/allOf: must be an array with at least one schema"),
        (##"{"items":[{}]}"##, "/items: a schema must be"),
        (##"{"not":3}"##, "/not: a schema must be"), (##"{"enum":1}"##, "/enum: must be an array"),
        (##"{"$ref":"#/x"}"##, "/$ref: #/x leads nowhere"),
        (##"{"$ref":"#x"}"##, "/$ref: there is no anchor for #x"),
        (##"{"$ref":"http://example.com/s"}"##, "/$ref: http://example.com/s is not in this"),
        (##"{"$ref":"#/%zz"}"##, "/$ref: #/%zz has a broken percent escape"),
        (##"{"$schema":"http://json-schema.org/draft-07/schema#"}"##, "/$schema: only JSON Schema draft 2020-12"),
        (##"{"$ref":"#"}"##, "/$ref: the reference comes back to itself"),
        (
            ##"{"$defs":{"a":{"allOf":[{"$ref":"#/$defs/b"}]},"b":{"not":{"$ref":"#/$defs/a"}}}}"##,
            "the reference comes back to itself"
        ),
        (##"{"$defs":{"a":{"$anchor":"x"},"b":{"$anchor":"x"}}}"##, "the anchor x is defined twice"),
        (##"{"$defs":{"a":{"$id":"x"},"b":{"$id":"x"}}}"##, "two schemas have the $id"),
        (##"{"$id":"a#b"}"##, "/$id: must not have a fragment"),
        (##"{"$anchor":"1"}"##, "/$anchor: must be a plain name"),
    ])
    func refused(_ text: String, _ expected: String) throws {
        let found = try #require(try problem(text))
        #expect(found.contains(expected), "\(found)")
    }

    @Test func sizeIsLimited() throws {
        let deep = String(repeating: "{\"not\":", count: 101) + "{}" + String(repeating: "}", count: 101)
        #expect(try problem(deep)?.contains("nests deeper than 100") == true)
        let wide = "{\"anyOf\":[" + Array(repeating: "{}", count: 20_001).joined(separator: ",") + "]}"
        #expect(try problem(wide)?.contains("more than 20000 parts") == true)
    }

    @Test func deepValuesAreBounded() throws {
        // A list as deep as the parser lets through, under a schema that follows it down.
        let schema = try compile(##"{"$defs":{"n":{"type":"array","items":{"$ref":"#/$defs/n"}}},"$ref":"#/$defs/n"}"##)
        func nested(_ depth: Int) throws -> JSONValue {
            try JSONValue(parsing: String(repeating: "[", count: depth) + String(repeating: "]", count: depth))
        }
        #expect(schema.validate(try nested(200)))
        #expect(!schema.validate(try nested(512)))
        #expect(schema.firstFailure(try nested(512)) == ": the work limit was reached")
    }

    @Test func branchingIsBounded() throws {
        // Two ways at each level: 2^100 without a limit.
        let schema = try compile(
            ##"{"anyOf":[{"properties":{"x":{"$ref":"#"}},"type":"object"},{"properties":{"x":{"$ref":"#"}},"type":"object"}]}"##
        )
        let body = String(repeating: "{\"x\":", count: 100) + "1" + String(repeating: "}", count: 100)
        #expect(!schema.validate(try JSONValue(parsing: body)))
    }

    @Test func dynamicLoopsAreBounded() throws {
        let schema = try compile(##"{"$dynamicAnchor":"a","$dynamicRef":"#a"}"##)
        #expect(!schema.validate(1))
    }

    @Test func firstFailureSaysWhere() throws {
        let schema = try compile(
            ##"{"required":["model"],"properties":{"model":{"type":"string"},"messages":{"items":{"properties":{"role":{"enum":["user"]}},"additionalProperties":false}},"n":{"anyOf":[{"type":"null"},{"minimum":3}]}}}"##
        )
        func failure(_ text: String) throws -> String? { schema.firstFailure(try JSONValue(parsing: text)) }
        #expect(try failure(##"{"model":"x","messages":[{"role":"user"}],"n":3}"##) == nil)
        #expect(try failure("{}") == ": required")
        #expect(try failure(##"{"model":1}"##) == "/model: type")
        #expect(try failure(##"{"model":"x","messages":[{},{"role":"x"}]}"##) == "/messages/1/role: enum")
        #expect(try failure(##"{"model":"x","messages":[{"a/b":1}]}"##) == "/messages/0/a~1b: false")
        #expect(try failure(##"{"model":"x","n":2}"##) == "/n: anyOf")
    }

    @Test func namesOfEquivalentSpellingsAreApart() throws {
        let schema = try compile(##"{"properties":{"\u00e9":{"type":"string"},"e\u0301":{"type":"number"}}}"##)
        #expect(schema.validate(["\u{e9}": "x", "e\u{301}": 1]))
        #expect(!schema.validate(["\u{e9}": 1]))
        #expect(!schema.validate(["e\u{301}": "x"]))
        let marked = try compile(##"{"$defs":{"\u0301":{"type":"null"}},"$ref":"#/$defs/\u0301"}"##)
        #expect(marked.validate(.null) && !marked.validate(1))
    }

    @Test func metaSchemaJudgesSchemas() throws {
        let meta = try compile(##"{"$ref":"https://json-schema.org/draft/2020-12/schema"}"##)
        #expect(meta.validate(["type": "object", "properties": ["a": ["minLength": 1]]]))
        #expect(!meta.validate(["properties": ["a": ["minLength": -1]]]))
        #expect(!meta.validate(["$defs": ["a": ["type": "x"]]]))
    }

    @Test func schemasAndMembersAreToldApart() throws {
        let schemas = [
            ##"{"type":"object"}"##, ##"{"type":["string","null"]}"##, ##"{"properties":{"model":{"const":"x"}}}"##,
            ##"{"required":["model"]}"##,
            ##"{"$ref":"#/$defs/a","$defs":{"a":{}}}"##, ##"{"const":1}"##, ##"{"enum":[{"a":1}]}"##,
            ##"{"model":"x","not":{}}"##, ##"{"pattern":"a"}"##,
            ##"{"minProperties":1}"##, ##"{"anyOf":[true]}"##,
            ##"{"$schema":"https://json-schema.org/draft/2020-12/schema"}"##,
            ##"{"additionalProperties":false}"##,
        ]
        for text in schemas { #expect(isJSONSchema(try JSONValue(parsing: text)), "\(text)") }
        let members = [
            ##"{"model":"gpt-4o"}"##, "{}", ##"{"format":"json","stream":true}"##, ##"{"title":"x"}"##, "[]",
            "\"type\"", ##"{"default":{"type":"object"}}"##, ##"{"$comment":"x","model":"y"}"##,
            ##"{"Type":"object"}"##,
        ]
        for text in members { #expect(!isJSONSchema(try JSONValue(parsing: text)), "\(text)") }
    }

    /// What has only such keywords was once taken for members: none of it may come to mean something without a word.
    @Test(arguments: [
        ##"{"type":"chat"}"##, ##"{"type":[]}"##, ##"{"type":123}"##, ##"{"type":["string","x"]}"##,
        ##"{"required":true}"##, ##"{"required":[1]}"##, ##"{"properties":"none"}"##, ##"{"properties":["model"]}"##,
        ##"{"items":3}"##, ##"{"if":5}"##, ##"{"then":"x"}"##, ##"{"else":[]}"##, ##"{"not":null}"##,
        ##"{"maximum":"5"}"##, ##"{"multipleOf":[]}"##, ##"{"minLength":"x"}"##, ##"{"maxContains":"x"}"##,
        ##"{"minContains":true}"##, ##"{"uniqueItems":"yes"}"##, ##"{"pattern":5}"##, ##"{"enum":"x"}"##,
        ##"{"allOf":[]}"##, ##"{"anyOf":{}}"##, ##"{"oneOf":[1]}"##, ##"{"prefixItems":[]}"##, ##"{"contains":1}"##,
        ##"{"$ref":5}"##, ##"{"$dynamicRef":{}}"##, ##"{"$id":5}"##, ##"{"$anchor":5}"##, ##"{"$dynamicAnchor":[]}"##,
        ##"{"$schema":7}"##, ##"{"$defs":[]}"##, ##"{"patternProperties":1}"##, ##"{"propertyNames":"x"}"##,
        ##"{"additionalProperties":"no"}"##, ##"{"unevaluatedItems":0}"##, ##"{"unevaluatedProperties":"x"}"##,
        ##"{"dependentSchemas":[]}"##, ##"{"dependentRequired":true}"##, ##"{"model":"x","type":"chat"}"##,
    ])
    func aSchemaWithoutAWellFormedKeywordDoesNotCompile(_ text: String) throws {
        let value = try JSONValue(parsing: text)
        #expect(isJSONSchema(value) && !hasWellFormedKeyword(value))
        #expect(throws: JSONSchemaError.self) { try JSONSchema.compile(value) }
    }
}
