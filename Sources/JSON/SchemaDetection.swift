/// Whether `value`, a route's `match_body_schema`, is a JSON Schema rather than members to compare one by one: an object with
/// a member that is named like a keyword of draft 2020-12 which can identify or constrain, whatever it holds. So
/// `{"type": "chat"}` is a schema too, and one that does not compile.
///
/// Annotations (`title`, `format`, `default`, `$comment` …) constrain nothing: an object of them alone would match every body,
/// and so they are members. To compare a member that is called like a keyword, say so in a schema:
/// `{"properties": {"type": {"const": "chat"}}}`.
public func isJSONSchema(_ value: JSONValue) -> Bool {
    guard case .object(let object) = value else { return false }
    return object.members.contains { schemaKeywords.contains($0.name) }
}

private let schemaKeywords: Set<String> = [
    // Core (§8), without $comment and $vocabulary.
    "$schema", "$id", "$ref", "$dynamicRef", "$anchor", "$dynamicAnchor", "$defs",
    // Applicators (§10).
    "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "prefixItems", "items", "contains",
    "properties", "patternProperties", "additionalProperties", "propertyNames",
    // Unevaluated (§11).
    "unevaluatedItems", "unevaluatedProperties",
    // Validation (§6 of its document).
    "type", "enum", "const", "multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength",
    "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "maxContains", "minContains", "maxProperties",
    "minProperties", "required", "dependentRequired",
]

/// Whether at least one of the keywords by which `isJSONSchema` knows a schema has an operand of the form that it takes.
///
/// Version 0.1 took an object without such a one for members to compare. What it has stored goes on being compared.
public func hasWellFormedKeyword(_ value: JSONValue) -> Bool {
    guard case .object(let object) = value else { return false }
    return object.members.contains { isWellFormed($0.name, $0.value) }
}

private func isWellFormed(_ name: String, _ operand: JSONValue) -> Bool {
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
