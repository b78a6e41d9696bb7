import HTTP
import Reactor

/// Writes the head of a response.
enum ResponseHeadText {
    enum Framing {
        case length(Int)
        case chunked
        case untilClose
        /// 204 and 304 carry no body and no Content-Length (RFC 9110 §8.6).
        case none
    }

    static func write(
        _ response: AdminResponse, framing: Framing, requestID: String, close: Bool, unixSeconds: Int64
    ) -> [UInt8] {
        var text = "HTTP/1.1 \(response.status) \(reasonPhrase(response.status).description)\r\n"
        text += "date: \(httpDate(unixSeconds))\r\n"
        for header in response.headers { text += "\(header.name): \(header.value)\r\n" }
        switch framing {
        case .length(let count): text += "content-length: \(count)\r\n"
        case .chunked: text += "transfer-encoding: chunked\r\n"
        case .untilClose, .none: break
        }
        text += "x-request-id: \(requestID)\r\n"
        if !response.headers.contains(where: { $0.name == "cache-control" }) { text += "cache-control: no-store\r\n" }
        text += "x-content-type-options: nosniff\r\n"
        // The token may stand in the query: it must not travel on in a Referer.
        text += "referrer-policy: no-referrer\r\n"
        if close { text += "connection: close\r\n" }
        return Array((text + "\r\n").utf8)
    }

    /// RFC 9110 §5.6.7.
    static func httpDate(_ unixSeconds: Int64) -> String {
        String(unsafeUninitializedCapacity: HTTPDate.length) {
            HTTPDate.write(unixSeconds: UInt64(max(0, unixSeconds)), into: $0.baseAddress.unsafelyUnwrapped)
            return HTTPDate.length
        }
    }
}
