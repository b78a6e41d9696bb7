import CScan

/// Response heads (RFC 9112 §4, §6). As strict as ``RequestParser``: what is refused here is a 502 for the client.
public enum ResponseParser {
    /// Parses the head at the start of p[0 ..< n]. Interim (1xx) responses are heads of their own: parse again behind
    /// `head.headLength`, with a fresh scan.
    /// - Parameters:
    ///   - scan: a fresh ``HeadScan`` for each message, the same one for each look at it.
    ///   - fields: room for `limits.maxFields` entries. Need not keep its contents between calls.
    ///   - requestMethod: of the request that is answered: it decides about the body.
    ///   - head: valid after `.complete` only, and so are `fields`.
    public static func parse(
        _ p: UnsafePointer<UInt8>, _ n: Int, scan: inout HeadScan, limits: MessageLimits,
        fields: UnsafeMutablePointer<Field>, requestMethod: Method, head: inout ResponseHead
    ) -> ParseOutcome {
        if scan.position > 0, let outcome = FieldSection.resume(p, n, limits, fields, &scan) {
            return asBadGateway(outcome)
        }
        let window = FieldSection.window(n, limits)
        var line = StatusLine()
        switch line.parse(p, window.count) {
        case .complete: break
        case .failed(let failure): return asBadGateway(.failed(failure))
        case .incomplete:
            return window.isWhole ? asBadGateway(.failed(HTTPFailure(.headTooLarge))) : .incomplete
        }
        var state = fg_field_scan()
        state.position = UInt32(truncatingIfNeeded: line.end)
        switch FieldSection.advance(p, n, limits, fields, &state, &scan) {
        case .complete: break
        case let outcome: return asBadGateway(outcome)
        }
        if let failure = finish(p, line, state, UnsafePointer(fields), requestMethod, &head) {
            return .failed(HTTPFailure(failure, status: 502))
        }
        return .complete
    }

    @inline(__always) private static func finish(
        _ p: UnsafePointer<UInt8>, _ line: StatusLine, _ state: fg_field_scan, _ fields: UnsafePointer<Field>,
        _ requestMethod: Method, _ head: inout ResponseHead
    ) -> HTTPFailureCode? {
        let known = HeaderMask(rawValue: state.known)
        var framing = FramingFields()
        if let failure = framing.collect(
            p, fields, Int(state.count), known: known, repeated: HeaderMask(rawValue: state.repeated),
            versionMinor: line.versionMinor)
        {
            return failure
        }
        let status = line.status
        head.status = status
        head.versionMinor = line.versionMinor
        head.fieldCount = UInt16(truncatingIfNeeded: state.count)
        head.reasonOffset = UInt32(truncatingIfNeeded: line.reasonOffset)
        head.reasonLength = UInt32(truncatingIfNeeded: line.reasonLength)
        head.headLength = state.position
        head.known = known
        head.connectionNamesOther = framing.namesOther
        head.keepAlive = !framing.closes && (line.versionMinor == 1 || framing.keepsAlive)

        // RFC 9112 §6.3, in its order.
        if status == 101 || (requestMethod == .connect && status / 100 == 2) {
            head.framing = .tunnel
            head.keepAlive = false
        } else if status < 200 || status == 204 {
            head.framing = .none
            // No body can follow, but one is announced: whatever comes next cannot be trusted to be a response.
            if known.contains(.transferEncoding) || framing.contentLength > 0 { head.keepAlive = false }
        } else if requestMethod == .head || status == 304 {
            head.framing = .none
        } else if known.contains(.transferEncoding) {
            head.framing = .chunked
        } else if known.contains(.contentLength) {
            head.framing = .contentLength(framing.contentLength)
        } else {
            head.framing = .untilClose
            head.keepAlive = false
        }
        return nil
    }

    private static func asBadGateway(_ outcome: ParseOutcome) -> ParseOutcome {
        guard case .failed(let failure) = outcome else { return outcome }
        return .failed(HTTPFailure(failure.code, status: 502))
    }
}

/// The first line of a response (RFC 9112 §4), by offsets.
struct StatusLine {
    var status: UInt16 = 0
    var versionMinor: UInt8 = 1
    var reasonOffset = 0
    var reasonLength = 0
    /// The byte after its CRLF.
    var end = 0

    /// Parses p[0 ..< n] up to its CRLF. Errors come in the order of the bytes that cause them.
    @inline(__always) mutating func parse(_ p: UnsafePointer<UInt8>, _ n: Int) -> ParseOutcome {
        switch HTTPVersion.parse(p, 0, n, isLineEnd: false) {
        case .complete(let minor): versionMinor = minor
        case .incomplete: return .incomplete
        case .failed(let code): return failed(code)
        }
        guard p[8] == UInt8(ascii: " ") else { return failed(.invalidStatusLine) }
        for index in 9..<12 {
            guard index < n else { return .incomplete }
            let digit = p[index] &- UInt8(ascii: "0")
            guard digit <= 9, index > 9 || digit > 0 else { return failed(.invalidStatusCode) }
            status = status * 10 + UInt16(digit)
        }
        guard n > 12 else { return .incomplete }
        var stop = 12
        if p[12] == UInt8(ascii: " ") {
            reasonOffset = 13
            stop = fg_find_value(p, 13, n)
            reasonLength = stop - 13
        } else if p[12] != UInt8(ascii: "\r") {
            // The space belongs to the line even before an empty reason; many leave it out, and nothing hangs on it.
            return failed(p[12] == UInt8(ascii: "\n") ? .bareLineFeed : .invalidStatusCode)
        }
        guard stop < n else { return .incomplete }
        guard p[stop] == UInt8(ascii: "\r") else {
            return failed(p[stop] == UInt8(ascii: "\n") ? .bareLineFeed : .invalidStatusLine)
        }
        guard stop + 1 < n else { return .incomplete }
        guard p[stop + 1] == UInt8(ascii: "\n") else { return failed(.bareCarriageReturn) }
        end = stop + 2
        return .complete
    }

    private func failed(_ code: HTTPFailureCode) -> ParseOutcome { .failed(HTTPFailure(code)) }
}
