import Testing

@testable import LLM

struct StreamOpeningTests {
    private static func opening(_ endpoint: Endpoint, _ text: String, piece: Int = 1 << 20) -> [OpeningEvent] {
        var reader = AnswerReader(endpoint: endpoint, apiType: .openai, framing: .sse)
        var opening = StreamOpening()
        var found: [OpeningEvent] = []
        let bytes = Array(text.utf8)
        bytes.withUnsafeBufferPointer { buffer in
            var at = 0
            while at < bytes.count {
                let n = min(piece, bytes.count - at)
                if case .event(let event, let count) = opening.next(buffer.baseAddress! + at, n, &reader) {
                    found.append(event)
                    at += count
                } else {
                    at += n
                }
            }
        }
        return found
    }

    static let role = #"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#

    @Test(arguments: ["\n", "\r\n", "\r"], [1, 2, 3, 10, 1000])
    func chat(lineEnd: String, piece: Int) {
        let azure = #"data: {"choices":[],"prompt_filter_results":[]}"#
        let lines = [": hi", Self.role, azure, "retry: 1", "event: x"]
        let text = lines.map { $0 + lineEnd + lineEnd }.joined()
        #expect(Self.opening(.chatCompletions, text, piece: piece) == [.neutral, .role, .neutral, .neutral, .neutral])
    }

    @Test func whatBelongsToWhatFollows() {
        let usage = #"data: {"choices":[],"usage":{"prompt_tokens":1}}"# + "\n\n"
        #expect(Self.opening(.chatCompletions, usage) == [.bound])
        #expect(Self.opening(.chatCompletions, "data: nonsense\n\n") == [.bound])
        #expect(Self.opening(.responses, #"data: {"type":"response.created"}"# + "\n\n") == [.bound])
    }

    @Test func anthropic() {
        let text = [
            #"{"type":"message_start","message":{"role":"assistant","content":[]}}"#, #"{"type":"ping"}"#,
            #"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        ]
        #expect(
            Self.opening(.messages, text.map { "event: e\ndata: \($0)\n\n" }.joined()) == [
                .messageStart, .neutral, .bound,
            ])
    }

    @Test(arguments: [
        (#"{"role":"assistant","content":"a"}"#, #"{                   "content":"a"}"#),
        (#"{"content":"a","role":"assistant"}"#, #"{"content":"a"                   }"#),
        (#"{"content":"a" , "role" : "assistant" }"#, #"{"content":"a"                           }"#),
        (#"{"content":"a \"role\":\"assistant\","}"#, #"{"content":"a \"role\":\"assistant\","}"#),
        (#"{"type":"role","content":"a"}"#, #"{"type":"role","content":"a"}"#),
        (#"{"role"#, #"{"role"#), (#"{"role":"assis"#, #"{"role":"assis"#),
        // Within lines only: what cannot be taken out cleanly stays.
        ("{\"role\":\"assistant\"\n,\"content\":\"a\"}", "{\"role\":\"assistant\"\n,\"content\":\"a\"}"),
        ("{\"content\":\"a\",\n\"role\":\"assistant\"}", "{\"content\":\"a\",\n\"role\":\"assistant\"}"),
        (#"{"role":"assistant"}"#, #"{                  }"#),
    ])
    func aRepeatedRoleIsOverwritten(text: String, wanted: String) {
        var bytes = Array(text.utf8)
        bytes.withUnsafeMutableBufferPointer { RepeatedRole.blank($0.baseAddress!, $0.count) }
        let found = String(decoding: bytes, as: UTF8.self)
        #expect(found.count == text.count)
        #expect(found.replacing(" ", with: "") == wanted.replacing(" ", with: ""))
        var two = Array((text + "\n\n" + text).utf8)
        two.withUnsafeMutableBufferPointer { RepeatedRole.blank($0.baseAddress!, $0.count) }
        if text.hasSuffix("}") { #expect(String(decoding: two, as: UTF8.self).hasSuffix(text)) }
    }
}
