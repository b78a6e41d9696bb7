import JSON
import Testing

@testable import Proxy

/// Which members of a body a schema's verdict hangs on.
@Suite struct SchemaReachTests {
    struct Case: CustomTestStringConvertible {
        let schema: JSONValue
        let names: Set<String>
        let inner: Set<String>
        let isWide: Bool

        init(_ schema: JSONValue, _ names: Set<String>, inner: Set<String> = [], isWide: Bool = false) {
            (self.schema, self.names, self.inner, self.isWide) = (schema, names, inner, isWide)
        }

        var testDescription: String { "\(schema)" }
    }

    static let cases: [Case] = [
        Case(["type": "object"], []),
        Case(["properties": ["a": ["const": 1]], "required": ["b"]], ["a", "b"]),
        Case(["properties": ["a": ["type": "array"], "b": ["enum": ["x", 1]]]], ["a", "b"]),
        Case(["properties": ["a": ["items": ["type": "string"]]]], ["a"], inner: ["a"]),
        Case(["properties": ["a": ["const": ["x": 1]], "b": ["enum": [[1], 2]]]], ["a", "b"], inner: ["a", "b"]),
        Case(["properties": ["a": ["anyOf": [["type": "null"], ["properties": [:]]]]]], ["a"], inner: ["a"]),
        Case(["properties": ["a": ["not": ["uniqueItems": true]]]], ["a"], inner: ["a"]),
        Case(["allOf": [["required": ["a"]], ["anyOf": [["properties": ["b": true]]]]]], ["a", "b"]),
        Case(
            ["if": ["required": ["a"]], "then": ["required": ["b"]], "else": ["not": ["required": ["c"]]]],
            ["a", "b", "c"]),
        Case(["dependentSchemas": ["x": ["required": ["a"]]]], ["a"]),
        Case(["$ref": "#/$defs/p~1q/1", "$defs": ["p/q": [[:], ["required": ["a"]]]]], ["a"]),
        Case(
            ["properties": ["a": ["$ref": "#"]], "anyOf": [["$ref": "#/anyOf/0/not"], ["$ref": "#"]]], ["a"],
            inner: ["a"],
            isWide: true),
        Case(["$ref": "#named", "$defs": ["n": ["$anchor": "named"]]], [], isWide: true),
        Case(["patternProperties": ["^a": true]], [], isWide: true),
        Case(["additionalProperties": false, "properties": ["a": true]], ["a"]),
        Case(["additionalProperties": ["type": "string"]], [], isWide: true),
        Case(["unevaluatedProperties": ["type": "string"]], [], isWide: true),
        Case(["const": ["a": 1]], [], isWide: true),
        Case(true, []),
    ]

    @Test(arguments: cases) func reaches(_ example: Case) {
        let reach = SchemaReach(example.schema)
        #expect(Set(reach.names) == example.names && reach.names.count == example.names.count)
        #expect(Set(reach.inner) == example.inner)
        #expect(reach.isWide == example.isWide)
    }
}
