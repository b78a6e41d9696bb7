import CScan

/// The fields that decide where a message ends and what becomes of its connection (RFC 9112 §6 and §9.3).
struct FramingFields {
    var contentLength: UInt64 = 0
    var closes = false
    var keepsAlive = false
    var upgrades = false
    var namesOther = false
    var host: Int = -1
    var expectation: Int = -1

    static var deciding: HeaderMask {
        HeaderMask().inserting(.contentLength).inserting(.transferEncoding).inserting(.connection).inserting(.host)
            .inserting(.expect)
    }

    /// Collects them from a scanned head.
    @inline(__always) mutating func collect(
        _ p: UnsafePointer<UInt8>, _ fields: UnsafePointer<Field>, _ count: Int, known: HeaderMask,
        repeated: HeaderMask, versionMinor: UInt8
    ) -> HTTPFailureCode? {
        let deciding = Self.deciding
        if known.contains(.transferEncoding) {
            if known.contains(.contentLength) { return .contentLengthWithTransferEncoding }
            if versionMinor == 0 { return .transferEncodingInHTTP10 }
            if let failure = Self.checkTransferEncoding(p, fields, count) { return failure }
        }
        if repeated.contains(.contentLength) { return .duplicateContentLength }
        guard known.intersects(deciding) else { return nil }
        for index in 0..<count {
            let field = fields[index]
            guard deciding.contains(field.id) else { continue }
            let value = p + Int(field.valueOffset)
            let length = Int(field.valueLength)
            switch field.id {
            case .host: host = index
            case .expect: expectation = index
            case .connection: addConnection(value, length)
            case .contentLength:
                var number: UInt64 = 0
                guard fg_decimal(value, length, &number) != 0 else { return Self.contentLengthFailure(value, length) }
                contentLength = number
            default: break
            }
        }
        return nil
    }

    /// Connection's options (RFC 9110 §7.6.1).
    @inline(__always) private mutating func addConnection(_ value: UnsafePointer<UInt8>, _ length: Int) {
        switch fg_connection_option(value, length) {
        case UInt8(FG_CONNECTION_KEEP_ALIVE): keepsAlive = true
        case UInt8(FG_CONNECTION_CLOSE): closes = true
        case UInt8(FG_CONNECTION_UPGRADE): upgrades = true
        case UInt8(FG_CONNECTION_TE): break
        default: addConnectionList(value, length)
        }
    }

    @inline(never) private mutating func addConnectionList(_ value: UnsafePointer<UInt8>, _ length: Int) {
        var tokens = FieldListTokens(value, length)
        while let token = tokens.next() {
            switch fg_connection_option(value + token.offset, token.count) {
            case UInt8(FG_CONNECTION_KEEP_ALIVE): keepsAlive = true
            case UInt8(FG_CONNECTION_CLOSE): closes = true
            case UInt8(FG_CONNECTION_UPGRADE): upgrades = true
            case UInt8(FG_CONNECTION_TE): break
            default:
                let id = HeaderID.lookup(name: value + token.offset, count: token.count)
                if !HeaderMask.endToEnd.contains(id) { namesOther = true }
            }
        }
    }

    /// Fields that say one thing about a request: of two of them different readers take different ones.
    static var singular: HeaderMask {
        HeaderMask().inserting(.authorization).inserting(.xAPIKey).inserting(.apiKey).inserting(.xGoogAPIKey)
            .inserting(.contentType).inserting(.contentRange).inserting(.range).inserting(.maxForwards)
    }

    /// What is wrong with a Content-Length that is not `1*19DIGIT` of at most Int64's (RFC 9110 §8.6).
    @inline(never) private static func contentLengthFailure(_ p: UnsafePointer<UInt8>, _ n: Int) -> HTTPFailureCode {
        guard n > 0 else { return .invalidContentLength }
        for index in 0..<n where p[index] < UInt8(ascii: "0") || p[index] > UInt8(ascii: "9") {
            return .invalidContentLength
        }
        return .contentLengthTooLarge
    }

    /// All Transfer-Encoding lines make one list; the only one that is understood is `chunked` alone (RFC 9112 §6.1, §7).
    private static func checkTransferEncoding(
        _ p: UnsafePointer<UInt8>, _ fields: UnsafePointer<Field>, _ count: Int
    ) -> HTTPFailureCode? {
        var codings = 0
        var unknown = 0
        var chunked = 0
        var lastIsChunked = false
        for index in 0..<count where fields[index].id == .transferEncoding {
            let value = p + Int(fields[index].valueOffset)
            var tokens = FieldListTokens(value, Int(fields[index].valueLength))
            while let token = tokens.next() {
                codings += 1
                lastIsChunked = equalsIgnoringCase(value + token.offset, token.count, "chunked")
                if lastIsChunked { chunked += 1 } else { unknown += 1 }
            }
            // An empty element is legal in a list, and a favourite of those who hope that two parsers differ over it.
            if tokens.skippedEmpty { return .invalidTransferEncoding }
        }
        if chunked > 1 || (chunked == 1 && !lastIsChunked) || codings == 0 { return .invalidTransferEncoding }
        return unknown > 0 ? .unsupportedTransferCoding : nil
    }
}

extension HeaderMask {
    /// Fields that no sender may name in Connection (RFC 9110 §7.6.1): to have them removed on the way would change what
    /// the message means, where it goes or who seems to have sent it. Naming them has no effect.
    public static var endToEnd: HeaderMask {
        HeaderMask().inserting(.host).inserting(.contentLength).inserting(.contentType).inserting(.contentEncoding)
            .inserting(.contentRange).inserting(.range).inserting(.authorization).inserting(.xAPIKey).inserting(.apiKey)
            .inserting(.xGoogAPIKey).inserting(.cookie).inserting(.setCookie).inserting(.forwarded)
            .inserting(.xForwardedFor).inserting(.xForwardedHost).inserting(.xForwardedProto).inserting(.xRealIP)
            .inserting(.via).inserting(.maxForwards).inserting(.cacheControl).inserting(.location)
            .inserting(.wwwAuthenticate)
    }
}
