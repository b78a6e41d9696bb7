import Glibc
import Reactor

/// Tells whose fault an answer is, from its status and the start of its body.
public enum FaultClassifier {
    /// How much of a body is looked at.
    public static let bodyLimit = 16_384

    /// - Parameters:
    ///   - status: of the answer.
    ///   - body: as much of it as is there, decoded; may be empty. With a status below 400 only an `error` in it is a
    ///     fault (Azure answers 200 with one).
    public static func classify(_ apiType: APIType, status: Int, body: Bytes) -> Fault {
        let text = Bytes(body.pointer, min(body.count, bodyLimit))
        var named = Fault.none
        if let p = text.pointer, text.count > 0 {
            var reader = AnswerReader(endpoint: .other, apiType: apiType, framing: .json)
            reader.feed(p, text.count)
            named = reader.namedFault
            if status < 400 { return reader.fault == .none ? .none : said(apiType, named, text, reader.fault) }
        }
        let byStatus = FaultNames.fault(status: status)
        switch status {
        case ..<400: return .none
        case 400, 422: return said(apiType, named, text, named == .none ? byStatus : named)
        // Some have the model or the endpoint, but not for this key.
        case 401: return named == .modelNotFound || isNotForThis(text) ? .modelNotFound : byStatus
        case 403:
            if isNotForThis(text) { return .modelNotFound }
            if named == .keyInvalid || named == .keyQuota || named == .rateLimited || named == .modelNotFound {
                return named
            }
            if isRefusedContent(text) { return .callerError }
            if contains(text, "access to model") || contains(text, "access to the model")
                || contains(text, "access model")
            {
                return .modelNotFound
            }
            return contains(text, "quota") || contains(text, "balance") ? .keyQuota : byStatus
        case 404, 410: return named == .callerError && !contains(text, "model") ? .callerError : byStatus
        case 413: return byStatus
        case 429:
            if named == .keyQuota || named == .overloaded { return named }
            // Gemini calls its limits by the minute a quota, too.
            if apiType != .gemini, begins(text, "you exceeded your current quota") || isOutOfMoney(text) {
                return .keyQuota
            }
            return .rateLimited
        case 402: return byStatus
        case 500...:
            if isOutOfMoney(text) { return .keyQuota }
            return named == .overloaded || named == .timeout ? named : byStatus
        default: return byStatus
        }
    }

    /// Whether the answer refuses the request and names `stream_options`: for a request to which that was added, the reason
    /// may be that.
    public static func refusesUsageOption(status: Int, body: Bytes) -> Bool {
        guard status == 400 || status == 422 else { return false }
        let text = Bytes(body.pointer, min(body.count, bodyLimit))
        return contains(text, "stream_options") || contains(text, "include_usage")
    }

    /// Some say in words only what the matter is.
    private static func said(
        _ apiType: APIType, _ named: Fault, _ text: Bytes, _ otherwise: Fault
    ) -> Fault {
        switch named {
        case .none, .callerError: break
        default: return named
        }
        // Before what speaks against a key: some begin their message with the model's name, which is the caller's.
        if contains(text, "is not a valid model") || contains(text, "invalid model") || contains(text, "unknown model")
            || contains(text, "model not exist") || contains(text, "model does not exist")
            || contains(text, "model identifier is invalid") || contains(text, "model not found")
        {
            return .modelNotFound
        }
        // Google's words, which elsewhere are a caller's that the message begins with.
        if apiType == .gemini, begins(text, "api key not valid") || begins(text, "api key expired") {
            return .keyInvalid
        }
        if begins(text, "incorrect api key") || begins(text, "invalid api key") { return .keyInvalid }
        if isOutOfMoney(text) { return .keyQuota }
        if begins(text, "this organization has been disabled")
            || begins(text, "gemini api free tier is not available")
        {
            return .keyForbidden
        }
        // The gateway stands in a country that Google does not serve: no key is to blame, and none of Google's is of use.
        if begins(text, "user location is not supported") { return .modelNotFound }
        if contains(text, "maximum context length") || contains(text, "prompt is too long")
            || contains(text, "exceeds the maximum number of tokens") || contains(text, "context window")
            || contains(text, "too many tokens")
        {
            return .contextTooLong
        }
        return otherwise
    }

    /// Good keys, but not for this: OpenAI's restricted ones, and those of another organization or project than the request's
    /// fields name.
    private static func isNotForThis(_ text: Bytes) -> Bool {
        begins(text, "you have insufficient permissions for this operation") || isCoded(text, "mismatched_organization")
            || isCoded(text, "invalid_organization") || isCoded(text, "mismatched_project")
            || isCoded(text, "invalid_project") || isCoded(text, "USER_PROJECT_DENIED")
    }

    private static func isOutOfMoney(_ text: Bytes) -> Bool {
        begins(text, "your credit balance is too low") || begins(text, "insufficient balance")
            || begins(text, "you have reached your specified api usage limits")
    }

    /// A moderation has refused the request, or what came of it: that says nothing of the key (OpenRouter, xAI).
    private static func isRefusedContent(_ text: Bytes) -> Bool {
        contains(text, "moderation") || contains(text, "flagged") || contains(text, "usage guidelines")
            || contains(text, "content policy") || contains(text, "safety_check")
    }

    /// Whether the error's message begins with `lower`. What stands elsewhere may be the caller's own words, which many
    /// messages repeat: they must not speak against a key.
    private static func begins(_ text: Bytes, _ lower: StaticString) -> Bool {
        guard let p = text.pointer else { return false }
        let n = lower.utf8CodeUnitCount
        var i = 1
        while i &+ n <= text.count {
            if p[i &- 1] == UInt8(ascii: "\""), FaultNames.equalsIgnoringCase(p + i, lower.utf8Start, n),
                isMessage(p, i &- 1)
            {
                return true
            }
            i &+= 1
        }
        return false
    }

    /// Whether the string that opens at `quote` is the value of a `message` or of what others call theirs.
    private static func isMessage(_ p: UnsafePointer<UInt8>, _ quote: Int) -> Bool {
        let end = endOfName(p, quote)
        return isName("message", p, end) || isName("error", p, end) || isName("detail", p, end) || isName("msg", p, end)
    }

    /// Whether an error's `code` or `reason` is this, letter for letter.
    private static func isCoded(_ text: Bytes, _ code: StaticString) -> Bool {
        guard let p = text.pointer else { return false }
        let n = code.utf8CodeUnitCount
        var i = 1
        while i &+ n < text.count {
            if p[i &- 1] == UInt8(ascii: "\""), p[i &+ n] == UInt8(ascii: "\""), memcmp(p + i, code.utf8Start, n) == 0 {
                let end = endOfName(p, i &- 1)
                if isName("code", p, end) || isName("reason", p, end) { return true }
            }
            i &+= 1
        }
        return false
    }

    /// Where the name of the member ends whose value begins at `value`; -1: it is no member's.
    private static func endOfName(_ p: UnsafePointer<UInt8>, _ value: Int) -> Int {
        let colon = skipSpaceBack(p, value)
        return colon >= 0 && p[colon] == UInt8(ascii: ":") ? skipSpaceBack(p, colon) : -1
    }

    /// The last byte before `index` that is no white space; -1: there is none.
    private static func skipSpaceBack(_ p: UnsafePointer<UInt8>, _ index: Int) -> Int {
        var i = index &- 1
        while i >= 0, p[i] == 0x20 || p[i] == 0x09 || p[i] == 0x0A || p[i] == 0x0D { i &-= 1 }
        return i
    }

    /// Whether a string of just this text ends with the quote at `end`. Within another string its quotes would be escaped.
    private static func isName(_ name: StaticString, _ p: UnsafePointer<UInt8>, _ end: Int) -> Bool {
        let n = name.utf8CodeUnitCount
        let start = end &- n
        return start >= 1 && p[end] == UInt8(ascii: "\"") && p[start &- 1] == UInt8(ascii: "\"")
            && memcmp(p + start, name.utf8Start, n) == 0 && (start < 2 || p[start &- 2] != UInt8(ascii: "\\"))
    }

    /// - Parameter lower: in lower case.
    private static func contains(_ text: Bytes, _ lower: StaticString) -> Bool {
        guard let p = text.pointer else { return false }
        let n = lower.utf8CodeUnitCount
        var i = 0
        while i &+ n <= text.count {
            if FaultNames.folded(p[i]) == lower.utf8Start[0], FaultNames.equalsIgnoringCase(p + i, lower.utf8Start, n) {
                return true
            }
            i &+= 1
        }
        return false
    }
}
