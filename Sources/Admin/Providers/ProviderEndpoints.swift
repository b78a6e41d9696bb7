import JSON
import Proxy
import Store

private let providerSchema = Endpoint.reference("Provider")

extension AdminAPI {
    static let providerEndpoints: [Endpoint] = [
        Endpoint(
            method: "POST", path: "/admin/providers", operationID: "createProvider", tag: "providers",
            summary: "Makes a provider; it takes requests at once.", body: .init(schemaName: "ProviderInput"),
            answers: [.json("The provider.", status: 201, schema: providerSchema)], failures: [400, 409, 415, 422],
            handler: .quick(createProvider)),
        Endpoint(
            method: "GET", path: "/admin/providers", operationID: "listProviders", tag: "providers",
            summary: "Lists providers in the order in which they are tried.",
            parameters: [
                .init("api_type", ObjectShape.words(ProviderRecord.apiTypes), "Only those that speak this format."),
                .init("enabled", #"{"type":"boolean"}"#, "Only those that are on, or off."),
                .limit(default: 100, max: 1000), .offset,
            ],
            answers: [.json("A page of providers.", schema: Endpoint.reference("ProviderList"))], failures: [400],
            handler: .quick(listProviders)),
        Endpoint(
            method: "GET", path: "/admin/providers/{name}", operationID: "getProvider", tag: "providers",
            summary: "Shows a provider.", answers: [.json("The provider.", schema: providerSchema)], failures: [404],
            handler: .quick { (context, request) throws(AdminFailure) in
                .entity(try encode(try provider(request.pathValues[0], context), context))
            }),
        Endpoint(
            method: "PATCH", path: "/admin/providers/{name}", operationID: "updateProvider", tag: "providers",
            summary: "Changes the members that are given.", body: .init(schemaName: "ProviderPatch"),
            answers: [.json("The changed provider.", schema: providerSchema)],
            failures: [400, 404, 409, 412, 415, 422],
            takesIfMatch: true,
            handler: .quick { (context, request) throws(AdminFailure) in
                let body = try BodyReader(request, shape: .providerPatch)
                return try changeProvider(context, request) { (old) throws(AdminFailure) in
                    try body.checkUnchanged("name", old.name)
                    return try ProviderJSON.apply(body, to: old)
                }
            }),
        Endpoint(
            method: "DELETE", path: "/admin/providers/{name}", operationID: "deleteProvider", tag: "providers",
            summary: "Deletes a provider with its keys; its prices and what was used of it stay.",
            answers: [.init(status: 204, description: "Deleted.")], failures: [404, 412], takesIfMatch: true,
            handler: .quick { (context, request) throws(AdminFailure) in
                let name = request.pathValues[0]
                try context.exclusivelyProviders { () throws(AdminFailure) in
                    try EntityTag.check(request, against: try encode(try provider(name, context), context))
                    _ = try context.write { writer throws(StoreError) in try writer.deleteProvider(name) }
                }
                return .noContent
            }),
        Endpoint(
            method: "POST", path: "/admin/providers/{name}/toggle", operationID: "toggleProvider", tag: "providers",
            summary: "Turns a provider on if it is off, and off if it is on.",
            answers: [.json("The changed provider.", schema: providerSchema)], failures: [404, 412, 422],
            takesIfMatch: true,
            handler: .quick { (context, request) throws(AdminFailure) in
                try changeProvider(context, request) { old in
                    var new = old
                    new.isEnabled.toggle()
                    return new
                }
            }),
        Endpoint(
            method: "POST", path: "/admin/providers/{name}/test", operationID: "testProvider", tag: "providers",
            summary: "Asks the provider once for its models, with a key that works, or without one if it has none.",
            answers: [.json("What came of it.", schema: Endpoint.reference("KeyTestResult"))],
            failures: [404, 409, 422],
            handler: .slow { (context, request) throws(AdminFailure) in
                let provider = try provider(request.pathValues[0], context)
                let keys = try context.read { reader throws(StoreError) in try reader.providerKeys(of: provider.name) }
                let status = status(of: provider.name, context)
                guard let secret = AskingKeys.choose(keys, status, context.shared.vault).first else {
                    throw .conflict("name", "\(provider.name) has no key that can be used")
                }
                return try ProviderKeyProbe.answer(provider, secret, context)
            }),
    ]

    static func provider(_ name: String, _ context: HandlerContext) throws(AdminFailure) -> ProviderRecord {
        let provider = try context.read { reader throws(StoreError) in try reader.provider(name) }
        guard let provider else { throw .notFound("provider", name) }
        return provider
    }

    static func status(of provider: String, _ context: HandlerContext) -> ProviderStatus? {
        context.gateway.providerStatus().first { $0.name == provider }
    }

    private static func encode(_ provider: ProviderRecord, _ context: HandlerContext) throws(AdminFailure) -> JSONValue
    {
        let keys = try context.read { reader throws(StoreError) in try reader.providerKeys(of: provider.name) }
        return ProviderJSON.encode(
            provider, keys: keys, status: status(of: provider.name, context), vault: context.shared.vault,
            offsetMinutes: context.offsetMinutes)
    }

    /// Refuses what the gateway could not serve, before it is stored.
    private static func check(_ provider: ProviderRecord, _ context: HandlerContext) throws(AdminFailure) {
        if let problem = context.gateway.validate(provider) { throw .badField(problem.field, problem.message) }
    }

    private static func createProvider(_ context: HandlerContext, _ request: AdminRequest) throws(AdminFailure)
        -> AdminResponse
    {
        let new = try ProviderJSON.decode(BodyReader(request, shape: .provider))
        try check(new, context)
        let created = try context.exclusivelyProviders { () throws(AdminFailure) in
            try context.write { writer throws(StoreError) in try writer.createProvider(new) }
        }
        var response = AdminResponse.entity(try encode(created, context), status: 201)
        response.headers.append(HeaderLine("location", "/admin/providers/\(created.name)"))
        return response
    }

    private static func listProviders(_ context: HandlerContext, _ request: AdminRequest) throws(AdminFailure)
        -> AdminResponse
    {
        let query = QueryReader(request.query)
        let filter = ProviderFilter(
            apiType: try query.word("api_type", ProviderRecord.apiTypes), isEnabled: try query.bool("enabled"))
        let limit = try query.int("limit", in: 1...1000) ?? 100
        let offset = try query.int("offset", in: 0...Int(Int32.max)) ?? 0
        let page = try context.read { reader throws(StoreError) in
            try reader.providers(filter, limit: limit, offset: offset)
        }
        let keys = try context.read { reader throws(StoreError) in try reader.providerKeys() }
        let status = context.gateway.providerStatus()
        let items = page.items.map { provider in
            ProviderJSON.encode(
                provider, keys: keys.filter { $0.provider == provider.name },
                status: status.first { $0.name == provider.name }, vault: context.shared.vault,
                offsetMinutes: context.offsetMinutes)
        }
        return .page(items, total: page.total, limit: limit, offset: offset)
    }

    /// Reads, changes and writes a provider as one step, so that changes at the same time do not undo each other.
    private static func changeProvider(
        _ context: HandlerContext, _ request: AdminRequest,
        _ change: (ProviderRecord) throws(AdminFailure) -> ProviderRecord
    ) throws(AdminFailure) -> AdminResponse {
        let name = request.pathValues[0]
        let changed = try context.exclusivelyProviders { () throws(AdminFailure) in
            let old = try provider(name, context)
            try EntityTag.check(request, against: try encode(old, context))
            let new = try change(old)
            // One that cannot be served any more (its headers name a variable that is gone) can still be turned off.
            if new.isEnabled { try check(new, context) }
            let stored = try context.write { writer throws(StoreError) in try writer.updateProvider(new) }
            guard let stored else { throw .notFound("provider", name) }
            return stored
        }
        return .entity(try encode(changed, context))
    }
}
