import CScan

/// One field line of a head. Offsets count from the start of the message (where the parser was pointed at); the value is
/// without the whitespace around it. Same layout as the scanner's C struct.
@frozen public struct Field: BitwiseCopyable, Equatable, Sendable {
    public var nameOffset: UInt32
    public var valueOffset: UInt32
    public var valueLength: UInt32
    public var nameLength: UInt16
    public var id: HeaderID
    public var reserved: UInt8

    @inlinable public init() {
        (nameOffset, valueOffset, valueLength, nameLength, id, reserved) = (0, 0, 0, 0, .other, 0)
    }

    /// Whether the message's byte at `offset` belongs to the value.
    @inlinable public func holds(_ offset: UInt32) -> Bool {
        offset >= valueOffset && offset - valueOffset < valueLength
    }
}

/// RFC 9110 §9.3 and RFC 5789. ``other`` is any other token; the bytes are in the message.
public enum Method: UInt8, BitwiseCopyable, Sendable {
    case get, head, post, put, patch, delete, options, connect, trace, other

    /// Done twice it has the effect of once (RFC 9110 §9.2.2).
    public var isIdempotent: Bool {
        switch self {
        case .get, .head, .put, .delete, .options, .trace: true
        case .post, .patch, .connect, .other: false
        }
    }
}

/// How long a message's body is and how one knows (RFC 9112 §6.3).
@frozen public enum BodyFraming: BitwiseCopyable, Equatable, Sendable {
    case none
    case contentLength(UInt64)
    case chunked
    /// A response that ends with the connection.
    case untilClose
    /// No HTTP from here on: after 101, or 2xx to CONNECT. Whether that was asked for is for the caller to judge.
    case tunnel
}

/// Sizes beyond which a message is refused.
@frozen public struct MessageLimits: BitwiseCopyable, Sendable {
    /// Start line, field lines and the empty line together; 431 beyond.
    public let maxHeadBytes: UInt32
    /// Field lines; 431 beyond. The array handed to the parser has to hold that many.
    public let maxFields: UInt32
    /// 414 beyond.
    public let maxTargetBytes: UInt32
    /// Chunk extensions: of one chunk, and (less the data carried meanwhile) of a body. 400 beyond.
    public let maxChunkExtensionBytes: UInt32
    /// A trailer section; 431 beyond.
    public let maxTrailerBytes: UInt32
    /// Whether a Host that differs from the authority of an absolute-form target is refused. If not, the target's
    /// authority counts and Host is to be ignored (RFC 9112 §3.2.2); ``RequestHead/authorityOffset`` says which.
    public let refusesHostMismatch: Bool

    /// Sizes above 1 GiB count as that, more than 65535 fields as 65535: offsets and counts have to fit their types.
    public init(
        maxHeadBytes: UInt32 = 65536, maxFields: UInt32 = 128, maxTargetBytes: UInt32 = 16384,
        maxChunkExtensionBytes: UInt32 = 4096, maxTrailerBytes: UInt32 = 16384, refusesHostMismatch: Bool = true
    ) {
        let most: UInt32 = 1 << 30
        self.maxHeadBytes = min(maxHeadBytes, most)
        self.maxFields = min(maxFields, 65535)
        self.maxTargetBytes = min(maxTargetBytes, most)
        self.maxChunkExtensionBytes = min(maxChunkExtensionBytes, most)
        self.maxTrailerBytes = min(maxTrailerBytes, most)
        self.refusesHostMismatch = refusesHostMismatch
    }
}

/// What a look at the bytes so far came to.
@frozen public enum ParseOutcome: BitwiseCopyable, Equatable, Sendable {
    /// Nothing wrong yet; present the message again, from its start, when there is more of it.
    case incomplete
    case complete
    case failed(HTTPFailure)
}

/// A parsed request head. Offsets count from the start of the message.
@frozen public struct RequestHead: BitwiseCopyable, Equatable, Sendable {
    public var method: Method = .get
    /// 1 for HTTP/1.1, 0 for HTTP/1.0.
    public var versionMinor: UInt8 = 1
    /// Whether the connection may carry another request after this one (RFC 9112 §9.3).
    public var keepAlive = true
    /// `Expect: 100-continue` on a request that has a body (RFC 9110 §10.1.1).
    public var expectsContinue = false
    /// Upgrade is there and Connection names it, HTTP/1.1 (RFC 9110 §7.8).
    public var hasUpgrade = false
    /// Connection names fields beside close, keep-alive, upgrade and te: they are not to be forwarded, but for those of
    /// ``HeaderMask/endToEnd``.
    public var connectionNamesOther = false
    /// A field's name holds something else than letters, digits and "-": another reader may take it for another name.
    public var hasOddNames = false
    public var fieldCount: UInt16 = 0
    /// 0, or 2 if an empty line came before the request line.
    public var methodOffset: UInt32 = 0
    public var methodLength: UInt32 = 0
    public var targetOffset: UInt32 = 0
    public var targetLength: UInt32 = 0
    /// The path of the target, as sent; "/" for an absolute-form without one, and then its query does not follow on it.
    /// Empty only for CONNECT. "*" for OPTIONS *.
    public var pathOffset: UInt32 = 0
    public var pathLength: UInt32 = 0
    /// The query without its '?'. Offset 0: there is none.
    public var queryOffset: UInt32 = 0
    public var queryLength: UInt32 = 0
    /// The host asked for, port included: the target's authority if it has one, else Host. Length 0: HTTP/1.0 without.
    public var authorityOffset: UInt32 = 0
    public var authorityLength: UInt32 = 0
    /// Bytes from the start of the message to its body.
    public var headLength: UInt32 = 0
    public var known = HeaderMask()
    public var framing = BodyFraming.none

    @inlinable public init() {}
}

/// A parsed response head. Offsets count from the start of the message.
@frozen public struct ResponseHead: BitwiseCopyable, Equatable, Sendable {
    /// 100…999; outside 100…599 the meaning is the sender's (RFC 9110 §15).
    public var status: UInt16 = 0
    public var fieldCount: UInt16 = 0
    /// 1 for HTTP/1.1, 0 for HTTP/1.0.
    public var versionMinor: UInt8 = 1
    /// Whether the connection may carry another response after this one.
    public var keepAlive = true
    /// Connection names fields beside close, keep-alive, upgrade and te: they are not to be forwarded.
    public var connectionNamesOther = false
    /// The reason phrase as sent; may be empty.
    public var reasonOffset: UInt32 = 0
    public var reasonLength: UInt32 = 0
    /// Bytes from the start of the message to its body.
    public var headLength: UInt32 = 0
    public var known = HeaderMask()
    public var framing = BodyFraming.none

    @inlinable public init() {}

    /// 1xx but 101: a final response follows on the same connection (RFC 9110 §15.2).
    @inlinable public var isInterim: Bool { status < 200 && status != 101 }
}
