import Testing

@testable import LLM

/// Rows of frames (`application/vnd.amazon.eventstream`): where they end, and what their heads say.
struct EventFrameTests {
    private typealias Header = (name: String, type: UInt8, value: [UInt8])

    private static func text(_ name: String, _ value: String) -> Header {
        let bytes = Array(value.utf8)
        return (name, 7, [UInt8(bytes.count >> 8), UInt8(bytes.count & 255)] + bytes)
    }

    /// Check sums are zero: nobody looks at them.
    private static func frame(_ headers: [Header], _ payload: String) -> [UInt8] {
        let head = headers.flatMap { [UInt8($0.name.utf8.count)] + Array($0.name.utf8) + [$0.type] + $0.value }
        func word(_ n: Int) -> [UInt8] { [0, 0, UInt8(n >> 8), UInt8(n & 255)] }
        let length = 16 + head.count + payload.utf8.count
        return word(length) + word(head.count) + [0, 0, 0, 0] + head + Array(payload.utf8) + [0, 0, 0, 0]
    }

    private static func event(_ type: String, _ payload: String) -> [UInt8] {
        frame([text(":event-type", type), text(":message-type", "event")], payload)
    }

    private static func read(_ frames: [[UInt8]], piece: Int) -> AnswerReader {
        var reader = AnswerReader(endpoint: .modelInvoke, apiType: .openai, framing: .eventStream)
        feed(&reader, frames.flatMap { $0 }) { min($0, piece) }
        return reader
    }

    @Test(arguments: [1, 2, 7, .max])
    func exceptionsAreErrors(piece: Int) {
        for (name, fault) in [
            ("throttlingException", Fault.rateLimited), ("validationException", .callerError),
            ("modelStreamErrorException", .serverError), ("internalServerException", .serverError),
            ("serviceUnavailableException", .overloaded), ("modelTimeoutException", .timeout),
            ("accessDeniedException", .keyForbidden), ("nobodyKnowsException", .serverError),
        ] {
            let type = Self.text(":message-type", "exception")
            let kind = Self.text(":exception-type", name)
            let other = Self.text(":content-type", "application/json")
            for headers in [[type, kind, other], [kind, other, type]] {
                let opening = Self.event("messageStart", #"{"role":"assistant"}"#)
                let reader = Self.read([opening, Self.frame(headers, #"{"message":"x"}"#)], piece: piece)
                #expect(reader.fault == fault && !reader.contentSeen, "\(name)")
                #expect(reader.settled(promptEstimate: 9) == nil, "\(name)")
            }
        }
    }

    @Test(arguments: [1, 7, .max])
    func anErrorNeedsNoPayload(piece: Int) {
        let headers = [
            Self.text(":message-type", "error"), Self.text(":error-code", "InternalServerException"),
            Self.text(":error-message", "x"),
        ]
        #expect(Self.read([Self.frame(headers, "")], piece: piece).fault == .serverError)
        #expect(Self.read([Self.frame([Self.text(":exception-type", "")], "")], piece: piece).fault == .serverError)
        let kind = Self.text(":exception-type", "throttlingException")
        #expect(Self.read([Self.frame([kind], "Slower!")], piece: piece).fault == .rateLimited)
        // But what is malformed is not believed by itself.
        #expect(Self.read([Self.event("x", #"{"error":{"code":"x"},]"#)], piece: piece).fault == .none)
    }

    /// After content the error is told as well, and what was said is paid for.
    @Test(arguments: [1, 7, .max])
    func anExceptionAfterContent(piece: Int) {
        let said = Self.event("contentBlockDelta", #"{"contentBlockIndex":0,"delta":{"text":"four"}}"#)
        let failed = Self.frame([Self.text(":exception-type", "modelStreamErrorException")], #"{"message":"x"}"#)
        let reader = Self.read([said, failed], piece: piece)
        #expect(reader.fault == .serverError && reader.contentSeen && !reader.isFinished)
        #expect(reader.settled(promptEstimate: 9) == TokenUsage(prompt: 9, completion: 1, estimated: true))
    }

    /// Headers of every type, of every length, and names that nearly are those of errors.
    @Test(arguments: [1, 3, .max])
    func otherHeadersSayNothing(piece: Int) {
        let long = String(repeating: "x", count: 300)
        let headers: [Header] = [
            ("a", 0, []), ("b", 1, []), ("c", 2, [1]), ("d", 3, [1, 2]), ("e", 4, [1, 2, 3, 4]),
            ("f", 5, Array(repeating: 1, count: 8)), ("g", 6, [0, 2, 7, 7]), Self.text("h", long),
            ("i", 8, Array(repeating: 1, count: 8)), ("j", 9, Array(repeating: 1, count: 16)), Self.text("k", ""),
            Self.text(":exception-typo", "throttlingException"), Self.text(":error-kode", "x"), ("", 0, []),
        ]
        let payload = #"{"usage":{"inputTokens":3,"outputTokens":4,"totalTokens":7}}"#
        let reader = Self.read([Self.frame(headers, payload)], piece: piece)
        #expect(reader.fault == .none && reader.reported == TokenUsage(prompt: 3, completion: 4))
    }

    /// A name longer than what is kept is none that is known.
    @Test(arguments: [1, 50, .max])
    func longNames(piece: Int) {
        let name = String(repeating: "throttlingException", count: 20)
        #expect(Self.read([Self.frame([Self.text(":exception-type", name)], "{}")], piece: piece).fault == .serverError)
    }

    /// Amazon's services know no such path: a good status all the same.
    @Test func anUnknownOperation() {
        let text = #"{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}"#
        let reader = reading(text, endpoint: .modelInvoke, framing: .json)
        #expect(reader.fault == .serverError && reader.settled(promptEstimate: 9) == nil)
    }

    @Test func brokenFramesEndTheReading() {
        var reader = AnswerReader(endpoint: .modelInvoke, apiType: .openai, framing: .eventStream)
        for bytes in [[0, 0, 0, 1], [0xFF, 0xFF, 0xFF, 0xFF]] as [[UInt8]] {
            feed(&reader, bytes + Array(repeating: 7, count: 40)) { min($0, 3) }
        }
        #expect(reader.reported == nil && reader.documents == 0 && reader.frame.isBroken)
    }
}
