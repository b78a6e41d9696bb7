/// Whether `value`, a route's `match_body_schema`, is a JSON Schema rather than members to compare one by one.
///
/// It is one if it is an object with at least one keyword of draft 2020-12 that can identify or constrain, with an operand
/// of the form that keyword takes. So `{"type": "object"}` and `{"required": ["model"]}` are schemas, while
/// `{"type": "chat"}`, `{"format": "json"}` and `{"model": "gpt-4o"}` are members: "chat" is no type of JSON, and
/// annotations (`title`, `format`, `default` …) constrain nothing, so that an object of them alone would match every body.
/// To compare a member that looks like a keyword, say so in a schema: `{"properties": {"type": {"const": "object"}}}`.
public func isJSONSchema(_ value: JSONValue) -> Bool {
    guard case .object(let object) = value else { return false }
    return object.members.contains { looksLikeKeyword($0.name, $0.value) }
}

private func looksLikeKeyword(_ name: String, _ operand: JSONValue) -> Bool {
    let isSchema = operand.objectValue != nil || operand.boolValue != nil
    switch name {
    case "$schema", "$id", "$ref", "$dynamicRef", "$anchor", "$dynamicAnchor":
        return operand.stringValue != nil
    case "$defs", "properties", "patternProperties", "dependentSchemas", "dependentRequired":
        return operand.objectValue != nil
    case "type":
        let names = operand.arrayValue ?? [operand]
        return !names.isEmpty && names.allSatisfy { $0.stringValue.map { SchemaTypes.names[$0] != nil } ?? false }
    case "const":
        return true
    case "enum":
        return operand.arrayValue != nil
    case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
        "minItems", "maxItems", "minContains", "maxContains", "minProperties", "maxProperties":
        return operand.numberValue != nil
    case "pattern":
        return operand.stringValue != nil
    case "uniqueItems":
        return operand.boolValue != nil
    case "required":
        return operand.arrayValue.map { $0.allSatisfy { $0.stringValue != nil } } ?? false
    case "allOf", "anyOf", "oneOf", "prefixItems":
        return operand.arrayValue.map { !$0.isEmpty && $0.allSatisfy { $0.objectValue != nil || $0.boolValue != nil } }
            ?? false
    case "not", "if", "then", "else", "items", "contains", "propertyNames", "additionalProperties",
        "unevaluatedItems", "unevaluatedProperties":
        return isSchema
    default:
        return false
    }
}
