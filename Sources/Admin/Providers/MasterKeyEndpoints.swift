import JSON
import Store

private let masterKeySchema = Endpoint.reference("MasterKey")

extension AdminAPI {
    static let masterKeyEndpoints: [Endpoint] = [
        Endpoint(
            method: "GET", path: "/admin/master-key", operationID: "getMasterKey", tag: "providers",
            summary: "How the master key is that providers' keys are sealed under; never the key itself.",
            answers: [.json("How it is.", schema: masterKeySchema)], failures: [503],
            handler: .quick { (context, _) throws(AdminFailure) in .json(try MasterKeyJSON.encode(context)) }),
        Endpoint(
            method: "POST", path: "/admin/master-key/rotate", operationID: "rotateMasterKey", tag: "providers",
            summary: "Seals every provider key anew under another master key, in one transaction.",
            body: .init(schemaName: "MasterKeyRotation"),
            answers: [.json("How it is now.", schema: masterKeySchema)], failures: [400, 409, 415, 422, 503],
            handler: .quick(rotateMasterKey)),
        Endpoint(
            method: "POST", path: "/admin/master-key/replace-lost", operationID: "replaceLostMasterKey",
            tag: "providers",
            summary: "Gives up a master key that is lost. Keys sealed under it have to be given anew.",
            body: .init(schemaName: "MasterKeyReplacement"),
            answers: [.json("How it is now.", schema: masterKeySchema)], failures: [400, 409, 415, 422, 503],
            handler: .quick(replaceLostMasterKey)),
    ]

    private static func rotateMasterKey(_ context: HandlerContext, _ request: AdminRequest) throws(AdminFailure)
        -> AdminResponse
    {
        let body = try BodyReader(request, shape: .masterKeyRotation)
        var new: MasterKey?
        if let text = try body.string("new_key", maxLength: 128).orNull(nil) {
            guard let key = MasterKey(text) else { throw .badField("new_key", MasterKey.rule) }
            new = key
        }
        let key = new
        return try change(context) { (vault, writer) throws(StoreError) in
            _ = try vault.rotate(to: key) { body throws(StoreError) in try writer.perform(body) }
        }
    }

    private static func replaceLostMasterKey(_ context: HandlerContext, _ request: AdminRequest) throws(AdminFailure)
        -> AdminResponse
    {
        let body = try BodyReader(request, shape: .masterKeyReplacement)
        guard try body.bool("confirm").or(false, "confirm") else {
            throw .badField("confirm", "must be true: provider keys sealed under the lost master key stay unreadable")
        }
        return try change(context) { (vault, writer) throws(StoreError) in
            _ = try vault.replaceLostKey { body throws(StoreError) in try writer.perform(body) }
        }
    }

    /// Changes the master key, and serves with the keys that can be read now.
    private static func change(
        _ context: HandlerContext, _ change: (KeyVault, any ChangeWriter) throws(StoreError) -> Void
    ) throws(AdminFailure) -> AdminResponse {
        let vault = try context.vault()
        try context.exclusivelyProviders { () throws(AdminFailure) in
            do throws(StoreError) {
                // It may have been put back meanwhile.
                _ = try vault.reread(context.reader)
                try change(vault, context.shared.writer)
            } catch {
                throw AdminFailure(error)
            }
        }
        return .json(try MasterKeyJSON.encode(context))
    }
}

extension ObjectShape {
    static let masterKeyRotation = ObjectShape(
        name: "MasterKeyRotation", description: "What the master key is to be.",
        fields: [
            .init(
                "new_key", #"{"type":["string","null"],"pattern":"^([0-9a-fA-F]{64}|[A-Za-z0-9+/_-]{43}=?)$"}"#,
                "32 bytes in hex or base64; a random one if left out, where the master key is in a file.")
        ])

    static let masterKeyReplacement = ObjectShape(
        name: "MasterKeyReplacement", description: "That the master key is given up for lost.",
        fields: [
            .init(
                "confirm", #"{"const":true}"#, "That keys sealed under the lost one are to stay unreadable.",
                required: true)
        ])
}

/// How the master key is, in JSON.
enum MasterKeyJSON {
    static func encode(_ context: HandlerContext) throws(AdminFailure) -> JSONValue {
        let vault = try context.vault()
        let keys = try context.read { reader throws(StoreError) in try reader.providerKeys() }
        var reason: String?
        if case .locked(let text) = vault.state { reason = text }
        return .members([
            ("state", .string(reason == nil ? "ready" : "locked")), ("source", .string(vault.source)),
            ("from_environment", .bool(vault.isFromEnvironment)), ("reason", .optional(reason)),
            ("warning", .optional(vault.warning)), ("keys", .integer(keys.count)),
            ("unreadable_keys", .integer(keys.count { vault.open($0) == nil })),
        ])
    }

    static let schema = """
        {"type":"object","required":["state","source","from_environment","reason","warning","keys","unreadable_keys"],\
        "properties":{"state":{"enum":["ready","locked"],"description":"locked: it is missing, or not the one that the \
        database's keys were sealed under."},"source":{"type":"string","description":"A file, or the variable's name."},\
        "from_environment":{"type":"boolean"},"reason":{"type":["string","null"],"description":"Why it is locked and \
        what helps."},"warning":{"type":["string","null"]},\
        "keys":{"type":"integer","description":"Keys of providers in the database."},\
        "unreadable_keys":{"type":"integer"}}}
        """
}
