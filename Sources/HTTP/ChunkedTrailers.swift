import CScan

extension ChunkedDecoder {
    /// Fields that decide about framing, routing, authentication or how the content is to be read: they cannot come after
    /// it (RFC 9110 §6.5.1).
    private static var forbiddenTrailers: HeaderMask {
        HeaderMask().inserting(.contentLength).inserting(.transferEncoding).inserting(.host).inserting(.connection)
            .inserting(.keepAlive).inserting(.proxyConnection).inserting(.te).inserting(.trailer).inserting(.upgrade)
            .inserting(.http2Settings).inserting(.expect).inserting(.maxForwards).inserting(.range)
            .inserting(.authorization).inserting(.proxyAuthorization).inserting(.proxyAuthenticate)
            .inserting(.wwwAuthenticate).inserting(.xAPIKey).inserting(.apiKey).inserting(.xGoogAPIKey)
            .inserting(.cookie).inserting(.setCookie).inserting(.contentEncoding).inserting(.contentRange)
            .inserting(.cacheControl).inserting(.xSourcePath).inserting(.xForwardedFor).inserting(.xForwardedHost)
            .inserting(.xForwardedProto).inserting(.forwarded).inserting(.xRealIP).inserting(.location)
    }

    /// Looks for the end of the trailer section that begins at `consumed`, line by line, going on where it stopped.
    mutating func trailers(
        _ p: UnsafePointer<UInt8>, _ n: Int, _ consumed: inout Int, _ limits: MessageLimits
    ) -> ChunkEvent {
        let start = consumed
        let section = p + start
        let available = min(n - start, Int(limits.maxTrailerBytes))
        if available >= 2, trailerPosition == 0, section[0] == UInt8(ascii: "\r"), section[1] == UInt8(ascii: "\n") {
            consumed += 2
            state = .finished
            return .end
        }
        var field = fg_field()
        while true {
            // One line a turn: only its id is of interest, so one entry serves for all of them.
            var scan = fg_field_scan()
            scan.position = trailerPosition
            let outcome = fg_scan_fields(section, available, &field, 1, &scan)
            if scan.known & Self.forbiddenTrailers.rawValue != 0 { return .failed(HTTPFailure(.forbiddenTrailer)) }
            let isNextLine =
                outcome == Int32(FG_FAILED) && scan.failure == UInt32(FG_FAILURE_TOO_MANY_FIELDS)
            if scan.count == 1 { trailerCount += 1 }
            guard trailerCount <= limits.maxFields else { return .failed(HTTPFailure(.tooManyFields)) }
            trailerPosition = scan.position
            if isNextLine { continue }
            switch outcome {
            case Int32(FG_COMPLETE):
                consumed += Int(scan.position)
                state = .finished
                return .trailers(offset: start, count: Int(scan.position) - 2)
            case Int32(FG_INCOMPLETE):
                return n - start >= Int(limits.maxTrailerBytes) ? .failed(HTTPFailure(.trailerTooLarge)) : .needMore
            default:
                return .failed(
                    HTTPFailure(HTTPFailureCode(rawValue: UInt8(truncatingIfNeeded: scan.failure))!))
            }
        }
    }
}

/// The field lines of ``ChunkEvent/trailers(offset:count:)``, one after the other; offsets count from the first one's start.
@frozen public struct TrailerFields: BitwiseCopyable {
    @usableFromInline let base: UnsafePointer<UInt8>
    @usableFromInline let count: Int
    @usableFromInline var position = 0

    @inlinable public init(_ p: UnsafePointer<UInt8>, _ n: Int) {
        base = p
        count = n
    }

    public mutating func next() -> Field? {
        guard position < count else { return nil }
        var scan = fg_field_scan()
        var field = fg_field()
        scan.position = UInt32(truncatingIfNeeded: position)
        _ = fg_scan_fields(base, count, &field, 1, &scan)
        guard scan.count == 1 else { return nil }
        position = Int(scan.position)
        return unsafeBitCast(field, to: Field.self)
    }
}
