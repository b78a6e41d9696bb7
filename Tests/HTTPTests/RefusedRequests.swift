import Testing

@testable import HTTP

/// A request that has to be refused, and how.
struct RefusedRequest: CustomTestStringConvertible, Sendable {
    let name: String
    let bytes: [UInt8]
    let status: UInt16
    let code: HTTPFailureCode

    init(_ name: String, _ text: String, _ status: UInt16, _ code: HTTPFailureCode) {
        self.name = name
        bytes = latin1(text)
        self.status = status
        self.code = code
    }

    /// One header line behind a good request line and Host.
    static func field(_ name: String, _ line: String, _ status: UInt16, _ code: HTTPFailureCode) -> RefusedRequest {
        RefusedRequest(name, "POST / HTTP/1.1\r\nHost: a.example\r\n\(line)\r\n\r\n", status, code)
    }

    var testDescription: String { name }
}

extension RefusedRequest {
    static let all: [RefusedRequest] = [
        // Request line.
        .init("space first", " GET / HTTP/1.1\r\n", 400, .invalidMethod),
        .init("method byte", "GE(T / HTTP/1.1\r\n", 400, .invalidMethod),
        .init("method byte, nothing behind it", "GE(", 400, .invalidMethod),
        .init("TLS", "\u{16}\u{03}\u{01}\u{00}", 400, .invalidMethod),
        .init("NUL", "\0", 400, .invalidMethod),
        .init("tab after method", "GET\t/ HTTP/1.1\r\n", 400, .invalidMethod),
        .init("method too long", String(repeating: "G", count: 65), 501, .methodTooLong),
        .init("method only", "GET\r\n", 400, .invalidRequestLine),
        .init("two empty lines", "\r\n\r\nGET / HTTP/1.1\r\n", 400, .invalidMethod),
        .init("LF first", "\nGET / HTTP/1.1\r\n", 400, .invalidMethod),
        .init("CR first", "\rGET / HTTP/1.1\r\n", 400, .bareCarriageReturn),
        .init("two spaces", "GET  / HTTP/1.1\r\n", 400, .invalidRequestLine),
        .init("HTTP/0.9", "GET /\r\n", 400, .invalidRequestLine),
        .init("no target", "GET HTTP/1.1\r\n", 400, .invalidRequestLine),
        .init("tab in target", "GET /a\tb HTTP/1.1\r\n", 400, .invalidTarget),
        .init("NUL in target", "GET /\0 HTTP/1.1\r\n", 400, .invalidTarget),
        .init("DEL in target", "GET /\u{7f} HTTP/1.1\r\n", 400, .invalidTarget),
        .init("obs-text in target", "GET /\u{e9} HTTP/1.1\r\n", 400, .invalidTarget),
        .init("obs-text in query", "GET /?\u{e9} HTTP/1.1\r\n", 400, .invalidTarget),
        .init("space in target", "GET /a b HTTP/1.1\r\n", 400, .invalidVersion),
        .init("fragment", "GET /a#b HTTP/1.1\r\n", 400, .fragmentInTarget),
        .init("fragment in query", "GET /a?b#c HTTP/1.1\r\n", 400, .fragmentInTarget),
        .init("target too long", "GET /" + String(repeating: "a", count: 16384), 414, .targetTooLong),
        .init("query too long", "GET /?" + String(repeating: "a", count: 16383), 414, .targetTooLong),
        .init("relative", "GET foo HTTP/1.1\r\nHost: a\r\n\r\n", 400, .invalidTargetForm),
        .init("asterisk for GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400, .invalidTargetForm),
        .init("asterisk and more", "OPTIONS *a HTTP/1.1\r\nHost: a\r\n\r\n", 400, .invalidTargetForm),
        .init("authority for GET", "GET a.example:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400, .invalidTargetForm),
        .init("path for CONNECT", "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", 400, .invalidTargetForm),
        .init("CONNECT without port", "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", 400, .invalidTargetForm),
        .init("CONNECT to port 0", "CONNECT a:0 HTTP/1.1\r\nHost: a\r\n\r\n", 400, .invalidTargetForm),
        .init("other scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, .invalidTargetForm),
        .init("userinfo", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, .invalidHost),
        .init("empty authority", "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 400, .invalidHost),
        .init("absolute without Host", "GET http://a/ HTTP/1.1\r\n\r\n", 400, .missingHost),
        .init("Host differs from target", "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", 400, .hostMismatch),
        .init("port differs from target", "GET http://a/ HTTP/1.1\r\nHost: a:81\r\n\r\n", 400, .hostMismatch),
        .init("version lower case", "GET / http/1.1\r\n", 400, .invalidVersion),
        .init("version other protocol", "GET / ICE/1.0\r\n", 400, .invalidVersion),
        .init("version of two digits", "GET / HTTP/1.10\r\n", 400, .invalidVersion),
        .init("version with leading zero", "GET / HTTP/01.1\r\n", 400, .invalidVersion),
        .init("space after version", "GET / HTTP/1.1 \r\n", 400, .invalidVersion),
        .init("LF after version", "GET / HTTP/1.1\nHost: a\n\n", 400, .bareLineFeed),
        .init("CR after version", "GET / HTTP/1.1\rHost: a\r\r", 400, .bareCarriageReturn),
        .init("HTTP/2.0", "PRI * HTTP/2.0\r\n\r\n", 505, .unsupportedVersion),
        .init("HTTP/1.2", "GET / HTTP/1.2\r\n", 505, .unsupportedVersion),
        .init("HTTP/0.9 spelled out", "GET / HTTP/0.9\r\n", 505, .unsupportedVersion),
        // Field lines.
        .field("space before colon", "X : y", 400, .whitespaceInFieldName),
        .field("tab before colon", "X\t: y", 400, .whitespaceInFieldName),
        .field("space in name", "X Y: z", 400, .whitespaceInFieldName),
        .field("no name", ": y", 400, .emptyFieldName),
        .field("no colon", "Xy", 400, .missingColon),
        .field("paren in name", "X(Y): z", 400, .invalidFieldName),
        .field("NUL in name", "X\0Y: z", 400, .invalidFieldName),
        .field("obs-text in name", "X\u{85}: z", 400, .invalidFieldName),
        .field("control byte first", "\u{1}X: z", 400, .invalidFieldName),
        .field("CR in a known name", "Content\rLength: 3", 400, .missingColon),
        .field("LF in name", "X\nY: z", 400, .missingColon),
        .field("NUL in value", "X: a\0b", 400, .invalidFieldValue),
        .field("DEL in value", "X: a\u{7f}b", 400, .invalidFieldValue),
        .field("VT in value", "X: a\u{b}b", 400, .invalidFieldValue),
        .field("FF in value", "X: \u{c}", 400, .invalidFieldValue),
        .field("control byte after a tab", "X: a\tb\u{1}", 400, .invalidFieldValue),
        .field("bare CR in value", "X: a\rb", 400, .bareCarriageReturn),
        .field("two CR", "X: a\r", 400, .bareCarriageReturn),
        .field("bare LF in value", "X: a\nb: c", 400, .bareLineFeed),
        .field("obs-fold", "X: a\r\n b", 400, .obsoleteLineFolding),
        .field("obs-fold with tab", "X: a\r\n\tb", 400, .obsoleteLineFolding),
        .init("fold of nothing", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, .obsoleteLineFolding),
        .init("CR CR LF for the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\r\r\n", 400, .bareCarriageReturn),
        .init("LF for the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400, .bareLineFeed),
        .field("name too long", String(repeating: "x", count: 1025), 431, .fieldNameTooLong),
        .init(
            "too many fields", "GET / HTTP/1.1\r\nHost: a\r\n" + String(repeating: "X: y\r\n", count: 128), 431,
            .tooManyFields),
        .init(
            "head too large",
            "GET / HTTP/1.1\r\nHost: a\r\n"
                + String(repeating: "X: \(String(repeating: "y", count: 994))\r\n", count: 66),
            431, .headTooLarge),
        .init("one line too large", "GET / HTTP/1.1\r\nX: " + String(repeating: "y", count: 65536), 431, .headTooLarge),
        // Host.
        .init("no Host", "GET / HTTP/1.1\r\n\r\n", 400, .missingHost),
        .field("two Host", "Host: b.example", 400, .duplicateHost),
        .field("two equal Host", "Host: a.example", 400, .duplicateHost),
        .init("empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, .invalidHost),
        .init("space in Host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400, .invalidHost),
        .init("slash in Host", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400, .invalidHost),
        .init("userinfo in Host", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400, .invalidHost),
        .init("comma in Host", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400, .invalidHost),
        .init("obs-text in Host", "GET / HTTP/1.1\r\nHost: \u{e9}\r\n\r\n", 400, .invalidHost),
        .init("junk port", "GET / HTTP/1.1\r\nHost: a:80x\r\n\r\n", 400, .invalidHost),
        .init("port too large", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400, .invalidHost),
        .init("port of six digits", "GET / HTTP/1.1\r\nHost: a:000080\r\n\r\n", 400, .invalidHost),
        .init("port only", "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", 400, .invalidHost),
        .init("two ports", "GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n", 400, .invalidHost),
        .init("bad escape in Host", "GET / HTTP/1.1\r\nHost: a%2\r\n\r\n", 400, .invalidHost),
        .init("IPv6 without brackets", "GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", 400, .invalidHost),
        .init("IPv6 not closed", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400, .invalidHost),
        .init("IPv6 with zone", "GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n\r\n", 400, .invalidHost),
        .init("IPv6 malformed", "GET / HTTP/1.1\r\nHost: [1:2:3]\r\n\r\n", 400, .invalidHost),
        .init("IPv6 and junk", "GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", 400, .invalidHost),
        .init("bad Host in HTTP/1.0", "GET / HTTP/1.0\r\nHost: a b\r\n\r\n", 400, .invalidHost),
        // Framing.
        .field("CL empty", "Content-Length:", 400, .invalidContentLength),
        .field("CL signed", "Content-Length: +5", 400, .invalidContentLength),
        .field("CL negative", "Content-Length: -5", 400, .invalidContentLength),
        .field("CL hexadecimal", "Content-Length: 0x5", 400, .invalidContentLength),
        .field("CL list", "Content-Length: 5, 5", 400, .invalidContentLength),
        .field("CL with space", "Content-Length: 5 5", 400, .invalidContentLength),
        .field("CL in other digits", "Content-Length: \u{ef}\u{bc}\u{95}", 400, .invalidContentLength),
        .field("CL of 2^63", "Content-Length: 9223372036854775808", 413, .contentLengthTooLarge),
        .field("CL of 2^64", "Content-Length: 18446744073709551616", 413, .contentLengthTooLarge),
        .field("CL of 26 digits", "Content-Length: 99999999999999999999999999", 413, .contentLengthTooLarge),
        .field("two CL", "Content-Length: 5\r\nContent-Length: 6", 400, .duplicateContentLength),
        .field("two equal CL", "Content-Length: 5\r\ncontent-length: 5", 400, .duplicateContentLength),
        .field(
            "CL then TE", "Content-Length: 5\r\nTransfer-Encoding: chunked", 400, .contentLengthWithTransferEncoding),
        .field(
            "TE then CL", "Transfer-Encoding: chunked\r\nContent-Length: 5", 400, .contentLengthWithTransferEncoding),
        .field("TE empty", "Transfer-Encoding:", 400, .invalidTransferEncoding),
        .field("TE empty member first", "Transfer-Encoding: ,chunked", 400, .invalidTransferEncoding),
        .field("TE empty member last", "Transfer-Encoding: chunked,", 400, .invalidTransferEncoding),
        .field("TE chunked twice", "Transfer-Encoding: chunked, chunked", 400, .invalidTransferEncoding),
        .field(
            "TE chunked on two lines", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400,
            .invalidTransferEncoding),
        .field("TE chunked not last", "Transfer-Encoding: chunked, gzip", 400, .invalidTransferEncoding),
        .field(
            "TE chunked not on the last line", "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip", 400,
            .invalidTransferEncoding),
        .field(
            "TE chunked on one line, nothing on the next", "Transfer-Encoding: chunked\r\nTransfer-Encoding:", 400,
            .invalidTransferEncoding),
        .field("TE gzip, chunked", "Transfer-Encoding: gzip, chunked", 501, .unsupportedTransferCoding),
        .field(
            "TE gzip and chunked on two lines", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", 501,
            .unsupportedTransferCoding),
        .field("TE identity", "Transfer-Encoding: identity", 501, .unsupportedTransferCoding),
        .field("TE xchunked", "Transfer-Encoding: xchunked", 501, .unsupportedTransferCoding),
        .field("TE with parameter", "Transfer-Encoding: chunked;q=1", 501, .unsupportedTransferCoding),
        .field("TE quoted", "Transfer-Encoding: \"chunked\"", 501, .unsupportedTransferCoding),
        .field("TE with no-break space", "Transfer-Encoding: \u{a0}chunked", 501, .unsupportedTransferCoding),
        .init(
            "TE in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, .transferEncodingInHTTP10),
        .field("other expectation", "Expect: banana", 417, .unsupportedExpectation),
        .field("expectation and more", "Expect: 100-continue, x", 417, .unsupportedExpectation),
        .field("two keys", "X-Api-Key: a\r\nx-api-key: a", 400, .duplicateField),
        .field("two Authorization", "Authorization: Bearer a\r\nAuthorization: Bearer b", 400, .duplicateField),
        .field("two Content-Type", "Content-Type: a/b\r\nContent-Type: a/b", 400, .duplicateField),
        .field("two Range", "Range: bytes=0-1\r\nRange: bytes=1-2", 400, .duplicateField),
        .field("two Expect", "Expect: 100-continue\r\nExpect: 100-continue", 417, .unsupportedExpectation),
    ]
}
