import Glibc
import HTTP
import Reactor

/// A request's head as the upstream gets it: written anew, with the client's own fields as far as they are meant for it.
extension Worker {
    @inline(__always)
    mutating func writeRequestHead(
        _ c: UnsafeMutablePointer<ClientConnection>, _ body: Bytes, _ writer: inout HeadWriter
    ) {
        let route = self.route(c)
        let target = self.target(c)
        let base = UnsafePointer(c.pointee.inbound.readPointer)
        writer.append(base + Int(head.methodOffset), Int(head.methodLength))
        writer.append(byte: 0x20)
        writeTarget(c, &writer)
        writer.append(" HTTP/1.1\r\n")
        if !route.pointee.rewrite.addsHost {
            writer.append("host: ")
            if route.pointee.rewrite.passesHost && head.authorityLength > 0 {
                writer.append(base + Int(head.authorityOffset), Int(head.authorityLength))
            } else {
                writer.append(target.pointee.authority)
            }
            writer.append("\r\n")
        }
        let hasUserAgent = writeFields(c, route, base, &writer)
        if !route.pointee.rewrite.addsUserAgent && !hasUserAgent {
            writer.append(current.pointee.texts.userAgent)
        }
        if current.pointee.policy.forwardsClientIP { writeForwarded(c, base, &writer) }
        if c.pointee.subject.isAllocated && current.pointee.policy.forwardsClientSubject { writeSubject(c, &writer) }
        writer.append(route.pointee.rewrite.added)
        if c.pointee.exchange.provider >= 0 { writeProviderRequestFields(c, base, &writer) }
        if c.pointee.exchange.requestIsChunked && (c.pointee.exchange.streamsRequest || sendsTrailers(c)) {
            writer.append("transfer-encoding: chunked\r\n")
        } else if head.framing != .none {
            let length = c.pointee.exchange.requestIsComplete ? UInt64(body.count) : c.pointee.exchange.requestLength
            writer.append("content-length: ")
            writer.append(decimal: length)
            writer.append("\r\n")
        }
        if head.hasUpgrade { writeUpgrade(c, base, &writer) }
        writer.append("\r\n")
    }

    /// The fields that go on, as the client wrote them. True if User-Agent is among them.
    @inline(__always)
    private func writeFields(
        _ c: UnsafeMutablePointer<ClientConnection>, _ route: UnsafePointer<CompiledRoute>,
        _ base: UnsafePointer<UInt8>, _ writer: inout HeadWriter
    ) -> Bool {
        var hasUserAgent = false
        let keyOffset = route.pointee.rewrite.passesKeyFields ? keyOffset(c, base) : UInt32.max
        var i = 0
        while i < Int(head.fieldCount) {
            let field = fields[i]
            i &+= 1
            if route.pointee.rewrite.drops(field, base) { continue }
            if keyOffset != UInt32.max && field.holds(keyOffset) { continue }
            if head.connectionNamesOther && ConnectionOptions.name(field, base, fields, head.fieldCount) { continue }
            if head.hasOddNames && route.pointee.rewrite.dropsOdd(field, base) { continue }
            if field.id == .userAgent { hasUserAgent = true }
            writer.append(field, of: base)
        }
        return hasUserAgent
    }

    /// Where the client's key stands in its head, if it is one that we know: it is for us and nobody else.
    @inline(never)
    private func keyOffset(_ c: UnsafeMutablePointer<ClientConnection>, _ base: UnsafePointer<UInt8>) -> UInt32 {
        guard c.pointee.exchange.keyIndex >= 0, let p = presentedKey(base)?.key.pointer else { return .max }
        return UInt32(truncatingIfNeeded: p - base)
    }

    /// The upstream's path and the query.
    @inline(__always)
    func writeTarget(_ c: UnsafeMutablePointer<ClientConnection>, _ writer: inout HeadWriter) {
        let route = self.route(c)
        let base = UnsafePointer(c.pointee.inbound.readPointer)
        let path = Bytes(base + Int(head.pathOffset), Int(head.pathLength))
        if c.pointee.exchange.provider >= 0 { return writeProviderTarget(c, base, path, &writer) }
        route.pointee.targetPath.write(
            path: path, pattern: route.pointee.pattern, scratch: patternScratch, captures: pathCaptures
        ) { writer.append($0) }
        if head.queryLength > 0 { writeQuery(c, base, &writer) }
    }

    func writeQuery(
        _ c: UnsafeMutablePointer<ClientConnection>, _ base: UnsafePointer<UInt8>, _ writer: inout HeadWriter
    ) {
        let query = Bytes(base + Int(head.queryOffset), Int(head.queryLength))
        guard c.pointee.exchange.hidesQueryKey else {
            writer.append("?")
            return writer.append(query)
        }
        var isFirst = true
        QueryKey.without(query) {
            if isFirst { writer.append("?") }
            isFirst = false
            writer.append($0)
        }
    }

    /// Whom the client's certificate names.
    @inline(never)
    private func writeSubject(_ c: UnsafeMutablePointer<ClientConnection>, _ writer: inout HeadWriter) {
        writer.append("x-client-cert-subject: ")
        writer.append(c.pointee.subject.readPointer, c.pointee.subject.count)
        writer.append("\r\n")
    }

    private func writeForwarded(
        _ c: UnsafeMutablePointer<ClientConnection>, _ base: UnsafePointer<UInt8>, _ writer: inout HeadWriter
    ) {
        writer.append("x-forwarded-for: ")
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64) {
            writer.append($0.baseAddress!, c.pointee.peer.write(into: $0.baseAddress!))
        }
        writer.append(c.pointee.tls == nil ? "\r\nx-forwarded-proto: http\r\n" : "\r\nx-forwarded-proto: https\r\n")
        if head.authorityLength > 0 {
            writer.append("x-forwarded-host: ")
            writer.append(base + Int(head.authorityOffset), Int(head.authorityLength))
            writer.append("\r\n")
        }
    }

    /// A request to change the protocol goes on, but for HTTP/2: its framing would tunnel requests past every check.
    private func writeUpgrade(
        _ c: UnsafeMutablePointer<ClientConnection>, _ base: UnsafePointer<UInt8>, _ writer: inout HeadWriter
    ) {
        guard head.framing == .none, let field = firstField(.upgrade) else { return }
        let value = bytes(field, base)
        if UpgradeToken.isHTTP(value) { return }
        c.pointee.exchange.wantsUpgrade = true
        writer.append("connection: upgrade\r\nupgrade: ")
        writer.append(value)
        writer.append("\r\n")
    }
}
