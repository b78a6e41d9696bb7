import JSON

/// The header fields of answers that say something beside their bodies.
extension OpenAPI {
    /// Schemas of what comes with a tag (`AdminResponse.entity`).
    private static let entities = Set(
        ["Key", "Route", "Provider", "ProviderKey", "Alias", "Price"].map(Endpoint.reference))

    /// Of an answer that is no error; nil if it has none to speak of.
    static func headers(of answer: Endpoint.Answer) -> JSONValue? {
        guard let schema = answer.content.first?.schema, entities.contains(schema) else { return nil }
        var headers = [("ETag", header("Names this state; for If-Match.", isRequired: true))]
        if answer.status == 201 { headers.append(("Location", header("Where it is.", isRequired: true))) }
        return .members(headers)
    }

    /// Of errors.
    static let headersOfErrors = JSONValue.members([
        ("ETag", header("With 412: the state of now.")),
        ("Retry-After", header("With 429: seconds.")),
        ("WWW-Authenticate", header("With 401.")),
    ])

    private static func header(_ description: String, isRequired: Bool = false) -> JSONValue {
        .members([
            ("description", .string(description)), ("required", .bool(isRequired)),
            ("schema", .literal(#"{"type":"string"}"#)),
        ])
    }
}
