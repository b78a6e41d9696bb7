import JSON
import Proxy
import Store

private let keySchema = Endpoint.reference("ProviderKey")

extension AdminAPI {
    static let providerKeyEndpoints: [Endpoint] = [
        Endpoint(
            method: "POST", path: "/admin/providers/{name}/keys", operationID: "createProviderKey", tag: "providers",
            summary: "Adds a key to a provider. It is stored sealed; no answer ever shows it.",
            body: .init(schemaName: "NewProviderKey"),
            answers: [.json("The key, masked.", status: 201, schema: keySchema)], failures: [400, 404, 409, 415, 422],
            handler: .quick(createProviderKey)),
        Endpoint(
            method: "GET", path: "/admin/providers/{name}/keys", operationID: "listProviderKeys", tag: "providers",
            summary: "Lists a provider's keys, masked, oldest first.",
            answers: [.json("All keys of the provider.", schema: Endpoint.reference("ProviderKeyList"))],
            failures: [404],
            handler: .quick { (context, request) throws(AdminFailure) in
                let provider = try provider(request.pathValues[0], context)
                let keys = try context.read { reader throws(StoreError) in try reader.providerKeys(of: provider.name) }
                let status = status(of: provider.name, context)
                let items = keys.map { encode($0, status, context) }
                return .json(.members([("items", .array(items)), ("total", .integer(items.count))]))
            }),
        Endpoint(
            method: "GET", path: "/admin/providers/{name}/keys/{key_id}", operationID: "getProviderKey",
            tag: "providers", summary: "Shows a provider's key, masked.",
            answers: [.json("The key.", schema: keySchema)], failures: [404],
            handler: .quick { (context, request) throws(AdminFailure) in
                let key = try providerKey(request, context)
                return .entity(encode(key, status(of: key.provider, context), context))
            }),
        Endpoint(
            method: "PATCH", path: "/admin/providers/{name}/keys/{key_id}", operationID: "updateProviderKey",
            tag: "providers", summary: "Changes the members that are given; key puts another key in its place.",
            body: .init(schemaName: "ProviderKeyPatch"), answers: [.json("The changed key.", schema: keySchema)],
            failures: [400, 404, 409, 412, 415, 422], takesIfMatch: true,
            handler: .quick { (context, request) throws(AdminFailure) in
                let body = try BodyReader(request, shape: .providerKeyPatch)
                let old = try providerKey(request, context)
                try body.checkUnchanged("key_id", old.keyID)
                try body.checkUnchanged("provider", old.provider)
                let patch = try ProviderKeyJSON.patch(
                    body, current: ProviderKeyJSON.State(old, status(of: old.provider, context)))
                return try changeProviderKey(context, request) { (id, vault) throws(AdminFailure) in
                    try context.write { writer throws(StoreError) in
                        try writer.updateProviderKey(id, patch, vault: vault)
                    }
                }
            }),
        Endpoint(
            method: "DELETE", path: "/admin/providers/{name}/keys/{key_id}", operationID: "deleteProviderKey",
            tag: "providers", summary: "Deletes a provider's key; requests that it is used for go on.",
            answers: [.init(status: 204, description: "Deleted.")], failures: [404, 412], takesIfMatch: true,
            handler: .quick { (context, request) throws(AdminFailure) in
                try context.exclusivelyProviders { () throws(AdminFailure) in
                    let key = try checkedProviderKey(request, context)
                    let id = key.keyID
                    _ = try context.write { writer throws(StoreError) in try writer.deleteProviderKey(id) }
                }
                return .noContent
            }),
        Endpoint(
            method: "POST", path: "/admin/providers/{name}/keys/{key_id}/toggle", operationID: "toggleProviderKey",
            tag: "providers",
            summary: "Turns a key on if it is off, and off if it is on. Turned on, it starts afresh.",
            answers: [.json("The changed key.", schema: keySchema)], failures: [404, 412], takesIfMatch: true,
            handler: .quick { (context, request) throws(AdminFailure) in
                try changeProviderKey(context, request) { (id, vault) throws(AdminFailure) in
                    try context.write { writer throws(StoreError) in try writer.toggleProviderKey(id, vault: vault) }
                }
            }),
        Endpoint(
            method: "POST", path: "/admin/providers/{name}/keys/{key_id}/test", operationID: "testProviderKey",
            tag: "providers",
            summary: "Asks the provider once for its models with this key. Changes nothing.",
            answers: [.json("What came of it.", schema: Endpoint.reference("KeyTestResult"))], failures: [404, 422],
            handler: .slow { (context, request) throws(AdminFailure) in
                let key = try providerKey(request, context)
                let provider = try provider(key.provider, context)
                guard let secret = try context.vault().open(key) else {
                    throw .server("master_key_locked", lockedReason(context), status: 503)
                }
                return try ProviderKeyProbe.answer(provider, secret, context)
            }),
    ]

    private static func lockedReason(_ context: HandlerContext) -> String {
        if case .locked(let reason)? = context.shared.vault?.state { return reason }
        return "the master key does not open this key"
    }

    private static func encode(_ key: ProviderKeyRecord, _ status: ProviderStatus?, _ context: HandlerContext)
        -> JSONValue
    {
        ProviderKeyJSON.encode(
            key, status: status, isReadable: context.shared.vault?.open(key) != nil,
            offsetMinutes: context.offsetMinutes)
    }

    /// The key that the path names, if it is one of the provider that the path names.
    private static func providerKey(_ request: AdminRequest, _ context: HandlerContext) throws(AdminFailure)
        -> ProviderKeyRecord
    {
        let provider = try provider(request.pathValues[0], context)
        let id = request.pathValues[1]
        let key = try context.read { reader throws(StoreError) in try reader.providerKey(id) }
        guard let key, key.provider == provider.name else { throw .notFound("key of \(provider.name)", id) }
        return key
    }

    /// The same, if it is the state of it that If-Match speaks of.
    private static func checkedProviderKey(_ request: AdminRequest, _ context: HandlerContext) throws(AdminFailure)
        -> ProviderKeyRecord
    {
        let key = try providerKey(request, context)
        try EntityTag.check(request, against: encode(key, status(of: key.provider, context), context))
        return key
    }

    private static func createProviderKey(_ context: HandlerContext, _ request: AdminRequest) throws(AdminFailure)
        -> AdminResponse
    {
        let provider = try provider(request.pathValues[0], context)
        let new = try ProviderKeyJSON.newKey(
            BodyReader(request, shape: .newProviderKey), provider: provider.name)
        let vault = try context.vault()
        let created = try context.exclusivelyProviders { () throws(AdminFailure) in
            try context.write { writer throws(StoreError) in try writer.createProviderKey(new, vault: vault) }
        }
        var response = AdminResponse.entity(encode(created, status(of: provider.name, context), context), status: 201)
        response.headers.append(HeaderLine("location", "/admin/providers/\(provider.name)/keys/\(created.keyID)"))
        return response
    }

    private static func changeProviderKey(
        _ context: HandlerContext, _ request: AdminRequest,
        _ change: (String, KeyVault) throws(AdminFailure) -> ProviderKeyRecord?
    ) throws(AdminFailure) -> AdminResponse {
        let vault = try context.vault()
        let changed = try context.exclusivelyProviders { () throws(AdminFailure) in
            let key = try checkedProviderKey(request, context)
            guard let changed = try change(key.keyID, vault) else { throw .notFound("key", key.keyID) }
            return changed
        }
        return .entity(encode(changed, status(of: changed.provider, context), context))
    }
}
