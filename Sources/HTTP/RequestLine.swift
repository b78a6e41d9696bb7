import CScan

/// The first line of a request (RFC 9112 §3): fills its part of a head, and keeps what the judgement of Host needs.
struct RequestLine {
    /// Of the authority's host, without the port.
    var authorityHostLength = 0
    /// -1: none.
    var authorityPort: Int32 = -1
    var defaultPort: Int32 = -1
    /// The byte after its CRLF.
    var end = 0

    /// Parses p[0 ..< n] up to the first CRLF behind the version. Errors come in the order of the bytes that cause them.
    @inline(__always) mutating func parse(
        _ p: UnsafePointer<UInt8>, _ n: Int, _ limits: MessageLimits, _ head: inout RequestHead
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
        let methodLength = methodEnd - start
        guard methodLength <= RequestParser.maxMethodBytes else { return failed(.methodTooLong) }
        guard methodEnd < n else { return .incomplete }
        guard p[methodEnd] == UInt8(ascii: " "), methodLength > 0 else {
            return failed(methodFailure(p[methodEnd], methodLength))
        }

        let target = methodEnd + 1
        let pathEnd = fg_find_path(p, target, n)
        var targetEnd = pathEnd
        var query = 0
        if pathEnd < n, p[pathEnd] == UInt8(ascii: "?") {
            query = pathEnd + 1
            targetEnd = fg_find_query(p, query, n)
        }
        guard targetEnd - target <= Int(limits.maxTargetBytes) else { return failed(.targetTooLong) }
        guard targetEnd < n else { return .incomplete }
        guard p[targetEnd] == UInt8(ascii: " "), targetEnd > target else { return failed(targetFailure(p[targetEnd])) }

        switch HTTPVersion.parse(p, targetEnd + 1, n, isLineEnd: true) {
        case .complete(let minor): head.versionMinor = minor
        case .incomplete: return .incomplete
        case .failed(let code): return failed(code)
        }
        end = targetEnd + 11

        head.method = Method(rawValue: fg_method(p + start, methodLength))!
        head.methodOffset = offset(start)
        head.methodLength = offset(methodLength)
        head.targetOffset = offset(target)
        head.targetLength = offset(targetEnd - target)
        head.pathOffset = offset(target)
        head.pathLength = offset(pathEnd - target)
        head.queryOffset = offset(query)
        head.queryLength = query > 0 ? offset(targetEnd - query) : 0
        if p[target] == UInt8(ascii: "/"), head.method != .connect { return .complete }
        return parseOtherForm(p, &head)
    }

    /// RFC 9112 §3.2.2–§3.2.4.
    @inline(never) private mutating func parseOtherForm(
        _ p: UnsafePointer<UInt8>, _ head: inout RequestHead
    ) -> ParseOutcome {
        let start = Int(head.targetOffset)
        let target = p + start
        let length = Int(head.targetLength)
        if length == 1, target[0] == UInt8(ascii: "*") {
            return head.method == .options ? .complete : failed(.invalidTargetForm)
        }
        if head.method == .connect {
            head.authorityOffset = head.targetOffset
            head.authorityLength = head.targetLength
            (head.pathOffset, head.pathLength, head.queryOffset, head.queryLength) = (0, 0, 0, 0)
            authorityHostLength = fg_scan_host(p, start, length, &authorityPort)
            return authorityHostLength < 0 || authorityPort < 1 ? failed(.invalidTargetForm) : .complete
        }
        let authority: Int
        if length >= 7, equalsIgnoringCase(target, 7, "http://") {
            (authority, defaultPort) = (start + 7, 80)
        } else if length >= 8, equalsIgnoringCase(target, 8, "https://") {
            (authority, defaultPort) = (start + 8, 443)
        } else {
            return failed(.invalidTargetForm)
        }
        let pathEnd = start + Int(head.pathLength)
        var path = authority
        while path < pathEnd, p[path] != UInt8(ascii: "/") { path += 1 }
        head.authorityOffset = offset(authority)
        head.authorityLength = offset(path - authority)
        // Without a path it means "/" (RFC 9112 §3.2.1), as which it is matched, recorded and sent on: the slash before
        // the authority stands for it.
        let hasPath = path < pathEnd
        head.pathOffset = offset(hasPath ? path : authority - 1)
        head.pathLength = offset(hasPath ? pathEnd - path : 1)
        authorityHostLength = fg_scan_host(p, authority, path - authority, &authorityPort)
        return authorityHostLength < 0 ? failed(.invalidHost) : .complete
    }

    @inline(__always) private func offset(_ value: Int) -> UInt32 { UInt32(truncatingIfNeeded: value) }

    private func failed(_ code: HTTPFailureCode) -> ParseOutcome { .failed(HTTPFailure(code)) }

    @inline(never) private func methodFailure(_ byte: UInt8, _ length: Int) -> HTTPFailureCode {
        length > 0 && (byte == UInt8(ascii: "\r") || byte == UInt8(ascii: "\n"))
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
