import JSON
import Store

private let aliasSchema = Endpoint.reference("Alias")

extension AdminAPI {
    static let modelEndpoints: [Endpoint] = [
        Endpoint(
            method: "GET", path: "/admin/models", operationID: "listModels", tag: "providers",
            summary: "Lists which model is served by which provider, and for what price.",
            parameters: [
                .init("provider", #"{"type":"string"}"#, "Only those of this provider."),
                .init("model", #"{"type":"string"}"#, "Only models whose name contains this."),
                .init("priced", #"{"type":"boolean"}"#, "Only those whose price is known, or unknown."),
                .limit(default: 100, max: 1000), .offset,
            ],
            answers: [.json("A page of models.", schema: Endpoint.reference("ModelList"))], failures: [400],
            handler: .quick(listModels)),
        Endpoint(
            method: "POST", path: "/admin/aliases", operationID: "createAlias", tag: "providers",
            summary: "Makes another name for a model, or for an ordered list of them.",
            body: .init(schemaName: "AliasInput"),
            answers: [.json("The alias.", status: 201, schema: aliasSchema)], failures: [400, 409, 415, 422],
            handler: .quick(createAlias)),
        Endpoint(
            method: "GET", path: "/admin/aliases", operationID: "listAliases", tag: "providers",
            summary: "Lists aliases by name.", parameters: [.limit(default: 100, max: 1000), .offset],
            answers: [.json("A page of aliases.", schema: Endpoint.reference("AliasList"))], failures: [400],
            handler: .quick { (context, request) throws(AdminFailure) in
                let query = QueryReader(request.query)
                let limit = try query.int("limit", in: 1...1000) ?? 100
                let offset = try query.int("offset", in: 0...Int(Int32.max)) ?? 0
                let page = try context.read { reader throws(StoreError) in
                    try reader.aliases(limit: limit, offset: offset)
                }
                let items = page.items.map { AliasJSON.encode($0, offsetMinutes: context.offsetMinutes) }
                return .page(items, total: page.total, limit: limit, offset: offset)
            }),
        Endpoint(
            method: "GET", path: "/admin/aliases/{alias}", operationID: "getAlias", tag: "providers",
            summary: "Shows an alias.", answers: [.json("The alias.", schema: aliasSchema)], failures: [404],
            handler: .quick { (context, request) throws(AdminFailure) in
                .entity(AliasJSON.encode(try alias(request, context), offsetMinutes: context.offsetMinutes))
            }),
        Endpoint(
            method: "PATCH", path: "/admin/aliases/{alias}", operationID: "updateAlias", tag: "providers",
            summary: "Changes the members that are given.", body: .init(schemaName: "AliasPatch"),
            answers: [.json("The changed alias.", schema: aliasSchema)], failures: [400, 404, 409, 412, 415, 422],
            takesIfMatch: true, handler: .quick(updateAlias)),
        Endpoint(
            method: "DELETE", path: "/admin/aliases/{alias}", operationID: "deleteAlias", tag: "providers",
            summary: "Deletes an alias.", answers: [.init(status: 204, description: "Deleted.")], failures: [404, 412],
            takesIfMatch: true,
            handler: .quick { (context, request) throws(AdminFailure) in
                try context.exclusivelyProviders { () throws(AdminFailure) in
                    let name = try checkedAlias(request, context).name
                    _ = try context.write { writer throws(StoreError) in try writer.deleteAlias(name) }
                }
                return .noContent
            }),
    ]

    // MARK: Aliases

    private static func alias(_ request: AdminRequest, _ context: HandlerContext) throws(AdminFailure) -> AliasRecord {
        let name = request.pathValues[0]
        let alias = try context.read { reader throws(StoreError) in try reader.alias(name) }
        guard let alias else { throw .notFound("alias", name) }
        return alias
    }

    /// The same, if it is the state of it that If-Match speaks of.
    private static func checkedAlias(_ request: AdminRequest, _ context: HandlerContext) throws(AdminFailure)
        -> AliasRecord
    {
        let alias = try alias(request, context)
        try EntityTag.check(request, against: AliasJSON.encode(alias, offsetMinutes: context.offsetMinutes))
        return alias
    }

    private static func createAlias(_ context: HandlerContext, _ request: AdminRequest) throws(AdminFailure)
        -> AdminResponse
    {
        let body = try BodyReader(request, shape: .alias)
        let name = try body.string("name", maxLength: 256).or("", "name")
        let new = try AliasJSON.apply(body, to: AliasRecord(name: name, targets: []))
        let created = try context.exclusivelyProviders { () throws(AdminFailure) in
            try context.write { writer throws(StoreError) in try writer.createAlias(new) }
        }
        var response = AdminResponse.entity(
            AliasJSON.encode(created, offsetMinutes: context.offsetMinutes), status: 201)
        response.headers.append(HeaderLine("location", "/admin/aliases/\(PercentCoding.encode(created.name))"))
        return response
    }

    private static func updateAlias(_ context: HandlerContext, _ request: AdminRequest) throws(AdminFailure)
        -> AdminResponse
    {
        let body = try BodyReader(request, shape: .aliasPatch)
        let changed = try context.exclusivelyProviders { () throws(AdminFailure) in
            let old = try checkedAlias(request, context)
            try body.checkUnchanged("name", old.name)
            let new = try AliasJSON.apply(body, to: old)
            let stored = try context.write { writer throws(StoreError) in try writer.updateAlias(new) }
            guard let stored else { throw .notFound("alias", new.name) }
            return stored
        }
        return .entity(AliasJSON.encode(changed, offsetMinutes: context.offsetMinutes))
    }

    // MARK: Models

    private static func listModels(_ context: HandlerContext, _ request: AdminRequest) throws(AdminFailure)
        -> AdminResponse
    {
        let query = QueryReader(request.query)
        let priced = try query.bool("priced")
        let limit = try query.int("limit", in: 1...1000) ?? 100
        let offset = try query.int("offset", in: 0...Int(Int32.max)) ?? 0
        let wanted = query.string("provider")
        let part = query.string("model")?.lowercased()
        let catalogue = try context.read { reader throws(StoreError) in try ModelCatalogue(reader) }
        let models = catalogue.models.filter { model in
            if let wanted, model.provider.name != wanted { return false }
            if let part, !model.name.lowercased().contains(part) { return false }
            if let priced, (catalogue.price(of: model) != nil) != priced { return false }
            return true
        }
        let status = context.gateway.providerStatus()
        let items = models.dropFirst(offset).prefix(limit).map { model in
            catalogue.encode(model, isUp: status.first { $0.name == model.provider.name }?.isUp)
        }
        return .page(Array(items), total: models.count, limit: limit, offset: offset)
    }
}

/// Every model that a provider lists, with its price as the workers look it up.
struct ModelCatalogue {
    struct Model {
        var name: String
        var provider: ProviderRecord
    }

    private struct PriceKey: Hashable {
        var provider: String
        var model: String
    }

    /// By name, then in the order in which their providers are tried.
    let models: [Model]
    private let prices: [PriceKey: PriceRecord]
    /// Aliases by target.
    private var aliases: [String: [String]] = [:]

    init(_ reader: ReadConnection) throws(StoreError) {
        var models: [Model] = []
        for provider in try reader.providers().items {
            var seen: Set<String> = []
            for name in provider.knownModels where seen.insert(name).inserted {
                models.append(Model(name: name, provider: provider))
            }
        }
        let numbered = models.enumerated().sorted { ($0.element.name, $0.offset) < ($1.element.name, $1.offset) }
        self.models = numbered.map(\.element)
        var prices: [PriceKey: PriceRecord] = [:]
        for price in try reader.prices().items {
            prices[PriceKey(provider: price.provider, model: price.model)] = price
        }
        self.prices = prices
        for alias in try reader.aliases().items where alias.isEnabled {
            for target in alias.targets { aliases[target, default: []].append(alias.name) }
        }
    }

    /// The provider's own price goes before that of its format, that before one for any provider.
    func price(of model: Model) -> (record: PriceRecord, from: String)? {
        for (provider, from) in [(model.provider.name, "provider"), (model.provider.apiType, "api_type"), ("", "any")] {
            if let price = prices[PriceKey(provider: provider, model: model.name)] { return (price, from) }
        }
        return nil
    }

    func encode(_ model: Model, isUp: Bool?) -> JSONValue {
        let price = price(of: model)
        let whole = "\(model.provider.name)/\(model.name)"
        return .members([
            ("model", .string(model.name)), ("provider", .string(model.provider.name)), ("name", .string(whole)),
            ("api_type", .string(model.provider.apiType)), ("enabled", .bool(model.provider.isEnabled)),
            ("is_up", isUp.map(JSONValue.bool) ?? .null),
            ("discovered", .bool(model.provider.models.isEmpty)),
            ("aliases", .strings((aliases[model.name] ?? []) + (aliases[whole] ?? []))),
            ("price", price.map { .members(PriceJSON.amounts($0.record)) } ?? .null),
            ("price_from", .string(price?.from ?? "unknown")),
        ])
    }

    static let schema = """
        {"type":"object","required":["model","provider","name","api_type","enabled","is_up","discovered","aliases",\
        "price","price_from"],"properties":{"model":{"type":"string"},"provider":{"type":"string"},\
        "name":{"type":"string","description":"provider/model, which no other provider takes."},\
        "api_type":{"type":"string"},"enabled":{"type":"boolean","description":"Of the provider."},\
        "is_up":{"type":["boolean","null"],"description":"Whether the provider would take a request just now."},\
        "discovered":{"type":"boolean","description":"The provider was asked; the operator has not named it."},\
        "aliases":{"type":"array","items":{"type":"string"}},"price":\(PriceJSON.amountsSchema),\
        "price_from":{"enum":["provider","api_type","any","unknown"]}}}
        """
}
