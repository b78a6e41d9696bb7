/// Why a message was refused, and the status to answer with.
@frozen public struct HTTPFailure: BitwiseCopyable, Equatable, Sendable {
    /// For a request (head, body): the status to answer it with, after which the connection is closed. For a response:
    /// 502 from ``ResponseParser``; a body's failure carries the request's status, whatever the direction.
    public var status: UInt16
    public var code: HTTPFailureCode

    @inlinable public init(_ code: HTTPFailureCode, status: UInt16) {
        self.code = code
        self.status = status
    }

    @inlinable public init(_ code: HTTPFailureCode) { self.init(code, status: code.requestStatus) }
}

/// One case for each way of being malformed.
public enum HTTPFailureCode: UInt8, BitwiseCopyable, Sendable, CaseIterable {
    // The scanner in C produces the first ten by number.
    case invalidFieldName = 1
    case emptyFieldName = 2
    case whitespaceInFieldName = 3
    case missingColon = 4
    case invalidFieldValue = 5
    case obsoleteLineFolding = 6
    case bareCarriageReturn = 7
    case bareLineFeed = 8
    case fieldNameTooLong = 9
    case tooManyFields = 10

    case headTooLarge
    case invalidMethod
    case methodTooLong
    case invalidRequestLine
    case invalidTarget
    case targetTooLong
    case invalidTargetForm
    case fragmentInTarget
    case invalidVersion
    case unsupportedVersion
    case invalidStatusLine
    case invalidStatusCode

    case missingHost
    case duplicateHost
    case invalidHost
    case hostMismatch
    case invalidContentLength
    case duplicateContentLength
    case contentLengthTooLarge
    case contentLengthWithTransferEncoding
    case invalidTransferEncoding
    case unsupportedTransferCoding
    case transferEncodingInHTTP10
    case unsupportedExpectation
    case duplicateField

    case dotSegment
    case backslashInPath
    case invalidPercentEncoding
    case encodedNUL

    case invalidChunkSize
    case chunkTooLarge
    case invalidChunkExtension
    case chunkExtensionTooLong
    case invalidChunkTerminator
    case trailerTooLarge
    case forbiddenTrailer

    /// The status for a request that is malformed in this way.
    public var requestStatus: UInt16 {
        switch self {
        case .contentLengthTooLarge, .chunkTooLarge: 413
        case .targetTooLong: 414
        case .unsupportedExpectation: 417
        case .headTooLarge, .tooManyFields, .fieldNameTooLong, .trailerTooLarge: 431
        case .methodTooLong, .unsupportedTransferCoding: 501
        case .unsupportedVersion: 505
        default: 400
        }
    }

    /// A sentence for the client that sent it.
    public var message: StaticString {
        switch self {
        case .invalidFieldName: "A header name holds a byte that is not allowed."
        case .emptyFieldName: "A header line has no name."
        case .whitespaceInFieldName: "A header name holds or is followed by whitespace."
        case .missingColon: "A header line has no colon."
        case .invalidFieldValue: "A header value holds a control byte."
        case .obsoleteLineFolding: "A header line begins with whitespace."
        case .bareCarriageReturn: "A carriage return is not followed by a line feed."
        case .bareLineFeed: "A line feed is not preceded by a carriage return."
        case .fieldNameTooLong: "A header name is too long."
        case .tooManyFields: "There are too many headers."
        case .headTooLarge: "The head of the message is too large."
        case .invalidMethod: "The method is not a token."
        case .methodTooLong: "The method is too long."
        case .invalidRequestLine: "The request line is malformed."
        case .invalidTarget: "The request target holds a byte that is not allowed."
        case .targetTooLong: "The request target is too long."
        case .invalidTargetForm: "The request target has no form this method allows."
        case .fragmentInTarget: "The request target holds a fragment."
        case .invalidVersion: "The protocol version is malformed."
        case .unsupportedVersion: "The protocol version is not supported."
        case .invalidStatusLine: "The status line is malformed."
        case .invalidStatusCode: "The status code is malformed."
        case .missingHost: "The Host header is missing."
        case .duplicateHost: "There is more than one Host header."
        case .invalidHost: "The host is malformed."
        case .hostMismatch: "The Host header differs from the request target."
        case .invalidContentLength: "Content-Length is malformed."
        case .duplicateContentLength: "There is more than one Content-Length."
        case .contentLengthTooLarge: "Content-Length is too large."
        case .contentLengthWithTransferEncoding: "Content-Length and Transfer-Encoding exclude each other."
        case .invalidTransferEncoding: "Transfer-Encoding is malformed."
        case .unsupportedTransferCoding: "The transfer coding is not supported."
        case .transferEncodingInHTTP10: "Transfer-Encoding is not part of HTTP/1.0."
        case .unsupportedExpectation: "The expectation is not supported."
        case .duplicateField: "A header that may come once came twice."
        case .dotSegment: "The path holds a dot segment."
        case .backslashInPath: "The path holds a backslash."
        case .invalidPercentEncoding: "The path holds an invalid percent-encoding."
        case .encodedNUL: "The path holds an encoded NUL."
        case .invalidChunkSize: "A chunk size is malformed."
        case .chunkTooLarge: "A chunk is too large."
        case .invalidChunkExtension: "A chunk extension is malformed."
        case .chunkExtensionTooLong: "Chunk extensions are too long."
        case .invalidChunkTerminator: "Chunk data does not end in CRLF."
        case .trailerTooLarge: "The trailer section is too large."
        case .forbiddenTrailer: "A trailer is of a kind that does not belong there."
        }
    }
}
