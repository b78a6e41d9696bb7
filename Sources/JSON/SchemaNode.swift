/// A compiled subschema.
struct SchemaNode: Sendable {
    /// Which schema resource it belongs to.
    let resource: Int
    /// `false`, the schema that nothing satisfies. (`true` has no keywords.)
    var isFalse = false
    /// In the order in which they are to be looked at: `unevaluated…` last.
    var keywords: [SchemaKeyword] = []
}

/// A schema resource: what has a URI of its own.
struct SchemaResource: Sendable {
    let uri: SchemaURI
    let root: Int
    var anchors: [String: Int] = [:]
    var dynamicAnchors: [String: Int] = [:]
}

/// The names of `type`.
struct SchemaTypes: OptionSet, Sendable {
    let rawValue: UInt8
    static let null = SchemaTypes(rawValue: 1)
    static let boolean = SchemaTypes(rawValue: 2)
    static let object = SchemaTypes(rawValue: 4)
    static let array = SchemaTypes(rawValue: 8)
    static let number = SchemaTypes(rawValue: 16)
    static let string = SchemaTypes(rawValue: 32)
    static let integer = SchemaTypes(rawValue: 64)

    static let names: [String: SchemaTypes] = [
        "null": .null, "boolean": .boolean, "object": .object, "array": .array, "number": .number, "string": .string,
        "integer": .integer,
    ]
}

/// An asserting or applying keyword with its operands; subschemas are node numbers.
enum SchemaKeyword: Sendable {
    case type(SchemaTypes)
    case const(JSONValue)
    case enumeration(Set<JSONValue>)
    case minimum(JSONNumber)
    case maximum(JSONNumber)
    case exclusiveMinimum(JSONNumber)
    case exclusiveMaximum(JSONNumber)
    case multipleOf(JSONNumber)
    case minLength(Int)
    case maxLength(Int)
    case pattern(SchemaPattern)
    case minItems(Int)
    case maxItems(Int)
    case uniqueItems
    case minProperties(Int)
    case maxProperties(Int)
    case required([String])
    case dependentRequired([(name: String, needs: [String])])
    case ref(Int)
    /// `anchor` is nil if the reference turned out to be static.
    case dynamicRef(Int, anchor: String?)
    case allOf([Int])
    case anyOf([Int])
    case oneOf([Int])
    case not(Int)
    case condition(if: Int, then: Int?, else: Int?)
    case dependentSchemas([(name: String, node: Int)])
    case propertyNames(Int)
    case members(SchemaMembers)
    case items(prefix: [Int], rest: Int?)
    case contains(Int, minimum: Int, maximum: Int)
    case unevaluatedItems(Int)
    case unevaluatedProperties(Int)

    /// Its name in a schema, for messages. Where one case stands for several, the failing one is named by the validator.
    var name: String {
        switch self {
        case .type: "type"
        case .const: "const"
        case .enumeration: "enum"
        case .minimum: "minimum"
        case .maximum: "maximum"
        case .exclusiveMinimum: "exclusiveMinimum"
        case .exclusiveMaximum: "exclusiveMaximum"
        case .multipleOf: "multipleOf"
        case .minLength: "minLength"
        case .maxLength: "maxLength"
        case .pattern: "pattern"
        case .minItems: "minItems"
        case .maxItems: "maxItems"
        case .uniqueItems: "uniqueItems"
        case .minProperties: "minProperties"
        case .maxProperties: "maxProperties"
        case .required: "required"
        case .dependentRequired: "dependentRequired"
        case .ref: "$ref"
        case .dynamicRef: "$dynamicRef"
        case .allOf: "allOf"
        case .anyOf: "anyOf"
        case .oneOf: "oneOf"
        case .not: "not"
        case .condition: "if"
        case .dependentSchemas: "dependentSchemas"
        case .propertyNames: "propertyNames"
        case .members: "properties"
        case .items: "items"
        case .contains: "contains"
        case .unevaluatedItems: "unevaluatedItems"
        case .unevaluatedProperties: "unevaluatedProperties"
        }
    }

    /// Subschemas that are always applied to the same value that the keyword is applied to.
    var inPlace: [Int] {
        switch self {
        case .ref(let node), .not(let node): [node]
        case .allOf(let nodes), .anyOf(let nodes), .oneOf(let nodes): nodes
        case .condition(let test, let then, let otherwise): [test] + [then, otherwise].compactMap { $0 }
        case .dependentSchemas(let pairs): pairs.map(\.node)
        default: []
        }
    }
}

/// `properties`, `patternProperties` and `additionalProperties` of one schema.
struct SchemaMembers: Sendable {
    var named: [JSONName: Int] = [:]
    var patterns: [(pattern: SchemaPattern, node: Int)] = []
    var additional: Int?
}
