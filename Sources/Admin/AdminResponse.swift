import JSON

/// One header line of a response; the name in lower case.
struct HeaderLine: Sendable, Equatable {
    var name: String
    var value: String

    init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// What a handler answers. The server adds framing, `date`, `x-request-id`, `x-content-type-options: nosniff`
/// and, unless the handler says otherwise, `cache-control: no-store`.
struct AdminResponse: Sendable {
    enum Body: Sendable {
        case bytes([UInt8])
        /// Written piece by piece by the executor thread that ran the handler; memory stays bounded
        /// because the sink blocks while the client is behind.
        case stream(@Sendable (HandlerContext, any ByteSink) throws(AdminFailure) -> Void)
    }

    var status: UInt16
    var headers: [HeaderLine]
    var body: Body
    /// How long the reactor keeps the answer back; for handlers that run on it.
    var holdMilliseconds: UInt64 = 0

    init(status: UInt16 = 200, headers: [HeaderLine] = [], body: Body = .bytes([])) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    static func json(_ value: JSONValue, status: UInt16 = 200) -> AdminResponse {
        AdminResponse(
            status: status, headers: [HeaderLine("content-type", "application/json")],
            body: .bytes(Array(value.serialized().utf8)))
    }

    static func text(_ text: String, type: String) -> AdminResponse {
        AdminResponse(headers: [HeaderLine("content-type", type)], body: .bytes(Array(text.utf8)))
    }

    static var noContent: AdminResponse { AdminResponse(status: 204) }
}

/// Where a streamed response goes.
protocol ByteSink: AnyObject, Sendable {
    /// Hands on one piece; blocks while the reader is behind.
    /// - Returns: False once nobody reads any more; the producer then stops.
    func write(_ piece: [UInt8]) -> Bool
}
