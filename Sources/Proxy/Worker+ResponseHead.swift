import HTTP
import Reactor

/// A response's head as the client gets it: the upstream's own fields, and what every answer of ours carries.
extension Worker {
    /// Response fields that are not passed on: hop-by-hop, and those that the gateway writes itself.
    static var responseDropped: HeaderMask {
        HeaderMask().inserting(.connection).inserting(.keepAlive).inserting(.proxyConnection).inserting(.te)
            .inserting(.transferEncoding).inserting(.upgrade).inserting(.proxyAuthenticate)
            .inserting(.proxyAuthorization).inserting(.http2Settings).inserting(.xRequestID)
            .inserting(.xProxiedBy)
    }

    @inline(__always)
    mutating func writeResponseHead(
        _ client: UInt32, _ p: UnsafePointer<UInt8>, _ response: ResponseHead, _ writer: inout HeadWriter
    ) {
        let c = clients.pointer(client)
        writeStatusLine(response, p, &writer)
        var dropped = Self.responseDropped
        if c.pointee.exchange.rateLimit > 0 {
            dropped.insert(.xRateLimitLimitRequests)
            dropped.insert(.xRateLimitRemainingRequests)
            dropped.insert(.xRateLimitResetRequests)
        }
        if response.status == 204 || response.framing == .chunked || c.pointee.exchange.sendsChunked {
            dropped.insert(.contentLength)
        }
        var i = 0
        while i < Int(response.fieldCount) {
            let field = responseFields[i]
            i &+= 1
            if dropped.contains(field.id) { continue }
            if field.id == .other, OwnField.isOne(p + Int(field.nameOffset), Int(field.nameLength)) { continue }
            if response.connectionNamesOther, isMeantForUs(field, p, response) { continue }
            writer.append(field, of: p)
        }
        if c.pointee.exchange.isStream && !response.known.contains(.cacheControl) {
            writer.append("cache-control: no-cache\r\n")
            if !response.known.contains(.xAccelBuffering) { writer.append("x-accel-buffering: no\r\n") }
        }
        if c.pointee.exchange.provider >= 0 { writeProviderFields(c, &writer) }
        writeCommonFields(client, &writer, hasOwnCORS: response.known.contains(.accessControlAllowOrigin))
        if c.pointee.exchange.sendsChunked { writer.append("transfer-encoding: chunked\r\n") }
        writer.append("\r\n")
    }

    /// True if the upstream's Connection field names this one.
    func isMeantForUs(_ field: Field, _ p: UnsafePointer<UInt8>, _ response: ResponseHead) -> Bool {
        ConnectionOptions.name(field, p, responseFields, response.fieldCount)
    }

    @inline(__always)
    func writeStatusLine(_ response: ResponseHead, _ p: UnsafePointer<UInt8>, _ writer: inout HeadWriter) {
        writer.append("HTTP/1.1 ")
        let status = response.status
        writer.append(byte: UInt8(truncatingIfNeeded: 48 + status / 100))
        writer.append(byte: UInt8(truncatingIfNeeded: 48 + status / 10 % 10))
        writer.append(byte: UInt8(truncatingIfNeeded: 48 + status % 10))
        writer.append(byte: 0x20)
        writer.append(p + Int(response.reasonOffset), Int(response.reasonLength))
        writer.append("\r\n")
    }

    /// What every answer of an exchange carries: ids, limits, cross-origin permission, the connection's fate.
    @inline(__always)
    mutating func writeCommonFields(_ client: UInt32, _ writer: inout HeadWriter, hasOwnCORS: Bool) {
        let c = clients.pointer(client)
        writer.append("x-request-id: ")
        withUnsafeBytes(of: &c.pointee.exchange.requestID) {
            writer.append(
                $0.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self),
                Int(c.pointee.exchange.requestIDLength))
        }
        writer.append("\r\n")
        writer.append(current.pointee.texts.proxiedBy)
        if c.pointee.exchange.rateLimit > 0 { writeRateFields(c, &writer) }
        if c.pointee.exchange.hasOrigin && !hasOwnCORS { writeCORSFields(client, &writer) }
        if !c.pointee.exchange.keepsAlive {
            writer.append("connection: close\r\n")
        } else if c.pointee.exchange.clientMinorVersion == 0 {
            writer.append("connection: keep-alive\r\n")
        }
    }

    private func writeRateFields(_ c: UnsafeMutablePointer<ClientConnection>, _ writer: inout HeadWriter) {
        writer.append("x-ratelimit-limit-requests", decimal: UInt64(c.pointee.exchange.rateLimit))
        writer.append("x-ratelimit-remaining-requests", decimal: UInt64(max(c.pointee.exchange.rateRemaining, 0)))
        let reset = c.pointee.exchange.rateResetMilliseconds
        writer.append("x-ratelimit-reset-requests: ")
        if reset < 1000 {
            writer.append(decimal: UInt64(reset))
            writer.append("ms\r\n")
        } else {
            writer.append(decimal: UInt64(reset / 1000))
            writer.append("s\r\n")
        }
    }
}
