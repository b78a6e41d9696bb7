import JSON
import LLM
import Store

private let priceSchema = Endpoint.reference("Price")

extension AdminAPI {
    static let priceEndpoints: [Endpoint] = [
        Endpoint(
            method: "GET", path: "/admin/prices", operationID: "listPrices", tag: "providers",
            summary: "Lists prices by provider and model.",
            parameters: [
                .init("provider", #"{"type":"string"}"#, "Only those of exactly this provider; * for those of any."),
                .init("model", #"{"type":"string"}"#, "Only models whose name contains this."),
                .limit(default: 100, max: 1000), .offset,
            ],
            answers: [.json("A page of prices.", schema: Endpoint.reference("PriceList"))], failures: [400],
            handler: .quick(listPrices)),
        Endpoint(
            method: "POST", path: "/admin/prices/import", operationID: "importPrices", tag: "providers",
            summary: "Takes prices from LiteLLM's model_prices_and_context_window.json, which is the body.",
            parameters: [replaceManual], body: .init(schemaName: "PriceFile", maxBytes: 32 << 20),
            answers: [.json("What was done.", schema: Endpoint.reference("PriceImport"))], failures: [400, 415, 422],
            handler: .slow(importPrices)),
        Endpoint(
            method: "POST", path: "/admin/prices/import-built-in", operationID: "importBuiltInPrices", tag: "providers",
            summary: "Takes the built-in list prices of common models, as of \(DefaultPrices.date).",
            parameters: [replaceManual],
            answers: [.json("What was done.", schema: Endpoint.reference("PriceImport"))], failures: [400],
            handler: .quick { (context, request) throws(AdminFailure) in
                try imported(context, request) { (writer, replaces) throws(StoreError) in
                    try BuiltInPrices.store(writer, replacingManual: replaces)
                }
            }),
        Endpoint(
            method: "GET", path: "/admin/prices/{provider}/{model}", operationID: "getPrice", tag: "providers",
            summary: "Shows the price that a provider (* for any) has for a model.",
            answers: [.json("The price.", schema: priceSchema)], failures: [404],
            handler: .quick { (context, request) throws(AdminFailure) in
                .entity(PriceJSON.encode(try price(request, context), offsetMinutes: context.offsetMinutes))
            }),
        Endpoint(
            method: "PUT", path: "/admin/prices/{provider}/{model}", operationID: "setPrice", tag: "providers",
            summary: "Sets the price that a provider (* for any) has for a model, new or not.",
            body: .init(schemaName: "PriceInput"), answers: [.json("The price.", schema: priceSchema)],
            failures: [400, 404, 409, 412, 415, 422], takesIfMatch: true, handler: .quick(setPrice)),
        Endpoint(
            method: "DELETE", path: "/admin/prices/{provider}/{model}", operationID: "deletePrice", tag: "providers",
            summary: "Deletes a price; what was charged by it stays as it was.",
            answers: [.init(status: 204, description: "Deleted.")], failures: [404, 412], takesIfMatch: true,
            handler: .quick { (context, request) throws(AdminFailure) in
                try context.exclusivelyProviders { () throws(AdminFailure) in
                    let price = try price(request, context)
                    try EntityTag.check(
                        request, against: PriceJSON.encode(price, offsetMinutes: context.offsetMinutes))
                    _ = try context.write { writer throws(StoreError) in
                        try writer.deletePrice(provider: price.provider, model: price.model)
                    }
                }
                return .noContent
            }),
    ]

    private static let replaceManual = Endpoint.Parameter(
        "replace_manual", #"{"type":"boolean","default":false}"#,
        "Whether prices that were set by hand are replaced too.")

    private static func price(_ request: AdminRequest, _ context: HandlerContext) throws(AdminFailure) -> PriceRecord {
        let (given, model) = (request.pathValues[0], request.pathValues[1])
        let provider = PriceJSON.provider(given)
        let price = try context.read { reader throws(StoreError) in
            try reader.price(provider: provider, model: model)
        }
        guard let price else { throw .notFound("price", "\(given)/\(model)") }
        return price
    }

    private static func listPrices(_ context: HandlerContext, _ request: AdminRequest) throws(AdminFailure)
        -> AdminResponse
    {
        let query = QueryReader(request.query)
        let filter = PriceFilter(
            provider: query.string("provider").map(PriceJSON.provider), modelContains: query.string("model"))
        let limit = try query.int("limit", in: 1...1000) ?? 100
        let offset = try query.int("offset", in: 0...Int(Int32.max)) ?? 0
        let page = try context.read { reader throws(StoreError) in
            try reader.prices(filter, limit: limit, offset: offset)
        }
        let items = page.items.map { PriceJSON.encode($0, offsetMinutes: context.offsetMinutes) }
        return .page(items, total: page.total, limit: limit, offset: offset)
    }

    private static func setPrice(_ context: HandlerContext, _ request: AdminRequest) throws(AdminFailure)
        -> AdminResponse
    {
        let body = try BodyReader(request, shape: .price)
        try body.checkUnchanged("provider", request.pathValues[0])
        try body.checkUnchanged("model", request.pathValues[1])
        let new = try PriceJSON.decode(
            body, provider: PriceJSON.provider(request.pathValues[0]), model: request.pathValues[1])
        let stored = try context.exclusivelyProviders { () throws(AdminFailure) in
            if request.headers["if-match"] != nil {
                let old = try price(request, context)
                try EntityTag.check(request, against: PriceJSON.encode(old, offsetMinutes: context.offsetMinutes))
            }
            return try context.write { writer throws(StoreError) in try writer.setPrice(new) }
        }
        return .entity(PriceJSON.encode(stored, offsetMinutes: context.offsetMinutes))
    }

    private static func importPrices(_ context: HandlerContext, _ request: AdminRequest) throws(AdminFailure)
        -> AdminResponse
    {
        try BodyReader.checkMediaType(request)
        let contents: PriceFile.Contents
        do {
            contents = try request.body.withUnsafeBytes { try PriceFile.read($0) }
        } catch {
            let failure = (error as? PriceFile.Failure)?.description ?? "no price file"
            if failure.hasPrefix("not JSON") {
                throw AdminFailure(status: 400, code: "invalid_json", "the body is \(failure)")
            }
            throw AdminFailure(status: 422, code: "invalid_body", "the body is no price file: \(failure)")
        }
        let records = contents.entries.map(PriceJSON.record)
        return try imported(context, request, skipped: contents.skipped) { (writer, replaces) throws(StoreError) in
            try writer.importPrices(records, replacingManual: replaces)
        }
    }

    private static func imported(
        _ context: HandlerContext, _ request: AdminRequest, skipped: Int = 0,
        _ store: @escaping @Sendable (borrowing WriteConnection, Bool) throws(StoreError) -> PriceImport
    ) throws(AdminFailure) -> AdminResponse {
        let replaces = try QueryReader(request.query).bool("replace_manual") ?? false
        let done = try context.exclusivelyProviders { () throws(AdminFailure) in
            try context.write { writer throws(StoreError) in try store(writer, replaces) }
        }
        return .json(
            .members([
                ("added", .integer(done.added)), ("changed", .integer(done.changed)),
                ("unchanged", .integer(done.unchanged)), ("kept", .integer(done.kept)),
                ("skipped", .integer(skipped)),
            ]))
    }
}
