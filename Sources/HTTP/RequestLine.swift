import CScan

/// The first line of a request (RFC 9112 §3), by offsets.
struct RequestLine {
    var method = Method.get
    var versionMinor: UInt8 = 1
    var methodOffset = 0
    var methodLength = 0
    var targetOffset = 0
    var targetLength = 0
    var pathOffset = 0
    var pathLength = 0
    var queryOffset = 0
    var queryLength = 0
    var authorityOffset = 0
    var authorityLength = 0
    /// Of the authority's host, without the port.
    var authorityHostLength = 0
    /// -1: none.
    var authorityPort: Int32 = -1
    var defaultPort: Int32 = -1
    /// The byte after its CRLF.
    var end = 0

    /// Parses p[0 ..< n] up to the first CRLF behind the version. Errors come in the order of the bytes that cause them.
    @inline(__always) mutating func parse(
        _ p: UnsafePointer<UInt8>, _ n: Int, _ limits: MessageLimits
    ) -> ParseOutcome {
        guard n > 0 else { return .incomplete }
        var start = 0
        if p[0] == UInt8(ascii: "\r") {
            // RFC 9112 §2.2: an empty line that an old client sends after a body.
            guard n > 1 else { return .incomplete }
            guard p[1] == UInt8(ascii: "\n") else { return failed(.bareCarriageReturn) }
            guard n > 2 else { return .incomplete }
            start = 2
        }
        let methodEnd = fg_find_token_end(p, start, n)
        methodOffset = start
        methodLength = methodEnd - start
        guard methodLength <= RequestParser.maxMethodBytes else { return failed(.methodTooLong) }
        guard methodEnd < n else { return .incomplete }
        guard p[methodEnd] == UInt8(ascii: " "), methodLength > 0 else { return failed(methodFailure(p[methodEnd])) }
        method = Method(rawValue: fg_method(p + start, methodLength)).unsafelyUnwrapped

        targetOffset = methodEnd + 1
        let pathEnd = fg_find_path(p, targetOffset, n)
        var targetEnd = pathEnd
        if pathEnd < n, p[pathEnd] == UInt8(ascii: "?") {
            targetEnd = fg_find_query(p, pathEnd + 1, n)
            queryOffset = pathEnd + 1
            queryLength = targetEnd - queryOffset
        }
        targetLength = targetEnd - targetOffset
        guard targetLength <= Int(limits.maxTargetBytes) else { return failed(.targetTooLong) }
        guard targetEnd < n else { return .incomplete }
        guard p[targetEnd] == UInt8(ascii: " "), targetLength > 0 else { return failed(targetFailure(p[targetEnd])) }

        switch HTTPVersion.parse(p, targetEnd + 1, n, isLineEnd: true) {
        case .complete(let minor): versionMinor = minor
        case .incomplete: return .incomplete
        case .failed(let code): return failed(code)
        }
        end = targetEnd + 11

        pathOffset = targetOffset
        pathLength = pathEnd - targetOffset
        if p[targetOffset] == UInt8(ascii: "/"), method != .connect { return .complete }
        return parseOtherForm(p)
    }

    /// RFC 9112 §3.2.2–§3.2.4.
    @inline(never) private mutating func parseOtherForm(_ p: UnsafePointer<UInt8>) -> ParseOutcome {
        if targetLength == 1, p[targetOffset] == UInt8(ascii: "*") {
            return method == .options ? .complete : failed(.invalidTargetForm)
        }
        if method == .connect {
            authorityOffset = targetOffset
            authorityLength = targetLength
            (pathOffset, pathLength, queryOffset, queryLength) = (0, 0, 0, 0)
            authorityHostLength = fg_scan_host(p, authorityOffset, authorityLength, &authorityPort)
            return authorityHostLength < 0 || authorityPort < 1 ? failed(.invalidTargetForm) : .complete
        }
        let target = p + targetOffset
        if targetLength >= 7, equalsIgnoringCase(target, 7, "http://") {
            (authorityOffset, defaultPort) = (targetOffset + 7, 80)
        } else if targetLength >= 8, equalsIgnoringCase(target, 8, "https://") {
            (authorityOffset, defaultPort) = (targetOffset + 8, 443)
        } else {
            return failed(.invalidTargetForm)
        }
        let pathEnd = targetOffset + pathLength
        var position = authorityOffset
        while position < pathEnd, p[position] != UInt8(ascii: "/") { position += 1 }
        authorityLength = position - authorityOffset
        pathOffset = position
        pathLength = pathEnd - position
        authorityHostLength = fg_scan_host(p, authorityOffset, authorityLength, &authorityPort)
        return authorityHostLength < 0 ? failed(.invalidHost) : .complete
    }

    private func failed(_ code: HTTPFailureCode) -> ParseOutcome { .failed(HTTPFailure(code)) }

    @inline(never) private func methodFailure(_ byte: UInt8) -> HTTPFailureCode {
        methodLength > 0 && (byte == UInt8(ascii: "\r") || byte == UInt8(ascii: "\n"))
            ? .invalidRequestLine : .invalidMethod
    }

    @inline(never) private func targetFailure(_ byte: UInt8) -> HTTPFailureCode {
        switch byte {
        case UInt8(ascii: "#"): .fragmentInTarget
        case UInt8(ascii: " "), UInt8(ascii: "\r"), UInt8(ascii: "\n"): .invalidRequestLine
        default: .invalidTarget
        }
    }
}

/// `HTTP/1.1` and what may follow it (RFC 9112 §2.3).
enum HTTPVersion {
    enum Outcome {
        case complete(minor: UInt8)
        case incomplete
        case failed(HTTPFailureCode)
    }

    /// - Parameter isLineEnd: CRLF has to follow (request line); else SP or CR has to (status line), and is left there.
    @inline(__always) static func parse(
        _ p: UnsafePointer<UInt8>, _ offset: Int, _ n: Int, isLineEnd: Bool
    ) -> Outcome {
        if n - offset >= 10 {
            let word = UnsafeRawPointer(p + offset).loadUnaligned(as: UInt64.self).littleEndian
            let next = p[offset + 8]
            let isEnded =
                isLineEnd
                ? next == UInt8(ascii: "\r") && p[offset + 9] == UInt8(ascii: "\n")
                : next == UInt8(ascii: " ") || next == UInt8(ascii: "\r")
            if word == 0x312E_312F_5054_5448, isEnded { return .complete(minor: 1) }
        }
        return parseBytes(p, offset, n, isLineEnd)
    }

    @inline(never) private static func parseBytes(
        _ p: UnsafePointer<UInt8>, _ offset: Int, _ n: Int, _ isLineEnd: Bool
    ) -> Outcome {
        let template: StaticString = "HTTP/d.d"
        for index in 0..<8 {
            guard offset + index < n else { return .incomplete }
            let byte = p[offset + index]
            let expected = template.utf8Start[index]
            guard expected == UInt8(ascii: "d") ? byte &- UInt8(ascii: "0") <= 9 : byte == expected else {
                return .failed(.invalidVersion)
            }
        }
        let minor = p[offset + 7] &- UInt8(ascii: "0")
        guard p[offset + 5] == UInt8(ascii: "1"), minor <= 1 else { return .failed(.unsupportedVersion) }
        guard offset + 8 < n else { return .incomplete }
        switch p[offset + 8] {
        case UInt8(ascii: "\r"): break
        case UInt8(ascii: " ") where !isLineEnd: return .complete(minor: minor)
        case UInt8(ascii: "\n"): return .failed(.bareLineFeed)
        default: return .failed(.invalidVersion)
        }
        guard isLineEnd else { return .complete(minor: minor) }
        guard offset + 9 < n else { return .incomplete }
        return p[offset + 9] == UInt8(ascii: "\n") ? .complete(minor: minor) : .failed(.bareCarriageReturn)
    }
}
