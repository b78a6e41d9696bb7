import JSON

/// Which members of a body a JSON Schema's verdict hangs on: what must not be there twice with different values.
struct SchemaReach {
    /// Members of the body that the schema names.
    private(set) var names: [String] = []
    /// Those of them whose own members it looks at.
    private(set) var inner: [String] = []
    /// It looks at members whatever their names.
    private(set) var isWide = false

    private let root: JSONValue
    private var references: [String] = []

    init(_ schema: JSONValue) {
        root = schema
        visit(schema)
    }

    /// Takes up a schema that is about the body itself.
    private mutating func visit(_ schema: JSONValue) {
        for (key, value) in (schema.objectValue?.members ?? []).map({ ($0.name, $0.value) }) {
            switch key {
            case "properties":
                for member in value.objectValue?.members ?? [] {
                    add(member.name, isInner: Self.looksInside(member.value))
                }
            case "required":
                for name in (value.arrayValue ?? []).compactMap(\.stringValue) { add(name, isInner: false) }
            case "allOf", "anyOf", "oneOf": for part in value.arrayValue ?? [] { visit(part) }
            case "not", "if", "then", "else": visit(value)
            case "dependentSchemas": for member in value.objectValue?.members ?? [] { visit(member.value) }
            case "patternProperties", "const", "enum": isWide = true
            case "additionalProperties", "unevaluatedProperties": if value.boolValue == nil { isWide = true }
            case "$ref", "$dynamicRef": follow(value.stringValue ?? "")
            default: break
            }
        }
    }

    private mutating func add(_ name: String, isInner: Bool) {
        if !names.contains(name) { names.append(name) }
        if isInner && !inner.contains(name) { inner.append(name) }
    }

    private mutating func follow(_ reference: String) {
        if references.contains(reference) { return }
        references.append(reference)
        if let place = resolve(reference) {
            visit(place)
        } else {
            // By an anchor, or in a resource of its own: it may look at anything.
            isWide = true
        }
    }

    /// What a JSON pointer into this document refers to.
    private func resolve(_ reference: String) -> JSONValue? {
        if reference == "#" { return root }
        guard reference.hasPrefix("#/"), !reference.contains("%") else { return nil }
        var place = root
        for part in reference.dropFirst(2).split(separator: "/", omittingEmptySubsequences: false) {
            let name = part.split(separator: "~1", omittingEmptySubsequences: false).joined(separator: "/")
                .split(separator: "~0", omittingEmptySubsequences: false).joined(separator: "~")
            guard let next = place[name] ?? Int(name).flatMap({ place[$0] }) else { return nil }
            place = next
        }
        return place
    }

    /// Keywords that look at the values in an object or an array.
    private static let descending: Set<String> = [
        "properties", "patternProperties", "additionalProperties", "unevaluatedProperties", "dependentSchemas", "items",
        "prefixItems", "contains", "unevaluatedItems", "uniqueItems", "$ref", "$dynamicRef",
    ]

    private static func looksInside(_ schema: JSONValue) -> Bool {
        for member in schema.objectValue?.members ?? [] {
            if descending.contains(member.name) { return true }
            switch member.name {
            case "const": if isContainer(member.value) { return true }
            case "enum": if (member.value.arrayValue ?? []).contains(where: isContainer) { return true }
            case "allOf", "anyOf", "oneOf":
                if (member.value.arrayValue ?? []).contains(where: looksInside) { return true }
            case "not", "if", "then", "else": if looksInside(member.value) { return true }
            default: break
            }
        }
        return false
    }

    private static func isContainer(_ value: JSONValue) -> Bool { value.objectValue != nil || value.arrayValue != nil }
}

/// What a route asks of what lies within members of the body, for routes that do.
struct InnerMembers: BitwiseCopyable, Sendable {
    /// Index of the route.
    var route: Int32
    /// The whole body is looked at.
    var isWide: Bool
    /// Members, by index of their names, into which the route looks.
    var members: UInt64
}
