/// Why a schema does not compile.
public struct JSONSchemaError: Error, Equatable, Sendable, CustomStringConvertible {
    /// JSON Pointer (RFC 6901) to the offending place in the schema.
    public let pointer: String
    public let message: String

    public var description: String { (pointer.isEmpty ? "the schema" : pointer) + ": " + message }
}

/// A compiled JSON Schema, draft 2020-12: core, applicator, unevaluated and validation vocabularies. `format` and
/// `content…` are annotations and assert nothing. `$ref` and `$dynamicRef` stay within the document and the draft's own
/// meta-schemas; nothing is ever fetched. `pattern` is ECMA-262.
///
/// Work is bounded: 512 schemas applied inside one another, half a million steps, PCRE2's match limit. What takes more fails.
public final class JSONSchema: Sendable {
    let nodes: [SchemaNode]
    let resources: [SchemaResource]
    let root: Int
    let usesUnevaluated: Bool

    private init(_ compiler: SchemaCompiler, root: Int) {
        nodes = compiler.nodes
        resources = compiler.resources
        usesUnevaluated = compiler.usesUnevaluated
        self.root = root
    }

    /// - Throws: what is wrong with `schema` and where: a keyword with an operand of the wrong kind, a pattern that is no
    ///   regular expression, a reference that leads nowhere or outside the document, another dialect.
    public static func compile(_ schema: JSONValue) throws(JSONSchemaError) -> JSONSchema {
        try compile(schema, library: SchemaMetaschemas.documents)
    }

    static func compile(
        _ schema: JSONValue, library: [String: JSONValue]
    ) throws(JSONSchemaError) -> JSONSchema {
        var compiler = SchemaCompiler(library: library)
        let root = try compiler.compile(schema)
        return JSONSchema(compiler, root: root)
    }

    /// Whether `value` satisfies the schema.
    public func validate(_ value: JSONValue) -> Bool {
        var validation = SchemaValidation(self, explains: false)
        return validation.run(value)
    }

    /// Nil if `value` satisfies the schema; else where it first fails, as JSON Pointer into the value and keyword:
    /// `/messages/0/role: enum`.
    public func firstFailure(_ value: JSONValue) -> String? {
        var validation = SchemaValidation(self, explains: true)
        if validation.run(value) { return nil }
        if validation.isExhausted { return ": the work limit was reached" }
        return validation.failure ?? ": the schema"
    }
}
