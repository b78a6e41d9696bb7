import HTTP
import Reactor

/// A request's trailers. They go on as its headers do: some servers make headers of them, and what was taken out of the
/// head must not come back that way.
extension Worker {
    /// Where a body is here as a whole, its trailer section stands behind it in the decoded buffer.
    @inline(never)
    mutating func keepTrailers(_ c: UnsafeMutablePointer<ClientConnection>, _ p: UnsafePointer<UInt8>, _ n: Int) {
        pool.append(&c.pointee.exchange.decodedBody, p, n)
        // No more than `limits.max_trailer_bytes` can be.
        c.pointee.exchange.trailersLength = UInt16(n)
    }

    /// Whether a chunked body that is here as a whole goes on in chunks, for the trailers behind it. APIs of LLMs have none.
    @inline(__always)
    func sendsTrailers(_ c: UnsafeMutablePointer<ClientConnection>) -> Bool {
        c.pointee.exchange.trailersLength > 0 && c.pointee.exchange.provider < 0
    }

    /// The body as it is to go to this route's target, as one chunk, and the trailers behind the last.
    @inline(never)
    mutating func frameWithTrailers(_ c: UnsafeMutablePointer<ClientConnection>) {
        let body = outgoingBody(c)
        let trailers = Int(c.pointee.exchange.trailersLength)
        let end = UnsafePointer(c.pointee.exchange.decodedBody.writePointer)
        var framed = pool.take(atLeast: body.count + trailers + 32)
        var writer = HeadWriter(out, capacity: Self.outBytes)
        if let p = body.pointer, body.count > 0 {
            writer.append(hex: UInt64(body.count))
            writer.append("\r\n")
            pool.append(&framed, out, writer.count)
            pool.append(&framed, p, body.count)
            writer = HeadWriter(out, capacity: Self.outBytes)
            writer.append("\r\n")
        }
        writer.append("0\r\n")
        writeTrailers(c, end - trailers, trailers, &writer)
        writer.append("\r\n")
        pool.append(&framed, out, writer.count)
        pool.give(&c.pointee.exchange.rewrittenBody)
        c.pointee.exchange.rewrittenBody = framed
    }

    @inline(never)
    func writeTrailers(
        _ c: UnsafeMutablePointer<ClientConnection>, _ p: UnsafePointer<UInt8>, _ n: Int, _ writer: inout HeadWriter
    ) {
        let rewrite = route(c).pointee.rewrite
        var fields = TrailerFields(p, n)
        while let field = fields.next() {
            if rewrite.drops(field, p) || rewrite.dropsOdd(field, p) { continue }
            writer.append(field, of: p)
        }
    }
}
