/// One row of the audit: one exchange.
public struct AuditRow: Sendable, Equatable {
    public var id: String
    public var requestID: String
    /// The key's id, never the key.
    public var keyID: String?
    public var sourcePath: String?
    public var method: String
    /// With the query.
    public var path: String
    public var targetURL: String?
    /// Nil: in flight, or ended without a status.
    public var statusCode: Int?
    public var requestTimeMilliseconds: Int64
    public var firstResponseTimeMilliseconds: Int64?
    public var responseTimeMilliseconds: Int64?
    /// From the accepted head to the last byte, milliseconds with a fraction (column `response_time_ms`).
    public var durationMilliseconds: Double?
    /// Body bytes.
    public var requestSize: Int
    /// Body bytes.
    public var responseSize: Int
    public var userAgent: String?
    public var ipAddress: String?
    public var isStream: Bool
    /// Nil: a compressed stream of which no whole copy was recorded.
    public var streamChunks: Int?
    public var errorMessage: String?
    /// JSON text: an object, name to value, or to an array where a name was repeated.
    public var requestHeaders: String?
    /// Lists leave bodies out. Bytes that are not UTF-8 are shown as U+FFFD.
    public var requestBody: String?
    public var responseHeaders: String?
    public var responseBody: String?
    public var createdAtMilliseconds: Int64

    public init(
        id: String, requestID: String = "", keyID: String? = nil, sourcePath: String? = nil, method: String = "",
        path: String = "", targetURL: String? = nil, statusCode: Int? = nil, requestTimeMilliseconds: Int64 = 0,
        firstResponseTimeMilliseconds: Int64? = nil, responseTimeMilliseconds: Int64? = nil,
        durationMilliseconds: Double? = nil, requestSize: Int = 0, responseSize: Int = 0, userAgent: String? = nil,
        ipAddress: String? = nil, isStream: Bool = false, streamChunks: Int? = 0, errorMessage: String? = nil,
        requestHeaders: String? = nil, requestBody: String? = nil, responseHeaders: String? = nil,
        responseBody: String? = nil, createdAtMilliseconds: Int64 = 0
    ) {
        self.id = id
        self.requestID = requestID
        self.keyID = keyID
        self.sourcePath = sourcePath
        self.method = method
        self.path = path
        self.targetURL = targetURL
        self.statusCode = statusCode
        self.requestTimeMilliseconds = requestTimeMilliseconds
        self.firstResponseTimeMilliseconds = firstResponseTimeMilliseconds
        self.responseTimeMilliseconds = responseTimeMilliseconds
        self.durationMilliseconds = durationMilliseconds
        self.requestSize = requestSize
        self.responseSize = responseSize
        self.userAgent = userAgent
        self.ipAddress = ipAddress
        self.isStream = isStream
        self.streamChunks = streamChunks
        self.errorMessage = errorMessage
        self.requestHeaders = requestHeaders
        self.requestBody = requestBody
        self.responseHeaders = responseHeaders
        self.responseBody = responseBody
        self.createdAtMilliseconds = createdAtMilliseconds
    }
}
