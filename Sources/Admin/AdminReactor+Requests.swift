import HTTP
import Reactor

// From bytes to a request: head, endpoint, token, body, handler.
extension AdminReactor {
    /// Goes as far as the bytes that are there allow.
    func advance(_ connection: AdminConnection) {
        do throws(RequestAssembler.Refusal) {
            while true {
                switch connection.phase {
                case .idle:
                    guard connection.assembler.hasStarted else { return }
                    connection.phase = .readingHead
                    connection.deadlineMilliseconds = deadline(shared.settings.limits.headerTimeoutSeconds)
                case .readingHead:
                    guard let head = try connection.assembler.takeHead() else { return }
                    guard accept(head, connection) else { continue }
                    connection.phase = .readingBody
                    connection.deadlineMilliseconds = deadline(shared.settings.limits.bodyTimeoutSeconds)
                case .readingBody:
                    guard try connection.assembler.takeBody() else { return }
                    dispatch(connection)
                case .executing, .held, .writing, .lingering, .closed:
                    return
                }
            }
        } catch {
            refuse(connection, error.status, error.message)
        }
    }

    /// Decides about a head.
    /// - Returns: True if the body is wanted; else the answer is already on its way.
    private func accept(_ head: RequestAssembler.Head, _ connection: AdminConnection) -> Bool {
        var current = AdminConnection.Current(head: head, requestID: RequestID.accept(head.requestID))
        connection.current = current
        connection.closesAfterResponse = !head.keepAlive || connection.closesAfterResponse
        // Any answer that goes out from here leaves the body unread, so the connection cannot go on after it.
        func answer(_ failure: AdminFailure, holdMilliseconds: UInt64 = 0, response: AdminResponse? = nil) -> Bool {
            if head.hasBody { connection.closesAfterResponse = true }
            hold(connection, response ?? failure.response, milliseconds: holdMilliseconds)
            return false
        }
        guard let query = PercentCoding.parseQuery(head.query ?? "") else {
            return answer(AdminFailure(status: 400, code: "invalid_query", "the query has a malformed escape"))
        }
        let match = AdminAPI.router.match(method: head.method, path: head.path)
        var endpoint: Endpoint?
        if case .endpoint(let found, let pathValues) = match {
            endpoint = found
            current.pathValues = pathValues
        }
        if endpoint?.access != .open {
            let tokens = query.filter { $0.name == "token" }.map(\.value)
            switch authenticate(head.authorization, queryTokens: tokens, connection) {
            case .granted: break
            case .refused(let failure, let holdMilliseconds):
                var page: AdminResponse?
                if endpoint?.access == .page {
                    page = Dashboard.page(status: failure.status, headers: failure.headers)
                }
                return answer(failure, holdMilliseconds: holdMilliseconds, response: page)
            }
        }
        switch match {
        case .unknownPath:
            return answer(.notFound("endpoint", head.path))
        case .wrongMethod(let allowed):
            let list = allowed.joined(separator: ", ")
            return answer(
                AdminFailure(
                    status: 405, code: "method_not_allowed", headers: [HeaderLine("allow", list)],
                    "\(head.method) is not allowed here; allowed: \(list)"))
        case .endpoint: break
        }
        current.endpoint = endpoint
        current.query = query.filter { $0.name != "token" }
        connection.current = current
        if head.expectsContinue, head.hasBody, !connection.assembler.hasStarted {
            write(connection, Array("HTTP/1.1 100 Continue\r\n\r\n".utf8))
        }
        return true
    }

    private enum Verdict {
        case granted
        case refused(AdminFailure, holdMilliseconds: UInt64)
    }

    private func authenticate(_ authorization: String?, queryTokens: [String], _ connection: AdminConnection)
        -> Verdict
    {
        let challenge = HeaderLine("www-authenticate", "Bearer realm=\"FastGate admin\"")
        func refusal(_ code: String, _ message: String) -> AdminFailure {
            AdminFailure(status: 401, type: "authentication_error", code: code, headers: [challenge], message)
        }
        let queryAllowed = shared.settings.admin.allowQueryToken
        var presented = authorization.flatMap(AccessControl.bearerToken).map { Array($0.utf8) }
        if presented == nil, queryAllowed { presented = queryTokens.first.map { Array($0.utf8) } }
        guard let presented, !presented.isEmpty else {
            let message =
                queryTokens.isEmpty || queryAllowed
                ? "an admin token is required: authorization: Bearer <token>"
                : "tokens in the query are switched off (admin.allow_query_token); use authorization: Bearer <token>"
            return .refused(refusal("missing_token", message), holdMilliseconds: 0)
        }
        let address = connection.address
        if let seconds = throttle.retryAfterSeconds(address: address, nowMilliseconds: nowMilliseconds) {
            let failure = AdminFailure(
                status: 429, type: "rate_limit_error", code: "too_many_failed_logins",
                headers: [HeaderLine("retry-after", String(seconds))],
                "too many failed logins from this address; try again in \(seconds) s")
            return .refused(failure, holdMilliseconds: 0)
        }
        if access.matches(presented) { return .granted }
        let delay = throttle.failed(address: address, nowMilliseconds: nowMilliseconds)
        return .refused(refusal("invalid_token", "the admin token is not right"), holdMilliseconds: delay)
    }

    /// The request is complete: a handler's turn.
    private func dispatch(_ connection: AdminConnection) {
        guard let current = connection.current, let endpoint = current.endpoint else {
            return close(connection)
        }
        connection.phase = .executing
        connection.deadlineMilliseconds = nil
        watch(connection, 0)
        var request = AdminRequest(
            method: current.head.method == "HEAD" ? "GET" : current.head.method, path: current.head.path,
            query: current.query, mediaType: current.head.contentType.map(Self.mediaType),
            body: connection.assembler.body, requestID: current.requestID)
        request.pathValues = current.pathValues
        request.ifMatch = current.head.ifMatch
        if case .reactor(let handler) = endpoint.handler {
            respond(connection, AdminAPI.answer(endpoint, request) { handler(shared, request) })
        } else if !executors.submit(.init(connection: connection.id, endpoint: endpoint, request: request)) {
            respond(connection, AdminFailure.server("stopping", "the server is stopping", status: 503).response)
        }
    }

    private static func mediaType(_ contentType: String) -> String {
        let type = contentType.prefix { $0 != ";" }
        return type.filter { $0 != " " && $0 != "\t" }.lowercased()
    }

    /// Answers a malformed or late request and closes.
    func refuse(_ connection: AdminConnection, _ status: UInt16, _ message: String) {
        connection.closesAfterResponse = true
        let code = status == 408 ? "timeout" : status == 413 ? "body_too_large" : "malformed_request"
        let failure = AdminFailure(status: status, code: code, message)
        send(connection, failure.response)
    }

    /// Answers after a while; at once if the while is zero.
    private func hold(_ connection: AdminConnection, _ response: AdminResponse, milliseconds: UInt64) {
        guard milliseconds > 0 else { return send(connection, response) }
        connection.phase = .held(response)
        connection.deadlineMilliseconds = nowMilliseconds + milliseconds
        watch(connection, 0)
    }
}

/// The name of a request in logs and answers.
enum RequestID {
    static let maxLength = 128

    /// The client's id if it is one to be trusted in headers and logs, else a new one.
    static func accept(_ given: String?) -> String {
        if let given, !given.isEmpty, given.utf8.count <= maxLength, given.utf8.allSatisfy(isAllowed) { return given }
        return "req_" + SecureRandom.hex(6)
    }

    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
            UInt8(ascii: ":"), UInt8(ascii: "/"), UInt8(ascii: "+"), UInt8(ascii: "="), UInt8(ascii: "@"):
            true
        default: false
        }
    }
}
