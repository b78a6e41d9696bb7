import JSON
import Store

private let keySchema = Endpoint.reference("Key")

extension Endpoint.Parameter {
    /// A time in a request. Times without offset and with a space are taken too, but no format is named so.
    static let timeSchema = #"{"type":"string","anyOf":[{"format":"date"},{"format":"date-time"}]}"#

    static func limit(default count: Int, max: Int) -> Self {
        .init(
            "limit", #"{"type":"integer","minimum":1,"maximum":\#(max),"default":\#(count)}"#, "How many items to list."
        )
    }
    static let offset = Self(
        "offset", #"{"type":"integer","minimum":0,"maximum":2147483647,"default":0}"#, "How many items to skip.")
}

extension AdminAPI {
    static let keyEndpoints: [Endpoint] = [
        Endpoint(
            method: "POST", path: "/admin/keys", operationID: "createKey", tag: "keys",
            summary: "Makes a key. The answer is the only time its value is shown.",
            body: .init(schemaName: "NewKey"),
            answers: [.json("The key, with key_value.", status: 201, schema: keySchema)],
            failures: [400, 409, 415, 422],
            handler: .quick(createKey)),
        Endpoint(
            method: "GET", path: "/admin/keys", operationID: "listKeys", tag: "keys",
            summary: "Lists keys, newest first.",
            parameters: [
                .init("source_path", #"{"type":"string"}"#, "Only keys of this source."),
                .init("is_active", #"{"type":"boolean"}"#, "Only active or only inactive keys."),
                .init("search", #"{"type":"string"}"#, "Only keys whose source, id or hint contains this."),
                .limit(default: 100, max: 1000), .offset,
            ],
            answers: [.json("A page of keys.", schema: Endpoint.reference("KeyList"))], failures: [400],
            handler: .quick(listKeys)),
        Endpoint(
            method: "GET", path: "/admin/keys/{key_id}", operationID: "getKey", tag: "keys", summary: "Shows a key.",
            answers: [.json("The key.", schema: keySchema)], failures: [404],
            handler: .quick { (context, request) throws(AdminFailure) in
                let id = request.pathValues[0]
                let key = try context.read { reader throws(StoreError) in try reader.key(id) }
                guard let key else { throw .notFound("key", id) }
                return .entity(KeyJSON.encode(key, offsetMinutes: context.offsetMinutes))
            }),
        Endpoint(
            method: "PATCH", path: "/admin/keys/{key_id}", operationID: "updateKey", tag: "keys",
            summary: "Changes the members that are given.", body: .init(schemaName: "KeyPatch"),
            answers: [.json("The changed key.", schema: keySchema)], failures: [400, 404, 409, 412, 415, 422],
            takesIfMatch: true,
            handler: .quick(updateKey)),
        Endpoint(
            method: "DELETE", path: "/admin/keys/{key_id}", operationID: "deleteKey", tag: "keys",
            summary: "Deletes a key; what the audit says of it stays.",
            answers: [.init(status: 204, description: "Deleted.")], failures: [404, 412], takesIfMatch: true,
            handler: .quick { (context, request) throws(AdminFailure) in
                try changeKey(context, request) { (id) throws(AdminFailure) in
                    try context.write { writer throws(StoreError) in try writer.deleteKey(id) ? true : nil }
                }
                return .noContent
            }),
        Endpoint(
            method: "POST", path: "/admin/keys/{key_id}/toggle", operationID: "toggleKey", tag: "keys",
            summary: "Turns a key on if it is off, and off if it is on.",
            answers: [.json("The changed key.", schema: keySchema)], failures: [404, 412], takesIfMatch: true,
            handler: .quick { (context, request) throws(AdminFailure) in
                let key = try changeKey(context, request) { (id) throws(AdminFailure) in
                    try context.write { writer throws(StoreError) in try writer.toggleKey(id) }
                }
                return .entity(KeyJSON.encode(key, offsetMinutes: context.offsetMinutes))
            }),
        Endpoint(
            method: "POST", path: "/admin/keys/{key_id}/rotate", operationID: "rotateKey", tag: "keys",
            summary: "Gives a key a new value, shown this once; the old value stops working at once.",
            answers: [.json("The key, with its new key_value.", schema: keySchema)], failures: [404, 412],
            takesIfMatch: true,
            handler: .quick { (context, request) throws(AdminFailure) in
                let prefix = context.settings.security.keyPrefix
                let rotated = try changeKey(context, request) { (id) throws(AdminFailure) in
                    try context.write { writer throws(StoreError) in try writer.rotateKey(id, keyPrefix: prefix) }
                }
                return .entity(
                    KeyJSON.encode(rotated.record, offsetMinutes: context.offsetMinutes, value: rotated.value))
            }),
        Endpoint(
            method: "POST", path: "/admin/keys/{key_id}/reset-budget", operationID: "resetBudget", tag: "keys",
            summary: "Counts what a key spends from nothing, from now on.",
            answers: [.json("The changed key.", schema: keySchema)], failures: [404, 412], takesIfMatch: true,
            handler: .quick { (context, request) throws(AdminFailure) in
                let key = try changeKey(context, request) { (id) throws(AdminFailure) in
                    try context.write(flushingRings: true) { writer throws(StoreError) in try writer.resetBudget(id) }
                }
                return .entity(KeyJSON.encode(key, offsetMinutes: context.offsetMinutes))
            }),
    ]

    /// Changes the key that the path names, if it is the one that If-Match speaks of, and makes the change effective.
    @discardableResult
    private static func changeKey<T: Sendable>(
        _ context: HandlerContext, _ request: AdminRequest, _ change: (String) throws(AdminFailure) -> T?
    ) throws(AdminFailure) -> T {
        let id = request.pathValues[0]
        return try context.exclusively { () throws(AdminFailure) in
            let key = try context.read { reader throws(StoreError) in try reader.key(id) }
            guard let key else { throw .notFound("key", id) }
            try EntityTag.check(request, against: KeyJSON.encode(key, offsetMinutes: context.offsetMinutes))
            guard let changed = try change(id) else { throw .notFound("key", id) }
            return changed
        }
    }

    private static func createKey(_ context: HandlerContext, _ request: AdminRequest) throws(AdminFailure)
        -> AdminResponse
    {
        let settings = context.settings
        let new = try KeyJSON.newKey(
            BodyReader(request, shape: .newKey), defaultExpiryDays: settings.security.defaultExpiryDays,
            offsetMinutes: context.offsetMinutes, nowMilliseconds: HandlerContext.nowMilliseconds())
        let prefix = settings.security.keyPrefix
        let created = try context.mutate { writer throws(StoreError) in try writer.createKey(new, keyPrefix: prefix) }
        var response = AdminResponse.entity(
            KeyJSON.encode(created.record, offsetMinutes: context.offsetMinutes, value: created.value), status: 201)
        response.headers.append(HeaderLine("location", "/admin/keys/\(created.record.keyID)"))
        return response
    }

    private static func listKeys(_ context: HandlerContext, _ request: AdminRequest) throws(AdminFailure)
        -> AdminResponse
    {
        let query = QueryReader(request.query)
        let filter = KeyFilter(
            sourcePath: query.string("source_path"), isActive: try query.bool("is_active"),
            search: query.string("search"))
        let limit = try query.int("limit", in: 1...1000) ?? 100
        let offset = try query.int("offset", in: 0...Int(Int32.max)) ?? 0
        let page = try context.read { reader throws(StoreError) in
            try reader.listKeys(filter, limit: limit, offset: offset)
        }
        let items = page.items.map { KeyJSON.encode($0, offsetMinutes: context.offsetMinutes) }
        return .json(
            .members([
                ("items", .array(items)), ("total", .integer(page.total)), ("limit", .integer(limit)),
                ("offset", .integer(offset)),
            ]))
    }

    private static func updateKey(_ context: HandlerContext, _ request: AdminRequest) throws(AdminFailure)
        -> AdminResponse
    {
        let body = try BodyReader(request, shape: .keyPatch)
        try body.checkUnchanged("key_id", request.pathValues[0])
        let patch = try KeyJSON.patch(
            body, offsetMinutes: context.offsetMinutes,
            nowMilliseconds: HandlerContext.nowMilliseconds())
        let key = try changeKey(context, request) { (id) throws(AdminFailure) in
            try context.write(flushingRings: patch.mayRecount) { writer throws(StoreError) in
                try writer.updateKey(id, patch)
            }
        }
        return .entity(KeyJSON.encode(key, offsetMinutes: context.offsetMinutes))
    }
}
