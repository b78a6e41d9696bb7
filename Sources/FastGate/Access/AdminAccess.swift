import JSON

/// A name and its value in a query string.
struct QueryParameter: Equatable {
    var name: String
    var value: String

    init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// A request to the admin API, whoever answers it.
struct APIRequest: Equatable {
    var method = "GET"
    /// Its segments encoded, without a query.
    var path: String
    var query: [QueryParameter] = []
    var body: JSONValue?

    init(_ method: String, _ path: String, query: [QueryParameter] = [], body: JSONValue? = nil) {
        self.method = method
        self.path = path
        self.query = query
        self.body = body
    }

    /// Path and query as they stand in a request line.
    var target: String {
        guard !query.isEmpty else { return path }
        return path + "?"
            + query.map { "\(Self.encoded($0.name))=\(Self.encoded($0.value))" }.joined(separator: "&")
    }

    /// Percent-encoded, so that it is one segment of a path or one part of a query (RFC 3986 §2.3).
    static func encoded(_ text: String) -> String {
        var bytes: [UInt8] = []
        let hex = Array("0123456789ABCDEF".utf8)
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                bytes.append(byte)
            default: bytes += [UInt8(ascii: "%"), hex[Int(byte >> 4)], hex[Int(byte & 15)]]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// What the admin API answered.
struct APIResponse: Equatable {
    var status: Int
    var body: [UInt8]

    /// The failure that an answer with a status from 400 up is, in the API's own words.
    var refusal: CommandFailure {
        if status == 401 {
            return CommandFailure(
                message: "the gateway does not accept the admin token",
                hint: "Set FASTGATE_ADMIN_TOKEN, security.admin_token or --token-file to the one it runs with.")
        }
        let message = (try? JSONValue(parsing: body))?["error"]?["message"]?.stringValue
        return CommandFailure(message: message ?? "the admin API answered with status \(status)")
    }
}

/// Somebody who answers requests of the admin API: a running gateway, or this process on the database itself.
protocol AdminAccess: AnyObject {
    /// Sends a request. The body of an answer with status 200 is handed to `sink` piece by piece as it arrives and is
    /// empty in the result; of any other status it is in the result. A sink that returns false ends the exchange.
    func send(_ request: APIRequest, sink: ([UInt8]) -> Bool) throws(CommandFailure) -> APIResponse
}

extension AdminAccess {
    /// The longest answer that is kept in memory.
    static var maxAnswerBytes: Int { 256 << 20 }

    /// Sends a request and waits for the whole answer.
    func send(_ request: APIRequest) throws(CommandFailure) -> APIResponse {
        var body: [UInt8] = []
        var isTooLong = false
        var response = try send(request) { piece in
            isTooLong = body.count + piece.count > Self.maxAnswerBytes
            if !isTooLong { body += piece }
            return !isTooLong
        }
        if isTooLong { throw CommandFailure(message: "the answer is too long") }
        if response.status == 200 { response.body = body }
        return response
    }

    /// Sends a request and understands the answer; a refusal becomes a failure with the API's own words.
    func json(_ request: APIRequest) throws(CommandFailure) -> JSONValue {
        let response = try send(request)
        guard (200..<300).contains(response.status) else { throw response.refusal }
        if response.body.isEmpty { return .null }
        do throws(JSONParseError) {
            return try JSONValue(parsing: response.body)
        } catch {
            throw CommandFailure(message: "the admin API's answer is not JSON: \(error)")
        }
    }

    /// Like `json`; nil if what was asked for does not exist (404).
    func jsonIfThere(_ request: APIRequest) throws(CommandFailure) -> JSONValue? {
        let response = try send(request)
        if response.status == 404 { return nil }
        guard (200..<300).contains(response.status) else { throw response.refusal }
        return try? JSONValue(parsing: response.body)
    }

    /// All items of a list, page by page.
    func items(_ path: String, query: [QueryParameter] = []) throws(CommandFailure) -> [JSONValue] {
        let pageSize = 1000
        var items: [JSONValue] = []
        while true {
            let page = query + [QueryParameter("limit", "\(pageSize)"), QueryParameter("offset", "\(items.count)")]
            let answer = try json(APIRequest("GET", path, query: page))
            guard let new = answer["items"]?.arrayValue else {
                throw CommandFailure(message: "the admin API's answer is not a list")
            }
            items += new
            if new.count < pageSize { return items }
        }
    }
}
