import JSON

/// `fastgate routes match`
struct RouteMatch {
    private static let maxBodyBytes = 64 << 20
    let call: Call

    func run() throws(CommandFailure) {
        let result = try call.access().json(APIRequest("POST", "/admin/routes/match", body: .object(try request())))
        if call.asJSON { call.print(result) } else { show(result) }
        let provider = result["provider"]
        if result["matched"]?.boolValue == true && result["error"]?.stringValue == nil { return }
        if let provider, provider["model"] != nil, provider["error"]?.stringValue == nil { return }
        let problem = result["error"]?.stringValue ?? provider?["error"]?.stringValue
        throw CommandFailure(
            message: problem ?? "no route would take the request",
            hint: problem == nil ? "It would be answered with 404." : nil)
    }

    private func request() throws(CommandFailure) -> JSONObject {
        let options = call.options
        let body = try options.value("body").map { (text) throws(CommandFailure) in try content(text) }
        var request = JSONObject([
            ("method", .string(options.value("method") ?? (body == nil ? "GET" : "POST"))),
            ("path", .string(options.operands[0])),
        ])
        var headers = JSONObject()
        for text in options.all("header") {
            let (name, value) = try BodyMembers.header(text, "--header", options)
            headers[name] = .array((headers[name]?.arrayValue ?? []) + [.string(value)])
        }
        if !headers.isEmpty { request["headers"] = .object(headers) }
        if let body { request["body"] = .string(body) }
        if let key = options.value("key") { request["key_id"] = .string(key) }
        return request
    }

    /// The body itself, or that of the file that `@` names.
    private func content(_ text: String) throws(CommandFailure) -> String {
        guard text.hasPrefix("@") else { return text }
        do throws(FileError) {
            return String(decoding: try readFile(String(text.dropFirst()), limit: Self.maxBodyBytes), as: UTF8.self)
        } catch {
            throw CommandFailure(message: "\(error)")
        }
    }

    private func show(_ result: JSONValue) {
        if let target = result["target_url"]?.stringValue {
            call.console.print(printable("\(result.cell("route_name")) takes it, to \(target)"))
        }
        if let provider = result["provider"], provider["model"] != nil { show(provider: provider) }
        let candidates = result["candidates"]?.arrayValue ?? []
        guard !candidates.isEmpty else { return }
        var table = Table([.init("ROUTE", shrinks: true), .init("ID", shrinks: true), .init("WHY", shrinks: true)])
        for candidate in candidates {
            let isTaker = candidate["route_id"] == result["route_id"]
            table.add([
                .init(candidate.cell("route_name"), isTaker ? .green : nil), .init(candidate.cell("route_id"), .dim),
                .init(candidate.cell("reason"), isTaker ? .green : nil),
            ])
        }
        call.print(table)
    }

    /// Which provider takes it, and what speaks against each other.
    private func show(provider: JSONValue) {
        if provider["error"]?.stringValue == nil {
            call.console.print(printable("a provider of \(provider.cell("model")) takes it: \(provider.cell("rule"))"))
        }
        var table = Table([
            .init("PROVIDER", shrinks: true), .init("MODEL", shrinks: true), .init("GROUP", .right),
            .init("WHY", shrinks: true), .init("BACK AT"),
        ])
        for candidate in provider["candidates"]?.arrayValue ?? [] {
            let color: Style.Look? = (candidate["share"]?.doubleValue ?? 0) > 0 ? .green : nil
            table.add([
                .init(candidate.cell("provider"), color), .init(candidate.cell("model")),
                .init(candidate.cell("group")), .init(candidate.cell("reason"), color),
                .init(candidate.cell("back_at")),
            ])
        }
        call.print(table)
    }
}
