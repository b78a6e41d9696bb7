import JSON
import Reactor

extension ObjectShape {
    static let signIn = ObjectShape(
        name: "SignIn", description: "What a session begins with.",
        fields: [.init("token", #"{"type":"string","minLength":1}"#, "The admin token.", required: true)])
}

extension AdminAPI {
    static let sessionEndpoints: [Endpoint] = [
        Endpoint(
            method: "POST", path: "/admin/session", operationID: "beginSession", tag: "system",
            summary: "Signs a browser in: the answer's cookie stands for the token. Needs x-fastgate-dashboard.",
            access: .open, body: .init(schemaName: ObjectShape.signIn.name),
            answers: [.json("Signed in.", status: 201, schema: sessionSchema)],
            failures: [400, 401, 403, 415, 422, 429],
            handler: .reactor(beginSession)),
        Endpoint(
            method: "GET", path: "/admin/session", operationID: "getSession", tag: "system",
            summary: "Whether the browser is signed in, and until when.", access: .open,
            answers: [.json("The state.", schema: sessionSchema)],
            handler: .reactor { (shared, request) in
                let now = Clock.monotonicMilliseconds()
                return state(
                    shared.gatekeeper.withLock { $0.useSession(request.headers, nowMilliseconds: now) }, shared)
            }),
        Endpoint(
            method: "DELETE", path: "/admin/session", operationID: "endSession", tag: "system",
            summary: "Signs the browser out.", access: .open,
            answers: [Endpoint.Answer(status: 204, description: "Signed out, or was not signed in.")],
            failures: [403], handler: .reactor(endSession)),
    ]

    private static let sessionSchema = """
        {"type":"object","required":["signed_in","expires_at"],"properties":{"signed_in":{"type":"boolean"},\
        "expires_at":{"type":["string","null"],"format":"date-time",\
        "description":"If nothing is asked for until then; each request moves it on, up to a limit."}}}
        """

    private static func beginSession(_ shared: AdminShared, _ request: AdminRequest) -> AdminResponse {
        guard CrossSiteCheck.allows(method: request.method, headers: request.headers) else {
            return CrossSiteCheck.failure.response
        }
        let token: String
        do throws(AdminFailure) {
            token = try BodyReader(request, shape: .signIn).string("token", maxLength: 4096).or("", "token")
        } catch {
            return error.response
        }
        let now = Clock.monotonicMilliseconds()
        return shared.gatekeeper.withLock { gatekeeper in
            if case .refused(let failure, let hold) = gatekeeper.judge(
                token, address: request.address, nowMilliseconds: now)
            {
                var response = failure.response
                response.holdMilliseconds = hold
                return response
            }
            gatekeeper.endSession(request.headers)
            let secret = gatekeeper.beginSession(nowMilliseconds: now)
            var response = state(SessionTable.idleMilliseconds, shared, status: 201)
            response.headers.append(gatekeeper.cookie.set(secret))
            return response
        }
    }

    private static func endSession(_ shared: AdminShared, _ request: AdminRequest) -> AdminResponse {
        guard CrossSiteCheck.allows(method: request.method, headers: request.headers) else {
            return CrossSiteCheck.failure.response
        }
        return shared.gatekeeper.withLock { gatekeeper in
            gatekeeper.endSession(request.headers)
            var response = AdminResponse.noContent
            response.headers.append(gatekeeper.cookie.cleared)
            return response
        }
    }

    private static func state(_ lastsMilliseconds: UInt64?, _ shared: AdminShared, status: UInt16 = 200)
        -> AdminResponse
    {
        let end = lastsMilliseconds.map { HandlerContext.nowMilliseconds() + Int64($0) }
        return .json(
            .members([
                ("signed_in", .bool(end != nil)),
                ("expires_at", .time(end, offsetMinutes: shared.settings.app.timezone.minutes)),
            ]), status: status)
    }
}
