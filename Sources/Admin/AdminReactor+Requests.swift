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
        var current = AdminConnection.Current(head: head, requestID: RequestID.accept(head.headers["x-request-id"]))
        connection.current = current
        connection.closesAfterResponse = !head.keepAlive || connection.closesAfterResponse
        // Any answer that goes out from here leaves the body unread, so the connection cannot go on after it.
        func answer(_ failure: AdminFailure, holdMilliseconds: UInt64 = 0) -> Bool {
            if head.hasBody { connection.closesAfterResponse = true }
            hold(connection, failure.response, milliseconds: holdMilliseconds)
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
        if let endpoint, endpoint.access == .open {
            if shared.isLocal, HostCheck.isWanted(endpoint),
                !HostCheck.allows(head.headers["host"], allowed: shared.settings.admin.hosts)
            {
                return answer(HostCheck.failure)
            }
        } else {
            let tokens = query.filter { $0.name == "token" }.map(\.value)
            let queryTokensAllowed = shared.settings.admin.allowQueryToken
            let verdict = shared.gatekeeper.withLock { gatekeeper in
                gatekeeper.admit(
                    method: head.method, headers: head.headers, queryTokens: tokens,
                    queryTokensAllowed: queryTokensAllowed, address: connection.network,
                    nowMilliseconds: nowMilliseconds)
            }
            if case .refused(let failure, let holdMilliseconds) = verdict {
                return answer(failure, holdMilliseconds: holdMilliseconds)
            }
            guard tokens.count < 2 else { return answer(.badParameter("token", "given more than once")) }
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
        if let body = endpoint?.body { connection.assembler.maxBodyBytes = body.maxBytes }
        current.query = query.filter { $0.name != "token" }
        connection.current = current
        if head.expectsContinue, head.hasBody, !connection.assembler.hasStarted {
            write(connection, Array("HTTP/1.1 100 Continue\r\n\r\n".utf8))
        }
        return true
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
            query: current.query, mediaType: current.head.headers["content-type"].map(Self.mediaType),
            body: connection.assembler.body, requestID: current.requestID)
        request.headers = current.head.headers
        request.address = connection.network
        request.pathValues = current.pathValues
        if case .reactor(let handler) = endpoint.handler {
            let response = AdminAPI.answer(endpoint, request) { handler(shared, request) }
            hold(connection, response, milliseconds: response.holdMilliseconds)
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
