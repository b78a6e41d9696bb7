import CScan

/// Request heads (RFC 9112 §2–§3, §6, RFC 9110 §7).
///
/// Touches no byte outside p[0 ..< n], allocates nothing. What it says of a message does not depend on how the message
/// was cut into calls: a prefix that is refused is refused with the failure the whole would be refused with.
public enum RequestParser {
    /// Longest method, in bytes; 501 beyond (RFC 9112 §3).
    static var maxMethodBytes: Int { 64 }

    /// Parses the head at the start of p[0 ..< n].
    /// - Parameters:
    ///   - scan: a fresh ``HeadScan`` for each message, the same one for each look at it.
    ///   - fields: room for `limits.maxFields` entries. Need not keep its contents between calls.
    ///   - head: valid after `.complete` only, and so are `fields`.
    public static func parse(
        _ p: UnsafePointer<UInt8>, _ n: Int, scan: inout HeadScan, limits: MessageLimits,
        fields: UnsafeMutablePointer<Field>, head: inout RequestHead
    ) -> ParseOutcome {
        if scan.position > 0, let outcome = FieldSection.resume(p, n, limits, fields, &scan) { return outcome }
        let window = FieldSection.window(n, limits)
        head = RequestHead()
        var line = RequestLine()
        switch line.parse(p, window.count, limits, &head) {
        case .complete: break
        case .failed(let failure): return .failed(failure)
        case .incomplete:
            return window.isWhole ? .failed(HTTPFailure(.headTooLarge)) : .incomplete
        }
        var state = fg_field_scan()
        state.position = UInt32(truncatingIfNeeded: line.end)
        switch FieldSection.advance(p, n, limits, fields, &state, &scan) {
        case .complete: break
        case let outcome: return outcome
        }
        if let failure = finish(p, line, state, limits, UnsafePointer(fields), &head) {
            return .failed(HTTPFailure(failure))
        }
        return .complete
    }

    /// Whether p[0 ..< n] begins as a HEAD request does, however malformed it goes on: its answer has no body
    /// (RFC 9110 §9.3.2).
    public static func beginsHEAD(_ p: UnsafePointer<UInt8>, _ n: Int) -> Bool {
        let start = n >= 2 && p[0] == UInt8(ascii: "\r") && p[1] == UInt8(ascii: "\n") ? 2 : 0
        guard fg_find_token_end(p, start, n) == start + 4, start + 4 < n, p[start + 4] == UInt8(ascii: " ") else {
            return false
        }
        return Method(rawValue: fg_method(p + start, 4)) == .head
    }

    /// Judges the head as a whole and fills what the request line has left.
    @inline(__always) private static func finish(
        _ p: UnsafePointer<UInt8>, _ line: RequestLine, _ state: fg_field_scan, _ limits: MessageLimits,
        _ fields: UnsafePointer<Field>, _ head: inout RequestHead
    ) -> HTTPFailureCode? {
        let known = HeaderMask(rawValue: state.known)
        let repeated = HeaderMask(rawValue: state.repeated)
        if repeated.contains(.host) { return .duplicateHost }
        if repeated.intersects(FramingFields.singular) { return .duplicateField }
        var framing = FramingFields()
        if let failure = framing.collect(
            p, fields, Int(state.count), known: known, repeated: repeated, versionMinor: head.versionMinor)
        {
            return failure
        }
        head.fieldCount = UInt16(truncatingIfNeeded: state.count)
        head.headLength = state.position
        head.known = known
        head.hasOddNames = state.odd_names != 0

        if let failure = authority(p, line, framing.host, limits, fields, &head) { return failure }

        if known.contains(.transferEncoding) {
            head.framing = .chunked
        } else if known.contains(.contentLength) {
            head.framing = .contentLength(framing.contentLength)
        }
        let isHTTP11 = head.versionMinor == 1
        head.keepAlive = !framing.closes && (isHTTP11 || framing.keepsAlive)
        head.connectionNamesOther = framing.namesOther
        head.hasUpgrade = isHTTP11 && framing.upgrades && known.contains(.upgrade)
        if framing.expectation >= 0, isHTTP11 {
            if repeated.contains(.expect) { return .unsupportedExpectation }
            let field = fields[framing.expectation]
            guard equalsIgnoringCase(p + Int(field.valueOffset), Int(field.valueLength), "100-continue") else {
                return .unsupportedExpectation
            }
            head.expectsContinue = head.framing != .none && head.framing != .contentLength(0)
        }
        return nil
    }

    /// RFC 9112 §3.2 and §3.3: which host is asked for.
    @inline(__always) private static func authority(
        _ p: UnsafePointer<UInt8>, _ line: RequestLine, _ hostIndex: Int, _ limits: MessageLimits,
        _ fields: UnsafePointer<Field>, _ head: inout RequestHead
    ) -> HTTPFailureCode? {
        var hostOffset = 0
        var hostLength = 0
        var hostPort: Int32 = -1
        var hostNameLength = 0
        if hostIndex >= 0 {
            hostOffset = Int(fields[hostIndex].valueOffset)
            hostLength = Int(fields[hostIndex].valueLength)
            hostNameLength = fg_scan_host(p, hostOffset, hostLength, &hostPort)
            if hostNameLength < 0 { return .invalidHost }
        } else if head.versionMinor == 1 {
            return .missingHost
        }
        if head.authorityLength == 0 {
            head.authorityOffset = UInt32(truncatingIfNeeded: hostOffset)
            head.authorityLength = UInt32(truncatingIfNeeded: hostLength)
            return nil
        }
        guard hostIndex >= 0, limits.refusesHostMismatch else { return nil }
        let isSame =
            line.authorityHostLength == hostNameLength
            && (line.authorityPort < 0 ? line.defaultPort : line.authorityPort)
                == (hostPort < 0 ? line.defaultPort : hostPort)
            && fg_same_ignoring_case(p + Int(head.authorityOffset), p + hostOffset, hostNameLength) != 0
        return isSame ? nil : .hostMismatch
    }
}
