import JSON

/// Why a request gets no answer: a status and the error body of the admin API,
/// `{"error":{"message","type","code","param"}}`.
struct AdminFailure: Error, Sendable, Equatable {
    var status: UInt16
    var message: String
    var type: String
    var code: String
    /// The field or parameter at fault, named as the caller named it.
    var param: String?
    var headers: [HeaderLine] = []

    init(
        status: UInt16, type: String = "invalid_request_error", code: String, param: String? = nil,
        headers: [HeaderLine] = [], _ message: String
    ) {
        self.status = status
        self.type = type
        self.code = code
        self.param = param
        self.headers = headers
        self.message = message
    }

    /// 400: a query parameter that does not hold.
    static func badParameter(_ name: String, _ message: String) -> AdminFailure {
        AdminFailure(status: 400, code: "invalid_parameter", param: name, "\(name): \(message)")
    }

    /// 422: the body is JSON, but a member of it does not hold.
    static func badField(_ name: String, _ message: String) -> AdminFailure {
        AdminFailure(status: 422, code: "invalid_field", param: name, "\(name): \(message)")
    }

    static func notFound(_ what: String, _ id: String) -> AdminFailure {
        AdminFailure(status: 404, type: "not_found_error", code: "not_found", "there is no \(what) \"\(id)\"")
    }

    static func conflict(_ param: String, _ message: String) -> AdminFailure {
        AdminFailure(status: 409, type: "conflict_error", code: "conflict", param: param, "\(param): \(message)")
    }

    static func server(_ code: String, _ message: String, status: UInt16 = 500) -> AdminFailure {
        AdminFailure(status: status, type: "server_error", code: code, message)
    }

    /// The JSON body.
    var body: JSONValue {
        .members([
            (
                "error",
                .members([
                    ("message", .string(message)), ("type", .string(type)), ("code", .string(code)),
                    ("param", .optional(param)),
                ])
            )
        ])
    }

    var response: AdminResponse {
        var response = AdminResponse.json(body, status: status)
        response.headers += headers
        return response
    }
}
