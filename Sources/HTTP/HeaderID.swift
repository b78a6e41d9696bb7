import CScan

/// A field name the gateway knows, or ``other``. Raw values are below 64, so that a set of them is a ``HeaderMask``.
@frozen public struct HeaderID: RawRepresentable, BitwiseCopyable, Hashable, Sendable {
    public var rawValue: UInt8

    @inlinable @inline(__always) public init(rawValue: UInt8) { self.rawValue = rawValue }
    @inlinable @inline(__always) init(_ rawValue: UInt8) { self.rawValue = rawValue }

    /// The id of a field name, compared without case; ``other`` for a name that is not known or no token.
    public static func lookup(name: UnsafePointer<UInt8>, count: Int) -> HeaderID {
        HeaderID(rawValue: fg_header_id_checked(name, count))
    }

    /// ``lookup(name:count:)`` for a string; not for the hot path.
    public static func lookup(_ name: String) -> HeaderID {
        var name = name
        return name.withUTF8 { bytes in
            guard let base = bytes.baseAddress else { return other }
            return lookup(name: base, count: bytes.count)
        }
    }

    /// The name in lower case; empty for ``other``.
    public var name: String {
        var length: UInt8 = 0
        guard let bytes = fg_header_name(rawValue, &length) else { return "" }
        return String(decoding: UnsafeRawBufferPointer(start: bytes, count: Int(length)), as: UTF8.self)
    }
}

extension HeaderID {
    @inlinable public static var other: HeaderID { .init(0) }
    @inlinable public static var host: HeaderID { .init(1) }
    @inlinable public static var contentLength: HeaderID { .init(2) }
    @inlinable public static var transferEncoding: HeaderID { .init(3) }
    @inlinable public static var connection: HeaderID { .init(4) }
    @inlinable public static var keepAlive: HeaderID { .init(5) }
    @inlinable public static var te: HeaderID { .init(6) }
    @inlinable public static var trailer: HeaderID { .init(7) }
    @inlinable public static var upgrade: HeaderID { .init(8) }
    @inlinable public static var proxyConnection: HeaderID { .init(9) }
    @inlinable public static var proxyAuthenticate: HeaderID { .init(10) }
    @inlinable public static var proxyAuthorization: HeaderID { .init(11) }
    @inlinable public static var expect: HeaderID { .init(12) }
    @inlinable public static var authorization: HeaderID { .init(13) }
    @inlinable public static var xAPIKey: HeaderID { .init(14) }
    @inlinable public static var apiKey: HeaderID { .init(15) }
    @inlinable public static var xGoogAPIKey: HeaderID { .init(16) }
    @inlinable public static var cookie: HeaderID { .init(17) }
    @inlinable public static var setCookie: HeaderID { .init(18) }
    @inlinable public static var userAgent: HeaderID { .init(19) }
    @inlinable public static var accept: HeaderID { .init(20) }
    @inlinable public static var acceptEncoding: HeaderID { .init(21) }
    @inlinable public static var contentType: HeaderID { .init(22) }
    @inlinable public static var contentEncoding: HeaderID { .init(23) }
    @inlinable public static var xRequestID: HeaderID { .init(24) }
    @inlinable public static var xForwardedFor: HeaderID { .init(25) }
    @inlinable public static var xForwardedProto: HeaderID { .init(26) }
    @inlinable public static var xForwardedHost: HeaderID { .init(27) }
    @inlinable public static var xRealIP: HeaderID { .init(28) }
    @inlinable public static var forwarded: HeaderID { .init(29) }
    @inlinable public static var xSourcePath: HeaderID { .init(30) }
    @inlinable public static var origin: HeaderID { .init(31) }
    @inlinable public static var accessControlRequestMethod: HeaderID { .init(32) }
    @inlinable public static var accessControlRequestHeaders: HeaderID { .init(33) }
    @inlinable public static var cacheControl: HeaderID { .init(34) }
    @inlinable public static var xAccelBuffering: HeaderID { .init(35) }
    @inlinable public static var retryAfter: HeaderID { .init(36) }
    @inlinable public static var date: HeaderID { .init(37) }
    @inlinable public static var server: HeaderID { .init(38) }
    @inlinable public static var via: HeaderID { .init(39) }
    @inlinable public static var xProxiedBy: HeaderID { .init(40) }
    @inlinable public static var accessControlAllowOrigin: HeaderID { .init(41) }
    @inlinable public static var secWebSocketKey: HeaderID { .init(42) }
    @inlinable public static var http2Settings: HeaderID { .init(43) }
    @inlinable public static var location: HeaderID { .init(44) }
    @inlinable public static var vary: HeaderID { .init(45) }
    @inlinable public static var wwwAuthenticate: HeaderID { .init(46) }
    @inlinable public static var accessControlAllowMethods: HeaderID { .init(47) }
    @inlinable public static var accessControlAllowHeaders: HeaderID { .init(48) }
    @inlinable public static var accessControlAllowCredentials: HeaderID { .init(49) }
    @inlinable public static var accessControlExposeHeaders: HeaderID { .init(50) }
    @inlinable public static var accessControlMaxAge: HeaderID { .init(51) }
    @inlinable public static var xRateLimitLimitRequests: HeaderID { .init(52) }
    @inlinable public static var xRateLimitRemainingRequests: HeaderID { .init(53) }
    @inlinable public static var xRateLimitResetRequests: HeaderID { .init(54) }
    @inlinable public static var serverTiming: HeaderID { .init(55) }
    @inlinable public static var acceptLanguage: HeaderID { .init(56) }
    @inlinable public static var range: HeaderID { .init(57) }
    @inlinable public static var contentRange: HeaderID { .init(58) }
    @inlinable public static var maxForwards: HeaderID { .init(59) }
}

/// A set of header ids in one word; a member for every known field a message has.
@frozen public struct HeaderMask: BitwiseCopyable, Equatable, Sendable {
    public var rawValue: UInt64

    @inlinable @inline(__always) public init(rawValue: UInt64 = 0) { self.rawValue = rawValue }
    @inlinable @inline(__always) public func contains(_ id: HeaderID) -> Bool {
        rawValue & (1 &<< UInt64(id.rawValue)) != 0
    }
    @inlinable @inline(__always) public mutating func insert(_ id: HeaderID) {
        rawValue |= 1 &<< UInt64(id.rawValue)
    }
    @inlinable @inline(__always) public func inserting(_ id: HeaderID) -> HeaderMask {
        HeaderMask(rawValue: rawValue | 1 &<< UInt64(id.rawValue))
    }
    @inlinable @inline(__always) public func intersects(_ mask: HeaderMask) -> Bool { rawValue & mask.rawValue != 0 }
}
