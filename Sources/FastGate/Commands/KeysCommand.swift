import JSON

/// `fastgate keys …`
struct KeysCommand {
    let access: any AdminAccess
    let console: any Console
    let asJSON: Bool

    func create(_ options: NewKeyOptions) throws(CommandFailure) {
        var body: [(String, JSONValue)] = [("source_path", .string(options.sourcePath))]
        if !options.permissions.isEmpty {
            body.append(("permissions", .array(options.permissions.map { .string($0) })))
        }
        if let limit = options.rateLimitPerMinute { body.append(("rate_limit", .integer(limit))) }
        switch options.expiry {
        case .standard: break
        case .never: body.append(("expires_at", .null))
        case .days(let days): body.append(("expires_days", .integer(days)))
        case .at(let time): body.append(("expires_at", .string(time)))
        }
        let key = try access.json(APIRequest("POST", "/admin/keys", body: .object(JSONObject(body))))
        if asJSON {
            console.print(key.serialized(pretty: true))
            return
        }
        var table = Table([("Key", .left), (key["key_value"]?.stringValue ?? "", .left)])
        table.add(["Id", key.cell("key_id")])
        table.add(["Source", key.cell("source_path")])
        table.add(["May", Self.permissions(key)])
        table.add(["Per minute", Self.rateLimit(key)])
        table.add(["Expires", Self.expiry(key)])
        table.lines.forEach(console.print)
        console.complain("The key is shown this once: the database holds only its hash.")
    }

    func list(_ options: KeyListOptions) throws(CommandFailure) {
        var query: [QueryParameter] = []
        if let source = options.sourcePath { query.append(QueryParameter("source_path", source)) }
        if let isActive = options.isActive { query.append(QueryParameter("is_active", "\(isActive)")) }
        show(try access.items("/admin/keys", query: query))
    }

    func revoke(_ keyIDs: [String], deletes: Bool) throws(CommandFailure) {
        var revoked: [JSONValue] = []
        var missing: [String] = []
        for id in keyIDs {
            let path = "/admin/keys/\(APIRequest.encoded(id))"
            // Read first: what a deletion answers with is nothing.
            guard var key = try access.jsonIfThere(APIRequest("GET", path)) else {
                missing.append(id)
                continue
            }
            if deletes {
                _ = try access.jsonIfThere(APIRequest("DELETE", path))
            } else {
                key = try access.json(APIRequest("PATCH", path, body: ["is_active": false]))
            }
            revoked.append(key)
            if !asJSON { console.print("\(deletes ? "deleted" : "revoked") \(key.cell("key_id")) (\(key.cell("source_path")))") }
        }
        if asJSON { console.print(JSONValue.array(revoked).serialized(pretty: true)) }
        if !missing.isEmpty {
            throw CommandFailure(message: "there is no key \(missing.joined(separator: ", "))")
        }
    }

    private func show(_ keys: [JSONValue]) {
        if asJSON {
            console.print(JSONValue.array(keys).serialized(pretty: true))
            return
        }
        var table = Table([
            ("ID", .left), ("KEY", .left), ("SOURCE", .left), ("STATE", .left), ("MAY", .left), ("PER MINUTE", .right),
            ("USED", .right), ("LAST USED", .left), ("EXPIRES", .left),
        ])
        for key in keys {
            table.add([
                key.cell("key_id"), key.cell("key_hint"), key.cell("source_path"),
                key["is_active"]?.boolValue == true ? "active" : "revoked", Self.permissions(key),
                Self.rateLimit(key), key.cell("usage_count"), key.time("last_used_at"), Self.expiry(key),
            ])
        }
        table.lines.forEach(console.print)
    }

    private static func permissions(_ key: JSONValue) -> String {
        let names = key["permissions"]?.arrayValue?.compactMap(\.stringValue) ?? []
        return names.isEmpty || names == ["*"] ? "all" : names.joined(separator: ",")
    }

    private static func rateLimit(_ key: JSONValue) -> String {
        guard let limit = key["rate_limit"]?.intValue else { return "default" }
        return limit == 0 ? "unlimited" : "\(limit)"
    }

    private static func expiry(_ key: JSONValue) -> String {
        key["expires_at"]?.stringValue == nil ? "never" : key.time("expires_at")
    }
}

extension JSONValue {
    /// A member as a table shows it; `-` if there is nothing.
    func cell(_ name: String) -> String {
        switch self[name] {
        case .string(let text): text.isEmpty ? "-" : printable(text)
        case .null, nil: "-"
        case .some(let value): value.serialized()
        }
    }

    /// A time as a table shows it: to the second, without its offset.
    func time(_ name: String) -> String {
        guard let text = self[name]?.stringValue else { return "-" }
        return printable(String(text.prefix(19)).split(separator: "T").joined(separator: " "))
    }
}
