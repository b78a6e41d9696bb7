import Glibc
import HTTP
import Reactor

/// Answers that the gateway gives itself.
extension Worker {
    /// Where an answer's body is put together, behind its head in `out`.
    static let ownBodyOffset = 32 * 1024
    private static let ownBodyRoom = 4096
    /// Longer values of a request's are not repeated in an answer: together they would not fit its head.
    private static let maxEchoedBytes = 2048
    private static let maxEchoedNameBytes = 20 * 1024

    /// Answers the open exchange with an error of ours.
    mutating func refuse(_ index: UInt32, _ error: ExchangeError) {
        let c = clients.pointer(index)
        if c.pointee.exchange.provider >= 0, endsInStream(index, error) { return }
        releaseAttempt(c)
        targetSaidNothing(c)
        c.pointee.exchange.error = error
        if error.endsConnection { c.pointee.exchange.keepsAlive = false }
        var body = HeadWriter(out + Self.ownBodyOffset, capacity: Self.ownBodyRoom)
        refreshHead(index)
        ErrorBody.write(
            status: error.status, code: error.code, message: error.message, style: errorStyle(c),
            requestID: requestID(c), &body)
        answer(index, status: error.status, contentType: "application/json", body.count)
    }

    private func errorStyle(_ c: UnsafeMutablePointer<ClientConnection>) -> ErrorBody.Style {
        ErrorBody.Style(
            path: Bytes(UnsafePointer(c.pointee.inbound.readPointer) + Int(head.pathOffset), Int(head.pathLength)))
    }

    func requestID(_ c: UnsafeMutablePointer<ClientConnection>) -> Bytes {
        let offset = MemoryLayout<RequestState>.offset(of: \.requestID).unsafelyUnwrapped
        let state = UnsafeRawPointer(c.pointee.exchange.request.unsafelyUnwrapped)
        let p = (state + offset).assumingMemoryBound(to: UInt8.self)
        return Bytes(p, Int(c.pointee.exchange.requestIDLength))
    }

    /// Sends an answer of ours whose body stands at `ownBodyOffset`, or elsewhere if it is too long for that, and ends the
    /// exchange.
    mutating func answer(
        _ index: UInt32, status: UInt16, contentType: StaticString, _ bodyCount: Int, body: Bytes = .empty
    ) {
        let c = clients.pointer(index)
        settleRequest(c)
        c.pointee.exchange.status = status
        c.pointee.exchange.responseStarted = true
        c.pointee.exchange.canReplay = false
        c.pointee.exchange.firstResponseTime = recordedNow(c)
        if !c.pointee.exchange.requestIsComplete || isDraining { c.pointee.exchange.keepsAlive = false }
        describeForAudit(index)
        var writer = HeadWriter(out, capacity: Self.ownBodyOffset)
        writer.append(status: status)
        date.append(to: &writer, unixNanoseconds: realtime)
        if status != 204 {
            writer.append("content-type", contentType)
            writer.append("content-length", decimal: UInt64(bodyCount))
        }
        switch c.pointee.exchange.error {
        case .rateLimited, .tooManyOpen, .noHealthyKey:
            if c.pointee.exchange.retryAfterMilliseconds == 0 { break }
            let seconds = (UInt64(c.pointee.exchange.retryAfterMilliseconds) + 999) / 1000
            writer.append("retry-after", decimal: max(seconds, 1))
        case .missingKey, .invalidKey, .inactiveKey, .expiredKey:
            writer.append("www-authenticate", "Bearer")
        default: break
        }
        if status == 204 { writePreflightFields(index, &writer) }
        writeCommonFields(index, &writer, hasOwnCORS: status == 204)
        writer.append("\r\n")
        // The head moves up to the body, which may be longer.
        let start = Self.ownBodyOffset - writer.count
        memmove(out + start, out, writer.count)
        var count = writer.count
        let hasBody = c.pointee.exchange.method != .head && status != 204
        if hasBody {
            if body.isEmpty { count += bodyCount }
            c.pointee.exchange.responseBytes = UInt64(bodyCount)
        }
        c.pointee.exchange.phase = .flushing
        let hasOtherPart = hasBody && !body.isEmpty
        guard sendToClient(index, out + start, count, isLast: !hasOtherPart) else { return }
        if hasOtherPart, let p = body.pointer, !sendToClient(index, p, body.count, isLast: true) { return }
        if c.pointee.outbound.isEmpty { return finishExchange(index) }
        keepAuditDescription(index)
    }

    /// If the whole request is here it counts as read, so that the connection can go on.
    private func settleRequest(_ c: UnsafeMutablePointer<ClientConnection>) {
        let exchange = UnsafePointer(c).pointee.exchange
        if exchange.requestIsComplete || exchange.requestIsChunked || exchange.streamsRequest { return }
        let here = UInt64(c.pointee.inbound.count) - UInt64(exchange.headLength)
        c.pointee.exchange.requestReceived = min(here, exchange.requestLength)
        c.pointee.exchange.requestIsComplete = here >= exchange.requestLength
    }

    // MARK: Malformed requests

    /// A head that is no valid request: no exchange opens, the connection ends.
    mutating func refuseMalformed(_ index: UInt32, _ failure: HTTPFailure) {
        refuseWithoutExchange(index, status: failure.status, code: "malformed_request", message: failure.code.message)
    }

    /// A client speaks plain HTTP to a port that speaks TLS: told so, in the only language that it understands.
    mutating func refusePlainHTTP(_ index: UInt32) {
        let c = clients.pointer(index)
        c.pointee.tls?.free()
        c.pointee.tls = nil
        refuseWithoutExchange(
            index, status: 400, code: "plain_http_on_tls_port", message: "This port speaks TLS: use https.")
    }

    /// Answers a connection that has no exchange, and ends it.
    mutating func refuseWithoutExchange(
        _ index: UInt32, status: UInt16, code: StaticString, message: StaticString
    ) {
        let inbound = UnsafePointer(clients.pointer(index)).pointee.inbound
        let head = inbound.isEmpty ? Bytes.empty : Bytes(UnsafePointer(inbound.readPointer), inbound.count)
        refuseWithoutExchange(index, status: status, code: code, message: message, head: head)
    }

    /// - Parameter head: what is there of the request's head.
    mutating func refuseWithoutExchange(
        _ index: UInt32, status: UInt16, code: StaticString, message: StaticString, head: Bytes
    ) {
        let c = clients.pointer(index)
        let hasBody = head.pointer.map { !RequestParser.beginsHEAD($0, head.count) } ?? true
        let style = ErrorBody.Style(malformed: head)
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: RequestID.ownLength) { id in
            RequestID.write(nextRandom(), into: id.baseAddress!)
            let requestID = Bytes(UnsafePointer(id.baseAddress!), id.count)
            var body = HeadWriter(out + Self.ownBodyOffset, capacity: Self.ownBodyRoom)
            ErrorBody.write(
                status: status, code: code, message: message, style: style, requestID: requestID, &body)
            var writer = HeadWriter(out, capacity: Self.ownBodyOffset)
            writer.append(status: status)
            date.append(to: &writer, unixNanoseconds: realtime)
            writer.append("content-type", "application/json")
            writer.append("content-length", decimal: UInt64(body.count))
            writer.append("x-request-id: ")
            writer.append(requestID)
            writer.append("\r\n")
            writer.append(current.pointee.texts.proxiedBy)
            writer.append("connection: close\r\n\r\n")
            if hasBody { writer.append(out + Self.ownBodyOffset, body.count) }
            metrics.completed(route: 0, method: .other, status: status, nanoseconds: 0)
            c.pointee.closesAfterFlush = true
            c.pointee.state = .lingering
            guard sendToClient(index, out, writer.count) else { return }
            if c.pointee.outbound.isEmpty { beginLinger(index) }
        }
    }

    // MARK: Health and cross-origin

    func isHealthPath(_ path: Bytes) -> Bool {
        bytesEqual(path.pointer, ("/health" as StaticString).utf8Start, 7)
            && (head.method == .get || head.method == .head)
    }

    /// `GET /health`: for load balancers, so it asks for no key and leaves no audit row.
    mutating func answerHealth(_ index: UInt32) {
        var body = HeadWriter(out + Self.ownBodyOffset, capacity: Self.ownBodyRoom)
        let isEnding = isDraining && !isHandingOver
        body.append(isEnding ? "{\"status\":\"draining\"" : "{\"status\":\"ok\"")
        body.append(UnsafePointer(current).pointee.texts.healthName)
        answer(index, status: isEnding ? 503 : 200, contentType: "application/json", body.count)
    }

    /// A browser asks whether another origin's page may send the request it has in mind (Fetch standard).
    mutating func answerPreflight(_ index: UInt32) {
        answer(index, status: 204, contentType: "text/plain", 0)
    }

    private mutating func writePreflightFields(_ index: UInt32, _ writer: inout HeadWriter) {
        writeCORSFields(index, &writer)
        let c = clients.pointer(index)
        let base = UnsafePointer(c.pointee.inbound.readPointer)
        let cors = UnsafePointer(current).pointee.cors
        writer.append("access-control-allow-methods: ")
        if cors.methods.isEmpty, let field = firstField(.accessControlRequestMethod),
            Int(field.valueLength) <= Self.maxEchoedBytes
        {
            writer.append(bytes(field, base))
        } else {
            writer.append(cors.methods)
        }
        if head.known.contains(.accessControlRequestHeaders) {
            writer.append("\r\naccess-control-allow-headers: ")
            if cors.headers.isEmpty, let field = firstField(.accessControlRequestHeaders),
                Int(field.valueLength) <= Self.maxEchoedNameBytes
            {
                writer.append(bytes(field, base))
            } else {
                writer.append(cors.headers)
            }
        }
        writer.append("\r\naccess-control-max-age: 600\r\n")
    }

    /// Lets a page of the request's origin read the answer, if the settings allow it.
    mutating func writeCORSFields(_ index: UInt32, _ writer: inout HeadWriter) {
        refreshHead(index)
        guard let field = firstField(.origin) else { return }
        let origin = bytes(field, UnsafePointer(clients.pointer(index).pointee.inbound.readPointer))
        let cors = UnsafePointer(current).pointee.cors
        guard origin.count <= Self.maxEchoedBytes, cors.allows(origin) else { return }
        if cors.allowsAnyOrigin && !cors.allowsCredentials {
            return writer.append("access-control-allow-origin: *\r\n")
        }
        writer.append("access-control-allow-origin: ")
        writer.append(origin)
        writer.append("\r\nvary: Origin\r\n")
        if cors.allowsCredentials { writer.append("access-control-allow-credentials: true\r\n") }
    }
}

/// Error bodies in the shapes that the SDKs read.
enum ErrorBody {
    enum Style { case openAI, anthropic }

    /// Writes the body. `message` and `code` are texts of ours, the id is plain: nothing needs escaping.
    static func write(
        status: UInt16, code: StaticString, message: StaticString, style: Style, requestID: Bytes,
        _ writer: inout HeadWriter
    ) {
        switch style {
        case .openAI:
            writer.append("{\"error\":{\"message\":\"")
            writer.append(message)
            writer.append("\",\"type\":\"")
            // OpenAI says it in both.
            writer.append(isQuota(code) ? code : type(status, style))
            writer.append("\",\"code\":\"")
            writer.append(code)
            writer.append("\",\"param\":null},\"request_id\":\"")
        case .anthropic:
            writer.append("{\"type\":\"error\",\"error\":{\"type\":\"")
            writer.append(type(status, style))
            writer.append("\",\"message\":\"")
            writer.append(message)
            writer.append("\"},\"request_id\":\"")
        }
        writer.append(requestID)
        writer.append("\"}")
    }

    private static func isQuota(_ code: StaticString) -> Bool {
        let quota = ExchangeError.outOfMoney.code
        return code.utf8CodeUnitCount == quota.utf8CodeUnitCount
            && bytesEqual(code.utf8Start, quota.utf8Start, quota.utf8CodeUnitCount)
    }

    private static func type(_ status: UInt16, _ style: Style) -> StaticString {
        switch status {
        case 401: "authentication_error"
        case 403: "permission_error"
        case 404: "not_found_error"
        case 413 where style == .anthropic: "request_too_large"
        case 429: "rate_limit_error"
        case 408, 504: "timeout_error"
        case 500...: "api_error"
        default: "invalid_request_error"
        }
    }
}
