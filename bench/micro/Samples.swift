import JSON
import Reactor
import Store

/// The messages that are measured: what a chat client and an LLM service say to each other.
enum Samples {
    /// 238 bytes.
    static let requestHead = """
        POST /v1/chat/completions HTTP/1.1\r
        host: gateway.example.com\r
        accept: application/json\r
        content-type: application/json\r
        user-agent: OpenAI/Python 1.99.1\r
        authorization: Bearer fg_0123456789abcdef0123456789abcdef\r
        content-length: 1000\r
        \r

        """

    static let responseHead = """
        HTTP/1.1 200 OK\r
        date: Sat, 06 Jun 2026 11:26:55 GMT\r
        content-type: application/json\r
        openai-processing-ms: 321\r
        x-ratelimit-remaining-requests: 9999\r
        x-request-id: req_0123456789abcdef0123456789abcdef\r
        content-length: 600\r
        \r

        """

    static let event =
        #"data: {"id":"chatcmpl-01","object":"chat.completion.chunk","created":1780000000,"model":"gpt-4o","#
        + #""choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}"# + "\n\n"

    /// As OpenAI sends them now, with all their members.
    static let longEvent =
        #"data: {"id":"chatcmpl-BI1oL6hJ7WVYjne6Nna9cvwMRwvsi","object":"chat.completion.chunk","created":1780000000,"#
        + #""model":"gpt-4o-2024-08-06","service_tier":"default","system_fingerprint":"fp_6dd05565ef","#
        + #""choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}],"#
        + #""usage":null,"obfuscation":"ybh0Vd45pA"}"# + "\n\n"

    static let answer =
        #"{"id":"chatcmpl-01","object":"chat.completion","created":1780000000,"model":"gpt-4o-2024-08-06","#
        + #""choices":[{"index":0,"message":{"role":"assistant","content":""# + String(repeating: "word ", count: 80)
        + #"","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":19,"#
        + #""completion_tokens":10,"total_tokens":29,"prompt_tokens_details":{"cached_tokens":0,"audio_tokens":0},"#
        + #""completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,"accepted_prediction_tokens":0,"#
        + #""rejected_prediction_tokens":0}},"service_tier":"default","system_fingerprint":"fp_6dd05565ef"}"#

    static let events = String(repeating: event, count: 6)

    /// 1,000 bytes, the members in the order of OpenAI's own client: `messages` before `model`.
    static let chat: String = {
        let start = #"{"messages":[{"role":"system","content":"You are helpful."},{"role":"user","content":""#
        let end = #""}],"model":"gpt-4o","temperature":0.7,"max_tokens":256,"stream":false}"#
        let sentence = "The quick brown fox says \\\"hello\\\" to the lazy dog. "
        var text = String(repeating: sentence, count: 1000 / sentence.utf8.count + 1)
        text = String(text.prefix(1000 - start.utf8.count - end.utf8.count))
        if text.hasSuffix("\\") { text = text.dropLast() + "." }
        return start + text + end
    }()

    static let request = requestHead + chat

    /// Routes of the same path that ask for one model each; the last takes the request.
    static func routes(_ count: Int) -> [RouteRecord] {
        (0..<count).map { i in
            RouteRecord(
                routeID: numbered("route_", i), routeName: "r\(i)", matchPath: "/v1/*", matchMethod: "POST",
                matchBodySchema: ["model": .string(i == count - 1 ? "gpt-4o" : "gpt-4o-\(i)")],
                targetHost: "127.0.0.1:9000")
        }
    }

    /// Routes of different paths; the last takes the request.
    static func pathRoutes(_ count: Int) -> [RouteRecord] {
        (0..<count).map { i in
            RouteRecord(
                routeID: numbered("route_", i), routeName: "r\(i)",
                matchPath: i == count - 1 ? "/v1/chat/*" : "/tenant\(i)/v1/*", targetHost: "127.0.0.1:9000")
        }
    }

    static func key(_ i: Int) -> String { numbered("fg_0123456789abcdef0123456789ab", i) }

    static func keys(_ count: Int) -> [KeyRecord] {
        (0..<count).map { i in
            KeyRecord(keyID: "key_\(i)", keyHash: SHA256.digest(Array(key(i).utf8)), sourcePath: "/team")
        }
    }

    private static func numbered(_ prefix: String, _ i: Int) -> String {
        let digits = String(i)
        return prefix + String(repeating: "0", count: 5 - digits.utf8.count) + digits
    }
}
