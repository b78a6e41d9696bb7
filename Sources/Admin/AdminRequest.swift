/// A request as the handlers see it: parsed, authenticated, its body complete.
struct AdminRequest: Sendable {
    /// The method's token as sent; HEAD has become GET (the server leaves the body out).
    var method: String
    /// The path as sent, not decoded.
    var path: String
    /// Decoded query parameters in order, `token` taken out.
    var query: [QueryParameter]
    /// The media type of Content-Type in lower case, without parameters; nil if the header is absent.
    var mediaType: String?
    var headers = RequestHeaders()
    var body: [UInt8]
    var requestID: String
    /// Where it comes from, as logins are counted: an IPv4 address or an IPv6 /64.
    var address = ""
    /// What the placeholders of the endpoint's path took, in order, decoded.
    var pathValues: [String] = []

    init(
        method: String, path: String, query: [QueryParameter] = [], mediaType: String? = nil, body: [UInt8] = [],
        requestID: String = ""
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.mediaType = mediaType
        self.body = body
        self.requestID = requestID
    }
}

/// The header fields of a request, in order, their names in lower case.
struct RequestHeaders: Sendable, Equatable {
    private let lines: [HeaderLine]

    init(_ lines: [HeaderLine] = []) {
        self.lines = lines
    }

    /// The value of a field; of one that is there several times all values as one list (RFC 9110 §5.3).
    subscript(name: String) -> String? {
        let values = lines.filter { $0.name == name }.map(\.value)
        return values.isEmpty ? nil : values.joined(separator: name == "cookie" ? "; " : ", ")
    }
}

struct QueryParameter: Sendable, Equatable {
    var name: String
    var value: String

    init(_ name: String, _ value: String) {
        self.name = name
        self.value = value
    }
}

/// Percent and form decoding (WHATWG URL, application/x-www-form-urlencoded).
enum PercentCoding {
    /// Decodes `%XX`, and `+` as a space when `plusIsSpace`.
    /// - Returns: Nil if an escape is malformed or the result is no UTF-8.
    static func decode(_ text: some StringProtocol, plusIsSpace: Bool) -> String? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.utf8.count)
        var iterator = text.utf8.makeIterator()
        while let byte = iterator.next() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = iterator.next().flatMap(hexDigit), let low = iterator.next().flatMap(hexDigit)
                else { return nil }
                bytes.append(high << 4 | low)
            case UInt8(ascii: "+") where plusIsSpace:
                bytes.append(UInt8(ascii: " "))
            default:
                bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    /// Splits and decodes a query. A parameter without `=` has an empty value.
    /// - Returns: Nil if an escape is malformed.
    static func parseQuery(_ query: some StringProtocol) -> [QueryParameter]? {
        var parameters: [QueryParameter] = []
        for pair in query.split(separator: "&", omittingEmptySubsequences: true) {
            let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = decode(halves[0], plusIsSpace: true),
                let value = halves.count > 1 ? decode(halves[1], plusIsSpace: true) : ""
            else { return nil }
            parameters.append(QueryParameter(name, value))
        }
        return parameters
    }

    /// A text as one segment of a path (RFC 3986 §2.3).
    static func encode(_ text: String) -> String {
        let hex = Array("0123456789ABCDEF".utf8)
        var bytes: [UInt8] = []
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

    private static func hexDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
