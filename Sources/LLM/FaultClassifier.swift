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
            if status < 400 { return reader.fault == .none ? .none : said(named, text, reader.fault) }
        }
        let byStatus = FaultNames.fault(status: status)
        switch status {
        case ..<400: return .none
        case 400, 422: return said(named, text, named == .none ? byStatus : named)
        case 403:
            if named == .keyInvalid || named == .keyQuota || named == .rateLimited { return named }
            // A request that a moderation has refused.
            if contains(text, "moderation") || contains(text, "flagged") { return .callerError }
            return contains(text, "quota") || contains(text, "balance") ? .keyQuota : byStatus
        case 404, 410: return named == .callerError && !contains(text, "model") ? .callerError : byStatus
        case 413: return byStatus
        case 429:
            if named == .keyQuota || named == .overloaded { return named }
            // Gemini calls its limits by the minute a quota, too.
            if apiType != .gemini, contains(text, "exceeded your current quota") || contains(text, "credit balance") {
                return .keyQuota
            }
            return .rateLimited
        case 401, 402: return byStatus
        case 500...: return named == .overloaded || named == .timeout ? named : byStatus
        default: return byStatus
        }
    }

    /// Some say in words only what the matter is.
    private static func said(_ named: Fault, _ text: Bytes, _ otherwise: Fault) -> Fault {
        switch named {
        case .none, .callerError: break
        default: return named
        }
        if contains(text, "api key not valid") || contains(text, "api key expired")
            || contains(text, "incorrect api key") || contains(text, "invalid api key")
        {
            return .keyInvalid
        }
        if contains(text, "credit balance is too low") || contains(text, "insufficient balance") { return .keyQuota }
        if contains(text, "maximum context length") || contains(text, "prompt is too long")
            || contains(text, "exceeds the maximum number of tokens") || contains(text, "context window")
            || contains(text, "too many tokens")
        {
            return .contextTooLong
        }
        return otherwise
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
