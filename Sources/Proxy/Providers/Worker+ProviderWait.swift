import HTTP
import LLM
import Reactor

extension Worker {
    /// How long the provider asks to be left alone, in milliseconds; nil if it does not say. What is left of its limits
    /// (`x-ratelimit-reset-…`) is not asked: it tells when they are whole again, which is later.
    ///
    /// - Parameters:
    ///   - p: the answer's head.
    ///   - body: of an error, where Google's say it.
    func retryWait(_ p: UnsafePointer<UInt8>, _ response: ResponseHead, _ body: Bytes = .empty) -> UInt64? {
        // OpenAI's and Azure's, finer than the standard's.
        let milliseconds = max(
            responseCount("retry-after-ms", p, response), responseCount("x-ms-retry-after-ms", p, response))
        if milliseconds >= 0 { return UInt64(milliseconds) }
        let field = responseValue(.retryAfter, p, response)
        return RetryAfter.milliseconds(field, since: responseValue(.date, p, response), now: realtime)
            ?? RetryDelay.milliseconds(in: body)
    }
}
